"""A seller's own pets: offer one with a photo, change, hide and withdraw it."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

from baaskit_client import BaasError, Bucket, Conflict, eq, table

from .catalogue import SPECIES, number
from .desk import Desk, Row, log
from .listing import NEWEST, Listing
from .pets import COLUMNS, Pets
from .words import words

PHOTO_KINDS = {"image/jpeg": "jpg", "image/png": "png", "image/webp": "webp"}
PHOTO_BYTES = 5 * 2**20
TWIN_LOOKS = (0.2, 0.4, 0.8, 1.5, 3.0, 6.0, 12.0, 24.0)  # seconds between looks for the thumbnail


class Selling:
    def __init__(self, desk: Desk, pets: Pets) -> None:
        self._desk, self._pets = desk, pets
        self.listing = Listing(loading=True)
        pets.on_screen.append(lambda: self.listing.ids)

    @property
    def _photos(self) -> Bucket[Any]:
        return self._desk.client.storage("photos")

    def read(self) -> None:
        self._desk.start("mine", self._read())

    def more(self) -> None:
        if self.listing.more and not self.listing.loading:
            self._desk.start("mine", self._read(further=True))

    def forget(self) -> None:
        self._desk.stop("mine")
        self.listing = Listing(loading=True)

    async def _read(self, *, further: bool = False) -> None:
        mine = table("pets").where(eq("seller_id", self._desk.uid))
        await self.listing.read_page(self._desk, self._pets, mine, NEWEST, further=further)

    def open(self, pet_id: int | None = None, errors: dict[str, str] | None = None) -> Row:
        """The form for a new pet, or for one of the seller's."""
        form = {"kind": "sell", "pet": pet_id, "busy": False, "progress": None, "errors": errors or {}, "error": ""}
        self._desk.dialog = form
        self._desk.changed()
        return form

    async def sell(self, values: Row, photo: Any = None) -> None:
        """Offer a pet. `photo`: a File or None; it is stored first, so that nobody ever sees a pet whose photo is missing."""
        uid = self._desk.uid
        row, errors = read_form(values, photo)
        shop = "" if self._pets.shop_names.get(uid) else str(values.get("shop_name", "")).strip()
        if not self._pets.shop_names.get(uid) and not 1 <= len(shop) <= 60:
            errors["shop_name"] = "Give your shop a name of 1 to 60 letters."
        form = self.open(errors=errors)
        if errors:
            return
        form["busy"], path = True, ""
        try:
            if shop:
                await self._desk.client.run(table("profiles").upsert({"id": uid, "shop_name": shop}))
                self._pets.shop_names[uid] = shop
            if photo is not None:
                path = await self._upload(form, photo)
            pet = await self._desk.client.run(table("pets").insert({**row, "photo": path or None}).select(COLUMNS))
        except BaasError as exc:
            form.update(busy=False, progress=None, error=words(exc))
            if path:
                self._desk.start(f"remove {path}", self._remove(path))
            return
        self._offered(form, pet)

    async def _upload(self, form: Row, photo: Any) -> str:
        """Store the photo in the seller's folder, which is where the policies allow it."""

        def moved(sent: int, total: int) -> None:
            form["progress"] = sent / total if total else 1.0
            self._desk.changed()

        moved(0, photo.size)
        path = f"{self._desk.uid}/{uuid4().hex}.{PHOTO_KINDS[photo.type]}"
        await self._photos.upload(path, photo, content_type=photo.type, on_progress=moved)
        return path

    def _offered(self, form: Row, pet: Row) -> None:
        self._pets.learn([pet])
        if pet["photo"]:
            self._pets.rows[pet["id"]]["fresh"] = True
            self._desk.start(f"twin {pet['id']}", self._await_twin(pet["id"], pet["photo"]))
        if self._desk.dialog is form:
            self._desk.dialog = None
        self._desk.toast(f"{pet['name']} is in the shop.")
        self._desk.move("#/my-pets")
        self.read()

    async def _await_twin(self, pet_id: int, path: str) -> None:
        """Show the original until the function `make_thumbnail` has made the small photo."""
        folder, _, name = path.partition("/")
        for pause in TWIN_LOOKS:
            await asyncio.sleep(pause)
            try:
                files = await self._photos.list(folder, search=name)
            except BaasError as exc:
                log.info("Could not look for a thumbnail: %s", exc)
                continue
            if any(file.name == f"{name}.thumb.webp" for file in files):
                self._pets.rows[pet_id].pop("fresh", None)
                return

    async def _remove(self, path: str) -> None:
        try:
            await self._photos.remove([path, f"{path}.thumb.webp"])
        except BaasError as exc:
            log.warning("The photo %s stays behind without a pet: %s", path, exc)

    async def change(self, pet_id: int, values: Row) -> None:
        """Change what the form shows of a pet of one's own."""
        row, errors = read_form(values, None)
        form = self.open(pet_id, errors)
        if errors:
            return
        form["busy"] = True
        try:
            await self._update(pet_id, row)
        except BaasError as exc:
            form.update(busy=False, error=words(exc))
            return
        if self._desk.dialog is form:
            self._desk.dialog = None
        self._desk.toast(f"{row['name']} is up to date.")

    async def hide(self, pet_id: int, hidden: bool) -> None:
        """Take a pet out of the shop for a while, or put it back."""
        await self._update(pet_id, {"status": "hidden" if hidden else "available"})
        self._desk.toast(f"{self._pets.rows[pet_id]['name']} is {'hidden' if hidden else 'in the shop again'}.")

    async def _update(self, pet_id: int, row: Row) -> None:
        write = table("pets").where(eq("id", pet_id)).update(row).select(COLUMNS).single()
        self._pets.learn([await self._desk.client.run(write)])

    async def withdraw(self, pet_id: int) -> None:
        """Take a pet out of the shop for good; one that was sold before is hidden instead, for its orders name it."""
        pet = self._pets.rows[pet_id]
        try:
            await self._desk.client.run(table("pets").where(eq("id", pet_id)).delete().select("id").single())
        except Conflict:
            await self._update(pet_id, {"status": "hidden"})
            self._desk.toast(f"{pet['name']} has been sold before and stays in those orders. It is hidden now.")
            return
        self.listing.ids = [each for each in self.listing.ids if each != pet_id]
        self.listing.total = max((self.listing.total or 1) - 1, 0)
        self._desk.toast(f"{pet['name']} is no longer for sale.")
        if pet["photo"] and not pet["photo"].startswith("art/"):
            await self._remove(pet["photo"])


