"""Migrations on SQLite: what a fault says, what a rebuild keeps, and that nothing is ever half done."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import apsw
import pytest

from baaskit.errors import Fault, Faults
from baaskit.kernel.database import Database
from baaskit.kernel.database.ddl.types import from_text
from baaskit.kernel.database.migrate import apply, apply_file, pending, state
from baaskit.kernel.schema import TableName, Type
from baaskit.project import Script

pytestmark = pytest.mark.anyio


@dataclass
class Folder:
    migrations: tuple[Script, ...]
    seed: Script | None = None


def folder(*texts: str, seed: str | None = None) -> Folder:
    files = tuple(Script(f"{i:04}.sql", Path(f"{i:04}.sql"), text) for i, text in enumerate(texts, 1))
    return Folder(files, None if seed is None else Script("seed.sql", Path("seed.sql"), seed))


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    found = Database(f"sqlite:///{tmp_path / 'data.db'}", synchronous="NORMAL")
    await found.start()
    yield found
    await found.stop()


async def rows(database: Database, text: str) -> list[tuple[object, ...]]:
    return [tuple(row) for row in await database.fetch_raw(text)]


TABLES = """
create type mood as enum ('happy', 'sad');
create table owners (id int primary key, name text);
create table pets (id bigint generated always as identity primary key, owner int references owners (id), name varchar(5) not null,
  price numeric(6,2), born date, mood mood, tags text[], meta jsonb, owner_id uuid default auth.uid());
