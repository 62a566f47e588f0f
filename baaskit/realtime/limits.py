"""How much one connection may ask for. Pure: the clock is an argument."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Of one connection. The defaults are those that the official clients are made for, or wider."""

    channels: int = 100
    joins_per_second: int = 100
    frames_per_second: int = 1000  # a client above it for more than a moment is disconnected
    payload_bytes: int = 3_000_000
    idle_seconds: float = 90.0  # without any frame, heartbeats included
    queue_frames: int = 2000
    queue_bytes: int = 8 * 2**20
    stalled_seconds: float = 60.0  # with frames waiting and none taken


DEFAULTS = Limits()


class Rate:
    """At most `per_second` on average, with bursts of one second's worth."""

    __slots__ = ("_at", "_tokens", "per_second")

    def __init__(self, per_second: float) -> None:
        self.per_second, self._tokens, self._at = per_second, per_second, 0.0

    def take(self, now: float) -> bool:
        self._tokens = min(self.per_second, self._tokens + max(0.0, now - self._at) * self.per_second)
        self._at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
