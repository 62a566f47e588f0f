"""Workers of one release: idle ones kept per function, limits per function, bounded queues, kill on time-out."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Protocol

from baaskit.errors.functions import FunctionBusy, FunctionNotReady
from baaskit.functions.frames import Answer, Ask, BadFrame, Call, Decoder, Failure, Log, Result, encode
from baaskit.functions.manifest import Function
from baaskit.functions.release import Forked, ForkFailed, Release

_MAX_ASKS = 64  # requests of one call under way at a time
_MAX_LOG_BYTES = 4 * 2**20  # per call; more is a flood, and ends the worker


class WorkerDied(Exception):
    """The worker ended, or broke the protocol and was ended, before it answered."""


class TimedOut(Exception):
    """The call ran into its time limit; its process has been killed."""


class Listener(Protocol):
    """Who hears what a call says while it runs."""

    def log(self, level: str, message: str) -> None: ...

    async def perform(self, ask: Ask) -> Answer: ...


class Worker(asyncio.Protocol):
    """The server's side of one worker. Everything it sends is checked; what breaks the protocol ends it."""

    def __init__(self, forked: Forked, frame_limit: int) -> None:
        self.number, self.pid = forked.number, forked.pid
        self._pidfd = os.pidfd_open(forked.pid)
        self._decoder = Decoder(frame_limit)
        self._transport: Any = None
        self._call: Call | None = None
        self._answer: asyncio.Future[Result | Failure] | None = None
        self._listener: Listener | None = None
        self._asks: set[asyncio.Task[None]] = set()
        self._log_bytes = 0
        self.alive = True
        self.idle_since = 0.0

    async def run(self, call: Call, listener: Listener, timeout: float) -> Result | Failure:
        """One call at a time. Raises WorkerDied or TimedOut; if it does not return, the worker is dead."""
        self._call, self._listener, self._log_bytes = call, listener, 0
        self._answer = asyncio.get_running_loop().create_future()
        try:
            self._transport.write(encode(call))
            async with asyncio.timeout(timeout):
                return await self._answer
        except TimeoutError:
            self.kill()
            raise TimedOut from None
        except BaseException:
            self.kill()
            raise
        finally:
            self._call = self._answer = self._listener = None
            for task in self._asks:
                task.cancel()

    def dismiss(self) -> None:
        """Let an idle worker go: it ends when its socket closes."""
        self.alive = False
        self._transport.close()

    def kill(self) -> None:
        """End the process now, whatever it does."""
        if self._pidfd >= 0:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)
        self.alive = False
        if self._transport:
            self._transport.abort()

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        try:
            for message in self._decoder.feed(data):
                self._on_message(message)
        except BadFrame as problem:
            self._end(WorkerDied(f"it was stopped: {problem}"))

    def connection_lost(self, exc: Exception | None) -> None:
        self.alive = False
        self._end(WorkerDied("it ended without an answer"))
        if self._pidfd >= 0:
            os.close(self._pidfd)
            self._pidfd = -1

    def _on_message(self, message: Any) -> None:
        call, answer, listener = self._call, self._answer, self._listener
        if call is None or answer is None or listener is None or getattr(message, "id", None) != call.id:
            return  # left over from a call that has ended, such as a thread that still logs
        match message:
            case Log():
                self._log_bytes += len(message.message) + 64
                if self._log_bytes > _MAX_LOG_BYTES:
                    raise BadFrame(f"it logged more than {_MAX_LOG_BYTES} bytes in one call")
                listener.log(message.level, message.message)
            case Ask():
                if len(self._asks) >= _MAX_ASKS:
                    raise BadFrame(f"more than {_MAX_ASKS} requests at a time")
                task = asyncio.create_task(self._perform(listener, message))
                self._asks.add(task)
                task.add_done_callback(self._asks.discard)
            case Result() | Failure() if not answer.done():
                answer.set_result(message)
            case _:
                raise BadFrame(f"unexpected {type(message).__name__}")

    async def _perform(self, listener: Listener, ask: Ask) -> None:
        answer = await listener.perform(ask)
        if self.alive:
            self._transport.write(encode(answer))

    def _end(self, why: WorkerDied) -> None:
        if self._answer and not self._answer.done():
            self._answer.set_exception(why)
        elif self.alive:
            self.kill()


