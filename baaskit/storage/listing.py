"""Listing a folder of a bucket: one statement finds the entries, folders and files alike, under the select policy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Text, case, cast, func, literal, literal_column, select

from baaskit.errors.storage import InvalidRequest
from baaskit.kernel.database import Row, Script
from baaskit.storage.rows import OBJECTS, Caller, bucket_row

SORTABLE = ("name", "updated_at", "created_at", "last_accessed_at")
LIMIT = 1000  # entries of one answer at most


@dataclass(frozen=True, slots=True)
class Listing:
    """`prefix` is a folder (`""` or ending in `/`), `search` the beginning of names in it. Prefixes match in any case."""

    bucket: str
    prefix: str = ""
    search: str = ""
    limit: int = 100
    offset: int = 0
    column: str = "name"
    descending: bool = False


def list_folder(caller: Caller, asked: Listing) -> Script[list[Row]]:
    """Entries in order, folders first: `{"name", "row"}`; `row` is None for a folder. Raises NoSuchBucket, see `bucket_row`."""
    if asked.column not in SORTABLE:
        raise InvalidRequest(f"Sort by one of: {', '.join(SORTABLE)}.")
    t = caller.database.tables.objects
    yield from bucket_row(caller, asked.bucket)
    start = len(asked.prefix)
    rest = func.substr(t.c.name, literal(start + 1))
    slash = func.instr(rest, "/") if caller.database.dialect == "sqlite" else func.strpos(rest, "/")
    is_folder = case((slash > 0, 1), else_=0)
    segment = case((slash > 0, func.substr(rest, 1, slash - 1)), else_=rest)
    wanted = (asked.prefix + asked.search).lower()
    entries = (
        select(
            segment.label("name"),
            is_folder.label("folder"),
            func.max(case((slash > 0, literal("")), else_=cast(t.c.id, Text))).label("id"),
            func.max(getattr(t.c, asked.column)).label("by"),
        )
        .where(
            t.c.bucket_id == asked.bucket,
            func.substr(func.lower(t.c.name), 1, literal(len(wanted))) == wanted,  # `%` and `_` have no meaning here
            caller.may_see(t, OBJECTS),
        )
        .group_by(literal_column("1"), literal_column("2"), case((slash > 0, literal_column("''")), else_=cast(t.c.id, Text)))
        .subquery("entries")
    )
    by = entries.c.name if asked.column == "name" else entries.c.by
    order = by.desc() if asked.descending else by.asc()
    found = yield caller.step(
        select(entries.c.name, entries.c.id)
        .order_by(entries.c.folder.desc(), order, entries.c.name)
        .limit(min(asked.limit, LIMIT))
        .offset(asked.offset)
    )
    rows = yield select(t).where(t.c.id.in_([entry["id"] for entry in found if entry["id"]]))
    by_id: dict[str, Any] = {row["id"]: row for row in rows}
    return [{"name": entry["name"], "row": by_id.get(entry["id"])} for entry in found if not entry["id"] or entry["id"] in by_id]
