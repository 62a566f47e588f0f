"""R1: subscribing without a token, with an expired or forged one, and a token that expires while the stream runs."""

from __future__ import annotations

import time

import jwt
import pytest

from tests.realtime import conftest
from tests.realtime.rig import ANN, Client, Rig

pytestmark = pytest.mark.anyio
rig = conftest.rig
LIVE = [{"query": "pets?select=id,name"}]


async def test_no_connection_without_a_key_of_this_project(rig: Rig) -> None:
    forged = jwt.encode({"role": "service_role"}, "x" * 40, algorithm="HS256")
    unsigned = jwt.encode({"role": "service_role"}, None, algorithm="none")
    for query in (
        "",
        "apikey=",
        f"apikey={forged}",
        f"apikey={unsigned}",
        "apikey=%00",
        f"apikey={rig.token(ANN, exp=int(time.time()) - 5)}",
    ):
        client = await Client(rig.realtime, "", query=query).open()
        assert client.refused in (401, 403), query
        await client.close()


async def test_a_join_with_a_bad_token_is_refused_and_never_falls_back_to_the_key(rig: Rig) -> None:
    await rig.write("insert into pets(id, name) values (1, 'Rex')")
    client = await rig.client(key=rig.kit.keys.service_role_key)
    for token in (
        rig.token(ANN, exp=int(time.time()) - 1),
        rig.token(ANN)[:-3] + "abc",
        "nonsense",
        jwt.encode({"role": "service_role"}, "x" * 40, algorithm="HS256"),
    ):
        reply = await client.join("room", token, live=LIVE, postgres_changes=[{"event": "*", "schema": "public", "table": "pets"}])
        assert reply["status"] == "error", token
    await rig.write("update pets set name = 'Max'")
    await rig.settled()
    assert await client.heard() == []


async def test_a_stream_ends_with_its_token(rig: Rig) -> None:
    client = await rig.client()
    await client.join("room", rig.token(ANN, exp=time.time() + 1), live=LIVE)
    await client.until("live_snapshot")
    system = await client.until("system")
    assert system["status"] == "error"
    assert "expired" in system["message"]
    await client.until("phx_close")
    await rig.write("insert into pets(id, name) values (1, 'Rex')")
    await rig.settled()
    assert await client.heard() == []


async def test_a_refused_refresh_ends_the_channel(rig: Rig) -> None:
    client = await rig.client()
    await client.join("room", rig.token(ANN), live=LIVE)
    client.send("realtime:room", "access_token", {"access_token": rig.token(ANN)[:-3] + "abc"})
    assert (await client.until("system"))["status"] == "error"
    await client.until("phx_close")
