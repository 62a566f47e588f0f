"""GET and HEAD of a table: plan (or remember), one statement, and the answer around the bytes that the database wrote."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import quote

import orjson

from baaskit.errors.rest import NotSingular, RangeNotSatisfiable
from baaskit.kernel.claims import Claims
from baaskit.kernel.database import Sql
from baaskit.kernel.database.plans import CompiledRead, Plans
from baaskit.kernel.plan import ReadPlan
from baaskit.kernel.policy import TRUE, Access
from baaskit.kernel.query import NONE, Preferences, Query, Template, Value, parse, parse_preferences, split_template
from baaskit.kernel.schema import TableName
from baaskit.rest.answer import Answer, array, content_range, without_nulls
from baaskit.rest.csv_text import csv_of
from baaskit.rest.request import FOREIGN_KEYS, Media, Request, with_range


@dataclass(frozen=True, slots=True)
class Prepared:
    """A read that has been seen before: what to run, and which slots the values of a like request go to."""

    compiled: CompiledRead
    media: Media
    preferences: Preferences
    values: tuple[Value, ...]
    fills: tuple[tuple[int, int], ...]  # (part of the query string, slot)


@dataclass(frozen=True, slots=True)
class Page:
    """Rows as JSON texts, and the total when it is known. `counted` is how it became known: the preference's word."""

    rows: list[str]
    total: int | None = None
    counted: str = ""


async def read_table(plans: Plans, table: TableName, request: Request) -> Answer:
    """Answer a read. Raises what planning and the database raise."""
    prepared, values = prepare(plans, table, request)
    if not prepared.preferences.count:
        statement = prepared.compiled.statement
        rows = await plans.database.fetch_raw(statement.text, statement.bind(values, request.claims), prepared.compiled.seconds)
        page = Page([row[0] for row in rows])
    else:
        page = await plans.database.read(lambda: page_steps(plans.database.dialect, prepared, values, request.claims))
    answer = answer_page(page, prepared, values)
    answer.headers.append((b"content-location", location_of(table.name, request.raw_query)))
    return answer


def prepare(plans: Plans, table: TableName, request: Request) -> tuple[Prepared, Sequence[Value]]:
    """The read and its values: by the form of the raw query string when it is known, else parsed and planned."""
    headers = request.headers
    template = split_template(request.raw_query) if b"range" not in headers else None
    key: Any = None
    if template is not None:
        key = (table, request.claims.role, template.key, headers.get(b"accept"), headers.get(b"prefer"))
        known: Prepared | None = plans.known(key)
        if known is not None:
            values = list(known.values)
            for part, slot in known.fills:
                values[slot] = template.values[part]  # type: ignore[assignment]
            return known, values
    query = parse(with_range(request.items(), headers), ignore=FOREIGN_KEYS)
    preferences = parse_preferences(request.prefer) if b"prefer" in headers else NONE
    compiled = plans.read(table, query, request.claims.role)
    fills = _fills(query, template) if template is not None else ()
    prepared = Prepared(compiled, request.media, preferences, query.values, fills)
    if key is not None and len(fills) == len(query.values):
        plans.remembered(key, lambda: prepared)
    return prepared, query.values


def _number(values: Sequence[Value], slot: int) -> int | None:
    return int(values[slot]) if slot >= 0 else None  # type: ignore[arg-type]


def _total_seen(plan: ReadPlan, rows: int, values: Sequence[Value]) -> int | None:
    """The total, when the page itself tells: it is not empty (or the first) and not full."""
    offset = _number(values, plan.offset) or 0
    caps = [cap for cap in (_number(values, plan.limit), plan.max_rows) if cap is not None]
    full = bool(caps) and rows >= min(caps)
    return None if full or (rows == 0 and offset > 0) else offset + rows


def page_steps(
    dialect: str, prepared: Prepared, values: Sequence[Value], claims: Claims, seconds: float | None = None
) -> Generator[Sql, list[Any], Page]:
    """The page and, as preferred, its total; a script's steps, so that both come from one snapshot.

    `seconds`: time of each of the two, where it is not that of other reads.
    """
    compiled, wanted = prepared.compiled, prepared.preferences.count
    seconds = seconds or compiled.seconds
    found = yield Sql(compiled.statement.text, compiled.statement.bind(values, claims), seconds)
    rows = [row[0] for row in found]
    if not wanted:
        return Page(rows)
    count = compiled.count
    planner_may_tell = dialect == "postgresql" and _is_open(compiled.plan)
    if wanted != "exact" and planner_may_tell:
        estimate = yield Sql("EXPLAIN (FORMAT JSON) " + count.text, count.bind(values, claims))
        guess = _estimate(estimate[0][0])
        if wanted == "planned" or guess > (compiled.plan.max_rows or 1000):
            return Page(rows, max(guess, len(rows)), wanted)
    total = _total_seen(compiled.plan, len(rows), values)
    if total is None:
        total = (yield Sql(count.text, count.bind(values, claims), seconds))[0][0]
    return Page(rows, total, wanted if wanted == "estimated" and planner_may_tell else "exact")


