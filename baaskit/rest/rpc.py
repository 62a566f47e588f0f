"""`/rest/v1/rpc/<name>`: call a function and answer with its result, which can be filtered, ordered and paged like a table.

A function is one of the project's own in Python, or one of the database (PostgreSQL). Whoever may not call it gets 42501.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qsl

import orjson

from baaskit.errors import Overloaded
from baaskit.errors.rest import (
    InvalidArgument,
    InvalidBody,
    PermissionDenied,
    SqlState,
    UnknownAddress,
    UnknownFunction,
    UnsupportedHere,
    UnsupportedMethod,
    VolatileFunction,
)
from baaskit.kernel.claims import Claims
from baaskit.kernel.database import STAIN, Database, Script, Sql
from baaskit.kernel.database.calls import (
    Called,
    CompiledCall,
    Mode,
    Replaced,
    call_parameters,
    compile_routine,
    compile_rows,
    rows_bind,
    settings,
)
from baaskit.kernel.database.conditions import array_literal
from baaskit.kernel.database.plans import Plans
from baaskit.kernel.plan import Given, choose, plan_call, raw_types, shape, split_arguments
from baaskit.kernel.procedures import Invoked, Procedure, Procedures, Returns
from baaskit.kernel.query import Preferences, Query, parse, parse_preferences
from baaskit.kernel.schema import Column, Parameter, Routine, Schema, Table, TableName, Type
from baaskit.rest.answer import Answer
from baaskit.rest.once import Plan
from baaskit.rest.references import References
from baaskit.rest.request import FOREIGN_KEYS, Media, Request, parse_json, with_range
from baaskit.rest.rpc_answer import Wanted

_METHODS = ("GET", "HEAD", "POST", "OPTIONS")


@dataclass(frozen=True, slots=True)
class Asked:
    """One call as it was asked for. Arguments are `texts` by name (GET, forms) or the `body`; `query` is for the result."""

    method: str
    name: TableName
    claims: Claims
    media: Media
    preferences: Preferences
    given: Given
    texts: dict[str, list[str]]
    body: bytes
    query: Query
    key: str | None  # Idempotency-Key, for a function in Python to heed

    @property
    def reads(self) -> bool:
        return self.method in ("GET", "HEAD")

    def wanted(self, returns: Returns) -> Wanted:
        return Wanted.of(self.query, self.name.name, returns, self.media, self.preferences)


async def call_function(
    plans: Plans, procedures: list[Procedures], schema: str, request: Request, body: bytes, once: Callable[[Plan], Awaitable[Answer]]
) -> Answer:
    """Answer a call of `schema`'s function, or of the project's own of that name in `procedures`, which come first.

    `once` runs a write of the database as its idempotency key wants it."""
    name = request.name.removeprefix("rpc/")
    if not name or "/" in name:
        raise UnknownAddress()
    if request.method not in _METHODS:
        raise UnsupportedMethod(request.method)
    procedure = next((p.by_name[name] for p in procedures if name in p.by_name), None)
    if request.method == "OPTIONS":
        return _allow(plans, TableName(schema, name), procedure, request.claims)
    asked = read_call(request, TableName(schema, name), body)
    return await (call_routine(plans, asked, once) if procedure is None else call_procedure(plans, asked, procedure))


def _allow(plans: Plans, name: TableName, procedure: Procedure | None, claims: Claims) -> Answer:
    """The methods of a function that the caller may call. Raises UnknownFunction."""
    catalog = plans.database.catalog
    reads = [r.read_only for r in catalog.schema.functions.get(name, ()) if catalog.policies.may_call(r, claims.role)]
    if procedure is not None:
        reads = [procedure.read_only] if procedure.admits(claims) else []
    if not reads:
        raise UnknownFunction(name.schema, name.name, [])
    return Answer(200, [(b"allow", b"OPTIONS,GET,HEAD,POST" if any(reads) else b"OPTIONS,POST")])


def read_call(request: Request, name: TableName, body: bytes) -> Asked:
    """Parse a call. Raises UnparsableQuery, InvalidBody, NotAcceptable and what else parsing raises."""
    items, preferences = request.items(), parse_preferences(request.prefer)
    texts: dict[str, list[str]] = {}
    given = Given(frozenset())
    if request.method != "POST":
        texts, items = split_arguments(items)
        given = Given(frozenset(texts))
    query = parse(with_range(items, request.headers), ignore=FOREIGN_KEYS)
    if request.method == "POST":
        kind = request.headers.get(b"content-type", b"application/json").decode("latin-1").partition(";")[0].strip().lower()
        if kind == "application/x-www-form-urlencoded":
            for key, value in parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True):
                texts.setdefault(key, []).append(value)
            given, body = Given(frozenset(texts)), b""
        elif kind in ("text/plain", "text/xml", "application/octet-stream"):
            given = Given(frozenset([""]), raw_types(kind))
        elif kind in ("application/json", "") or kind.startswith("application/vnd.pgrst."):
            given, body = _json_given(body, query, preferences)
        else:
            raise InvalidBody(f"Content-Type not acceptable: {kind}")
    idempotency = request.headers.get(b"idempotency-key")
    return Asked(
        request.method, name, request.claims, request.media, preferences, given, texts, body, query,
        idempotency.decode("latin-1") if idempotency is not None else None,
    )  # fmt: skip


def _json_given(body: bytes, query: Query, preferences: Preferences) -> tuple[Given, bytes]:
    body = body or b"{}"
    parsed = parse_json(body)
    names = frozenset([""])  # no argument has no name: what is no object can only be a whole body
    if isinstance(parsed, dict):
        names = frozenset(parsed) if query.columns is None else frozenset(parsed) & frozenset(query.columns)
    return Given(names, raw_types("application/json"), preferences.params == "single-object"), body


# ---- functions of the database --------------------------------------------------------------------------------------

_RESET = Sql("RESET ROLE")  # a function may have set it for the session, and the connection goes back to the pool


class _Undone(Exception):
    """Carries the answer of a call that is rolled back by wish (`tx=rollback`)."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer


