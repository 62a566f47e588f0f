"""What others change while a server runs: structure and rows; with triggers, by polling, or not at all."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from baaskit.app import App
from baaskit.kernel.changes import Change
from baaskit.kernel.database.polling import Poller
from baaskit.observe import _readers
from baaskit.settings import load_settings

from .conftest import Theirs

pytestmark = pytest.mark.anyio

POLICIES = """
create policy a on customers for select to authenticated using (id = auth.uid() and name <> '');
create policy b on loose for select to authenticated using (true);
"""


@asynccontextmanager
async def serving(theirs: Theirs, **settings: Any) -> AsyncIterator[App]:
    """An app on the attached database, its policies live."""
    folder = theirs.folder / "p"
    await asyncio.to_thread(theirs.cli, "attach", theirs.url, "p", "--users", "customers")
    app = App(load_settings(folder, **settings), functions=folder / "functions")
    await app.start(prepare=lambda database: database.save_policies(POLICIES, "test"))
    try:
        yield app
    finally:
        await app.stop()


async def test_a_change_of_structure_is_noticed_logged_and_denies(theirs: Theirs) -> None:
    told: list[tuple[str, dict[str, Any]]] = []
    _readers.append(lambda name, fields: told.append((name, fields)))
    try:
        async with serving(theirs) as app:
            database = app.kit.database
            assert not database.catalog.policies.closed
            await asyncio.to_thread(theirs.sql, "alter table customers rename column name to full_name")
            await asyncio.to_thread(theirs.sql, "create table newcomer (id integer primary key)")
            async with asyncio.timeout(30):
                while database.catalog.schema.get("newcomer") is None or not any(name == "schema.drift" for name, _ in told):
                    await asyncio.sleep(0.05)
                while not any(name == "policies.closed.warning" for name, _ in told):
                    await asyncio.sleep(0.05)
            denied = next(fields["denied"] for name, fields in told if name == "policies.closed.warning")
            assert database.catalog.policies.closed and "name" in denied
            from baaskit.kernel.schema import TableName

            assert database.catalog.policies.access(TableName("public", "customers"), "select", "authenticated").denied
            assert not database.catalog.policies.access(TableName("public", "loose"), "select", "authenticated").denied
    finally:
        _readers.pop()
    changes = " ".join(fields["changes"] for name, fields in told if name == "schema.drift")
    assert "customers.full_name is new" in changes and "customers.name is gone" in changes and "newcomer is new" in changes

    status = await asyncio.to_thread(theirs.report, "status", "p")
    assert "newcomer is new" in status["changed_by_others"] and status["denied_because"]
    await asyncio.to_thread(theirs.cli, "attach", theirs.url, "p")
    assert (await asyncio.to_thread(theirs.report, "status", "p"))["changed_by_others"] == []


@pytest.mark.parametrize("mode", ["triggers", "polling"])
async def test_rows_that_others_write_become_changes_where_it_is_asked_for(theirs: Theirs, mode: str) -> None:
    async with serving(theirs, capture_tables={"customers": mode}, polling_seconds=0.1) as app:
        seen: list[Change] = []

        async def sink(changes: list[Change]) -> None:
            seen.extend(changes)

        app.kit.changes.add_sink(sink)
        if mode == "polling":
            assert app._poller is not None
            await app._poller.look()
        for text in (
            "insert into customers(email, name) values ('new@example.com', 'New')",
            "update customers set name = 'Changed' where name = 'New'",
            "delete from customers where name = 'Changed'",
        ):
            await asyncio.to_thread(theirs.sql, text)
            if mode == "polling":
                assert app._poller is not None
                await app._poller.look()
        async with asyncio.timeout(30):
            while not seen or seen[-1].op != "delete":
                await asyncio.sleep(0.02)
        rows = [(c.op, (c.before or {}).get("name"), (c.after or {}).get("name")) for c in seen if c.table.name == "customers"]
        dump = await asyncio.to_thread(theirs.dump)
        triggers = "ON public.customers FOR EACH ROW EXECUTE FUNCTION baaskit.capture()" in dump or "baaskit_capture.customers" in dump
    # SQLite's own trigger of the sample trims the name: one more update, of the same value.
    assert [r for r in rows if r[0] != "update"] == [("insert", None, "New"), ("delete", "Changed", None)]
    assert ("update", "New", "Changed") in rows
    assert triggers == (mode == "triggers")


async def test_turning_capture_off_takes_the_triggers_away(theirs: Theirs) -> None:
    async with serving(theirs, capture="triggers"):
        assert "baaskit_capture" in await asyncio.to_thread(theirs.dump)
    async with serving(theirs):
        assert "ON public.customers FOR EACH ROW EXECUTE FUNCTION baaskit.capture()" not in await asyncio.to_thread(theirs.dump)
        assert "baaskit_capture.customers" not in await asyncio.to_thread(theirs.dump)


async def test_a_polled_table_without_key_or_with_too_many_rows_is_refused_in_the_log(theirs: Theirs) -> None:
    told: list[dict[str, Any]] = []
    _readers.append(lambda name, fields: told.append(fields) if name == "polling.refused" else None)
    try:
        async with serving(theirs, capture="polling", polling_seconds=60, polling_max_rows=1) as app:
            await Poller(app.kit.database, 60, 1).look()
            assert app._poller is not None
            app._poller._refused.clear()
            await app._poller.look()
    finally:
        _readers.pop()
    assert {"customers": True, "loose": True} == {fields["table"]: bool(fields["reason"]) for fields in told}


async def test_two_processes_log_a_polled_change_once(theirs: Theirs) -> None:
    async with serving(theirs, capture_tables={"customers": "polling"}, polling_seconds=60) as app:
        database = app.kit.database
        first, second = app._poller, Poller(database, 60, 100)
        assert first is not None
        await first.look()
        await second.look()
        await asyncio.to_thread(theirs.sql, "update customers set name = 'Anna' where name = 'Ann'")
        for poller in (second, first, second, first):
            await poller.look()
        log = '"baaskit.changes"' if theirs.dialect == "sqlite" else "baaskit.changes"
        assert [(1,)] == await asyncio.to_thread(theirs.sql, f"select count(*) from {log} where table_name = 'customers'")
