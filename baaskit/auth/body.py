"""A limit on request bodies that holds before anything is parsed: no request of this surface is large."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message

from baaskit.errors import BodyTooLarge

MOST_BYTES = 262_144

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class SmallBodyRoute(APIRoute):
    """A route that reads at most `MOST_BYTES` of a body. Raises BodyTooLarge."""

    def get_route_handler(self) -> Handler:
        inner = super().get_route_handler()

        async def handle(request: Request) -> Response:
            body = await _read(request)

            async def replay() -> Message:
                return {"type": "http.request", "body": body, "more_body": False}

            return await inner(Request(request.scope, replay))

        return handle


async def _read(request: Request) -> bytes:
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > MOST_BYTES:
            raise BodyTooLarge(f"The request body is larger than {MOST_BYTES} bytes.")
        parts.append(part)
    return b"".join(parts)
