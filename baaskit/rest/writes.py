"""POST, PATCH, PUT and DELETE of a table: payload, hooks, one transaction under policy, and the answer about it."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import quote

import orjson

from baaskit.errors import BaasError
from baaskit.errors.rest import InvalidNesting, InvalidPut, LimitedPut, MaxAffected, NotSingular, PutMismatch, UnsupportedMethod
from baaskit.kernel.database import Database, Script, Sql
from baaskit.kernel.database.plans import Plans
from baaskit.kernel.database.transact import CompiledWrite, Written
from baaskit.kernel.hooks import Hooks, Write
from baaskit.kernel.plan import WritePlan, find_table
from baaskit.kernel.query import Field, Filter, Item, Preferences, Query, Value, parse_preferences
from baaskit.kernel.schema import Table, TableName
from baaskit.rest.answer import Answer, Header, content_range
from baaskit.rest.nested import Branch, insert_branches, split
from baaskit.rest.payload import Payload, Record, caller_columns, caller_values, filled, insert_payload, update_payload
from baaskit.rest.reads import applied, body_of, query_of
from baaskit.rest.request import Media, Request, read_payload

T = TypeVar("T")
Steps = Generator[Sql, list[Any], Written]
_AS_MANY = "A hook must leave as many records of a nested insert as there were."
_APPLIED = ("resolution", "missing", "return", "count", "tx", "handling", "max-affected")


@dataclass(frozen=True, slots=True)
class PlannedWrite:
    """A write that is ready to run: its steps, and how to answer with what they return."""

    steps: Callable[[], Steps]
    answer: Callable[[Written], Answer]
    affects: str  # the verb's SQL command


async def write_table(plans: Plans, hooks: Hooks, table: TableName, request: Request, body: bytes) -> Answer:
    """Answer a write. Raises what planning, hooks and the database raise; then nothing has been written."""
    planned = await plan_write(plans, hooks, table, request, body)
    if parse_preferences(request.prefer).rollback:
        return planned.answer(await run_and_undo(plans.database, planned.steps))
    return planned.answer(await plans.database.run(planned.steps))


async def table_script(plans: Plans, hooks: Hooks, table: TableName, request: Request, body: bytes) -> Callable[[], Script[Answer]]:
    """The same as a script that makes the answer, too, for a transaction that keeps it."""
    planned = await plan_write(plans, hooks, table, request, body)

    def script() -> Script[Answer]:
        return planned.answer((yield from planned.steps()))

    return script


class _Undone(Exception):
    """Carries the result of a transaction that is rolled back by wish (`tx=rollback`)."""

    def __init__(self, result: Any) -> None:
        self.result = result


async def run_and_undo(database: Database, script: Callable[[], Script[T]]) -> T:
    """What the script gives, in a transaction that is rolled back."""

    def undone() -> Script[T]:
        raise _Undone((yield from script()))

    try:
        return await database.run(undone)
    except _Undone as result:
        return result.result  # type: ignore[no-any-return]


async def plan_write(plans: Plans, hooks: Hooks, table: TableName, request: Request, body: bytes) -> PlannedWrite:
    """Everything before the transaction: parse, hooks, plan. No transaction is open while a hook runs."""
    query, preferences = query_of(plans, request), parse_preferences(request.prefer)
    described = find_table(plans.database.catalog, table)
    if request.method == "PATCH":
        payload = update_payload(*read_payload(body, request.headers), query, preferences)
        compiled, payload = await _plan_update(plans, hooks, described, query, preferences, request, payload)
    elif request.method == "DELETE":
        if hooks.before_write.wanted(table, "delete"):
            await hooks.before_write.run(Write(table, "delete", [], request.claims))
        payload = Payload([], ())
        compiled = plans.delete(table, query, request.claims.role, preferences.answer == "representation")
    elif request.method in ("POST", "PUT"):
        payload = insert_payload(*read_payload(body, request.headers), query, preferences)
        if request.method == "PUT":
            query, preferences = _put(described, query, payload, preferences)
        elif not described.by_name.keys() >= set(payload.columns):
            records, branches = split(plans, request.claims.role, described, payload.records, payload.columns)
            if branches:
                return await _plan_nested(plans, hooks, described, query, preferences, request, records, branches)
        compiled, payload = await _plan_insert(plans, hooks, described, query, preferences, request, payload)
    else:
        raise UnsupportedMethod(request.method)
    return _planned(compiled, query, preferences, request, payload)


async def _hooked(hooks: Hooks, table: Table, command: Any, payload: Payload, request: Request) -> tuple[Payload, tuple[str, ...]]:
    """The payload after the hooks, and the columns that they added. Hooks may change records, not their number."""
    if request.references:
        request.references.refuse(payload.records)
    rows = [dict(record) for record in payload.records]
    result = await hooks.before_write.run(Write(table.name, command, rows, request.claims))
    added = dict.fromkeys(name for record in result.rows for name in record if name not in payload.columns)
    return Payload([dict(record) for record in result.rows], payload.columns), tuple(added)


async def _plan_insert(
    plans: Plans, hooks: Hooks, table: Table, query: Query, preferences: Preferences, request: Request, payload: Payload
) -> tuple[CompiledWrite, Payload]:
    claims = request.claims
    shown, returning = _shown(query, table, preferences)

    def plan(added: tuple[str, ...]) -> CompiledWrite:
        return plans.insert(table.name, shown, claims.role, payload.columns, preferences.resolution, returning, added)

    compiled = plan(())  # what the caller may not do is refused before anybody's code runs
    defaults = caller_values(plans.remembered(("caller", table.name), lambda: caller_columns(table)), claims)
    payload = filled(payload, defaults)
    if not hooks.before_write.wanted(table.name, "insert"):
        return compiled, payload
    payload, added = await _hooked(hooks, table, "insert", payload, request)
    return plan(tuple(name for name in added if name not in defaults)), payload


async def _plan_nested(
    plans: Plans,
    hooks: Hooks,
    table: Table,
    query: Query,
    preferences: Preferences,
    request: Request,
    records: list[Any],
    branches: list[Branch],
) -> PlannedWrite:
    """The rows without what is nested in them as an insert of their own, and behind it one insert per nested table."""
    if preferences.resolution:
        raise InvalidNesting("Rows cannot be nested in an upsert", "Upsert the tables one after the other in a batch.")
    columns = tuple(dict.fromkeys(name for record in records for name in record))
    compiled, payload = await _plan_insert(plans, hooks, table, query, preferences, request, Payload(records, columns))
    if len(payload.records) != len(records):
        raise BaasError(_AS_MANY)
    await _plan_branches(plans, hooks, request, branches)

    def steps() -> Steps:
        rows, values, _ = _given(request, payload, query)
        written = yield from compiled.script(rows, values, request.claims)
        if len(written.ids) != len(rows):
            raise InvalidNesting("a trigger left out a row that others belong to")
        yield from insert_branches(compiled, written.ids, branches, request)
        if written.rows is not None:  # again, now with the rows inside
            written.rows = yield from compiled.shown(written.ids, values, request.claims)
        return written

    return _planned(compiled, query, preferences, request, payload, steps)


async def _plan_branches(plans: Plans, hooks: Hooks, request: Request, branches: list[Branch]) -> None:
    for branch in branches:
        silent, payload = Preferences(), Payload(branch.records, branch.columns)
        branch.write, planned = await _plan_insert(plans, hooks, branch.table, Query(), silent, request, payload)
        if len(planned.records) != len(branch.records):
            raise BaasError(_AS_MANY)
        branch.records = planned.records
        await _plan_branches(plans, hooks, request, branch.branches)


async def _plan_update(
    plans: Plans, hooks: Hooks, table: Table, query: Query, preferences: Preferences, request: Request, payload: Payload
) -> tuple[CompiledWrite, Payload]:
    role, returning = request.claims.role, preferences.answer == "representation"
    compiled = plans.update(table.name, query, role, payload.columns, returning)
    if not hooks.before_write.wanted(table.name, "update"):
        return compiled, payload
    payload, added = await _hooked(hooks, table, "update", payload, request)
    if len(payload.records) != 1:
        raise BaasError("A hook must leave one record of an update.")
    return plans.update(table.name, query, role, payload.columns, returning, added), payload


def _shown(query: Query, table: Table, preferences: Preferences) -> tuple[Query, bool]:
    """The query that shows written rows: as asked, or the primary key for a Location."""
    if preferences.answer == "headers-only" and table.primary_key:
        keys = tuple(Item(Field(name)) for name in table.primary_key)
        return Query(keys, query.levels, None, query.on_conflict, query.values), True
    return query, preferences.answer == "representation"


def _put(table: Table, query: Query, payload: Payload, preferences: Preferences) -> tuple[Query, Preferences]:
    """PUT is an upsert of one row, which the filters must name by its whole primary key."""
    root = query.root
    if root.limit >= 0 or root.offset >= 0:
        raise LimitedPut()
    filters = [
        c
        for c in root.conditions
        if isinstance(c, Filter) and c.operator == "eq" and not c.negated and not c.field.steps and not c.quantifier
    ]
    named = {c.field.name: str(query.values[c.slot]) for c in filters}
    if len(filters) != len(root.conditions) or set(named) != set(table.primary_key) or not named:
        raise InvalidPut()
    if len(payload.records) != 1 or any(str(payload.records[0].get(name)) != value for name, value in named.items()):
        raise PutMismatch()
    rest = tuple(level for level in query.levels if level.path)
    chosen = Preferences(
        preferences.answer, preferences.count, "merge-duplicates", preferences.missing, preferences.rollback, applied=preferences.applied
    )
    return Query(query.select, rest, query.columns, table.primary_key, query.values), chosen


def _given(request: Request, payload: Payload, query: Query) -> tuple[list[Record], Sequence[Value], str | None]:
    """Records, values of filters, and the records' text if it is known: with references read, so while the script runs."""
    known = request.references
    if known is None:
        return payload.records, query.values, payload.raw
    return [known.record(record) for record in payload.records], known.values(query.values), None


