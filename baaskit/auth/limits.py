"""How often one may try, per client address and per account: in this process's memory, or in Redis for several processes.

In memory we count ourselves: the library's own memory store has no bound and walks all its keys at every attempt.
"""

from __future__ import annotations

import ipaddress
import math
import time
from dataclasses import dataclass
from typing import Any

from baaskit.errors.auth import OverLimit
from baaskit.observe import fact

WINDOW_SECONDS = 300.0  # an empty bucket is full again after this
_MOST_BUCKETS = 50_000


@dataclass(slots=True)
class _Bucket:
    left: float
    at: float


class Limits:
    """The limits of a project. `storage_url`: `memory://` or `redis://host:port/0`."""

    def __init__(self, storage_url: str = "memory://") -> None:
        self._buckets = Buckets()
        self._redis = Redis(storage_url) if not storage_url.startswith("memory:") else None

    async def take(self, kind: str, who: str, capacity: int, window: float = WINDOW_SECONDS) -> None:
        """Spend one attempt of `capacity` in `window` seconds. Raises OverLimit with the seconds to wait.

        Without an answer from Redis this process counts for itself: a store that is away neither opens the door nor shuts it.
        """
        if self._redis is None or not await self._redis.take(kind, who, capacity, window):
            self._buckets.take(kind, who, capacity, time.monotonic(), window)

    async def give_back(self, kind: str, who: str, capacity: int, window: float = WINDOW_SECONDS) -> None:
        """An attempt was rightful after all: it does not count."""
        if self._redis is None or not await self._redis.give_back(kind, who, capacity, window):
            self._buckets.give_back(kind, who)


class Redis:
    """Fixed windows in Redis, shared by all processes."""

    def __init__(self, url: str) -> None:
        from limits.aio.storage import RedisStorage
        from limits.aio.strategies import FixedWindowRateLimiter

        self._storage = RedisStorage(f"async+{url}", implementation="redispy", socket_timeout=2, socket_connect_timeout=2)
        self._limiter = FixedWindowRateLimiter(self._storage)

    async def take(self, kind: str, who: str, capacity: int, window: float) -> bool:
        """False when the store does not answer. Raises OverLimit."""
        item = self._item(capacity, window)
        try:
            if await self._limiter.hit(item, kind, who):
                return True
            stats = await self._limiter.get_window_stats(item, kind, who)
        except self._storage.base_exceptions as problem:
            fact("auth.limits_unavailable", error=repr(problem))
            return False
        raise OverLimit(max(1, math.ceil(stats.reset_time - time.time())))

    async def give_back(self, kind: str, who: str, capacity: int, window: float) -> bool:
        item = self._item(capacity, window)
        try:
            await self._storage.incr(item.key_for(kind, who), item.get_expiry(), amount=-1)
        except self._storage.base_exceptions:
            return False
        return True

    def _item(self, capacity: int, window: float) -> Any:
        from limits import RateLimitItemPerSecond

        return RateLimitItemPerSecond(capacity, max(1, math.ceil(window)), namespace="baaskit")


class Buckets:
    """Buckets of `capacity` attempts that refill evenly over `window` seconds. Bounded: strangers cannot fill the memory."""

    def __init__(self) -> None:
        self._buckets: dict[tuple[str, str], _Bucket] = {}

    def take(self, kind: str, who: str, capacity: int, now: float, window: float = WINDOW_SECONDS) -> None:
        """Spend one attempt; `now` is in seconds of a steady clock. Raises OverLimit with the seconds to wait."""
        rate = capacity / window
        bucket = self._buckets.get((kind, who))
        if bucket is None:
            self._make_room(now)
            bucket = self._buckets[kind, who] = _Bucket(capacity, now)
        left = min(float(capacity), bucket.left + (now - bucket.at) * rate)
        if left < 1:
            raise OverLimit(max(1, math.ceil((1 - left) / rate)))
        bucket.left, bucket.at = left - 1, now

    def give_back(self, kind: str, who: str) -> None:
        """An attempt was rightful after all: it does not count."""
        if bucket := self._buckets.get((kind, who)):
            bucket.left += 1

    def _make_room(self, now: float) -> None:
        if len(self._buckets) < _MOST_BUCKETS:
            return
        self._buckets = {key: bucket for key, bucket in self._buckets.items() if bucket.at > now - WINDOW_SECONDS}
        while len(self._buckets) >= _MOST_BUCKETS:
            del self._buckets[next(iter(self._buckets))]


def client_of(host: str | None) -> str:
    """Whom a limit counts: an IPv4 address, or the /64 that one IPv6 subscriber has."""
    try:
        address = ipaddress.ip_address((host or "").split("%")[0])
    except ValueError:
        return host or "unknown"
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped:
            return str(address.ipv4_mapped)
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)
