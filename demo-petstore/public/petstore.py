"""All that the shop does: one object that turns the visitor's actions into SDK calls and says what to draw, with no page in it.

The page calls `act(name, arguments)` with one of ACTIONS; every change of state goes to `show` as plain JSON values. In the
browser this runs in a Web Worker (`open_in_browser`), in the tests on CPython with the SDK's fake transport.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from dataclasses import asdict, dataclass, field, replace
from typing import Any
from uuid import uuid4

from baaskit_client import (
    AsyncClient,
    BaasError,
    Condition,
    Conflict,
    ConnectionFailed,
    NotFound,
    Refused,
    SessionStore,
    TooManyRequests,
    and_,
    eq,
    function,
    gt,
    gte,
    in_,
    lt,
    lte,
    or_,
    table,
)

log = logging.getLogger("petstore")

Row = dict[str, Any]
PAGE = 24  # pets read at a time
WATCHED = 480  # most pets kept current at once; those shown last count
SPECIES = ("dog", "cat", "bird", "fish", "rabbit", "reptile")
COLUMNS = "id,seller_id,name,species,breed,age_months,price,stock,status,description,photo,tags,created_at"
ORDER = "id,status,total,created_at"
SORTS = {  # how each is read from the database: columns and whether descending; the id makes the order total
    "new": (("created_at", True), ("id", True)),
    "cheap": (("price", False), ("id", False)),
    "dear": (("price", True), ("id", True)),
    "young": (("age_months", False), ("id", False)),
}
PHOTO_KINDS = {"image/jpeg": "jpg", "image/png": "png", "image/webp": "webp"}
PHOTO_BYTES = 5 * 2**20
MOST_EACH = 99  # of one pet in a cart, as the function `purchase` has it
ACTIONS = frozenset(
    "add ask_account ask_sell change_pet checkout clear close forget go hide more network open_cart reset retry "
    "search sell set_filter set_quantity sign_in sign_out sign_up wake withdraw".split()
)


@dataclass
class Filters:
    """What the catalogue is narrowed to. Prices in the shop's currency, None for no bound."""

    species: str = ""
    q: str = ""
    least: float | None = None
    most: float | None = None
    sort: str = "new"


@dataclass
class Listing:
    """A list of pets that is read page by page. `total`: how many there are in all, None when not known."""

    ids: list[int] = field(default_factory=list)
    total: int | None = None
    loading: bool = False
    more: bool = False
    error: str = ""


