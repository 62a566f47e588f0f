"""The structure of a project's database, in full and in words that can be compared: what `db diff` and `db status` look at.

`Schema` holds what a request needs; this holds everything that a migration can make. Only compare shapes of one dialect: texts of
checks and views are the database's own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from baaskit.kernel.database import Database
from baaskit.kernel.database.capture import PREFIX
from baaskit.kernel.database.tables import SCHEMAS
from baaskit.kernel.schema import TableName

_PLAIN = re.compile(r"[a-z_][a-z0-9_]*")
_RESERVED = frozenset(
    """
    all analyse analyze and any array as asc asymmetric both case cast check collate column constraint create current_date current_role
    current_time current_timestamp current_user default deferrable desc distinct do else end except false fetch for foreign from grant
    group having in initially intersect into lateral leading limit localtime localtimestamp not null offset on only or order placing
    primary references returning select session_user some symmetric system_user table then to trailing true union unique user using
    variadic when where window with
    """.split()  # noqa: SIM905
)


def ident(name: str) -> str:
    """A name as a person writes it: in quotes only where it needs them."""
    return name if _PLAIN.fullmatch(name) and name not in _RESERVED else '"' + name.replace('"', '""') + '"'


def table_sql(name: TableName) -> str:
    return ident(name.name) if name.schema == "public" else f"{ident(name.schema)}.{ident(name.name)}"


@dataclass(frozen=True, slots=True)
class ColumnShape:
    """`identity`: `always`, `by default` or empty; `serial`: the default is a sequence of its own."""

    type: str
    nullable: bool = True
    default: str | None = None
    generated: str | None = None
    identity: str = ""
    serial: bool = False

    @property
    def words(self) -> str:
        """What follows the column's name in a statement."""
        serial = {"smallint": "smallserial", "int2": "smallserial", "bigint": "bigserial", "int8": "bigserial"}.get(self.type, "serial")
        parts = [serial if self.serial else self.type]
        if self.generated is not None:
            parts.append(f"generated always as ({self.generated}) stored")
        elif self.identity:
            parts.append(f"generated {self.identity} as identity")
        elif not self.nullable and not self.serial:
            parts.append("not null")
        if self.default is not None and self.generated is None and not self.serial:
            parts.append(f"default {self.default}")
        return " ".join(parts)


@dataclass(slots=True)
class TableShape:
    """Constraints and indexes by name, each as the text that makes it."""

    columns: dict[str, ColumnShape] = field(default_factory=dict)
    constraints: dict[str, str] = field(default_factory=dict)
    indexes: dict[str, str] = field(default_factory=dict)
    comment: str = ""
    comments: dict[str, str] = field(default_factory=dict)  # of columns
    captured: bool = False


@dataclass(slots=True)
class Shape:
    """`views`, `functions` and `triggers` by name, each as its whole statement; `others`: what no statement of ours can make."""

    schemas: set[str] = field(default_factory=set)
    enums: dict[TableName, tuple[str, ...]] = field(default_factory=dict)
    sequences: set[TableName] = field(default_factory=set)
    tables: dict[TableName, TableShape] = field(default_factory=dict)
    views: dict[TableName, str] = field(default_factory=dict)
    functions: dict[str, str] = field(default_factory=dict)
    triggers: dict[tuple[TableName, str], str] = field(default_factory=dict)
    others: dict[str, str] = field(default_factory=dict)

    def lines(self) -> dict[str, str]:
        """Everything as `{what it is: what it says}`; two equal shapes have equal lines."""
        found = {f"schema {name}": "" for name in self.schemas} | {f"sequence {name}": "" for name in self.sequences}
        found |= {f"type {name}": ", ".join(labels) for name, labels in self.enums.items()}
        for name, table in self.tables.items():
            found[f"table {name}"] = ""
            found |= {f"column {name}.{c}": column.words for c, column in table.columns.items()}
            found |= {f"constraint {c} of {name}": text for c, text in table.constraints.items()}
            found |= {f"index {i} of {name}": text for i, text in table.indexes.items()}
            found |= {f"comment of {name}.{c}".rstrip("."): text for c, text in {"": table.comment, **table.comments}.items() if text}
            if table.captured:
                found[f"capture of {name}"] = ""
        found |= {f"view {name}": text for name, text in self.views.items()}
        found |= {f"function {name}": text for name, text in self.functions.items()}
        found |= {f"trigger {trigger} of {name}": text for (name, trigger), text in self.triggers.items()}
        return found | self.others