async def call_routine(plans: Plans, asked: Asked, once: Callable[[Plan], Awaitable[Answer]]) -> Answer:
    """Call a function of the database in one transaction, read-only where it is declared stable or immutable.

    Raises what choosing, planning and the function raise; then nothing of it is kept.
    """
    return await planned_anew(plans.database, lambda: _run(plans, asked, once))


async def planned_anew(database: Database, work: Callable[[], Awaitable[Answer]]) -> Answer:
    """What `work` gives; once more when a function that it calls has been replaced since it was planned. Raises Overloaded."""
    for _ in range(2):
        try:
            return await work()
        except Replaced:
            await database.reload()
    raise Overloaded("The function is being replaced.", headers={"Retry-After": "1"})


def _chosen(plans: Plans, asked: Asked) -> tuple[Routine, bool]:
    routine, whole = choose(plans.database.catalog, asked.name, asked.given, asked.claims.role)
    if asked.reads and not routine.read_only:
        raise VolatileFunction(asked.name.name, "Call it by POST, or declare it stable if it only reads.")
    return routine, whole


Call = Callable[[], Generator[Sql, list[Any], tuple[Answer, int]]]  # the answer, and how many rows or values it has


def _call(plans: Plans, asked: Asked, routine: Routine, whole: bool, known: References | None = None) -> Call:
    """The steps of one call, in a transaction that is running. `known` reads its references."""
    mode: Mode = "whole" if whole else "text" if asked.texts else "json"
    given = call_parameters(routine, asked.given.names, mode)
    wanted = asked.wanted(_kind_of(routine))
    wanted.check()
    counted = bool(asked.preferences.count)

    def build() -> CompiledCall:
        catalog = plans.database.catalog
        plan = None
        if routine.kind != "void":
            plan = plan_call(wanted.query, catalog, _returned(routine, catalog.schema), asked.claims.role, plans.limits)
        return compile_routine(routine, given, mode, plan, catalog.schema, counted=counted)

    compiled = plans.remembered(("rpc", routine.oid, given, mode, wanted.query, asked.claims.role, counted), build)

    def call() -> Generator[Sql, list[Any], tuple[Answer, int]]:
        values, read = (known.values(wanted.query.values), _resolved(asked, known)) if known else (wanted.query.values, asked)
        extra = _values(given, read, mode)
        yield STAIN
        yield from settings(routine, asked.claims, asked.method)
        called = yield from compiled.steps(values, asked.claims, extra)
        return wanted.answer(called, compiled.plan), len(called.rows)

    return call


