"""A live query prepared for one kind of caller: how it is kept current, and what changed rows mean to it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any

import orjson

from baaskit.errors.realtime import NoLiveKey, NotCaptured
from baaskit.kernel.changes import Change, Row
from baaskit.kernel.claims import Claims
from baaskit.kernel.database import Catalog
from baaskit.kernel.plan import ColumnOut, EmbedOut, Limits, LivePlan, OrderBy, ReadPlan, plan_live
from baaskit.kernel.policy import Access
from baaskit.kernel.schema import Table, TableName
from baaskit.realtime.frames import dump
from baaskit.realtime.visibility import Sight, claim_facts

# Orders that a client can keep by itself: those of numbers and of texts that sort by code point on both sides.
_SORTABLE = frozenset({"int", "float", "bool", "uuid", "timestamptz", "timestamp", "date"})


@dataclass(frozen=True)
class Prepared:
    """`key` tells rows apart. `tables` are those whose changes can change the result, `uncaptured` the ones among them whose
    changes nobody logs. `by_rows`: changed rows tell the delta; otherwise the query is run again and compared.
    `timed`: the result also changes with the time of day. `fingerprint` is equal for callers that always get equal rows."""

    plan: LivePlan
    claims: Claims
    key: tuple[str, ...]
    tables: frozenset[TableName]
    uncaptured: frozenset[TableName]
    by_rows: bool
    timed: bool
    fingerprint: str
    sight: Sight

    def admits(self, row: Row | None, now: datetime) -> bool:
        """Whether the row belongs to the result. Only for `by_rows`."""
        if row is None or not self.sight.may(row, self.claims, now):
            return False
        return self.plan.predicate is None or self.plan.predicate(row) is True


def prepare(text: str, catalog: Catalog, claims: Claims, dialect: str, schemas: tuple[str, ...], max_rows: int | None) -> Prepared:
    """Raises what planning raises, NotCaptured, NoLiveKey."""
    plan = plan_live(text, catalog, claims.role, schemas=schemas, limits=Limits(max_rows))
    key = _key(plan)
    parts = list(_parts(plan.read))
    read = frozenset(table.name for table, _ in parts)
    for name in sorted(read):
        if name not in catalog.schema.captured:
            raise NotCaptured(str(name))
    conditions = [access.using for _, access in parts if access.using is not None]
    asked = frozenset(name for condition in conditions for name in condition.tables)
    timed = any("now" in condition.claims for condition in conditions)
    sight = Sight.of(plan.read.access)
    by_rows = (
        plan.is_simple and sight.open is None and not timed and all(_client_sorts(term, plan.read, dialect) for term in plan.read.order)
    )
    shape = [text, claims.role, max_rows, claim_facts(conditions, claims), [_described(table, access) for table, access in parts]]
    fingerprint = sha256(repr(shape).encode()).hexdigest()[:16]
    uncaptured = asked - catalog.schema.captured
    return Prepared(plan, claims, key, read | asked, uncaptured, by_rows, timed, fingerprint, sight)


def _key(plan: LivePlan) -> tuple[str, ...]:
    outputs = plan.read.outputs
    if plan.read.aggregates:  # a group is known by what it is grouped by
        if any(isinstance(out, EmbedOut) for out in outputs):
            raise NoLiveKey(plan.table.name, plan.key)
        return tuple(out.name for out in outputs if isinstance(out, ColumnOut))
    shown = {
        out.name
        for out in outputs
        if isinstance(out, ColumnOut) and out.place.column.name == out.name and not out.place.steps and not out.cast
    }
    if not plan.key or not shown.issuperset(plan.key):
        raise NoLiveKey(plan.table.name, plan.key)
    return plan.key


def _parts(plan: ReadPlan) -> Iterator[tuple[Table, Access]]:
    """Every table that the read touches, with the access that stands over it."""
    yield plan.table, plan.access
    if plan.junction is not None:
        yield plan.junction
    for child in plan.children:
        yield from _parts(child)


def _described(table: Table, access: Access) -> tuple[str, ...]:
    columns = [f"{c.name} {c.type.sql}" for c in table.columns if access.columns is None or c.name in access.columns]
    return (str(table.name), "denied" if access.denied else str(access.using), *columns)


def _client_sorts(term: OrderBy, read: ReadPlan, dialect: str) -> bool:
    kind = term.place.type
    shown = any(isinstance(out, ColumnOut) and out.name == term.place.column.name and out.place == term.place for out in read.outputs)
    binary_text = kind.family == "text" and dialect == "sqlite"  # PostgreSQL sorts by its collation
    return shown and term.child < 0 and not kind.array and not term.place.steps and (kind.family in _SORTABLE or binary_text)


@dataclass(frozen=True, slots=True)
class Delta:
    """What changed: rows as JSON text, keys as objects. `order` holds all keys of the result in order; empty: what entered
    comes last; None: the client sorts by the query's terms."""

    enter: tuple[str, ...] = ()
    change: tuple[str, ...] = ()
    leave: tuple[Row, ...] = ()
    order: tuple[Row, ...] | None = None

    def __bool__(self) -> bool:
        return bool(self.enter or self.change or self.leave or self.order)

    def tail(self, cursor: str) -> str:
        """The JSON object of a `live_delta` behind its id."""
        order = "" if self.order is None else f',"order":{dump(self.order)}'
        return f'"cursor":{dump(cursor)},"enter":[{",".join(self.enter)}],"change":[{",".join(self.change)}],"leave":{dump(self.leave)}{order}}}'


