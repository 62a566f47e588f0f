"""R6: malformed, oversized and far too many frames, and clients that never read, neither crash the server nor fill its memory."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest

from baaskit.realtime.limits import Limits
from tests.realtime import conftest
from tests.realtime.rig import Rig, open_rig

pytestmark = pytest.mark.anyio
rig = conftest.rig


async def test_random_bytes_and_shapes_leave_nothing_behind(rig: Rig) -> None:
    rng = random.Random(6)
    shapes = ["", "[]", "{}", "null", "[" * 50_000, '["1","1","realtime:x","phx_join",7]', '["1","1","realtime:x","phx_join",{"config":[]}]',
              '["1","1","realtime:x","phx_join",{"config":{"postgres_changes":{}}}]', '["1","1","realtime:x","phx_join",{"config":{"live":[{"query":5}]}}]',
              '["1","1","realtime:x","phx_join",{"config":{"live":[{"query":"?"}]}}]', '{"topic":"realtime:x","event":"phx_join"}', "\x00", '["1",{},"t","e",{}]']  # fmt: skip
    for round_ in range(60):
        client = await rig.client(rng.choice(["1.0.0", "2.0.0", "x"]))
        for _ in range(5):
            client.raw(rng.choice(shapes) if rng.random() < 0.7 else rng.randbytes(rng.randrange(40)))
        client.raw("this is no frame")
        assert await client.ended() in (1003, 1007), round_
        await client.close()
    hub = rig.realtime.hub
    assert not rig.realtime._connections and not hub._closers and not hub._rooms and not hub.live._audiences and not hub.live._of
    assert (await (await rig.client()).join("room"))["status"] == "ok"


async def test_a_flood_ends_its_connection_only(database_url: str, tmp_path: Path) -> None:
    async with open_rig(database_url, tmp_path, limits=Limits(frames_per_second=50)) as rig:
        flood, calm = await rig.client(), await rig.client()
        for _ in range(200):
            flood.send("phoenix", "heartbeat", {})
        assert await flood.ended() == 1008
        assert (await calm.join("room"))["status"] == "ok"


async def test_oversized_frames_are_refused(database_url: str, tmp_path: Path) -> None:
    async with open_rig(database_url, tmp_path, limits=Limits(payload_bytes=1000)) as rig:
        client, other = await rig.client(), await rig.client()
        await client.join("room", broadcast={"ack": True})
        await other.join("room")
        ref = client.send("realtime:room", "broadcast", {"event": "x", "payload": {"a": "b" * 2000}})
        assert (await client.reply(ref))["status"] == "error"
        assert await other.heard() == []
        client.send("realtime:room", "phx_join", {"config": {"x": "y" * 2000}})
        assert await client.ended() == 1009


async def test_a_subscriber_of_rows_that_never_reads_is_cut_off_even_if_the_closing_cannot_be_told(
    database_url: str, tmp_path: Path
) -> None:
    async with open_rig(database_url, tmp_path, limits=Limits(queue_frames=10, stalled_seconds=0.5)) as rig:
        dead = await rig.client()
        await dead.join("room", postgres_changes=[{"event": "*", "schema": "public", "table": "pets"}])
        await dead.until("system")
        dead.reading.clear()
        for number in range(30):
            await rig.write(f"insert into pets(id, name) values ({number}, 'x')")
            await rig.settled()
        async with asyncio.timeout(5):
            while rig.realtime._connections:
                await asyncio.sleep(0.01)
        dead.reading.set()


async def test_a_client_that_never_reads_is_cut_off_and_costs_nobody_else(database_url: str, tmp_path: Path) -> None:
    limits = Limits(queue_frames=10, stalled_seconds=0.5)
    async with open_rig(database_url, tmp_path, limits=limits) as rig:
        dead, alive = await rig.client(), await rig.client()
        for client in (dead, alive):
            await client.join("room", live=[{"query": "pets?select=id,name"}])
            await client.until("live_snapshot")
        dead.reading.clear()
        for number in range(30):
            await rig.write(f"insert into pets(id, name) values ({number}, '{'x' * 1000}')")
            await rig.settled()
            assert (await alive.until("live_delta"))["enter"][0]["id"] == number
        [outbox] = [c.outbox for c in rig.realtime._connections if len(c.outbox)]
        assert len(outbox) <= 10
        async with asyncio.timeout(5):
            while len(rig.realtime._connections) > 1:
                await asyncio.sleep(0.01)
        assert len(rig.realtime.hub.live._of) == 1
        dead.reading.set()
