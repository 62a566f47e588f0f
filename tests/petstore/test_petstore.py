"""What the shop does, without a browser."""

from __future__ import annotations

import asyncio

import pytest
from baaskit_client import ConnectionFailed
from baaskit_client.testing import answer

from .conftest import UID, Backend, pet

pytestmark = pytest.mark.anyio


class Photo(bytes):
    """Bytes that say of themselves what a browser's File says."""

    type = "image/png"

    @property
    def size(self) -> int:
        return len(self)


FORM = {
    "name": "Rex",
    "species": "dog",
    "breed": "Lab",
    "price": "20.50",
    "stock": "2",
    "age_months": "9",
    "shop_name": "Paws",
    "description": "",
}


async def test_the_first_page_is_read_and_the_next_one_starts_after_its_last_pet(make_shop):
    shop = make_shop()
    state = await shop.until(lambda state: state["catalogue"]["pets"])
    assert (24, 30, True) == (len(state["catalogue"]["pets"]), state["catalogue"]["total"], state["catalogue"]["more"])
    shop.act("more")
    shop.act("more")
    await shop.until(lambda state: len(state["catalogue"]["ids"]) == 48)
    further = [asked.path for asked in shop.asked("/rest/v1/pets") if "or=" in asked.path]
    assert len(further) == 1, "a page is asked for once"
    assert "id.lt.24" in further[0] and "offset" not in further[0]


async def test_only_the_shops_actions_can_be_called(make_shop):
    shop = make_shop()
    for name in ("stop", "client", "__init__", "_arrive", "state"):
        with pytest.raises(ValueError, match="not an action"):
            shop.act(name)


async def test_a_fault_of_an_action_is_a_message_and_the_shop_goes_on(make_shop):
    shop = make_shop()
    await shop.until(lambda state: state["catalogue"]["pets"])
    shop.act("add", 999_999)
    await shop.until(lambda state: [toast["kind"] for toast in state["toasts"]] == ["error"])
    shop.act("add", 1)
    await shop.until(lambda state: state["cart"]["count"] == 1)


async def test_filters_are_asked_of_the_server_and_nonsense_is_not(make_shop):
    shop = make_shop()
    shop.act("set_filter", {"species": "cat", "least": "10", "most": "lots", "sort": "cheap"})
    await shop.until(lambda state: state["catalogue"]["pets"])
    path = shop.asked("/rest/v1/pets")[-1].path
    assert "species=eq.cat" in path and "price=gte.10" in path and "lte" not in path and "order=price,id" in path
    shop.act("set_filter", {"species": "dragon"})
    await shop.until(lambda state: state["filters"]["species"] == "" and not state["catalogue"]["loading"])
    assert "species=" not in shop.asked("/rest/v1/pets")[-1].path


async def test_only_the_last_words_of_quick_typing_are_searched(make_shop):
    backend = Backend(answers={"/functions/v1/search": lambda asked: answer(200, [pet(5, name=asked.json["q"])])})
    shop = make_shop(backend=backend)
    await shop.until(lambda state: state["catalogue"]["pets"])
    for text in ("c", "co", "corgi"):
        shop.act("search", text)
    state = await shop.until(lambda state: state["catalogue"]["ids"] == [5])
    assert ["corgi"] == [asked.json["q"] for asked in shop.asked("/functions/v1/search")]
    assert "corgi" == state["catalogue"]["pets"][0]["name"]


async def test_the_cart_survives_signing_in_and_out_and_a_later_visit(make_shop):
    shop = make_shop()
    await shop.until(lambda state: state["catalogue"]["pets"])
    shop.act("add", 1)
    shop.act("add", 1)
    shop.act("add", 2)
    state = await shop.until(lambda state: state["cart"]["count"] == 3)
    assert 34.0 == state["cart"]["total"]
    await shop.signed_in()
    assert 3 == shop.state["cart"]["count"]
    shop.act("sign_out")
    await shop.until(lambda state: state["user"] is None)
    assert 3 == shop.state["cart"]["count"]

    later = make_shop(shelf=shop.shelf)
    state = await later.until(lambda state: state["cart"]["count"] and all(line["pet"] for line in state["cart"]["lines"]))
    assert [(1, 2), (2, 1)] == [(line["id"], line["quantity"]) for line in state["cart"]["lines"]]


