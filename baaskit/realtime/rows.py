"""`postgres_changes`: who is told of which changed row, grouped into audiences that see the same.

An audience shares table, binding, role and what the policy reads of the caller: its question is asked once per change,
its frame encoded once per protocol version and topic.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Literal, NamedTuple

from baaskit.errors import BaasError
from baaskit.errors.realtime import NotCaptured
from baaskit.errors.rest import UnknownColumn
from baaskit.kernel.changes import Change, Position, Row
from baaskit.kernel.claims import Claims
from baaskit.kernel.database import Catalog, Database
from baaskit.kernel.policy import Access, Expr
from baaskit.kernel.schema import Table, TableName
from baaskit.observe import fact
from baaskit.realtime.config import Binding
from baaskit.realtime.filters import Filter, read_filter
from baaskit.realtime.frames import Version, dump, encode_json
from baaskit.realtime.owners import ByOwner, owner_of
from baaskit.realtime.session import Channel
from baaskit.realtime.visibility import Caller, Sight, ask, claim_facts

OPEN_BATCH = 500  # changed rows asked about in one reversed statement


class Kind(NamedTuple):
    """What a subscriber is told, and which row's key is shown as the old one: the former key is for those who saw the row."""

    type: Literal["INSERT", "UPDATE", "DELETE"]
    key: Literal["before", "after"]


def binding_id(binding: Binding) -> int:
    """Equal bindings have equal ids, everywhere and for ever, so that their frames are equal. Fits a JavaScript number."""
    return int.from_bytes(sha256(repr(binding).encode()).digest()[:6], "big")


@dataclass(eq=False, slots=True)
class Audience:
    """Subscribers that see the same of one table. `claims` are those of any of them."""

    id: int
    table: Table
    event: str
    filter: Filter | None
    shown: tuple[str, ...]
    sight: Sight
    claims: Claims
    members: dict[Channel, None] = field(default_factory=dict)

    def kind(self, change: Change, before: bool, after: bool) -> Kind | None:
        """What the change is to this audience, given whether its two rows may be seen; None: nothing at all."""
        if after:
            kind, row = Kind("INSERT" if change.op == "insert" else "UPDATE", "before" if before else "after"), change.after
        elif before:
            kind, row = Kind("DELETE", "before"), change.before  # also of a row that only left what may be seen
        else:
            return None
        if row is None or self.event not in ("*", kind.type):
            return None
        return kind if self.filter is None or self.filter(row) else None