def compare(database: Shape, migrations: Shape) -> list[str]:
    """In words: how the database differs from what the migrations give."""
    have, want = database.lines(), migrations.lines()
    added = [what for what in have if what not in want]
    missing = [what for what in want if what not in have]
    found = [f"{what} is not in the migrations" for what in _outermost(added)] + [f"{what} is missing" for what in _outermost(missing)]
    for what in have.keys() & want.keys():
        if have[what] != want[what]:
            found.append(f"{what} is {_short(have[what])}; the migrations say {_short(want[what])}")
    return sorted(found)


def _outermost(lines: list[str]) -> list[str]:
    """Without the parts of a table that is listed itself."""
    tables = [line.removeprefix("table ") for line in lines if line.startswith("table ")]
    inner = {f"{what} {t}" for t in tables for what in ("of", "column")}
    return [line for line in lines if not any(line.endswith(i) or line.startswith(i + ".") or f"{i}." in line for i in inner)]


def _short(text: str) -> str:
    flat = " ".join(text.split())
    return repr(flat if len(flat) <= 80 else flat[:77] + "…")


async def read(database: Database) -> Shape:
    """The shape of a started database as it is now."""
    if database.dialect == "sqlite":
        from baaskit.kernel.database.shape_sqlite import read_sqlite

        return await database.migrate_script(read_sqlite, keep=False)
    async with database.pg_session() as link, link.transaction():
        await link.execute("SET LOCAL search_path = public")  # names of public are written bare, all others in full
        return await _read_postgres(link)


# -- PostgreSQL ---------------------------------------------------------------------------------------------------------

_MINE = f"n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', {', '.join(repr(s) for s in SCHEMAS)})"


def _owned(catalog: str, oid: str) -> str:
    """True for what belongs to an extension."""
    return f"EXISTS (SELECT 1 FROM pg_depend x WHERE x.classid = '{catalog}'::regclass AND x.objid = {oid} AND x.deptype = 'e')"


