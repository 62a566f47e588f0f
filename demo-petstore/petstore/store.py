"""The shop as a whole: the parts, the visitor's actions, the state that is drawn."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from dataclasses import asdict
from typing import Any
from uuid import uuid4

from baaskit_client import AsyncClient, NotFound, SessionStore

from .account import Account
from .cart import Cart
from .catalogue import Catalogue
from .desk import PRIVATE, Desk, Row
from .listing import Listing
from .orders import Orders
from .pets import Pets
from .selling import Selling
from .words import words

log = logging.getLogger("petstore")


class PetStore:
    """The shop of one visitor. `shelf` keeps the cart between visits; `pause`: seconds of quiet before a search is sent."""

    def __init__(
        self,
        client: AsyncClient,
        shelf: SessionStore,
        show: Callable[[Row], None],
        *,
        pause: float = 0.25,
        new_key: Callable[[], str] = lambda: uuid4().hex,
    ) -> None:
        self.client, self.desk = client, Desk(client, show)
        self.desk.picture = self.state
        self.pets = Pets(self.desk)
        self.pets.on_screen.append(lambda: [found] if (found := self.desk.pet_on_show) is not None else [])
        self.account = Account(self.desk, self._resume)
        self.orders = Orders(self.desk)
        self.cart = Cart(self.desk, self.pets, shelf, new_key=new_key, need_account=self.account.need, bought=self.orders.follow)
        self.selling = Selling(self.desk, self.pets)
        self.catalogue = Catalogue(self.desk, self.pets, pause)
        self._network, self._connected = True, True
        self.actions: dict[str, Callable[..., Any]] = {
            **{"go": self.go, "retry": self.retry, "more": self.more, "close": self.close, "forget": self.desk.forget},
            **{"network": self.network, "wake": self.cart.load},
            **{"search": self.catalogue.search, "set_filter": self.catalogue.set_filter, "reset": self.catalogue.reset},
            **{"add": self.cart.add, "set_quantity": self.cart.set_quantity, "open_cart": self.cart.open, "checkout": self.cart.checkout},
            **{"ask_account": self.account.ask, "sign_in": self.account.sign_in, "sign_up": self.account.sign_up},
            **{"sign_out": self.account.sign_out, "ask_sell": self._ask_sell, "sell": self.selling.sell},
            **{"change_pet": self.selling.change, "hide": self.selling.hide, "withdraw": self.selling.withdraw},
        }
        client.auth.on_change(self._caller_changed)
        client.realtime.on_state(self._connection_changed)

    def act(self, name: str, arguments: list[Any]) -> None:
        """Carry out one of `actions`, nothing else. A fault becomes a message; what takes time goes on by itself."""
        if name not in self.actions:
            raise ValueError(f"{name!r} is not an action of the shop")
        try:
            result = self.actions[name](*arguments)
        except Exception as exc:
            log.exception("The action %r failed", name)
            self.desk.toast(words(exc), "error")
            return
        if asyncio.iscoroutine(result):
            self.desk.start_once(f"act {name}", result)
        self.desk.changed()

    async def start(self) -> None:
        """Read what the visitor sees first, then who they are."""
        await self.cart.load()
        self.catalogue.read_anew()
        await self.desk.settled("catalogue")
        await self.client.auth.restore()

    async def stop(self) -> None:
        await self.desk.stop_all()
        await self.client.close()

    # Places

    def go(self, route: str) -> None:
        """Follow a link: `#/`, `#/pet/7`, `#/orders`, `#/my-pets`."""
        self.desk.route = route or "#/"
        self.desk.start("go", self._arrive())

    async def _arrive(self) -> None:
        if self.desk.route in PRIVATE:
            await self.client.auth.restore()
            if not self.desk.uid:
                self.account.need(self.desk.route)
            elif self.desk.route == "#/my-pets":
                self.selling.read()
        elif (pet_id := self.desk.pet_on_show) is not None:
            await self._show_pet(pet_id)
        self.pets.watch()

    async def _show_pet(self, pet_id: int) -> None:
        try:
            if pet_id not in self.pets.rows:
                await self.pets.read([pet_id])
            await self.pets.read_shop_name(self.pets.rows[pet_id]["seller_id"])
        except (KeyError, NotFound):
            self.desk.toast("This pet is no longer for sale.", "error")
            self.desk.move("#/")

    def more(self) -> None:
        (self.selling if self.desk.route == "#/my-pets" else self.catalogue).more()

    def close(self) -> None:
        """Close the open dialog."""
        kind, self.desk.dialog = (self.desk.dialog or {}).get("kind"), None
        if kind == "account":
            self.account.given_up()

    def _ask_sell(self, pet_id: int | None = None) -> None:
        if self.desk.uid:
            self.selling.open(pet_id)
        else:
            self.account.need("sell")

    def _resume(self, wanted: str) -> None:
        """Signed in: go on with what that was for."""
        if wanted == "cart":
            self.cart.open()
        elif wanted == "sell":
            self.selling.open()
        elif wanted:
            self.desk.move(wanted)
            self.go(wanted)

    def _caller_changed(self, event: str, session: Any) -> None:
        if event in ("signed_in", "restored") and session is not None:
            self.orders.follow()
            self.desk.start("profile", self.pets.read_shop_name(self.desk.uid))
        elif event == "signed_out":
            self.orders.forget()
            self.selling.forget()
        self.desk.changed()

    # The network

    def network(self, online: bool) -> None:
        """The browser says that it has, or has no, network."""
        came_back, self._network = online and not self._network, online
        if came_back:
            self.retry()

    def _connection_changed(self, state: str) -> None:
        if state == "waiting":
            self._connected = False
        elif state in ("open", "idle"):
            came_back, self._connected = not self._connected, True
            if came_back:
                self._read_failed()
        self.desk.changed()

    def retry(self) -> None:
        """Try again now, without waiting for the next attempt."""
        self.client.realtime.reconnect_now()
        self._read_failed()

    def _read_failed(self) -> None:
        """Read again what could not be read."""
        if self.catalogue.listing.error or not (self.catalogue.listing.ids or self.catalogue.listing.loading):
            self.catalogue.read_anew()
        if self.desk.route in PRIVATE and self.desk.uid:
            self.go(self.desk.route)

    # What is drawn

    def state(self) -> Row:
        """Everything that is drawn, as plain JSON values."""
        user, dialog, on_show = self.client.auth.user, self.desk.dialog, self.desk.pet_on_show
        if dialog and dialog.get("pet") is not None:
            dialog = {**dialog, "pet": self.pets.shown(dialog["pet"])}
        return {
            "route": self.desk.route,
            "moves": self.desk.moves,
            "online": self._network and self._connected,
            "user": user and {"email": user.get("email") or "", "shop": self.pets.shop_names.get(self.desk.uid, "")},
            "filters": asdict(self.catalogue.filters),
            "catalogue": self._listed(self.catalogue.listing),
            "mine": self._listed(self.selling.listing),
            "pet": self.pets.shown(on_show) if on_show is not None else None,
            "cart": self.cart.shown(),
            "orders": self.orders.rows,
            "dialog": dialog,
            "toasts": self.desk.toasts,
        }

    def _listed(self, listing: Listing) -> Row:
        return {**asdict(listing), "pets": [self.pets.shown(pet_id) for pet_id in listing.ids]}


def open_in_browser(url: str, key: str) -> PetStore:
    """The shop in a Web Worker: each state is posted to the page as JSON text."""
    import js
    from baaskit_client._browser import IndexedDBStore

    store = PetStore(AsyncClient(url, key), IndexedDBStore("petstore-cart"), lambda state: js.postMessage(json.dumps(state)))
    store.desk.start("start", store.start())
    return store