class RowChanges:
    """All bindings of this process."""

    def __init__(self, database: Database, schemas: tuple[str, ...], lost: Callable[[Channel, str], None]) -> None:
        """`lost` ends a channel that cannot be told of a change any more."""
        self._database, self._schemas, self._lost = database, schemas, lost
        self._tables: dict[TableName, ByOwner[Audience]] = {}
        self._member_of: dict[Channel, list[tuple[Audience, Hashable]]] = {}
        self._since: dict[Channel, Position] = {}
        self._rebinds = 0
        self._bound: set[Channel] = set()

    # ---- who listens ----------------------------------------------------------------------------------------------

    def bind(self, channel: Channel, since: Position | None = None) -> None:
        """Make the channel's bindings active for what is committed after `since`. Raises BaasError for a bad one: then none is.

        Called again when its claims, the schema or the policies have changed.
        """
        catalog = self._database.catalog
        self._rebinds += channel in self._bound
        young = self._since.get(channel) if since is None else since
        self.drop(channel)
        found = [audience for binding in channel.config.bindings for audience in self._audiences(binding, catalog, channel.claims)]
        for key, audience in found:
            table = self._tables.setdefault(audience.table.name, ByOwner())
            known = table.get(key)
            if known is None:
                known = audience
                table.add(key, audience, owner_of(audience.sight.using, audience.claims))
            known.members[channel] = None
            self._member_of.setdefault(channel, []).append((known, key))
        self._bound.add(channel)
        if young is not None:
            self._since[channel] = young

    def is_bound(self, channel: Channel) -> bool:
        return channel in self._bound

    def drop(self, channel: Channel) -> None:
        self._bound.discard(channel)
        self._since.pop(channel, None)
        for audience, key in self._member_of.pop(channel, ()):
            audience.members.pop(channel, None)
            if not audience.members:
                table = self._tables[audience.table.name]
                if table.get(key) is audience:
                    table.remove(key)

    def _audiences(self, binding: Binding, catalog: Catalog, claims: Claims) -> Iterable[tuple[Hashable, Audience]]:
        for table in self._wanted(binding, catalog):
            access = catalog.policies.access(table.name, "select", claims.role)
            sight = Sight.of(access)
            key = (binding, claims.role, claim_facts([sight.using], claims))
            shown = _shown(table, access, binding)
            yield (
                key,
                Audience(
                    binding_id(binding),
                    table,
                    binding.event,
                    read_filter(binding.filter, catalog, table.name, claims.role),
                    shown,
                    sight,
                    claims,
                ),
            )

    def _wanted(self, binding: Binding, catalog: Catalog) -> list[Table]:
        """The captured tables that a binding means. One that names a table must find it."""
        schema = catalog.schema
        if binding.table is not None:
            name = TableName(binding.schema, binding.table)
            if name not in schema.captured or name.schema not in self._schemas or name not in schema.tables:
                raise NotCaptured(str(name))
            return [schema.tables[name]]
        meant = sorted(n for n in schema.captured if n.schema in self._schemas and n in schema.tables and binding.schema in ("*", n.schema))
        return [schema.tables[name] for name in meant]

    # ---- what they are told ---------------------------------------------------------------------------------------

    async def deliver(self, changes: list[Change]) -> None:
        """Tell every subscriber what it may know of these changes, in their order."""
        relevant = [change for change in changes if self._tables.get(change.table) and change.op != "truncate"]
        for start in range(0, len(relevant), OPEN_BATCH):
            # A channel that is bound anew while the database is asked has left its audience: ask again, or it would miss these.
            while not await self._deliver(relevant[start : start + OPEN_BATCH]):
                pass
        if self._since:
            reached = Position.parse(changes[-1].cursor)
            self._since = {c: p for c, p in self._since.items() if reached.xmin < (p.xmin if p.sqlite else p.xmax)}

    async def _deliver(self, changes: list[Change]) -> bool:
        """Tell of these changes; False, and nothing is told, when who listens has changed meanwhile."""
        now, rebinds = datetime.now(UTC), self._rebinds
        seen = [
            (
                change,
                audience,
                audience.sight.may(change.before, audience.claims, now),
                audience.sight.may(change.after, audience.claims, now),
            )
            for change in changes
            for audience in self._tables[change.table].concerned([change])
        ]
        possible = [entry for entry in seen if entry[2] or entry[3]]
        answers = await self._ask([(c, a) for c, a, _, _ in possible if a.sight.open is not None], now)
        if self._rebinds != rebinds:
            return False
        hits: dict[int, list[tuple[Audience, Kind]]] = {}
        for change, audience, before, after in possible:
            if audience.sight.open is not None:
                admitted = answers.get((id(change), audience), (False, False))
                before, after = before and admitted[0], after and admitted[1]
            kind = audience.kind(change, before, after)
            if kind is not None:
                hits.setdefault(id(change), []).append((audience, kind))
        for change in changes:
            if id(change) in hits:
                self._emit(change, hits[id(change)])
        return True

    async def _ask(self, questions: list[tuple[Change, Audience]], now: datetime) -> dict[tuple[int, Audience], tuple[bool, bool]]:
        """Whether the open conditions admit before-row and after-row: one statement per table and condition."""
        groups: dict[tuple[TableName, Expr], list[tuple[Change, Audience]]] = {}
        for change, audience in questions:
            assert audience.sight.open is not None
            groups.setdefault((change.table, audience.sight.open), []).append((change, audience))
        found: dict[tuple[int, Audience], tuple[bool, bool]] = {}
        for (_, condition), pairs in groups.items():
            audiences, batch = list({a: None for _, a in pairs}), list({id(c): c for c, _ in pairs}.values())
            rows: list[Row] = [row or {} for change in batch for row in (change.before, change.after)]
            callers = [Caller(audience.claims) for audience in audiences]
            try:
                admitted = await ask(self._database, self._database.catalog.schema, audiences[0].table, condition, callers, rows, now)
            except BaasError as problem:
                # Nobody is told of a row unasked; and nobody is left believing that nothing happened.
                fact("realtime.ask_failed", table=str(audiences[0].table.name), error=problem.message)
                for channel in [member for audience in audiences for member in audience.members]:
                    self._lost(channel, "Changes could not be checked against the policies; subscribe again")
                continue
            for number, change in enumerate(batch):
                for who, audience in enumerate(audiences):
                    found[id(change), audience] = ((who, 2 * number) in admitted, (who, 2 * number + 1) in admitted)
        return found

    def _emit(self, change: Change, hits: list[tuple[Audience, Kind]]) -> None:
        """One push per channel and shape, holding all ids that match."""
        wanted: dict[Channel, dict[tuple[Kind, tuple[str, ...]], list[int]]] = {}
        tables: dict[tuple[str, ...], Audience] = {}
        for audience, kind in hits:
            tables[audience.shown] = audience
            for channel in audience.members:
                since = self._since.get(channel)
                if since is None or not since.contains(change):
                    wanted.setdefault(channel, {}).setdefault((kind, audience.shown), []).append(audience.id)
        data: dict[tuple[Kind, tuple[str, ...]], str] = {}
        frames: dict[tuple[Version, str, Kind, tuple[str, ...], tuple[int, ...]], str] = {}
        for channel, shapes in wanted.items():
            for (kind, shown), ids in shapes.items():
                key = (channel.version, channel.topic, kind, shown, tuple(ids))
                frame = frames.get(key)
                if frame is None:
                    if (kind, shown) not in data:
                        data[kind, shown] = dump(_data(change, tables[shown].table, kind, shown))
                    payload = f'{{"ids":{dump(list(dict.fromkeys(ids)))},"data":{data[kind, shown]}}}'
                    frame = frames[key] = encode_json(channel.version, dump(channel.topic), "postgres_changes", payload)
                channel.must(frame)