async def test_more_than_there_are_do_not_go_into_the_cart(make_shop):
    shop = make_shop(backend=Backend(pets={1: pet(1, stock=1), 2: pet(2, stock=0)}))
    await shop.until(lambda state: state["catalogue"]["pets"])
    for pet_id in (1, 1, 2):
        shop.act("add", pet_id)
    state = await shop.until(lambda state: len(state["toasts"]) == 3)
    assert 1 == state["cart"]["count"]
    assert ["There is only 1 of Pet 1.", "Pet 2 is sold out."] == [toast["text"] for toast in state["toasts"] if toast["kind"] == "error"]


async def test_buying_without_an_account_asks_for_one_and_comes_back_to_the_cart(make_shop):
    shop = make_shop()
    await shop.until(lambda state: state["catalogue"]["pets"])
    shop.act("add", 1)
    shop.act("checkout")
    state = await shop.until(lambda state: state["dialog"])
    assert ("account", "Sign in to buy. Your cart stays as it is.") == (state["dialog"]["kind"], state["dialog"]["reason"])
    shop.act("ask_account", "up")
    shop.act("sign_up", "ann@example.com", "long enough")
    state = await shop.until(lambda state: state["user"] and state["dialog"] and state["dialog"]["kind"] == "cart")
    assert 1 == state["cart"]["count"]
    assert shop.asked("/functions") == [], "nothing is bought without a word"


async def test_a_double_click_buys_once(make_shop):
    shop = make_shop()
    await shop.until(lambda state: state["catalogue"]["pets"])
    shop.act("add", 3)
    await shop.signed_in()
    shop.act("checkout")
    shop.act("checkout")
    state = await shop.until(lambda state: state["dialog"] and state["dialog"]["kind"] == "thanks")
    assert {"key-0001"} == {*shop.backend.bought}
    assert 1 == len(shop.asked("/functions/v1/purchase"))
    assert 0 == state["cart"]["count"]


async def test_after_an_unknown_outcome_the_same_key_is_used_even_by_a_later_visit(make_shop):
    broken = {"on": True}

    def purchase(asked):
        if broken["on"]:
            raise ConnectionFailed("The network is away")

    backend = Backend(answers={"/functions/v1/purchase": purchase})
    shop = make_shop(backend=backend)
    await shop.until(lambda state: state["catalogue"]["pets"])
    shop.act("add", 3)
    await shop.signed_in()
    shop.act("checkout")
    state = await shop.until(lambda state: state["dialog"] and state["dialog"].get("error"))
    assert "not be charged twice" in state["dialog"]["error"]
    assert 1 == state["cart"]["count"]

    broken["on"] = False
    later = make_shop(shelf=shop.shelf, backend=backend, key="other-")
    await later.until(lambda state: state["cart"]["count"] == 1)
    await later.signed_in()
    later.act("checkout")
    await later.until(lambda state: state["dialog"] and state["dialog"]["kind"] == "thanks")
    assert {"key-0001"} == {*backend.bought}


async def test_a_cart_changed_after_an_unknown_outcome_does_not_buy_the_same_again(make_shop):
    backend = Backend()
    shop = make_shop(backend=backend)
    await shop.until(lambda state: state["catalogue"]["pets"])
    shop.act("add", 3)
    await shop.signed_in()

    def lost(asked):
        raise ConnectionFailed("The answer was lost")

    backend.answers["/functions/v1/purchase"] = lost
    shop.act("checkout")
    await shop.until(lambda state: state["dialog"] and state["dialog"].get("error"))
    del backend.answers["/functions/v1/purchase"]
    backend.orders = [{"id": "o-1", "status": "placed", "total": 13, "created_at": "2026-01-01", "items": []}]  # it was carried out
    shop.act("add", 4)
    before = len(shop.asked("/functions/v1/purchase"))
    shop.act("checkout")
    state = await shop.until(lambda state: state["dialog"] and "earlier order" in state["dialog"].get("error", ""))
    assert [4] == [line["id"] for line in state["cart"]["lines"]]
    assert before == len(shop.asked("/functions/v1/purchase"))


