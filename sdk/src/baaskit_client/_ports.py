"""What the client needs from the outside: HTTP, a WebSocket, and a place to keep the session.

Each is a small protocol. `_cpython` and `_browser` implement them; `testing` has in-memory ones; a host with its own
way out (a function's pipe to its server, say) brings its own.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

Progress = Callable[[int, int], None]
"""Called with (bytes sent, bytes in all) while an upload runs."""


@dataclass(frozen=True)
class Response:
    """One HTTP answer. Header names are lower case; `body` is decoded from any content-encoding."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


class Socket(Protocol):
    """An open WebSocket."""

    async def send(self, text: str) -> None:
        """Send one text frame. Raises `ConnectionFailed` when the socket is gone."""

    async def recv(self) -> str | bytes:
        """Wait for the next text or binary frame. Raises `ConnectionFailed` when the socket closes."""
        ...

    async def close(self) -> None:
        """Close it. Never raises; closing twice is allowed."""


class Transport(Protocol):
    """How `AsyncClient` reaches the server.

    A transport never retries, never follows an error status and raises `ConnectionFailed` (or `TimedOut`) when there is
    no answer at all. Cancelling the awaiting task must abort the exchange.
    """

    async def request(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None = None) -> Response: ...

    async def upload(self, method: str, url: str, headers: Mapping[str, str], source: Any, on_progress: Progress | None = None) -> Response:
        """Send a body that may be large. `source`: bytes, a path, a binary file, or what the host has (a browser `File`)."""
        ...

    async def socket(self, url: str) -> Socket:
        """Open a WebSocket at a `ws:` or `wss:` URL. Raises `Refused` when the server says no and the host can tell."""
        ...

    async def close(self) -> None: ...


class SyncTransport(Protocol):
    """How `Client` reaches the server; as `Transport`, without waiting and without a socket."""

    def request(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None = None) -> Response: ...

    def upload(self, method: str, url: str, headers: Mapping[str, str], source: Any, on_progress: Progress | None = None) -> Response: ...

    def close(self) -> None: ...


class SessionStore(Protocol):
    """Where the signed-in session is kept between runs: one string of JSON, or nothing.

    The methods may be plain or async; `AsyncClient` awaits what is awaitable, `Client` needs plain ones.
    """

    def load(self) -> str | Awaitable[str | None] | None: ...

    def save(self, session: str) -> Awaitable[None] | None: ...

    def clear(self) -> Awaitable[None] | None: ...
