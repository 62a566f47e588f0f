"""Performs the requests of a function's client against the app in this process, as the caller or as the service role."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from contextvars import ContextVar
from typing import Any
from urllib.parse import unquote, urlsplit

import orjson

from baaskit.functions.frames import Answer, Ask

ASGIApp = Callable[[MutableMapping[str, Any], Callable[[], Awaitable[Any]], Callable[[Any], Awaitable[None]]], Awaitable[None]]

depth: ContextVar[int] = ContextVar("baaskit_function_depth", default=0)
"""How many functions stand above the code that runs now: 0 for a request from outside, 1 inside a function's request, …"""

_OURS = frozenset({"authorization", "apikey", "host", "content-length", "transfer-encoding", "connection", "cookie", "accept-encoding"})


async def perform(app: ASGIApp, ask: Ask, *, base_url: str, token: str, api_key: str, level: int, max_bytes: int) -> Answer:
    """The app's answer to `ask`. The function's own credentials headers are replaced; an error of the app becomes a 500."""
    if not ask.url.startswith(base_url + "/"):
        return _not_performed(ask, f"a function's client reaches only {base_url}; use an HTTP library for other addresses")
    url = urlsplit(ask.url)
    headers = [
        (name.lower().encode("latin-1"), str(value).encode("latin-1")) for name, value in ask.headers.items() if name.lower() not in _OURS
    ]
    headers += [(b"host", url.netloc.encode()), (b"authorization", f"Bearer {token}".encode()), (b"apikey", api_key.encode())]
    headers.append((b"content-length", str(len(ask.body)).encode()))
    prefix = urlsplit(base_url).path
    path = url.path.removeprefix(prefix)
    scope: dict[str, Any] = {
        "type": "http", "asgi": {"version": "3.0", "spec_version": "2.4"}, "http_version": "1.1", "method": ask.method.upper(),
        "scheme": url.scheme, "path": unquote(path), "raw_path": path.encode(), "query_string": url.query.encode(), "root_path": "",
        "headers": headers, "client": ("127.0.0.1", 0), "server": (url.hostname or "localhost", url.port or 80), "state": {},
    }  # fmt: skip
    exchange = _Exchange(ask.body, max_bytes)
    mark = depth.set(level)
    try:
        await app(scope, exchange.receive, exchange.send)
    except _TooLarge:
        return _not_performed(ask, f"the answer is larger than {max_bytes} bytes")
    except Exception:  # the app's own error handler has reported it
        if exchange.status == 0:
            return Answer(
                ask.number, 500, {"content-type": "application/json"}, orjson.dumps({"code": "XX000", "message": "internal error"})
            )
    finally:
        depth.reset(mark)
        exchange.ended.set()
    return Answer(ask.number, exchange.status, exchange.headers, b"".join(exchange.parts))


def forbidden(ask: Ask, why: str) -> Answer:
    """A refusal in the data API's shape."""
    body = {"code": "42501", "message": why, "details": None, "hint": None}
    return Answer(ask.number, 403, {"content-type": "application/json"}, orjson.dumps(body))


def _not_performed(ask: Ask, why: str) -> Answer:
    return Answer(ask.number, 0, {}, why.encode())


class _TooLarge(Exception):
    pass


class _Exchange:
    """One request and its response, as ASGI messages."""

    def __init__(self, body: bytes, max_bytes: int) -> None:
        self._body: bytes | None = body
        self._room = max_bytes
        self.status = 0
        self.headers: dict[str, str] = {}
        self.parts: list[bytes] = []
        self.ended = asyncio.Event()

    async def receive(self) -> dict[str, Any]:
        if self._body is not None:
            body, self._body = self._body, None
            return {"type": "http.request", "body": body, "more_body": False}
        await self.ended.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in message.get("headers", ())}
        elif message["type"] == "http.response.body":
            body = message.get("body", b"")
            self._room -= len(body)
            if self._room < 0:
                raise _TooLarge
            self.parts.append(body)
