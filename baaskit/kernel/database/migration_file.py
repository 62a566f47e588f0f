"""Running migration files: on SQLite translated statement by statement, on PostgreSQL as they are.

Jobs that are transactions are run in one, with their records. On PostgreSQL a file `transaction:false` is run statement by
statement, and how far it has come is kept, so that the next run goes on there (docs/reference/sql.md).
"""

from __future__ import annotations

import asyncio
import getpass
import hashlib
import os
import re
import socket
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import apsw

from baaskit.errors import Fault
from baaskit.kernel.database import Database, capture
from baaskit.kernel.database.ddl import PUBLICATIONS, Altering, Catalogue, Words, refuse_everywhere, runtime, statements, translate
from baaskit.kernel.database.ddl.rebuild import carry_out, settle
from baaskit.kernel.database.migrate import PROGRESS, File, Finish, Job
from baaskit.kernel.database.migration_text import checksum
from baaskit.kernel.database.tables import moment_text
from baaskit.kernel.schema import Table, TableName

LOCK = 5432154322  # advisory lock of PostgreSQL: one migrating process at a time
LOCK_MILLISECONDS = 2_000  # a statement that waits longer for a table gives way: whoever comes after it waits behind it
LOCK_ATTEMPTS = 15
LOCK_PAUSE_SECONDS = 1.0


async def run(jobs: Sequence[Job], database: Database, finish: Finish | None = None, *, rehearse: bool = False) -> list[str]:
    """Run files and record them; returns the names of those that another process had not run already. `rehearse`: and roll back."""
    if database.dialect == "sqlite":
        return await database.migrate_script(lambda link: _on_sqlite(link, jobs, database, finish), keep=not rehearse)
    return await _on_postgres(jobs, database, finish, rehearse=rehearse)


