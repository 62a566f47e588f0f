"""A transport in memory, for tests of code that uses this library.

A fake server is any callable from request to response:

    def server(request):
        assert request.path == "/rest/v1/pets?select=*"
        return answer(200, [{"id": 1}])

    client = AsyncClient("http://test", "key", FakeTransport(server))
"""

from __future__ import annotations

import asyncio
import inspect
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ._errors import ConnectionFailed
from ._ports import Progress, Response


@dataclass(frozen=True)
class Asked:
    """A request as the server sees it. `path` holds the query."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes | None = None

    @property
    def path(self) -> str:
        return "/" + self.url.split("://", 1)[-1].partition("/")[2]

    @property
    def json(self) -> Any:
        return json.loads(self.body or b"null")

    @property
    def token(self) -> str:
        return self.headers.get("authorization", "").removeprefix("Bearer ")


def answer(status: int, body: Any = None, **headers: str) -> Response:
    """A JSON answer; `content_range="0-1/2"` becomes the header `content-range`."""
    named = {"content-type": "application/json", **{name.replace("_", "-"): value for name, value in headers.items()}}
    return Response(status, named, b"" if body is None else json.dumps(body).encode())


class FakeSocket:
    """One end of a WebSocket in memory: the client calls `send`, `recv`, `close`; the test `sent`, `push`, `drop`."""

    def __init__(self, url: str = "") -> None:
        self.url = url
        self.closed = False
        self._to_server: asyncio.Queue[str] = asyncio.Queue()
        self._to_client: asyncio.Queue[str | None] = asyncio.Queue()

    async def send(self, text: str) -> None:
        if self.closed:
            raise ConnectionFailed("The socket is closed")
        self._to_server.put_nowait(text)

    async def recv(self) -> str:
        text = await self._to_client.get()
        if text is None:
            raise ConnectionFailed("The socket is closed")
        return text

    async def close(self) -> None:
        self.drop()

    async def sent(self) -> Any:
        """Wait for the client's next frame, decoded."""
        return json.loads(await self._to_server.get())

    def push(self, frame: Any) -> None:
        """Send the client a frame."""
        self._to_client.put_nowait(json.dumps(frame))

    def drop(self) -> None:
        """Cut the connection."""
        self.closed = True
        self._to_client.put_nowait(None)


@dataclass
class FakeTransport:
    """Hands each request to `server` (plain or async) and keeps it in `asked`; new sockets come out of `sockets`."""

    server: Callable[[Asked], Response | Awaitable[Response]] = lambda asked: Response(404)
    asked: list[Asked] = field(default_factory=list)
    sockets: asyncio.Queue[FakeSocket] = field(default_factory=asyncio.Queue)
    offline: bool = False

    async def request(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None = None) -> Response:
        if self.offline:
            raise ConnectionFailed("The network is away")
        self.asked.append(asked := Asked(method, url, dict(headers), body))
        response = self.server(asked)
        return await response if inspect.isawaitable(response) else response

    async def upload(self, method: str, url: str, headers: Mapping[str, str], source: Any, on_progress: Progress | None = None) -> Response:
        if on_progress:
            on_progress(len(source), len(source))
        return await self.request(method, url, headers, bytes(source))

    async def socket(self, url: str) -> FakeSocket:
        if self.offline:
            raise ConnectionFailed("The network is away")
        socket = FakeSocket(url)
        self.sockets.put_nowait(socket)
        return socket

    async def close(self) -> None:
        pass


@dataclass
class SyncFakeTransport:
    """As `FakeTransport`, for `Client`."""

    server: Callable[[Asked], Response]
    asked: list[Asked] = field(default_factory=list)

    def request(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None = None) -> Response:
        self.asked.append(asked := Asked(method, url, dict(headers), body))
        return self.server(asked)

    def upload(self, method: str, url: str, headers: Mapping[str, str], source: Any, on_progress: Progress | None = None) -> Response:
        if on_progress:
            on_progress(len(source), len(source))
        return self.request(method, url, headers, bytes(source))

    def close(self) -> None:
        pass