async def _read_postgres(link: Any) -> Shape:
    shape = Shape()
    rows = link.fetch
    shape.schemas = {r[0] for r in await rows(f"SELECT nspname FROM pg_namespace n WHERE {_MINE} AND nspname <> 'public' AND NOT {_owned('pg_namespace', 'n.oid')}")}  # fmt: skip
    for schema, name, labels in await rows(
        "SELECT n.nspname, t.typname, array_agg(e.enumlabel::text ORDER BY e.enumsortorder) FROM pg_type t JOIN pg_enum e ON e.enumtypid = t.oid "
        f"JOIN pg_namespace n ON n.oid = t.typnamespace WHERE {_MINE} AND NOT {_owned('pg_type', 't.oid')} GROUP BY 1, 2 ORDER BY 1, 2"
    ):
        shape.enums[TableName(schema, name)] = tuple(labels)
    relations = await rows(
        "SELECT n.nspname, c.relname, c.relkind::text, c.relispartition, coalesce(obj_description(c.oid, 'pg_class'), ''), "
        "CASE WHEN c.relkind IN ('v', 'm') THEN pg_get_viewdef(c.oid) END, "
        "EXISTS (SELECT 1 FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype IN ('a', 'i')) "
        f"FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE {_MINE} AND c.relkind IN ('r', 'v', 'm', 'S', 'p', 'f') "
        f"AND NOT {_owned('pg_class', 'c.oid')} ORDER BY c.oid"
    )
    for schema, relation, kind, partition, comment, text, owned in relations:
        name = TableName(schema, relation)
        if kind in ("p", "f") or partition:
            shape.others[f"{'foreign' if kind == 'f' else 'partitioned'} table {name}"] = ""
        elif kind == "r":
            shape.tables[name] = TableShape(comment=comment)
        elif kind == "S" and not owned:
            shape.sequences.add(name)
        elif kind in ("v", "m"):
            shape.views[name] = f"create {'materialized ' if kind == 'm' else ''}view {table_sql(name)} as\n{text.rstrip(';')}"
    await _read_columns(link, shape)
    for schema, relation, label, text in await rows(
        "SELECT n.nspname, c.relname, k.conname, pg_get_constraintdef(k.oid) FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid "
        f"JOIN pg_namespace n ON n.oid = c.relnamespace WHERE {_MINE} AND k.contype IN ('p', 'u', 'c', 'f', 'x') ORDER BY k.contype = 'f', k.oid"
    ):
        if table := shape.tables.get(TableName(schema, relation)):
            table.constraints[label] = text
    for schema, relation, label, text in await rows(
        "SELECT n.nspname, c.relname, i.relname, pg_get_indexdef(x.indexrelid, 0, true) FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid "
        f"JOIN pg_class c ON c.oid = x.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace WHERE {_MINE} AND x.indisvalid "
        "AND NOT EXISTS (SELECT 1 FROM pg_constraint k WHERE k.conindid = x.indexrelid AND k.conrelid = x.indrelid) ORDER BY i.oid"
    ):
        if table := shape.tables.get(TableName(schema, relation)):
            table.indexes[label] = text
    for label, text in await rows(
        "SELECT p.oid::regprocedure::text, pg_get_functiondef(p.oid) FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace "
        f"WHERE {_MINE} AND p.prokind IN ('f', 'p') AND NOT {_owned('pg_proc', 'p.oid')} ORDER BY p.oid"
    ):
        shape.functions[label] = text.rstrip()
    for schema, relation, label, text in await rows(
        "SELECT n.nspname, c.relname, g.tgname, pg_get_triggerdef(g.oid, true) FROM pg_trigger g JOIN pg_class c ON c.oid = g.tgrelid "
        f"JOIN pg_namespace n ON n.oid = c.relnamespace WHERE {_MINE} AND NOT g.tgisinternal ORDER BY g.oid"
    ):
        name = TableName(schema, relation)
        if not label.startswith(PREFIX):
            shape.triggers[name, label] = text
        elif name in shape.tables:
            shape.tables[name].captured = True
    return shape


async def _read_columns(link: Any, shape: Shape) -> None:
    for schema, relation, column, kind, not_null, default, identity, generated, comment, own in await link.fetch(
        "SELECT n.nspname, c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, pg_get_expr(d.adbin, d.adrelid), "
        "a.attidentity::text, a.attgenerated::text, coalesce(col_description(c.oid, a.attnum), ''), "
        "pg_get_serial_sequence(quote_ident(n.nspname) || '.' || quote_ident(c.relname), a.attname) IS NOT NULL "
        "FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace "
        f"LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum WHERE {_MINE} AND c.relkind = 'r' AND a.attnum > 0 "
        "AND NOT a.attisdropped ORDER BY c.oid, a.attnum"
    ):
        if table := shape.tables.get(TableName(schema, relation)):
            serial = own and not identity and (default or "").startswith("nextval(")
            table.columns[column] = ColumnShape(
                kind, not not_null, None if generated else default, default if generated else None,
                {"a": "always", "d": "by default"}.get(identity, ""), serial,
            )  # fmt: skip
            if comment:
                table.comments[column] = comment


def names_in(text: str, names: Iterable[str]) -> bool:
    """True when a text names one of them as a word."""
    words = set(re.findall(r"\w+", text.lower()))
    return any(name.lower() in words for name in names)
