"""Live queries and channels over a socket in memory."""

from __future__ import annotations

import asyncio
import contextlib
import json
from dataclasses import dataclass

import pytest
from baaskit_client import ChangesLost, ConnectionFailed, Refused, UnreadableAnswer, eq, table
from baaskit_client._live import MAX_PENDING

from .conftest import NOW, granted, session

pytestmark = pytest.mark.anyio
QUERY = table("pets").where(eq("status", "available")).select("id,price").order("price")
SNAPSHOT = {"key": ["id"], "cursor": "c0", "rows": [{"id": 1, "price": 10}, {"id": 2, "price": 20}]}


@dataclass
class Pet:
    id: int
    price: int


class Server:
    """The server's side: answers joins and heartbeats, pushes live events to the topic last joined."""

    def __init__(self, rig):
        self.rig = rig
        self.socket = None
        self.topic = None
        self.ids = 0

    async def connected(self):
        async with asyncio.timeout(2):
            self.socket = await self.rig.transport.sockets.get()
        return self.socket

    async def next(self, event):
        """The client's next frame, which must be this event."""
        async with asyncio.timeout(2):
            frame = await self.socket.sent()
        assert event == frame[3], frame
        return frame

    async def joined(self, **snapshot):
        """Answer a join, with a snapshot if one is given; returns the join's payload."""
        join_ref, ref, self.topic, _, payload = await self.next("phx_join")
        self.ids += 1
        self.socket.push([join_ref, ref, self.topic, "phx_reply", {"status": "ok", "response": {"live": [{"id": self.ids}]}}])
        if snapshot:
            self.push("live_snapshot", **snapshot)
        return payload

    def push(self, name, /, **payload):
        self.socket.push([None, None, self.topic, name, {"id": self.ids, **payload}])


@contextlib.asynccontextmanager
async def watching(rig, query=QUERY, **kwargs):
    """A live query that has its first snapshot, and the server it is connected to."""
    server = Server(rig)
    live = rig.client.live(query, **kwargs)
    entering = asyncio.create_task(live.__aenter__())
    await server.connected()
    await server.joined(**SNAPSHOT)
    await entering
    try:
        yield live, server
    finally:
        live.close()
        await rig.client.close()


async def take(live, count):
    """The next changes, as (kind, id)."""
    found = []
    async with asyncio.timeout(2):
        async for change in live.changes():
            found.append((change.kind, change.key["id"]))
            if len(found) == count:
                return found
    return found


async def until(live, state):
    reached = asyncio.Event()
    stop = live.on_state(lambda now: reached.set() if now == state else None)
    if live.state != state:
        async with asyncio.timeout(2):
            await reached.wait()
    stop()


async def test_entering_waits_for_the_rows(make_rig):
    async with watching(rig := make_rig()) as (live, server):
        assert live.rows == [{"id": 1, "price": 10}, {"id": 2, "price": 20}]
        assert live.state == "live"
        assert rig.client.realtime.state == "open"
        assert server.socket.url == "ws://test/realtime/v1/websocket?apikey=the-key&vsn=2.0.0"


async def test_the_join_carries_the_query_and_the_token(make_rig):
    rig = make_rig(stored=session(1))
    live, server = rig.client.live(QUERY), Server(rig)
    entering = asyncio.create_task(live.__aenter__())
    await server.connected()
    payload = await server.joined(**SNAPSHOT)
    await entering
    assert payload["config"]["live"] == [{"query": "pets?select=id,price&status=eq.available&order=price", "since": None}]
    assert payload["access_token"] == "token-1"
    await rig.client.close()


async def test_changes_are_told_and_the_rows_stay_in_order(make_rig):
    async with watching(make_rig()) as (live, server):
        server.push("live_delta", cursor="c1", enter=[{"id": 3, "price": 15}], change=[{"id": 1, "price": 30}], leave=[])
        server.push("live_delta", cursor="c2", enter=[], change=[], leave=[{"id": 2}])
        assert await take(live, 3) == [("change", 1), ("enter", 3), ("leave", 2)]
        assert [row["id"] for row in live.rows] == [3, 1]


