"""Lists of pets that are read page by page."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from baaskit_client import BaasError, Condition, Select, and_, eq, gt, lt, or_

from .desk import Desk, Row
from .pets import COLUMNS, Pets
from .words import words

PAGE = 24  # pets read at a time
Order = tuple[tuple[str, bool], tuple[str, bool]]  # two columns, each with whether it descends; the second one is unique
NEWEST: Order = (("created_at", True), ("id", True))
Found = tuple[list[Row], int | None]  # rows, and how many there are in all


@dataclass
class Listing:
    """`total`: how many there are in all, None when not known. `more`: there may be a further page."""

    ids: list[int] = field(default_factory=list)
    total: int | None = None
    loading: bool = False
    more: bool = False
    error: str = ""

    async def read(self, desk: Desk, pets: Pets, found: Callable[[], Awaitable[Found]], *, further: bool = False) -> None:
        """Fill the list anew, or add a page to it. A fault stays here, to be shown where the pets would be."""
        self.loading, self.error = True, ""
        desk.changed()
        try:
            rows, self.total = await found()
        except BaasError as exc:
            self.error = words(exc)
            return
        finally:
            self.loading = False
        pets.learn(rows)
        ids = [row["id"] for row in rows]
        self.ids, self.more = (self.ids + ids if further else ids), len(ids) == PAGE
        pets.watch()

    async def read_page(self, desk: Desk, pets: Pets, query: Select[Row, Any], order: Order, *, further: bool) -> None:
        """The first page of a query, or the one after the last pet here."""
        for column, desc in order:
            query = query.order(column, desc=desc)
        if further:
            query = query.where(beyond(pets.rows[self.ids[-1]], order))
        rows = query.select(COLUMNS).limit(PAGE)

        async def found() -> Found:
            if further:
                return await desk.client.run(rows), self.total
            page = await desk.client.run(rows.count())
            return page.rows, page.total

        await self.read(desk, pets, found, further=further)


def beyond(row: Row, order: Order) -> Condition:
    """What comes after `row`: right however many rows came or went since the last page."""
    (first, desc), (last, last_desc) = order
    after, after_last = (lt if desc else gt), (lt if last_desc else gt)
    return or_(after(first, row[first]), and_(eq(first, row[first]), after_last(last, row[last])))