def _shown(table: Table, access: Access, binding: Binding) -> tuple[str, ...]:
    """The columns that a subscriber gets, in the table's order: those it may read and asked for, and always the key."""
    allowed = [c.name for c in table.columns if access.columns is None or c.name in access.columns]
    if binding.select is None:
        return tuple(allowed)
    for name in binding.select:
        if name not in allowed:
            raise UnknownColumn(table.name.name, name, allowed)
    return tuple(name for name in allowed if name in binding.select or name in table.primary_key)


def _data(change: Change, table: Table, kind: Kind, shown: tuple[str, ...]) -> dict[str, Any]:
    """The `data` of a push (wire.md §4.5). Of a row that is gone, or no longer to be seen, only the key is told."""
    columns = [{"name": name, "type": table.by_name[name].type.wire} for name in shown]
    at = change.at.astimezone(UTC)
    told: dict[str, Any] = {
        "schema": table.name.schema, "table": table.name.name, "commit_timestamp": at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z",
        "type": kind.type, "columns": columns, "errors": None,
    }  # fmt: skip
    if kind.type != "DELETE" and change.after is not None:
        told["record"] = {name: change.after.get(name) for name in shown}
    if kind.type != "INSERT":
        source = (change.before if kind.key == "before" else change.after) or {}
        told["old_record"] = {name: source.get(name) for name in shown if name in table.primary_key}
    return told
