"""The visitor's own orders, live: a status that the shop's people change moves on the page."""

from __future__ import annotations

from baaskit_client import eq, table

from .desk import Desk, Row

SHOWN = 100  # the latest orders
COLUMNS = "id,status,total,created_at"
ITEMS = "items:order_items(pet_id,name,price,quantity)"


class Orders:
    """`rows`: newest first; None until they have been read."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self.rows: list[Row] | None = None

    def follow(self) -> None:
        """Read them and keep them current, for as long as the visitor is signed in."""
        self._desk.start("orders", self._follow())

    def forget(self) -> None:
        self._desk.stop("orders")
        self.rows = None

    async def _follow(self) -> None:
        mine = table("orders").where(eq("buyer_id", self._desk.uid)).order("created_at", desc=True).limit(SHOWN)
        async with self._desk.client.live(mine.select(COLUMNS)) as live:
            self.rows = await self._desk.client.run(mine.select(COLUMNS, ITEMS))
            self._desk.changed()
            async for change in live.changes():
                known = {order["id"]: order for order in self.rows}
                row = change.row
                if change.kind == "change" and row is not None and row["id"] in known:
                    if row["status"] != known[row["id"]]["status"]:
                        self._desk.toast(f"Your order is {row['status']}.")
                    known[row["id"]].update(row)
                elif {*known} != {order["id"] for order in live.rows}:
                    self.rows = await self._desk.client.run(mine.select(COLUMNS, ITEMS))
                self._desk.changed()