def _is_open(plan: ReadPlan) -> bool:
    """Whether the caller may read every row anyway: only then may the planner's statistics speak to it (A3)."""
    joins = plan.junction is None or _all_rows(plan.junction[1])
    return _all_rows(plan.access) and plan.access.columns is None and joins and all(_is_open(child) for child in plan.children)


def _all_rows(access: Access) -> bool:
    return not access.denied and (access.using is None or access.using == TRUE)


def _estimate(explained: Any) -> int:
    found = orjson.loads(explained) if isinstance(explained, str) else explained
    plan = found[0]["Plan"]
    return int((plan.get("Plans") or [plan])[0]["Plan Rows"])


def answer_page(page: Page, prepared: Prepared, values: Sequence[Value]) -> Answer:
    """The answer around a page. Raises NotSingular, RangeNotSatisfiable."""
    media, plan, rows, total = prepared.media, prepared.compiled.plan, page.rows, page.total
    offset = (_number(values, plan.offset) or 0) if plan.offset >= 0 else 0
    if total is not None and offset > total:
        raise RangeNotSatisfiable(details=f"An offset of {offset} was requested, but there are only {total} rows.")
    if media.single and len(rows) != 1:
        raise NotSingular(len(rows))
    body = body_of(rows, media, plan)
    headers = [(b"content-type", media.content_type), (b"content-range", content_range(offset, len(rows), total))]
    if prepared.preferences is not NONE:
        headers += applied(prepared.preferences, page.counted, ("count", "handling"))
    return Answer(206 if total is not None and len(rows) < total else 200, headers, body)


def body_of(rows: list[str], media: Media, plan: ReadPlan | None) -> bytes:
    """Rows (exactly one for a single medium) in the form that was asked for. `plan` is what they are rows of."""
    if media.csv and plan is not None:
        return csv_of(rows, plan)
    body = rows[0].encode() if media.single else array(rows)
    return without_nulls(body) if media.strip_nulls else body


def location_of(name: str, raw_query: str) -> bytes:
    """`Content-Location`: the address again, without a key that it may hold."""
    if "apikey=" in raw_query:
        raw_query = "&".join(part for part in raw_query.split("&") if not part.startswith("apikey="))
    return f"/{_address(name)}?{raw_query}".encode("latin-1", "replace") if raw_query else b"/" + _address(name).encode()


_address = lru_cache(maxsize=1024)(quote)


def applied(preferences: Preferences, counted: str, names: tuple[str, ...]) -> list[tuple[bytes, bytes]]:
    """`Preference-Applied`: what was honoured, in the order of `names`. A count is named by how it was really made."""
    given = {word.partition("=")[0]: word for word in preferences.applied}
    if "count" in given:
        given["count"] = f"count={counted}" if counted else ""
    words = [given[name] for name in names if given.get(name)]
    return [(b"preference-applied", ", ".join(words).encode())] if words else []


def query_of(plans: Plans, request: Request) -> Query:
    """The query of a write: the same grammar, and the same short cut for a form that is known."""
    template = split_template(request.raw_query)
    if template is None:
        return parse(request.items(), ignore=FOREIGN_KEYS)
    known: tuple[Query, tuple[tuple[int, int], ...]] | None = plans.known(("query", template.key))
    if known is not None:
        query, fills = known
        if not fills:
            return query
        values = list(query.values)
        for part, slot in fills:
            values[slot] = template.values[part]  # type: ignore[assignment]
        return Query(query.select, query.levels, query.columns, query.on_conflict, tuple(values))
    query = parse(request.items(), ignore=FOREIGN_KEYS)
    fills = _fills(query, template)
    if len(fills) == len(query.values):
        plans.remembered(("query", template.key), lambda: (query, fills))
    return query


def _fills(query: Query, template: Template) -> tuple[tuple[int, int], ...]:
    """Which part of the query string fills which slot; empty when some value did not come out of the template."""
    if len(query.slots_by_item) != len(template.key):
        return ()
    fills = tuple((part, slot) for part, slot in enumerate(query.slots_by_item) if slot >= 0 and template.values[part] is not None)
    return fills if len(fills) == len(query.values) else ()
