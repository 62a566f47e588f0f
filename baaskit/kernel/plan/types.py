"""What will be done: names resolved to columns and relations, policies attached, limits applied. Values are still slots.

A plan is a pure function of query, catalogue and role, so it is kept with its SQL and used again for other values and
other callers of the same role.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from baaskit.kernel.policy import Access, PolicySet
from baaskit.kernel.query import Aggregate, Step
from baaskit.kernel.schema import Column, Schema, Table, TableName, Type

Command = Literal["insert", "update", "delete"]


class Catalog(Protocol):
    """One schema and one set of policies, both frozen."""

    @property
    def schema(self) -> Schema: ...
    @property
    def policies(self) -> PolicySet: ...


@dataclass(frozen=True, slots=True)
class Limits:
    """`max_rows` caps the root and every embed; None is no cap. `aggregate_seconds`: time of a read with aggregates; None is
    that of every read."""

    max_rows: int | None = 1000
    max_embeds: int = 30
    aggregates: bool = True
    aggregate_seconds: float | None = None


DEFAULT_LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class Relation:
    """How rows of `child` belong to a row of `parent`. `pairs` are (parent column, child column).

    With a junction, `pairs` are (parent column, junction column) and `far_pairs` (junction column, child column).
    """

    kind: Literal["many-to-one", "one-to-one", "one-to-many", "many-to-many"]
    parent: TableName
    child: TableName
    constraint: str
    pairs: tuple[tuple[str, str], ...]
    junction: TableName | None = None
    far_constraint: str = ""
    far_pairs: tuple[tuple[str, str], ...] = ()

    @property
    def to_one(self) -> bool:
        return self.kind in ("many-to-one", "one-to-one")


@dataclass(frozen=True, slots=True)
class Place:
    """A column, or a place inside its JSON."""

    column: Column
    steps: tuple[Step, ...] = ()

    @property
    def type(self) -> Type:
        """The type of the value at this place: the column's own, or json / text of a JSON path."""
        if not self.steps:
            return self.column.type
        return Type("text") if self.steps[-1].as_text else Type("jsonb")


@dataclass(frozen=True, slots=True)
class ColumnOut:
    name: str
    place: Place
    cast: Type | None = None


@dataclass(frozen=True, slots=True)
class AggregateOut:
    """`function(place::cast)::result_cast`; no place is `count(*)`."""

    name: str
    function: Aggregate
    place: Place | None
    cast: Type | None = None
    result_cast: Type | None = None


@dataclass(frozen=True, slots=True)
class EmbedOut:
    """The rows of child number `child`, under `name`; with `spread` its outputs are lifted into the parent."""

    name: str
    child: int
    spread: bool = False


Out = ColumnOut | AggregateOut | EmbedOut


@dataclass(frozen=True, slots=True)
class Test:
    """`place operator value`, resolved. `slot` is an index into the query's values."""

    __test__ = False  # not a test class, whatever pytest thinks of the name

    place: Place
    operator: str
    slot: int
    negated: bool = False
    quantifier: Literal["any", "all", ""] = ""
    word: str = ""


@dataclass(frozen=True, slots=True)
class EmbedTest:
    """`embed=is.null`: there is no row of child number `child` (`negated`: there is one)."""

    child: int
    negated: bool


@dataclass(frozen=True, slots=True)
class Group:
    operator: Literal["and", "or"]
    children: tuple[Where, ...]
    negated: bool = False


Where = Test | EmbedTest | Group


@dataclass(frozen=True, slots=True)
class OrderBy:
    """`child` is the number of the to-one embed that `place` belongs to, -1 for the table itself."""

    place: Place
    descending: bool
    nulls: Literal["first", "last", ""]
    child: int = -1


@dataclass(frozen=True)
class ReadPlan:
    """A read of one table and of its embeds. `access` is the select policy of the role on this table.

    `limit` and `offset` are slots, -1 when not given; `max_rows` caps what is given or not given.
    """

    table: Table
    access: Access
    outputs: tuple[Out, ...]
    where: tuple[Where, ...] = ()
    order: tuple[OrderBy, ...] = ()
    limit: int = -1
    offset: int = -1
    max_rows: int | None = None
    children: tuple[ReadPlan, ...] = ()
    relation: Relation | None = None
    junction: tuple[Table, Access] | None = None
    inner: bool = False

    @property
    def is_simple(self) -> bool:
        """One table, plain columns: its rows can be kept current from changes of that table alone."""
        return not self.children and all(isinstance(out, ColumnOut) for out in self.outputs)

    @property
    def aggregates(self) -> bool:
        """Whether rows are grouped: aggregates of a spread to-one embed are aggregates over this level's rows."""
        return any(
            isinstance(out, AggregateOut) or (isinstance(out, EmbedOut) and out.spread and self.children[out.child].lifts_aggregates)
            for out in self.outputs
        )

    @property
    def lifts_aggregates(self) -> bool:
        return self.relation is not None and self.relation.to_one and self.aggregates

    @property
    def aggregates_anywhere(self) -> bool:
        """Whether it or an embed of it reads many rows to answer one."""
        return self.aggregates or any(child.aggregates_anywhere for child in self.children)


@dataclass(frozen=True)
class WritePlan:
    """A write of one table. `columns` are those that the payload sets, in its order.

    `select` is the role's select policy: it decides which rows a filter may touch and which may be shown. `insert`,
    `update` and `delete` are set where the command (or an upsert's other half) needs them. `window` is set when an update
    or delete has an order and a limit: only these of the rows that `where` chooses are written.
    """

    table: Table
    command: Command
    columns: tuple[str, ...]
    select: Access
    insert: Access | None = None
    update: Access | None = None
    delete: Access | None = None
    where: tuple[Where, ...] = ()
    children: tuple[ReadPlan, ...] = ()
    window: ReadPlan | None = None
    conflict: tuple[str, ...] | None = None
    resolution: Literal["merge-duplicates", "ignore-duplicates", ""] = ""
    returning: ReadPlan | None = None

    @property
    def reads(self) -> bool:
        """Whether the caller learns of rows by this write, so that the select policy applies (as PostgreSQL has it)."""
        return bool(self.where) or self.returning is not None
