"""`cursor=`: pages that stay whole while rows come and go. Each begins after the last row of the one before, by value and not by number.

A cursor holds the values of that row that the order compares, signed and bound to the query. It carries no right: every page is
planned and checked for its own caller.
"""

from __future__ import annotations

import hashlib
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import orjson

from baaskit.errors.rest import InvalidCursor
from baaskit.kernel.database import Sql
from baaskit.kernel.database.plans import Plans
from baaskit.kernel.plan import EmbedOut, ReadPlan
from baaskit.kernel.query import NONE, Condition, Field, Filter, Level, Logic, Order, Query, Value, parse, parse_preferences
from baaskit.kernel.schema import Column, Table, TableName
from baaskit.rest.answer import Answer
from baaskit.rest.reads import Page, Prepared, answer_page, location_of
from baaskit.rest.request import FOREIGN_KEYS, Request

MAX_CURSOR = 3000  # characters: it must fit into an address and a header
_MAC = 16  # bytes
_UNORDERED = frozenset({"json", "tsvector"})

Key = tuple[str | None, ...]  # the texts of a row's order values


@dataclass(frozen=True, slots=True)
class Term:
    """One column of a total order. `nullable`: null may stand in it, before or after everything else."""

    name: str
    descending: bool
    nulls_first: bool
    nullable: bool


def cursor_in(raw_query: str) -> tuple[str, str] | None:
    """The value of `cursor=` and the query string without it; None when there is none.

    A filter on a column of that name has a dot behind its operator, which no cursor has.
    """
    parts = raw_query.split("&")
    for place, part in enumerate(parts):
        if part.startswith("cursor=") and "." not in part:
            return part[len("cursor=") :], "&".join(parts[:place] + parts[place + 1 :])
    return None


async def read_page(plans: Plans, secret: bytes, table: TableName, request: Request, cursor: str) -> Answer:
    """The page after `cursor` (empty: the first). `request` is without it. Raises InvalidCursor and what reads raise."""
    query = parse(request.items(), ignore=FOREIGN_KEYS)
    if query.root.offset >= 0 or b"range" in request.headers:
        raise InvalidCursor("A cursor takes the place of offset and Range.")
    role, preferences = request.claims.role, parse_preferences(request.prefer) if b"prefer" in request.headers else NONE
    base = plans.read(table, query, role)
    terms = total_order(base.plan)
    seal = Seal(secret, orjson.dumps([*table, terms, _without_limit(request)]))
    asked = ordered(query, terms)
    if cursor:
        asked = beyond(asked, terms, seal.open(cursor, len(terms)))
    compiled = plans.page(table, asked, role, tuple(term.name for term in terms))
    prepared = Prepared(compiled, request.media, preferences, asked.values, ())

    def steps() -> Generator[Sql, list[Any], tuple[list[Any], int | None]]:
        statement = compiled.statement
        found = yield Sql(statement.text, statement.bind(asked.values, request.claims))
        if not preferences.count:
            return found, None
        [(total,)] = yield Sql(base.count.text, base.count.bind(query.values, request.claims))
        return found, total

    found, total = await plans.database.read(steps) if preferences.count else (await _rows(plans, prepared, request), None)
    answer = answer_page(Page([row[0] for row in found], total, "exact"), prepared, asked.values)
    answer.headers.append((b"content-location", location_of(table.name, request.raw_query)))
    if found and len(found) == page_size(compiled.plan, asked.values):
        after = seal.close(tuple(None if value is None else as_text(value) for value in tuple(found[-1])[1:]))
        link = location_of(f"rest/v1/{table.name}", "&".join(part for part in (request.raw_query, f"cursor={after}") if part))
        answer.headers.append((b"link", b"<" + link + b'>; rel="next"'))
        answer.headers.append((b"x-baaskit-cursor", after.encode()))
    return answer


async def _rows(plans: Plans, prepared: Prepared, request: Request) -> list[Any]:
    statement = prepared.compiled.statement
    return await plans.database.fetch_raw(statement.text, statement.bind(prepared.values, request.claims))


def _without_limit(request: Request) -> list[tuple[str, str]]:
    return [(key, value) for key, value in request.items() if key not in ("limit", *FOREIGN_KEYS)]


def page_size(plan: ReadPlan, values: Sequence[Value]) -> int | None:
    caps = [cap for cap in (int(values[plan.limit]) if plan.limit >= 0 else None, plan.max_rows) if cap is not None]  # type: ignore[arg-type]
    return min(caps) if caps else None


# ---- the order --------------------------------------------------------------------------------------------------------


