"""How often one may try: token buckets per client address and per account, in this process's memory."""

from __future__ import annotations

import ipaddress
import math
from dataclasses import dataclass

from baaskit.errors.auth import OverLimit

WINDOW_SECONDS = 300.0  # an empty bucket is full again after this
_MOST_BUCKETS = 50_000


@dataclass(slots=True)
class _Bucket:
    left: float
    at: float


class Limits:
    """Buckets of `capacity` attempts that refill evenly over `WINDOW_SECONDS`. Bounded: strangers cannot fill the memory."""

    def __init__(self) -> None:
        self._buckets: dict[tuple[str, str], _Bucket] = {}

    def take(self, kind: str, who: str, capacity: int, now: float) -> None:
        """Spend one attempt; `now` is in seconds of a steady clock. Raises OverLimit with the seconds to wait."""
        rate = capacity / WINDOW_SECONDS
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