def _resolved(asked: Asked, known: References) -> Asked:
    """The call with arguments in place of references."""
    parsed = orjson.loads(asked.body) if asked.body else None
    body = orjson.dumps(known.record(parsed)) if isinstance(parsed, dict) else asked.body
    return replace(asked, body=body, texts={name: [str(v) for v in known.values(given)] for name, given in asked.texts.items()})


async def _run(plans: Plans, asked: Asked, once: Callable[[Plan], Awaitable[Answer]]) -> Answer:
    routine, whole = _chosen(plans, asked)
    call = _call(plans, asked, routine, whole)

    def script() -> Generator[Sql, list[Any], Answer]:
        answer, _ = yield from call()
        if asked.preferences.rollback:
            raise _Undone(answer)
        if not routine.read_only:
            yield _RESET
        return answer

    async def planned() -> Callable[[], Script[Answer]]:
        return script

    try:
        if routine.read_only:
            return await plans.database.read(script)
        return await (plans.database.run(script) if asked.key is None or asked.preferences.rollback else once(planned))
    except _Undone as undone:
        return undone.answer


_KEPT = ("search_path", "request.jwt.claims", "request.method", "request.path")


def batched_call(plans: Plans, procedures: list[Procedures], schema: str, request: Request, body: bytes) -> Call:
    """A call of a database's function within a transaction that goes on after it, which finds its settings as they were.

    Raises UnsupportedHere for a function in Python: what it does no transaction takes back.
    """
    name = request.name.removeprefix("rpc/")
    if any(name in given.by_name for given in procedures):
        raise UnsupportedHere("A batch calls functions of the database only: what one in Python does is not undone with the batch.")
    if request.method not in ("GET", "POST"):
        raise UnsupportedMethod(request.method)
    asked = read_call(request, TableName(schema, name), body)
    if asked.preferences.rollback:
        raise InvalidBody("tx=rollback is for a request of its own: the batch is one transaction.")
    routine, whole = _chosen(plans, asked)
    call = _call(plans, asked, routine, whole, request.references)

    def steps() -> Generator[Sql, list[Any], tuple[Answer, int]]:
        [kept] = yield Sql(f"SELECT {', '.join(f'current_setting({name!r}, true)' for name in _KEPT)}")
        yield Sql("SAVEPOINT call")  # with its end what it reads only ends, too
        if routine.read_only:
            yield Sql("SET LOCAL transaction_read_only = on")
        found = yield from call()
        yield Sql("RELEASE SAVEPOINT call")
        yield _RESET
        yield Sql(f"SELECT {', '.join(f'set_config({name!r}, ${n}, true)' for n, name in enumerate(_KEPT, 1))}", list(kept))
        return found

    return steps


def _kind_of(routine: Routine) -> Returns:
    if routine.kind == "scalar":
        return "values" if routine.many else "value"
    if routine.kind == "row":
        return "rows" if routine.many else "row"
    return "void"


def _returned(routine: Routine, schema: Schema) -> Table:
    """What its result is read as: a table that we know, under its policies, or a shape of its own."""
    if routine.table is not None:
        return schema.tables[routine.table]
    name = routine.name.name
    return shape(name, (Column(name, routine.type),) if routine.kind == "scalar" else routine.columns)


def _values(given: tuple[Parameter, ...], asked: Asked, mode: Mode) -> dict[str, Any]:
    """The values of the call by their names in the statement."""
    if mode == "json":
        return {"body": asked.body.decode("utf-8", "replace")}
    if mode == "text":
        return {f"a{n}": _text_of(p, asked.texts[p.name]) for n, p in enumerate(given)}
    return {"body": asked.body if given[0].type.name == "bytea" else _utf8(asked.body)}


def _utf8(body: bytes) -> str:
    text = body.decode("utf-8", "replace")
    if "\x00" in text:
        raise SqlState("22021", 'invalid byte sequence for encoding "UTF8": 0x00')
    return text


def _text_of(parameter: Parameter, values: list[str]) -> str:
    if parameter.variadic:
        return array_literal(tuple(values))
    if len(values) > 1:
        raise InvalidArgument(f"The argument {parameter.name} is given more than once.", "An array is written {a,b}.")
    return values[0]


# ---- functions in Python ----------------------------------------------------------------------------------------------


