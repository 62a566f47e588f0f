"""The catalogue: what other processes change is noticed, and nothing else is taken for a change."""

from __future__ import annotations

import pytest

from baaskit.kernel.database import Database, Sql, StaleVersion
from baaskit.kernel.schema import TableName

pytestmark = pytest.mark.anyio


async def test_policies_saved_by_another_process_are_taken_over(database_url: str) -> None:
    """Two servers on one database: the second one's look finds the first one's new version, once."""
    one, other = Database(database_url), Database(database_url)
    await one.start()
    await other.start()
    try:
        assert not await other.refresh()
        version = await one.save_policies('create policy "x" on storage.buckets for select to anon using (public);', "test")

        assert await other.refresh()
        assert other.catalog.policies.version == version
        assert not await other.refresh()
    finally:
        await one.stop()
        await other.stop()


async def test_an_own_save_is_not_a_foreign_change_for_long(database_url: str) -> None:
    """A save swaps the catalogue at once; the next look may read it again, and then is quiet."""
    database = Database(database_url)
    await database.start()
    try:
        await database.save_policies("", "test")
        await database.refresh()
        assert not await database.refresh()
    finally:
        await database.stop()


async def test_an_edit_of_an_old_version_is_refused(database_url: str) -> None:
    """Two admins edit at once: the second is told, and nothing of the first is lost."""
    database = Database(database_url)
    await database.start()
    try:
        first = await database.save_policies("-- one", "ann", base_version=0)
        with pytest.raises(StaleVersion):
            await database.save_policies("-- two", "bob", base_version=0)
        assert [(first, "-- one", "ann")] == [(row["version"], row["text"], row["author"]) for row in await database.policy_history()]
    finally:
        await database.stop()


async def test_a_table_made_by_another_program_appears(tmp_path: object) -> None:
    """SQLite tells that the structure has changed, whoever changed it."""
    database = Database(f"sqlite:///{tmp_path}/x.db")
    await database.start()
    try:

        def script():  # type: ignore[no-untyped-def]
            yield Sql("create table notes (id integer primary key, text text)")

        await database.run(script)
        assert await database.refresh()
        assert TableName("public", "notes") in database.catalog.schema.tables
    finally:
        await database.stop()
