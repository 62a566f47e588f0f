"""What the translator knows of a SQLite database: columns with their PostgreSQL types, enum types, captured tables."""

from __future__ import annotations

import json
from typing import Any

import apsw

from baaskit.kernel.database.reflect import logical
from baaskit.kernel.database.tables import _Ours, for_dialect
from baaskit.kernel.schema import Column, TableName, Type

ENUM = "type:"  # prefix of enum types among the keys of baaskit.state


def physical(name: TableName) -> str:
    """The SQLite table of a logical name, not quoted: `pets`, `auth.users`."""
    return name.name if name.schema == "public" else f"{name.schema}.{name.name}"


class Catalogue:
    """Reads one connection, so it always shows the state that the statements before have made."""

    def __init__(self, link: apsw.Connection) -> None:
        self.link = link

    def _rows(self, text: str, *params: Any) -> list[Any]:
        return self.link.execute(text, params).fetchall()

    def kind(self, name: TableName) -> str | None:
        """`"table"`, `"view"` or None when there is no such thing."""
        found = self._rows("SELECT type FROM sqlite_schema WHERE name = ? AND type IN ('table', 'view')", physical(name))
        return str(found[0][0]) if found else None

    def tables(self) -> list[TableName]:
        found = self._rows("SELECT name FROM sqlite_schema WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite!_%' ESCAPE '!'")
        return [logical(str(name), None) for (name,) in found]

    def columns(self, name: TableName) -> dict[str, Column]:
        """Columns in their order; the noted PostgreSQL type where there is one, else the declared one."""
        noted = {
            row[0]: row[1:]
            for row in self._rows(
                'SELECT column_name, pg_type, pg_default, identity, labels, comment FROM "baaskit.columns" WHERE table_schema = ? AND table_name = ?',
                *name,
            )
        }
        ours = for_dialect("sqlite").metadata.tables.get(physical(name))
        found = {}
        for _, column, declared, not_null, default, key, hidden in self._rows(f"PRAGMA table_xinfo({_quoted(physical(name))})"):
            kind, comment = Type.parse(declared or "text"), ""
            identity: Any = ""
            if column in noted:
                text, default, identity, labels, comment = noted[column]
                kind = Type.parse(text, tuple(json.loads(labels)) if labels else ())
            elif ours is not None and column in ours.c and isinstance(ours.c[column].type, _Ours):
                kind = Type.parse(ours.c[column].type.pg)
            found[column] = Column(column, kind, not not_null and not key, default, hidden in (2, 3), identity, comment)
        return found

    def primary_key(self, name: TableName) -> tuple[str, ...]:
        rows = self._rows(f"PRAGMA table_xinfo({_quoted(physical(name))})")
        return tuple(row[1] for row in sorted((r for r in rows if r[5]), key=lambda r: r[5]))

    def enum(self, name: str) -> Type | None:
        found = self._rows('SELECT value FROM "baaskit.state" WHERE "key" = ?', ENUM + name)
        return Type(name, labels=tuple(json.loads(found[0][0]))) if found else None

    def enums(self) -> list[str]:
        return [str(key)[len(ENUM) :] for (key,) in self._rows('SELECT "key" FROM "baaskit.state" WHERE "key" GLOB ?', ENUM + "*")]

    def enum_columns(self, name: str) -> list[tuple[TableName, str]]:
        """Table columns of an enum type (or an array of it)."""
        found = self._rows(
            'SELECT table_schema, table_name, column_name FROM "baaskit.columns" WHERE labels IS NOT NULL AND pg_type IN (?, ?)',
            name,
            name + "[]",
        )
        return [(TableName(s, t), c) for s, t, c in found if self.kind(TableName(s, t)) == "table"]

    def views_of(self, name: TableName, column: str | None = None) -> list[str]:
        """Views that read the table (and that column of it), as SQLite itself finds when it prepares them."""
        views = [str(view) for (view,) in self._rows("SELECT name FROM sqlite_schema WHERE type = 'view'")]
        return [view for view in views if self._reads(view, physical(name).lower(), column)]

    def _reads(self, view: str, table: str, column: str | None) -> bool:
        seen: set[tuple[str | None, str | None]] = set()

        def watch(operation: int, one: str | None, two: str | None, database: str | None, trigger: str | None) -> int:
            if operation == apsw.SQLITE_READ:
                seen.add((one, two))
            return apsw.SQLITE_OK

        self.link.set_authorizer(watch)
        try:
            self.link.execute(f"EXPLAIN SELECT * FROM {_quoted(view)}", can_cache=False).fetchall()
        finally:
            self.link.set_authorizer(None)
        return any((one or "").lower() == table and (column is None or two == column) for one, two in seen)

    def captured(self, name: TableName) -> bool:
        return bool(self._rows('SELECT 1 FROM "baaskit.captures" WHERE table_schema = ? AND table_name = ?', *name))

    def object(self, kind: str, name: str) -> tuple[str, str] | None:
        """(table, sql) of an index or trigger."""
        found = self._rows("SELECT tbl_name, coalesce(sql, '') FROM sqlite_schema WHERE type = ? AND name = ?", kind, name)
        return (str(found[0][0]), str(found[0][1])) if found else None


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
