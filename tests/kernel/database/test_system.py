"""Our own tables: the history makes what `tables.py` describes, and leads there from every released version with all data."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import apsw
import asyncpg
import pytest
from sqlalchemy import create_engine, select
from sqlalchemy.ext.asyncio import create_async_engine

from baaskit.kernel.database import Database, Sql, apsw_dbapi, capture, system
from baaskit.kernel.database.tables import SCHEMAS, for_dialect
from baaskit.kernel.schema import TableName

pytestmark = pytest.mark.anyio
RELEASES = Path(__file__).parent / "releases"
VERSIONS = sorted({file.name.rpartition(".")[0].rpartition(".")[0] for file in RELEASES.glob("*.sql")})


async def load(url: str, text: str) -> None:
    """Fill an empty database with a dump."""
    if url.startswith("sqlite"):
        link = apsw.Connection(url.removeprefix("sqlite:///"))
        link.execute(text)
        link.close()
    else:
        postgres = await asyncpg.connect(url)
        await postgres.execute(text)
        await postgres.close()


async def described(url: str) -> None:
    """Make our tables from their description in tables.py, without the history."""
    if url.startswith("sqlite"):
        path = url.removeprefix("sqlite:///")
        engine = create_engine("sqlite://", module=apsw_dbapi, creator=lambda: apsw_dbapi.Connection(apsw.Connection(path)))
        with engine.begin() as link:
            for_dialect("sqlite").metadata.create_all(link)
        engine.dispose()
        return
    lively = create_async_engine(url.replace("postgresql://", "postgresql+asyncpg://"))
    async with lively.begin() as connection:
        for schema in SCHEMAS:
            await connection.exec_driver_sql(f"create schema {schema}")
        await connection.run_sync(for_dialect("postgresql").metadata.create_all)
        for text in [capture.POSTGRES_FUNCTION, *capture.POSTGRES_AUTH_FUNCTIONS.strip().split(";\n")]:
            await connection.exec_driver_sql(text)
    await lively.dispose()


async def structure(url: str) -> Any:
    """Everything that the history can get wrong: columns, keys, indexes, checks, functions of our own tables."""
    if url.startswith("sqlite"):
        link = apsw.Connection(url.removeprefix("sqlite:///"))
        found = {}
        tables = "select name from sqlite_schema where type = 'table' and name like '%.%' and name <> 'baaskit.alembic_version'"
        for (table,) in link.execute(tables).fetchall():
            columns = [tuple(row)[1:] for row in link.execute(f'pragma table_xinfo("{table}")')]
            keys = sorted(tuple(row)[2:] for row in link.execute(f'pragma foreign_key_list("{table}")'))
            indexes = sorted(
                (name, unique, origin, [r[0] for r in link.execute(f'select name from pragma_index_info("{name}")')])
                for _, name, unique, origin, _ in link.execute(f'pragma index_list("{table}")')
            )
            text = link.execute("select sql from sqlite_schema where name = ?", (table,)).fetchall()[0][0]
            found[table] = (columns, keys, indexes, "AUTOINCREMENT" in text, text.count("CHECK"))
        link.close()
        return found
    postgres = await asyncpg.connect(url)
    ours = "n.nspname in ('auth', 'storage', 'realtime', 'baaskit') and c.relname not like 'alembic_version%'"
    texts = (
        "select c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity, pg_get_expr(d.adbin, d.adrelid) "
        "from pg_class c join pg_namespace n on n.oid = c.relnamespace join pg_attribute a on a.attrelid = c.oid "
        f"left join pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum where {ours} and attnum > 0 and not attisdropped "
        "and c.relkind = 'r' order by n.nspname, c.relname, a.attnum",
        "select n.nspname, c.relname, k.conname, pg_get_constraintdef(k.oid) from pg_constraint k join pg_class c on c.oid = k.conrelid "
        f"join pg_namespace n on n.oid = c.relnamespace where {ours} order by 1, 2, 3",
        f"select pg_get_indexdef(c.oid) from pg_class c join pg_namespace n on n.oid = c.relnamespace where {ours} and c.relkind = 'i' order by 1",
        "select pg_get_functiondef(p.oid) from pg_proc p join pg_namespace n on n.oid = p.pronamespace "
        "where n.nspname in ('auth', 'storage', 'realtime', 'baaskit') order by 1",
    )
    try:
        return [[tuple(row) for row in await postgres.fetch(text)] for text in texts]
    finally:
        await postgres.close()


def another(url: str, postgres: Any) -> str:
    return url.replace("data.db", "other.db") if url.startswith("sqlite") else postgres()


async def test_the_history_makes_the_tables_that_are_described(database_url: str, postgres: Any) -> None:
    """A change of tables.py without a revision would be missing in every database that exists already."""
    other = another(database_url, postgres)
    await described(other)
    async with _opened(database_url):
        pass

    made, wanted = await structure(database_url), await structure(other)

    assert len(made) >= 4
    assert made == wanted, "tables.py and migrations/versions differ: write a revision (docs/adding-a-feature.md)"


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_database_of_a_released_version_is_upgraded_with_its_data(version: str, database_url: str, postgres: Any) -> None:
    dialect = database_url.partition(":")[0]
    await load(database_url, (RELEASES / f"{version}.{dialect}.sql").read_text())
    async with _opened(another(database_url, postgres)) as fresh:
        new = await structure(fresh.url)

    async with _opened(database_url) as database:
        t = database.tables
        assert await structure(database_url) == new
        [user] = await database.query(select(t.users))
        assert (user["email"], user["raw_user_meta_data"]) == ("ann@example.com", {"name": "Änn"})
        for table in (t.identities, t.sessions, t.refresh_tokens, t.buckets, t.objects, t.admins, t.audit, t.policies):
            assert len(await database.query(select(table))) == 1, table.name
        assert [row["op"] for row in await database.query(select(t.changes))] == ["insert", "insert"]
        [migration] = await database.query(select(t.migrations))
        assert (migration["name"], migration["applied_by"]) == ("0001_pets.sql", None)
        assert database.catalog.policies.closed == ()
        assert TableName("public", "pets") in database.catalog.schema.captured
        pets = await database.fetch_raw("select id, name, mood from pets order by id")
        assert [tuple(row) for row in pets] == [(1, "Rex", "happy"), (2, "Tom", "happy")]
        await _add_pet(database)
        assert len(await database.query(select(t.changes))) == 3, "a change after the upgrade is captured"


async def test_going_back_a_revision_keeps_the_data_and_can_be_undone(database_url: str) -> None:
    dialect = database_url.partition(":")[0]
    await load(database_url, (RELEASES / f"{VERSIONS[0]}.{dialect}.sql").read_text())
    before = await structure(database_url)
    await _in_thread(system.upgrade, database_url)
    after = await structure(database_url)
    assert after != before

    await _in_thread(system.downgrade, database_url, "0001")
    assert await structure(database_url) == before

    await _in_thread(system.upgrade, database_url)
    assert await structure(database_url) == after
    async with _opened(database_url) as database:
        assert len(await database.query(select(database.tables.users))) == 1


async def test_an_older_version_runs_on_the_tables_of_a_newer_one(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """While a new version is rolled out, processes of the old one are still started."""
    async with _opened(database_url):
        pass
    monkeypatch.setattr(system, "head", lambda: "0001")

    async with _opened(database_url) as database:
        assert await database.query(select(database.tables.users)) == []


async def _in_thread(work: Any, *arguments: Any) -> None:
    await asyncio.to_thread(work, *arguments)


async def _add_pet(database: Database) -> None:
    def script() -> Any:
        yield Sql("insert into pets (name) values ('Kit')")

    await database.run(script)


@asynccontextmanager
async def _opened(url: str) -> AsyncIterator[Database]:
    database = Database(url)
    await database.start()
    try:
        yield database
    finally:
        await database.stop()
