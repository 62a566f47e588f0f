"""ASGI's types, a plain answer, and CORS: what stands between the socket and every surface."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]
Header = tuple[bytes, bytes]

_METHODS = b"GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"
_REQUEST_HEADERS = (
    b"authorization, x-client-info, apikey, content-type, prefer, accept, accept-profile, content-profile, range, range-unit, if-none-match, "
    b"if-match, idempotency-key, x-supabase-api-version, x-upsert, x-region, x-retry-count, cache-control, x-metadata, x-signature, "
    b"tus-resumable, tus-extension, tus-version, upload-length, upload-offset, upload-metadata, upload-expires, traceparent, tracestate, baggage"
)
_DECIDED = frozenset({b"access-control-allow-origin", b"access-control-allow-credentials", b"access-control-expose-headers"})
_EXPOSED = (
    b"content-range, content-location, content-disposition, x-total-count, link, location, etag, retry-after, x-supabase-api-version, "
    b"x-sb-error-code, x-baaskit-decision, x-baaskit-cursor, idempotency-replayed, preference-applied, "
    b"upload-offset, upload-length, tus-resumable, tus-version, tus-extension, tus-max-size"
)


async def respond(send: Send, status: int, body: bytes, headers: Iterable[Header] = ()) -> None:
    """Answer with a JSON body."""
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [(b"content-type", b"application/json; charset=utf-8"), (b"content-length", b"%d" % len(body)), *headers],
        }
    )
    await send({"type": "http.response.body", "body": body})


class Cors:
    """ASGI: answers preflights and puts CORS headers on every other answer, errors included.

    No cookie opens the public API, so `*` gives a foreign page nothing that its own server could not get; the console's
    cookie is SameSite=Strict and never sent along, since credentials are not allowed here.
    """

    def __init__(self, app: ASGIApp, origins: Iterable[str]) -> None:
        self._app = app
        self._origins = frozenset(origin.encode() for origin in origins)
        self._any = b"*" in self._origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        origin = wanted_method = wanted_headers = None
        for name, value in scope["headers"]:
            if name == b"origin":
                origin = value
            elif name == b"access-control-request-method":
                wanted_method = value
            elif name == b"access-control-request-headers":
                wanted_headers = value
        allowed = self._allowed(origin)
        if wanted_method is not None and scope["method"] == "OPTIONS":
            return await self._preflight(send, allowed, wanted_headers)
        if not allowed:
            return await self._app(scope, receive, send)

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                # Ours replace those that a function sets: a browser refuses an answer that has two.
                kept = [pair for pair in message.get("headers", ()) if pair[0] not in _DECIDED]
                message["headers"] = [*kept, *allowed, (b"access-control-expose-headers", _EXPOSED)]
            await send(message)

        await self._app(scope, receive, with_headers)

    def _allowed(self, origin: bytes | None) -> list[Header]:
        if self._any:
            return [(b"access-control-allow-origin", b"*")]
        if origin is not None and origin in self._origins:
            return [(b"access-control-allow-origin", origin), (b"vary", b"origin")]
        return []

    async def _preflight(self, send: Send, allowed: list[Header], wanted: bytes | None) -> None:
        headers = [*allowed, (b"content-length", b"0")]
        if allowed:
            names = _REQUEST_HEADERS + (b", " + wanted if wanted and b"\n" not in wanted else b"")
            headers += [
                (b"access-control-allow-methods", _METHODS),
                (b"access-control-allow-headers", names),
                (b"access-control-max-age", b"86400"),
            ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b""})
