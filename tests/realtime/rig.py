"""A project with realtime on either database, and clients that speak the protocol over an ASGI socket in memory."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from baaskit.kernel.changes import ChangeFeed
from baaskit.kernel.database import Database, Sql
from baaskit.kernel.database.migrate import apply_file
from baaskit.kernel.hooks import Hooks
from baaskit.kernel.keys import load_keys
from baaskit.kernel.kit import Kit
from baaskit.realtime.limits import DEFAULTS, Limits
from baaskit.realtime.socket import Realtime
from baaskit.settings import Settings

ANN, BOB, EVE = (f"00000000-0000-4000-8000-00000000000{n}" for n in (1, 2, 3))
FAR = 4102444800

SCHEMA = """
create table pets (
  id integer primary key, owner_id uuid, name text not null, price numeric(10,2), status text not null default 'available',
  public boolean not null default true, secret text, data jsonb, team_id integer
);
create table members (team_id integer, user_id uuid, primary key (team_id, user_id));
create table notes (id integer primary key, team_id integer not null, body text);
create table tags (pet_id integer references pets(id), label text, primary key (pet_id, label));
create table quiet (id integer primary key, body text);
alter publication realtime add table pets;
alter publication realtime add table notes;
alter publication realtime add table tags;
"""
POLICIES = """
create policy "public pets, and one's own" on pets for select to anon, authenticated using (public or owner_id = auth.uid());
create policy "owners write" on pets for all to authenticated using (owner_id = auth.uid());
create policy "members read" on notes for select to authenticated
  using (exists (select 1 from members m where m.team_id = notes.team_id and m.user_id = auth.uid()));
create policy "tags" on tags for select to anon, authenticated using (true);
revoke select on pets from anon, authenticated;
grant select (id, owner_id, name, price, status, public, data, team_id) on pets to anon, authenticated;
create policy "users listen in their own channel" on realtime.messages for select to authenticated
  using (realtime.topic() = 'user:' || auth.email() or extension = 'presence');
