"""Logic without waiting: an operation is a generator that yields steps, and two small drivers carry them out.

So refresh, retry and the rest are written once and serve the async and the sync client alike.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import threading
import time
from collections.abc import Callable, Coroutine, Generator
from dataclasses import dataclass
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar, overload

from ._ports import Progress, Response, SessionStore, SyncTransport, Transport

T = TypeVar("T")
P = ParamSpec("P")


@dataclass(frozen=True)
class Send:
    """Make one HTTP exchange; the answer is a `Response`. With `source` it is an upload."""

    method: str
    url: str
    headers: dict[str, str]
    body: bytes | None = None
    source: Any = None
    on_progress: Progress | None = None


@dataclass(frozen=True)
class Pause:
    """Wait."""

    seconds: float


@dataclass(frozen=True)
class Load:
    """Read the session store; the answer is its text or None."""


@dataclass(frozen=True)
class Keep:
    """Write the session store; None clears it."""

    session: str | None


@dataclass(frozen=True)
class Exclusive:
    """Run a flow while no other exclusive flow of this client runs; it survives the cancellation of who asked for it.

    The flow must look again whether its work is still to be done, and must not yield `Exclusive` itself.
    """

    start: Callable[[], Flow[None]]


Step = Send | Pause | Load | Keep | Exclusive
Flow = Generator[Step, Any, T]


class AsyncDriver:
    """Carries out flows on asyncio."""

    def __init__(self, transport: Transport, store: SessionStore, sleep: Callable[[float], Coroutine[Any, Any, None]] = asyncio.sleep):
        self.transport = transport
        self.store = store
        self._sleep = sleep
        self._alone = asyncio.Lock()
        self._running: set[asyncio.Task[None]] = set()

    async def drive(self, flow: Flow[T]) -> T:
        answer: Any = None
        error: BaseException | None = None
        while True:
            try:
                step = flow.send(answer) if error is None else flow.throw(error)
            except StopIteration as end:
                result: T = end.value
                return result
            answer, error = None, None
            try:
                answer = await self._perform(step)
            except BaseException as exc:  # a cancellation, too, must reach the flow, so that its `finally` runs
                error = exc

    async def _perform(self, step: Step) -> Any:
        match step:
            case Send(source=None):
                return await self.transport.request(step.method, step.url, step.headers, step.body)
            case Send():
                return await self.transport.upload(step.method, step.url, step.headers, step.source, step.on_progress)
            case Pause():
                return await self._sleep(step.seconds)
            case Load():
                return await _settled(self.store.load())
            case Keep(session=None):
                return await _settled(self.store.clear())
            case Keep(session=str(text)):
                return await _settled(self.store.save(text))
            case Exclusive():
                # A refresh whose caller is cancelled half way must still store the new token, or the user is signed out.
                task = asyncio.create_task(self._locked(step.start))
                self._running.add(task)
                task.add_done_callback(self._ended)
                return await asyncio.shield(task)

    async def _locked(self, start: Callable[[], Flow[None]]) -> None:
        async with self._alone:
            await self.drive(start())

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        if not task.cancelled():
            task.exception()  # marks it as seen: the one who asked may be gone


async def _settled(value: Any) -> Any:
    return await value if inspect.isawaitable(value) else value


class SyncDriver:
    """Carries out flows on the calling thread; may be used from several threads."""

    def __init__(self, transport: SyncTransport, store: SessionStore, sleep: Callable[[float], None] = time.sleep):
        self.transport = transport
        self.store = store
        self._sleep = sleep
        self._alone = threading.Lock()

    def drive(self, flow: Flow[T]) -> T:
        answer: Any = None
        error: BaseException | None = None
        while True:
            try:
                step = flow.send(answer) if error is None else flow.throw(error)
            except StopIteration as end:
                result: T = end.value
                return result
            answer, error = None, None
            try:
                answer = self._perform(step)
            except BaseException as exc:
                error = exc

    def _perform(self, step: Step) -> Any:
        match step:
            case Send(source=None):
                return self.transport.request(step.method, step.url, step.headers, step.body)
            case Send():
                return self.transport.upload(step.method, step.url, step.headers, step.source, step.on_progress)
            case Pause():
                return self._sleep(step.seconds)
            case Load():
                return self.store.load()
            case Keep(session=None):
                return self.store.clear()
            case Keep(session=str(text)):
                return self.store.save(text)
            case Exclusive():
                with self._alone:
                    return self.drive(step.start())


D = TypeVar("D", bound=AsyncDriver | SyncDriver)


class Driven(Generic[D]):
    """Something with operations: they are awaited on an async client, plain calls on a sync one."""

    def __init__(self, driver: D) -> None:
        self._driver: D = driver


class operation(Generic[P, T]):  # noqa: N801  (a decorator, used as one)
    """A method written as a flow. On `Driven[AsyncDriver]` it is a coroutine method, on `Driven[SyncDriver]` a plain one."""

    def __init__(self, flow: Callable[Concatenate[Any, P], Flow[T]]) -> None:
        self._flow = flow
        functools.update_wrapper(self, flow)  # type: ignore[arg-type]

    @overload
    def __get__(self, obj: Driven[AsyncDriver], owner: type) -> Callable[P, Coroutine[Any, Any, T]]: ...
    @overload
    def __get__(self, obj: Driven[SyncDriver], owner: type) -> Callable[P, T]: ...
    @overload
    def __get__(self, obj: None, owner: type) -> operation[P, T]: ...
    def __get__(self, obj: Any, owner: type) -> Any:
        if obj is None:
            return self
        flow = self._flow

        @functools.wraps(flow)
        def bound(*args: P.args, **kwargs: P.kwargs) -> Any:
            return obj._driver.drive(flow(obj, *args, **kwargs))

        return bound


def answer_of(response: Any) -> Response:
    """Narrow what a `Send` step gave back."""
    assert isinstance(response, Response)
    return response