async def call_procedure(plans: Plans, asked: Asked, procedure: Procedure) -> Answer:
    """Call a function of the project's. What can be refused without running it is refused before it runs."""
    name, names = asked.name, asked.given.names
    if not procedure.admits(asked.claims) or asked.claims.is_viewer:
        raise PermissionDenied(f"permission denied for function {name.name}")
    if "" in names or not procedure.takes(names):
        raise UnknownFunction(name.schema, name.name, sorted(names - {""})[:50])
    if asked.reads and not procedure.read_only:
        raise VolatileFunction(name.name, "Call it by POST, or declare it with @rpc(read_only=True) if it only reads.")
    if asked.preferences.rollback:
        raise UnsupportedHere("A function in Python may do what no transaction takes back: tx=rollback is for functions of the database.")
    wanted = asked.wanted(procedure.returns)
    wanted.check()
    known = _rows_plan(plans, asked, wanted, procedure.columns) if procedure.columns and not wanted.plain else None
    body = asked.body
    if asked.query.columns is not None and body:
        body = orjson.dumps({key: value for key, value in orjson.loads(body).items() if key in names})
    raw = await procedure.call(Invoked(asked.claims, asked.method, asked.texts, body, asked.key))
    if procedure.returns == "void":
        return wanted.answer(Called([]), None)
    value = orjson.loads(raw)
    if procedure.returns == "any":
        if value is None:
            return asked.wanted("void").answer(Called([]), None)
        wanted = asked.wanted(_kind_of_value(value))
        wanted.check()
    return await _read(plans, asked, wanted, procedure.columns, known, value, raw)


async def _read(
    plans: Plans, asked: Asked, wanted: Wanted, columns: tuple[Column, ...], known: CompiledCall | None, value: Any, raw: bytes
) -> Answer:
    """The result through the same statements that read tables, or as it is where nothing is asked of it."""
    entries = value if wanted.many else [] if value is None and wanted.returns == "row" else [value]
    cap = plans.limits.max_rows
    if wanted.plain and (cap is None or len(entries) <= cap):
        return wanted.answer_raw(raw, len(entries))
    if not entries and not columns:
        return wanted.answer_raw(b"" if wanted.media.csv else raw, 0)
    if wanted.scalar:
        entries = [{asked.name.name: entry} for entry in entries]
        raw = orjson.dumps(entries)
    elif not wanted.many:
        raw = b"[" + raw + b"]" if entries else b"[]"
    if known is None:
        columns = columns or inferred(entries)
        known = _rows_plan(plans, asked, wanted, columns)
    extra = {"rows": rows_bind(entries, raw.decode(), columns, plans.database.dialect)}
    called = await plans.database.read(lambda: known.steps(wanted.query.values, asked.claims, extra))
    return wanted.answer(called, known.plan)


def _rows_plan(plans: Plans, asked: Asked, wanted: Wanted, columns: tuple[Column, ...]) -> CompiledCall:
    catalog, counted = plans.database.catalog, bool(asked.preferences.count)

    def build() -> CompiledCall:
        plan = plan_call(wanted.query, catalog, shape(asked.name.name, columns), asked.claims.role, plans.limits)
        return compile_rows(plan, plans.database.dialect, catalog.schema, counted=counted)

    return plans.remembered(("rpc rows", asked.name, columns, wanted.query, counted), build)


def _kind_of_value(value: Any) -> Returns:
    if isinstance(value, dict):
        return "row"
    if isinstance(value, list) and all(isinstance(entry, dict) for entry in value):
        return "rows"
    return "value"


def inferred(rows: list[dict[str, Any]]) -> tuple[Column, ...]:
    """Columns of rows whose author did not say them: every key, with the one type that all of its values have, else jsonb."""
    found: dict[str, set[str]] = {}
    for row in rows:
        for key, value in row.items():
            found.setdefault(key, set()).add(_type_of(value))
    return tuple(Column(key, Type(_common(types - {"null"}))) for key, types in found.items())


def _type_of(value: Any) -> str:
    if value is None:
        return "null"
    return {bool: "bool", int: "int8", float: "float8", str: "text"}.get(type(value), "jsonb")


def _common(types: set[str]) -> str:
    if types == {"int8", "float8"}:
        return "float8"
    return types.pop() if len(types) == 1 else "jsonb" if types else "text"