create policy "ann speaks" on realtime.messages for insert to authenticated with check (auth.email() = 'ann@example.com');
"""


@dataclass(frozen=True)
class Script:
    text: str
    name: str = "0001.sql"
    path: Path = Path("0001.sql")
    checksum: str = ""


class Closed(Exception):
    """The server closed the socket."""


class Client:
    """One WebSocket. Frames arrive as `[join_ref, ref, topic, event, payload]` in both versions; `frames` holds what was not yet taken."""

    def __init__(self, app: Any, key: str, vsn: str = "2.0.0", query: str | None = None) -> None:
        self.vsn = vsn
        self._to: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._from: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.closed: tuple[int, str] | None = None
        self.refused: int | None = None
        self.frames: list[list[Any]] = []
        self._refs = 0
        self.reading = asyncio.Event()  # cleared: the client takes nothing
        self.reading.set()
        scope = {
            "type": "websocket", "path": "/realtime/v1/websocket", "headers": [], "extensions": {"websocket.http.response": {}},
            "query_string": (f"apikey={key}&vsn={vsn}" if query is None else query).encode(),
        }  # fmt: skip
        self._to.put_nowait({"type": "websocket.connect"})
        self.task = asyncio.create_task(app(scope, self._to.get, self._take))

    async def _take(self, message: dict[str, Any]) -> None:
        await self.reading.wait()
        self._from.put_nowait(message)

    async def open(self) -> Client:
        message = await asyncio.wait_for(self._from.get(), 5)
        if message["type"] == "websocket.http.response.start":
            self.refused = message["status"]
        else:
            assert message["type"] == "websocket.accept", message
        return self

    def send(self, topic: str, event: str, payload: Any, *, join_ref: str | None = None) -> str:
        self._refs += 1
        ref = str(self._refs)
        frame: Any = [join_ref, ref, topic, event, payload]
        if self.vsn.startswith("1"):
            frame = {"topic": topic, "event": event, "payload": payload, "ref": ref, "join_ref": join_ref}
        self.raw(orjson.dumps(frame).decode())
        return ref

    def raw(self, data: str | bytes) -> None:
        self._to.put_nowait({"type": "websocket.receive", **({"text": data} if isinstance(data, str) else {"bytes": data})})

    async def next(self) -> list[Any]:
        """The next frame that was not taken by `until`. Raises Closed."""
        if self.frames:
            return self.frames.pop(0)
        return await self._receive()

    async def _receive(self) -> list[Any]:
        if self.closed:
            raise Closed(self.closed)
        message = await asyncio.wait_for(self._from.get(), 10)
        if message["type"] == "websocket.close":
            self.closed = (message["code"], message["reason"])
            raise Closed(self.closed)
        if (data := message.get("bytes")) is not None:
            return ["binary", data]
        frame = orjson.loads(message["text"])
        return frame if isinstance(frame, list) else [frame[n] for n in ("join_ref", "ref", "topic", "event", "payload")]

    async def until(self, event: str, topic: str | None = None) -> Any:
        """The payload of the next frame with this event; frames passed over stay to be taken."""
        for number, frame in enumerate(self.frames):
            if frame[0] != "binary" and frame[3] == event and topic in (None, frame[2]):
                return self.frames.pop(number)[4]
        while True:
            frame = await self._receive()
            if frame[0] != "binary" and frame[3] == event and topic in (None, frame[2]):
                return frame[4]
            self.frames.append(frame)

    async def reply(self, ref: str) -> Any:
        """The payload of the answer to `ref`."""
        for number, frame in enumerate(self.frames):
            if frame[3:4] == ["phx_reply"] and frame[1] == ref:
                return self.frames.pop(number)[4]
        while True:
            frame = await self._receive()
            if frame[3:4] == ["phx_reply"] and frame[1] == ref:
                return frame[4]
            self.frames.append(frame)

    async def join(self, topic: str, token: str | None = None, **config: Any) -> Any:
        """Join and return the answer."""
        ref = str(self._refs + 1)
        self.send(f"realtime:{topic}", "phx_join", {"config": config, **({"access_token": token} if token else {})}, join_ref=ref)
        return await self.reply(ref)

    async def heard(self) -> list[list[Any]]:
        """Everything that was sent until now: a heartbeat marks the place."""
        ref = self.send("phoenix", "heartbeat", {})
        await self.reply(ref)
        found, self.frames = self.frames, []
        return found

    async def ended(self) -> int:
        """The close code, when everything before it has been read."""
        try:
            while True:
                await self.next()
        except Closed:
            assert self.closed is not None
            return self.closed[0]

    async def close(self) -> None:
        self._to.put_nowait({"type": "websocket.disconnect", "code": 1000})
        await asyncio.wait_for(self.task, 5)


@dataclass
class Rig:
    """`write` runs SQL beside the server, as any program could."""

    kit: Kit
    realtime: Realtime
    clients: list[Client] = field(default_factory=list)

    def token(self, uid: str, **claims: Any) -> str:
        return self.kit.keys.sign({"role": "authenticated", "sub": uid, "exp": FAR, **claims})

    async def client(self, vsn: str = "2.0.0", key: str | None = None) -> Client:
        client = await Client(self.realtime, key or self.kit.keys.anon_key, vsn).open()
        self.clients.append(client)
        return client

    async def write(self, *texts: str) -> None:
        """Run statements in one transaction."""

        def script() -> Any:
            for text in texts:
                yield Sql(text)

        await self.kit.database.run(script)

    async def rows(self, text: str) -> list[Any]:
        return [tuple(row) for row in await self.kit.database.fetch_raw(text)]

    async def settled(self) -> None:
        """Every change is delivered, and every query that had to be read again is."""
        await self.kit.changes.settle()
        while any(a.task is not None and not a.task.done() for a in self.realtime.hub.live._audiences.values()):
            await asyncio.sleep(0.002)


@asynccontextmanager
async def open_rig(
    url: str, folder: Path, *, schema: str = SCHEMA, policies: str = POLICIES, limits: Limits = DEFAULTS, **settings: Any
) -> AsyncIterator[Rig]:
    database = Database(url, synchronous="NORMAL")
    await database.start()
    if schema:
        await apply_file(Script(schema), database)
        await database.reload()
        await database.save_policies(policies, "tests")
    feed = ChangeFeed(database)
    kit = Kit(Settings(project_dir=folder, database_url=url, **settings), database, feed, Hooks(), load_keys(folder / "keys.json"))
    await feed.start()
    realtime = Realtime(kit, limits=limits)
    await realtime.start()
    rig = Rig(kit, realtime)
    try:
        yield rig
    finally:
        for client in rig.clients:
            if not client.task.done():
                client.reading.set()
                await client.close()
        await realtime.stop()
        await feed.stop()
        await database.stop()


def now() -> float:
    return time.time()
