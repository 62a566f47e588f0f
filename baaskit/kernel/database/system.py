"""Our own tables brought up to date: the Alembic history in `migrations/`, run on either database.

Alembic is loaded only when there is something to do: it brings a template engine and half of SQLAlchemy's ORM, which
cost a third of the start-up time and 20 MB.
"""

from __future__ import annotations

import asyncio
import re
from importlib.resources import files
from pathlib import Path
from typing import Any

import apsw
import asyncpg
from sqlalchemy import Connection, create_engine, event

from baaskit.kernel.database import apsw_dbapi
from baaskit.kernel.database.tables import HOME, upgraded_home


def history() -> Path:
    """Folder of the Alembic history: inside the wheel, or beside the package in a checkout."""
    packaged = Path(str(files("baaskit"))) / "migrations"
    return packaged if packaged.is_dir() else Path(str(files("baaskit"))).parent / "migrations"


def head() -> str:
    """The newest revision. Files of the history are named for their revisions, which are numbers: `0001_first.py`."""
    return max(file.name.split("_")[0] for file in (history() / "versions").glob("[0-9]*_*.py"))


def is_installed(url: str) -> bool:
    """Whether our tables are there. Blocking."""
    if url.startswith("sqlite:///"):
        path = Path(url.removeprefix("sqlite:///"))
        return path.exists() and _sqlite_revision(path) is not None
    return asyncio.run(_postgres_revision(url)) is not None


def upgrade(url: str, *, attached: bool = False) -> None:
    """Run what is pending, in one transaction. Blocking: call it in a thread. Safe when two processes start at once.

    A database of a newer version is left as it is: revisions add before they take away, so that old processes run on it.
    `attached`: the database belongs to others. Ours are then kept in one schema (PostgreSQL), and a file's mode is left alone.
    """
    _migrate(url, head(), attached=attached)


def downgrade(url: str, revision: str) -> None:
    """Go back to what an older version expects (`0001`), in one transaction. Blocking; no process may use the database."""
    _migrate(url, revision, back=True)


def _migrate(url: str, target: str, *, back: bool = False, attached: bool = False) -> None:
    if url.startswith("sqlite:///"):
        path = Path(url.removeprefix("sqlite:///"))
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if path.exists() and _settled(_sqlite_revision(path), target, back):
            return

        def open_file() -> apsw_dbapi.Connection:
            link = apsw.Connection(str(path))
            link.set_busy_timeout(30_000)
            link.execute("PRAGMA journal_mode=WAL")
            return apsw_dbapi.Connection(link)

        engine = create_engine("sqlite://", module=apsw_dbapi, creator=open_file)
        try:
            with engine.connect() as connection:
                connection.exec_driver_sql("BEGIN IMMEDIATE")
                _run(connection, target, back)
                connection.commit()
        finally:
            engine.dispose()
        if not attached:
            path.chmod(0o600)
    else:
        asyncio.run(_migrate_postgres(url, target, back, attached))


def _settled(revision: str | None, target: str, back: bool) -> bool:
    """True when there is nothing to do."""
    return revision is not None and (revision <= target if back else revision >= target)


def _sqlite_revision(path: Path) -> str | None:
    link = apsw.Connection(str(path))
    try:
        link.set_busy_timeout(30_000)
        if not link.execute("SELECT 1 FROM sqlite_master WHERE name = 'baaskit.alembic_version'").fetchall():
            return None
        rows = link.execute('SELECT version_num FROM "baaskit.alembic_version"').fetchall()
        return str(rows[0][0]) if rows else None
    finally:
        link.close()


async def _postgres_revision(url: str) -> str | None:
    link = await asyncpg.connect(url)
    try:
        if await link.fetchval("SELECT to_regclass('baaskit.alembic_version')") is None:
            return None
        found = await link.fetchval("SELECT version_num FROM baaskit.alembic_version")
        return str(found) if found else None
    finally:
        await link.close()


async def _migrate_postgres(url: str, target: str, back: bool, attached: bool) -> None:
    if _settled(await _postgres_revision(url), target, back):
        return
    from sqlalchemy.ext.asyncio import create_async_engine

    engine = create_async_engine(url.replace("postgres://", "postgresql://", 1).replace("postgresql://", "postgresql+asyncpg://", 1))
    try:
        async with engine.begin() as connection:
            await connection.exec_driver_sql("SELECT pg_advisory_xact_lock(5432154321)")
            # It holds Alembic's own version table. Asked first: `IF NOT EXISTS` wants the right to create even when there is one.
            if not (await connection.exec_driver_sql("SELECT 1 FROM pg_namespace WHERE nspname = 'baaskit'")).first():
                await connection.exec_driver_sql("CREATE SCHEMA baaskit")
            await connection.run_sync(_run_at_home if attached else _run, target, back)
    finally:
        await engine.dispose()


_SCHEMA = re.compile(r"""(?<![\w."])("?)(?:auth|storage|realtime)\1\.(?=["\w])""")


def _at_home(connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, executemany: bool) -> tuple[str, Any]:
    """One history for both layouts: it names four schemas, and in a database of others every one of them is ours."""
    text = "SELECT 1" if statement.startswith("CREATE SCHEMA") else _SCHEMA.sub(f"{HOME}.", statement)
    return text, parameters


def _run_at_home(connection: Connection, target: str, back: bool) -> None:
    event.listen(connection, "before_cursor_execute", _at_home, retval=True)
    token = upgraded_home.set(HOME)
    try:
        _run(connection, target, back)
    finally:
        upgraded_home.reset(token)


def _run(connection: Connection, target: str, back: bool) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(history()))
    config.attributes["connection"] = connection
    (command.downgrade if back else command.upgrade)(config, target)
