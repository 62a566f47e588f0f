"""ChangeFeed: read the change log after a cursor, wake on commit, hand each batch to its sinks in order.

Order and completeness. On SQLite the log's number is the commit order. On PostgreSQL numbers are taken before commit, so a
higher one can become visible first; the feed therefore reads from snapshot to snapshot, and a cursor is a snapshot
(`xmin:xmax:running`), which says of every transaction whether it is contained (ADR 0004).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NewType

import orjson
from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from baaskit.errors import BaasError
from baaskit.kernel.database import Database, Script, Sql
from baaskit.kernel.database.sqlite import SqliteDriver
from baaskit.kernel.schema import TableName
from baaskit.observe import fact

Cursor = NewType("Cursor", str)  # opaque to clients: "s42" on SQLite, "p10:20:10,14" on PostgreSQL
Row = dict[str, Any]
Found = tuple[list[Any], Cursor]

POLL_SECONDS = 0.02  # how often to look for other processes' commits
IDLE_POLL_SECONDS = 0.25  # the same, while nobody listens
BATCH_LIMIT = 2000  # changes read at once; a larger transaction still comes whole
PRUNED_KEY = "changes.pruned"


class CursorExpired(BaasError):
    """The change log no longer reaches back to this cursor: start again from a snapshot."""

    status, code = 410, "BK411"


class BadCursor(BaasError):
    """This is not a cursor of this server."""

    status, code = 400, "BK412"


@dataclass(frozen=True, slots=True)
class Change:
    """One committed change of one row. `before` and `after` are whole rows as REST shows them: an insert has no before,
    a delete no after, a truncate neither. `cursor` is the feed's position once this change's whole batch is done."""

    seq: int
    txid: int
    table: TableName
    op: str
    before: Row | None
    after: Row | None
    at: datetime
    cursor: Cursor

    @property
    def event_id(self) -> str:
        """Stable over redelivery and restarts."""
        return f"{self.txid}-{self.seq}"


Sink = Callable[[list[Change]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Position:
    """A cursor taken apart. SQLite: all numbers ≤ `xmin` are contained. PostgreSQL: a snapshot."""

    sqlite: bool
    xmin: int
    xmax: int = 0
    running: frozenset[int] = frozenset()

    def contains(self, change: Change) -> bool:
        """Whether a reader at this position has seen `change` already."""
        if self.sqlite:
            return change.seq <= self.xmin
        return change.txid < self.xmin or (change.txid < self.xmax and change.txid not in self.running)

    def covers(self, other: Position) -> bool:
        """Whether everything that `other` contains is contained here, too."""
        if self.sqlite:
            return self.xmin >= other.xmin
        return self.xmax >= other.xmax and all(x >= other.xmax or x in other.running for x in self.running)

    @classmethod
    def parse(cls, cursor: str) -> Position:
        """Raises BadCursor."""
        try:
            if cursor[:1] == "s":
                return cls(True, int(cursor[1:]))
            xmin, xmax, running = cursor.removeprefix("p").split(":")
            return cls(False, int(xmin), int(xmax), frozenset(int(x) for x in running.split(",") if x))
        except (ValueError, AttributeError) as problem:
            raise BadCursor("The cursor is malformed.", hint="Leave out `since` to start from a snapshot.") from problem


def position_step(dialect: str) -> Sql:
    """The step, inside a read script, whose only value is the position of that script's snapshot (see `cursor_of`)."""
    if dialect == "sqlite":
        return Sql("""SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'baaskit.changes'), 0)""")
    return Sql("SELECT pg_current_snapshot()::text")


def cursor_of(dialect: str, rows: list[Any]) -> Cursor:
    """The cursor in the answer to `position_step`."""
    return Cursor(("s" if dialect == "sqlite" else "p") + str(rows[0][0]))