create view cheap as select id, price from pets where price < 10;
"""

FAULTS = {
    "drop trigger x on pets": "drop trigger x on pets is not supported on SQLite",
    "create table x (a geometry)": "type geometry is not supported on SQLite",
    "create table pets (a int)": "relation 'pets' already exists",
    "create table x (a int, a text)": "column 'a' is given twice",
    "create table x (a int references nowhere (id))": "there is no table 'nowhere' to refer to",
    "create table x (a text references owners (id))": "column 'a' is text but owners.id is integer",
    "create table x (a int check (b > 0))": "there is no column 'b'",
    "create table x (a int default 'seven')": 'invalid input syntax for type integer: "seven"',
    "create table x (a int default now())": "column 'a' is integer but expression is of type timestamp with time zone",
    "create table x (a timestamptz check (a < now()))": "now() cannot be used in a check, generated column or index on SQLite",
    "create table x (a text check (a ~ 'x'))": "a regular expression cannot be used in a check",
    "create table x (a int exclude using gist (a with =))": "not supported",
    "create table auth.x (a int)": "tables of schema 'auth' belong to baaskit",
    "create table x as select 1": "expected (",
    "insert into pets (nme) values ('a')": "Perhaps you meant 'name'.",
    "insert into pet (name) values ('a')": "Perhaps you meant 'pets'.",
    "insert into pets (name) values ('a', 'b')": "1 columns, but 2 values",
    "insert into pets (name) values ('too long')": "value too long for type character varying(5)",
    "insert into pets (name, mood) values ('a', 'angry')": 'invalid input value for enum mood: "angry"',
    "insert into pets (name, price) values ('a', 12345)": "numeric field overflow",
    "insert into pets (name, born) values ('a', '2026-02-30')": 'invalid input syntax for type date: "2026-02-30"',
    "insert into pets (name, tags) values ('a', 'x')": 'malformed array literal: "x"',
    "insert into pets (name, meta) values ('a', '{')": 'invalid input syntax for type json: "{"',
    "insert into pets (id, name) values (1, 'a')": "column 'id' is an identity column",
    "insert into pets (name, owner) values ('a', 'b' = 'b')": "column 'owner' is integer but expression is of type boolean",
    "insert into cheap (id) values (1)": "cheap is a view",
    "insert into baaskit.admins (email) values ('a')": "cannot be written by a migration",
    "update pets set name = null": "",
    "update pets set price = price || 'x'": "column 'price' is numeric(6,2) but expression is of type text",
    "update pets set name = pg_sleep(1)": "function pg_sleep() is not supported on SQLite",
    "update pets set name = auth.uid()": "nobody is calling",
    "update pets set price = 1 where name = 1": "character varying(5) and integer cannot be compared",
    "update pets set price = 1 where born": "a condition must be boolean, not date",
    "delete from pets where id = owner.id": "there is no column 'owner.id'",
    "delete from pets p using pets q, owners where name = 'x'": "column 'name' is ambiguous",
    "select 1": "select is not supported on SQLite",
    "insert into pets (name) select name from owners for update": "not supported",
    "insert into pets (name) select distinct on (name) name from owners": "distinct on is not supported",
    "insert into pets (name) select o.name from owners o, lateral (select o.id) x": "lateral is not supported",
    "insert into pets (name) values ('a') on conflict on constraint pets_pkey do nothing": "Name the columns",
    "alter table pets drop column prise": "Perhaps you meant 'price'.",
    "alter table pets drop column price": "view 'cheap' depends on column 'price'",
    "alter table pets alter column price type text": "view 'cheap' uses column 'price'",
    "alter table pets alter column name type int": "cannot be cast automatically to type integer",
    "alter table pets add column name text": "column 'name' of table 'pets' already exists",
    "alter table pets drop constraint nope": "there is no constraint 'nope'",
    "alter table pets cluster on x": "not supported on SQLite",
    "alter table pest add column a int": "Perhaps you meant 'pets'.",
    "alter table auth.users add column a int": "belong to baaskit",
    "drop table owners": "table 'pets' refers to 'owners'",
    "drop table pets": "view 'cheap' reads 'pets'",
    "drop type mood": "column pets.mood is of type mood",
    "drop table nowhere": "there is no table 'nowhere'",
    "alter type mood add value 'sad'": "'sad' is already a value of mood",
    "alter publication other add table pets": "The publication whose changes are sent to clients is called realtime.",
    "alter publication realtime add table pest": "there is no table 'pest'",
    "create policy p on pets using (true)": "Put them into policies.sql",
    "grant select on pets to anon": "Put them into policies.sql",
    "begin": "a migration is one transaction by itself",
    "create extension postgis": "extension 'postgis' is not available",
    "create function f() returns int language sql as $$ select 1 $$": "Write them in Python in functions/",
    "create index on pets (prize)": "Perhaps you meant 'price'.",
    "create view v as select id, id from pets": "two columns of the view have the same name",
    "create view v with (security_invoker = true) as select id from pets": "security_invoker is not supported",
    "insert into pets (name) values ('a'": "Expecting )",
    "insert into pets (name) values ('a)": "",
}


@pytest.mark.parametrize("statement", FAULTS)
async def test_what_cannot_be_done_is_a_fault_with_its_place_and_changes_nothing(database: Database, statement: str) -> None:
    await apply(folder(TABLES), database)
    if statement == "update pets set name = null":
        statement, words = "insert into pets (name) values (null)", "column 'name' of pets would hold null values"
    else:
        words = FAULTS[statement]
    before = await rows(database, "select type, name, sql from sqlite_schema")
    with pytest.raises(Fault) as caught:
        await apply(folder(TABLES, f"insert into owners values (1, 'ann');\n\n  {statement};\n"), database)
    shown = str(caught.value)
    assert words in shown
    assert shown.startswith("0002.sql:") and (caught.value.line == 3 or not words or "closed" in words)
    assert before == await rows(database, "select type, name, sql from sqlite_schema")
    assert await rows(database, "select count(*) from owners") == [(0,)]
    assert [m.name for m in await pending(folder(TABLES, "x"), database)] == ["0002.sql"]


async def test_the_place_of_a_fault_is_the_word_that_is_wrong(database: Database) -> None:
    text = "create table t (a int);\ninsert into t (a)\n  select b from t;\n"
    with pytest.raises(Fault) as caught:
        await apply(folder(text), database)
    assert (caught.value.line, caught.value.column) == (3, 10)
    assert str(caught.value).splitlines()[1:3] == ["    select b from t;", "           ^"]


async def test_a_rebuild_keeps_rows_children_triggers_indexes_views_and_numbers(database: Database) -> None:
    """Alembic's batch mode lost triggers and checks here, and deleted the children."""
    await apply(
        folder(
            """
            create table parents (id bigint generated always as identity primary key, name text check (length(name) > 0), size int default 3);
            create table children (id int primary key, parent bigint not null references parents (id) on delete cascade);
            create unique index parents_name on parents (lower(name)) where size > 1;
            create view big as select name, size from parents where size > 2;
            alter publication realtime add table parents;
            insert into parents (name) values ('a'), ('b'), ('c');
            insert into children values (1, 1), (2, 2);
            delete from parents where name = 'c';
            """
        ),
        database,
    )
    await database.migrate_script(
        lambda link: link.execute(
            "create trigger mine after update on parents begin update children set id = id + 100 where parent = new.id; end"
        )
    )
    await _again(database, "alter table parents alter column name set not null, add constraint fits check (size < 10);")
    assert await rows(database, "select id, name, size from parents") == [(1, "a", 3), (2, "b", 3)]
    assert await rows(database, "select id, parent from children") == [(1, 1), (2, 2)]
    assert await rows(database, "select name from big") == [("a",), ("b",)]
    names = {
        name
        for (name,) in await rows(
            database, "select name from sqlite_schema where type in ('trigger', 'index') and sql is not null and tbl_name = 'parents'"
        )
    }
    assert {
        "mine",
        "parents_name",
        "baaskit_capture.parents.insert",
        "baaskit_capture.parents.update",
        "baaskit_capture.parents.delete",
    } <= names
    await _again(
        database, "insert into parents (name) values ('d'); update parents set size = 4 where id = 1; delete from parents where id = 2;"
    )
    assert await rows(database, "select id, name, size from parents") == [(1, "a", 4), (4, "d", 3)]  # number 3 is not given again
    assert await rows(database, "select id, parent from children") == [(101, 1)]
    logged = await rows(database, "select op, after ->> 'name' from \"baaskit.changes\" where table_name = 'parents'")
    assert logged[-3:] == [("insert", "d"), ("update", "a"), ("delete", None)]
    with pytest.raises(Fault, match="fits"):
        await _again(database, "update parents set size = 11;")


