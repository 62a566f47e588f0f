"""Hub: all channels of this process. Joins are authorized here, broadcasts and presence go through, changes come in."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from baaskit.errors import BaasError, Internal
from baaskit.errors.realtime import JoinRefused
from baaskit.kernel.changes import Change, Position
from baaskit.kernel.claims import Claims
from baaskit.kernel.database import Catalog
from baaskit.kernel.kit import Kit
from baaskit.kernel.policy import TRUE, Access, Expr, split_closed, to_predicate
from baaskit.kernel.schema import TableName
from baaskit.observe import fact
from baaskit.realtime.frames import Binary, Version, Wire, encode_broadcast
from baaskit.realtime.live import LiveQueries
from baaskit.realtime.presence import Presence
from baaskit.realtime.rows import RowChanges, binding_id
from baaskit.realtime.session import Channel, Rights
from baaskit.realtime.visibility import Caller, ask

MESSAGES = TableName("realtime", "messages")
TICK_SECONDS = 0.5
Room = tuple[bool, str]  # private and public channels of one name are two
Closer = Callable[[Channel, str], None]


class Hub:
    """`start` after the change feed, `stop` before it."""

    def __init__(self, kit: Kit) -> None:
        schemas = tuple(kit.settings.exposed_schemas)
        self._kit, self._database = kit, kit.database
        self.rows = RowChanges(kit.database, schemas, self.lost)
        self.live = LiveQueries(kit.database, schemas, kit.settings.max_rows, self.lost)
        self._rooms: dict[Room, dict[Channel, None]] = {}
        self._presence: dict[Room, Presence] = {}
        self._closers: dict[Channel, Closer] = {}
        self._chores: set[asyncio.Task[None]] = set()
        self._ticker: asyncio.Task[None] | None = None
        self.on_tick: list[Callable[[float], None]] = []  # called with unix seconds; connections look at their tokens then

    async def start(self) -> None:
        self._kit.changes.add_sink(self.deliver)
        self._database.on_catalog.append(self._catalog_changed)
        self._ticker = asyncio.create_task(self._tick(), name="realtime tick")

    async def stop(self) -> None:
        if self._catalog_changed in self._database.on_catalog:
            self._database.on_catalog.remove(self._catalog_changed)
        tasks = [task for task in (self._ticker, *self._chores) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.live.stop()

    # ---- channels -------------------------------------------------------------------------------------------------

    async def join(self, channel: Channel, closer: Closer) -> dict[str, Any]:
        """Make everything that the join asks for active; returns the response. Raises BaasError to refuse.

        `closer(channel, message)` ends the channel from our side later. `leave` undoes a join, also one that has failed.
        """
        config, claims = channel.config, channel.claims
        self._closers[channel] = closer
        await self._authorize(channel)
        response: dict[str, Any] = {"postgres_changes": []}
        if config.bindings:
            response["postgres_changes"] = await self._bind(channel)
        if config.live:
            response["live"] = [{"id": number} for number in await self.live.join(channel)]
        if channel.state == "closed":
            self.leave(channel)
            return response
        self._rooms.setdefault(_room(channel), {})[channel] = None
        if config.presence and channel.rights.see_presence:
            presence = self._presence.get(_room(channel))
            channel.push("presence_state", presence.state() if presence else {})
        if config.replication_ready:
            channel.system("ok", "Replication connection established", "system")
        if channel.claims is not claims:  # the token was changed while the join was under way
            await self.recast(channel)
        return response

    async def _bind(self, channel: Channel) -> list[dict[str, Any]]:
        """Bindings are answered as given, with an id; a bad one is told in a system message, and then none is active."""
        from_now = Position.parse(await self._kit.changes.here())
        try:
            self.rows.bind(channel, from_now)
        except BaasError as problem:
            hint = f" {problem.hint}" if problem.hint else ""
            channel.system("error", f"Unable to subscribe to changes with given parameters: {problem.message}{hint}", "postgres_changes")
        else:
            channel.system("ok", "Subscribed to PostgreSQL", "postgres_changes")
        pairs = zip(channel.config.echo, channel.config.bindings, strict=True)
        return [{**entry, "id": binding_id(binding)} for entry, binding in pairs]

    def leave(self, channel: Channel) -> None:
        room = _room(channel)
        self._closers.pop(channel, None)
        self.rows.drop(channel)
        self.live.leave(channel)
        members = self._rooms.get(room)
        if members is not None:
            members.pop(channel, None)
            if not members:
                del self._rooms[room]
        self._untrack(channel)

    async def recast(self, channel: Channel) -> None:
        """The channel's claims have changed: everything is decided anew."""
        try:
            await self._authorize(channel)
            if channel.state == "closed":
                return
            if self.rows.is_bound(channel):
                self.rows.bind(channel)
            self.live.recast(channel)
        except BaasError as problem:
            self.lost(channel, problem.message)

    def lost(self, channel: Channel, message: str) -> None:
        """End a channel that cannot go on."""
        closer = self._closers.get(channel)
        if closer is not None:
            closer(channel, message)

    # ---- private channels -----------------------------------------------------------------------------------------

    async def _authorize(self, channel: Channel) -> None:
        """Find what the policies on realtime.messages allow in a private channel. Raises JoinRefused without a right to read."""
        if not channel.config.private:
            return
        channel.rights = rights = await self.rights(channel.claims, channel.name)
        if not (rights.read or rights.see_presence):
            raise JoinRefused("Unauthorized", f"You do not have permissions to read from this Channel topic: {channel.name}")

    async def rights(self, claims: Claims, topic: str) -> Rights:
        """What a caller may do in the private channel `topic`: select is to read, insert is to write."""
        policies = self._database.catalog.policies
        select, insert = policies.access(MESSAGES, "select", claims.role), policies.access(MESSAGES, "insert", claims.role)
        found = []
        for extension in ("broadcast", "presence"):
            found.append(await self._admits(select, select.using, claims, topic, extension))
            found.append(await self._admits(insert, insert.check, claims, topic, extension))
        read, broadcast, see, track = found
        return Rights(read, broadcast, see, track)

    async def _admits(self, access: Access, condition: Expr | None, claims: Claims, topic: str, extension: str) -> bool:
        if access.denied:
            return False
        if condition is None:
            return True
        now = datetime.now(UTC)
        schema = self._database.catalog.schema
        table = schema.tables[MESSAGES]
        row = {column.name: None for column in table.columns}
        row |= {"topic": topic, "extension": extension, "private": True, "inserted_at": now.isoformat()}  # type: ignore[dict-item]
        closed, rest = split_closed(condition)
        if to_predicate(closed)(row, None, claims, now, topic) is not True:
            return False
        return rest == TRUE or bool(await ask(self._database, schema, table, rest, [Caller(claims, topic)], [row], now))

    # ---- broadcast and presence -----------------------------------------------------------------------------------

    def broadcast(self, topic: str, private: bool, message: dict[str, Any] | Binary, sender: Channel | None = None) -> None:
        """Send to all who are in the channel `topic` (without prefix), encoded once per protocol version."""
        frames: dict[Version, Wire | None] = {}
        for channel in list(self._rooms.get((private, topic), ())):
            if not channel.rights.read or (channel is sender and not channel.config.self_send):
                continue
            if channel.version not in frames:
                frames[channel.version] = encode_broadcast(channel.version, channel.topic, message)
            frame = frames[channel.version]
            if frame is not None:
                channel.must(frame)

    def track(self, channel: Channel, state: dict[str, Any] | None) -> None:
        """The channel's member is here with `state`; None: it is not any more."""
        if state is None:
            self._untrack(channel)
        elif channel in self._rooms.get(_room(channel), ()):
            presence = self._presence.setdefault(_room(channel), Presence())
            self._tell_presence(_room(channel), presence.track(channel, channel.presence_key, state))

    def _untrack(self, channel: Channel) -> None:
        room = _room(channel)
        presence = self._presence.get(room)
        diff = presence.untrack(channel) if presence is not None else None
        if presence is not None and not presence:
            del self._presence[room]
        if diff is not None:
            self._tell_presence(room, diff)

    def _tell_presence(self, room: Room, diff: dict[str, Any]) -> None:
        for channel in list(self._rooms.get(room, ())):
            if channel.config.presence and channel.rights.see_presence:
                channel.push("presence_diff", diff)

    # ---- what comes from elsewhere --------------------------------------------------------------------------------

    async def deliver(self, changes: list[Change]) -> None:
        """The sink of the change feed."""
        self.live.deliver(changes)
        await self.rows.deliver(changes)

    def _catalog_changed(self, catalog: Catalog) -> None:
        """What can be decided at once is: no change that is delivered after the swap is told by the former policies."""
        self.live.catalog_changed()
        for channel in list(self._closers):
            if self.rows.is_bound(channel):
                self._rebind(channel)
            if channel.config.private and channel.state == "joined":
                self._chore(self.recast(channel))

    def _rebind(self, channel: Channel) -> None:
        try:
            self.rows.bind(channel)
        except BaasError as problem:
            self.lost(channel, problem.message)

    def _chore(self, work: Any) -> None:
        task: asyncio.Task[None] = asyncio.create_task(work)
        self._chores.add(task)
        task.add_done_callback(self._chores.discard)

    async def _tick(self) -> None:
        ticks = 0
        while True:
            await asyncio.sleep(TICK_SECONDS)
            ticks += 1
            now = datetime.now(UTC).timestamp()
            try:
                for told in list(self.on_tick):
                    told(now)
                if ticks % 2 == 0:
                    self.live.tick()
            except Exception as problem:  # a fault with one connection must not end the care for all others
                fact("realtime.tick_failed", error=repr(problem))


def _room(channel: Channel) -> Room:
    return channel.config.private, channel.name


def as_refusal(problem: Exception) -> BaasError:
    """What the client is told of a join that failed."""
    if isinstance(problem, BaasError):
        return problem
    fact("realtime.join_failed", error=repr(problem))
    return Internal("The join failed inside the server.")