async def test_sold_out_is_said_kindly_and_the_stock_is_read_again(make_shop):
    backend = Backend()
    shop = make_shop(backend=backend)
    await shop.until(lambda state: state["catalogue"]["pets"])
    shop.act("add", 3)
    await shop.signed_in()
    backend.pets[3]["stock"] = 0
    backend.answers["/functions/v1/purchase"] = lambda asked: answer(409, {"code": "OUT_OF_STOCK", "message": "Pet 3 is sold out."})
    shop.act("checkout")
    state = await shop.until(lambda state: state["cart"]["lines"] and state["cart"]["lines"][0]["problem"])
    assert "Somebody was faster: Pet 3 is sold out. We have updated your cart." == state["dialog"]["error"]
    assert ("Sold out", 0.0) == (state["cart"]["lines"][0]["problem"], state["cart"]["total"])
    backend.answers.clear()
    backend.pets[3]["stock"] = 2
    shop.act("open_cart")
    await shop.until(lambda state: not state["cart"]["lines"][0]["problem"])
    shop.act("checkout")
    await shop.until(lambda state: state["dialog"] and state["dialog"]["kind"] == "thanks")
    assert ["key-0001", "key-0002"] == [asked.json["key"] for asked in shop.asked("/functions/v1/purchase")]


async def test_a_change_of_stock_elsewhere_is_drawn_and_pointed_at(make_shop):
    shop = make_shop(backend=Backend(pets={1: pet(1), 2: pet(2)}))
    await shop.until(lambda state: state["catalogue"]["pets"])
    live = await shop.live("pets?")
    live.tell("live_snapshot", key=["id"], rows=[pet(1), pet(2)])
    live.tell("live_delta", change=[pet(1, stock=2)])
    state = await shop.until(lambda state: state["catalogue"]["pets"][0]["stock"] == 2)
    assert [(2, 1), (5, 0)] == [(row["stock"], row["pulse"]) for row in state["catalogue"]["pets"]]
    live.tell("live_delta", leave=[{"id": 2}])
    state = await shop.until(lambda state: state["catalogue"]["pets"][1]["gone"])
    assert 2 == len(state["catalogue"]["pets"]), "nothing jumps under the visitor's finger"


async def test_orders_follow_the_status_that_others_set(make_shop):
    order = {"id": "o-1", "status": "placed", "total": 13, "created_at": "2026-01-01"}
    shop = make_shop(backend=Backend(pets={}, orders=[{**order, "items": []}]))
    await shop.until(lambda state: not state["catalogue"]["loading"])
    await shop.signed_in()
    live = await shop.live(f"orders?select=id,status,total,created_at&buyer_id=eq.{UID}")
    live.tell("live_snapshot", key=["id"], rows=[order])
    await shop.until(lambda state: state["orders"])
    live.tell("live_delta", change=[{**order, "status": "packed"}])
    state = await shop.until(lambda state: state["orders"][0]["status"] == "packed")
    assert "Your order is packed." in [toast["text"] for toast in state["toasts"]]
    shop.act("sign_out")
    await shop.until(lambda state: state["orders"] is None)


async def test_a_wrong_password_is_said_in_the_form_and_empty_fields_ask_no_server(make_shop):
    refused = answer(400, {"code": "invalid_credentials", "error_code": "invalid_credentials", "msg": "Invalid login credentials"})
    shop = make_shop(backend=Backend(answers={"/auth/v1/token": lambda asked: refused}))
    shop.act("sign_in", "  ", "")
    await shop.until(lambda state: state["dialog"] and "fill in" in state["dialog"]["error"])
    assert shop.asked("/auth/v1") == []
    shop.act("sign_in", "ann@example.com", "wrong")
    state = await shop.until(lambda state: state["dialog"] and "belong together" in state["dialog"]["error"])
    assert (False, None) == (state["dialog"]["busy"], state["user"])


async def test_places_of_ones_own_ask_to_sign_in_and_closing_that_leads_back(make_shop):
    shop = make_shop()
    shop.act("go", "#/orders")
    await shop.until(lambda state: state["dialog"] and state["dialog"]["kind"] == "account")
    shop.act("close")
    state = await shop.until(lambda state: state["dialog"] is None)
    assert ("#/", 1) == (state["route"], state["moves"])


