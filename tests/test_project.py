"""Projects as folders: loading, and the starter that `init` writes."""

from __future__ import annotations

from pathlib import Path

import pytest

from baaskit.checking import check_project
from baaskit.errors import Faults
from baaskit.kernel.schema import TableName
from baaskit.project import init_project, load_project
from baaskit.serving import bring_up_to_date, database_of
from baaskit.settings import load_settings


def test_a_folder_without_a_settings_file_is_not_a_project(tmp_path: Path) -> None:
    with pytest.raises(Faults, match="baaskit init"):
        load_project(tmp_path)


def test_migrations_are_loaded_in_the_order_of_their_names(tmp_path: Path) -> None:
    init_project(tmp_path)
    for name in ("0010_b.sql", "0002_a.sql", "notes.txt"):
        (tmp_path / "migrations" / name).write_text("create table t (a int);")
    assert [m.name for m in load_project(tmp_path).migrations] == ["0001_todos.sql", "0002_a.sql", "0010_b.sql"]


def test_line_endings_do_not_count_as_a_change(tmp_path: Path) -> None:
    init_project(tmp_path)
    before = load_project(tmp_path).migrations[0].checksum
    path = tmp_path / "migrations/0001_todos.sql"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert load_project(tmp_path).migrations[0].checksum == before


def test_a_file_that_is_not_text_is_a_fault(tmp_path: Path) -> None:
    init_project(tmp_path)
    (tmp_path / "policies.sql").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(Faults, match="not UTF-8"):
        load_project(tmp_path)


def test_init_never_overwrites(tmp_path: Path) -> None:
    (tmp_path / "policies.sql").write_text("-- mine")
    written = init_project(tmp_path)
    assert (tmp_path / "policies.sql").read_text() == "-- mine"
    assert tmp_path / "policies.sql" not in written
    assert ".baaskit/" in (tmp_path / ".gitignore").read_text()
    assert init_project(tmp_path) == []


@pytest.mark.anyio
async def test_the_starter_is_applied_and_its_policies_are_live(tmp_path: Path, database_url: str) -> None:
    init_project(tmp_path)
    project, settings = load_project(tmp_path), load_settings(tmp_path, {}, database_url=database_url)
    database = database_of(settings)
    await database.start()
    try:
        assert await bring_up_to_date(project, database, lambda line: None) == ["0001_todos.sql", "seed.sql", "policies.sql"]
        assert await bring_up_to_date(project, database, lambda line: None) == []
        assert database.catalog.schema.captured == {TableName("public", "todos")}
        assert database.catalog.policies.version == 1
        assert [str(t.name) for t in database.catalog.schema.exposed()] == ["todos"]
    finally:
        await database.stop()


@pytest.mark.anyio
async def test_policies_saved_in_the_console_stay_until_the_file_changes(tmp_path: Path) -> None:
    init_project(tmp_path)
    database = database_of(load_settings(tmp_path, {}))
    await database.start()
    try:
        await bring_up_to_date(load_project(tmp_path), database, lambda line: None)
        edited = 'create policy "all" on todos for select to authenticated using (true);'
        await database.save_policies(edited, author="console")
        assert await bring_up_to_date(load_project(tmp_path), database, lambda line: None) == []
        assert database.catalog.policies.text == edited
        (tmp_path / "policies.sql").write_text(edited + "\n-- changed")
        assert await bring_up_to_date(load_project(tmp_path), database, lambda line: None) == ["policies.sql"]
    finally:
        await database.stop()


@pytest.mark.anyio
async def test_check_finds_what_is_wrong_and_makes_nothing(tmp_path: Path) -> None:
    init_project(tmp_path)
    (tmp_path / "policies.sql").write_text('create policy "p" on todos for select using (ownr_id = auth.uid());')
    (tmp_path / "functions/broken.py").write_text("def x(:\n")
    faults = await check_project(load_project(tmp_path), load_settings(tmp_path, {}))
    assert any("owner_id" in str(fault) and "policies.sql:1:" in str(fault) for fault in faults)
    assert any("broken.py" in str(fault) for fault in faults)
    assert not (tmp_path / ".baaskit").exists()


@pytest.mark.anyio
async def test_check_finds_nothing_in_the_starter(tmp_path: Path) -> None:
    init_project(tmp_path)
    assert await check_project(load_project(tmp_path), load_settings(tmp_path, {})) == []
