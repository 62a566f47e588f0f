"""Migrations on both databases: up, down, together with policies, beside others, and without a transaction."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from baaskit.errors import Fault, Faults
from baaskit.kernel.database import Database, Sql, migration_file
from baaskit.kernel.database.migrate import apply, state, take_back
from baaskit.kernel.database.migration_text import checksum, matches, sections
from baaskit.kernel.policy import PolicyFaults, parse_policies
from baaskit.kernel.schema import TableName
from baaskit.project import Script

pytestmark = pytest.mark.anyio
DOWN = "\n-- migrate:down\n"


@dataclass
class Folder:
    migrations: tuple[Script, ...]
    seed: Script | None = None


def folder(*texts: str, seed: str | None = None) -> Folder:
    files = tuple(Script(f"{i:04}.sql", Path(f"{i:04}.sql"), text) for i, text in enumerate(texts, 1))
    return Folder(files, None if seed is None else Script("seed.sql", Path("seed.sql"), seed))


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    found = Database(database_url, synchronous="NORMAL")
    await found.start()
    yield found
    await found.stop()


async def rows(database: Database, text: str) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in await database.fetch_raw(text)]


async def write(database: Database, text: str) -> None:
    def script() -> Any:
        yield Sql(text)

    await database.run(script)


def tables(database: Database) -> list[str]:
    return [str(t.name) for t in database.catalog.schema.exposed()]


# ---- the text -----------------------------------------------------------------------------------------------------------


def test_a_file_without_markers_is_all_up() -> None:
    found = sections("create table a (id int);")
    assert (found.up.text, found.up.transaction, found.down) == ("create table a (id int);", True, None)


def test_places_in_a_section_are_places_in_the_file() -> None:
    text = "-- migrate:up transaction:false\nselect 1;\n-- migrate:down\n  select 2;\n"
    found = sections(text)
    assert found.down is not None
    assert (found.up.transaction, found.down.transaction) == (False, True)
    assert [section.text.index("select") for section in (found.up, found.down)] == [text.index("select 1"), text.index("select 2")]
    assert found.up.text.count("\n") == found.down.text.count("\n") == 4


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("-- migrate:sideways", 1, "unknown marker"),
        ("-- migrate:up\n-- migrate:up", 2, "given twice"),
        ("-- migrate:down\n-- migrate:up", 2, "comes before"),
        ("-- migrate:up transaction:no", 1, "unknown option"),
        ("select 1;\n-- migrate:up", 2, "statements before"),
    ],
)
def test_a_wrong_marker_is_a_fault_with_its_place(text: str, line: int, words: str) -> None:
    with pytest.raises(Fault, match=words) as caught:
        sections(text)
    assert caught.value.line == line


def test_a_way_back_can_be_added_after_a_migration_was_applied_and_nothing_else_can() -> None:
    recorded = checksum("create table a (id int);\n")
    for same in ("create table a (id int);\r\n", "create table a (id int);\n\n-- migrate:down\ndrop table a;\n"):
        assert matches(recorded, same)
    assert not matches(recorded, "create table a (id bigint);\n-- migrate:down\n")


# ---- up and down ----------------------------------------------------------------------------------------------------------


async def test_down_undoes_the_newest_and_up_applies_it_again(database: Database) -> None:
    project = folder(
        "create table a (id int primary key);" + DOWN + "drop table a;",
        "alter table a add column b text;" + DOWN + "alter table a drop column b;",
    )
    assert await apply(project, database) == ["0001.sql", "0002.sql"]

    assert await take_back(project.migrations[:0:-1], database) == ["0002.sql"]
    assert [c.name for c in database.catalog.schema.tables[TableName("public", "a")].columns] == ["id"]
    assert (await state(project, database)).applied == ("0001.sql",)

    assert await apply(project, database) == ["0002.sql"]
    assert await take_back(project.migrations[::-1], database) == ["0002.sql", "0001.sql"]
    assert tables(database) == []
    assert await take_back(project.migrations[::-1], database) == [], "what is not applied is not taken back"


async def test_a_migration_without_statements_waits_until_it_has_some(database: Database) -> None:
    """`baaskit dev` sees the file that `db new` has just written: recorded, it would be refused as changed when it is filled in."""
    made, said = "create table a (id int);", list[str]()
    assert await apply(folder(made, "-- migrate:up\n/* later */\n" + DOWN), database, said.append) == ["0001.sql"]
    assert said == ["0002.sql holds no statements yet: not applied", "applied 0001.sql"]
    filled = folder(made, "-- migrate:up\ncreate table b (id int);" + DOWN)
    assert [file.name for file in (await state(filled, database)).pending] == ["0002.sql"]
    assert await apply(filled, database) == ["0002.sql"]


async def test_a_migration_without_a_way_back_is_refused_before_anything_is_run(database: Database) -> None:
    project = folder(
        "create table a (id int);",
        "create table b (id int);" + DOWN + "-- nothing yet\n",
        "create table c (id int);" + DOWN + "drop table c;",
    )
    await apply(project, database)
    with pytest.raises(Fault, match=r"0002\.sql does not say how to take it back"):
        await take_back(project.migrations[::-1], database)
    assert tables(database) == ["a", "b", "c"]


async def test_a_fault_in_a_way_back_leaves_everything(database: Database) -> None:
    project = folder("create table a (id int);" + DOWN + "drop table a;\ndrop table nowhere;")
    await apply(project, database)
    with pytest.raises(Fault) as caught:
        await take_back(project.migrations, database)
    assert (caught.value.line, "nowhere" in str(caught.value)) == (4, True)
    assert tables(database) == ["a"]
    assert (await state(project, database)).applied == ("0001.sql",)


async def test_up_to_a_name_stops_there_and_an_unknown_name_says_what_there_is(database: Database) -> None:
    project = folder("create table a (id int);", "create table b (id int);", "create table c (id int);")
    assert await apply(project, database, to="0002") == ["0001.sql", "0002.sql"]
    assert tables(database) == ["a", "b"]
    with pytest.raises(Fault, match="not one pending migration") as caught:
        await apply(project, database, to="0002")
    assert "0003.sql" in str(caught.value)


async def test_who_when_and_how_long_is_recorded(database: Database) -> None:
    await apply(folder("create table a (id int);"), database)
    [record] = (await state(folder(), database)).records
    assert record.by == migration_file.author()
    assert record.milliseconds is not None
    assert (record.name, record.at.tzinfo is not None) == ("0001.sql", True)


async def test_a_rehearsal_tries_everything_on_the_data_and_leaves_nothing(database: Database) -> None:
    await apply(folder("create table a (id int);"), database)
    await write(database, "insert into a values (1)")
    project = folder("create table a (id int);", "alter table a add column b text;", "update a set b = 'x';")
    assert await apply(project, database, rehearse=True) == ["0002.sql", "0003.sql"]
    with pytest.raises(Fault, match="null"):
        await apply(folder("create table a (id int);", "alter table a add column b text not null;"), database, rehearse=True)
    await database.reload()
    assert [c.name for c in database.catalog.schema.tables[TableName("public", "a")].columns] == ["id"]
    assert (await state(project, database)).applied == ("0001.sql",)


# ---- with policies ----------------------------------------------------------------------------------------------------------


def closing(database: Database, text: str) -> Any:
    """What `serving` gives to `apply`: policies for the tables that the migrations have made."""

    def finish(schema: Any) -> Any:
        parse_policies(text, schema)
        yield from database.store_policies(text, "test", "")

    return finish


READ = 'create policy "p" on a for select using ({});'


async def test_policies_and_migrations_are_one_transaction(database: Database) -> None:
    """Else a new column would be readable under the old policies until the new ones are saved."""
    project = folder("create table a (id int);", "alter table a add column secret boolean default false;")

    def interrupted(schema: Any) -> Any:
        yield from closing(database, READ.format("secret"))(schema)
        raise InterruptedError

    with pytest.raises(InterruptedError):
        await apply(project, database, finish=interrupted)
    assert ((await state(project, database)).applied, await database.policy_history()) == ((), [])

    other = Database(database.url)
    await other.start()
    await apply(project, database, finish=closing(database, READ.format("secret")))
    assert await other.refresh()
    assert (other.catalog.policies.version, tables(other), other.catalog.policies.closed) == (1, ["a"], ())
    await other.stop()


async def test_policies_that_do_not_fit_undo_the_migrations_that_came_with_them(database: Database) -> None:
    project = folder("create table a (id int);", "create table b (id int);")
    with pytest.raises(PolicyFaults, match="secret"):
        await apply(project, database, finish=closing(database, READ.format("secret")))
    await database.reload()
    assert tables(database) == []
    assert (await state(project, database)).applied == ()
    assert await database.policy_history() == []

    assert await apply(project, database, finish=closing(database, READ.format("id = 1"))) == ["0001.sql", "0002.sql"]
    assert database.catalog.policies.version == 1


# ---- beside others ------------------------------------------------------------------------------------------------------------


async def test_two_processes_that_start_at_once_apply_once(database: Database) -> None:
    other = Database(database.url, synchronous="NORMAL")
    await other.start()
    project = folder("create table a (id int);", "insert into a values (1);", "insert into a values (2);", seed="insert into a values (3);")
    done = await asyncio.gather(apply(project, database), apply(project, other))
    assert sorted(done[0] + done[1]) == ["0001.sql", "0002.sql", "0003.sql", "seed.sql"]
    assert await rows(database, "select id from a order by id") == [(1,), (2,), (3,)]
    await other.stop()


async def test_other_processes_notice_a_migration_and_a_way_back_that_was_run_between_two_looks(database: Database) -> None:
    """The number of migrations alone would be the same."""
    project = folder("create table a (id int);" + DOWN + "drop table a;")
    await apply(project, database)
    other = Database(database.url)
    await other.start()
    await take_back(project.migrations, database)
    await apply(folder("create table b (id int);"), database)
    assert await other.refresh()
    assert tables(other) == ["b"]
    await other.stop()


# ---- PostgreSQL: locks and statements that refuse a transaction ------------------------------------------------------------------


@pytest.fixture
async def postgresql(postgres: Any) -> AsyncIterator[Database]:
    found = Database(postgres())
    await found.start()
    yield found
    await found.stop()


async def test_a_migration_that_waits_for_a_table_gives_way_and_tries_again(postgresql: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """While it waited, every read of the table would wait behind it."""
    monkeypatch.setattr(migration_file, "LOCK_MILLISECONDS", 50)
    monkeypatch.setattr(migration_file, "LOCK_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(migration_file, "LOCK_ATTEMPTS", 3)
    await apply(folder("create table a (id int);"), postgresql)
    project = folder("create table a (id int);", "create table b (id int); alter table a add column b int;")
    reader = await asyncpg.connect(postgresql.url)
    async with reader.transaction():
        await reader.fetch("select * from a")
        with pytest.raises(Fault, match="lock timeout") as caught:
            await apply(project, postgresql)
        assert "Others use the table" in str(caught.value)
        assert await rows(postgresql, "select to_regclass('b')") == [(None,)]
        monkeypatch.setattr(migration_file, "LOCK_ATTEMPTS", 1000)
        waiting = asyncio.create_task(apply(project, postgresql))
        other = await asyncpg.connect(postgresql.url)
        assert await other.fetch("select * from a") == [], "a reader is let through between two attempts"
    assert await waiting == ["0002.sql"]
    await reader.close()
    await other.close()


CONCURRENT = """-- migrate:up transaction:false
create index concurrently a_id on a (id);
update a set id = id + 100;
create unique index concurrently a_unique on a (id);
-- migrate:down transaction:false
drop index concurrently a_unique;
drop index concurrently a_id;
"""
A = "create table a (id int); insert into a values (1), (2);"


async def test_an_index_is_made_concurrently_and_dropped_again(postgresql: Database) -> None:
    project = folder(A, CONCURRENT)
    await apply(project, postgresql)
    assert await rows(postgresql, "select id from a order by id") == [(101,), (102,)]
    indexes = "select relname from pg_class where relname like 'a\\_%' and relkind = 'i' order by 1"
    assert await rows(postgresql, indexes) == [("a_id",), ("a_unique",)]
    await take_back(project.migrations[1:], postgresql)
    assert await rows(postgresql, indexes) == []


async def test_a_statement_that_refuses_a_transaction_says_where_to_put_it(postgresql: Database) -> None:
    with pytest.raises(Fault, match="transaction:false"):
        await apply(folder(A, "create index concurrently a_id on a (id);"), postgresql)


async def test_a_step_that_fails_is_where_the_next_run_goes_on(postgresql: Database) -> None:
    """Nothing is done twice, and the broken index that PostgreSQL leaves is gone."""
    await apply(folder(A), postgresql)
    await write(postgresql, "insert into a values (1)")
    with pytest.raises(Fault, match="could not create unique index"):
        await apply(folder(A, CONCURRENT), postgresql)
    assert await rows(postgresql, "select relname from pg_class where relname = 'a_unique'") == []
    now = await state(folder(A, CONCURRENT), postgresql)
    assert ([m.name for m in now.pending], now.unfinished) == (["0002.sql"], ("0002.sql",))
    with pytest.raises(Fault, match="changed after a part of it was applied"):
        await apply(folder(A, CONCURRENT.replace("+ 100", "+ 200")), postgresql)
    await write(postgresql, "delete from a where ctid = (select max(ctid) from a where id = 101)")
    assert await apply(folder(A, CONCURRENT), postgresql) == ["0002.sql"]
    assert await rows(postgresql, "select id from a order by id") == [(101,), (102,)]
    assert (await state(folder(A, CONCURRENT), postgresql)).unfinished == ()


async def test_an_index_made_concurrently_needs_a_name(postgresql: Database) -> None:
    with pytest.raises((Fault, Faults), match="needs a name"):
        await apply(folder(A, "-- migrate:up transaction:false\ncreate index concurrently on a (id);"), postgresql)


async def test_two_processes_make_an_index_concurrently_without_waiting_for_each_other(postgresql: Database) -> None:
    """A process that waits for its turn inside a statement would hold a snapshot, for which the other one waits: a deadlock."""
    other = Database(postgresql.url)
    await other.start()
    await apply(folder(A), postgresql)
    done = await asyncio.gather(apply(folder(A, CONCURRENT), postgresql), apply(folder(A, CONCURRENT), other))
    assert sorted(map(len, done)) == [0, 1]
    assert await rows(postgresql, "select id from a order by id") == [(101,), (102,)]
    await other.stop()