async def test_rows_and_changes_are_what_the_query_makes_of_them(make_rig):
    async with watching(make_rig(), table("pets", Pet)) as (live, server):
        assert live.rows == [Pet(1, 10), Pet(2, 20)]
        server.push("live_delta", cursor="c1", change=[{"id": 1, "price": 30}])
        async with asyncio.timeout(2):
            change = await anext(live.changes())
        assert (change.old, change.row) == (Pet(1, 10), Pet(1, 30))


async def test_a_broken_connection_resumes_by_cursor_and_tells_each_change_once(make_rig):
    async with watching(rig := make_rig()) as (live, server):
        server.push("live_delta", cursor="c1", enter=[{"id": 3, "price": 15}])
        assert await take(live, 1) == [("enter", 3)]
        server.socket.drop()
        await until(live, "waiting")
        assert len(live.rows) == 3
        rig.client.realtime.reconnect_now()
        await server.connected()
        payload = await server.joined()
        assert payload["config"]["live"][0]["since"] == "c1"
        server.push("live_delta", cursor="c1", enter=[{"id": 3, "price": 15}])
        server.push("live_delta", cursor="c2", leave=[{"id": 3}])
        assert await take(live, 1) == [("leave", 3)]
        assert live.state == "live"


async def test_a_cursor_too_old_gets_a_snapshot_and_tells_the_difference(make_rig):
    async with watching(rig := make_rig()) as (live, server):
        server.socket.drop()
        await until(live, "waiting")
        rig.client.realtime.reconnect_now()
        await server.connected()
        await server.joined(key=["id"], cursor="c9", rows=[{"id": 2, "price": 25}, {"id": 7, "price": 70}])
        assert await take(live, 3) == [("leave", 1), ("change", 2), ("enter", 7)]


async def test_a_resync_joins_again_and_what_comes_for_the_old_join_is_ignored(make_rig):
    async with watching(make_rig()) as (live, server):
        server.push("live_resync")
        join_ref, ref, topic, _, payload = await server.next("phx_join")
        assert payload["config"]["live"][0]["since"] == "c0"
        server.push("live_delta", cursor="c1", enter=[{"id": 66, "price": 1}])
        server.socket.push(["1", None, topic, "phx_close", {}])
        server.ids += 1
        server.push("live_delta", cursor="c1", enter=[{"id": 3, "price": 15}])  # before the reply: must not get lost
        server.socket.push([join_ref, ref, topic, "phx_reply", {"status": "ok", "response": {"live": [{"id": server.ids}]}}])
        server.push("live_delta", cursor="c2", enter=[{"id": 4, "price": 16}])
        assert await take(live, 2) == [("enter", 3), ("enter", 4)]
        assert 66 not in [row["id"] for row in live.rows]


async def test_a_server_that_closes_the_topic_is_joined_again(make_rig):
    async with watching(make_rig()) as (live, server):
        server.socket.push([None, None, server.topic, "phx_close", {}])
        await until(live, "waiting")
        assert (await server.joined())["config"]["live"][0]["since"] == "c0"
        await until(live, "live")


async def test_a_refused_query_raises_on_entry_with_the_server_s_words(make_rig):
    rig, refusal = make_rig(), {"reason": "Unauthorized: You do not have permissions to read pets"}
    server = Server(rig)
    entering = asyncio.create_task(rig.client.live(QUERY).__aenter__())
    await server.connected()
    join_ref, ref, topic, _, _ = await server.next("phx_join")
    server.socket.push([join_ref, ref, topic, "phx_reply", {"status": "error", "response": refusal}])
    with pytest.raises(Refused) as caught:
        await entering
    assert (caught.value.code, caught.value.message) == ("Unauthorized", "You do not have permissions to read pets")
    await rig.client.close()


async def test_a_server_without_live_queries_is_named_as_the_reason(make_rig):
    rig, server = make_rig(), None
    server = Server(rig)
    entering = asyncio.create_task(rig.client.live(QUERY).__aenter__())
    await server.connected()
    join_ref, ref, topic, _, _ = await server.next("phx_join")
    server.socket.push([join_ref, ref, topic, "phx_reply", {"status": "ok", "response": {"postgres_changes": []}}])
    with pytest.raises(UnreadableAnswer):
        await entering
    await rig.client.close()