async def _again(database: Database, text: str) -> None:
    """Apply one more migration to a database whose others are not at hand."""

    number = len(await rows(database, 'select 1 from "baaskit.migrations"')) + 1
    await apply_file(Script(f"{number:04}.sql", Path(f"{number:04}.sql"), text), database)
    await database.reload()


async def test_a_renamed_or_changed_captured_table_is_still_logged_with_all_its_columns(database: Database) -> None:
    await apply(folder("create table a (id int primary key, x text); alter publication realtime add table a;"), database)
    await _again(
        database,
        "alter table a add column y int default 2; alter table a rename column x to z; alter table a rename to b; alter table b drop column y;",
    )
    await _again(database, "alter table b add column w boolean; insert into b values (1, 'one', true);")
    assert await rows(database, 'select table_name, after from "baaskit.changes"') == [("b", '{"id":1,"z":"one","w":true}')]
    assert database.catalog.schema.captured == {TableName("public", "b")}


async def test_any_sql_shell_can_write_and_gets_the_defaults(database: Database, tmp_path: Path) -> None:
    """Defaults, checks and triggers use nothing but what every SQLite has."""
    text = """
    create type mood as enum ('happy', 'sad');
    create table t (id uuid primary key default gen_random_uuid(), at timestamptz default now() + interval '1 month', day date default current_date, n numeric(10,2) default 1.50,
      mood mood default 'happy', ok boolean default true, tags text[] default '{}', name varchar(3) check (name like 'a%'), low text generated always as (lower(name)) stored);
    create view v as select id, at + interval '2 hours' as later, coalesce(name, 'none') as name from t;
    alter publication realtime add table t;
    """
    await apply(folder(text), database)
    shell = apsw.Connection(str(tmp_path / "data.db"))
    shell.execute("insert into t (name) values ('abc')")
    [(id_, at, day, n, mood, ok, tags, low)] = shell.execute("select id, at, day, n, mood, ok, tags, low from t").fetchall()
    assert from_text(str(id_), Type("uuid")) == id_
    assert str(id_)[14] == "4" and str(id_)[19] in "89ab"
    assert from_text(str(at), Type("timestamptz")) == at
    assert from_text(str(day), Type("date")) == day
    assert (n, mood, ok, tags, low) == (1.5, "happy", 1, "[]", "abc")
    assert len(shell.execute("select * from v").fetchall()) == 1
    assert shell.execute('select count(*) from "baaskit.changes"').fetchall() == [(1,)]
    for bad in (
        "name = 'bcd'",
        "name = 'abcd'",
        "mood = 'angry'",
        "ok = 2",
        "n = 'x'",
        "day = 'soon'",
        "at = '2026-01-01'",
        "tags = '{}'",
        "id = 'x'",
    ):
        with pytest.raises(apsw.ConstraintError):
            shell.execute(f"update t set {bad}")
    shell.close()


async def test_a_changed_file_is_refused_and_a_lost_one_reported(database: Database) -> None:
    await apply(folder("create table a (id int);", "create table b (id int);"), database)
    with pytest.raises(Faults, match=r"0001.sql was changed after it was applied(?s:.)*new migration"):
        await apply(folder("create table a (id int );", "create table b (id int);"), database)
    found = await state(Folder(folder("create table a (id int);").migrations), database)
    assert (found.applied, found.pending, found.missing) == (("0001.sql", "0002.sql"), (), ("0002.sql",))
    assert await apply(folder("create table a (id int);\r\n".replace("\r\n", ""), "create table b (id int);"), database) == []


