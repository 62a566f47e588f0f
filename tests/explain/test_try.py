"""Try-as: a request as somebody, rolled back, with what it would have done."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
import pytest

from baaskit.kernel.hooks import Write
from baaskit.kernel.schema import TableName
from tests.shop import ANN, BOB, Reply, Shop

pytestmark = pytest.mark.anyio

COUNTED = ("people", "pets", "orders", "tags", "pet_tags", "vault")


async def tried(shop: Shop, method: str, path: str, body: Any = None, *, who: str, **headers: str) -> Any:
    reply = await shop(method, path, body, who="service", headers={"X-Baaskit-As": who, "X-Baaskit-Try": "1", **headers})
    assert reply.status == 200, reply.json
    return reply.json


async def traces(shop: Shop) -> dict[str, Any]:
    """Everything that a write leaves behind: rows, the change log, and the next numbers."""
    found: dict[str, Any] = {name: [tuple(row) for row in await shop.sql(f"select * from {name} order by 1, 2")] for name in COUNTED}
    if shop.dialect == "sqlite":
        found["log"] = [tuple(row) for row in await shop.sql('select seq, op from "baaskit.changes"')]
        found["numbers"] = [tuple(row) for row in await shop.sql("select name, seq from sqlite_sequence order by 1")]
        return found
    found["log"] = [tuple(row) for row in await shop.sql("select seq, op from baaskit.changes")]
    names = [row[0] for row in await shop.sql("select oid::regclass::text from pg_class where relkind = 'S' order by 1")]
    found["numbers"] = [(name, *(await shop.sql(f"select last_value, is_called from {name}"))[0]) for name in names]
    return found


@pytest.mark.parametrize(
    ("who", "method", "path", "body", "status"),
    [
        (ANN, "POST", "pets", {"name": "New"}, 201),
        (ANN, "POST", "pets", [{"name": "New"}, {"name": "Newer"}], 201),
        (ANN, "POST", "pets", {"name": "New", "owner_id": BOB}, 403),
        (ANN, "POST", "orders", {"pet_id": 999}, 409),
        ("anon", "POST", "pets", {"name": "New"}, 401),
        (ANN, "PATCH", "pets?id=eq.1", {"price": 20}, 204),
        (ANN, "PATCH", "pets?id=eq.1", {"price": 1}, 403),
        (ANN, "DELETE", "pets?id=eq.1", None, 409),
        (ANN, "DELETE", "pets?id=eq.3", None, 204),
        (BOB, "DELETE", "pets?id=eq.3", None, 204),
        (ANN, "POST", "batch", {"operations": [{"method": "POST", "path": "pets", "body": {"name": "A"}}]}, 200),
        ("service_role", "POST", "vault", {"id": 2, "word": "y"}, 201),
    ],
)
async def test_a_trial_of_a_write_leaves_no_trace(shop: Shop, who: str, method: str, path: str, body: Any, status: int) -> None:
    for name in ("pets", "orders", "vault"):
        await shop.kit.database.capture(TableName("public", name))
    kept = await shop("POST", "pets", {"name": "Kept"}, who="ann")
    assert kept.status == 201
    before = await traces(shop)
    assert before["log"]
    report = await tried(shop, method, path, body, who=who)
    assert report["status"] == status, report
    assert await traces(shop) == before


async def test_a_trial_answers_what_the_client_would_get(shop: Shop) -> None:
    asked = ("POST", "pets?select=name,owner_id,price")
    report = await tried(shop, *asked, {"name": "New", "price": 3}, who=ANN, Prefer="return=representation")
    real = await shop(*asked, {"name": "New", "price": 3}, who="ann", headers={"Prefer": "return=representation"})
    assert (report["status"], report["body"]) == (real.status, real.json) == (201, [{"name": "New", "owner_id": ANN, "price": 3.00}])
    assert report["headers"]["preference-applied"] == real.headers["preference-applied"]


async def test_a_trial_of_a_read_sees_with_the_principals_eyes(shop: Shop) -> None:
    for who, token in (("anon", "anon"), (ANN, "ann"), (BOB, "bob")):
        report = await tried(shop, "GET", "pets?select=id&order=id", who=who)
        real = await shop("GET", "pets?select=id&order=id", who=token)
        assert (report["status"], report["body"], report["rows"]) == (200, real.json, [])


async def test_a_trial_shows_rows_before_and_after_and_the_events(shop: Shop) -> None:
    await shop.kit.database.capture(TableName("public", "pets"))
    report = await tried(shop, "PATCH", "pets?id=eq.1", {"price": 20}, who=ANN)
    [row] = report["rows"]
    assert (row["table"], row["command"], row["before"]["price"], row["after"]["price"]) == ("pets", "update", 12.5, 20)
    [event] = report["would_emit"]
    assert (event["op"], event["before"]["price"], event["after"]["price"]) == ("update", 12.5, 20)
    gone = await tried(shop, "DELETE", "pets?id=eq.3", who=ANN)
    assert [(r["before"]["id"], r["after"]) for r in gone["rows"]] == [(3, None)]
    assert [e["op"] for e in gone["would_emit"]] == ["delete"]
    new = await tried(shop, "POST", "pets", {"name": "New"}, who=ANN)
    assert [(r["before"], r["after"]["owner_id"]) for r in new["rows"]] == [(None, ANN)]


async def test_a_refused_trial_emits_nothing_and_stores_nothing(shop: Shop) -> None:
    await shop.kit.database.capture(TableName("public", "pets"))
    report = await tried(shop, "PATCH", "pets?id=eq.1", {"price": 1}, who=ANN)
    assert report["status"] == 403
    assert report["body"]["code"] == "42501"
    assert report["would_emit"] == []
    assert [(r["before"]["price"], r["after"]) for r in report["rows"]] == [(12.5, None)]


async def test_an_upsert_shows_which_row_was_there(shop: Shop) -> None:
    body = [{"id": 1, "label": "soft"}, {"id": 9, "label": "new"}]
    report = await tried(shop, "POST", "tags", body, who="service_role", Prefer="resolution=merge-duplicates")
    assert [(r["before"], r["after"]) for r in report["rows"]] == [
        ({"id": 1, "label": "furry"}, {"id": 1, "label": "soft"}),
        (None, {"id": 9, "label": "new"}),
    ]


async def test_functions_are_named_and_not_run(shop: Shop) -> None:
    ran: list[Any] = []

    async def hook(write: Any) -> Any:
        ran.append(write)
        return write

    shop.kit.hooks.before_write.add(hook)
    assert (await tried(shop, "POST", "pets", {"name": "New"}, who=ANN))["hooks"] is None
    shop.kit.hooks.concerned.append(lambda table, command: {"before": ["guard"], "after": ["tell"]})
    report = await tried(shop, "POST", "pets", {"name": "New"}, who=ANN)
    assert report["hooks"] == [{"table": "pets", "command": "insert", "before": ["guard"], "after": ["tell"]}]
    assert "guard" in report["notes"][0]
    assert ran == []


async def test_as_alone_runs_the_request_as_the_principal(shop: Shop) -> None:
    reply = await shop("POST", "pets", {"name": "Mine"}, who="service", headers={"X-Baaskit-As": ANN})
    assert reply.status == 201
    assert (await shop.rows("pets"))[-1]["owner_id"] == ANN
    refused = await shop("POST", "vault", {"id": 5, "word": "x"}, who="service", headers={"X-Baaskit-As": "anon"})
    assert (refused.status, refused.code) == (401, "42501")
    assert len(await shop.rows("vault")) == 1


async def test_claims_can_be_given_as_json(shop: Shop) -> None:
    claims = orjson.dumps({"role": "authenticated", "sub": BOB, "email": "bob@example.com"}).decode()
    reply: Reply = await shop("GET", "pets?select=id&order=id", who="service", headers={"X-Baaskit-As": claims})
    assert [row["id"] for row in reply.json] == [1, 2, 4]


@pytest.mark.parametrize("who", ["ann@example.com", "{", '{"role": "postgres"}', '{"role": ["anon"]}', '{"sub": 5}', ""])
async def test_a_principal_that_is_nobody_is_refused(shop: Shop, who: str) -> None:
    reply = await shop("DELETE", "pets?id=eq.3", who="service", headers={"X-Baaskit-As": who})
    assert (reply.status, reply.code) == (400, "BK414")
    assert len(await shop.rows("pets")) == 4


async def test_a_function_cannot_be_tried(shop: Shop) -> None:
    reply = await shop("POST", "rpc/anything", {}, who="service", headers={"X-Baaskit-As": ANN, "X-Baaskit-Try": "1"})
    assert (reply.status, reply.code) == (400, "0A000")


@pytest.mark.parametrize("tool", ["X-Baaskit-Try", "X-Baaskit-Explain"])
@pytest.mark.parametrize("address", ["pets", "batch"])
async def test_a_trial_minds_no_idempotency_key(shop: Shop, tool: str, address: str) -> None:
    """It neither answers what the real write did, nor waits for it, nor is remembered in its place."""
    row = {"name": "Kim"}
    body: Any = row if address == "pets" else {"operations": [{"method": "POST", "path": "pets", "body": row}]}
    asked = {"X-Baaskit-As": ANN, tool: "1", "Idempotency-Key": "k1", "Prefer": "return=representation"}
    write = {name: asked[name] for name in ("Idempotency-Key", "Prefer")}
    explainable = (tool, address) != ("X-Baaskit-Explain", "batch")

    async def trial() -> None:
        reply = await shop("POST", address, body, who="service", headers=asked)
        assert reply.status == (200 if explainable else 400), reply.json
        if explainable:
            assert reply.json["status"] == (201 if address == "pets" else 200)
        assert "idempotency-replayed" not in str(reply.headers) + str(reply.json)

    await trial()  # before the write: nothing may be kept of it
    entered, go_on = asyncio.Event(), asyncio.Event()

    async def hook(written: Write) -> Write:
        entered.set()
        await go_on.wait()
        return written

    shop.kit.hooks.before_write.add(hook)
    real = asyncio.create_task(shop("POST", address, body, who="ann", headers=write))
    await entered.wait()
    await trial()  # while it runs
    go_on.set()
    first = await real
    assert "idempotency-replayed" not in first.headers
    await trial()  # after it
    again = await shop("POST", address, body, who="ann", headers=write)
    assert (first.status, first.body, "true") == (again.status, again.body, again.headers["idempotency-replayed"])
    assert 1 == len([pet for pet in await shop.rows("pets") if pet["name"] == "Kim"])
