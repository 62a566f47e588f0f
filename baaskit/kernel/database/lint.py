"""What taking a migration back would destroy, told before it is done."""

from __future__ import annotations

from collections.abc import Sequence

from baaskit.kernel.database import Database
from baaskit.kernel.database.capture import physical, quote
from baaskit.kernel.database.dangers import dropped_column, retyped_column
from baaskit.kernel.database.ddl.text import Words, statements
from baaskit.kernel.database.migrate import File, Job
from baaskit.kernel.schema import Table, TableName


async def losses(files: Sequence[File], database: Database) -> list[str]:
    """What taking these files back would destroy; only what holds something now. Raises Fault when a file has no way back."""
    found = []
    for file in files:
        job = Job(file, down=True)
        for words in statements(job.section.text, str(file.path)):
            found += [f"{file.name}: {what}" for what in await _losses_of(words, database)]
    return found


async def holding(database: Database) -> set[TableName]:
    """The project's tables that hold a row."""
    tables = [t for t in database.catalog.schema.exposed(database.schemas) if not t.view]
    return {table.name for table in tables if await _holds(database, table)}


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
