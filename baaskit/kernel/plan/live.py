"""A live query: the same read as REST's, planned for a subscriber, with what is needed to keep it current in memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import parse_qsl, unquote

from baaskit.errors.rest import UnknownTable
from baaskit.kernel.plan.read import plan_read
from baaskit.kernel.plan.types import DEFAULT_LIMITS, Catalog, ColumnOut, Group, Limits, ReadPlan, Test, Where
from baaskit.kernel.query import Query, Value, parse
from baaskit.kernel.schema import Column, TableName, Type

Row = Mapping[str, Any]
Predicate = Callable[[Row], "bool | None"]

_EQUAL = frozenset({"eq", "neq", "in", "isdistinct"})
_ORDERED = frozenset({"gt", "gte", "lt", "lte"})
_COMPARABLE = frozenset({"int", "float", "numeric", "text", "bool", "uuid", "timestamptz", "timestamp", "date", "time", "enum"})


@dataclass(frozen=True)
class LivePlan:
    """`read` with its `query` (whose values fill the slots), the row's key, and a predicate over REST-shaped rows.

    `predicate` is None when the filter cannot be answered in memory, or the read is not of one plain table: run it again.
    `limit` is the number of rows that the client asked for or the server's cap; `offset` the rows it skips.
    """

    text: str
    table: TableName
    key: tuple[str, ...]
    query: Query
    read: ReadPlan
    limit: int | None
    offset: int
    predicate: Predicate | None

    @property
    def is_simple(self) -> bool:
        """Whether a delta can be told from a changed row alone: a plain table, a filter in memory, a key, no window."""
        asked = self.query.root.limit >= 0 or self.offset > 0
        return self.predicate is not None and bool(self.key) and not asked

    def project(self, row: Row) -> dict[str, Any]:
        """The columns that the query shows, of a whole REST-shaped row. Only for `read.is_simple` without casts and paths."""
        return {out.name: row.get(out.place.column.name) for out in self.read.outputs if isinstance(out, ColumnOut)}


def plan_live(
    text: str,
    catalog: Catalog,
    role: str,
    *,
    schemas: tuple[str, ...] = ("public",),
    schema: str | None = None,
    limits: Limits = DEFAULT_LIMITS,
) -> LivePlan:
    """Plan `pets?select=id,name&status=eq.available&order=price&limit=20` for `role`.

    Raises what `query.parse` and `plan_read` raise; a schema that is not exposed is an unknown table.
    """
    name, _, search = text.partition("?")
    chosen = schema or schemas[0]
    if chosen not in schemas:
        raise UnknownTable(chosen, name, [])
    query = parse(parse_qsl(search, keep_blank_values=True))
    table = TableName(chosen, unquote(name.strip("/")))
    read = plan_read(query, catalog, table, role, limits)
    limit, offset = _number(query.values, read.limit), _number(query.values, read.offset) or 0
    if limits.max_rows is not None:
        limit = limits.max_rows if limit is None else min(limit, limits.max_rows)
    simple = read.is_simple and all(isinstance(out, ColumnOut) and not out.cast and not out.place.steps for out in read.outputs)
    predicate = _all(read.where, query.values) if simple else None
    return LivePlan(text, table, read.table.primary_key, query, read, limit, offset, predicate)


def _number(values: tuple[Value, ...], slot: int) -> int | None:
    if slot < 0:
        return None
    value = values[slot]
    assert isinstance(value, int)
    return value


def _all(conditions: tuple[Where, ...], values: tuple[Value, ...]) -> Predicate | None:
    parts = [_predicate(condition, values) for condition in conditions]
    if any(part is None for part in parts):
        return None
    return _and([part for part in parts if part is not None])


def _and(parts: list[Predicate]) -> Predicate:
    def every(row: Row) -> bool | None:
        answer: bool | None = True
        for part in parts:
            one = part(row)
            if one is False:
                return False
            if one is None:
                answer = None
        return answer

    return every


def _or(parts: list[Predicate]) -> Predicate:
    def some(row: Row) -> bool | None:
        answer: bool | None = False
        for part in parts:
            one = part(row)
            if one is True:
                return True
            if one is None:
                answer = None
        return answer

    return some


def _not(part: Predicate) -> Predicate:
    def turned(row: Row) -> bool | None:
        answer = part(row)
        return None if answer is None else not answer

    return turned


def _predicate(condition: Where, values: tuple[Value, ...]) -> Predicate | None:
    """The condition over a row, three-valued as in SQL; None when it cannot be answered in memory."""
    if isinstance(condition, Group):
        parts = [_predicate(child, values) for child in condition.children]
        if any(part is None for part in parts):
            return None
        known = [part for part in parts if part is not None]
        joined = _and(known) if condition.operator == "and" else _or(known)
        return _not(joined) if condition.negated else joined
    if not isinstance(condition, Test) or condition.place.steps or condition.quantifier or condition.place.type.array:
        return None
    test = _is(condition) if condition.operator == "is" else _compare(condition, values[condition.slot])
    return _not(test) if test is not None and condition.negated else test


def _is(test: Test) -> Predicate:
    name, word = test.place.column.name, test.word
    wanted = {"true": True, "false": False}.get(word)
    if word == "not_null":
        return lambda row: row.get(name) is not None
    if word in ("null", "unknown"):
        return lambda row: row.get(name) is None
    return lambda row: row.get(name) is wanted


def _compare(test: Test, value: Value) -> Predicate | None:
    column, operator = test.place.column, test.operator
    family = column.type.family
    if family not in _COMPARABLE or operator not in _EQUAL | _ORDERED:
        return None
    if operator in _ORDERED and family in ("text", "enum"):
        return None  # the database's collation, and an enum's declared order, are not Python's
    texts = value if isinstance(value, tuple) else (str(value),)
    wanted = [comparable(column.type, text) for text in texts]
    if any(one is None for one in wanted):
        return None  # the database says what is wrong with it
    return _test_of(column, operator, wanted)


def _test_of(column: Column, operator: str, wanted: list[Any]) -> Predicate:
    name, kind = column.name, column.type
    first = wanted[0] if wanted else None
    tests: dict[str, Callable[[Any], bool]] = {
        "eq": lambda have: have == first, "neq": lambda have: have != first, "in": lambda have: have in wanted,
        "gt": lambda have: have > first, "gte": lambda have: have >= first, "lt": lambda have: have < first, "lte": lambda have: have <= first,
        "isdistinct": lambda have: have != first,
    }  # fmt: skip
    test = tests[operator]

    def answer(row: Row) -> bool | None:
        have = row.get(name)
        if have is None:
            return True if operator == "isdistinct" else None
        return test(comparable(kind, have))

    return answer


def comparable(kind: Type, value: Any) -> Any:
    """A REST-shaped value, or a filter's text, in a form that compares as the database does; None when it does not fit."""
    family = kind.family
    if family in ("int", "float", "numeric"):
        try:
            return Decimal(str(value))
        except InvalidOperation:
            return None
    if family == "bool":
        word = value if isinstance(value, bool) else {"true": True, "t": True, "false": False, "f": False}.get(str(value).lower())
        return word
    text = str(value)
    if family == "uuid":
        return text.lower()
    if family in ("timestamptz", "timestamp", "date", "time"):
        return _moment(family, text)
    return text


def _moment(family: str, text: str) -> Any:
    try:
        if family == "date":
            return date.fromisoformat(text)
        if family == "time":
            return time.fromisoformat(text)
        found = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        return None
    if family == "timestamp":
        return found.replace(tzinfo=None)
    return found if found.tzinfo else found.replace(tzinfo=UTC)
