"""The bounded queue between the hub and one WebSocket: a slow client never costs more memory than its bounds."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from baaskit.realtime.frames import Wire
from baaskit.realtime.limits import Limits


class Outbox:
    """Frames that wait to be written. `put` never waits; `take` waits for the next frames."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._frames: deque[Wire] = deque()
        self._bytes = 0
        self._news = asyncio.Event()
        self._drained: list[Callable[[], None]] = []
        self.taken = 0  # frames ever taken: a watcher sees from it whether the client reads
        self.closing: tuple[int, str] | None = None

    def __len__(self) -> int:
        return len(self._frames)

    def put(self, frame: Wire) -> bool:
        """Take a frame; False when there is no room. An empty queue takes a frame of any size."""
        if self.closing is not None:
            return True  # nobody will read it, and nobody needs to act on that
        if self._frames and (len(self._frames) >= self._limits.queue_frames or self._bytes + len(frame) > self._limits.queue_bytes):
            return False
        self._frames.append(frame)
        self._bytes += len(frame)
        self._news.set()
        return True

    def overflow(self) -> None:
        self.close(1013, "too slow: reconnect")
        self._frames.clear()  # what waits will never be read in time
        self._bytes = 0

    def close(self, code: int, reason: str) -> None:
        """Close the connection once what waits has been written."""
        if self.closing is None:
            self.closing = (code, reason)
        self._news.set()

    def when_drained(self, told: Callable[[], None]) -> None:
        self._drained.append(told)
        self._news.set()

    async def take(self) -> Wire | None:
        """The next frame; None when the connection is to be closed."""
        while not self._frames:
            if self._drained:
                waiting, self._drained = self._drained, []
                for told in waiting:
                    told()
                continue
            if self.closing is not None:
                return None
            self._news.clear()
            await self._news.wait()
        frame = self._frames.popleft()
        self._bytes -= len(frame)
        self.taken += 1
        return frame
