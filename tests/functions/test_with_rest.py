"""Functions beside the real data API: their client meets real policies, their hooks real writes."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from baaskit.functions.routes import routes
from baaskit.rest import Rest

pytestmark = pytest.mark.anyio

ANN, BOB = "00000000-0000-0000-0000-00000000000a", "00000000-0000-0000-0000-00000000000b"
POLICIES = """
create policy "owners see their orders" on orders for select to authenticated using (owner = auth.uid()::text);
create policy "owners place orders" on orders for insert to authenticated with check (owner = auth.uid()::text and price > 0);
"""
SHOP = """
    from baaskit.functions import http, before, after, Refused
    from baaskit_client import table

    PRICES = {"cat": 10, "dog": 20}

    @http("mine", auth="authenticated")
    async def mine(ctx):
        return await ctx.client.run(table("orders").select("item,price").order("item"))

    @http("everything", auth="authenticated", admin=True)
    def everything(ctx):
        return ctx.admin.run(table("orders").select("item").order("item"))

    @before("insert", "orders")
    async def price_it(ctx, row):
        if row["item"] not in PRICES:
            raise Refused(422, "NO_SUCH_PET", f"There is no {row['item']}.")
        row["price"] = PRICES[row["item"]]

    @after("insert", "orders", admin=True)
    async def note(ctx, event):
        await ctx.admin.run(table("heard").insert({"event": event.id, "item": event.new["item"]}))
"""


@dataclass
class Shop:
    rig: Any

    async def ask(self, method: str, path: str, uid: str, **given: Any) -> httpx2.Response:
        headers = {
            "authorization": f"Bearer {self.rig.token(uid)}",
            "apikey": self.rig.kit.keys.anon_key,
            "prefer": "return=representation",
        }
        return await self.rig.http.request(method, path, headers=headers, **given)

    async def rows(self, text: str) -> list[Any]:
        return [tuple(row) for row in await self.rig.kit.database.fetch_raw(text)]


@pytest.fixture
async def shop(make_rig: Any) -> Shop:
    rig = await make_rig(start=False, shop=SHOP)
    data, functions = Rest(rig.kit), FastAPI()
    functions.include_router(routes(rig.kit, rig.service))

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await (data if scope["path"].startswith("/rest/v1") else functions)(scope, receive, send)

    rig.service.asgi_app = app
    await rig.http.aclose()
    rig.http = httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://test", timeout=30)
    await rig.sql("drop table orders")
    await rig.sql("create table orders (id integer primary key, owner text, item text, price int)")
    await rig.sql("create table heard (event text primary key, item text)")
    await rig.kit.database.reload()
    await rig.kit.database.save_policies(POLICIES, author="test")
    await rig.service.start()
    return Shop(rig)


async def test_a_before_function_prices_an_order_and_policies_judge_the_result(shop: Shop) -> None:
    placed = await shop.ask("POST", "/rest/v1/orders", ANN, json={"owner": ANN, "item": "cat", "price": 1})
    refused = await shop.ask("POST", "/rest/v1/orders", ANN, json={"owner": ANN, "item": "gun", "price": 1})
    foreign = await shop.ask("POST", "/rest/v1/orders", ANN, json={"owner": BOB, "item": "cat", "price": 1})
    assert (placed.status_code, placed.json()[0]["price"]) == (201, 10)
    assert (refused.status_code, refused.json()["code"], refused.json()["message"]) == (422, "NO_SUCH_PET", "There is no gun.")
    assert foreign.status_code == 403
    assert await shop.rows("select owner, item, price from orders") == [(ANN, "cat", 10)]


async def test_a_functions_client_sees_what_its_caller_may_see(shop: Shop) -> None:
    for uid, item in ((ANN, "cat"), (BOB, "dog")):
        await shop.ask("POST", "/rest/v1/orders", uid, json={"owner": uid, "item": item, "price": 1})
    mine = [(await shop.ask("POST", "/functions/v1/mine", uid)).json() for uid in (ANN, BOB)]
    assert mine == [[{"item": "cat", "price": 10}], [{"item": "dog", "price": 20}]]
    assert (await shop.ask("POST", "/functions/v1/everything", ANN)).json() == [{"item": "cat"}, {"item": "dog"}]


async def test_an_after_function_hears_of_what_was_stored_and_of_nothing_else(shop: Shop) -> None:
    await shop.ask("POST", "/rest/v1/orders", ANN, json={"owner": BOB, "item": "dog", "price": 1})
    await shop.ask("POST", "/rest/v1/orders", ANN, json={"owner": ANN, "item": "cat", "price": 1})
    async with asyncio.timeout(10):
        while not await shop.rows("select 1 from heard"):
            await asyncio.sleep(0.02)
    await shop.rig.kit.changes.settle()
    assert await shop.rows("select item from heard") == [("cat",)]