class ChangeFeed:
    """Follows the change log of one database. `start` begins at the log's end; sinks see only what comes after."""

    def __init__(self, database: Database, *, keep_seconds: float = 86_400) -> None:
        self._database = database
        self._keep = timedelta(seconds=keep_seconds)
        self._sinks: list[Sink] = []
        self._woken = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._busy = asyncio.Lock()
        self._pruned_at = datetime.min.replace(tzinfo=UTC)
        self._seen_version = -1
        self._stopping = False
        self.cursor = Cursor("")
        self.lag_seconds = 0.0  # age of the newest change at delivery

    async def start(self) -> None:
        self.cursor = await self.here()
        loop = asyncio.get_running_loop()

        def wake() -> None:
            loop.call_soon_threadsafe(self._woken.set)

        self._database.on_commit = wake
        self._task = asyncio.create_task(self._follow(), name="change feed")

    async def stop(self) -> None:
        self._database.on_commit = lambda: None
        self._stopping = True
        self._woken.set()
        if self._task is not None:
            await self._task

    def add_sink(self, sink: Sink) -> None:
        """Hand every later batch to `sink`, in order; it should return soon, for the next batch waits. An exception is
        reported and does not stop the feed."""
        self._sinks.append(sink)

    def wake(self) -> None:
        """Look now."""
        self._woken.set()

    async def here(self) -> Cursor:
        """The cursor of this moment: everything committed is contained."""

        def script() -> Script[list[Any]]:
            rows = yield position_step(self._database.dialect)
            return rows  # type: ignore[no-any-return]

        return cursor_of(self._database.dialect, await self._database.read(script))

    async def settle(self) -> None:
        """Return when all that is committed now has been given to the sinks (for tests and for `since` joins)."""
        goal = Position.parse(await self.here())
        while True:
            self.wake()
            if Position.parse(self.cursor).covers(goal):
                return
            await asyncio.sleep(0.005)

    async def read(self, after: Cursor, limit: int = BATCH_LIMIT) -> list[Change]:
        """Committed changes after `after`, oldest first; never waits; empty when there is nothing new.

        Ends at a transaction's end (so it may be longer than `limit`); the last change's `cursor` says where.
        Raises CursorExpired if the log was pruned past `after`, BadCursor if it is none.
        """
        return (await self._page(after, limit))[0]

    async def _page(self, after: Cursor, limit: int) -> Found:
        """What `read` returns, and the cursor after it."""
        position = Position.parse(after)
        if position.sqlite != (self._database.dialect == "sqlite"):
            raise BadCursor("The cursor belongs to another database.")
        if position.sqlite:
            rows = await self._database.read(lambda: _sqlite_rows(position, limit))
        else:
            rows = await self._database.read(lambda: _postgres_rows(position, limit))
        if rows is None:
            raise CursorExpired()
        found, end = rows
        return [change for change in (_change(row, end) for row in found) if not position.contains(change)], end

    async def _follow(self) -> None:
        while not self._stopping:
            try:
                async with asyncio.timeout(POLL_SECONDS if self._sinks else IDLE_POLL_SECONDS):
                    await self._woken.wait()
            except TimeoutError:
                if not await self._changed_elsewhere():
                    continue
            self._woken.clear()
            try:
                await self._deliver()
                await self._prune(datetime.now(UTC))
            except Exception as problem:
                fact("feed.failed", error=repr(problem))
                await asyncio.sleep(0.5)

    async def _changed_elsewhere(self) -> bool:
        """On SQLite one cheap pragma tells whether anybody else committed; PostgreSQL is simply asked."""
        driver = self._database.driver
        if not isinstance(driver, SqliteDriver):
            return True
        version = await driver.data_version()
        changed, self._seen_version = version != self._seen_version, version
        return changed

    async def _is_new(self) -> bool:
        """Whether the log has grown, asked in the cheapest way: most commits are of tables that are not captured."""
        if not isinstance(self._database.driver, SqliteDriver):
            return True
        [(seq,)] = await self._database.fetch_raw(position_step("sqlite").text)
        return int(seq) > Position.parse(self.cursor).xmin

    async def _deliver(self) -> None:
        while await self._is_new():
            changes, end = await self._page(self.cursor, BATCH_LIMIT)
            if not changes:
                self.cursor = end
                return
            self.lag_seconds = max(0.0, (datetime.now(UTC) - changes[-1].at).total_seconds())
            for sink in self._sinks:
                try:
                    await sink(changes)
                except Exception as problem:
                    fact("sink.failed", sink=getattr(sink, "__qualname__", repr(sink)), error=repr(problem))
            self.cursor = end

    async def _prune(self, now: datetime) -> None:
        """Once a minute, drop what is older than the limit; remember how far, so that an old cursor is refused."""
        if now - self._pruned_at < timedelta(seconds=60):
            return
        self._pruned_at = now
        database, t = self._database, self._database.tables
        log, upsert = t.changes, (sqlite_insert if database.dialect == "sqlite" else pg_insert)
        number = log.c.seq if database.dialect == "sqlite" else log.c.txid

        def script() -> Script[None]:
            old = yield select(number.label("n")).where(log.c.at < now - self._keep).order_by(number.desc()).limit(1)
            if not old:
                return
            yield delete(log).where(log.c.at < now - self._keep)
            statement = upsert(t.state).values(key=PRUNED_KEY, value=int(old[0]["n"]))
            yield statement.on_conflict_do_update(index_elements=["key"], set_={"value": statement.excluded.value})

        await database.run(script)