async def test_entering_while_offline_waits_and_can_be_given_up(make_rig):
    rig = make_rig()
    rig.transport.offline = True
    live = rig.client.live(QUERY)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await live.__aenter__()
    assert live.state == "closed"
    await rig.client.close()


async def test_a_refreshed_token_is_pushed(make_rig):
    rig = make_rig(lambda asked: granted(2), stored=session(1))
    async with watching(rig) as (live, server):
        await rig.client.auth.refresh()
        frame = await server.next("access_token")
        assert frame[4] == {"access_token": "token-2"}
        assert server.topic == frame[2]
        assert live.state == "live"


async def test_signing_out_asks_for_the_rows_of_a_visitor(make_rig):
    rig = make_rig(lambda asked: granted(2), stored=session(1, ends=NOW + 3600))
    async with watching(rig) as (live, server):
        await rig.client.auth.sign_out()
        payload = await server.joined(key=["id"], cursor="c0", rows=[{"id": 1, "price": 10}])
        assert (payload["config"]["live"][0]["since"], payload["access_token"]) == (None, "the-key")
        assert await take(live, 1) == [("leave", 2)]


async def test_signing_out_while_disconnected_never_resumes_as_the_former_user(make_rig):
    rig = make_rig(stored=session(1))
    async with watching(rig) as (live, server):
        server.socket.drop()
        await until(live, "waiting")
        rig.transport.offline = True
        await rig.client.auth.sign_out()
        rig.transport.offline = False
        rig.client.realtime.reconnect_now()
        await server.connected()
        payload = await server.joined(key=["id"], cursor="c0", rows=[])
        assert (payload["config"]["live"][0]["since"], payload["access_token"]) == (None, "the-key")
        assert await take(live, 2) == [("leave", 1), ("leave", 2)]


async def test_a_missed_heartbeat_breaks_the_connection(make_rig):
    rig = make_rig()
    rig.client.realtime.heartbeat = 0.01
    async with watching(rig) as (live, server):
        frame = await server.next("heartbeat")
        assert (frame[0], frame[2]) == (None, "phoenix")
        await until(live, "waiting")
        assert server.socket.closed


async def test_an_answered_heartbeat_keeps_the_connection(make_rig):
    rig = make_rig()
    rig.client.realtime.heartbeat = 0.01
    async with watching(rig) as (live, server):
        for _ in range(3):
            _, ref, *_ = await server.next("heartbeat")
            server.socket.push([None, ref, "phoenix", "phx_reply", {"status": "ok", "response": {}}])
        assert live.state == "live"


async def test_leaving_tells_the_server_and_ends_the_changes(make_rig):
    async with watching(make_rig()) as (live, server):
        reader = asyncio.create_task(take(live, 99))
        await asyncio.sleep(0)
        live.close()
        await server.next("phx_leave")
        assert await reader == []
        assert len(live.rows) == 2


async def test_the_connection_ends_some_time_after_the_last_topic(make_rig):
    rig, idle = make_rig(), asyncio.Event()
    rig.client.realtime.heartbeat = 0.01
    rig.client.realtime.on_state(lambda state: idle.set() if state == "idle" else None)
    async with watching(rig) as (live, server):
        live.close()
        async with asyncio.timeout(2):
            await idle.wait()
        assert server.socket.closed


async def test_two_queries_share_one_socket(make_rig):
    async with watching(rig := make_rig()) as (live, server):
        other = rig.client.live(table("orders"))
        entering = asyncio.create_task(other.__aenter__())
        first = server.topic
        await server.joined(key=["id"], cursor="c0", rows=[{"id": 5}])
        await entering
        assert first != server.topic
        assert rig.transport.sockets.empty()
        assert ([r["id"] for r in other.rows], [r["id"] for r in live.rows]) == ([5], [1, 2])


async def test_a_second_run_goes_on_from_a_checkpoint(make_rig):
    async with watching(make_rig()) as (live, _):
        checkpoint = json.loads(json.dumps(live.checkpoint))
    rig = make_rig()
    again, server = rig.client.live(QUERY, checkpoint=checkpoint), Server(rig)
    assert len(again.rows) == 2
    entering = asyncio.create_task(again.__aenter__())
    await server.connected()
    assert (await server.joined())["config"]["live"][0]["since"] == "c0"
    await entering
    server.push("live_delta", cursor="c1", leave=[{"id": 1}])
    assert await take(again, 1) == [("leave", 1)]
    await rig.client.close()


