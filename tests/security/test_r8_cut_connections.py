"""R8: a connection cut at any byte, then resumed: nothing lost, nothing twice, order kept."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidMessage

from tests.realtime import conftest
from tests.realtime.rig import Rig
from tests.realtime.test_clients import serving

pytestmark = pytest.mark.anyio
rig = conftest.rig
STEP = 1 if os.environ.get("TEST_LONG") else 13  # bytes between two cuts
WHOLE = 1 << 30  # bytes: no cut


class Cutter:
    """A TCP proxy that passes on `allowed` bytes of the server's and then drops the connection."""

    def __init__(self, port: int) -> None:
        self.port, self.allowed, self.passed = port, 0, 0

    async def serve(self) -> asyncio.Server:
        return await asyncio.start_server(self._connection, "127.0.0.1", 0)

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self.port)

        async def upwards() -> None:
            while data := await reader.read(65536):
                back.write(data)

        sending = asyncio.create_task(upwards())
        self.passed = 0
        with contextlib.suppress(OSError):
            while self.passed < self.allowed and (data := await there.read(self.allowed - self.passed)):
                writer.write(data)
                await writer.drain()
                self.passed += len(data)
        sending.cancel()
        for side in (writer, back):
            side.transport.abort()


class Reader:
    """Keeps rows and cursor from what arrives whole."""

    def __init__(self) -> None:
        self.rows: dict[int, int] = {}
        self.cursor: str | None = None
        self.order: list[int] = []

    async def listen(self, url: str, until: int) -> bool:
        """Join and apply what comes until row `until` is there; False when the connection was cut before."""
        try:
            async with connect(url, open_timeout=2, close_timeout=0.1) as socket:
                join = {"config": {"live": [{"query": "pets?select=id,name", "since": self.cursor}]}}
                await socket.send(orjson.dumps(["1", "1", "realtime:x", "phx_join", join]).decode())
                while until not in self.rows:
                    _, _, _, event, payload = orjson.loads(await socket.recv())
                    self.apply(event, payload)
            return True
        except (ConnectionClosed, InvalidHandshake, InvalidMessage, OSError, EOFError, TimeoutError):
            return False

    def apply(self, event: str, payload: dict[str, Any]) -> None:
        if event == "live_snapshot":
            assert self.cursor is None, "the log reaches back: a snapshot is not needed"
            self.rows = {row["id"]: row["name"] for row in payload["rows"]}
        elif event == "live_delta":
            for row in payload["enter"]:
                assert row["id"] not in self.rows, "came twice"
                self.rows[row["id"]] = row["name"]
                self.order.append(row["id"])
        else:
            return
        self.cursor = payload["cursor"]


@contextlib.asynccontextmanager
async def cut_at(rig: Rig) -> AsyncIterator[tuple[Cutter, str]]:
    """A cutter before the server, and the address that goes through it."""
    async with serving(rig) as port:
        cutter = Cutter(port)
        server = await cutter.serve()
        number = server.sockets[0].getsockname()[1]
        yield cutter, f"ws://127.0.0.1:{number}/realtime/v1/websocket?apikey={rig.kit.keys.anon_key}&vsn=2.0.0"
        server.close()


async def test_a_connection_cut_at_any_byte_resumes_without_loss_or_repetition(rig: Rig) -> None:
    reader, number, cut = Reader(), 1, 0
    await rig.write("insert into pets(id, name) values (1, 'n')")
    async with cut_at(rig) as (cutter, url):
        cutter.allowed = WHOLE
        assert await reader.listen(url, until=1)
        while True:
            number, cutter.allowed = number + 1, cut
            await rig.write(f"insert into pets(id, name) values ({number}, 'n')")
            if await reader.listen(url, until=number):
                break  # everything came through before the cut
            cut += STEP
    assert cut > 300, "the handshake and the answers are longer than that"
    assert number < 1000, "more rows than one snapshot holds would be a window, which starts again by design"
    assert sorted(reader.rows) == list(range(1, number + 1))
    assert reader.order == sorted(reader.order)


async def test_a_first_snapshot_cut_at_any_byte_is_there_whole_or_not_at_all(rig: Rig) -> None:
    await rig.write("insert into pets(id, name) values (1, 'n'), (2, 'n'), (3, 'n')")
    async with cut_at(rig) as (cutter, url):
        for cut in itertools.count(0, STEP):
            reader, cutter.allowed = Reader(), cut
            whole = await reader.listen(url, until=3)
            assert reader.rows == ({1: "n", 2: "n", 3: "n"} if whole else {})
            if whole:
                break
    assert cut > 300
