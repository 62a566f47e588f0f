"""Applying a project's migrations: each file in one transaction, recorded in it, so an interrupted one leaves nothing."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

import apsw
from sqlalchemy import delete, insert, select

from baaskit.errors import Fault, Faults
from baaskit.kernel.database import Database, Script, capture
from baaskit.kernel.database.ddl import PUBLICATIONS, Altering, Catalogue, Words, refuse_everywhere, runtime, statements, translate
from baaskit.kernel.database.ddl.rebuild import carry_out, settle
from baaskit.kernel.database.tables import moment_text
from baaskit.kernel.schema import Table, TableName

SEED_DUE = "seed"  # key of baaskit.state, from the first migration until the seed has been applied
Report = Callable[[str], None]


class File(Protocol):
    """An SQL file: the name it is recorded under, its text and checksum."""

    @property
    def name(self) -> str: ...
    @property
    def text(self) -> str: ...
    @property
    def path(self) -> Any: ...
    @property
    def checksum(self) -> str: ...


class Files(Protocol):
    """The part of a project that is applied to a database."""

    @property
    def migrations(self) -> Sequence[File]: ...
    @property
    def seed(self) -> File | None: ...


@dataclass(frozen=True, slots=True)
class State:
    """`missing` names applied migrations whose file is gone: nothing is wrong with the database, but it cannot be made anew."""

    applied: tuple[str, ...]
    pending: tuple[File, ...]
    missing: tuple[str, ...]


async def state(project: Files, database: Database) -> State:
    """What is applied and what is not. Raises Faults when the file of an applied migration has been changed."""
    t = database.tables
    recorded = {row["name"]: row["checksum"] for row in await database.query(select(t.migrations).order_by(t.migrations.c.applied_at))}
    changed = [m for m in project.migrations if recorded.get(m.name, m.checksum) != m.checksum]
    if changed:
        hint = "Put its text back, and write the change as a new migration. In a throw-away project: delete .baaskit/data.db."
        raise Faults([Fault(f"{m.name} was changed after it was applied", file=str(m.path), line=0, hint=hint) for m in changed])
    names = {m.name for m in project.migrations} | {"seed.sql"}
    return State(
        tuple(recorded), tuple(m for m in project.migrations if m.name not in recorded), tuple(n for n in recorded if n not in names)
    )


async def pending(project: Files, database: Database) -> tuple[File, ...]:
    """Migrations that are not applied, in their order."""
    return (await state(project, database)).pending


async def apply(project: Files, database: Database, report: Report = lambda line: None) -> list[str]:
    """Apply what is pending, in the order of the names; then, in a new database, `seed.sql`. Returns the names applied.

    Raises Faults at the first statement that fails: the files before are applied, of that one nothing is.
    """
    now = await state(project, database)
    if not now.applied:
        await _set_seed_due(database, True)
    done: list[str] = []
    for file in now.pending:
        await apply_file(file, database)
        done.append(file.name)
        report(f"applied {file.name}")
    if await _is_seed_due(database):
        if project.seed is not None and "seed.sql" not in now.applied:
            await apply_file(project.seed, database)
            done.append(project.seed.name)
            report(f"applied {project.seed.name}")
        await _set_seed_due(database, False)
    if done:
        await database.reload()
    return done


async def apply_file(file: File, database: Database) -> None:
    """Run one file and record it, in one transaction. Does nothing if another process was faster."""
    if database.dialect == "sqlite":
        await database.migrate_script(lambda link: _on_sqlite(link, file))
    else:
        await _on_postgres(file, database)


async def _is_seed_due(database: Database) -> bool:
    t = database.tables
    return bool(await database.query(select(t.state.c.key).where(t.state.c.key == SEED_DUE)))


async def _set_seed_due(database: Database, due: bool) -> None:
    t = database.tables

    def script() -> Script[None]:
        yield delete(t.state).where(t.state.c.key == SEED_DUE)
        if due:
            yield insert(t.state).values(key=SEED_DUE, value={"due": True})

    await database.run(script)


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