async def test_changes_that_nobody_reads_are_let_go_and_said_so(make_rig):
    async with watching(make_rig()) as (live, server):
        server.push("live_delta", cursor="c1", enter=[{"id": 100 + i, "price": i} for i in range(MAX_PENDING + 1)])
        with pytest.raises(ChangesLost):
            await take(live, 1)
        assert len(live.rows) == MAX_PENDING + 3
        server.push("live_delta", cursor="c2", leave=[{"id": 1}])
        assert await take(live, 1) == [("leave", 1)]


async def test_a_live_row_without_its_key_ends_the_query_with_the_way_out(make_rig):
    async with watching(make_rig()) as (live, server):
        server.push("live_delta", cursor="c1", enter=[{"price": 1}])
        with pytest.raises(UnreadableAnswer, match="primary key"):
            await take(live, 1)
        await server.next("phx_leave")


async def test_closing_the_client_ends_what_is_live(make_rig):
    async with watching(rig := make_rig()) as (live, _):
        reader = asyncio.create_task(take(live, 1))
        await asyncio.sleep(0)
        await rig.client.close()
        with pytest.raises(ConnectionFailed):
            await reader


async def test_a_live_query_is_entered_once(make_rig):
    async with watching(make_rig()) as (live, _):
        live.close()
        with pytest.raises(RuntimeError, match="checkpoint"):
            await live.__aenter__()


async def test_a_bad_token_is_renewed_before_the_next_join(make_rig):
    rig = make_rig(lambda asked: granted(2), stored=session(1))
    server = Server(rig)
    entering = asyncio.create_task(rig.client.live(QUERY).__aenter__())
    await server.connected()
    join_ref, ref, topic, _, payload = await server.next("phx_join")
    assert payload["access_token"] == "token-1"
    refusal = {"status": "error", "response": {"reason": "InvalidJWTToken: Token has expired 3 seconds ago"}}
    server.socket.push([join_ref, ref, topic, "phx_reply", refusal])
    payload = await server.joined(**SNAPSHOT)
    assert payload["access_token"] == "token-2"
    assert len((await entering).rows) == 2
    await rig.client.close()


# Channels


@contextlib.asynccontextmanager
async def in_room(rig, **kwargs):
    server, room = Server(rig), rig.client.channel("room", **kwargs)
    entering = asyncio.create_task(room.__aenter__())
    await server.connected()
    server.config = (await server.joined())["config"]
    await entering
    try:
        yield room, server
    finally:
        await rig.client.close()


async def test_a_channel_sends_and_receives(make_rig):
    async with in_room(make_rig(), echo=True) as (room, server):
        assert server.topic == "realtime:room"
        assert server.config["broadcast"] == {"ack": False, "self": True}
        await room.send("hello", {"n": 1})
        assert (await server.next("broadcast"))[4] == {"type": "broadcast", "event": "hello", "payload": {"n": 1}}
        server.push("broadcast", type="broadcast", event="hi", payload={"n": 2})
        async for message in room.messages():
            assert (message.event, message.payload) == ("hi", {"n": 2})
            break


async def test_a_binary_broadcast_is_understood(make_rig):
    async with in_room(make_rig()) as (room, server):
        topic, event = b"realtime:room", b"hi"
        server.socket._to_client.put_nowait(bytes([4, len(topic), len(event), 0, 1]) + topic + event + b'{"n":3}')
        async for message in room.messages():
            assert (message.event, message.payload) == ("hi", {"n": 3})
            break


async def test_sending_without_a_connection_is_an_error_and_not_silence(make_rig):
    async with in_room(rig := make_rig()) as (room, server):
        waiting = asyncio.Event()
        rig.client.realtime.on_state(lambda state: waiting.set() if state == "waiting" else None)
        server.socket.drop()
        await waiting.wait()
        with pytest.raises(ConnectionFailed):
            await room.send("hello", {})
