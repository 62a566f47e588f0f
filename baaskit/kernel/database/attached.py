"""Living in a database that belongs to others: coming, noticing what they change, and going without a trace."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import apsw
import asyncpg
import orjson
from sqlalchemy import delete, insert, select

from baaskit.errors import BaasError
from baaskit.errors.attached import CannotAttach
from baaskit.kernel.database import Database, Row, Script, Sql, system
from baaskit.kernel.database.capture import PREFIX, drop_sql, quote
from baaskit.kernel.database.survey import Survey
from baaskit.kernel.database.tables import HOME, SCHEMAS, for_dialect
from baaskit.kernel.schema import Schema, TableName
from baaskit.observe import fact

STATE_KEY = "attached"  # row of baaskit.state: what was there before us, and the structure that the author knows
LOCK_SECONDS = 5  # how long `detach` waits for those who use the tables

Structure = Mapping[str, Mapping[str, str]]  # table → column → type


# ---- structure --------------------------------------------------------------------------------------------------------


def structure(schema: Schema, schemas: Iterable[str]) -> dict[str, dict[str, str]]:
    """What of the exposed tables a policy or an app may lean on, as plain values."""
    return {
        str(table.name): {column.name: column.type.sql + ("" if column.nullable else " not null") for column in table.columns}
        | ({"(key)": ", ".join(table.primary_key)} if table.primary_key else {})
        for table in schema.exposed(schemas)
        if table.name.schema not in SCHEMAS
    }


def differences(before: Structure, after: Structure) -> list[str]:
    """In words, one line per thing that changed."""
    lines = [f"{name} is new" for name in sorted(after.keys() - before.keys())]
    lines += [f"{name} is gone" for name in sorted(before.keys() - after.keys())]
    for name in sorted(before.keys() & after.keys()):
        old, new = before[name], after[name]
        lines += [f"{name}.{column} is new ({new[column]})" for column in new if column not in old]
        lines += [f"{name}.{column} is gone" for column in old if column not in new]
        lines += [f"{name}.{c} was {old[c]}, is {new[c]}" for c in new if c in old and old[c] != new[c]]
    return lines


class Watch:
    """Notices what others change while a server runs: called when the catalogue was swapped, it logs what is different, and which
    policies no longer fit and so deny."""

    def __init__(self, database: Database) -> None:
        self._database, self._seen = database, structure(database.catalog.schema, database.schemas)
        self._catalog, self._closed = database.catalog, self._faults()

    def _faults(self) -> tuple[str, ...]:
        return tuple(str(fault.message) for fault in self._database.catalog.policies.closed)

    async def look(self) -> None:
        if self._database.catalog is self._catalog:
            return
        self._catalog = self._database.catalog
        now, closed = structure(self._catalog.schema, self._database.schemas), self._faults()
        if changes := differences(self._seen, now):
            fact("schema.drift", changes="; ".join(changes))
        if closed and closed != self._closed:
            fact("policies.closed.warning", denied="; ".join(closed))
        self._seen, self._closed = now, closed
        await settle_captures(self._database)


async def known_state(database: Database) -> Row:
    """What `install` has kept; empty when there is none."""
    t = database.tables
    rows = await database.query(select(t.state.c.value).where(t.state.c.key == STATE_KEY))
    return dict(rows[0]["value"]) if rows else {}


async def drift(database: Database) -> list[str]:
    """What others have changed since the database was attached (or attached again, which takes note of it)."""
    known = (await known_state(database)).get("structure")
    if known is not None and database.secret is not None:  # it was known before the settings said that it is one
        known.get(str(database.secret[0]), {}).pop(database.secret[1], None)
    return [] if known is None else differences(known, structure(database.catalog.schema, database.schemas))


# ---- coming -----------------------------------------------------------------------------------------------------------


async def install(database: Database, found: Survey) -> None:
    """Make our tables, if they are not there, and take note of the structure. Changes nothing of theirs."""
    await asyncio.to_thread(system.upgrade, database.url, attached=True)
    await database.start()
    try:
        before = (await known_state(database)).get("before") or dict(found.before)
        t = database.tables
        value = {"before": before, "structure": structure(database.catalog.schema, database.schemas)}

        def script() -> Script[None]:
            yield delete(t.state).where(t.state.c.key == STATE_KEY)
            yield insert(t.state).values(key=STATE_KEY, value=value)

        await database.run(script)
    finally:
        await database.stop()


# ---- capture ----------------------------------------------------------------------------------------------------------


async def settle_captures(database: Database) -> None:
    """Bring capture to what the settings say: tables with policies are captured where it is on, and nothing is where it is off."""
    t, catalog = database.tables, database.catalog
    for row in await database.query(select(t.captures)):
        name = TableName(row["table_schema"], row["table_name"])
        if name.schema not in SCHEMAS and (database.capture_mode(name) != "triggers" or name not in catalog.schema.tables):
            await _tolerated(name, _release(database, name, keep=database.capture_mode(name) == "polling"))
    governed = {policy.table for policy in catalog.policies.policies}
    for name in sorted(governed - catalog.schema.captured):
        table = catalog.schema.tables.get(name)
        if table is not None and not table.view and name.schema not in SCHEMAS and database.capture_mode(name) != "off":
            await _tolerated(name, database.capture(name))


async def _tolerated(name: TableName, work: Any) -> None:
    """One table that cannot be captured must not keep the others from it, nor the server from running."""
    try:
        await work
    except BaasError as problem:
        fact("capture.refused", table=str(name), error=problem.message)


async def _release(database: Database, name: TableName, *, keep: bool) -> None:
    """Take our triggers off a table, if there are any; `keep`: it stays captured (by polling)."""
    t = database.tables

    def script() -> Script[None]:
        if database.dialect == "sqlite":
            for text in drop_sql(name, "sqlite"):
                yield Sql(text)
        else:
            rows = yield Sql(
                "SELECT 1 FROM pg_trigger g JOIN pg_class c ON c.oid = g.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace "
                "WHERE n.nspname = $1 AND c.relname = $2 AND g.tgname LIKE $3",
                (name.schema, name.name, f"{PREFIX}%"),
            )
            for text in drop_sql(name, "postgresql") if rows else ():
                yield Sql(text)
        if not keep:
            yield delete(t.captures).where(t.captures.c.table_schema == name.schema, t.captures.c.table_name == name.name)

    await database.run(script)


# ---- going ------------------------------------------------------------------------------------------------------------


async def detach(url: str) -> list[str]:
    """Remove everything that `install` and capture have made; lines that say what. Theirs is as it was. All or nothing.

    Raises CannotAttach when something of theirs hangs on ours, or is in use.
    """
    if url.startswith("sqlite:///"):
        return await asyncio.to_thread(_leave_file, Path(url.removeprefix("sqlite:///")))
    link = await asyncpg.connect(url)
    try:
        async with link.transaction():
            return await _leave_server(link)
    except asyncpg.DependentObjectsStillExistError as problem:
        raise CannotAttach(
            f"Something that is not ours depends on our tables: {problem.detail}", hint="Drop it first; nothing was removed."
        ) from problem
    except (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError) as problem:
        raise CannotAttach("Our tables are in use.", hint="Stop the server first; nothing was removed.") from problem
    except asyncpg.InsufficientPrivilegeError as problem:
        raise CannotAttach(
            f"The role may not do this: {problem}", hint="Detach as the role that attached; nothing was removed."
        ) from problem
    finally:
        await link.close()


async def _leave_server(link: Any) -> list[str]:
    if await link.fetchval(f"SELECT to_regclass('{HOME}.alembic_version')") is None:
        return []
    await link.execute(f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'")
    state = await link.fetchval(f"SELECT value::text FROM {HOME}.state WHERE key = $1", STATE_KEY)
    existed = state is not None and orjson.loads(state)["before"]["schema_existed"]
    triggers = await link.fetch(
        f"SELECT g.tgname AS name, g.tgrelid::regclass::text AS place FROM pg_trigger g JOIN pg_class c ON c.oid = g.tgrelid "
        f"JOIN pg_namespace n ON n.oid = c.relnamespace WHERE g.tgfoid = '{HOME}.capture()'::regprocedure AND n.nspname <> '{HOME}' "
        "AND g.tgparentid = 0 ORDER BY 2, 1"
    )
    for trigger in triggers:
        await link.execute(f"DROP TRIGGER {quote(trigger['name'])} ON {trigger['place']}")
    tables = await link.fetch(
        "SELECT c.oid::regclass::text AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
        "WHERE n.nspname = $1 AND c.relkind IN ('r', 'p') AND c.relname = ANY($2::text[])",
        HOME,
        [*(stored.name for stored in for_dialect("postgresql", HOME).logical), "alembic_version"],
    )
    await link.execute(f"DROP TABLE {', '.join(row['name'] for row in tables)}")
    functions = await link.fetch("SELECT oid::regprocedure::text AS name FROM pg_proc WHERE pronamespace = $1::regnamespace", HOME)
    for function in functions:
        await link.execute(f"DROP FUNCTION {function['name']}")
    if not existed:
        await link.execute(f"DROP SCHEMA {HOME}")
    lines = [f"dropped trigger {row['name']} on {row['place']}" for row in triggers]
    lines.append(f"dropped {len(tables)} tables and {len(functions)} functions of the schema {HOME}")
    lines.append(f"the schema {HOME} was there before and stays, empty" if existed else f"dropped the schema {HOME}")
    return lines


def _leave_file(path: Path) -> list[str]:
    if not path.is_file():
        raise CannotAttach(f"There is no file {path}.")
    link = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
    link.set_busy_timeout(LOCK_SECONDS * 1000)
    try:
        return _leave(link)
    except (apsw.BusyError, apsw.LockedError) as problem:
        raise CannotAttach("The file is in use.", hint="Stop the server and whoever else has it open; nothing was removed.") from problem
    finally:
        link.close()


def _leave(link: apsw.Connection) -> list[str]:
    ours = [f"{name.schema}.{name.name}" for name in for_dialect("sqlite").logical] + ["baaskit.alembic_version"]
    names = {row[0] for row in link.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if "baaskit.alembic_version" not in names:
        return []
    link.execute("PRAGMA foreign_keys=OFF")
    link.execute("PRAGMA trusted_schema=ON")
    link.execute("BEGIN EXCLUSIVE")
    try:
        known: list[Any] = link.execute('SELECT value FROM "baaskit.state" WHERE key = ?', (STATE_KEY,)).fetchall()
        before = orjson.loads(known[0][0])["before"] if known else {}
        triggers: list[Any] = link.execute(
            "SELECT name, tbl_name FROM sqlite_master WHERE type = 'trigger' AND name GLOB ?", (f"{PREFIX}.*",)
        ).fetchall()
        for name, _ in triggers:
            link.execute(f"DROP TRIGGER {quote(name)}")
        _refuse_dependents(link, ours)
        dropped = [name for name in ours if name in names]
        for name in dropped:
            link.execute(f"DROP TABLE {quote(name)}")
        if not before.get("sqlite_sequence", False):
            _drop_sequence(link)
    except BaseException:
        link.execute("ROLLBACK")
        raise
    link.execute("COMMIT")
    mode = before.get("journal_mode") if before.get("journal_mode") in ("wal", "truncate", "persist") else "delete"
    try:
        link.execute(f"PRAGMA journal_mode={mode}")
        restored = f"journal mode is {mode} again"
    except (apsw.BusyError, apsw.LockedError):
        restored = f"the journal mode stays WAL, for another program has the file open: PRAGMA journal_mode={mode} puts it back"
    lines = [f"dropped trigger {name} on {table}" for name, table in triggers if not table.startswith(tuple(f"{s}." for s in SCHEMAS))]
    return [*lines, f"dropped {len(dropped)} tables", restored]


def _refuse_dependents(link: apsw.Connection, ours: list[str]) -> None:
    """Theirs that refers to ours would be broken by dropping it."""
    made: list[Any] = link.execute("SELECT type, name, sql FROM sqlite_master WHERE type <> 'index' AND sql IS NOT NULL").fetchall()
    for kind, name, text in made:
        if name not in ours and any(f'"{own}"' in text or f"[{own}]" in text or f"`{own}`" in text for own in ours):
            raise CannotAttach(
                f"Something that is not ours depends on our tables: {kind} {name}", hint="Drop it first; nothing was removed."
            )


def _drop_sequence(link: apsw.Connection) -> None:
    """Drop `sqlite_sequence`, which our change log brought: no tables of theirs use it, and SQLite itself never drops it.

    It is given an ordinary name in the schema table, so that DROP TABLE returns its pages. The file stays sound.
    """
    if link.execute(
        "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name <> 'sqlite_sequence' AND sql LIKE '%AUTOINCREMENT%'"
    ).fetchall():
        return
    if not link.execute("SELECT 1 FROM sqlite_master WHERE name = 'sqlite_sequence'").fetchall():
        return
    link.execute("PRAGMA writable_schema=ON")
    link.execute(
        "UPDATE sqlite_master SET name = 'baaskit_gone', tbl_name = 'baaskit_gone', sql = 'CREATE TABLE baaskit_gone(name,seq)' "
        "WHERE name = 'sqlite_sequence'"
    )
    version: Any = link.execute("PRAGMA schema_version").fetchall()[0][0]
    link.execute(f"PRAGMA schema_version={version + 1}")
    link.execute("PRAGMA writable_schema=RESET")
    link.execute("DROP TABLE baaskit_gone")
