"""What is there before anything is installed: a look at a database that belongs to others, which changes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import apsw
import asyncpg

from baaskit.errors.attached import CannotAttach
from baaskit.kernel.database.tables import HOME, SCHEMAS, for_dialect
from baaskit.kernel.schema import TableName

Row = dict[str, Any]
_KINDS = {"r": "table", "p": "partitioned table", "v": "view", "m": "materialized view", "f": "foreign table"}
_COMMANDS = ("select", "insert", "update", "delete")
OLDEST = 140_000  # server_version_num; older ones are out of support


@dataclass(frozen=True, slots=True)
class Relation:
    """A table or view of theirs. `missing`: commands that our role may not run on it. `owned`: triggers could be added."""

    name: TableName
    kind: str
    columns: int
    missing: tuple[str, ...] = ()
    owned: bool = True
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Survey:
    """`installed`: ours are there already. `problems`: why attaching cannot work, each with the way out."""

    database: str
    role: str
    relations: tuple[Relation, ...]
    hidden: tuple[str, ...] = ()  # theirs, but under names that are ours
    installed: bool = False
    problems: tuple[tuple[str, str], ...] = ()
    before: Mapping[str, Any] = field(default_factory=dict)  # what `detach` puts back

    @property
    def schemas(self) -> tuple[str, ...]:
        """Those with something to expose, `public` first."""
        found = {relation.name.schema for relation in self.relations}
        return tuple(sorted(found, key=lambda name: (name != "public", name))) or ("public",)


async def survey(url: str) -> Survey:
    """Raises CannotAttach when there is no such database, or it cannot be read."""
    if url.startswith("sqlite:///"):
        return _file(Path(url.removeprefix("sqlite:///")))
    try:
        link = await asyncpg.connect(url, timeout=10)
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, ValueError, TimeoutError) as problem:
        raise CannotAttach(f"The database cannot be reached: {problem}", hint="Check host, name, user and password.") from problem
    try:
        async with link.transaction(isolation="repeatable_read", readonly=True):
            return await _server(link)
    finally:
        await link.close()


# ---- PostgreSQL -------------------------------------------------------------------------------------------------------

_RELATIONS = """
SELECT n.nspname AS schema, c.relname AS name, c.relkind::text AS kind, c.relispartition AS partition, c.relrowsecurity AS secured,
  EXISTS (SELECT 1 FROM unnest(c.reloptions) o WHERE o ~* '^security_invoker=(true|on|1|yes)$') AS invoker,
  pg_has_role(c.relowner, 'USAGE') AS owned, has_schema_privilege(n.oid, 'USAGE') AS reachable,
  EXISTS (SELECT 1 FROM pg_constraint k WHERE k.conrelid = c.oid AND k.contype = 'p') AS keyed,
  (SELECT count(*) FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped)::int AS columns,
  ARRAY[has_table_privilege(c.oid, 'SELECT'), has_table_privilege(c.oid, 'INSERT'), has_table_privilege(c.oid, 'UPDATE'),
        has_table_privilege(c.oid, 'DELETE')] AS rights
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp)'
  AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