def _planned(
    compiled: CompiledWrite,
    query: Query,
    preferences: Preferences,
    request: Request,
    payload: Payload,
    script: Callable[[], Steps] | None = None,
) -> PlannedWrite:
    media = request.media

    def steps() -> Steps:
        if script:
            written = yield from script()
        else:
            rows, values, raw = _given(request, payload, query)
            written = yield from compiled.script(rows, values, request.claims, raw)
        if media.single and written.affected != 1:
            raise NotSingular(written.affected)
        if preferences.max_affected is not None and written.affected > preferences.max_affected:
            raise MaxAffected(written.affected)
        return written

    return PlannedWrite(steps, lambda written: _answer(written, preferences, media, request.method, compiled.plan), compiled.plan.command)


def _answer(written: Written, preferences: Preferences, media: Media, method: str, plan: WritePlan) -> Answer:
    total = written.affected if preferences.count else None
    headers: list[Header] = [(b"content-range", content_range(0, written.affected if method == "PATCH" else 0, total))]
    headers += applied(preferences, "exact" if preferences.count else "", _APPLIED)
    status = _status(method, written, preferences)
    if preferences.answer == "headers-only" and written.rows and len(written.rows) == 1:
        headers.append((b"location", _location(plan.table, orjson.loads(written.rows[0]))))
    if preferences.answer != "representation":
        return Answer(status, headers)
    rows = written.rows or []
    return Answer(status, [(b"content-type", media.content_type), *headers], body_of(rows, media, plan.returning))


def _status(method: str, written: Written, preferences: Preferences) -> int:
    if method == "POST":
        nothing_new = preferences.resolution == "merge-duplicates" and written.affected > 0 and written.inserted == 0
        return 200 if nothing_new else 201
    if method == "PUT" and written.inserted:
        return 201
    return 200 if preferences.answer == "representation" else 204


def _location(table: Table, key: dict[str, Any]) -> bytes:
    return f"/{quote(table.name.name)}?{'&'.join(f'{quote(name)}=eq.{quote(str(value))}' for name, value in key.items())}".encode()