def read_form(values: Row, photo: Any) -> tuple[Row, dict[str, str]]:
    """The form as a row, and what is wrong with it: field → sentence."""
    text = {name: str(values.get(name, "")).strip() for name in ("name", "species", "breed", "description", "price", "stock", "age_months")}
    price, errors = number(text["price"]), {}
    if not 1 <= len(text["name"]) <= 60:
        errors["name"] = "A name of 1 to 60 letters, please."
    if text["species"] not in SPECIES:
        errors["species"] = "Please choose what kind of pet it is."
    if price is None or not 0 < price < 10**8 or round(price, 2) != price:
        errors["price"] = "A price above 0, with at most two decimals."
    if not text["stock"].isdecimal() or int(text["stock"]) > 100_000:
        errors["stock"] = "How many there are: a whole number from 0."
    if not text["age_months"].isdecimal() or int(text["age_months"]) > 1200:
        errors["age_months"] = "The age in months, from 0 to 1200."
    if photo is not None and photo.type not in PHOTO_KINDS:
        errors["photo"] = "A JPEG, PNG or WebP picture, please."
    elif photo is not None and photo.size > PHOTO_BYTES:
        errors["photo"] = "The picture may have up to 5 MB."
    if errors:
        return {}, errors
    whole = {"stock": int(text["stock"]), "age_months": int(text["age_months"]), "price": price}
    return {**text, **whole, "breed": text["breed"][:60], "description": text["description"][:2000]}, {}
