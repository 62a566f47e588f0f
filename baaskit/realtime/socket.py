"""The WebSocket adapter: raw ASGI around a `Session`, one reading and one writing task per connection."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from time import time
from typing import Any
from urllib.parse import parse_qs

import orjson

from baaskit.errors import BaasError
from baaskit.kernel.kit import Kit
from baaskit.observe import fact
from baaskit.realtime.frames import Version
from baaskit.realtime.hub import Hub, as_refusal
from baaskit.realtime.limits import DEFAULTS, Limits
from baaskit.realtime.outbox import Outbox
from baaskit.realtime.session import Action, Broadcast, Channel, Close, Join, Leave, Recast, Send, Session, Track

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
SendMessage = Callable[[MutableMapping[str, Any]], Awaitable[None]]
PATHS = ("/realtime/v1/websocket", "/realtime/v1/websocket/")


class Realtime:
    """The realtime service: an ASGI app for WebSocket scopes. `start` it after the change feed, `stop` it before."""

    def __init__(self, kit: Kit, hub: Hub | None = None, limits: Limits = DEFAULTS) -> None:
        self.hub = hub or Hub(kit)
        self._kit, self._limits = kit, limits
        self._connections: set[Connection] = set()

    async def start(self) -> None:
        await self.hub.start()
        self.hub.on_tick.append(self._sweep)

    async def stop(self) -> None:
        """Ask every client to reconnect (close code 1012), then end."""
        for connection in self._connections:
            connection.outbox.close(1012, "service restart")
        tasks = [c.task for c in self._connections if c.task is not None]
        if tasks:
            await asyncio.wait(tasks, timeout=2)
        await self.hub.stop()

    async def __call__(self, scope: Scope, receive: Receive, send: SendMessage) -> None:
        if scope["type"] != "websocket":
            raise ValueError("realtime serves WebSocket scopes only")
        query = parse_qs(scope.get("query_string", b"").decode("latin-1"))
        key = (query.get("apikey") or [_header(scope, b"x-api-key")])[0] or ""
        refused = self._refusal(scope["path"], key)
        await receive()  # websocket.connect
        if refused is not None:
            await _refuse(scope, send, *refused)
            return
        version: Version = 2 if (query.get("vsn") or ["1.0.0"])[0].startswith("2") else 1
        await send({"type": "websocket.accept"})
        connection = Connection(self, self._kit, version, key, self._limits)
        self._connections.add(connection)
        try:
            await connection.serve(receive, send)
        finally:
            self._connections.discard(connection)

    def _refusal(self, path: str, key: str) -> tuple[int, str] | None:
        """Status and words of a connection that is not accepted."""
        if path not in PATHS:
            return 404, "Not found"
        if not key:
            return 401, "No API key found in request"
        try:
            claims = self._kit.keys.verifier.verify(key, time())
        except BaasError as problem:
            return 403, problem.message
        if claims.expires <= time():
            return 403, "JWT expired"
        if len(self._connections) >= self._kit.settings.max_connections:
            return 429, "ConnectionRateLimitReached: Too many connected users"
        return None

    def _sweep(self, now: float) -> None:
        for connection in list(self._connections):
            connection.sweep(now)


class Connection:
    """One open WebSocket."""

    def __init__(self, realtime: Realtime, kit: Kit, version: Version, key: str, limits: Limits) -> None:
        self.outbox = Outbox(limits)
        self.session = Session(version, key, kit.keys.verifier.verify, self.outbox, limits)
        self.session.last_frame = time()
        self.task: asyncio.Task[Any] | None = None
        self._hub, self._limits = realtime.hub, limits
        self._joins: dict[Channel, asyncio.Task[None]] = {}
        self._recasts: set[asyncio.Task[None]] = set()
        self._seen = (0, 0.0)  # frames taken, and when that was last another number

    async def serve(self, receive: Receive, send: SendMessage) -> None:
        """Run until either side closes."""
        self.task = asyncio.current_task()
        reading, writing = asyncio.create_task(self._read(receive)), asyncio.create_task(self._write(send))
        try:
            done, _ = await asyncio.wait({reading, writing}, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                if (problem := task.exception()) is not None and not isinstance(problem, OSError):
                    fact("realtime.connection_failed", error=repr(problem))
        finally:
            for task in (reading, writing, *self._joins.values(), *self._recasts):
                task.cancel()
            for action in self.session.end():
                self._hub.leave(action.channel)
            await asyncio.gather(reading, writing, return_exceptions=True)

    async def _read(self, receive: Receive) -> None:
        while True:
            message = await receive()
            if message["type"] != "websocket.receive":
                return
            data = message.get("text")
            self.carry_out(self.session.receive(message["bytes"] if data is None else data, time()))
            if self.outbox.closing is not None:
                await asyncio.Event().wait()  # the writer ends the connection

    async def _write(self, send: SendMessage) -> None:
        while (frame := await self.outbox.take()) is not None:
            if isinstance(frame, str):
                await send({"type": "websocket.send", "text": frame})
            else:
                await send({"type": "websocket.send", "bytes": frame})
        code, reason = self.outbox.closing or (1000, "")
        await send({"type": "websocket.close", "code": code, "reason": reason})

    def carry_out(self, actions: list[Action]) -> None:
        """Do what the session asks for, in order."""
        hub = self._hub
        for action in actions:
            match action:
                case Send(frame):
                    if not self.outbox.put(frame):
                        self.outbox.overflow()
                case Join(channel):
                    self._joins[channel] = asyncio.create_task(self._join(channel))
                case Leave(channel):
                    if (joining := self._joins.pop(channel, None)) is not None and joining is not asyncio.current_task():
                        joining.cancel()
                    hub.leave(channel)
                case Recast(channel):
                    if channel.state == "joined":  # a join that is under way looks at the claims again when it is done
                        task = asyncio.create_task(hub.recast(channel))
                        self._recasts.add(task)
                        task.add_done_callback(self._recasts.discard)
                case Broadcast(channel, message):
                    hub.broadcast(channel.name, channel.config.private, message, channel)
                case Track(channel, state):
                    hub.track(channel, state)
                case Close(code, reason):
                    self.outbox.close(code, reason)

    async def _join(self, channel: Channel) -> None:
        try:
            response = await self._hub.join(channel, self._close_channel)
        except Exception as problem:
            self.carry_out([*self.session.refuse(channel, as_refusal(problem))])
        else:
            self.carry_out(self.session.accept(channel, response))
        finally:
            self._joins.pop(channel, None)

    def _close_channel(self, channel: Channel, message: str) -> None:
        self.carry_out(self.session.close(channel, message))

    def sweep(self, now: float) -> None:
        """Look at tokens, at silence, and at frames that nobody takes."""
        self.carry_out(self.session.sweep(now))
        taken, since = self._seen
        if taken != self.outbox.taken or not (len(self.outbox) or self.outbox.closing):
            self._seen = (self.outbox.taken, now)
        elif now - since > self._limits.stalled_seconds and self.task is not None:
            self.task.cancel()  # a close frame would wait behind what is not taken


def _header(scope: Scope, name: bytes) -> str:
    return next((value.decode("latin-1") for key, value in scope.get("headers", ()) if key == name), "")


async def _refuse(scope: Scope, send: SendMessage, status: int, message: str) -> None:
    """Answer the upgrade with an HTTP error."""
    if "websocket.http.response" not in (scope.get("extensions") or {}):
        await send({"type": "websocket.close", "code": 1008, "reason": message[:100]})
        return
    body = orjson.dumps({"error": message})
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "websocket.http.response.start", "status": status, "headers": headers})
    await send({"type": "websocket.http.response.body", "body": body})