@dataclass(slots=True)
class Lane:
    """One function's share. `running` counts taken places, those handed to a waiter included."""

    idle: list[Worker] = field(default_factory=list)
    running: int = 0
    waiting: deque[asyncio.Future[None]] = field(default_factory=deque)


@dataclass(frozen=True, slots=True)
class PoolLimits:
    """What holds for a function that says nothing itself. Times in seconds, sizes in bytes."""

    workers: int = 8
    timeout: float = 30.0
    memory: int = 512 * 2**20
    concurrency: int = 4
    queue: int = 64
    queue_seconds: float = 10.0
    idle_seconds: float = 60.0
    frame: int = 72 * 2**20


@dataclass(frozen=True, slots=True)
class Ran:
    """How a call went: its answer, and what it cost in milliseconds."""

    answer: Result | Failure
    queue_ms: int
    run_ms: int
    cold: bool


class Pool:
    """All workers of one release. `drain()` ends it after the calls under way."""

    def __init__(self, release: Release, limits: PoolLimits, clock: Callable[[], float] = time.monotonic) -> None:
        self.release = release
        self._limits = limits
        self._clock = clock
        self._lanes: dict[str, Lane] = {key: Lane() for key in release.manifest.functions}
        self._processes = 0
        self._room: deque[asyncio.Future[None]] = deque()
        self._calls = 0
        self._quiet = asyncio.Event()
        self._quiet.set()

    async def run(
        self,
        function: Function,
        call: Callable[[float], Call],
        listener: Listener,
        *,
        nested: bool = False,
        cost: dict[str, int] | None = None,
    ) -> Ran:
        """Run one call on a worker of `function`; `call(timeout)` makes it when its time starts.

        `nested`: made by a function that is itself running; it may go over the number of workers, else the two could wait
        for each other. `cost` receives queue_ms, cold and run_ms even when this raises.
        Raises FunctionBusy, FunctionNotReady, WorkerDied, TimedOut.
        """
        cost = {} if cost is None else cost
        lane, asked = self._lanes[function.key], self._clock()
        self._calls += 1
        self._quiet.clear()
        try:
            await self._place(lane, function)
            try:
                worker, cost["cold"] = await self._worker(lane, function, nested)
                started = self._clock()
                cost["queue_ms"] = round((started - asked) * 1000)
                timeout = function.timeout or self._limits.timeout
                try:
                    answer = await worker.run(call(timeout), listener, timeout)
                finally:
                    cost["run_ms"] = round((self._clock() - started) * 1000)
                    self._return(lane, worker)
                return Ran(answer, cost["queue_ms"], cost["run_ms"], bool(cost["cold"]))
            finally:
                self._leave(lane)
        finally:
            self._calls -= 1
            if not self._calls:
                self._quiet.set()

    async def warm(self) -> None:
        """Bring every function to its `min_instances` of idle or busy workers, and let long idle ones go."""
        now = self._clock()
        for key, lane in self._lanes.items():
            function = self.release.manifest.functions[key]
            for worker in [w for w in lane.idle if not w.alive or now - w.idle_since > self._limits.idle_seconds]:
                if not worker.alive or len(lane.idle) + lane.running > function.min_instances:
                    lane.idle.remove(worker)
                    self._dismiss(worker)
            while self.release.alive and len(lane.idle) + lane.running < function.min_instances and self._processes < self._limits.workers:
                self._processes += 1
                worker = await self._fork(function)
                worker.idle_since = now
                lane.idle.append(worker)

    async def drain(self, seconds: float) -> None:
        """Wait up to `seconds` for the calls under way, then end the release."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._quiet.wait(), seconds)
        for lane in self._lanes.values():
            for worker in lane.idle:
                worker.dismiss()
            lane.idle.clear()
        await self.release.stop()

    @property
    def processes(self) -> int:
        """How many workers exist."""
        return self._processes

    def idle(self, key: str) -> int:
        return sum(worker.alive for worker in self._lanes[key].idle)

    async def _place(self, lane: Lane, function: Function) -> None:
        concurrency = function.concurrency or self._limits.concurrency
        if lane.running < concurrency:
            lane.running += 1
            return
        if len(lane.waiting) >= self._limits.queue:
            raise FunctionBusy(f"Function {function.name} is at its limit and its queue is full.", headers={"Retry-After": "1"})
        await self._wait_in(lane.waiting, function, lambda: self._leave(lane))

    async def _wait_in(self, queue: deque[asyncio.Future[None]], function: Function, hand_on: Callable[[], object]) -> None:
        """Wait for one's turn. Whoever is given a turn and cannot take it hands it on."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        queue.append(turn)
        try:
            async with asyncio.timeout(self._limits.queue_seconds):
                await turn
        except BaseException as problem:
            if turn.done() and not turn.cancelled():
                hand_on()
            elif turn in queue:
                queue.remove(turn)
            if isinstance(problem, TimeoutError):
                seconds = f"{self._limits.queue_seconds:g}"
                raise FunctionBusy(f"Function {function.name} had no free process for {seconds} s.", headers={"Retry-After": "2"}) from None
            raise

    def _leave(self, lane: Lane) -> None:
        if not _next(lane.waiting):
            lane.running -= 1

    async def _worker(self, lane: Lane, function: Function, nested: bool) -> tuple[Worker, bool]:
        while lane.idle:
            worker = lane.idle.pop()
            if worker.alive:
                return worker, False
            self._dismiss(worker)
        while self._processes >= self._limits.workers and not nested:
            if not self._evict():
                await self._wait_in(self._room, function, lambda: _next(self._room))
        self._processes += 1
        return await self._fork(function), True

    async def _fork(self, function: Function) -> Worker:
        """Counted in `_processes` by the caller, before any await; taken off again here if it fails."""
        try:
            forked = await self.release.fork(function.key, function.memory or self._limits.memory)
            try:
                worker = Worker(forked, self._limits.frame)
            except OSError as problem:
                forked.sock.close()
                raise ForkFailed(str(problem)) from problem
            await asyncio.get_running_loop().create_unix_connection(lambda: worker, sock=forked.sock)
            return worker
        except ForkFailed as problem:
            self._gone()
            raise FunctionNotReady(hint=str(problem)) from problem
        except BaseException:
            self._gone()
            raise

    def _return(self, lane: Lane, worker: Worker) -> None:
        if not worker.alive:
            self._gone()
        elif self._room and not lane.waiting:
            self._dismiss(worker)
        else:
            worker.idle_since = self._clock()
            lane.idle.append(worker)

    def _evict(self) -> bool:
        """Let the longest idle worker of any function go."""
        idle = [(worker.idle_since, lane, worker) for lane in self._lanes.values() for worker in lane.idle]
        if not idle:
            return False
        _, lane, worker = min(idle, key=lambda one: one[0])
        lane.idle.remove(worker)
        self._dismiss(worker)
        return True

    def _dismiss(self, worker: Worker) -> None:
        worker.dismiss()
        self._gone()

    def _gone(self) -> None:
        self._processes -= 1
        _next(self._room)


def _next(queue: deque[asyncio.Future[None]]) -> bool:
    """Give the turn to the first who still waits."""
    while queue:
        turn = queue.popleft()
        if not turn.done():
            turn.set_result(None)
            return True
    return False