_FIELDS = 'seq, txid, table_schema, table_name, op, "before", "after", at'


def _sqlite_rows(position: Position, limit: int) -> Script[Found | None]:
    pruned = yield Sql('SELECT value FROM "baaskit.state" WHERE key = ?', (PRUNED_KEY,))
    if pruned and int(pruned[0][0]) > position.xmin:
        return None
    rows = yield Sql(f'SELECT {_FIELDS} FROM "baaskit.changes" WHERE seq > ? ORDER BY seq LIMIT ?', (position.xmin, limit))
    return rows, Cursor(f"s{rows[-1][0]}" if rows else f"s{position.xmin}")


_UNSEEN = "txid >= $1::text::xid8 AND (txid >= $2::text::xid8 OR txid = ANY($3::text[]::xid8[]))"


def _postgres_rows(position: Position, limit: int) -> Script[Found | None]:
    """Rows of the transactions that this snapshot sees and `position` does not, ordered by number.

    A row's versions are numbered under its lock, and a snapshot that sees a transaction sees every one that it waited for. So,
    read from snapshot to snapshot, no older version comes after a newer one, and an open transaction holds nothing back.
    """
    pruned = yield Sql("SELECT value FROM baaskit.state WHERE key = $1", (PRUNED_KEY,))
    if pruned and int(pruned[0][0]) >= position.xmin:
        return None
    [(snapshot,)] = yield Sql("SELECT pg_current_snapshot()::text")
    now = Position.parse(f"p{snapshot}")
    given = (str(position.xmin), str(position.xmax), [str(x) for x in sorted(position.running)])
    cut = now.xmax
    ordered = f"SELECT txid::text::bigint FROM baaskit.changes WHERE {_UNSEEN} ORDER BY txid LIMIT 1 OFFSET $4"
    past = yield Sql(ordered, (*given, limit))
    if past:
        # More than the limit: stop before that transaction, or, if it began the page, after it.
        [(first,)] = yield Sql(ordered, (*given, 0))
        cut = past[0][0] if past[0][0] > first else first + 1
        while True:
            # A transaction behind the cut that was numbered before one of this page may hold an older version of its row.
            late = yield Sql(
                f"SELECT max(txid::text::bigint) FROM baaskit.changes WHERE {_UNSEEN} AND txid >= $4::text::xid8 AND seq < "
                f"(SELECT max(seq) FROM baaskit.changes WHERE {_UNSEEN} AND txid < $4::text::xid8)",
                (*given, str(cut)),
            )
            if late[0][0] is None:
                break
            cut = late[0][0] + 1
    rows = yield Sql(f"SELECT {_FIELDS} FROM baaskit.changes WHERE {_UNSEEN} AND txid < $4::text::xid8 ORDER BY seq", (*given, str(cut)))
    # Unseen after this page: what runs now, and what the old position had not seen behind the cut.
    running = {x for x in now.running if x < cut} | {x for x in position.running if x >= cut}
    end = max(cut, position.xmax)
    return rows, Cursor(f"p{min(running, default=end)}:{end}:{','.join(str(x) for x in sorted(running))}")


def _change(row: Any, end: Cursor) -> Change:
    seq, txid, schema, name, op, before, after, at = row
    return Change(int(seq), int(txid), TableName(schema, name), op, _loaded(before), _loaded(after), _moment(at), end)


def _loaded(value: Any) -> Row | None:
    if isinstance(value, str):
        loaded: Row = orjson.loads(value)
        return loaded
    return value  # type: ignore[no-any-return]


def _moment(value: Any) -> datetime:
    return datetime.fromisoformat(value) if isinstance(value, str) else value
