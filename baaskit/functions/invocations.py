"""A record of every call: the latest in memory with their logs, all of them as table rows, written in batches off the hot path."""

from __future__ import annotations

import re
import uuid
from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import delete, insert

from baaskit.observe import fact

_KEPT = 500  # calls in memory
_PENDING = 20_000  # rows that may wait for the database before the oldest are dropped
_LINES = 200  # log entries kept per call
_KEPT_ROWS = timedelta(days=30)
_PRUNE_EVERY = timedelta(hours=1)
_BATCH = 500  # rows per insert
_COLUMNS = ("function", "release", "trigger", "role", "user_id", "started_at", "queue_ms", "cold", "run_ms", "outcome", "error")
_TOKEN = re.compile(r"eyJ[\w-]{8,}\.[\w-]+\.[\w-]+")


@dataclass(slots=True)
class Invocation:
    """One call. `outcome`: ok, refused, invalid, error, timeout, died, limit, busy. `logs` are (level, message), secrets masked."""

    id: str
    function: str
    release: str
    trigger: str
    role: str
    user_id: str | None
    started_at: datetime
    queue_ms: int = 0
    cold: bool = False
    run_ms: int = 0
    outcome: str = "ok"
    error: str | None = None
    logs: list[tuple[str, str]] = field(default_factory=list)
    secrets: tuple[str, ...] = field(default=(), repr=False)

    def log(self, level: str, message: str) -> None:
        """Keep a log entry and tell the server's log. After a number of entries only the fact that there are more is kept."""
        if len(self.logs) < _LINES:
            shown = self.mask(message)
            self.logs.append((level, shown))
            fact("function.log", id=self.id, function=self.function, level=level, message=shown)
        elif len(self.logs) == _LINES:
            self.logs.append(("warning", f"more than {_LINES} entries: the rest is not kept"))

    def mask(self, text: str) -> str:
        """`text` without tokens and without the values of the function's secrets."""
        for secret in self.secrets:
            text = text.replace(secret, "[secret]")
        return _TOKEN.sub("[token]", text)


class InvocationLog:
    """`add` costs an append; `flush` writes what has gathered."""

    def __init__(self, database: Any) -> None:
        self._database = database
        self._recent: deque[Invocation] = deque(maxlen=_KEPT)
        self._pending: deque[Invocation] = deque(maxlen=_PENDING)
        self._pruned_at = datetime.min.replace(tzinfo=UTC)

    def add(self, invocation: Invocation) -> None:
        self._recent.append(invocation)
        self._pending.append(invocation)

    def recent(self, function: str | None = None) -> list[Invocation]:
        """The latest calls, newest first, with their logs."""
        return [i for i in reversed(self._recent) if function in (None, i.function)]

    def find(self, id: str) -> Invocation | None:
        return next((i for i in reversed(self._recent) if i.id == id), None)

    async def prune(self, now: datetime) -> None:
        """Once an hour, drop rows older than a month: the record is for finding out, not for the archive."""
        if now - self._pruned_at < _PRUNE_EVERY:
            return
        self._pruned_at = now
        table = self._database.tables.invocations
        await self._database.execute(delete(table).where(table.c.started_at < now - _KEPT_ROWS))

    async def flush(self) -> None:
        """Write pending rows. If the database refuses they wait for the next time."""
        while self._pending:
            batch = [self._pending.popleft() for _ in range(min(len(self._pending), _BATCH))]
            try:
                await self._database.execute(insert(self._database.tables.invocations).values([_row(one) for one in batch]))
            except BaseException:
                self._pending.extendleft(reversed(batch))
                raise


def _row(i: Invocation) -> dict[str, Any]:
    row = {name: getattr(i, name) for name in _COLUMNS}
    return {**row, "id": str(uuid.UUID(i.id))}
