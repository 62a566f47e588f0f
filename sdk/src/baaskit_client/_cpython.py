"""HTTP through httpx2 and WebSockets through websockets: the host is CPython."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from ssl import SSLContext
from typing import Any

import httpx2
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus, WebSocketException

from ._errors import ConnectionFailed, TimedOut, error_of
from ._ports import Progress, Response

TIMEOUT = httpx2.Timeout(60.0, connect=10.0)  # seconds
CHUNK = 64 * 1024  # bytes between two reports of progress
MAX_FRAME = 16 * 1024 * 1024  # bytes; a snapshot of a live query is one frame


@contextmanager
def _translated() -> Iterator[None]:
    """Turn what the libraries raise into this library's errors, in one place."""
    try:
        yield
    except httpx2.TimeoutException as exc:
        raise TimedOut(str(exc) or "The server did not answer in time") from exc
    except TimeoutError as exc:
        raise TimedOut("The server did not answer in time") from exc
    except (httpx2.HTTPError, WebSocketException, OSError) as exc:
        raise ConnectionFailed(str(exc) or type(exc).__name__) from exc


def _response(answer: httpx2.Response) -> Response:
    return Response(answer.status_code, {k.lower(): v for k, v in answer.headers.items()}, answer.content)


class HttpTransport:
    """The transport of `AsyncClient`. `tls`: a context for private certificates; `timeout` in seconds, of each wait."""

    def __init__(self, *, timeout: httpx2.Timeout | float = TIMEOUT, tls: SSLContext | None = None) -> None:
        self._http = httpx2.AsyncClient(timeout=timeout, verify=tls or True)
        self._tls = tls

    async def request(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None = None) -> Response:
        with _translated():
            return _response(await self._http.request(method, url, headers=dict(headers), content=body))

    async def upload(self, method: str, url: str, headers: Mapping[str, str], source: Any, on_progress: Progress | None = None) -> Response:
        with _opened(source) as (total, chunks), _translated():
            sized = {**headers, "content-length": str(total)}
            return _response(await self._http.request(method, url, headers=sized, content=_async(_reported(total, chunks, on_progress))))

    async def socket(self, url: str) -> WebSocket:
        tls = (self._tls or True) if url.startswith("wss:") else None
        with _translated():
            try:
                connection = await connect(url, max_size=MAX_FRAME, open_timeout=10, ping_interval=None, close_timeout=2, ssl=tls)
            except InvalidStatus as exc:
                answer = exc.response
                headers = {name.lower(): value for name, value in answer.headers.raw_items()}
                raise error_of(Response(answer.status_code, headers, answer.body or b""), time.time()) from exc
        return WebSocket(connection)

    async def close(self) -> None:
        await self._http.aclose()


class SyncHttpTransport:
    """The transport of `Client`; see `HttpTransport`."""

    def __init__(self, *, timeout: httpx2.Timeout | float = TIMEOUT, tls: SSLContext | None = None) -> None:
        self._http = httpx2.Client(timeout=timeout, verify=tls or True)

    def request(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None = None) -> Response:
        with _translated():
            return _response(self._http.request(method, url, headers=dict(headers), content=body))

    def upload(self, method: str, url: str, headers: Mapping[str, str], source: Any, on_progress: Progress | None = None) -> Response:
        with _opened(source) as (total, chunks), _translated():
            sized = {**headers, "content-length": str(total)}
            return _response(self._http.request(method, url, headers=sized, content=_reported(total, chunks, on_progress)))

    def close(self) -> None:
        self._http.close()


class WebSocket:
    """One WebSocket of the `websockets` library."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection

    async def send(self, text: str) -> None:
        with _translated():
            await self._connection.send(text)

    async def recv(self) -> str | bytes:
        with _translated():
            return await self._connection.recv()

    async def close(self) -> None:
        await self._connection.close()


@contextmanager
def _opened(source: Any) -> Iterator[tuple[int, Callable[[], bytes]]]:
    """The size of a source in bytes, and a function that reads its next chunk (empty at the end)."""
    if isinstance(source, (bytes, bytearray, memoryview)):
        view = memoryview(source).cast("B")
        parts = (bytes(view[at : at + CHUNK]) for at in range(0, len(view), CHUNK))
        yield len(view), lambda: next(parts, b"")
        return
    if isinstance(source, (str, os.PathLike)):
        with Path(source).open("rb") as file:
            yield os.fstat(file.fileno()).st_size, lambda: file.read(CHUNK)
        return
    start = source.tell()
    total = source.seek(0, os.SEEK_END) - start
    source.seek(start)
    try:
        yield total, lambda: source.read(CHUNK)
    finally:
        source.seek(start)  # the upload may be made again, with a renewed token


def _reported(total: int, read: Callable[[], bytes], on_progress: Progress | None) -> Iterator[bytes]:
    sent = 0
    while chunk := read():
        yield chunk
        sent += len(chunk)
        if on_progress:
            on_progress(sent, total)
    if on_progress and total == 0:
        on_progress(0, 0)


async def _async(chunks: Iterator[bytes]) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk
