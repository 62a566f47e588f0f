"""What a translated statement asks for: SQL to run, a table to rebuild, changes to be logged."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from baaskit.kernel.database.ddl.stored import TableText
from baaskit.kernel.schema import Column, TableName


@dataclass(frozen=True, slots=True)
class Run:
    """One SQLite statement."""

    text: str
    params: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class Rebuild:
    """Make a table anew from its changed text and copy the rows; indexes, triggers, views and references stay.

    `values` gives, for a column of the new table, the SQL that computes it from the old row (default: the column itself).
    """

    table: TableName
    change: Callable[[TableText], TableText]
    values: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Capture:
    """Log the changes of a table from now on, or no longer."""

    table: TableName
    on: bool


@dataclass(frozen=True, slots=True)
class Altering:
    """The statement changes the shape of this table: its capture triggers are taken off before and made anew after it."""

    table: TableName
    renamed: TableName | None = None


Step = Run | Rebuild | Capture | Altering


def note(table: TableName, column: Column) -> Run:
    """Keep what SQLite cannot: the PostgreSQL type, default, identity, labels and comment of a column."""
    labels = json.dumps(column.type.labels, ensure_ascii=False) if column.type.labels else None
    return Run(
        'INSERT OR REPLACE INTO "baaskit.columns"(table_schema, table_name, column_name, pg_type, pg_default, identity, labels, comment) '
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (*table, column.name, column.type.sql, column.default, column.identity, labels, column.comment),
    )


def forget(table: TableName, column: str | None = None) -> Run:
    text = 'DELETE FROM "baaskit.columns" WHERE table_schema = ? AND table_name = ?'
    return Run(text, tuple(table)) if column is None else Run(text + " AND column_name = ?", (*table, column))