ORDER BY 1, 2"""

_SERVER = """
SELECT current_setting('server_version') AS version, current_setting('server_version_num')::int AS number, current_database() AS name,
  current_user AS role, has_database_privilege(current_database(), 'CREATE') AS may_create,
  (SELECT has_schema_privilege(oid, 'CREATE') FROM pg_namespace WHERE nspname = 'baaskit') AS may_use"""


async def _server(link: Any) -> Survey:
    server = await link.fetchrow(_SERVER)
    rows = await link.fetch(_RELATIONS)
    ours = {row["name"] for row in rows if row["schema"] == HOME}
    installed = "alembic_version" in ours
    problems: list[tuple[str, str]] = []
    if server["number"] < OLDEST:
        problems.append((f"PostgreSQL {server['version']} is too old.", "Version 14 or later is needed."))
    if installed and "users" not in ours:
        problems.append(("This database is a baaskit project's own.", "Open it with the folder of that project."))
    elif not installed and ours:
        words = f"There is a schema named {HOME} with tables of others in it ({', '.join(sorted(ours)[:3])} …)."
        problems.append((words, "baaskit keeps its own tables in a schema of this name; it must be free or empty."))
    if server["may_use"] is None and not server["may_create"]:
        words = f"The role {server['role']} may not create a schema in this database."
        way = (
            f"Ask its administrator for:  CREATE SCHEMA {HOME} AUTHORIZATION {server['role']};  Then attach again: no other right to create is "
            "needed. On your own tables the role needs only the rights (select, insert, …) that the app shall use."
        )
        problems.append((words, way))
    elif server["may_use"] is False:
        problems.append(
            (f"The role {server['role']} may not create tables in the schema {HOME}.", f"GRANT CREATE, USAGE ON SCHEMA {HOME} TO …")
        )
    relations = tuple(_relation(row) for row in rows if row["schema"] not in SCHEMAS)
    hidden = tuple(f"{row['schema']}.{row['name']}" for row in rows if row["schema"] in SCHEMAS and row["schema"] != HOME)
    return Survey(
        f"PostgreSQL {server['version']}, database {server['name']}", server["role"], relations, hidden, installed, tuple(problems),
        {"schema_existed": server["may_use"] is not None},
    )  # fmt: skip


def _relation(row: Any) -> Relation:
    notes = []
    if row["kind"] in "vm" and not row["invoker"]:
        notes.append("shows rows with the rights of its owner: only a policy on the view itself says who sees what")
    if row["secured"] and not row["owned"]:
        notes.append("has row security of its own, which holds for our role too")
    if row["partition"]:
        notes.append("is a partition: a policy on the whole does not open it")
    if row["kind"] in "rpf" and not row["keyed"]:
        notes.append("has no primary key: rows cannot be followed live, and pages need an order of their own")
    rights = row["rights"] if row["reachable"] else [False] * 4
    wanted = _COMMANDS if row["kind"] in "rpf" else _COMMANDS[:1]
    missing = tuple(command for command, granted in zip(wanted, rights, strict=False) if not granted)
    return Relation(
        TableName(row["schema"], row["name"]),
        _KINDS[row["kind"]],
        row["columns"],
        missing,
        row["owned"] and row["kind"] in "rp",
        tuple(notes),
    )


# ---- SQLite -----------------------------------------------------------------------------------------------------------


def _file(path: Path) -> Survey:
    if not path.is_file():
        raise CannotAttach(f"There is no file {path}.", hint="An existing database is attached; a new project is made by `baaskit init`.")
    try:
        link = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    except apsw.Error as problem:
        raise CannotAttach(f"{path} cannot be opened: {problem}") from problem
    try:
        link.set_busy_timeout(10_000)
        return _tables_of(link, path)
    except apsw.NotADBError as problem:
        raise CannotAttach(f"{path} is not an SQLite database.", hint="Give the file that the program itself opens.") from problem
    except apsw.Error as problem:
        raise CannotAttach(f"{path} cannot be read: {problem}") from problem
    finally:
        link.close()


def _tables_of(link: apsw.Connection, path: Path) -> Survey:
    rows: list[Any] = link.execute(
        "SELECT name, type, sql FROM sqlite_master WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
    ).fetchall()
    ours = {f"{name.schema}.{name.name}" for name in for_dialect("sqlite").logical} | {"baaskit.alembic_version"}
    names = {name for name, _, _ in rows}
    installed = "baaskit.alembic_version" in names
    problems: list[tuple[str, str]] = []
    if installed and any(link.execute(f'SELECT 1 FROM "baaskit.{t}" LIMIT 1').fetchall() for t in ("migrations", "columns")):
        problems.append(("This file is a baaskit project's own.", "Open it with the folder of that project."))
    elif not installed and names & ours:
        words = f"There are tables with names of ours: {', '.join(sorted(names & ours))}."
        problems.append((words, "baaskit keeps its own tables under these names; they must be free."))
    relations, hidden = [], []
    for name, kind, text in sorted(rows):
        if name in ours:
            continue
        if name.partition(".")[0] in SCHEMAS and "." in name:
            hidden.append(name)
            continue
        info: list[Any] = link.execute("SELECT name, pk, hidden FROM pragma_table_xinfo(?)", (name,)).fetchall()
        notes = []
        if kind == "view":
            notes.append("shows rows whatever the policies of its tables say: only a policy on the view itself says who sees what")
        elif not any(pk for _, pk, _ in info):
            notes.append("has no primary key: rows cannot be followed live, and pages need an order of their own")
        shown = kind if kind == "view" or not (text or "").upper().startswith("CREATE VIRTUAL") else "virtual table"
        relations.append(
            Relation(TableName("public", name), shown, len([c for c in info if c[2] != 1]), (), shown == "table", tuple(notes))
        )
    mode = link.execute("PRAGMA journal_mode").fetchall()[0][0]
    sequence = bool(link.execute("SELECT 1 FROM sqlite_master WHERE name = 'sqlite_sequence'").fetchall())
    version = apsw.sqlite_lib_version()
    return Survey(
        f"SQLite {version}, file {path}", "", tuple(relations), tuple(hidden), installed, tuple(problems),
        {"journal_mode": mode, "sqlite_sequence": sequence},
    )  # fmt: skip


# ---- the app's own users ----------------------------------------------------------------------------------------------

_PG_COLUMNS = """
SELECT a.attname AS name, coalesce(b.typname, t.typname) AS type, EXISTS (SELECT 1 FROM pg_index i WHERE i.indrelid = a.attrelid
  AND i.indisunique AND i.indnkeyatts = 1 AND i.indkey[0] = a.attnum AND i.indpred IS NULL) AS is_key
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_type t ON t.oid = a.atttypid LEFT JOIN pg_type b ON t.typtype = 'd' AND b.oid = t.typbasetype
WHERE n.nspname = $1 AND c.relname = $2 AND a.attnum > 0 AND NOT a.attisdropped"""


async def columns_of(url: str, table: TableName) -> dict[str, tuple[str, bool]]:
    """Column → (type's name in lower case, whether it is a key by itself); empty when there is no such table."""
    if not url.startswith("sqlite:///"):
        link = await asyncpg.connect(url)
        try:
            rows = await link.fetch(_PG_COLUMNS, table.schema, table.name)
        finally:
            await link.close()
        return {row["name"]: (row["type"], row["is_key"]) for row in rows}
    file = apsw.Connection(url.removeprefix("sqlite:///"), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        info: list[Any] = file.execute("SELECT name, type, pk FROM pragma_table_info(?)", (table.name,)).fetchall()
        unique: list[Any] = file.execute('SELECT name FROM pragma_index_list(?) WHERE "unique" AND NOT partial', (table.name,)).fetchall()
        alone = {name for name, _, pk in info if pk} if sum(bool(pk) for _, _, pk in info) == 1 else set()
        for (index,) in unique:
            parts: list[Any] = file.execute("SELECT name FROM pragma_index_info(?)", (index,)).fetchall()
            alone |= {parts[0][0]} if len(parts) == 1 else set()
        return {name: (kind.lower(), name in alone) for name, kind, _ in info}
    finally:
        file.close()
