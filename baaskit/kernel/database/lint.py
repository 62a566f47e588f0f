"""What a migration may do to live data: what is lost, and what is dangerous while others use the tables."""

from __future__ import annotations

from collections.abc import Sequence

from baaskit.kernel.database import Database
from baaskit.kernel.database.capture import physical, quote
from baaskit.kernel.database.ddl.text import Words, statements
from baaskit.kernel.database.migrate import File, Job
from baaskit.kernel.schema import Table


async def losses(files: Sequence[File], database: Database) -> list[str]:
    """What taking these files back would destroy; only what holds something now. Raises Fault when a file has no way back."""
    found = []
    for file in files:
        job = Job(file, down=True)
        for words in statements(job.section.text, str(file.path)):
            found += [f"{file.name}: {what}" for what in await _losses_of(words, database)]
    return found


async def _losses_of(words: Words, database: Database) -> list[str]:
    tables = database.catalog.schema.tables
    look = Words(words.source, words.words)
    if look.accept("DROP", "TABLE"):
        look.accept("IF", "EXISTS")
        body = look.until("CASCADE", "RESTRICT")
        names = [item.table() for item in body.split()]
        return [f"drops table {name} and its rows" for name in names if name in tables and await _holds(database, tables[name])]
    if look.accept("ALTER", "TABLE"):
        look.accept("IF", "EXISTS")
        look.accept("ONLY")
        name = look.table()
        found = []
        for action in look.split():
            column = dropped_column(action)
            if column and name in tables and column in tables[name].by_name and await _holds(database, tables[name], column):
                found.append(f"drops column {name}.{column} and its values")
            if retyped_column(action) and name in tables and await _holds(database, tables[name]):
                found.append(f"changes the type of a column of {name}")
        return found
    first = look.peek()
    harmless = first in ("CREATE", "COMMENT", "SELECT", "SET") or (
        first in ("DROP", "ALTER") and look.peek(1) not in ("SCHEMA", "TYPE", "DOMAIN", "SEQUENCE", "OWNED", "EXTENSION", "MATERIALIZED")
    )
    return [] if harmless else [f"may change data: {' '.join(look.text.split())[:60]}"]


async def _holds(database: Database, table: Table, column: str | None = None) -> bool:
    where = f" WHERE {quote(column)} IS NOT NULL" if column else ""
    return bool(await database.fetch_raw(f"SELECT 1 FROM {physical(table.stored, database.dialect)}{where} LIMIT 1"))


def dropped_column(action: Words) -> str | None:
    """The column that an action of ALTER TABLE drops."""
    look = Words(action.source, action.words)
    if not look.accept("DROP") or look.sees("CONSTRAINT"):
        return None
    look.accept("COLUMN")
    look.accept("IF", "EXISTS")
    return look.name()


def retyped_column(action: Words) -> str | None:
    """The column whose type an action of ALTER TABLE changes."""
    look = Words(action.source, action.words)
    if not look.accept("ALTER"):
        return None
    look.accept("COLUMN")
    name = look.name()
    return name if look.accept("TYPE") or look.accept("SET", "DATA", "TYPE") else None
