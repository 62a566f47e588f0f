"""Live queries: each follower gets rows and cursor of one snapshot, and from then on exactly what changes.

Followers whose queries always give equal rows share an audience: one evaluation, one encoding. A follower's `position` says
which changes its rows contain already; a change is told to it exactly when the position does not contain it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from time import monotonic
from typing import Literal

from baaskit.errors import BaasError, Internal
from baaskit.kernel.changes import BadCursor, Change, Position, cursor_of, position_step
from baaskit.kernel.claims import Claims
from baaskit.kernel.database import Database, Script, Sql
from baaskit.kernel.database.binding import Statement
from baaskit.kernel.database.statements import compile_read
from baaskit.kernel.schema import TableName
from baaskit.observe import fact
from baaskit.realtime.config import LiveRequest
from baaskit.realtime.cursors import LiveCursor, is_ahead, merged
from baaskit.realtime.frames import dump, encode_json
from baaskit.realtime.livequery import Delta, Prepared, Rows, delta_of, difference, prepare, rows_of
from baaskit.realtime.missed import missed
from baaskit.realtime.owners import ByOwner, owner_of
from baaskit.realtime.session import Channel

READS_AT_ONCE = 4
BACKLOG_LIMIT = 20_000  # changes kept for one follower while its snapshot is read
FAILURES_LIMIT = 10  # runs in a row that may fail before the followers are told to go
RETRY_SECONDS = 1.0
WINDOW = "w"  # ends the cursor of a result that is a window: changed rows alone do not tell how it goes on
_ids = count(1)


@dataclass(eq=False, slots=True)
class Follower:
    """One live query of one channel. `cursor` is that of the last event handed to the connection."""

    channel: Channel
    request: LiveRequest
    audience: Audience
    ready: asyncio.Future[None]
    since: Position | None = None
    windowed: bool = False  # `since` is of a window
    id: int = field(default_factory=lambda: next(_ids))
    state: Literal["waiting", "following", "gone"] = "waiting"
    position: Position | None = None
    cursor: str | None = None
    rows: int = 0  # in the result; only counted where a cap could be reached
    backlog: list[Change] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Found:
    """What one read snapshot showed: the rows as JSON texts, its position, and per asked-for position the missed changes."""

    position: Position
    texts: list[str]
    missed: dict[Position, list[Change] | None]


@dataclass(eq=False)
class Audience:
    """Followers that always get equal rows. `rows` and `position`: the result last told, where the query is run again."""

    query: Prepared
    by_rows: bool
    followers: dict[Follower, None] = field(default_factory=dict)
    rows: Rows | None = None
    dirty: bool = False
    failures: int = 0
    task: asyncio.Task[None] | None = None
    statement: Statement | None = None


class LiveQueries:
    """All live queries of this process. Changes come in through `deliver`, on the event loop, in commit order."""

    def __init__(self, database: Database, schemas: tuple[str, ...], max_rows: int | None, lost: Callable[[Channel, str], None]) -> None:
        """`lost` ends a channel whose query cannot be kept any more."""
        self._database, self._schemas, self._max_rows, self._lost = database, schemas, max_rows, lost
        self._audiences: dict[str, Audience] = {}
        self._by_rows: dict[TableName, ByOwner[Audience]] = {}  # those that began by rows: only changes of one table concern them
        self._others: dict[str, Audience] = {}
        self._of: dict[Channel, list[Follower]] = {}
        self._gate = asyncio.Semaphore(READS_AT_ONCE)

    # ---- who follows ----------------------------------------------------------------------------------------------

    async def join(self, channel: Channel) -> list[int]:
        """Begin the channel's live queries; returns their ids when the first event of each is on its way. Raises BaasError."""
        followers = []
        try:
            for request in channel.config.live:
                followers.append(await self._begin(channel, request))
            for follower in followers:
                await follower.ready
        except BaseException:
            self.leave(channel)
            raise
        return [follower.id for follower in followers]

    def leave(self, channel: Channel) -> None:
        for follower in self._of.pop(channel, ()):
            self._remove(follower)

    def recast(self, channel: Channel) -> None:
        """The caller has other claims: where that means other rows, it gets a new snapshot. Raises BaasError."""
        for follower in self._of.get(channel, ()):
            self._replan(follower)

    def catalog_changed(self) -> None:
        """Schema or policies are others: whoever may get other rows gets a new snapshot."""
        for channel, followers in list(self._of.items()):
            try:
                for follower in followers:
                    self._replan(follower)
            except BaasError as problem:
                self._lost(channel, problem.message)

    def tick(self) -> None:
        """Called about once a second: run again what changes without a logged change."""
        for audience in self._audiences.values():
            if audience.query.timed or audience.query.uncaptured:
                self._need(audience)

    async def stop(self) -> None:
        tasks = [a.task for a in self._audiences.values() if a.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _begin(self, channel: Channel, request: LiveRequest) -> Follower:
        await self._capture(self._prepare(request.query, channel.claims))
        audience = self._audience(self._prepare(request.query, channel.claims))
        since = None
        if request.since is not None:
            cursor = LiveCursor.parse(request.since)
            if cursor.position.sqlite != (self._database.dialect == "sqlite"):
                raise BadCursor("The cursor belongs to another database.")
            fingerprint = cursor.fingerprint.removesuffix(WINDOW)
            since = cursor.position if fingerprint == audience.query.fingerprint else None
        follower = Follower(channel, request, audience, asyncio.get_running_loop().create_future(), since)
        follower.windowed = request.since is not None and request.since.endswith(WINDOW)
        follower.ready.add_done_callback(lambda done: done.cancelled() or done.exception())
        follower.cursor = request.since
        self._of.setdefault(channel, []).append(follower)
        self._add(follower, audience)
        return follower

    async def _capture(self, query: Prepared) -> None:
        """Have the tables logged that the policies ask: a change of membership must be seen. Not those with secrets."""
        for name in sorted(query.uncaptured):
            table = self._database.catalog.schema.tables.get(name)
            if name.schema in self._schemas and table is not None and not table.view:
                try:
                    await self._database.capture(name)
                except BaasError as problem:  # off, or no right to add triggers: the query is run again every second instead
                    fact("capture.refused", table=str(name), error=problem.message)

    def _prepare(self, text: str, claims: Claims) -> Prepared:
        return prepare(text, self._database.catalog, claims, self._database.dialect, self._schemas, self._max_rows)

    def _audience(self, query: Prepared) -> Audience:
        found = self._audiences.get(query.fingerprint)
        if found is None:
            found = self._audiences[query.fingerprint] = Audience(query, query.by_rows)
            if query.by_rows:
                self._by_rows.setdefault(query.plan.table, ByOwner()).add(
                    query.fingerprint, found, owner_of(query.sight.using, query.claims)
                )
            else:
                self._others[query.fingerprint] = found
            found.statement = compile_read(query.plan.read, self._database.dialect, self._database.catalog.schema)
        return found

    def _replan(self, follower: Follower) -> None:
        if follower.state == "gone":
            return
        query = self._prepare(follower.request.query, follower.channel.claims)
        if query.fingerprint != follower.audience.query.fingerprint:
            self._detach(follower)
            follower.audience = self._audience(query)
            self._again(follower)

    def _again(self, follower: Follower) -> None:
        """Start over with a snapshot."""
        follower.state, follower.since, follower.position, follower.backlog = "waiting", None, None, []
        self._add(follower, follower.audience)

    def _add(self, follower: Follower, audience: Audience) -> None:
        audience.followers[follower] = None
        self._need(audience)

    def _remove(self, follower: Follower) -> None:
        follower.state = "gone"
        follower.backlog = []
        self._detach(follower)
        follower.ready.cancel()

    def _detach(self, follower: Follower) -> None:
        audience = follower.audience
        audience.followers.pop(follower, None)
        if not audience.followers and self._audiences.get(audience.query.fingerprint) is audience:
            del self._audiences[audience.query.fingerprint]
            if self._others.pop(audience.query.fingerprint, None) is None:
                self._by_rows[audience.query.plan.table].remove(audience.query.fingerprint)

    # ---- changes --------------------------------------------------------------------------------------------------

    def deliver(self, changes: list[Change]) -> None:
        """Tell followers what these committed changes mean to them."""
        by_table: dict[TableName, list[Change]] = {}
        for change in changes:
            by_table.setdefault(change.table, []).append(change)
        end, now = Position.parse(changes[-1].cursor), datetime.now(UTC)
        for audience in self._others.values():
            if not audience.query.tables.isdisjoint(by_table):
                self._need(audience)
        for table, batch in by_table.items():
            for audience in self._by_rows[table].concerned(batch) if table in self._by_rows else ():
                if audience.by_rows:
                    self._deliver_rows(audience, batch, end, now)
                else:
                    self._need(audience)

    def _deliver_rows(self, audience: Audience, batch: list[Change], end: Position, now: datetime) -> None:
        truncated = any(change.op == "truncate" for change in batch)
        groups: dict[Position, list[Follower]] = {}
        for follower in audience.followers:
            if follower.position is not None and follower.state == "following":
                groups.setdefault(follower.position, []).append(follower)
            else:
                follower.backlog += batch
        for follower in audience.followers:
            if follower.state == "waiting" and len(follower.backlog) > BACKLOG_LIMIT:
                self._again(follower)
        for position, followers in groups.items():
            if truncated:
                for follower in followers:
                    self._again(follower)
            else:
                self._advance(audience, followers, position, batch, end, now)

    def _advance(
        self, audience: Audience, followers: list[Follower], position: Position, batch: list[Change], end: Position, now: datetime
    ) -> None:
        """Tell followers at one position of a batch that ends at `end`."""
        news = [change for change in batch if not position.contains(change)]
        delta = delta_of(audience.query, news, now)
        reached, cap = merged(position, end), audience.query.plan.limit
        for follower in followers:
            follower.position = reached
            follower.rows += len(delta.enter) - len(delta.leave)
        if cap is not None and any(follower.rows > cap for follower in followers):
            self._run_again_from_now_on(audience)
        elif delta:
            self._tell(followers, "live_delta", delta, reached)

    def _run_again_from_now_on(self, audience: Audience) -> None:
        """A result larger than one answer may be is a window of it, which changed rows alone do not tell."""
        audience.by_rows, audience.rows = False, None
        for follower in audience.followers:
            if follower.state == "following":
                follower.state, follower.since, follower.backlog = "waiting", None, []
        self._need(audience)

    # ---- telling --------------------------------------------------------------------------------------------------

    def _tell(self, followers: list[Follower], event: str, what: Delta | Callable[[str], str], position: Position) -> None:
        """One event to many followers of one audience: encoded once, but for topic and id."""
        if not followers:
            return
        audience = followers[0].audience
        cursor = str(LiveCursor(position, audience.query.fingerprint + ("" if audience.by_rows else WINDOW)))
        tail = what.tail(cursor) if isinstance(what, Delta) else what(cursor)
        for follower in followers:
            channel = follower.channel
            frame = encode_json(channel.version, dump(channel.topic), event, f'{{"id":{follower.id},{tail}')
            if channel.offer(frame):
                follower.cursor = cursor
            else:
                self._fall_behind(follower)

    def _fall_behind(self, follower: Follower) -> None:
        """The connection takes no more: forget the follower, and when there is room tell it where to go on from."""
        if follower.state == "gone":
            return
        self._remove(follower)
        channel, told = follower.channel, {"id": follower.id, "cursor": follower.cursor}
        channel.outbox.when_drained(lambda: channel.push("live_resync", told))

    # ---- reading --------------------------------------------------------------------------------------------------

    def _need(self, audience: Audience) -> None:
        """Have the query read soon; calls that come meanwhile are one."""
        audience.dirty = True
        if audience.task is None or audience.task.done():
            audience.task = asyncio.create_task(self._run(audience), name="live query")

    async def _run(self, audience: Audience) -> None:
        while audience.dirty and audience.followers:
            audience.dirty = False
            began = monotonic()
            waiting = [f for f in audience.followers if f.state == "waiting"]
            if audience.by_rows and not waiting:
                return
            try:
                found = await self._read(audience, waiting)
            except Exception as problem:
                await self._failed(audience, waiting, problem)
                continue
            audience.failures = 0
            waiting = [f for f in waiting if f.state == "waiting" and f.audience is audience]
            if audience.by_rows:
                self._begin_by_rows(audience, waiting, found)
            else:
                self._take(audience, waiting, found)
            if not audience.by_rows and audience.dirty:
                await asyncio.sleep(min(monotonic() - began, 0.25))  # at most half the time is spent reading

    async def _read(self, audience: Audience, waiting: list[Follower]) -> Found:
        database, wanted = self._database, {f.since for f in waiting if f.since is not None}
        query, statement = audience.query, audience.statement
        assert statement is not None
        params = statement.bind(query.plan.query.values, query.claims)

        def script() -> Script[Found]:
            step = yield position_step(database.dialect)
            position = Position.parse(cursor_of(database.dialect, step))
            texts = yield Sql(statement.text, params)
            found: dict[Position, list[Change] | None] = {}
            for since in wanted:
                found[since] = None if is_ahead(since, position) else (yield from missed(database.tables, since, query.tables))
            return Found(position, [row[0] for row in texts], found)

        async with self._gate:
            return await database.read(script)

    async def _failed(self, audience: Audience, waiting: list[Follower], problem: Exception) -> None:
        error = problem if isinstance(problem, BaasError) else Internal("The query could not be read.")
        fact("realtime.read_failed", query=audience.query.plan.text, error=repr(problem))
        audience.failures += 1
        for follower in waiting:
            if not follower.ready.done():
                follower.ready.set_exception(error)
        if audience.failures >= FAILURES_LIMIT:
            for follower in list(audience.followers):
                self._lost(follower.channel, error.message)
            return
        await asyncio.sleep(RETRY_SECONDS)
        audience.dirty = True

    def _begin_by_rows(self, audience: Audience, waiting: list[Follower], found: Found) -> None:
        now, cap = datetime.now(UTC), audience.query.plan.limit
        if cap is not None and len(found.texts) >= cap:
            self._run_again_from_now_on(audience)
            return
        for follower in waiting:
            backlog, follower.backlog = follower.backlog, []
            gap = None if follower.since is None or follower.windowed else found.missed[follower.since]
            if any(change.op == "truncate" for change in [*backlog, *(gap or ())]):
                self._again(follower)
                continue
            follower.state, follower.position, follower.rows = "following", found.position, len(found.texts)
            if gap is not None:
                self._tell([follower], "live_delta", delta_of(audience.query, gap, now), found.position)
            else:
                self._tell([follower], "live_snapshot", _snapshot(audience.query, found.texts), found.position)
            late = [change for change in backlog if not found.position.contains(change)]
            if late and follower.state == "following":
                self._advance(audience, [follower], found.position, late, Position.parse(late[-1].cursor), now)
            if not follower.ready.done():
                follower.ready.set_result(None)

    def _take(self, audience: Audience, waiting: list[Follower], found: Found) -> None:
        """A new result of a query that is run again: the difference for those who follow, the whole for those who wait."""
        rows = rows_of(audience.query.key, found.texts)
        following = [f for f in audience.followers if f.state == "following"]
        if audience.rows is not None and following:
            delta = difference(audience.rows, rows)
            if delta:
                self._tell(following, "live_delta", delta, found.position)
        audience.rows = rows
        for follower in waiting:
            follower.state, follower.position, follower.backlog = "following", found.position, []
            if (
                follower.since is not None
                and found.missed[follower.since] == []
                and not audience.query.uncaptured
                and not audience.query.timed
            ):
                self._tell([follower], "live_delta", Delta(), found.position)
            else:
                self._tell([follower], "live_snapshot", _snapshot(audience.query, found.texts), found.position)
            if not follower.ready.done():
                follower.ready.set_result(None)


def _snapshot(query: Prepared, texts: list[str]) -> Callable[[str], str]:
    return lambda cursor: f'"rows":[{",".join(texts)}],"key":{dump(query.key)},"cursor":{dump(cursor)}}}'
