"""Explain and try-as: what a request would do as somebody, and why, in transactions that are always rolled back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any
from uuid import uuid4

import orjson

from baaskit.errors import BaasError
from baaskit.errors.rest import UnsupportedHere
from baaskit.kernel.claims import Claims
from baaskit.kernel.database.trial import Touched, Trial, TrialPlans
from baaskit.kernel.hooks import Hooks
from baaskit.kernel.kit import Kit
from baaskit.kernel.plan import Limits
from baaskit.kernel.schema import TableName
from baaskit.observe import fact
from baaskit.rest.answer import JSON, Answer, failure
from baaskit.rest.explain_as import EXPLAIN, TRY
from baaskit.rest.explain_rows import explain_read, explain_write
from baaskit.rest.request import Receive, Request, read_body

SYSTEM_TABLES = {name: TableName(*name.split(".")) for name in ("storage.objects", "storage.buckets")}  # only to be explained
COMMANDS = {"GET": "select", "HEAD": "select", "POST": "insert", "PUT": "insert", "PATCH": "update", "DELETE": "delete"}


@dataclass(frozen=True, slots=True)
class Surface:
    """What the tools need of the API: `answer` a request on a database of theirs, and the `table` that a request addresses."""

    kit: Kit
    limits: Limits
    max_body: int
    answer: Callable[[Kit, TrialPlans, Request, Receive], Awaitable[Answer]]
    table: Callable[[Request], TableName]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the client would get, and what the request would have done on the way. `problem` is the error behind `answer`."""

    answer: Answer
    problem: BaasError | None
    plans: TrialPlans


def tool_of(request: Request) -> Callable[[Surface, Request, Receive], Awaitable[Answer]] | None:
    """The tool that the headers ask for, if any."""
    if EXPLAIN in request.headers:
        return explained
    return tried if TRY in request.headers else None


async def tried(surface: Surface, request: Request, receive: Receive) -> Answer:
    """Run the request as its principal and roll it back; answer what it would have done (docs/howto/why-was-this-denied.md)."""
    outcome = await _outcome(surface, request, await _body(surface, request, receive))
    status, headers, body = outcome.answer
    done = outcome.problem is None
    touched = outcome.plans.touched
    report: dict[str, Any] = {
        "as": who(request.claims),
        "status": status,
        "headers": {name.decode(): value.decode("latin-1") for name, value in headers},
        "body": _shown(body, headers),
        "rows": [_row_change(t, before, after, done) for t in touched for before, after in t.pairs],
        "would_emit": outcome.plans.trial.emitted if done else [],
        "hooks": hooks_of(surface.kit, touched),
        "notes": _notes(surface, outcome),
    }
    return Answer(200, [JSON], orjson.dumps(report, default=plain))


async def explained(surface: Surface, request: Request, receive: Receive) -> Answer:
    """Say which policy and which clause decides about the request as its principal; nothing of it is kept."""
    request, with_sql = _without_sql(request)
    if request.name == "batch" or request.method not in COMMANDS:
        raise UnsupportedHere("Only requests to tables can be explained.", hint="Explain the operations of a batch one by one.")
    body = await _body(surface, request, receive)
    table = surface.table(request)
    outcome = await _outcome(surface, request, body)
    if COMMANDS.get(request.method) == "select":
        report = await explain_read(surface.kit, outcome.plans, table, request, outcome.problem)
    else:
        report = await explain_write(surface.kit, surface.limits, outcome.plans, table, request, body, outcome.problem)
    path = request.name + (f"?{request.raw_query}" if request.raw_query else "")
    whole = {"as": who(request.claims), "request": {"method": request.method, "path": path}, "status": outcome.answer.status, **report}
    if with_sql:
        whole["sql"] = [{"text": step.text, "params": list(step.params)} for step in outcome.plans.statements]
    whole["notes"] = _notes(surface, outcome)
    return Answer(200, [JSON], orjson.dumps(whole, default=plain))


