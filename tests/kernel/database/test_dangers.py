"""What a migration may do to live data is told before it is run."""

from __future__ import annotations

from pathlib import Path

import pytest

from baaskit.errors import Faults
from baaskit.kernel.database import Database, Sql
from baaskit.kernel.database.dangers import dangers
from baaskit.migrating import up
from baaskit.project import load_project
from baaskit.settings import load_settings
from tests.kernel.database.test_migrate import folder

BASE = """
create table pets (id int primary key, name text, age text, open boolean);
create view names as select id, name from pets;
alter publication realtime add table pets;
"""
TEXTS = {"policies.sql:3": "create policy p on pets using (open)", "functions/search.py": 'client.table("pets").select("age")'}


def told(statement: str, dialect: str = "postgresql", *more: str) -> list[str]:
    project = folder(BASE, statement, *more)
    return [str(fault) for fault in dangers(project.migrations, {m.name for m in project.migrations[1:]}, dialect, TEXTS)]


BOTH, POSTGRES = ("sqlite", "postgresql"), ("postgresql",)


@pytest.mark.parametrize(
    ("where", "statement", "words"),
    [
        (BOTH, "alter table pets add column mood text not null", "adds pets.mood, which is not null and has no default"),
        (BOTH, "alter table pets add mood text default 'x', add b int not null", "adds pets.b, which is not null"),
        (BOTH, "alter table public.pets alter age type int using age::int", "changes the type of pets.age"),
        (BOTH, "alter table pets drop column if exists name", "drops column pets.name and its values"),
        (BOTH, "drop table if exists pets", "drops table pets and its rows"),
        (BOTH, "alter table pets drop open", "drops column pets.open, which seems to be used by policies.sql:3"),
        (BOTH, "alter table pets rename column age to years", "used by functions/search.py"),
        (BOTH, "alter table pets rename name to called", "used by view names"),
        (BOTH, "alter table pets rename to animals", "renames table pets, which seems to be used by view names, policies.sql:3"),
        (BOTH, "drop table pets; create table pets (id int)", "those of the new table of that name are not"),
        (POSTGRES, "create unique index on pets (name)", "keeps all who write pets waiting"),
        (POSTGRES, "create index if not exists pets_age on only pets (age)", "keeps all who write pets waiting"),
        (POSTGRES, "alter table pets add column key uuid default gen_random_uuid()", "writes all rows of pets anew"),
        (POSTGRES, "alter table pets alter column name set not null", "reads all of pets"),
        (POSTGRES, "alter table pets add constraint c check (id > 0)", "reads all of pets while writers wait"),
        (POSTGRES, "alter table pets add foreign key (id) references pets (id)", "reads all of pets while writers wait"),
        (POSTGRES, "alter table pets add constraint u unique (name)", "keeps everyone from pets"),
    ],
)
def test_what_is_dangerous_is_told_with_its_place(where: tuple[str, ...], statement: str, words: str) -> None:
    for dialect in ("sqlite", "postgresql"):
        found = [line for line in told(f"\n{statement};", dialect) if words in line]
        assert len(found) == (dialect in where), told(statement, dialect)
        assert all(line.startswith("0002.sql:2:1: ") for line in found)


@pytest.mark.parametrize(
    "statement",
    [
        "alter table pets add column mood text",
        "alter table pets add column mood text not null default 'happy'",
        "alter table pets alter column name drop not null",
        "alter table pets rename constraint a to b",
        "alter table pets add constraint c check (id > 0) not valid",
        "alter table pets add constraint u unique using index pets_name",
        "-- migrate:up transaction:false\ncreate unique index concurrently a on pets (name)",
        "create table notes (id int primary key); create index on notes (id); alter table notes add b int not null; drop table notes",
        "-- lint:ignore meant so\nalter table pets drop column name",
        "alter table others drop column open",
    ],
)
def test_what_is_harmless_is_not_told(statement: str) -> None:
    assert told(statement) == []


def test_a_comment_speaks_for_one_statement_only() -> None:
    found = told("-- lint:ignore\nalter table pets add a int not null;\nalter table pets add b int not null;")
    assert [line.split(": ")[1][:12] for line in found] == ["adds pets.b,"]


def test_a_captured_table_that_is_captured_again_is_not_lost() -> None:
    again = "create table pets (id int);", "alter publication realtime add table pets;"
    assert [line for line in told("drop table pets;", "sqlite", *again) if "captured" in line] == []
    assert len([line for line in told("drop table pets;", "sqlite", again[0]) if "captured" in line]) == 1


def test_a_table_of_an_earlier_file_that_is_pending_too_is_live() -> None:
    assert len(told("create table notes (id int);", "sqlite", "alter table notes add b int not null;")) == 1


@pytest.mark.anyio
async def test_up_tells_of_tables_that_hold_rows_and_refuses_when_strict(database_url: str, tmp_path: Path) -> None:
    (tmp_path / "migrations").mkdir()
    (tmp_path / "baaskit.toml").write_text("")
    (tmp_path / "migrations/0001.sql").write_text("create table empty (id int); create table full_ (id int); create table used (id int);")
    (tmp_path / "policies.sql").write_text("create policy p on used for select using (id = 1);")
    settings = load_settings(tmp_path, {}, database_url=database_url)
    await up(load_project(tmp_path), settings, lambda line: None)
    database = Database(database_url)
    await database.start()

    def fill() -> object:
        yield Sql("insert into full_ values (1)")

    await database.run(fill)  # type: ignore[arg-type]
    await database.stop()
    changes = "".join(f"alter table {table} alter column id type bigint;\n" for table in ("empty", "full_"))
    (tmp_path / "migrations/0002.sql").write_text(changes + "alter table used rename column id to number;")
    (tmp_path / "policies.sql").write_text("\ncreate policy p on used for select using (number = 1 and 'id' <> '');")

    with pytest.raises(Faults) as caught:
        await up(load_project(tmp_path), settings, lambda line: None, strict=True)
    assert [(fault.line, fault.message.split(":")[0]) for fault in caught.value.faults] == [
        (2, "changes the type of full_.id"),
        (3, "renames column used.id, which seems to be used by policies.sql"),
    ]
    lines: list[str] = []
    assert await up(load_project(tmp_path), settings, lines.append) == ["0002.sql", "policies.sql"]
    assert [line.split(":")[0] for line in lines] == ["warning", "warning", "applied 0002.sql", "applied policies.sql (version 2)"]