def delta_of(query: Prepared, changes: Sequence[Change], now: datetime) -> Delta:
    """The net effect of changes of the query's table. Of a row that left only the key is told, of others what they are at last."""
    states: dict[bytes, _State] = {}
    for change in changes:
        before, after = change.before, change.after
        was, is_ = query.admits(before, now), query.admits(after, now)
        if before is not None and after is not None and _identity(query.key, before) == _identity(query.key, after):
            _touch(states, query.key, before, was, after if is_ else None)
            continue
        if before is not None:
            _touch(states, query.key, before, was, None)
        if after is not None:
            _touch(states, query.key, after, False, after if is_ else None)
    enter, change_, leave = [], [], []
    for state in states.values():
        shown = None if state.last is None else query.plan.project(state.last)
        if shown is None:
            if state.first is not None:
                leave.append({name: state.first[name] for name in query.key})
        elif state.first is None:
            enter.append(dump(shown))
        elif shown != query.plan.project(state.first):
            change_.append(dump(shown))
    return Delta(tuple(enter), tuple(change_), tuple(leave))


@dataclass(slots=True)
class _State:
    """`first`: the row as the result had it before these changes, `last`: as it has it after; None: not in it."""

    first: Row | None
    last: Row | None


def _touch(states: dict[bytes, _State], key: tuple[str, ...], row: Row, was: bool, last: Row | None) -> None:
    state = states.setdefault(_identity(key, row), _State(row if was else None, None))
    state.last = last


def _identity(key: tuple[str, ...], row: Mapping[str, Any]) -> bytes:
    return orjson.dumps([row.get(name) for name in key])


Rows = dict[bytes, tuple[Row, str]]  # identity → (key, JSON text), in the result's order


def rows_of(key: tuple[str, ...], texts: Iterable[str]) -> Rows:
    found: Rows = {}
    for text in texts:
        row = orjson.loads(text)
        found[_identity(key, row)] = ({name: row.get(name) for name in key}, text)
    return found


def difference(before: Rows, after: Rows) -> Delta:
    """What turns one result into the other."""
    enter = tuple(text for identity, (_, text) in after.items() if identity not in before)
    change = tuple(text for identity, (_, text) in after.items() if identity in before and before[identity][1] != text)
    leave = tuple(key for identity, (key, _) in before.items() if identity not in after)
    # A client appends what enters; where that is not the order, it is told.
    assumed = [identity for identity in before if identity in after] + [identity for identity in after if identity not in before]
    # An empty order says "as appended": a client that sorts by itself would sort texts otherwise than PostgreSQL's collation.
    ordered = () if assumed == list(after) else tuple(key for key, _ in after.values())
    return Delta(enter, change, leave, ordered)
