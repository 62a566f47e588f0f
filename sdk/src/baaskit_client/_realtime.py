"""One WebSocket for all live queries and channels of a client: joined, kept alive, and joined again when it breaks."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Literal, Protocol
from urllib.parse import quote

from ._account import Account, AuthEvent, Session, log
from ._errors import BaasError, ConnectionFailed, Refused, SessionEnded, UnreadableAnswer
from ._flow import AsyncDriver
from ._ports import Socket

ConnectionState = Literal["idle", "connecting", "open", "waiting", "closed"]

HEARTBEAT = 25.0  # seconds; also how often the token is looked at
FIRST_PAUSE = 0.5  # seconds before the first new attempt; doubled each time, with jitter
LONGEST_PAUSE = 30.0  # seconds
# Reasons of a refused join that pass by themselves; the text before the colon.
_PASSING = {"InitializingProjectConnection", "DatabaseLackOfConnections", "ClientJoinRateLimitReached"}
_BAD_TOKEN = {"InvalidJWTToken", "MalformedJWT", "JwtSignatureError"}


class Topic(Protocol):
    """What can be joined. Its methods are called by `Realtime` and never wait."""

    name: str

    def config(self) -> dict[str, Any]:
        """The `config` of the join; called anew for each join."""
        ...

    def joined(self, response: dict[str, Any]) -> None: ...

    def received(self, event: str, payload: dict[str, Any]) -> None: ...

    def dropped(self) -> None:
        """The connection is lost; a new join follows."""

    def other_caller(self) -> None:
        """The user signed in or out; a new join follows."""

    def failed(self, error: BaseException) -> None:
        """There will be no further join."""


class Realtime:
    """The connection. It opens when the first topic is added and closes some seconds after the last is removed.

    `state` goes idle → connecting → open; when the connection breaks, waiting → connecting → …, with growing pauses.
    """

    def __init__(self, driver: AsyncDriver, account: Account, *, heartbeat: float = HEARTBEAT) -> None:
        self.heartbeat = heartbeat
        self.state: ConnectionState = "idle"
        self._driver, self._account = driver, account
        self._topics: dict[str, Topic] = {}
        self._joins: dict[str, str] = {}  # topic name → ref of its last join on the present socket
        self._refs = itertools.count(1)
        self._out: asyncio.Queue[str] | None = None  # None: there is no open socket
        self._task: asyncio.Task[None] | None = None
        self._chores: set[asyncio.Task[None]] = set()
        self._listeners: list[Callable[[ConnectionState], None]] = []
        self._hurry = asyncio.Event()
        self._attempts = 0
        self._opened = False  # has there ever been a connection?
        self._beat_ref: str | None = None
        account.listeners.append(self._auth_changed)

    def on_state(self, listener: Callable[[ConnectionState], None]) -> Callable[[], None]:
        """Call `listener(state)` at each change of state. Returns what ends that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener) if listener in self._listeners else None

    def reconnect_now(self) -> None:
        """End the present pause between two attempts, for a host that knows that the network is back."""
        self._hurry.set()

    def add(self, topic: Topic) -> None:
        """Join a topic, now or as soon as there is a connection, and again after each break."""
        self._topics[topic.name] = topic
        if self._task is None or self._task.done():
            self._attempts = 0
            self._task = asyncio.create_task(self._run())
        elif self._out is not None:
            self._join(topic)

    def remove(self, topic: Topic) -> None:
        """Leave a topic."""
        if self._topics.get(topic.name) is not topic:
            return
        del self._topics[topic.name]
        if ref := self._joins.pop(topic.name, None):
            self._send(ref, topic.name, "phx_leave", {})

    def rejoin(self, topic: Topic) -> None:
        """Join a topic again on the same connection; the server lets the former join go."""
        if self._topics.get(topic.name) is topic and self._out is not None:
            self._join(topic)

    def push(self, topic: Topic, event: str, payload: dict[str, Any]) -> bool:
        """Send an event on a joined topic; False when there is no connection."""
        ref = self._joins.get(topic.name)
        return ref is not None and self._send(ref, topic.name, event, payload) is not None

    async def close(self) -> None:
        """Close the connection for good. Topics end."""
        if self._auth_changed in self._account.listeners:
            self._account.listeners.remove(self._auth_changed)
        tasks = [task for task in (self._task, *self._chores) if task and task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._fail(ConnectionFailed("The client was closed"))
        self._enter("closed")

    async def _run(self) -> None:
        try:
            while self._topics:
                self._enter("connecting")
                try:
                    await self._connect_and_serve()
                except BaasError as exc:
                    log.info("The live connection broke: %s", exc)
                    if isinstance(exc, Refused) and exc.status in (401, 403, 404) and not self._opened:
                        self._fail(exc)  # a wrong address or key; once it has worked, it is the server's passing trouble
                if not self._topics:
                    break
                self._enter("waiting")
                await self._pause(self._backoff())
            self._enter("idle")
        except Exception as exc:  # a fault of ours must not leave callers waiting for ever
            log.exception("The live connection failed")
            self._fail(exc)
            self._enter("closed")

    def _fail(self, error: BaseException) -> None:
        topics, self._topics = self._topics, {}
        for topic in topics.values():
            topic.failed(error)

    async def _connect_and_serve(self) -> None:
        with suppress(SessionEnded):  # then go on as a visitor; listeners to auth changes have been told
            await self._driver.drive(self._account.freshen())
        address = self._account.url.replace("http", "ws", 1)
        socket = await self._driver.transport.socket(f"{address}/realtime/v1/websocket?apikey={quote(self._account.key)}&vsn=2.0.0")
        self._out, self._beat_ref = asyncio.Queue(), None
        tasks = [asyncio.create_task(part) for part in (self._read(socket), self._write(socket, self._out), self._beat())]
        try:
            self._opened = True
            self._enter("open")
            for topic in list(self._topics.values()):
                self._join(topic)
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            self._out = None
            self._joins.clear()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await socket.close()
            for topic in list(self._topics.values()):
                topic.dropped()

    async def _read(self, socket: Socket) -> None:
        while True:
            frame = await socket.recv()
            try:
                join_ref, ref, name, event, payload = json.loads(frame) if isinstance(frame, str) else _broadcast_of(frame)
            except (ValueError, IndexError) as exc:
                raise UnreadableAnswer(f"Not a frame of the protocol: {frame[:80]!r}") from exc
            self._dispatch(join_ref, ref, name, event, payload)

    async def _write(self, socket: Socket, frames: asyncio.Queue[str]) -> None:
        while True:
            await socket.send(await frames.get())

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(self.heartbeat)
            if not self._topics:
                return  # closes; not at once when the last topic is left, for the next one often follows
            if self._beat_ref is not None:
                raise ConnectionFailed("The server did not answer a heartbeat")
            self._beat_ref = self._send(None, "phoenix", "heartbeat", {})
            # A client that only listens makes no request that would renew its token.
            self._chore(self._freshen())

    async def _freshen(self) -> None:
        try:
            await self._driver.drive(self._account.freshen())
        except BaasError as exc:
            log.info("The token could not be renewed: %s", exc)

    def _dispatch(self, join_ref: str | None, ref: str | None, name: str, event: str, payload: dict[str, Any]) -> None:
        if event == "phx_reply" and ref is not None and ref == self._beat_ref:
            self._beat_ref = None
            return
        topic, current = self._topics.get(name), self._joins.get(name)
        if topic is None or current is None or (join_ref is not None and join_ref != current):
            return  # of a topic that was left, or of a join that was replaced
        if event in ("phx_close", "phx_error"):
            topic.dropped()
            self._join_later(topic)
        elif event != "phx_reply":
            topic.received(event, payload)
        elif ref != current:
            if payload.get("status") != "ok":
                log.warning("The server refused an event on %s: %s", name, payload.get("response"))
        elif payload.get("status") == "ok":
            self._attempts = 0
            topic.joined(payload.get("response") or {})
        else:
            self._refused(topic, payload.get("response") or {})

    def _refused(self, topic: Topic, response: dict[str, Any]) -> None:
        reason = str(response.get("reason") or "The server refused the join")
        code, _, words = reason.partition(":")
        if code in _PASSING or (code in _BAD_TOKEN and self._account.session is not None and self._attempts < 2):
            self._join_later(topic, renew=code in _BAD_TOKEN)
            return
        del self._topics[topic.name], self._joins[topic.name]
        coded = bool(words.strip()) and " " not in code  # "Unauthorized: You do not have permissions …"
        message, told = (words.strip(), code) if coded else (reason, "")
        topic.failed(Refused(message, code=str(response.get("code") or told), hint=response.get("hint"), status=400))

    def _join_later(self, topic: Topic, renew: bool = False) -> None:
        """Join again on this connection after a pause; until then the server does not know the topic."""
        del self._joins[topic.name]
        connection = self._out

        async def join() -> None:
            await asyncio.sleep(self._backoff())
            try:
                await self._driver.drive(self._account.refresh() if renew else self._account.freshen())
            except BaasError as exc:
                log.info("The token could not be renewed before joining again: %s", exc)
            # Meanwhile it may have been left, or joined by a new connection or for a new caller.
            if self._topics.get(topic.name) is topic and topic.name not in self._joins and self._out is connection:
                self._join(topic)

        self._chore(join())

    def _join(self, topic: Topic) -> None:
        ref = str(next(self._refs))
        self._joins[topic.name] = ref
        self._send(ref, topic.name, "phx_join", {"config": topic.config(), "access_token": self._account.token}, ref)

    def _send(self, join_ref: str | None, name: str, event: str, payload: dict[str, Any], ref: str | None = None) -> str | None:
        if self._out is None:
            return None
        ref = ref or str(next(self._refs))
        self._out.put_nowait(json.dumps([join_ref, ref, name, event, payload], separators=(",", ":")))
        return ref

    def _auth_changed(self, event: AuthEvent, session: Session | None) -> None:
        for name, topic in list(self._topics.items()):
            if event == "refreshed" and name in self._joins:
                self._send(self._joins[name], name, "access_token", {"access_token": self._account.token})
            elif event in ("signed_in", "signed_out"):
                # Another caller sees other rows: nothing of the former one's may stay.
                topic.other_caller()
                self.rejoin(topic)

    def _backoff(self) -> float:
        pause = min(FIRST_PAUSE * 2**self._attempts, LONGEST_PAUSE) * (0.5 + self._account.chance() / 2)
        self._attempts = min(self._attempts + 1, 10)
        return float(pause)

    async def _pause(self, seconds: float) -> None:
        self._hurry.clear()
        hurried = asyncio.ensure_future(self._hurry.wait())
        try:
            await asyncio.wait({hurried}, timeout=seconds)
        finally:
            hurried.cancel()

    def _chore(self, work: Any) -> None:
        task: asyncio.Task[None] = asyncio.create_task(work)
        self._chores.add(task)
        task.add_done_callback(self._chores.discard)

    def _enter(self, state: ConnectionState) -> None:
        if state != self.state:
            self.state = state
            for listener in list(self._listeners):
                try:
                    listener(state)
                except Exception:  # a listener's fault must not cost the connection
                    log.exception("A listener to the connection's state failed on %r", state)


def _broadcast_of(frame: bytes) -> tuple[None, None, str, str, dict[str, Any]]:
    """A binary broadcast: kind 4, lengths of topic, event and meta, encoding (1 = JSON), then those and the payload."""
    if frame[0] != 4:
        raise ValueError("unknown kind of binary frame")
    topic_end = 5 + frame[1]
    event_end = topic_end + frame[2]
    meta_end = event_end + frame[3]
    payload = json.loads(frame[meta_end:]) if frame[4] == 1 else frame[meta_end:]
    event = frame[topic_end:event_end].decode()
    return None, None, frame[5:topic_end].decode(), "broadcast", {"type": "broadcast", "event": event, "payload": payload}
