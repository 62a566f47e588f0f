"""`ctx.client`: the SDK on a transport that sends every request through the pipe to the server (runs in the worker)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from baaskit_client import AsyncClient, Client, ConnectionFailed, Response

from baaskit.functions.frames import Answer
from baaskit.functions.pipe import Pipe

Progress = Callable[[int, int], None]


def connect(pipe: Pipe, base_url: str, identity: str, *, is_async: bool) -> Any:
    """A client whose requests the server performs as `identity`: "caller" or "admin". It needs no key: the server adds it."""
    if is_async:
        return AsyncClient(base_url, "pipe", transport=PipeTransport(pipe, identity))
    return Client(base_url, "pipe", transport=SyncPipeTransport(pipe, identity))


class PipeTransport:
    """The SDK's `Transport` for async functions."""

    def __init__(self, pipe: Pipe, identity: str) -> None:
        self._pipe, self._identity = pipe, identity

    async def request(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None = None) -> Response:
        return _response(await self._pipe.ask_async(self._identity, method, url, dict(headers), body or b""))

    async def upload(self, method: str, url: str, headers: Mapping[str, str], source: Any, on_progress: Progress | None = None) -> Response:
        body = _bytes_of(source)
        response = await self.request(method, url, headers, body)
        if on_progress:
            on_progress(len(body), len(body))
        return response

    async def socket(self, url: str) -> Any:
        raise ConnectionFailed("a function's client has no live connection: a call is short, its reads are always fresh")

    async def close(self) -> None:
        """Nothing to close: the pipe belongs to the worker."""


class SyncPipeTransport:
    """The SDK's `SyncTransport` for plain functions."""

    def __init__(self, pipe: Pipe, identity: str) -> None:
        self._pipe, self._identity = pipe, identity

    def request(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None = None) -> Response:
        return _response(self._pipe.ask(self._identity, method, url, dict(headers), body or b""))

    def upload(self, method: str, url: str, headers: Mapping[str, str], source: Any, on_progress: Progress | None = None) -> Response:
        body = _bytes_of(source)
        response = self.request(method, url, headers, body)
        if on_progress:
            on_progress(len(body), len(body))
        return response

    def close(self) -> None:
        """Nothing to close: the pipe belongs to the worker."""


def _response(answer: Answer) -> Response:
    if answer.status == 0:
        raise ConnectionFailed(answer.body.decode("utf-8", "replace"))
    return Response(answer.status, {name.lower(): value for name, value in answer.headers.items()}, answer.body)


def _bytes_of(source: Any) -> bytes:
    if isinstance(source, (bytes, bytearray, memoryview)):
        return bytes(source)
    if isinstance(source, (str, Path)):
        return Path(source).read_bytes()
    content: bytes = source.read()
    return content