def total_order(plan: ReadPlan) -> tuple[Term, ...]:
    """The order of a read, made total by a key of its table. Raises InvalidCursor where rows cannot be told apart by it."""
    if plan.aggregates:
        raise InvalidCursor("Groups have no key by which a page could begin after one of them.", hint="Page them with limit and offset.")
    embeds = {out.name for out in plan.outputs if isinstance(out, EmbedOut)}
    terms: dict[str, Term] = {}
    for order in plan.order:
        column = order.place.column
        if order.child >= 0 or order.place.steps or not _comparable(column) or column.name in embeds:
            raise InvalidCursor("Pages by cursor can be ordered by plain columns of the table itself.")
        first = order.nulls == "first" if order.nulls else order.descending
        terms.setdefault(column.name, Term(column.name, order.descending, first, _nullable(plan.table, column)))
    for name in _key(plan):
        terms.setdefault(name, Term(name, False, False, False))
    return tuple(terms.values())


def _key(plan: ReadPlan) -> tuple[str, ...]:
    """The primary key, or another unique set without nulls, that the caller may read: hidden values must not get into a cursor."""
    table, readable = plan.table, plan.access.columns
    for unique in (table.primary_key, *table.uniques):
        columns = [table.by_name[name] for name in unique]
        if columns and all(_comparable(c) and not _nullable(table, c) and (readable is None or c.name in readable) for c in columns):
            return unique
    raise InvalidCursor(
        "Pages by cursor need a primary key, or another unique set of columns that are never null, that the caller may read.",
        hint="Page with limit and offset.",
    )


def _comparable(column: Column) -> bool:
    return not column.type.array and column.type.family not in _UNORDERED


def _nullable(table: Table, column: Column) -> bool:
    return column.nullable and column.name not in table.primary_key


def ordered(query: Query, terms: tuple[Term, ...]) -> Query:
    """The query under the total order."""
    order = tuple(Order(Field(term.name), term.descending, "first" if term.nulls_first else "last") for term in terms)
    return _with_root(query, replace(query.root, order=order))


def beyond(query: Query, terms: tuple[Term, ...], key: Key) -> Query:
    """The query's rows that come after the row with `key`.

    a > 1 or (a = 1 and (b > 2 or …)), each comparison in its term's direction and with its place for null.
    """
    slots = dict(
        zip((n for n, value in enumerate(key) if value is not None), range(len(query.values), len(query.values) + len(key)), strict=False)
    )
    condition: Condition | None = None
    for n in reversed(range(len(terms))):
        term, name = terms[n], Field(terms[n].name)
        same = Filter(name, "eq", slots[n]) if n in slots else Filter(name, "is", word="null")
        later: list[Condition] = [Logic("and", (same, condition))] if condition is not None else []
        if n in slots:
            later.append(Filter(name, "lt" if term.descending else "gt", slots[n]))
            if term.nullable and not term.nulls_first:
                later.append(Filter(name, "is", word="null"))
        elif term.nulls_first:
            later.append(Filter(name, "is", word="not_null"))
        condition = Logic("or", tuple(later)) if later else None
        if n == 0 and n in slots and not (term.nullable and not term.nulls_first) and condition is not None:
            # Said twice, so that an index is entered at the right place: no planner sees it in the disjunction.
            condition = Logic("and", (Filter(name, "lte" if term.descending else "gte", slots[n]), condition))
    assert condition is not None  # the last term is of a key, which is never null
    values = (*query.values, *(value for value in key if value is not None))
    root = replace(query.root, conditions=(*query.root.conditions, condition))
    return replace(_with_root(query, root), values=values)


def _with_root(query: Query, root: Level) -> Query:
    return replace(query, levels=(root, *(level for level in query.levels if level.path)))


# ---- the text ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Seal:
    """Makes and reads the cursors of one query. `about` is what they are bound to."""

    secret: bytes
    about: bytes

    def close(self, key: Key) -> str:
        """The cursor of a row. Raises InvalidCursor when its values are too long for one."""
        body = orjson.dumps(key)
        text = urlsafe_b64encode(self._mac(body) + body).decode().rstrip("=")
        if len(text) > MAX_CURSOR:
            raise InvalidCursor("A value that the rows are ordered by is too long for a cursor.", hint="Order by a shorter column.")
        return text

    def open(self, text: str, terms: int) -> Key:
        """The values of the row. Raises InvalidCursor for one that is not ours, or of another query."""
        try:
            raw = urlsafe_b64decode(text.encode() + b"=" * (-len(text) % 4)) if len(text) <= MAX_CURSOR else b""
        except (ValueError, UnicodeEncodeError):
            raw = b""
        body = raw[_MAC:]
        if not hmac.compare_digest(raw[:_MAC], self._mac(body)):
            raise InvalidCursor()
        key: list[str | None] = orjson.loads(body)
        if len(key) != terms:
            raise InvalidCursor()
        return tuple(key)

    def _mac(self, body: bytes) -> bytes:
        bound = hashlib.sha256(self.about).digest()
        return hmac.digest(self.secret, bound + body, "sha256")[:_MAC]


def as_text(value: Any) -> str:
    """A value from the database as a filter takes it."""
    return "\\x" + value.hex() if isinstance(value, bytes) else str(value)
