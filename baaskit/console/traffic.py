"""What this process has served in the last hour, by minute and surface; and the gate that keeps viewers from writing."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

import orjson

from baaskit.errors import BaasError
from baaskit.errors.console import NotPermitted
from baaskit.kernel.kit import Kit

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

MINUTES = 60
SURFACES = {"rest": "data", "auth": "auth", "storage": "storage", "functions": "functions", "realtime": "realtime"}


@dataclass(slots=True)
class Minute:
    """`number` counts minutes since 1970. `refused` are answers 400-499, `failed` 500 and above."""

    number: int
    refused: int = 0
    failed: int = 0
    served: dict[str, int] = field(default_factory=lambda: dict.fromkeys(SURFACES.values(), 0))


class Traffic:
    """Counts of the last `MINUTES` minutes and in all; of this process, since its start."""

    def __init__(self) -> None:
        self.started = time.time()
        self.total = 0
        self._minutes: deque[Minute] = deque(maxlen=MINUTES)

    def count(self, surface: str, status: int, now: float) -> None:
        number = int(now) // 60
        if not self._minutes or self._minutes[-1].number != number:
            self._minutes.append(Minute(number))
        minute = self._minutes[-1]
        minute.served[surface] += 1
        if status >= 500:
            minute.failed += 1
        elif status >= 400:
            minute.refused += 1
        self.total += 1

    def json(self, now: float) -> dict[str, Any]:
        """`minutes`: oldest first, exactly `MINUTES` of them, quiet ones with zeros."""
        last = int(now) // 60
        known = {minute.number: minute for minute in self._minutes}
        minutes = [known.get(number) or Minute(number) for number in range(last - MINUTES + 1, last + 1)]
        return {
            "uptime_seconds": int(now - self.started),
            "total": self.total,
            "minutes": [{"at": m.number * 60, "served": m.served, "refused": m.refused, "failed": m.failed} for m in minutes],
        }


class Gate:
    """ASGI: stands before every surface, counts its answers, and refuses what a viewer's console token would change.

    The token that the console's page holds opens the data, auth, storage and function APIs as `service_role`;
    a viewer's is the same, so "may look, not touch" is enforced here, in one place for all of them.
    """

    def __init__(self, app: App, kit: Kit, traffic: Traffic) -> None:
        self._app, self._kit, self._traffic = app, kit, traffic

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            return await self._app(scope, receive, send)
        surface = SURFACES.get(scope["path"].removeprefix("/").partition("/")[0])  # the path of `OPTIONS *` has no slash
        if scope["type"] == "websocket":
            if surface is not None:
                self._traffic.count(surface, 101, time.time())
            return await self._app(scope, receive, send)
        # A function may change anything, whatever the method.
        if (scope["method"] not in ("GET", "HEAD", "OPTIONS") or surface == "functions") and self._is_viewer(scope):
            return await self._refuse(surface, send)
        if surface is None:
            return await self._app(scope, receive, send)

        async def counted(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                self._traffic.count(surface, message["status"], time.time())
            await send(message)

        await self._app(scope, receive, counted)

    def _is_viewer(self, scope: Scope) -> bool:
        """Any token of the request counts, wherever a surface would look for it. A bad one is the surface's to refuse."""
        given = [value.decode("latin-1") for name, value in scope["headers"] if name == b"authorization" or name == b"apikey"]
        if b"apikey=" in scope["query_string"] or b"%" in scope["query_string"]:  # some surfaces take the key from there, too
            given += [value for name, value in parse_qsl(scope["query_string"].decode("latin-1")) if name == "apikey"]
        for token in given:
            token = token.strip()
            token = token[7:].strip() if token[:7].lower() == "bearer " else token
            try:
                if self._kit.keys.verifier.verify(token, time.time()).is_viewer:
                    return True
            except BaasError:
                continue
        return False

    async def _refuse(self, surface: str | None, send: Send) -> None:
        error = NotPermitted()
        body = orjson.dumps(error.rest())
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        if surface is not None:
            self._traffic.count(surface, error.status, time.time())
        await send({"type": "http.response.start", "status": error.status, "headers": headers})
        await send({"type": "http.response.body", "body": body})
