"""How often one may try to sign in: a count of failures per address and account, in this process's memory."""

from __future__ import annotations

from collections import deque

from baaskit.errors.console import TooManyAttempts

WINDOW_SECONDS = 300.0
FAILURES_PER_ACCOUNT = 8  # per client address and e-mail
FAILURES_PER_ADDRESS = 40  # per client address, whatever the e-mail
_MOST_KEYS = 20_000


class Attempts:
    """Remembers failed attempts for `WINDOW_SECONDS`. Bounded: strangers cannot fill the memory."""

    def __init__(self) -> None:
        self._failures: dict[tuple[str, ...], deque[float]] = {}

    def check(self, address: str, email: str, now: float) -> None:
        """Raise TooManyAttempts when this caller must wait; `now` is in seconds of any steady clock."""
        for key, limit in self._keys(address, email):
            failures = self._failures.get(key)
            while failures and failures[0] <= now - WINDOW_SECONDS:
                failures.popleft()
            if failures and len(failures) >= limit:
                raise TooManyAttempts(max(1, int(failures[0] + WINDOW_SECONDS - now) + 1))

    def started(self, address: str, email: str, now: float) -> None:
        """Count an attempt before its password is verified, so that parallel guesses count too."""
        if len(self._failures) >= _MOST_KEYS:
            self._failures = {k: f for k, f in self._failures.items() if f and f[-1] > now - WINDOW_SECONDS}
            while len(self._failures) >= _MOST_KEYS:
                del self._failures[next(iter(self._failures))]
        for key, _ in self._keys(address, email):
            self._failures.setdefault(key, deque()).append(now)

    def succeeded(self, address: str, email: str) -> None:
        """The right password forgives what this caller got wrong on this account; the address keeps its count but for this one."""
        (account, _), (client, _) = self._keys(address, email)
        self._failures.pop(account, None)
        if failures := self._failures.get(client):
            failures.pop()

    @staticmethod
    def _keys(address: str, email: str) -> tuple[tuple[tuple[str, ...], int], ...]:
        return ((address, email.strip().lower()), FAILURES_PER_ACCOUNT), ((address,), FAILURES_PER_ADDRESS)