def denied(claims: Claims | None, method: str, name: str, problem: BaasError) -> bytes:
    """An id for a refusal, which tells the client nothing; the log has it with what was refused to whom, without values of rows."""
    identifier = uuid4().hex[:16]
    role, uid = (claims.role, claims.uid) if claims is not None else ("anon", None)
    fact("policy.denied", id=identifier, table=name[:200], command=COMMANDS.get(method, method), role=role, uid=uid, code=problem.code)
    return identifier.encode()


def who(claims: Claims) -> dict[str, Any]:
    return {"role": claims.role, "uid": claims.uid, "claims": dict(claims.jwt)}


def plain(value: Any) -> Any:
    """What JSON has no type for: numbers as numbers, everything else as its text."""
    if isinstance(value, Decimal):
        return float(value) if value.is_finite() and Decimal(str(float(value))) == value else str(value)
    return str(value)


async def _body(surface: Surface, request: Request, receive: Receive) -> bytes:
    if request.name.startswith("rpc/"):
        raise UnsupportedHere(
            "A function may do what no transaction takes back: it can be neither tried nor explained.",
            hint="Explain the reads and writes that the function makes.",
        )
    if request.name.startswith(("storage/v1/", "realtime/v1/", "functions/v1/", "auth/v1/")):
        raise UnsupportedHere(
            "Only requests to the data API can be explained or tried.",
            hint="A file is explained by its row, storage.objects?bucket_id=eq.B&name=eq.N; a channel by what its policies say in policies.sql.",
        )
    if request.method == "HEAD":
        raise UnsupportedHere("An answer to HEAD has no room for a report.", hint="GET is decided in the same way.")
    if request.method not in ("POST", "PUT", "PATCH"):
        return b""
    return await read_body(receive, request.headers, surface.max_body)


async def _outcome(surface: Surface, request: Request, body: bytes) -> Outcome:
    """The request on a trial of the database. Hooks do not run: a function may do what no transaction takes back."""
    trial = Trial(surface.kit.database)
    plans = TrialPlans(trial, surface.limits, request.claims)

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    try:
        answer = await surface.answer(replace(surface.kit, database=trial, hooks=Hooks()), plans, request, receive)
    except BaasError as problem:
        return Outcome(failure(problem, request.claims), problem, plans)
    return Outcome(answer, None, plans)


def _shown(body: bytes, headers: list[tuple[bytes, bytes]]) -> Any:
    if not body:
        return None
    if b"json" in dict(headers).get(b"content-type", b""):
        return orjson.loads(body)
    return body.decode("utf-8", "replace")


def _row_change(touched: Touched, before: Any, after: Any, done: bool) -> dict[str, Any]:
    return {
        "table": str(touched.table), "command": touched.command, "before": before.row if before else None,
        "after": after.row if after and done else None,
    }  # fmt: skip


def hooks_of(kit: Kit, touched: list[Touched]) -> list[dict[str, Any]] | None:
    """Functions that the writes would call, per table and command; None when no functions are loaded in this process."""
    if not kit.hooks.concerned:
        return None
    writes = dict.fromkeys((t.table, t.command) for t in touched)
    return [
        {"table": str(table), "command": command, **{kind: list(names) for kind, names in concerned(table, command).items()}}
        for table, command in writes
        for concerned in kit.hooks.concerned
    ]


def _notes(surface: Surface, outcome: Outcome) -> list[str]:
    notes = list(outcome.plans.trial.notes)
    called = [name for entry in hooks_of(surface.kit, outcome.plans.touched) or () for name in entry.get("before", ())]
    if called:
        notes.append(f"functions before the write were not run and may change or refuse it: {', '.join(called)}")
    if any(max(t.matched, t.written) > len(t.pairs) for t in outcome.plans.touched):
        notes.append("only the first rows are shown")
    return notes


def _without_sql(request: Request) -> tuple[Request, bool]:
    """`?sql` asks for the statements; a filter on a column of that name has an operator and stays."""
    parts = request.raw_query.split("&") if request.raw_query else []
    kept = [part for part in parts if part not in ("sql", "sql=", "sql=1", "sql=true")]
    return replace(request, raw_query="&".join(kept)), len(kept) < len(parts)
