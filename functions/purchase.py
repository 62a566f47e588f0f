"""Buying pets: stock falls atomically and never below zero; the same key never buys twice."""

import uuid
from dataclasses import dataclass

from baaskit_client import Conflict, eq, in_, table

from baaskit.functions import Context, Refused, http

TRIES = 8  # how often to read again when somebody else bought at the same moment
MOST_LINES, MOST_EACH = 50, 99


@dataclass
class Line:
    pet_id: int
    quantity: int = 1


@http("purchase", auth="authenticated", admin=True, timeout=10)
async def purchase(ctx: Context, lines: list[Line], key: str) -> dict:
    """Buy `lines` for the caller. `key`: any text of 8 to 100 characters that is new for each purchase; a repeated call
    with the same key answers with the first one's order. Answers the order with its lines."""
    wanted = _wanted(lines, key)
    for _ in range(TRIES):
        if order := await _order(ctx, key):
            return order
        pets = await _for_sale(ctx, wanted)
        try:
            await _buy(ctx, wanted, pets, key)
        except Conflict as problem:
            # BK409: a pet's stock was not what we had read. 23505: our own twin was faster with the same key.
            if problem.code not in ("BK409", "23505"):
                raise
    if order := await _order(ctx, key):
        return order
    raise Refused(503, "BUSY", "Many are buying these pets right now. Please try again.")


def _wanted(lines: list[Line], key: str) -> dict[int, int]:
    """Pet → quantity, equal pets added up."""
    if not 8 <= len(key) <= 100:
        raise Refused(422, "BAD_KEY", "key must have 8 to 100 characters.")
    if not 0 < len(lines) <= MOST_LINES:
        raise Refused(422, "BAD_CART", f"A purchase has 1 to {MOST_LINES} lines.")
    wanted: dict[int, int] = {}
    for line in lines:
        wanted[line.pet_id] = wanted.get(line.pet_id, 0) + line.quantity
    if any(not 1 <= quantity <= MOST_EACH for quantity in wanted.values()):
        raise Refused(422, "BAD_QUANTITY", f"Buy 1 to {MOST_EACH} of each pet.")
    return wanted


async def _order(ctx: Context, key: str) -> dict | None:
    """The caller's order of this key, read as the caller: the policies say that it is theirs."""
    mine = table("orders").select("id,status,total,created_at,items:order_items(pet_id,name,price,quantity)")
    return await ctx.client.run(mine.where(eq("buyer_id", ctx.caller.uid), eq("idempotency_key", key)).maybe_single())


async def _for_sale(ctx: Context, wanted: dict[int, int]) -> dict[int, dict]:
    """The pets as the caller may see them, each with enough in stock."""
    rows = await ctx.client.run(
        table("pets").where(in_("id", list(wanted)), eq("status", "available")).select("id,name,price,stock,seller_id")
    )
    pets = {row["id"]: row for row in rows}
    for pet_id, quantity in wanted.items():
        pet = pets.get(pet_id)
        if pet is None:
            raise Refused(404, "NO_SUCH_PET", f"Pet {pet_id} is not for sale.")
        if pet["stock"] < quantity:
            left = f"only {pet['stock']} left" if pet["stock"] else "sold out"
            raise Refused(409, "OUT_OF_STOCK", f"{pet['name']} is {left}.")
    return pets


async def _buy(ctx: Context, wanted: dict[int, int], pets: dict[int, dict], key: str) -> None:
    """Everything or nothing, in one transaction: each stock falls only if it is still what was read."""
    order_id = str(uuid.uuid4())
    cents = sum(round(pets[pet_id]["price"] * 100) * quantity for pet_id, quantity in wanted.items())
    order = {"id": order_id, "buyer_id": ctx.caller.uid, "idempotency_key": key, "total": cents / 100}
    items = [
        {"order_id": order_id, "pet_id": pet_id, "name": pets[pet_id]["name"], "price": pets[pet_id]["price"], "quantity": quantity}
        for pet_id, quantity in wanted.items()
    ]
    falls = [
        table("pets")
        .where(eq("id", pet_id), eq("stock", pets[pet_id]["stock"]))
        .update({"stock": pets[pet_id]["stock"] - quantity})
        .expect(1)
        for pet_id, quantity in sorted(wanted.items())  # one order for all buyers, so that two carts never wait for each other
    ]
    await ctx.admin.batch([table("orders").insert(order), *falls, table("order_items").insert(items)])