def author() -> str:
    """Who migrates: the user of the operating system and the machine."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container may run as a number without a name
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"


# -- SQLite ------------------------------------------------------------------------------------------------------------


def _on_sqlite(link: apsw.Connection, jobs: Sequence[Job], database: Database, finish: Finish | None) -> list[str]:
    runtime.register(link)
    link.config(apsw.SQLITE_DBCONFIG_ENABLE_FKEY, 1)  # so that a delete in a migration cascades; a rebuild turns it off for itself
    now, done = moment_text(datetime.now(UTC)), []
    for job in jobs:
        recorded = bool(link.execute('SELECT 1 FROM "baaskit.migrations" WHERE name = ?', (job.file.name,)).fetchall())
        if recorded is not job.down:
            continue
        began = time.monotonic()
        for words in statements(job.section.text, str(job.file.path)):
            run_statement(link, words, now)
        if job.down:
            link.execute('DELETE FROM "baaskit.migrations" WHERE name = ?', (job.file.name,))
        else:
            link.execute(
                'INSERT INTO "baaskit.migrations"(name, checksum, applied_by, duration_ms) VALUES (?, ?, ?, ?)', _record(job.file, began)
            )
        done.append(job.file.name)
    if finish is not None:
        database.drive(link, finish(database.reflect_on(link)))
    return done


def _record(file: File, began: float) -> tuple[str, str, str, int]:
    return file.name, checksum(file.text), author(), round((time.monotonic() - began) * 1000)


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


# -- PostgreSQL --------------------------------------------------------------------------------------------------------

# A captured table may have been renamed or dropped: what has our trigger is captured.
_SYNC_CAPTURES = """
WITH found AS (
  SELECT n.nspname AS s, c.relname AS t FROM pg_trigger g JOIN pg_class c ON c.oid = g.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace WHERE g.tgname = $1
), gone AS (DELETE FROM baaskit.captures WHERE (table_schema, table_name) NOT IN (SELECT s, t FROM found))
INSERT INTO baaskit.captures(table_schema, table_name) SELECT s, t FROM found ON CONFLICT DO NOTHING"""


class _Rehearsed(Exception):
    """Rolls back what was only tried out."""


async def _on_postgres(jobs: Sequence[Job], database: Database, finish: Finish | None, *, rehearse: bool) -> list[str]:
    async with database.pg_session() as link:
        # Asked again and again, never waited for: a waiting statement holds a snapshot, and `create index concurrently` waits for those.
        while not await link.fetchval("SELECT pg_try_advisory_lock($1)", LOCK):
            await asyncio.sleep(0.1)
        if len(jobs) == 1 and not jobs[0].section.transaction:
            return await _in_steps(link, jobs[0])
        for attempt in range(1, LOCK_ATTEMPTS + 1):
            done: list[str] = []
            try:
                async with link.transaction():
                    await link.execute(f"SET LOCAL lock_timeout = {LOCK_MILLISECONDS}")
                    await _in_transaction(link, jobs, database, finish, done)
                    if rehearse:
                        raise _Rehearsed
                return done
            except _Rehearsed:
                return done
            except Fault as fault:
                if not _in_the_way(fault.__cause__):
                    raise
                if attempt == LOCK_ATTEMPTS:
                    fault.hint = "Others use the table without a pause. Try again when they are done (pg_stat_activity shows them)."
                    raise
                await asyncio.sleep(LOCK_PAUSE_SECONDS)
        raise AssertionError("the last attempt returns or raises")


def _in_the_way(problem: BaseException | None) -> bool:
    return getattr(problem, "sqlstate", None) in ("55P03", "40P01")  # lock not available, deadlock


async def _in_transaction(link: Any, jobs: Sequence[Job], database: Database, finish: Finish | None, done: list[str]) -> None:
    import asyncpg

    for job in jobs:
        if await _recorded(link, job) is not job.down:
            continue
        began = time.monotonic()
        for words in statements(job.section.text, str(job.file.path)):
            await _run_on_postgres(link, words)
        await _note(link, job, began)
        done.append(job.file.name)
    try:
        await link.execute("SET CONSTRAINTS ALL IMMEDIATE")  # here the fault still has a file
    except asyncpg.PostgresError as error:
        raise Fault(str(error), file=str(jobs[-1].file.path) if jobs else "", line=0) from error
    if finish is not None:
        await database.drive_on_postgres(link, finish)


async def _recorded(link: Any, job: Job) -> bool:
    return bool(await link.fetchval("SELECT true FROM baaskit.migrations WHERE name = $1", job.file.name))


async def _note(link: Any, job: Job, began: float) -> None:
    await link.execute(_SYNC_CAPTURES, f"{capture.PREFIX}_rows")
    if job.down:
        await link.execute("DELETE FROM baaskit.migrations WHERE name = $1", job.file.name)
    else:
        await link.execute(
            "INSERT INTO baaskit.migrations(name, checksum, applied_by, duration_ms) VALUES ($1, $2, $3, $4)", *_record(job.file, began)
        )


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
        raise words.fault(str(error), hint=_way_out(error), at=at + position) from error


def _way_out(error: Any) -> str | None:
    if error.sqlstate == "25001":
        return "Put it into a migration of its own that begins with the line  -- migrate:up transaction:false"
    if error.sqlstate == "55P04":
        return "Apply the migration that adds the value first:  baaskit db up --to NAME"
    return getattr(error, "hint", None)


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


# -- PostgreSQL, without a transaction ------------------------------------------------------------------------------------


async def _in_steps(link: Any, job: Job) -> list[str]:
    """Every statement is a transaction with the note that it is done; one that cannot be in a transaction can be run again."""
    import orjson

    if await _recorded(link, job) is not job.down:
        return []
    began = time.monotonic()
    found = statements(job.section.text, str(job.file.path))
    key = PROGRESS + job.file.name
    kept = await link.fetchval("SELECT value FROM baaskit.state WHERE key = $1", key)
    done = int(kept["done"]) if kept else 0
    if kept and (kept["down"] != job.down or kept["digest"] != _digest(found[:done])):
        hint = f"{done} of its statements were carried out before it was interrupted: put their text back; those behind may be changed."
        raise Fault(f"{job.file.name} was changed after a part of it was applied", file=str(job.file.path), line=0, hint=hint)

    async def note(number: int) -> None:
        value = {"done": number, "of": len(found), "down": job.down, "digest": _digest(found[:number])}
        text = "INSERT INTO baaskit.state(key, value) VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET value = excluded.value"
        await link.execute(text, key, orjson.dumps(value).decode())

    await note(done)
    for number, words in enumerate(found[done:], done):
        refuse_everywhere(words)
        if alone := _alone(words):
            await _run_alone(link, words, alone, again=bool(kept) and number == done)
            await note(number + 1)
        else:
            async with link.transaction():
                await link.execute(f"SET LOCAL lock_timeout = {LOCK_MILLISECONDS}")
                await _run_on_postgres(link, words)
                await note(number + 1)
    async with link.transaction():
        await _note(link, job, began)
        await link.execute("DELETE FROM baaskit.state WHERE key = $1", key)
    return [job.file.name]


def _digest(found: Sequence[Words]) -> str:
    return hashlib.sha256("\0".join(words.text for words in found).encode()).hexdigest()


def _alone(words: Words) -> str:
    """`"create"`, `"drop"` or `"other"` for a statement that refuses a transaction and can be repeated; else empty."""
    keys = [word.key for word in words.words[:5]]
    if keys[0] == "VACUUM" or (keys[0] == "REINDEX" and "CONCURRENTLY" in (w.key for w in words.words)):
        return "other"
    if "INDEX" in keys[1:3] and "CONCURRENTLY" in keys[2:4]:
        return {"CREATE": "create", "DROP": "drop"}.get(keys[0], "")
    return ""


async def _run_alone(link: Any, words: Words, kind: str, *, again: bool) -> None:
    """`again`: the statement may have been carried out already, wholly or in part, by a process that was killed."""
    name = _index_name(words) if kind != "other" else ""
    if kind == "create":
        valid = await _is_valid(link, name)
        if valid is False:  # what an interrupted `create index concurrently` leaves; it slows writes and serves nobody
            await link.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
        elif valid and again:
            return
    elif kind == "drop" and again and await _is_valid(link, name) is None:
        return
    try:
        await _run_on_postgres(link, words)
    except Fault:
        if kind == "create" and await _is_valid(link, name) is False:
            await link.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
        raise


def _index_name(words: Words) -> str:
    """The quoted name of the index that a statement is about."""
    look = Words(words.source, words.words)
    look.until("CONCURRENTLY")
    look.expect("CONCURRENTLY")
    look.accept("IF", "NOT", "EXISTS") or look.accept("IF", "EXISTS")
    if look.sees("ON"):
        raise words.fault("an index that is made concurrently needs a name", "Without it an interrupted migration could not go on.")
    parts = [look.name()]
    if look.accept("."):
        parts.append(look.name())
    if look.sees(","):
        raise look.fault("one index in each statement", "So that an interrupted migration can go on.")
    if len(parts) == 1 and look.accept("ON"):  # an index lives in the schema of its table
        look.accept("ONLY")
        table = look.table()
        parts.insert(0, table.schema)
    return ".".join(capture.quote(part) for part in parts)


async def _is_valid(link: Any, name: str) -> bool | None:
    """None when there is no such index."""
    found = await link.fetchval("SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass($1)", name)
    return None if found is None else bool(found)
