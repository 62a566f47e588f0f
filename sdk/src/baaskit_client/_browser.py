"""fetch, XMLHttpRequest, WebSocket and IndexedDB: the host is Pyodide, in a page or a worker."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import js
from pyodide.ffi import JsException, JsProxy, create_proxy, to_js

from ._account import log
from ._errors import ConnectionFailed, TimedOut
from ._ports import Progress, Response


@contextmanager
def _proxies(**handlers: Any) -> Iterator[dict[str, Any]]:
    """JavaScript handles on Python functions; each must be destroyed, or what it refers to stays for ever."""
    made = {name: create_proxy(handler) for name, handler in handlers.items()}
    try:
        yield made
    finally:
        for proxy in made.values():
            proxy.destroy()


def _object(values: Mapping[str, Any]) -> Any:
    return to_js(dict(values), dict_converter=js.Object.fromEntries)


class BrowserTransport:
    """The transport of `AsyncClient` in the browser. `timeout`: seconds until an answer must begin or a socket be open."""

    def __init__(self, *, timeout: float = 60.0) -> None:
        self._timeout = timeout

    async def request(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None = None) -> Response:
        abort = js.AbortController.new()
        options = {"method": method, "headers": _object(_allowed(headers)), "signal": abort.signal}
        if body is not None:
            options["body"] = to_js(body)
        late = asyncio.get_running_loop().call_later(self._timeout, abort.abort)
        try:
            answer = await js.fetch(url, _object(options))
            late.cancel()
            content = (await answer.arrayBuffer()).to_bytes()
        except asyncio.CancelledError:
            abort.abort()
            raise
        except JsException as exc:
            if abort.signal.aborted:
                raise TimedOut("The server did not answer in time") from exc
            raise ConnectionFailed(str(exc)) from exc
        finally:
            late.cancel()
        return Response(answer.status, {str(pair[0]).lower(): str(pair[1]) for pair in answer.headers}, content)

    async def upload(self, method: str, url: str, headers: Mapping[str, str], source: Any, on_progress: Progress | None = None) -> Response:
        # fetch neither tells progress nor takes a stream over HTTP/1.1; XMLHttpRequest reads a File by itself.
        xhr = js.XMLHttpRequest.new()
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def settled(event: Any) -> None:
            if not done.done():
                done.set_result(None)

        def broken(event: Any) -> None:
            if not done.done():
                done.set_exception(ConnectionFailed(f"The upload broke ({event.type})"))

        def moved(event: Any) -> None:
            if on_progress:
                on_progress(int(event.loaded), int(event.total))

        with _proxies(load=settled, error=broken, abort=broken, timeout=broken) as handlers, _proxies(progress=moved) as reports:
            for name, handler in handlers.items():
                xhr.addEventListener(name, handler)
            if on_progress:
                xhr.upload.addEventListener("progress", reports["progress"])
            xhr.open(method, url)
            xhr.responseType = "arraybuffer"
            for name, value in _allowed(headers).items():
                xhr.setRequestHeader(name, value)
            xhr.send(_sendable(source))
            try:
                await done
            except asyncio.CancelledError:
                xhr.abort()
                raise
            finally:
                for name, handler in handlers.items():
                    xhr.removeEventListener(name, handler)
                xhr.upload.removeEventListener("progress", reports["progress"])
        lines = str(xhr.getAllResponseHeaders() or "").split("\r\n")
        pairs = (line.partition(":") for line in lines if ":" in line)
        content = js.Uint8Array.new(xhr.response).to_bytes()
        return Response(xhr.status, {name.strip().lower(): value.strip() for name, _, value in pairs}, content)

    async def socket(self, url: str) -> BrowserSocket:
        socket = BrowserSocket(js.WebSocket.new(url))
        try:
            await asyncio.wait_for(socket.opened, self._timeout)
        except asyncio.TimeoutError as exc:  # noqa: UP041  (not the built-in one before 3.11)
            await socket.close()
            raise TimedOut("The socket was not open in time") from exc
        except BaseException:
            await socket.close()
            raise
        return socket

    async def close(self) -> None:
        """Nothing stays open."""


class BrowserSocket:
    """One WebSocket of the browser."""

    def __init__(self, socket: Any) -> None:
        self._socket = socket
        socket.binaryType = "arraybuffer"
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._frames: asyncio.Queue[str | bytes | None] = asyncio.Queue()
        self._handlers = {
            name: create_proxy(handler)
            for name, handler in {"open": self._on_open, "message": self._on_message, "close": self._on_close}.items()
        }
        for name, handler in self._handlers.items():
            socket.addEventListener(name, handler)

    async def send(self, text: str) -> None:
        if self._socket.readyState != 1:  # OPEN; a closed socket would swallow the frame silently
            raise ConnectionFailed("The socket is closed")
        self._socket.send(text)

    async def recv(self) -> str | bytes:
        frame = await self._frames.get()
        if frame is None:
            self._frames.put_nowait(None)
            raise ConnectionFailed("The socket is closed")
        return frame

    async def close(self) -> None:
        self._release()
        self._socket.close()
        self._frames.put_nowait(None)

    def _on_open(self, event: Any) -> None:
        if not self.opened.done():
            self.opened.set_result(None)

    def _on_message(self, event: Any) -> None:
        data = event.data
        self._frames.put_nowait(data.to_bytes() if isinstance(data, JsProxy) else data)

    def _on_close(self, event: Any) -> None:
        if not self.opened.done():
            self.opened.set_exception(ConnectionFailed(f"The socket could not be opened ({event.code})"))
        self._frames.put_nowait(None)

    def _release(self) -> None:
        handlers, self._handlers = self._handlers, {}
        for name, handler in handlers.items():
            self._socket.removeEventListener(name, handler)
            handler.destroy()


class IndexedDBStore:
    """Keeps the session in IndexedDB, which pages and workers of one site share. `name`: one per project on a site."""

    def __init__(self, name: str = "baaskit") -> None:
        self._name = name

    async def load(self) -> str | None:
        try:
            found = await self._with("readonly", lambda store: store.get("session"))
        except OSError as exc:  # some browsers refuse storage to private windows; the visitor then signs in anew
            log.warning("The session cannot be restored: %s", exc)
            return None
        return found if isinstance(found, str) else None

    async def save(self, session: str) -> None:
        await self._write(lambda store: store.put(session, "session"))

    async def clear(self) -> None:
        await self._write(lambda store: store.delete("session"))

    async def _write(self, ask: Any) -> None:
        try:
            await self._with("readwrite", ask)
        except OSError as exc:
            log.warning("The session cannot be kept: %s", exc)

    async def _with(self, mode: str, ask: Any) -> Any:
        opening = js.indexedDB.open(self._name, 1)

        def create(event: Any) -> None:
            opening.result.createObjectStore("kept")

        with _proxies(upgrade=create) as handlers:
            opening.onupgradeneeded = handlers["upgrade"]
            database = await _result(opening)
            opening.onupgradeneeded = None
        try:
            return await _result(ask(database.transaction("kept", mode).objectStore("kept")))
        finally:
            database.close()


async def _result(request: Any) -> Any:
    """The result of an IndexedDB request."""
    done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    def succeeded(event: Any) -> None:
        if not done.done():
            done.set_result(request.result)

    def failed(event: Any) -> None:
        if not done.done():
            done.set_exception(OSError(f"IndexedDB: {request.error}"))

    with _proxies(success=succeeded, error=failed) as handlers:
        request.onsuccess, request.onerror = handlers["success"], handlers["error"]
        try:
            return await done
        finally:
            request.onsuccess = request.onerror = None


def _allowed(headers: Mapping[str, str]) -> dict[str, str]:
    """Without the headers that a browser sets itself and warns about."""
    return {name: value for name, value in headers.items() if name not in ("content-length", "user-agent")}


def _sendable(source: Any) -> Any:
    """A File or Blob goes as it is and never enters Python's memory; bytes go as a typed array."""
    return to_js(bytes(source)) if isinstance(source, (bytes, bytearray, memoryview)) else source
