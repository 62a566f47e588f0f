"""The cart, which belongs to the browser and so survives signing in and out, and the purchase."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from baaskit_client import BaasError, ConnectionFailed, Refused, SessionStore, eq, function, table

from .desk import Desk, Row
from .pets import Pets
from .words import words

MOST_EACH = 99  # of one pet, as the function `purchase` has it
UNKNOWN = "We could not reach the shop. Try again: you will not be charged twice."
EARLIER = "Your earlier order did go through: it is in My orders. This is what is left."


@dataclass
class Basket:
    """Pet → quantity; and the purchase whose outcome is not known: its key, and what it was for."""

    lines: dict[int, int] = field(default_factory=dict)
    key: str = ""
    asked: dict[int, int] = field(default_factory=dict)

    def text(self) -> str:
        return json.dumps([list(self.lines.items()), self.key, list(self.asked.items())])

    @staticmethod
    def from_text(text: str | None) -> Basket:
        try:
            lines, key, asked = json.loads(text or "")
            return Basket(dict(lines), key, dict(asked))
        except (ValueError, TypeError):
            return Basket()


class Cart:
    """`shelf` keeps it between visits; `need_account(wanted)` asks the visitor to sign in; `bought()` follows a purchase."""

    def __init__(
        self,
        desk: Desk,
        pets: Pets,
        shelf: SessionStore,
        *,
        new_key: Callable[[], str],
        need_account: Callable[[str], None],
        bought: Callable[[], None],
    ) -> None:
        self._desk, self._pets, self._shelf = desk, pets, shelf
        self._new_key, self._need_account, self._bought = new_key, need_account, bought
        self.basket = Basket()
        pets.on_screen.append(lambda: self.basket.lines)

    async def load(self) -> None:
        """Take the basket from the shelf: at the start, and when another window may have changed it."""
        before = self.basket.text()
        kept = Basket.from_text(await _maybe(self._shelf.load()))
        if self._busy or self.basket.text() != before:
            return  # what was done here meanwhile is newer
        self.basket = kept
        if {*kept.lines} - {*self._pets.rows}:
            self._desk.start("cart", self._pets.read(kept.lines))

    def add(self, pet_id: int) -> None:
        pet, wanted = self._pets.rows[pet_id], self.basket.lines.get(pet_id, 0) + 1
        if wanted > pet["stock"]:
            self._desk.toast(f"There is only {pet['stock']} of {pet['name']}." if pet["stock"] else f"{pet['name']} is sold out.", "error")
            return
        self.set_quantity(pet_id, wanted)
        self._desk.toast(f"{pet['name']} is in your cart.")

    def set_quantity(self, pet_id: int, quantity: int) -> None:
        """0 takes the pet out of the cart."""
        if self._busy:
            return
        self.basket.lines[pet_id] = max(0, min(int(quantity), MOST_EACH))
        if not self.basket.lines[pet_id]:
            del self.basket.lines[pet_id]
        if self._desk.dialog and self._desk.dialog["kind"] == "cart":
            self._desk.dialog["error"] = ""
        self._desk.start("keep", self._keep())
        self._pets.watch()

    def open(self) -> None:
        self._say("")
        if self.basket.lines:
            self._desk.start("cart", self._pets.read(self.basket.lines))

    async def checkout(self) -> None:
        """Buy what is in the basket: once, however often this is called and whatever the network does meanwhile."""
        if not self._desk.uid:
            self._need_account("cart")
            return
        self._say("", busy=True)
        try:
            if self.basket.key and self.basket.asked != self.basket.lines and await self._went_through():
                return
            order = await self._buy()
        except ConnectionFailed:
            # It may have been carried out: the key stays, so that trying again cannot buy twice.
            self._say(UNKNOWN)
        except Refused as exc:
            if exc.status < 500:
                self.basket.key = ""  # nothing was bought: the next attempt is a new one
            self._say(words(exc))
            await self._keep()
            await self._pets.read(self.basket.lines)
        except BaasError as exc:
            self._say(words(exc))
        else:
            self.basket = Basket()
            self._desk.dialog = {"kind": "thanks", "order": order}
            await self._keep()
            self._bought()

    async def _buy(self) -> Row:
        basket = self.basket
        if not basket.key or basket.asked != basket.lines:
            basket.key, basket.asked = self._new_key(), dict(basket.lines)
            await self._keep()  # before asking: a page that is closed now must find the key again
        lines = [{"pet_id": pet_id, "quantity": quantity} for pet_id, quantity in basket.asked.items()]
        order: Row = await self._desk.client.run(function("purchase", lines=lines, key=basket.key).once(basket.key))
        return order

    async def _went_through(self) -> bool:
        """The basket was changed after a purchase of unknown outcome: if it was carried out, say so instead of buying it again."""
        asked, mine = self.basket.asked, table("orders").where(eq("buyer_id", self._desk.uid))
        if await self._desk.client.run(mine.where(eq("idempotency_key", self.basket.key)).select("id").maybe_single()) is None:
            return False
        left = {pet_id: quantity - asked.get(pet_id, 0) for pet_id, quantity in self.basket.lines.items()}
        self.basket = Basket({pet_id: quantity for pet_id, quantity in left.items() if quantity > 0})
        await self._keep()
        self._say(EARLIER)
        self._bought()
        return True

    @property
    def _busy(self) -> bool:
        return bool(self._desk.dialog and self._desk.dialog["kind"] == "cart" and self._desk.dialog["busy"])

    def _say(self, error: str, *, busy: bool = False) -> None:
        self._desk.dialog = {"kind": "cart", "busy": busy, "error": error}
        self._desk.changed()

    async def _keep(self) -> None:
        await _maybe(self._shelf.save(self.basket.text()))

    def shown(self) -> Row:
        """The cart as the view needs it; what cannot be bought counts nothing in the total."""
        lines = [self._line(pet_id, quantity) for pet_id, quantity in self.basket.lines.items()]
        cents = sum(round(line["pet"]["price"] * 100) * line["quantity"] for line in lines if line["pet"] and not line["problem"])
        return {"lines": lines, "count": sum(self.basket.lines.values()), "total": cents / 100}

    def _line(self, pet_id: int, quantity: int) -> Row:
        pet, problem = self._pets.shown(pet_id), ""
        if pet and pet["gone"]:
            problem = "No longer for sale"
        elif pet and pet["stock"] < quantity:
            problem = f"Only {pet['stock']} left" if pet["stock"] else "Sold out"
        return {"id": pet_id, "pet": pet, "quantity": quantity, "problem": problem}


async def _maybe(result: Any) -> Any:
    """A store may answer at once or later."""
    return await result if hasattr(result, "__await__") else result