@dataclass
class Cart:
    """Pet → quantity, and the purchase under way: its key and what it was for, until its outcome is known."""

    lines: dict[int, int] = field(default_factory=dict)
    key: str = ""
    asked: dict[int, int] = field(default_factory=dict)

    def text(self) -> str:
        return json.dumps([list(self.lines.items()), self.key, list(self.asked.items())])

    @staticmethod
    def from_text(text: str | None) -> Cart:
        try:
            lines, key, asked = json.loads(text or "")
            return Cart(dict(lines), key, dict(asked))
        except (ValueError, TypeError):
            return Cart()


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
        self.client, self._shelf, self._show = client, shelf, show
        self._pause, self._new_key = pause, new_key
        self.filters, self.catalogue, self.mine = Filters(), Listing(loading=True), Listing()
        self.pets: dict[int, Row] = {}
        self.cart = Cart()
        self.orders: list[Row] | None = None  # None: not read yet
        self.shop_names: dict[str, str] = {}  # by seller; "" when there is none
        self.route, self.moves = "#/", 0
        self.dialog: Row | None = None  # the one open dialog: {"kind": "cart" | "account" | "sell" | "thanks", …}
        self.toasts: list[Row] = []
        self.after_sign_in = ""  # the dialog or route that was wanted when the visitor had to sign in
        self._browser_online, self._connected = True, True
        self._watched: frozenset[int] = frozenset()
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._drawn = True
        client.auth.on_change(self._caller_changed)
        client.realtime.on_state(self._connection_changed)

    # The visitor's actions

    def act(self, name: str, arguments: list[Any]) -> None:
        """Carry out one of ACTIONS; a fault of it becomes a message, never an exception."""
        if name not in ACTIONS:
            raise ValueError(f"{name!r} is not an action of the shop")
        try:
            result = getattr(self, name)(*arguments)
        except Exception as exc:
            log.exception("The action %r failed", name)
            self.toast(words(exc), "error")
            return
        if asyncio.iscoroutine(result):
            # One at a time of each kind, so that a second click cannot buy or sell twice.
            if name in self._tasks and not self._tasks[name].done():
                result.close()
                return
            self._start(name, result)
        self.changed()

    def go(self, route: str) -> None:
        """Follow a link: `#/`, `#/pet/7`, `#/orders`, `#/my-pets`."""
        self.route = route or "#/"
        if self.route in ("#/orders", "#/my-pets") and not self.uid:
            self._need_account(self.route)
        elif self.route == "#/my-pets":
            self._start("mine", self._read_mine())
        elif self.route.startswith("#/pet/"):
            self._start("pet", self._read_pet())
        self._watch()

    def search(self, text: str) -> None:
        self.filters.q = text[:100]
        self._read_catalogue_anew(self._pause)

    def set_filter(self, values: Row) -> None:
        """Change any of species, least, most and sort."""
        species, sort = values.get("species", self.filters.species), values.get("sort", self.filters.sort)
        self.filters.species = species if species in SPECIES else ""
        self.filters.sort = sort if sort in SORTS else "new"
        for bound in ("least", "most"):
            if bound in values:
                setattr(self.filters, bound, _number(values[bound]))
        self._read_catalogue_anew()

    def reset(self) -> None:
        """Everything again, as a first visitor sees it."""
        self.filters = Filters()
        self._read_catalogue_anew()

    def more(self) -> None:
        listing, read = (self.mine, self._read_mine) if self.route == "#/my-pets" else (self.catalogue, self._read_catalogue)
        if listing.more and not listing.loading:
            self._start("mine" if listing is self.mine else "catalogue", read(further=True))

    def retry(self) -> None:
        """Read again what could not be read, without waiting for the next attempt to connect."""
        self.client.realtime.reconnect_now()
        if self.catalogue.error or not self.catalogue.ids:
            self._read_catalogue_anew()
        if self.route != "#/":
            self.go(self.route)

    def add(self, pet_id: int, quantity: int = 1) -> None:
        pet = self.pets[pet_id]
        wanted = self.cart.lines.get(pet_id, 0) + quantity
        if wanted > pet["stock"]:
            self.toast(f"There is only {pet['stock']} of {pet['name']}." if pet["stock"] else f"{pet['name']} is sold out.", "error")
            return
        self.set_quantity(pet_id, wanted)
        self.toast(f"{pet['name']} is in your cart.")

    def set_quantity(self, pet_id: int, quantity: int) -> None:
        """0 takes the pet out of the cart."""
        self.cart.lines[pet_id] = max(0, min(int(quantity), MOST_EACH))
        if not self.cart.lines[pet_id]:
            del self.cart.lines[pet_id]
        if self.dialog and self.dialog["kind"] == "cart":
            self.dialog["error"] = ""
        self._keep_cart()

    def open_cart(self) -> None:
        self.dialog = {"kind": "cart", "busy": False, "error": ""}
        if self.cart.lines:
            self._start("cart", self._read_cart())

    def close(self) -> None:
        """Close the open dialog."""
        if self.dialog and self.dialog["kind"] == "account":
            self.after_sign_in = ""
            if self.route in ("#/orders", "#/my-pets") and not self.uid:
                self._move("#/")
        self.dialog = None

    async def checkout(self) -> None:
        """Buy what is in the cart: once, however often this is called and whatever the network does."""
        if not self.uid:
            self._need_account("cart")
            return
        cart = self.cart
        self.dialog = {"kind": "cart", "busy": True, "error": ""}
        self.changed()
        try:
            if cart.key and cart.asked != cart.lines and await self._settled_before():
                return
            if not cart.key or cart.asked != cart.lines:
                cart.key, cart.asked = self._new_key(), dict(cart.lines)
                await self._save_cart()
            lines = [{"pet_id": pet_id, "quantity": quantity} for pet_id, quantity in cart.asked.items()]
            order = await self.client.run(function("purchase", lines=lines, key=cart.key).once(cart.key))
        except ConnectionFailed:
            # It may have been carried out: the key stays, so that trying again cannot buy twice.
            self.dialog = {"kind": "cart", "busy": False, "error": "We could not reach the shop. Try again: you will not be charged twice."}
            return
        except BaasError as exc:
            if not isinstance(exc, Refused) or exc.status < 500:
                cart.key = ""
            self._keep_cart()
            await self._read_cart()
            self.dialog = {"kind": "cart", "busy": False, "error": words(exc)}
            return
        self.cart = Cart()
        await self._save_cart()
        self.dialog = {"kind": "thanks", "order": order}
        self._follow_orders()

    async def _settled_before(self) -> bool:
        """After a purchase of unknown outcome the cart was changed: if it did go through, say so instead of buying both."""
        found = await self.client.run(table("orders").where(eq("idempotency_key", self.cart.key)).select("id").maybe_single())
        if found is None:
            self.cart.key = ""
            return False
        left = {pet: n - self.cart.asked.get(pet, 0) for pet, n in self.cart.lines.items()}
        self.cart = Cart({pet: n for pet, n in left.items() if n > 0})
        await self._save_cart()
        self.dialog = {"kind": "cart", "busy": False, "error": "Your earlier order did go through: it is in My orders. This is what is left."}
        self._follow_orders()
        return True

    # Accounts

    @property
    def uid(self) -> str:
        return str((self.client.auth.user or {}).get("id", ""))

    def ask_account(self, mode: str = "in") -> None:
        reason = (self.dialog or {}).get("reason", "")
        self.dialog = {"kind": "account", "mode": "up" if mode == "up" else "in", "busy": False, "error": "", "reason": reason}

    async def sign_in(self, email: str, password: str) -> None:
        await self._enter("in", email, password)

    async def sign_up(self, email: str, password: str) -> None:
        await self._enter("up", email, password)

    async def sign_out(self) -> None:
        await self.client.auth.sign_out()
        self.dialog = None
        self._move("#/")
        self.toast("You are signed out. Your cart stays here.")

    async def _enter(self, mode: str, email: str, password: str) -> None:
        reason = (self.dialog or {}).get("reason", "")
        self.dialog = dialog = {"kind": "account", "mode": mode, "busy": True, "error": "", "reason": reason}
        self.changed()
        auth = self.client.auth
        try:
            if not email.strip() or not password:
                dialog["error"] = "Please fill in your email and a password."
            elif mode == "in":
                await auth.sign_in(email.strip(), password)
            elif await auth.sign_up(email.strip(), password) is None:
                dialog["error"] = "Almost there: please follow the link that we sent you, then sign in."
        except BaasError as exc:
            dialog["error"] = words(exc)
        dialog["busy"] = False
        if not dialog["error"] and self.dialog is dialog:
            self.toast(f"Welcome{' back' if mode == 'in' else ''}!")
            wanted, self.after_sign_in, self.dialog = self.after_sign_in, "", None
            if wanted == "cart":
                self.open_cart()
            elif wanted == "sell":
                self.ask_sell()
            elif wanted:
                self.go(wanted)

    def _need_account(self, wanted: str) -> None:
        reasons = {"cart": "Sign in to buy. Your cart stays as it is.", "sell": "Sign in to sell a pet.", "#/my-pets": "Sign in to see your pets."}
        self.after_sign_in = wanted
        reason = reasons.get(wanted, "Sign in to see your orders.")
        self.dialog = {"kind": "account", "mode": "in", "busy": False, "error": "", "reason": reason}

    def _caller_changed(self, event: str, session: Any) -> None:
        if event in ("signed_in", "restored") and session is not None:
            self._follow_orders()
            self._start("profile", self._read_shop_name(self.uid))
        elif event == "signed_out":
            self._stop("orders")
            self.orders, self.mine = None, Listing()
        self.changed()

    # Selling

    def ask_sell(self, pet_id: int | None = None) -> None:
        """Open the form for a new pet, or for a pet of one's own."""
        if not self.uid:
            self._need_account("sell")
            return
        self.dialog = {"kind": "sell", "pet": pet_id, "busy": False, "progress": None, "errors": {}, "error": ""}

    async def sell(self, values: Row, photo: Any = None) -> None:
        """Offer a pet: photo first, then the row, so that no one ever sees a pet with a missing photo. `photo`: a File or None."""
        needs_name = not self.shop_names.get(self.uid)
        row, errors = read_form(values, photo)
        shop = str(values.get("shop_name", "")).strip()
        if needs_name and not 1 <= len(shop) <= 60:
            errors["shop_name"] = "Give your shop a name of 1 to 60 letters."
        form = self.dialog = {"kind": "sell", "pet": None, "busy": not errors, "progress": None, "errors": errors, "error": ""}
        self.changed()
        if errors:
            return
        photos, path = self.client.storage("photos"), ""
        try:
            if needs_name:
                await self.client.run(table("profiles").upsert({"id": self.uid, "shop_name": shop}))
                self.shop_names[self.uid] = shop
            if photo is not None:
                path = f"{self.uid}/{uuid4().hex}.{PHOTO_KINDS[photo.type]}"
                form["progress"] = 0.0
                await photos.upload(path, photo, content_type=photo.type, on_progress=lambda sent, total: self._uploaded(form, sent, total))
            pet = await self.client.run(table("pets").insert({**row, "photo": path or None}).select(COLUMNS))
        except BaasError as exc:
            form.update(busy=False, progress=None, error=words(exc))
            if path:
                self._start(f"remove {path}", self._remove(path))
            return
        self._learn([pet])
        if path:
            self.pets[pet["id"]]["fresh"] = True  # its thumbnail is still being made
            self._start(f"twin {path}", self._await_twin(pet["id"], path))
        if self.dialog is form:
            self.dialog = None
        self.toast(f"{pet['name']} is in the shop.")
        self._move("#/my-pets")
        self.go(self.route)

    def _uploaded(self, form: Row, sent: int, total: int) -> None:
        form["progress"] = sent / total if total else 1.0
        self.changed()

    async def _remove(self, path: str) -> None:
        try:
            await self.client.storage("photos").remove([path, f"{path}.thumb.webp"])
        except BaasError as exc:
            log.info("A photo without a pet stays behind: %s", exc)

    async def _await_twin(self, pet_id: int, path: str) -> None:
        """Until the function `make_thumbnail` has made the small photo, show the original."""
        folder, _, name = path.partition("/")
        for wait in (0.2, 0.4, 0.8, 1.5, 3, 6, 12, 20):
            await asyncio.sleep(wait)
            try:
                files = await self.client.storage("photos").list(folder, search=name)
            except BaasError:
                continue
            if any(file.name == f"{name}.thumb.webp" for file in files):
                self.pets[pet_id].pop("fresh", None)
                return

    async def change_pet(self, pet_id: int, values: Row) -> None:
        """Change price and stock of a pet of one's own."""
        row, errors = read_form({**self.pets[pet_id], **values}, None)
        form = self.dialog = {"kind": "sell", "pet": pet_id, "busy": not errors, "progress": None, "errors": errors, "error": ""}
        self.changed()
        if errors:
            return
        try:
            changed = await self.client.run(table("pets").where(eq("id", pet_id)).update(row).select(COLUMNS).single())
        except BaasError as exc:
            form.update(busy=False, error=words(exc))
            return
        self._learn([changed])
        if self.dialog is form:
            self.dialog = None
        self.toast(f"{changed['name']} is up to date.")

    async def hide(self, pet_id: int, hidden: bool) -> None:
        """Take a pet out of the shop for a while, or put it back."""
        write = table("pets").where(eq("id", pet_id)).update({"status": "hidden" if hidden else "available"})
        self._learn([await self.client.run(write.select(COLUMNS).single())])
        self.toast(f"{self.pets[pet_id]['name']} is {'hidden' if hidden else 'in the shop again'}.")

    async def withdraw(self, pet_id: int) -> None:
        """Take a pet out of the shop for good; one that was sold before is hidden instead, for its orders name it."""
        pet = self.pets[pet_id]
        try:
            await self.client.run(table("pets").where(eq("id", pet_id)).delete().minimal())
        except Conflict:
            await self.hide(pet_id, True)
            self.toast(f"{pet['name']} has been sold before, so it is hidden instead.")
            return
        self.mine.ids = [each for each in self.mine.ids if each != pet_id]
        self.mine.total = max((self.mine.total or 1) - 1, 0)
        self.toast(f"{pet['name']} is no longer for sale.")
        if pet["photo"] and not pet["photo"].startswith("art/"):
            await self._remove(pet["photo"])

    # Reading

    async def start(self) -> None:
        """Read what the visitor sees first, then what they may want next."""
        self.changed()
        self.cart = Cart.from_text(await _maybe(self._shelf.load()))
        self._read_catalogue_anew()
        await self._tasks["catalogue"]
        await self.client.auth.restore()
        if self.cart.lines:
            await self._read_cart()

    def _read_catalogue_anew(self, pause: float = 0) -> None:
        self.catalogue = replace(self.catalogue, loading=True, error="")
        self._start("catalogue", self._read_catalogue(pause=pause))

    async def _read_catalogue(self, *, further: bool = False, pause: float = 0) -> None:
        await asyncio.sleep(pause)
        asked = self.filters
        if asked.q.strip():
            bounds = {name: value for name, value in asdict(asked).items() if name in ("species", "least", "most") and value}

            async def found() -> tuple[list[Row], int | None]:
                rows = await self.client.call("search", q=asked.q, limit=100, **bounds)
                return rows, len(rows)

            await self._read_into(self.catalogue, found, further=False)
            return
        query = table("pets").where(eq("status", "available"))
        if asked.species:
            query = query.where(eq("species", asked.species))
        if asked.least is not None:
            query = query.where(gte("price", asked.least))
        if asked.most is not None:
            query = query.where(lte("price", asked.most))
        await self._read_page(self.catalogue, query, asked.sort, further)

    async def _read_mine(self, *, further: bool = False) -> None:
        await self._read_page(self.mine, table("pets").where(eq("seller_id", self.uid)), "new", further)

    async def _read_page(self, listing: Listing, query: Any, sort: str, further: bool) -> None:
        terms = SORTS[sort]
        for column, desc in terms:
            query = query.order(column, desc=desc)
        if further:
            query = query.where(beyond(self.pets[listing.ids[-1]], terms))

        async def found() -> tuple[list[Row], int | None]:
            rows = query.select(COLUMNS).limit(PAGE)
            if further:
                return await self.client.run(rows), listing.total
            page = await self.client.run(rows.count())
            return page.rows, page.total

        await self._read_into(listing, found, further)

    async def _read_into(self, listing: Listing, found: Callable[[], Awaitable[tuple[list[Row], int | None]]], further: bool) -> None:
        listing.loading, listing.error = True, ""
        self.changed()
        try:
            rows, total = await found()
        except BaasError as exc:
            listing.error = words(exc)
            return
        finally:
            listing.loading = False
        self._learn(rows)
        ids = [row["id"] for row in rows]
        listing.ids, listing.total, listing.more = (listing.ids + ids if further else ids), total, len(ids) == PAGE
        self._watch()

    async def _read_pet(self) -> None:
        try:
            pet_id = int(self.route.removeprefix("#/pet/"))
            if pet_id not in self.pets:
                self._learn([await self.client.run(table("pets").where(eq("id", pet_id)).select(COLUMNS).single())])
        except (ValueError, NotFound):
            self.toast("This pet is no longer for sale.", "error")
            self._move("#/")
            return
        self._watch()
        await self._read_shop_name(self.pets[pet_id]["seller_id"])

    async def _read_shop_name(self, seller: str) -> None:
        if seller not in self.shop_names:
            found = await self.client.run(table("profiles").where(eq("id", seller)).select("shop_name").maybe_single())
            self.shop_names[seller] = found["shop_name"] if found else ""

    async def _read_cart(self) -> None:
        """The pets of the cart as they are now; what has left the shop stays in the cart, marked."""
        ids = list(self.cart.lines)
        rows = await self.client.run(table("pets").where(in_("id", ids)).select(COLUMNS))
        self._learn(rows)
        for pet_id in {*ids} - {row["id"] for row in rows}:
            self._gone(pet_id)
        self._watch()

    def _follow_orders(self) -> None:
        self._start("orders", self._live_orders())

    async def _live_orders(self) -> None:
        """The visitor's orders, newest first, for as long as they are signed in; their status moves as it is changed."""
        query = table("orders").where(eq("buyer_id", self.uid))
        full = query.select(f"{ORDER},items:order_items(pet_id,name,price,quantity)").order("created_at", desc=True).limit(100)
        async with self.client.live(query.select(ORDER)) as live:
            self.orders = await self.client.run(full)
            self.changed()
            async for change in live.changes():
                known = {order["id"]: order for order in self.orders}
                if change.kind == "change" and change.row is not None and change.key["id"] in known:
                    if change.row["status"] != known[change.key["id"]]["status"]:
                        self.toast(f"Your order is {change.row['status']}.")
                    known[change.key["id"]].update(change.row)
                elif {*known} != {row["id"] for row in live.rows}:
                    self.orders = await self.client.run(full)
                self.changed()

    # Keeping the screen current

    def _watch(self) -> None:
        """Follow the pets that are on screen, in one live query over their ids."""
        shown = [*self.cart.lines, *self.mine.ids, *self.catalogue.ids]
        if self.route.startswith("#/pet/") and self.route[6:].isdigit():
            shown.append(int(self.route[6:]))
        ids = frozenset(list(dict.fromkeys(reversed(shown)))[:WATCHED])
        if ids and ids != self._watched:
            self._watched = ids
            self._start("watch", self._live_pets(ids))

    async def _live_pets(self, ids: frozenset[int]) -> None:
        async with self.client.live(table("pets").where(in_("id", sorted(ids))).select(COLUMNS)) as live:
            self._learn(live.rows, live=True)
            for pet_id in ids - {row["id"] for row in live.rows}:
                self._gone(pet_id)
            self.changed()
            async for change in live.changes():
                if change.row is not None:
                    self._learn([change.row], live=True)
                else:
                    self._gone(change.key["id"])
                self.changed()

    def _learn(self, rows: Iterable[Row], *, live: bool = False) -> None:
        """Newer values of pets. `pulse` counts the changes of stock and price that others made, for the view to point at."""
        for row in rows:
            old = self.pets.get(row["id"], {})
            moved = live and any(name in old and old[name] != row.get(name) for name in ("stock", "price"))
            self.pets[row["id"]] = {"pulse": 0, **old, **row, "gone": False}
            self.pets[row["id"]]["pulse"] += moved

    def _gone(self, pet_id: int) -> None:
        if pet_id in self.pets:
            self.pets[pet_id].update(gone=True, stock=0)

    def network(self, online: bool) -> None:
        """The browser says that it has, or has no, network."""
        came_back = online and not self._browser_online
        self._browser_online = online
        if came_back:
            self.retry()

    async def wake(self) -> None:
        """The page is looked at again: another window of this browser may have changed the cart."""
        if not self.cart.key:
            self.cart = Cart.from_text(await _maybe(self._shelf.load()))
            if {*self.cart.lines} - {*self.pets}:
                await self._read_cart()

    def _connection_changed(self, state: str) -> None:
        if state == "waiting":
            self._connected = False
        elif state in ("open", "idle"):
            came_back, self._connected = not self._connected, True
            if came_back and (self.catalogue.error or self.mine.error):
                self.retry()
        self.changed()

    # Cart, messages, tasks

    def _keep_cart(self) -> None:
        self._start("keep", self._save_cart())
        self._watch()

    async def _save_cart(self) -> None:
        await _maybe(self._shelf.save(self.cart.text()))

    def toast(self, text: str, kind: str = "info") -> None:
        """A message that goes by itself; the view calls `forget` after some seconds."""
        number = 1 + max((toast["id"] for toast in self.toasts), default=0)
        self.toasts = [*self.toasts[-2:], {"id": number, "text": text, "kind": kind}]
        self.changed()

    def forget(self, toast_id: int) -> None:
        self.toasts = [toast for toast in self.toasts if toast["id"] != toast_id]

    def _move(self, route: str) -> None:
        """Send the page to a route; the count tells it that this is a new wish."""
        self.route, self.moves = route, self.moves + 1

    def _start(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        """Run a task; the former one of this name ends."""
        self._stop(name)
        self._tasks[name] = asyncio.get_running_loop().create_task(self._guarded(work))

    def _stop(self, name: str) -> None:
        task = self._tasks.pop(name, None)
        if task and task is not asyncio.current_task():
            task.cancel()

    async def _guarded(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Exception as exc:
            log.exception("A task of the shop failed")
            self.toast(words(exc), "error")
        finally:
            self.changed()

    async def stop(self) -> None:
        """End all tasks."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # What is drawn

    def changed(self) -> None:
        """Draw soon; changes of one moment are drawn once."""
        if self._drawn:
            self._drawn = False
            asyncio.get_running_loop().call_soon(self._draw)

    def _draw(self) -> None:
        self._drawn = True
        self._show(self.state())

    def state(self) -> Row:
        """Everything that is drawn, as plain JSON values."""
        lines = [self._line(pet_id, quantity) for pet_id, quantity in self.cart.lines.items()]
        cents = sum(round(line["pet"]["price"] * 100) * line["quantity"] for line in lines if line["pet"] and not line["problem"])
        user = self.client.auth.user
        return {
            "route": self.route,
            "moves": self.moves,
            "online": self._browser_online and self._connected,
            "user": user and {"email": user.get("email"), "shop": self.shop_names.get(self.uid, "")},
            "filters": asdict(self.filters),
            "catalogue": self._listed(self.catalogue),
            "mine": self._listed(self.mine),
            "pet": self._pet(int(self.route[6:])) if self.route.startswith("#/pet/") and self.route[6:].isdigit() else None,
            "cart": {"lines": lines, "count": sum(self.cart.lines.values()), "total": cents / 100},
            "orders": self.orders,
            "dialog": self.dialog and {**self.dialog, **({"pet": self._pet(self.dialog["pet"])} if self.dialog.get("pet") else {})},
            "toasts": self.toasts,
        }

    def _listed(self, listing: Listing) -> Row:
        return {**asdict(listing), "pets": [self._pet(pet_id) for pet_id in listing.ids]}

    def _line(self, pet_id: int, quantity: int) -> Row:
        pet = self._pet(pet_id)
        problem = ""
        if pet and pet["gone"]:
            problem = "No longer for sale"
        elif pet and pet["stock"] < quantity:
            problem = f"Only {pet['stock']} left" if pet["stock"] else "Sold out"
        return {"id": pet_id, "pet": pet, "quantity": quantity, "problem": problem}

    def _pet(self, pet_id: int) -> Row | None:
        pet = self.pets.get(pet_id)
        if pet is None:
            return None
        shop = self.shop_names.get(pet.get("seller_id", ""), "")
        return {**pet, "images": self._images(pet), "in_cart": self.cart.lines.get(pet_id, 0), "shop": shop, "own": pet.get("seller_id") == self.uid}

    def _images(self, pet: Row) -> list[str]:
        """Addresses of the pet's picture, best first; the view takes the next one when one cannot be loaded."""
        photo = pet.get("photo")
        fallback = f"/art/{pet['species']}-{pet['id'] % 6 + 1}.svg"
        if not photo or photo.startswith("art/"):
            return [f"/{photo}" if photo else fallback]
        url = self.client.storage("photos").public_url
        return [*([] if pet.get("fresh") else [url(f"{photo}.thumb.webp")]), url(photo), fallback]


def beyond(row: Row, terms: tuple[tuple[str, bool], ...]) -> Condition:
    """The rows that come after `row` in this order: what the next page starts with, however many rows came or went meanwhile."""
    (first, desc), (last, last_desc) = terms
    after, after_last = (lt if desc else gt), (lt if last_desc else gt)
    return or_(after(first, row[first]), and_(eq(first, row[first]), after_last(last, row[last])))


def read_form(values: Row, photo: Any) -> tuple[Row, dict[str, str]]:
    """The form of a pet as a row, and what is wrong with it: field → sentence."""
    errors: dict[str, str] = {}
    name, price, stock, age = (str(values.get(field, "")).strip() for field in ("name", "price", "stock", "age_months"))
    if not 1 <= len(name) <= 60:
        errors["name"] = "A name of 1 to 60 letters, please."
    if values.get("species") not in SPECIES:
        errors["species"] = "Please choose what kind of pet it is."
    cents = _number(price)
    if cents is None or not 0 < cents < 10**8 or round(cents, 2) != cents:
        errors["price"] = "A price above 0, with at most two decimals."
    if not stock.isdigit() or int(stock) > 100_000:
        errors["stock"] = "How many there are: a whole number from 0."
    if not age.isdigit() or int(age) > 1200:
        errors["age_months"] = "The age in months, from 0 to 1200."
    if photo is not None and photo.type not in PHOTO_KINDS:
        errors["photo"] = "A JPEG, PNG or WebP picture, please."
    elif photo is not None and photo.size > PHOTO_BYTES:
        errors["photo"] = "The picture may have up to 5 MB."
    row = {"name": name, "species": values.get("species"), "breed": str(values.get("breed", "")).strip()[:60]}
    row["description"] = str(values.get("description", "")).strip()[:2000]
    if not errors:
        row |= {"price": cents, "stock": int(stock), "age_months": int(age)}
    return row, errors


_WORDS = {
    "invalid_credentials": "This email and password do not belong together.",
    "user_already_exists": "There is an account with this email already. Sign in instead?",
    "email_exists": "There is an account with this email already. Sign in instead?",
    "email_address_invalid": "This does not look like an email address.",
    "weak_password": "Please choose a longer password.",
    "OUT_OF_STOCK": "Somebody was faster: {message} We have updated your cart.",
    "NO_SUCH_PET": "One of these pets is no longer for sale. We have updated your cart.",
}


def words(problem: Exception) -> str:
    """An error as a visitor may read it."""
    if isinstance(problem, ConnectionFailed):
        return "We cannot reach the shop right now."
    if isinstance(problem, TooManyRequests):
        return "That was a lot at once. Please wait a moment and try again."
    if isinstance(problem, Refused) and problem.status < 500:
        text = _WORDS.get(problem.code, "{message}").replace("{message}", problem.message)
        return f"{text} {problem.hint}" if problem.code == "weak_password" and problem.hint else text
    return "Something went wrong on our side. Please try again."


def _number(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if 0 <= number < 10**12 else None


async def _maybe(result: Any) -> Any:
    """A session store may answer at once or later."""
    return await result if hasattr(result, "__await__") else result


def open_in_browser(url: str, key: str) -> PetStore:
    """The shop in a Web Worker: each state is posted to the page as JSON text."""
    import js
    from baaskit_client._browser import IndexedDBStore

    store = PetStore(AsyncClient(url, key), IndexedDBStore("petstore-cart"), lambda state: js.postMessage(json.dumps(state)))
    store._start("start", store.start())
    return store
