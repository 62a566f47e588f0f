"""A load generator for benchmarks: pre-built requests over keep-alive connections, and the server's own CPU time."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import psutil


@dataclass(frozen=True, slots=True)
class Sample:
    """One round of one operation. `cpu_us` is user and system time of the server's process tree per request."""

    requests: int
    seconds: float
    cpu_us: float
    p50_ms: float
    p99_ms: float

    @property
    def per_second(self) -> float:
        return self.requests / self.seconds


def request(method: str, path: str, headers: dict[str, str], body: bytes = b"") -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: bench", *(f"{k}: {v}" for k, v in headers.items())]
    if body or method in ("POST", "PATCH"):
        lines += [f"Content-Length: {len(body)}", "Content-Type: application/json"]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


class _Connection(asyncio.Protocol):
    """Sends the next request when an answer is complete. One request is under way at a time, so a chunked answer ends
    with the buffer."""

    def __init__(self, take: Callable[[], bytes | None], times: list[float], statuses: set[int], done: asyncio.Future[None]) -> None:
        self._take, self._times, self._statuses, self._done = take, times, statuses, done
        self._buffer, self._need = bytearray(), -1

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._next()

    def _next(self) -> None:
        wanted = self._take()
        if wanted is None:
            self._transport.close()
            if not self._done.done():
                self._done.set_result(None)
            return
        self._sent = time.perf_counter()
        self._transport.write(wanted)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while True:
            if self._need < 0:
                end = self._buffer.find(b"\r\n\r\n")
                if end < 0:
                    return
                head = bytes(self._buffer[:end]).lower()
                self._statuses.add(int(head[9:12]))
                at = head.find(b"content-length:")
                assert at >= 0 or b"transfer-encoding: chunked" in head, head
                self._need = end + 4 + int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
            if self._need == 0 and self._buffer.endswith(b"\r\n0\r\n\r\n"):
                self._need = len(self._buffer)
            if self._need == 0 or len(self._buffer) < self._need:
                return
            del self._buffer[: self._need]
            self._need = -1
            self._times.append(time.perf_counter() - self._sent)
            self._next()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._done.done():
            self._done.set_exception(exc or ConnectionError("the server closed a connection"))


def cpu_seconds(*pids: int) -> float:
    """User and system time of processes and their living children."""
    trees = [[parent, *parent.children(recursive=True)] for parent in map(psutil.Process, pids)]
    return sum(sum(p.cpu_times()[:2]) for tree in trees for p in tree)


async def measure(
    port: int, pid: int, make: Callable[[int], bytes], *, requests: int, connections: int = 32, also: Sequence[int] = ()
) -> Sample:
    """Run `requests` requests, `make(i)` each, over `connections` connections. Raises AssertionError for any answer ≥ 300.

    `also`: processes whose CPU time counts besides the server's: its database.
    """
    built = [make(i) for i in range(requests)]
    queue = iter(built)
    times: list[float] = []
    statuses: set[int] = set()
    loop = asyncio.get_running_loop()
    ends = [loop.create_future() for _ in range(connections)]
    before, started = cpu_seconds(pid, *also), time.perf_counter()
    for end in ends:
        await loop.create_connection(lambda end=end: _Connection(lambda: next(queue, None), times, statuses, end), "127.0.0.1", port)  # type: ignore[misc]
    await asyncio.gather(*ends)
    seconds, cpu = time.perf_counter() - started, cpu_seconds(pid, *also) - before
    assert all(200 <= status < 300 for status in statuses), f"answers were {sorted(statuses)}"
    assert len(times) == requests
    times.sort()
    return Sample(requests, seconds, cpu / requests * 1e6, times[len(times) // 2] * 1e3, times[int(len(times) * 0.99)] * 1e3)


def median(samples: list[Sample]) -> Sample:
    """The median of each figure over rounds."""
    return Sample(
        samples[0].requests,
        statistics.median(s.seconds for s in samples),
        statistics.median(s.cpu_us for s in samples),
        statistics.median(s.p50_ms for s in samples),
        statistics.median(s.p99_ms for s in samples),
    )
