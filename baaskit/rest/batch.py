"""`POST /rest/v1/batch`: many operations in one transaction, under all policies; all of them happen or none does.

`{"operations": [{"method", "path", "id"?, "body"?, "prefer"?, "headers"?, "expect"?}]}` → `{"results": [{"status", "headers", "body"}]}`.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

import orjson

from baaskit.errors import BaasError
from baaskit.errors.rest import BatchConflict, InvalidBody, InvalidReference, TooComplex, UnsupportedMethod
from baaskit.kernel.claims import Claims
from baaskit.kernel.database import Sql
from baaskit.kernel.database.plans import Plans
from baaskit.kernel.hooks import Hooks
from baaskit.kernel.query import parse_preferences
from baaskit.kernel.schema import TableName
from baaskit.rest.answer import JSON, Answer
from baaskit.rest.reads import answer_page, page_steps, prepare
from baaskit.rest.references import ID, Answers, References
from baaskit.rest.request import Request
from baaskit.rest.writes import plan_write

MAX_OPERATIONS = 100
_MEMBERS = frozenset({"method", "path", "id", "body", "prefer", "headers", "expect"})
_HEADERS = frozenset({"prefer", "accept", "content-profile", "accept-profile", "range", "range-unit"})

Outcome = tuple[Answer, int]  # the answer, and how many rows it affected or found
Steps = Generator[Sql, list[Any], Outcome]
Address = Callable[[str, dict[bytes, bytes], str], TableName]  # decoded name, headers, method → table; refuses


@dataclass(frozen=True, slots=True)
class Operation:
    request: Request
    body: bytes
    expect: int | None
    id: str | None


async def batch_script(
    plans: Plans, hooks: Hooks, body: Any, claims: Claims, address: Address, call: Callable[[Request, bytes], Callable[[], Steps]]
) -> Callable[[], Generator[Sql, list[Any], Answer]]:
    """Plan every operation (hooks run here, before the transaction); the script runs them in order. `call` plans one of a function.

    An error of operation i is that operation's own error with `operation i` in its hint; BatchConflict when `expect` is missed.
    """
    operations = _operations(body, claims)
    so_far = Answers()
    _refer(operations, so_far)
    steps: list[Callable[[], Steps]] = []
    for index, operation in enumerate(operations):
        try:
            if operation.request.name.startswith("rpc/"):
                steps.append(call(operation.request, operation.body))
            else:
                steps.append(await _planned(plans, hooks, operation, address))
        except BaasError as problem:
            raise _placed(problem, index) from None

    def script() -> Generator[Sql, list[Any], Answer]:
        answers: list[Answer] = []
        so_far.begin()
        for index, (operation, run) in enumerate(zip(operations, steps, strict=True)):
            try:
                answer, affected = yield from run()
            except BaasError as problem:
                raise _placed(problem, index) from None
            if operation.expect is not None and affected != operation.expect:
                raise BatchConflict(index, operation.expect, affected)
            answers.append(answer)
            so_far.bodies.append(answer.body)
        return Answer(200, [JSON], b'{"results":[' + b",".join(_result(answer) for answer in answers) + b"]}")

    return script


def _operations(body: Any, claims: Claims) -> list[Operation]:
    listed = body.get("operations") if isinstance(body, dict) else None
    if not isinstance(listed, list):
        raise InvalidBody('A batch is {"operations": [...]}')
    if len(listed) > MAX_OPERATIONS:
        raise TooComplex(f"A batch may have {MAX_OPERATIONS} operations; this one has {len(listed)}.")
    return [_operation(entry, index, claims) for index, entry in enumerate(listed)]


def _operation(entry: Any, index: int, claims: Claims) -> Operation:
    if not isinstance(entry, dict) or not isinstance(entry.get("path"), str) or not isinstance(entry.get("method"), str):
        raise InvalidBody(f"operation {index}: method and path are needed")
    if unknown := entry.keys() - _MEMBERS:  # a misspelled `expect` must not let a wrong number of rows pass
        raise InvalidBody(f"operation {index}: unknown member {min(unknown)!r}")
    expect, name = entry.get("expect"), entry.get("id")
    if name is not None and (not isinstance(name, str) or not ID.fullmatch(name)):
        raise InvalidBody(f"operation {index}: id must be 1 to 60 of A-Z a-z 0-9 _ - and no number")
    if expect is not None and (not isinstance(expect, int) or isinstance(expect, bool) or expect < 0):
        raise InvalidBody(f"operation {index}: expect must be a number of rows")
    headers = {}
    given = entry.get("headers") or {}
    if not isinstance(given, dict):
        raise InvalidBody(f"operation {index}: headers must be an object")
    for name, value in given.items():
        if name.lower() in _HEADERS:  # the caller is the batch's: an operation cannot bring another
            headers[name.lower().encode()] = str(value).encode("latin-1", "replace")
    if isinstance(entry.get("prefer"), str):
        headers[b"prefer"] = entry["prefer"].encode("latin-1", "replace")
    table, _, search = entry["path"].lstrip("/").removeprefix("rest/v1/").partition("?")
    request = Request(entry["method"].upper(), table, search, headers, claims)
    return Operation(request, orjson.dumps(entry["body"]) if "body" in entry else b"", expect, name)


def _refer(operations: list[Operation], so_far: Answers) -> None:
    """Give each request that may have references those that are before it. Raises InvalidBody where two have one id."""
    names: dict[str, int] = {}
    for index, operation in enumerate(operations):
        if b'"$ref"' in operation.body or "{{" in unquote(operation.request.raw_query):
            operation.request.references = References(dict(names), so_far)
        names[str(index)] = index
        if operation.id in names:
            raise InvalidBody(f"operation {index}: an operation before it has the id {operation.id!r}")
        if operation.id:
            names[operation.id] = index


async def _planned(plans: Plans, hooks: Hooks, operation: Operation, address: Address) -> Callable[[], Steps]:
    request = operation.request
    table = address(request.name, request.headers, request.method)
    if request.method == "GET":
        prepared, values = prepare(plans, table, request)

        def read() -> Steps:
            # A read in here holds up every writer, so it gets no more time than an aggregate.
            given = request.references.values(values) if request.references else values
            page = yield from page_steps(plans.database.dialect, prepared, given, request.claims, plans.limits.aggregate_seconds)
            return answer_page(page, prepared, given), len(page.rows)

        return read
    if request.method not in ("POST", "PATCH", "PUT", "DELETE"):
        raise UnsupportedMethod(request.method)
    if request.method == "PUT" and request.references and "{{" in unquote(request.raw_query):
        raise InvalidReference(request.raw_query, "PUT names its row by values", "Use POST with resolution=merge-duplicates.")
    if parse_preferences(request.prefer).rollback:
        raise InvalidBody("tx=rollback is for a request of its own: the batch is one transaction.")
    planned = await plan_write(plans, hooks, table, request, operation.body)

    def write() -> Steps:
        written = yield from planned.steps()
        return planned.answer(written), written.affected

    return write


def _placed(problem: BaasError, index: int) -> BaasError:
    problem.hint = f"{problem.hint} (operation {index})" if problem.hint else f"operation {index}"
    return problem


def _result(answer: Answer) -> bytes:
    headers = {name.decode(): value.decode("latin-1") for name, value in answer.headers if name != b"content-type"}
    is_text = any(name == b"content-type" and value.startswith(b"text/") for name, value in answer.headers)
    body = orjson.dumps(answer.body.decode()) if is_text else answer.body or b"null"
    return b'{"status":%d,"headers":%b,"body":%b}' % (answer.status, orjson.dumps(headers), body)
