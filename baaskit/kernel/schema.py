"""An immutable picture of a database: tables, columns, keys, relations. A value; nothing here does I/O.

`Schema` is rebuilt after DDL and swapped whole, so a request sees one schema from parse to response.
Names are logical (`auth.users`, `public.pets`) and the same on both databases.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, NamedTuple

Family = Literal[
    "int", "float", "numeric", "text", "bool", "uuid", "timestamptz", "timestamp", "date", "time", "interval", "json", "bytea", "enum",
    "tsvector", "other",
]  # fmt: skip

_FAMILIES: dict[str, Family] = {
    "int2": "int", "int4": "int", "int8": "int", "oid": "int",
    "float4": "float", "float8": "float", "numeric": "numeric",
    "text": "text", "varchar": "text", "bpchar": "text", "name": "text", "citext": "text", "inet": "text",
    "bool": "bool", "uuid": "uuid", "timestamptz": "timestamptz", "timestamp": "timestamp",
    "date": "date", "time": "time", "timetz": "time", "interval": "interval", "json": "json", "jsonb": "json", "bytea": "bytea",
    "tsvector": "tsvector",
}  # fmt: skip

ALIASES: dict[str, str] = {
    "smallint": "int2", "smallserial": "int2", "int": "int4", "integer": "int4", "serial": "int4", "bigint": "int8", "bigserial": "int8",
    "real": "float4", "double precision": "float8", "double": "float8", "float": "float8", "decimal": "numeric",
    "character varying": "varchar", "character": "bpchar", "char": "bpchar", "string": "text",
    "boolean": "bool", "timestamp with time zone": "timestamptz", "timestamp without time zone": "timestamp",
    "time without time zone": "time", "time with time zone": "timetz", "blob": "bytea",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Type:
    """A PostgreSQL type by its short name (`int4`, `text`, `timestamptz`); on SQLite the one that was declared.

    `modifiers` is the text in brackets (`"10,2"`), `labels` the values of an enum in their order, `schema` where PostgreSQL
    keeps a type that its bare name does not find.
    """

    name: str
    array: bool = False
    modifiers: str = ""
    labels: tuple[str, ...] = ()
    schema: str = ""

    @property
    def family(self) -> Family:
        """What kind of value an element is; policies and filters reason in families."""
        return "enum" if self.labels else _FAMILIES.get(self.name, "other")

    @property
    def sql(self) -> str:
        """The type as PostgreSQL writes it: `numeric(10,2)`, `text[]`."""
        return self.name + (f"({self.modifiers})" if self.modifiers else "") + ("[]" if self.array else "")

    @property
    def reference(self) -> str:
        """An element's type as a cast names it: an enum is quoted, and found in whatever schema it is."""
        quoted = '"' + self.name.replace('"', '""') + '"'
        if self.schema:
            return '"' + self.schema.replace('"', '""') + '".' + quoted
        return quoted if self.labels else self.name

    @property
    def wire(self) -> str:
        """The name that realtime clients cast by: `_text` for an array of text."""
        return ("_" if self.array else "") + self.name

    @classmethod
    def parse(cls, text: str, labels: tuple[str, ...] = ()) -> Type:
        """Read `character varying(20)[]` and the like; unknown names are kept as they are (family `other`)."""
        word, array = text.strip().lower(), False
        while word.endswith("[]"):
            word, array = word[:-2].strip(), True
        modifiers = ""
        if "(" in word:
            head, _, rest = word.partition("(")
            inner, _, tail = rest.partition(")")
            word, modifiers = (head.strip() + " " + tail.strip()).strip(), inner.replace(" ", "")
        return cls(ALIASES.get(word, word), array, modifiers, labels)


class TableName(NamedTuple):
    """Schema and name, never quoted. `TableName("public", "pets")`."""

    schema: str
    name: str

    def __str__(self) -> str:
        return self.name if self.schema == "public" else f"{self.schema}.{self.name}"


@dataclass(frozen=True, slots=True)
class Column:
    """`default` is PostgreSQL text (`now()`, `auth.uid()`, `'new'::text`) on both databases; None when there is none."""

    name: str
    type: Type
    nullable: bool = True
    default: str | None = None
    generated: bool = False  # computed by the database: never written
    identity: Literal["always", "by default", ""] = ""
    comment: str = ""


@dataclass(frozen=True, slots=True)
class ForeignKey:
    name: str
    columns: tuple[str, ...]
    target: TableName
    target_columns: tuple[str, ...]
    on_delete: str = "no action"


@dataclass(frozen=True)
class Table:
    """A table or view. `uniques` holds the primary key too; each is a tuple of column names.

    `inherited` are foreign keys for embedding only: those of the columns that a view shows, and those that lead to one.
    """

    name: TableName
    columns: tuple[Column, ...]
    primary_key: tuple[str, ...] = ()
    foreign_keys: tuple[ForeignKey, ...] = ()
    uniques: tuple[tuple[str, ...], ...] = ()
    view: bool = False
    comment: str = ""
    inherited: tuple[ForeignKey, ...] = ()
    triggers: bool = False  # of its own, or rules: a written row may be stored otherwise than the statement says
    home: str = ""  # the PostgreSQL schema that holds it, where that is not the one of its name

    @property
    def stored(self) -> TableName:
        """The name that statements use; `name` is the one that everything else does."""
        return TableName(self.home, self.name.name) if self.home else self.name

    @cached_property
    def by_name(self) -> Mapping[str, Column]:
        return {column.name: column for column in self.columns}


@dataclass(frozen=True, slots=True)
class Parameter:
    """An input of a database function. `sql` is its type as a statement names it; `name` is "" where it has none."""

    name: str
    type: Type
    sql: str
    required: bool = True
    variadic: bool = False


@dataclass(frozen=True)
class Routine:
    """One function of the database, on PostgreSQL. `oid` and `stamp` tell whether it is still the one that was reflected.

    What it returns: nothing (`kind` void), values of `type` (scalar), or rows (row): those of `table` where the row type
    is a table's or view's that we know, else of `columns`. `many`: any number of them instead of one.
    """

    name: TableName
    parameters: tuple[Parameter, ...]
    kind: Literal["void", "scalar", "row"]
    many: bool = False
    type: Type = Type("void")
    table: TableName | None = None
    columns: tuple[Column, ...] = ()
    read_only: bool = False  # declared stable or immutable
    comment: str = ""
    oid: int = 0
    stamp: str = ""

    @property
    def signature(self) -> tuple[Type, ...]:
        """The types of its inputs: with the name, what PostgreSQL tells overloads apart by."""
        return tuple(parameter.type for parameter in self.parameters)

    def __str__(self) -> str:
        return f"{self.name}({', '.join(kind.sql for kind in self.signature)})"


@dataclass(frozen=True)
class Schema:
    """All tables and functions of the exposed schemas, and our own tables. `version` grows by one at every swap in this process."""

    tables: Mapping[TableName, Table] = field(default_factory=dict)
    version: int = 0
    captured: frozenset[TableName] = frozenset()  # tables whose changes are logged
    functions: Mapping[TableName, tuple[Routine, ...]] = field(default_factory=dict)  # by name, overloads in order of oid
    uid: Type = field(default_factory=lambda: Type("uuid"))  # of auth.uid()

    def get(self, name: str, schema: str = "public") -> Table | None:
        return self.tables.get(TableName(schema, name))

    def exposed(self, schemas: Iterable[str] = ("public",)) -> list[Table]:
        """Tables that the data API may show, by name."""
        wanted = set(schemas)
        return sorted((t for n, t in self.tables.items() if n.schema in wanted), key=lambda t: t.name)
