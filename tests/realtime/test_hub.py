"""Channels through the whole service: broadcast, presence, private channels, tokens, connections."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from baaskit.realtime.routes import routes

from .rig import ANN, BOB, Client, Closed, Rig

pytestmark = pytest.mark.anyio


def said(event: str, **payload: Any) -> dict[str, Any]:
    return {"type": "broadcast", "event": event, "payload": payload}


async def test_a_broadcast_reaches_the_others_and_not_the_sender(rig: Rig) -> None:
    one, two, other = [await rig.client() for _ in range(3)]
    await one.join("room", broadcast={"ack": True, "self": False})
    await two.join("room")
    await other.join("elsewhere")
    ref = one.send("realtime:room", "broadcast", said("ping", a=1))
    assert (await one.reply(ref))["status"] == "ok"
    assert await two.until("broadcast") == said("ping", a=1)
    assert await one.heard() == [] and await other.heard() == []


async def test_self_sends_back_and_versions_understand_each_other(rig: Rig) -> None:
    one, two = await rig.client("1.0.0"), await rig.client("2.0.0")
    await one.join("room", broadcast={"self": True})
    await two.join("room")
    one.send("realtime:room", "broadcast", said("ping", a=1))
    assert await one.until("broadcast") == said("ping", a=1) == await two.until("broadcast")
    two.raw(bytes([3, 1, 1, 13, 4, 0, 1]) + b"19realtime:roompong" + b'{"b":2}')
    assert await one.until("broadcast") == said("pong", b=2)


async def test_a_private_channel_is_for_those_whom_the_policies_admit(rig: Rig) -> None:
    ann, bob = rig.token(ANN, email="ann@example.com"), rig.token(BOB, email="bob@example.com")
    client = await rig.client()
    refused = await client.join("user:ann@example.com", private=True)
    assert refused == {
        "status": "error",
        "response": {"reason": "Unauthorized: You do not have permissions to read from this Channel topic: user:ann@example.com"},
    }
    assert (await client.join("user:bob@example.com", bob, private=True, broadcast={"ack": True}))["status"] == "ok"
    speaker = await rig.client()
    assert (await speaker.join("user:bob@example.com", ann, private=True, broadcast={"ack": True}))["status"] == "ok"
    public = await rig.client()
    await public.join("user:bob@example.com")
    speaker.send("realtime:user:bob@example.com", "broadcast", said("hi"))
    assert await client.until("broadcast") == said("hi")
    client.send("realtime:user:bob@example.com", "broadcast", said("unheard"))
    assert await client.heard() == [] and await public.heard() == []
    assert [f for f in await speaker.heard() if f[3] == "broadcast"] == []


async def test_presence_is_told_to_those_who_asked_for_it(rig: Rig) -> None:
    one, two, three = [await rig.client() for _ in range(3)]
    await one.join("room", presence={"key": "ann", "enabled": True})
    assert await one.until("presence_state") == {}
    one.send("realtime:room", "presence", {"type": "presence", "event": "track", "payload": {"mood": "calm"}})
    joins = (await one.until("presence_diff"))["joins"]
    assert joins["ann"]["metas"][0]["mood"] == "calm" and joins["ann"]["metas"][0]["phx_ref"]
    await two.join("room", presence={"key": "bob", "enabled": True})
    assert (await two.until("presence_state")) == joins
    await three.join("room", presence={"enabled": False})
    await one.close()
    diff = await two.until("presence_diff")
    assert diff["joins"] == {} and list(diff["leaves"]) == ["ann"]
    assert await three.heard() == []


async def test_http_broadcast_is_accepted_and_delivered(rig: Rig) -> None:
    app = FastAPI()
    app.include_router(routes(rig.kit, rig.realtime.hub))
    client = await rig.client()
    await client.join("room")
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://test") as http:
        headers = {"apikey": rig.kit.keys.anon_key}
        answer = await http.post(
            "/realtime/v1/api/broadcast", json={"messages": [{"topic": "room", "event": "e", "payload": {"a": 1}}]}, headers=headers
        )
        assert (answer.status_code, answer.content) == (202, b"")
        assert await client.until("broadcast") == said("e", a=1)
        answer = await http.post("/realtime/v1/api/broadcast/room/events/x", json={"b": 2}, headers=headers)
        assert answer.status_code == 202
        assert await client.until("broadcast") == said("x", b=2)
        answer = await http.post(
            "/realtime/v1/api/broadcast/room/events/x", content=b"a,b", headers={**headers, "content-type": "text/csv"}
        )
        assert answer.status_code == 415


@pytest.mark.parametrize(("query", "status"), [("apikey=nonsense", 403), ("", 401), ("apikey=a.b.c", 403)])
async def test_a_connection_without_a_good_key_is_refused_before_the_upgrade(rig: Rig, query: str, status: int) -> None:
    client = await Client(rig.realtime, "", query=query).open()
    assert client.refused == status
    await client.close()


async def test_a_policy_change_ends_a_private_channel_that_may_no_longer_be_read(rig: Rig) -> None:
    client = await rig.client()
    await client.join("user:bob@example.com", rig.token(BOB, email="bob@example.com"), private=True)
    await rig.kit.database.save_policies("", "tests")
    assert (await client.until("system"))["status"] == "error"
    await client.until("phx_close")


async def test_an_ended_session_ends_its_channels_within_a_second(rig: Rig) -> None:
    client = await rig.client()
    await client.join("room", rig.token(ANN, session_id="s1"), postgres_changes=[{"event": "*", "schema": "public", "table": "pets"}])
    await client.until("system")
    began = time.monotonic()
    rig.kit.keys.verifier.revoke("s1", time.time() + 60)
    assert (await client.until("system"))["status"] == "error"
    await client.until("phx_close")
    assert time.monotonic() - began < 1.5


async def test_a_stopping_server_tells_clients_to_reconnect(rig: Rig) -> None:
    client = await rig.client()
    await client.join("room")
    stopping = asyncio.create_task(rig.realtime.stop())
    with pytest.raises(Closed) as closed:
        await client.until("nothing")
    assert closed.value.args[0][0] == 1012
    await stopping


@pytest.mark.parametrize(
    ("query", "code"),
    [("nothing?select=id", "PGRST205"), ("pets?select=name", "BK421"), ("pets?select=secret,id", "42703"), ("quiet?select=id", "BK420"), ("pets?id=zz.1", "PGRST100"),
     ("pets?select=id&id=eq.x", "22P02"), ("auth.users?select=id", "PGRST205"), ("baaskit.policies", "PGRST205")],
)  # fmt: skip
async def test_a_live_query_that_cannot_be_is_refused_with_its_reason(rig: Rig, query: str, code: str) -> None:
    client = await rig.client()
    reply = await client.join("room", live=[{"query": query}])
    assert (reply["status"], reply["response"]["code"]) == ("error", code)
    assert await client.heard() == []


async def test_a_malformed_cursor_is_refused(rig: Rig) -> None:
    client = await rig.client()
    reply = await client.join("room", live=[{"query": "pets?select=id", "since": "zz"}])
    assert reply["response"]["code"] == "BK412"