async def test_a_faulty_form_of_a_pet_asks_no_server(make_shop):
    shop = make_shop()
    await shop.signed_in()
    shop.act("sell", {**FORM, "name": " ", "price": "0", "stock": "-1", "age_months": "x", "species": "", "shop_name": ""})
    state = await shop.until(lambda state: state["dialog"] and state["dialog"].get("errors"))
    assert {"name", "price", "stock", "age_months", "species", "shop_name"} == {*state["dialog"]["errors"]}
    shop.act("sell", FORM, Photo(6 * 2**20))
    state = await shop.until(lambda state: state["dialog"] and "photo" in state["dialog"]["errors"])
    assert "5 MB" in state["dialog"]["errors"]["photo"]
    assert not [asked for asked in shop.transport.asked if asked.method in ("PUT", "PATCH") or asked.path.startswith("/storage")]


async def test_a_pet_is_offered_photo_first_in_the_sellers_own_folder(make_shop):
    async def slowly(asked):
        for _ in range(5):
            await asyncio.sleep(0)

    shop = make_shop(backend=Backend(answers={"/storage/v1/object/photos/": slowly}))
    await shop.signed_in()
    shop.act("ask_sell")
    shop.act("sell", FORM, Photo(b"picture"))
    await shop.until(lambda state: state["route"] == "#/my-pets")
    writes = [asked for asked in shop.transport.asked if asked.method == "POST" and "/auth/" not in asked.path]
    upload, row = (
        next(a for a in writes if "/storage/v1/object/photos/" in a.path),
        next(a for a in writes if a.path.startswith("/rest/v1/pets")),
    )
    assert writes.index(upload) < writes.index(row)
    assert upload.path == f"/storage/v1/object/photos/{row.json['photo']}" and row.json["photo"].startswith(f"{UID}/")
    assert (20.5, 2, 9) == (row.json["price"], row.json["stock"], row.json["age_months"])
    assert 1.0 in [state["dialog"]["progress"] for state in shop.drawn if state["dialog"] and state["dialog"]["kind"] == "sell"]


async def test_a_photo_whose_pet_is_refused_does_not_stay(make_shop):
    refused = answer(403, {"code": "42501", "message": "new row violates row-level security policy"})
    shop = make_shop(backend=Backend(answers={"/rest/v1/pets": lambda asked: refused if asked.method == "POST" else None}))
    await shop.signed_in()
    shop.act("sell", FORM, Photo(b"picture"))
    state = await shop.until(lambda state: state["dialog"] and state["dialog"].get("error"))
    assert (False, None) == (state["dialog"]["busy"], state["dialog"]["progress"])
    async with asyncio.timeout(10):
        while not [asked for asked in shop.transport.asked if asked.method == "DELETE"]:
            await asyncio.sleep(0)


async def test_the_small_photo_is_shown_once_it_is_made(make_shop):
    made = []

    def files(asked):
        name = asked.json["search"]
        return answer(200, [{"name": f"{name}.thumb.webp", "id": "x", "metadata": {}}] if made else [])

    backend = Backend(answers={"/storage/v1/object/list": files})
    backend.answers["/rest/v1/pets"] = lambda asked: None
    shop = make_shop(backend=backend)
    await shop.signed_in()
    shop.act("sell", FORM, Photo(b"picture"))
    await shop.until(lambda state: state["route"] == "#/my-pets")
    assert not shop.store.pets.shown(77)["images"][0].endswith(".thumb.webp")
    made.append(True)
    async with asyncio.timeout(10):
        while not shop.store.pets.shown(77)["images"][0].endswith(".thumb.webp"):
            await asyncio.sleep(0.01)


async def test_without_network_it_says_so_and_reads_again_when_it_is_back(make_shop):
    shop = make_shop()
    shop.transport.offline = True
    state = await shop.until(lambda state: state["catalogue"]["error"])
    assert "We cannot reach the shop right now." == state["catalogue"]["error"]
    shop.act("network", False)
    await shop.until(lambda state: not state["online"])
    shop.transport.offline = False
    shop.act("network", True)
    state = await shop.until(lambda state: state["catalogue"]["pets"])
    assert (True, "") == (state["online"], state["catalogue"]["error"])


async def test_a_pet_that_is_not_for_sale_leads_back_with_a_word(make_shop):
    shop = make_shop()
    shop.act("go", "#/pet/4711")
    state = await shop.until(lambda state: state["toasts"])
    assert ("This pet is no longer for sale.", "#/", None) == (state["toasts"][0]["text"], state["route"], state["pet"])
