"""Live queries: the rows of a query now, kept current, with each change told once."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from types import TracebackType
from typing import Any, Generic, Literal, TypeVar
from uuid import uuid4

from ._calls import Row
from ._errors import BaasError, ChangesLost, UnreadableAnswer
from ._query import Select
from ._realtime import Realtime
from ._rows import Change, LiveRows

R = TypeVar("R")
LiveState = Literal["connecting", "live", "waiting", "closed"]

MAX_PENDING = 10_000  # changes kept for `changes()` before the oldest are let go


class LiveQuery(Generic[R]):
    """A query whose result stays current; made by `client.live(query)`.

        async with client.live(table("pets").where(eq("status", "available")).order("price")) as pets:
            draw(pets.rows)
            async for change in pets.changes():
                draw(pets.rows)

    Entering waits until the rows are there, however long the server is away (use `asyncio.timeout`), and raises `Refused`
    when the query is not allowed. `rows` are those of now; `state` tells whether they are being kept current.
    """

    def __init__(self, realtime: Realtime, query: Select[R, Any], checkpoint: dict[str, Any] | None = None) -> None:
        if query.schema:
            raise ValueError("Live queries read the default schema")
        self.name = f"realtime:live-{uuid4().hex[:12]}"
        self.state: LiveState = "connecting"
        self._realtime, self._query = realtime, query
        self._live = LiveRows(query.orders)
        if checkpoint:
            self._live.restore(checkpoint)
        self._built: list[R] | None = None
        self._id: int | None = None  # None: between a join and its answer
        self._early: list[tuple[str, dict[str, Any]]] = []
        self._pending: deque[Change[R]] = deque()
        self._lost = False
        self._error: BaseException | None = None
        self._ready = asyncio.Event()
        self._news = asyncio.Event()
        self._listeners: list[Callable[[LiveState], None]] = []

    @property
    def rows(self) -> list[R]:
        """The result as last told, in order."""
        if self._built is None:
            self._built = [self._query.build(row) for row in self._live.rows]
        return self._built

    @property
    def checkpoint(self) -> dict[str, Any]:
        """Rows and cursor as JSON values: `client.live(query, checkpoint=…)` in a later run goes on from there without a gap."""
        return self._live.checkpoint()

    def on_state(self, listener: Callable[[LiveState], None]) -> Callable[[], None]:
        """Call `listener(state)` when the query becomes live, waits for the network, or ends. Returns what ends that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener) if listener in self._listeners else None

    async def changes(self) -> AsyncIterator[Change[R]]:
        """Each change since the query was entered, once, in commit order, across reconnects. One reader at a time.

        Ends when the query is left. Raises what ended it otherwise, and `ChangesLost` when more than 10 000 changes
        were not read: then start again from `rows`.
        """
        while True:
            while self._pending and not self._lost:
                yield self._pending.popleft()
            if self._lost:
                self._lost = False
                self._pending.clear()
                raise ChangesLost(f"More than {MAX_PENDING} changes were not read", code="changes_lost", hint="Start again from `rows`.")
            if self._error:
                raise self._error
            if self.state == "closed":
                return
            self._news.clear()
            await self._news.wait()

    async def __aenter__(self) -> LiveQuery[R]:
        if self.state == "closed":
            raise RuntimeError("This live query has ended; make a new one with client.live(query, checkpoint=old.checkpoint)")
        self._realtime.add(self)
        try:
            await self._ready.wait()
            if self._error:
                raise self._error
        except BaseException:
            self.close()
            raise
        return self

    async def __aexit__(self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Stop; `changes()` ends after what is already here. `rows` stay as they were."""
        self._realtime.remove(self)
        self._enter("closed")
        self._news.set()

    # What `Realtime` calls.

    def config(self) -> dict[str, Any]:
        self._id, self._early = None, []
        live = [{"query": self._query.text(), "since": self._live.cursor}]
        return {"live": live, "postgres_changes": [], "broadcast": {}, "presence": {"enabled": False}, "private": False}

    def joined(self, response: dict[str, Any]) -> None:
        try:
            self._id = int(response["live"][0]["id"])
        except (KeyError, IndexError, TypeError, ValueError):
            self._end(UnreadableAnswer("The server does not know live queries"))
            return
        early, self._early = self._early, []
        if self._live.cursor is not None:
            self._current()
        for event, payload in early:
            self.received(event, payload)

    def received(self, event: str, payload: dict[str, Any]) -> None:
        if not event.startswith("live_"):
            return
        if self._id is None:
            self._early.append((event, payload))
            return
        if payload.get("id") != self._id:
            return  # of a former join
        try:
            if event == "live_snapshot":
                first = self._live.cursor is None and not self._ready.is_set()
                told = self._live.snapshot(payload)
                # The first rows are what `rows` holds on entry; only what comes after is news.
                self._tell([] if first else told)
                self._current()
            elif event == "live_delta":
                self._tell(self._live.delta(payload))
            elif event == "live_resync":
                self._realtime.rejoin(self)
        except (BaasError, KeyError, TypeError, AttributeError) as exc:
            self._end(exc if isinstance(exc, BaasError) else UnreadableAnswer(f"A live event is not as promised: {exc!r}"))

    def dropped(self) -> None:
        self._id = None
        if self.state == "live":
            self._enter("waiting")

    def other_caller(self) -> None:
        self._live.cursor = None  # ask for a whole snapshot: another caller's deltas would not fit these rows
        self.dropped()

    def failed(self, error: BaseException) -> None:
        self._error = error
        self._enter("closed")
        self._ready.set()
        self._news.set()

    def _end(self, error: BaseException) -> None:
        self._realtime.remove(self)
        self.failed(error)

    def _current(self) -> None:
        self._ready.set()
        self._enter("live")

    def _tell(self, told: list[Change[Row]]) -> None:
        self._built = None
        build = self._query.build
        for change in told:
            row = None if change.row is None else build(change.row)
            old = None if change.old is None else build(change.old)
            self._pending.append(Change(change.kind, change.key, row, old))
        if len(self._pending) > MAX_PENDING:
            self._lost = True
            self._pending.clear()
        if told:
            self._news.set()

    def _enter(self, state: LiveState) -> None:
        if state != self.state and self.state != "closed":
            self.state = state
            for listener in list(self._listeners):
                listener(state)
