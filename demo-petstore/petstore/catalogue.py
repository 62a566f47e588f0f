"""The catalogue: narrowed by kind, price and words, sorted, read page by page."""

from __future__ import annotations

import asyncio
from dataclasses import asdict, dataclass, replace
from typing import Any

from baaskit_client import eq, gte, lte, table

from .desk import Desk, Row
from .listing import NEWEST, Found, Listing, Order
from .pets import Pets

SPECIES = ("dog", "cat", "bird", "fish", "rabbit", "reptile")
SORTS: dict[str, Order] = {
    "new": NEWEST,
    "cheap": (("price", False), ("id", False)),
    "dear": (("price", True), ("id", True)),
    "young": (("age_months", False), ("id", False)),
}
MATCHES = 100  # most answers of a search


@dataclass
class Filters:
    """What the visitor asked for. Prices in the shop's currency, None for no bound."""

    species: str = ""
    q: str = ""
    least: float | None = None
    most: float | None = None
    sort: str = "new"


class Catalogue:
    """`pause`: seconds of quiet typing before a search is sent."""

    def __init__(self, desk: Desk, pets: Pets, pause: float) -> None:
        self._desk, self._pets, self._pause = desk, pets, pause
        self.filters, self.listing = Filters(), Listing(loading=True)
        pets.on_screen.append(lambda: self.listing.ids)

    def search(self, text: str) -> None:
        self.filters.q = text[:100]
        self.read_anew(self._pause)

    def set_filter(self, values: Row) -> None:
        """Change any of species, least, most and sort; what makes no sense counts as not asked for."""
        species, sort = values.get("species", self.filters.species), values.get("sort", self.filters.sort)
        self.filters.species = species if species in SPECIES else ""
        self.filters.sort = sort if sort in SORTS else "new"
        for bound in ("least", "most"):
            if bound in values:
                setattr(self.filters, bound, number(values[bound]))
        self.read_anew()

    def reset(self) -> None:
        self.filters = Filters()
        self.read_anew()

    def read_anew(self, pause: float = 0) -> None:
        # A new list, so that an answer that comes too late finds its own one and not this.
        self.listing = replace(self.listing, loading=True, error="")
        self._desk.start("catalogue", self._read(pause))

    def more(self) -> None:
        if self.listing.more and not self.listing.loading:
            self._desk.start("catalogue", self._read(further=True))

    async def _read(self, pause: float = 0, *, further: bool = False) -> None:
        await asyncio.sleep(pause)
        asked = self.filters
        if asked.q.strip():
            await self.listing.read(self._desk, self._pets, self._matches)
            return
        query = table("pets").where(eq("status", "available"))
        if asked.species:
            query = query.where(eq("species", asked.species))
        if asked.least is not None:
            query = query.where(gte("price", asked.least))
        if asked.most is not None:
            query = query.where(lte("price", asked.most))
        await self.listing.read_page(self._desk, self._pets, query, SORTS[asked.sort], further=further)

    async def _matches(self) -> Found:
        """What the function `search` finds, best first; it has no further pages."""
        narrowed = {
            name: value for name, value in asdict(self.filters).items() if name in ("species", "least", "most") and value is not None
        }
        rows = await self._desk.client.call("search", q=self.filters.q, limit=MATCHES, **narrowed)
        return rows, len(rows)


def number(value: Any) -> float | None:
    """A number from 0 that somebody typed, None for anything else."""
    try:
        found = float(str(value).replace(",", "."))
    except ValueError:
        return None
    return found if 0 <= found < 10**9 else None