async def test_the_seed_runs_once_in_a_new_database_even_if_the_first_attempt_failed(database: Database) -> None:
    with pytest.raises(Fault):
        await apply(folder("create table a (id int);", "oops;", seed="insert into a values (1);"), database)
    assert await apply(folder("create table a (id int);", "create table b (id int);", seed="insert into a values (1);"), database) == [
        "0002.sql",
        "seed.sql",
    ]
    assert await apply(folder("create table a (id int);", "create table b (id int);", seed="insert into a values (2);"), database) == []
    assert await rows(database, "select id from a") == [(1,)]


async def test_a_seed_that_comes_later_is_not_run(database: Database) -> None:
    await apply(folder("create table a (id int);"), database)
    assert await apply(folder("create table a (id int);", seed="insert into a values (1);"), database) == []


async def test_references_that_a_migration_would_leave_broken_stop_it(database: Database) -> None:
    await apply(
        folder("create table a (id int primary key); create table b (a int references a (id) deferrable initially deferred);"), database
    )
    with pytest.raises(Exception, match=r"FOREIGN KEY|do not exist"):
        await _again(database, "insert into b values (1);")
    assert await rows(database, "select count(*) from b") == [(0,)]


KILLED = """
import asyncio, sys
from pathlib import Path
from baaskit.kernel.database import Database
from baaskit.kernel.database.migrate import apply_file
from baaskit.project import Script
text = "create table half (id int); insert into half select i from generate_series(1, 1000000000) as g(i);"
async def main():
    database = Database(sys.argv[1])
    await database.start()
    print("running", flush=True)
    await apply_file(Script("0002.sql", Path("0002.sql"), text), database)
asyncio.run(main())
"""


async def test_a_killed_migration_leaves_nothing(database: Database, tmp_path: Path) -> None:
    await apply(folder("create table whole (id int);"), database)
    process = subprocess.Popen([sys.executable, "-c", KILLED, database.url], stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    wal = tmp_path / "data.db-wal"
    size, deadline = wal.stat().st_size, time.monotonic() + 30
    while wal.stat().st_size < size + 5_000_000 and time.monotonic() < deadline:
        time.sleep(0.01)
    process.kill()
    process.wait()
    assert await rows(database, "select name from sqlite_schema where type = 'table' and name in ('whole', 'half')") == [("whole",)]
    assert await apply(folder("create table whole (id int);", "create table half (id int);"), database) == ["0002.sql"]


@pytest.mark.parametrize(
    ("kind", "text", "stored"),
    [
        ("timestamptz", "2026-01-02 03:04:05.1200+05:30", "2026-01-01T21:34:05.12+00:00"),
        ("timestamptz", "2026-01-02", "2026-01-02T00:00:00+00:00"),
        ("timestamp", "2026-01-02 03:04:05+05", "2026-01-02T03:04:05"),
        ("bool", "Yes", 1), ("bool", "f", 0), ("int4", " 12 ", 12), ("numeric(4,1)", "1.25", 1.3), ("bytea", "\\xDEAD", b"\xde\xad"),
        ("text[]", '{a,"b,\\"c",{}}', '["a","b,\\"c",[]]'), ("int4[]", "{1,NULL}", "[1,null]"), ("jsonb", '{"b":1, "a": "ä"}', '{"b":1,"a":"ä"}'),
        ("time", "9:05", "09:05:00"), ("date", "2026-1-5", "2026-01-05"),
    ],
)  # fmt: skip
def test_literals_are_stored_in_one_form(kind: str, text: str, stored: object) -> None:
    assert from_text(text, Type.parse(kind)) == stored


@pytest.mark.parametrize(
    ("kind", "text"),
    [("int2", "40000"), ("int4", "1.5"), ("float8", "nan"), ("uuid", "x"), ("bool", "o"), ("bool", ""), ("date", "tomorrow"), ("time", "25:00"),
     ("timestamptz", "2026-13-01"), ("json", "NaN"), ("int4[]", "{1,{2}"), ("numeric(3,2)", "10")],
)  # fmt: skip
def test_what_is_no_value_of_a_type_is_refused(kind: str, text: str) -> None:
    with pytest.raises(ValueError, match=r"invalid|range|malformed|overflow|cannot"):
        from_text(text, Type.parse(kind))
