"""Functions of the database as operations of a batch: one transaction, whose other operations they leave as they were."""

from __future__ import annotations

from typing import Any

import pytest

from tests.shop import ANN, Reply, Shop

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


async def batch(shop: Shop, *operations: dict[str, Any], who: str = "ann", **headers: str) -> Reply:
    return await shop("POST", "batch", {"operations": list(operations)}, who=who, headers=headers)


def call(path: str, body: Any = None, **more: Any) -> dict[str, Any]:
    return {"method": "POST", "path": f"rpc/{path}", "body": body or {}, **more}


def bodies(reply: Reply) -> list[Any]:
    assert reply.status == 200, reply.json
    return [result["body"] for result in reply.json["results"]]


async def test_functions_are_called_among_reads_and_writes(shop: Shop) -> None:
    reply = await batch(
        shop,
        call("add", {"a": 1, "b": 2}, expect=1),
        call("cheapest?order=price.desc&select=pet", {"most": 50}, id="cheap", expect=2),
        {"method": "GET", "path": "rpc/pet?number=1&select=name", "id": "again"},
        call("nothing"),
        {"method": "GET", "path": "rpc/who?select=uid,claim"},
        {"method": "POST", "path": "pets?select=name", "body": {"name": {"$ref": "cheap.1.pet"}}, "prefer": "return=representation"},
        call("shout", {"word": {"$ref": "again.name"}}),
        {"method": "GET", "path": "rpc/shout?word={{again.name}}"},
        call("cheapest?pet=eq.{{again.name}}&select=pet", {"most": 50}),
        Prefer="tx=rollback",
    )
    assert bodies(reply) == [
        3, [{"pet": "Rex"}, {"pet": "Tom"}], {"name": "Rex"}, None, [{"uid": ANN, "claim": ANN}], [{"name": "Tom"}], "REX", "REX", [{"pet": "Rex"}],
    ]  # fmt: skip


async def test_all_of_it_happens_or_none_does(shop: Shop) -> None:
    tags = await shop.rows("tags")
    failed = await batch(shop, call("note", {"line": "x"}), call("fails", {"state": "PT418"}))
    assert (418, "as told", "a hint (operation 1)") == (failed.status, failed.json["message"], failed.json["hint"])
    missed = await batch(shop, call("writes"), call("numbers", {"up_to": 2}, expect=3))
    assert "BK409" == missed.code
    single = await batch(shop, call("writes"), call("numbers", {"up_to": 2}, headers={"Accept": "text/nonsense"}))
    assert 406 == single.status
    assert tags == await shop.rows("tags")


async def test_the_settings_of_a_call_end_with_it(shop: Shop) -> None:
    """A function that reads only may not write; what comes after it may, under the role and with the path that were."""
    shown = "return=representation"
    reply = await batch(
        shop,
        call("pick", headers={"Content-Profile": "api"}),
        call("becomes", {"name": "pg_monitor"}),
        {"method": "POST", "path": "pets?select=name,owner_id", "body": {"name": "Kim"}, "prefer": shown},
        {"method": "GET", "path": "rpc/add?a=1"},
        {"method": "PATCH", "path": "pets?name=eq.Kim&select=name", "body": {"chip": "C77"}, "prefer": shown, "expect": 1},
        Prefer="tx=rollback",
    )
    assert ["api", "pg_monitor", [{"name": "Kim", "owner_id": ANN}], 11, [{"name": "Kim"}]] == bodies(reply)
    assert "25006" == (await batch(shop, call("lies_and_writes"))).code


async def test_a_function_that_was_replaced_is_planned_anew(shop: Shop) -> None:
    assert [1] == bodies(await batch(shop, call("lies")))
    await shop.sql("create or replace function lies() returns int language sql stable as 'select 2'")
    assert [2] == bodies(await batch(shop, call("lies")))
    await shop.sql("create or replace function lies() returns int language sql stable as 'select 1'")
    assert [1] == bodies(await batch(shop, call("lies")))


async def test_a_batch_with_a_call_is_done_once_per_key(shop: Shop) -> None:
    first = await batch(shop, call("note", {"line": "once"}), **{"Idempotency-Key": "k1"})
    again = await batch(shop, call("note", {"line": "once"}), **{"Idempotency-Key": "k1"})
    assert (200, first.body, "true") == (again.status, again.body, again.headers["idempotency-replayed"])
    assert 204 == (await shop("DELETE", "tags?id=eq.999", who="service")).status


@pytest.mark.parametrize("path", ["rpc/secret", "rpc%2Fsecret", "/rest/v1/rpc/secret", "rpc/s%65cret"])
async def test_attack_a_batch_calls_what_was_not_granted(shop: Shop, path: str) -> None:
    reply = await batch(shop, {"method": "POST", "path": path, "body": {}}, who="anon")
    assert reply.code in {"42501", "PGRST125", "PGRST205"}, reply.json


async def test_attack_a_batch_calls_by_get_what_writes(shop: Shop) -> None:
    assert "25006" == (await batch(shop, {"method": "GET", "path": "rpc/writes"})).code


@pytest.mark.parametrize("tool", ["X-Baaskit-Try", "X-Baaskit-Explain"])
async def test_attack_a_trial_calls_a_function_in_a_batch(shop: Shop, tool: str) -> None:
    """It may do what no transaction takes back: take numbers of a sequence, say."""
    reply = await batch(shop, call("add", {"a": 1}), who="service", **{tool: "1"})
    told = reply.json["body"] if reply.status == 200 else reply.json
    assert "0A000" == told["code"], reply.json
