"""What a client asked for, as values. Names are unresolved text: a `Query` can be planned, never run.

Values of filters are not part of the tree: a `Filter` holds the number of a *slot*, and `Query.values` the texts. So two
requests that differ in values only are equal queries (`==`, `hash`), which is what plans and SQL are cached by.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Path = tuple[str, ...]  # names of embeds from the root; () is the table itself
Aggregate = Literal["count", "sum", "avg", "min", "max"]

PLAIN_OPERATORS = frozenset({
    "eq", "neq", "gt", "gte", "lt", "lte", "like", "ilike", "match", "imatch", "in", "is", "isdistinct", "cs", "cd", "ov", "sl", "sr",
    "nxr", "nxl", "adj", "fts", "plfts", "phfts", "wfts",
})  # fmt: skip
QUANTIFIED = frozenset(["eq", "gt", "gte", "lt", "lte", "like", "ilike", "match", "imatch"])
SEARCHES = frozenset(["fts", "plfts", "phfts", "wfts"])
IS_WORDS = frozenset(["null", "not_null", "true", "false", "unknown"])


@dataclass(frozen=True, slots=True)
class Step:
    """One arrow of a JSON path: `->name`, `->>name`, `->0`. `key` is an int for an array index."""

    key: str | int
    as_text: bool


@dataclass(frozen=True, slots=True)
class Field:
    """`column->a->>b`: a column and the way into its JSON."""

    name: str
    steps: tuple[Step, ...] = ()


@dataclass(frozen=True, slots=True)
class Filter:
    """`field=[not.]op[(any|all)].value`. `word` is the fixed word of `is`, or the language of a text search."""

    field: Field
    operator: str
    slot: int = -1  # index into Query.values; -1 for `is`
    negated: bool = False
    quantifier: Literal["any", "all", ""] = ""
    word: str = ""


@dataclass(frozen=True, slots=True)
class Logic:
    """`or=(a.eq.1,and(b.gt.2,not.or(…)))`

        or
       /  \\
     a=1   and
          /   \\
        b>2   not or …
    """

    operator: Literal["and", "or"]
    children: tuple[Condition, ...]
    negated: bool = False


Condition = Filter | Logic


@dataclass(frozen=True, slots=True)
class Star:
    """`*`: every column the caller may read."""


@dataclass(frozen=True, slots=True)
class Item:
    """`[alias:]field[::cast][.aggregate()[::cast]]`; `field` is None for a bare `count()`."""

    field: Field | None
    alias: str = ""
    cast: str = ""
    aggregate: Aggregate | None = None
    aggregate_cast: str = ""


@dataclass(frozen=True, slots=True)
class Embed:
    """`[...][alias:]target[!hint][!inner|!left](items)`; `items` is empty for a join that selects nothing."""

    target: str
    items: tuple[Selected, ...]
    alias: str = ""
    hint: str = ""
    inner: bool = False
    spread: bool = False

    @property
    def name(self) -> str:
        """What filters and the answer call it."""
        return self.alias or self.target


Selected = Star | Item | Embed


@dataclass(frozen=True, slots=True)
class Order:
    """`[relation(]field[)][.asc|.desc][.nullsfirst|.nullslast]`; `relation` is "" for a column of the table itself."""

    field: Field
    descending: bool = False
    nulls: Literal["first", "last", ""] = ""
    relation: str = ""


@dataclass(frozen=True, slots=True)
class Level:
    """What is asked of one table: the root (path ()) or an embed. `limit` and `offset` are slots, -1 when not given."""

    path: Path
    conditions: tuple[Condition, ...] = ()
    order: tuple[Order, ...] = ()
    limit: int = -1
    offset: int = -1


Value = str | int | tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Query:
    """A parsed query string. Equality and hash ignore `values`: equal queries have the same plan and SQL.

    `slots_by_item[i]` is the slot that the i-th `key=value` of the query string filled when it filled exactly one, else -1.
    """

    select: tuple[Selected, ...] = (Star(),)
    levels: tuple[Level, ...] = ()
    columns: tuple[str, ...] | None = None
    on_conflict: tuple[str, ...] | None = None
    values: tuple[Value, ...] = field(default=(), compare=False)
    slots_by_item: tuple[int, ...] = field(default=(), compare=False)

    @property
    def root(self) -> Level:
        return next((level for level in self.levels if not level.path), Level(()))


@dataclass(frozen=True, slots=True)
class Preferences:
    """The `Prefer` header. `applied` are the recognised preferences as they are echoed, in the order given."""

    answer: Literal["minimal", "representation", "headers-only", ""] = ""
    count: Literal["exact", "planned", "estimated", ""] = ""
    resolution: Literal["merge-duplicates", "ignore-duplicates", ""] = ""
    missing: Literal["default", "null", ""] = ""
    rollback: bool = False
    strict: bool = False
    max_affected: int | None = None
    timezone: str = ""
    params: Literal["single-object", ""] = ""
    applied: tuple[str, ...] = ()
