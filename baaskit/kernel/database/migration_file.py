"""Running one migration file: on SQLite translated statement by statement, on PostgreSQL as it is."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import apsw

from baaskit.kernel.database import Database, capture
from baaskit.kernel.database.ddl import PUBLICATIONS, Altering, Catalogue, Words, refuse_everywhere, runtime, statements, translate
from baaskit.kernel.database.ddl.rebuild import carry_out, settle
from baaskit.kernel.database.migrate import File
from baaskit.kernel.database.tables import moment_text
from baaskit.kernel.schema import Table, TableName


async def run(file: File, database: Database) -> None:
    """Run `file` and record it, in one transaction. Does nothing if another process was faster."""
    if database.dialect == "sqlite":
        await database.migrate_script(lambda link: _on_sqlite(link, file))
    else:
        await _on_postgres(file, database)


# -- SQLite ------------------------------------------------------------------------------------------------------------


def _on_sqlite(link: apsw.Connection, file: File) -> None:
    if link.execute('SELECT 1 FROM "baaskit.migrations" WHERE name = ?', (file.name,)).fetchall():
        return
    runtime.register(link)
    link.config(apsw.SQLITE_DBCONFIG_ENABLE_FKEY, 1)  # so that a delete in a migration cascades; a rebuild turns it off for itself
    now = moment_text(datetime.now(UTC))
    for words in statements(file.text, str(file.path)):
        run_statement(link, words, now)
    link.execute('INSERT INTO "baaskit.migrations"(name, checksum) VALUES (?, ?)', (file.name, file.checksum))


def run_statement(link: apsw.Connection, words: Words, now: str) -> None:
    """Translate and carry out one statement. Raises Fault with its place."""
    catalogue, at = Catalogue(link), words.start
    altered: dict[TableName, Altering] = {}
    try:
        for step in translate(words, catalogue, now):
            carry_out(link, catalogue, step)
            if isinstance(step, Altering):
                altered[step.table] = step
        for altering in altered.values():
            settle(link, catalogue, altering)
    except apsw.Error as error:
        raise words.fault(_words_of(error), at=at) from error


def _words_of(error: apsw.Error) -> str:
    """SQLite's message, in the words of the person's own tables."""
    text = str(error).removeprefix("SQLError: ").removeprefix("ConstraintError: ")
    if found := re.search(r"NOT NULL constraint failed: (\S+)\.(\S+)", text):
        table = "" if found[1] == "baaskit_rebuild" else f" of {found[1]}"
        return f"column {found[2]!r}{table} would hold null values, but is not null"
    if found := re.search(r"CHECK constraint failed: type:(.+)", text):
        return f"a value does not fit the type {found[1]}"
    return text.replace("baaskit_rebuild.", "")


# A captured table may have been renamed or dropped: what has our trigger is captured.
_SYNC_CAPTURES = """
WITH found AS (
  SELECT n.nspname AS s, c.relname AS t FROM pg_trigger g JOIN pg_class c ON c.oid = g.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace WHERE g.tgname = $1
), gone AS (DELETE FROM baaskit.captures WHERE (table_schema, table_name) NOT IN (SELECT s, t FROM found))
INSERT INTO baaskit.captures(table_schema, table_name) SELECT s, t FROM found ON CONFLICT DO NOTHING"""


# -- PostgreSQL --------------------------------------------------------------------------------------------------------


async def _on_postgres(file: File, database: Database) -> None:
    async with database.pg_connection() as link:
        await link.execute("SELECT pg_advisory_xact_lock(5432154322)")  # one migrating process at a time
        if await link.fetchval("SELECT 1 FROM baaskit.migrations WHERE name = $1", file.name):
            return
        for words in statements(file.text, str(file.path)):
            await _run_on_postgres(link, words)
        await link.execute(_SYNC_CAPTURES, f"{capture.PREFIX}_rows")
        await link.execute("INSERT INTO baaskit.migrations(name, checksum) VALUES ($1, $2)", file.name, file.checksum)


async def _run_on_postgres(link: Any, words: Words) -> None:
    import asyncpg

    refuse_everywhere(words)
    at, text = words.start, words.text
    try:
        if words.accept("ALTER", "PUBLICATION") or words.accept("CREATE", "PUBLICATION"):
            if words.peek().lower() in PUBLICATIONS:
                await _capture_on_postgres(link, words)
                return
        elif words.accept("CREATE", "EXTENSION"):
            # gen_random_uuid() is part of PostgreSQL itself: the extension may be absent.
            if not await link.fetchval("SELECT 1 FROM pg_available_extensions WHERE position(name in $1) > 0 LIMIT 1", text.lower()):
                return
        await link.execute(text)
    except asyncpg.PostgresError as error:
        position = int(error.position) - 1 if getattr(error, "position", None) else 0
        raise words.fault(str(error), hint=getattr(error, "hint", None), at=at + position) from error


async def _capture_on_postgres(link: Any, words: Words) -> None:
    words.name()
    on = words.accept("ADD", "TABLE") or words.accept("FOR", "TABLE")
    if not on:
        words.expect("DROP", "TABLE")
    for item in words.split():
        table = item.table()
        item.finish()
        for text in capture.create_sql(Table(table, ()), "postgresql") if on else capture.drop_sql(table, "postgresql"):
            await link.execute(text)
