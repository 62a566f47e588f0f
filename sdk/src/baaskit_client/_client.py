"""The two clients: the same operations, awaited or not."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Callable, Iterator
from types import TracebackType
from typing import Any, TypeVar

from ._account import Account, AuthEvent, Session
from ._auth import Auth
from ._batch import Batch
from ._calls import Request
from ._channel import Channel
from ._flow import AsyncDriver, D, Driven, Flow, SyncDriver, operation
from ._functions import function
from ._live import LiveQuery
from ._ports import SessionStore, SyncTransport, Transport
from ._query import Select, Write
from ._realtime import Realtime
from ._rpc import RpcCall, rpc
from ._storage import Bucket
from ._stores import MemoryStore

R = TypeVar("R")
T = TypeVar("T")
IN_BROWSER = sys.platform == "emscripten"


class _Operations(Driven[D]):
    """What both clients can do."""

    def __init__(self, driver: D, account: Account) -> None:
        super().__init__(driver)
        self._account = account
        self.auth: Auth[D] = Auth(driver, account)

    @property
    def url(self) -> str:
        return self._account.url

    @operation
    def run(self, request: Request[T]) -> Flow[T]:
        """Carry out a request value and give its result. Raises `Refused` or `ConnectionFailed`."""
        response = yield from self._account.send(request.call())
        return request.read(response)

    @operation
    def batch(self, requests: list[Select[Any, Any] | Write[Any, Any] | RpcCall[Any, Any]], *, once: str | None = None) -> Flow[list[Any]]:
        """Carry out several requests in one transaction: all succeed, or nothing is changed and the first error is raised.

        `once`: an idempotency key, as in `Write.once`.
        """
        batch = Batch(tuple(requests), once)
        return batch.read((yield from self._account.send(batch.call())))

    @operation
    def call(self, name: str, /, **arguments: Any) -> Flow[Any]:
        """Call the server function `name`. The result is parsed JSON, text, or bytes, as its answer's type says."""
        request = function(name, **arguments)
        return request.read((yield from self._account.send(request.call())))

    @operation
    def rpc(self, name: str, /, **arguments: Any) -> Flow[Any]:
        """Call the function `name` through the data API. The result is what it returns; `run(rpc(name, …).where(…))` filters it."""
        request = rpc(name, **arguments)
        return request.read((yield from self._account.send(request.call())))

    def storage(self, bucket: str) -> Bucket[D]:
        """The files of a bucket."""
        return Bucket(self._driver, self._account, bucket)

    def on_auth_change(self, listener: Callable[[AuthEvent, Session | None], None]) -> Callable[[], None]:
        """The same as `auth.on_change`."""
        return self.auth.on_change(listener)


class AsyncClient(_Operations[AsyncDriver]):
    """A client for asyncio, on CPython and in the browser.

        async with AsyncClient("http://127.0.0.1:54321", anon_key) as client:
            await client.auth.sign_in("ann@example.com", "correct horse")
            pets = await client.run(table("pets").where(eq("status", "available")).limit(20))

    `transport` and `store` default to what the host has: httpx2 and memory on CPython, fetch and IndexedDB in the browser.
    """

    def __init__(self, url: str, key: str, transport: Transport | None = None, store: SessionStore | None = None) -> None:
        driver = AsyncDriver(transport or _default_transport(), store or _default_store())
        super().__init__(driver, Account(url.rstrip("/"), key))
        self._owns_transport = transport is None
        self.realtime = Realtime(driver, self._account)

    def live(self, query: Select[R, T], *, checkpoint: dict[str, Any] | None = None) -> LiveQuery[R]:
        """A live query: `async with client.live(table("pets")) as pets:`; see `LiveQuery`."""
        return LiveQuery(self.realtime, query, checkpoint)

    async def each(self, query: Select[R, list[R]], *, page: int = 500) -> AsyncIterator[R]:
        """All rows of a query, asked for in pages: `async for pet in client.each(table("pets").order("price"))`. See `Select.after`."""
        cursor: str | None = ""
        while cursor is not None:
            rows = await self.run(query.limit(page).after(cursor))
            for row in rows:
                yield row
            cursor = rows.next

    def channel(self, name: str, *, private: bool = False, echo: bool = False) -> Channel:
        """A channel for messages between clients; `echo`: also receive one's own. See `Channel`."""
        return Channel(self.realtime, name, private=private, echo=echo)

    def as_user(self, token: str) -> AsyncClient:
        """A client that acts with this access token and shares this one's connections; it neither refreshes nor stores."""
        other = AsyncClient(self.url, self._account.key, self._driver.transport, MemoryStore())
        other._account.fixed_token = token
        return other

    async def close(self) -> None:
        """Close what this client opened. A transport that was passed in stays open."""
        await self.realtime.close()
        if self._owns_transport:
            await self._driver.transport.close()

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()


class Client(_Operations[SyncDriver]):
    """A client without asyncio, for scripts, notebooks and threads; not for the browser.

    with Client("http://127.0.0.1:54321", anon_key) as client:
        pets = client.run(table("pets").where(eq("status", "available")).limit(20))
    """

    def __init__(self, url: str, key: str, transport: SyncTransport | None = None, store: SessionStore | None = None) -> None:
        driver = SyncDriver(transport or _default_sync_transport(), store or MemoryStore())
        super().__init__(driver, Account(url.rstrip("/"), key))
        self._owns_transport = transport is None

    def each(self, query: Select[R, list[R]], *, page: int = 500) -> Iterator[R]:
        """All rows of a query, asked for in pages: `for pet in client.each(table("pets").order("price"))`. See `Select.after`."""
        cursor: str | None = ""
        while cursor is not None:
            rows = self.run(query.limit(page).after(cursor))
            yield from rows
            cursor = rows.next

    def as_user(self, token: str) -> Client:
        """A client that acts with this access token and shares this one's connections; it neither refreshes nor stores."""
        other = Client(self.url, self._account.key, self._driver.transport, MemoryStore())
        other._account.fixed_token = token
        return other

    def close(self) -> None:
        """Close what this client opened. A transport that was passed in stays open."""
        if self._owns_transport:
            self._driver.transport.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


# The imports below are not at the top because each host has only one of the two modules' requirements.


def _default_transport() -> Transport:
    if IN_BROWSER:
        from ._browser import BrowserTransport

        return BrowserTransport()
    from ._cpython import HttpTransport

    return HttpTransport()


def _default_sync_transport() -> SyncTransport:
    if IN_BROWSER:
        raise RuntimeError("In the browser nothing may block: use AsyncClient")
    from ._cpython import SyncHttpTransport

    return SyncHttpTransport()


def _default_store() -> SessionStore:
    if IN_BROWSER:
        from ._browser import IndexedDBStore

        return IndexedDBStore()
    return MemoryStore()
