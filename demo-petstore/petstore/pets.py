"""The pets that the page knows of, and one live query that keeps those on screen current."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from baaskit_client import eq, in_, table

from .desk import Desk, Row

COLUMNS = "id,seller_id,name,species,breed,age_months,price,stock,status,description,photo,tags,created_at"
WATCHED = 480  # most pets kept current at once


class Pets:
    """Rows by id. `on_screen`: functions that tell which ids are shown, the most important first."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self.rows: dict[int, Row] = {}
        self.shop_names: dict[str, str] = {}  # by seller; "" when there is none
        self.on_screen: list[Callable[[], Iterable[int]]] = []
        self._watched: frozenset[int] = frozenset()

    def learn(self, rows: Iterable[Row], *, live: bool = False) -> None:
        """Newer values. `pulse` counts changes of stock and price while watching, for the view to point at."""
        for row in rows:
            old = self.rows.get(row["id"], {})
            moved = live and any(name in old and old[name] != row[name] for name in ("stock", "price"))
            self.rows[row["id"]] = {"pulse": 0, **old, **row, "gone": False}
            self.rows[row["id"]]["pulse"] += moved

    def gone(self, pet_id: int) -> None:
        """It was withdrawn or hidden. It stays where it is drawn, marked, so that nothing jumps under the visitor's finger."""
        if pet_id in self.rows:
            self.rows[pet_id].update(gone=True, stock=0)

    async def read(self, ids: Iterable[int]) -> None:
        """Read these pets as they are now."""
        wanted = list(ids)
        rows = await self._desk.client.run(table("pets").where(in_("id", wanted)).select(COLUMNS))
        self.learn(rows)
        for pet_id in {*wanted} - {row["id"] for row in rows}:
            self.gone(pet_id)
        self.watch()

    async def read_shop_name(self, seller: str) -> None:
        if seller not in self.shop_names:
            found = await self._desk.client.run(table("profiles").where(eq("id", seller)).select("shop_name").maybe_single())
            self.shop_names[seller] = found["shop_name"] if found else ""

    def watch(self) -> None:
        """Follow the pets that are on screen now."""
        shown = dict.fromkeys(pet_id for ids in self.on_screen for pet_id in ids())
        ids = frozenset(list(shown)[:WATCHED])
        if ids and ids != self._watched:
            self._watched = ids
            self._desk.start("watch", self._follow(ids))

    async def _follow(self, ids: frozenset[int]) -> None:
        async with self._desk.client.live(table("pets").where(in_("id", sorted(ids))).select(COLUMNS)) as live:
            self.learn(live.rows, live=True)
            for pet_id in ids - {row["id"] for row in live.rows}:
                self.gone(pet_id)
            self._desk.changed()
            async for change in live.changes():
                if change.row is not None:
                    self.learn([change.row], live=True)
                else:
                    self.gone(change.key["id"])
                self._desk.changed()

    def shown(self, pet_id: int) -> Row | None:
        """A pet as the view needs it."""
        pet = self.rows.get(pet_id)
        if pet is None:
            return None
        shop = self.shop_names.get(pet["seller_id"], "")
        return {**pet, "images": self._images(pet), "shop": shop, "own": pet["seller_id"] == self._desk.uid}

    def _images(self, pet: Row) -> list[str]:
        """Addresses of the picture, best first; the view takes the next one when one cannot be loaded."""
        photo, drawn = pet["photo"], f"/art/{pet['species']}-{pet['id'] % 6 + 1}.svg"
        if not photo or photo.startswith("art/"):
            return [f"/{photo}" if photo else drawn]
        url: Any = self._desk.client.storage("photos").public_url
        # `fresh`: its thumbnail is still being made.
        return [*([] if pet.get("fresh") else [url(f"{photo}.thumb.webp")]), url(photo), drawn]
