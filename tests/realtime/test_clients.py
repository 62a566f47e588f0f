"""Official and own clients over a real socket: `supabase` (PyPI), and the live queries of the SDK."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn
from baaskit_client import AsyncClient, eq, table
from realtime import AsyncRealtimeClient, RealtimePostgresChangesListenEvent

from baaskit.rest import Rest

from .rig import ANN, BOB, Rig

pytestmark = [pytest.mark.anyio, pytest.mark.client]


@asynccontextmanager
async def serving(rig: Rig) -> AsyncIterator[int]:
    """The rig on a free port of the loopback."""
    rest = Rest(rig.kit)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "websocket":
            await rig.realtime(scope, receive, send)
        else:
            await rest(scope, receive, send)

    sock = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off", ws="websockets-sansio", timeout_graceful_shutdown=1))
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    task = asyncio.create_task(server.serve([sock]))
    try:
        yield sock.getsockname()[1]
    finally:
        server.should_exit = True
        await task


async def take(queue: asyncio.Queue[Any]) -> Any:
    return await asyncio.wait_for(queue.get(), 5)


async def test_the_official_python_client_subscribes_broadcasts_and_is_present(rig: Rig) -> None:
    async with serving(rig) as port:
        client = AsyncRealtimeClient(f"ws://127.0.0.1:{port}/realtime/v1", token=rig.kit.keys.anon_key)
        other = AsyncRealtimeClient(f"ws://127.0.0.1:{port}/realtime/v1", token=rig.kit.keys.anon_key)
        await client.connect()
        await other.connect()
        rows: asyncio.Queue[Any] = asyncio.Queue()
        states: asyncio.Queue[Any] = asyncio.Queue()
        heard: asyncio.Queue[Any] = asyncio.Queue()
        systems: asyncio.Queue[Any] = asyncio.Queue()
        synced: asyncio.Queue[Any] = asyncio.Queue()
        channel = client.channel(
            "room", {"config": {"broadcast": {"ack": True, "self": True}, "presence": {"key": "ann", "enabled": True}, "private": False}}
        )
        channel.on_postgres_changes(
            RealtimePostgresChangesListenEvent.All, rows.put_nowait, table="pets", schema="public", filter="status=eq.available"
        )
        channel.on_broadcast("ping", heard.put_nowait)
        channel.on_system(systems.put_nowait)
        channel.on_presence_sync(lambda: synced.put_nowait(channel.presence_state()))
        await channel.subscribe(lambda state, error: states.put_nowait((state, error)))
        assert (await take(states))[0].value == "SUBSCRIBED"
        assert (await take(systems)).message == "Subscribed to PostgreSQL"
        await rig.write("insert into pets(id, name, price) values (1, 'Rex', 10)")
        told = await take(rows)
        data = told["data"] if isinstance(told, dict) else told.data
        assert str(data["type"] if isinstance(data, dict) else data.type).endswith(("INSERT", "Insert"))
        await channel.send_broadcast("ping", {"a": 1})
        assert (await take(heard))["payload"] == {"a": 1}
        await take(synced)
        await channel.track({"mood": "calm"})
        while "ann" not in (state := await take(synced)):
            pass
        assert state["ann"][0]["mood"] == "calm"
        listener = other.channel("room")
        listener.on_broadcast("ping", heard.put_nowait)
        await listener.subscribe(lambda state, error: states.put_nowait((state, error)))
        assert (await take(states))[0].value == "SUBSCRIBED"
        await channel.send_broadcast("ping", {"b": 2})
        assert [(await take(heard))["payload"] for _ in range(2)] == [{"b": 2}, {"b": 2}]
        await channel.unsubscribe()
        await client.close()
        await other.close()


async def test_the_sdk_keeps_a_live_query_across_a_broken_connection(rig: Rig) -> None:
    await rig.write("insert into pets(id, name, price) values (1, 'Rex', 10), (2, 'Tom', 20)")
    async with serving(rig) as port:
        client = AsyncClient(f"http://127.0.0.1:{port}", rig.kit.keys.anon_key)
        query = table("pets").where(eq("status", "available")).select("id,name,price").order("price")
        async with client.live(query) as pets:
            assert [row["id"] for row in pets.rows] == [1, 2]
            changes = pets.changes()
            await rig.write("insert into pets(id, name, price) values (3, 'Kit', 15)")
            change = await asyncio.wait_for(anext(changes), 5)
            assert (change.kind, change.key, [row["id"] for row in pets.rows]) == ("enter", {"id": 3}, [1, 3, 2])
            for connection in list(rig.realtime._connections):
                connection.outbox.close(1012, "test")
            while rig.realtime._connections:
                await asyncio.sleep(0.005)
            await rig.write("delete from pets where id = 1", "update pets set price = 1 where id = 2")
            told = [await asyncio.wait_for(anext(changes), 10) for _ in range(2)]
            assert [(c.kind, c.key["id"]) for c in told] == [("leave", 1), ("change", 2)]
            assert [row["id"] for row in pets.rows] == [2, 3]
        await client.close()


async def test_an_sdk_query_with_order_and_limit_stays_in_step(rig: Rig) -> None:
    async with serving(rig) as port:
        client = AsyncClient(f"http://127.0.0.1:{port}", rig.kit.keys.anon_key)
        async with client.live(table("pets").select("id,name").order("name").limit(2)) as pets:
            changes = pets.changes()
            await rig.write(f"insert into pets(id, name, owner_id) values (1, 'c', '{ANN}'), (2, 'b', '{BOB}'), (3, 'a', null)")
            for _ in range(2):
                await asyncio.wait_for(anext(changes), 5)
            assert [row["name"] for row in pets.rows] == ["a", "b"]
            await rig.write("update pets set name = 'z' where id = 3")
            for _ in range(2):
                await asyncio.wait_for(anext(changes), 5)
            assert [row["name"] for row in pets.rows] == ["b", "c"]
        await client.close()
