"""Channels: messages from client to client, kept nowhere."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from ._errors import ConnectionFailed
from ._realtime import Realtime

MAX_PENDING = 1_000  # messages kept for a slow reader; older ones are let go


@dataclass(frozen=True)
class Message:
    """One message of a channel."""

    event: str
    payload: Any


class Channel:
    """A named channel; made by `client.channel(name)`.

        async with client.channel("room") as room:
            await room.send("hello", {"from": "ann"})
            async for message in room.messages():
                print(message.event, message.payload)

    Messages sent while this client is disconnected are not received later: use a live query for what must not be missed.
    """

    def __init__(self, realtime: Realtime, name: str, *, private: bool = False, echo: bool = False) -> None:
        self.name = f"realtime:{name}"
        self._realtime = realtime
        self._private, self._echo = private, echo
        self._pending: deque[Message] = deque(maxlen=MAX_PENDING)
        self._error: BaseException | None = None
        self._closed = False
        self._open = asyncio.Event()
        self._news = asyncio.Event()

    async def send(self, event: str, payload: Any) -> None:
        """Send a message to the others in the channel (and back to this one with `echo`). Raises `ConnectionFailed`."""
        message = {"type": "broadcast", "event": event, "payload": payload}
        if not self._open.is_set() or not self._realtime.push(self, "broadcast", message):
            raise ConnectionFailed("The channel is not connected")

    async def messages(self) -> AsyncIterator[Message]:
        """The messages of the others, in order of arrival. Ends when the channel is left."""
        while True:
            while self._pending:
                yield self._pending.popleft()
            if self._error:
                raise self._error
            if self._closed:
                return
            self._news.clear()
            await self._news.wait()

    async def __aenter__(self) -> Channel:
        self._realtime.add(self)
        try:
            await self._open.wait()
            if self._error:
                raise self._error
        except BaseException:
            self.close()
            raise
        return self

    async def __aexit__(self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        self._realtime.remove(self)
        self._closed = True
        self._news.set()

    # What `Realtime` calls.

    def config(self) -> dict[str, Any]:
        self._open.clear()
        presence = {"key": "", "enabled": False}
        return {"broadcast": {"ack": False, "self": self._echo}, "presence": presence, "postgres_changes": [], "private": self._private}

    def joined(self, response: dict[str, Any]) -> None:
        self._open.set()

    def received(self, event: str, payload: dict[str, Any]) -> None:
        if event == "broadcast":
            self._pending.append(Message(payload.get("event", ""), payload.get("payload")))
            self._news.set()

    def dropped(self) -> None:
        self._open.clear()

    def other_caller(self) -> None:
        self.dropped()

    def failed(self, error: BaseException) -> None:
        self._error = error
        self._open.set()
        self._news.set()
