"""`baaskit attach` and `detach` on a database that others made: nothing is open, nothing of theirs is altered, no trace stays."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from baaskit.errors import BaasError
from baaskit.errors.attached import CannotAttach, NotOurs
from baaskit.kernel.changes import ChangeFeed
from baaskit.kernel.database import Database
from baaskit.kernel.database.migrate import apply_file
from baaskit.kernel.hooks import Hooks
from baaskit.kernel.keys import load_keys
from baaskit.kernel.kit import Kit
from baaskit.project import load_project
from baaskit.rest import Rest
from baaskit.serving import bring_up_to_date
from baaskit.settings import load_settings
from tests.shop import Script, Shop

from .conftest import Theirs

pytestmark = pytest.mark.anyio


def attach(theirs: Theirs, *more: str) -> Any:
    return theirs.report("attach", theirs.url if theirs.dialect == "postgresql" else theirs.url.removeprefix("sqlite:///"), "p", *more)


async def opened(folder: Path, policies: str = "") -> Shop:
    """The data API of an attached project; `ann` is the user 1, `bob` the user 2."""
    settings = load_settings(folder)
    database = Database.of(settings)
    await database.start()
    if policies:
        await database.save_policies(policies, "test")
    keys = load_keys(folder / "keys.json")
    kit = Kit(settings, database, ChangeFeed(database), Hooks(), keys)
    later = int(time.time()) + 3600
    people = {
        name: keys.sign({"sub": uid, "role": "authenticated", "exp": later})
        for name, uid in (("ann", "1"), ("bob", "2"), ("eve", "x' or 1=1"))
    }
    return Shop(kit, Rest(kit), {"anon": None, "service": keys.service_role_key, **people})


def test_attach_and_detach_leave_no_trace(theirs: Theirs) -> None:
    """Nor does attaching twice, running the server's start, or a capture trigger that was asked for."""
    before = theirs.dump()

    first = attach(theirs, "--users", "customers")
    again = attach(theirs)
    settings = theirs.folder / "p/baaskit.toml"
    settings.write_text(settings.read_text().replace('capture = "off"', 'capture = "triggers"'))
    (theirs.folder / "p/policies.sql").write_text("create policy a on customers for select to authenticated using (id = auth.uid());")
    theirs.cli("migrate", "p")
    during = theirs.dump()
    removed = theirs.report("detach", "p")["removed"]

    assert first["installs"] and not again["installs"] and first["attached"]
    assert before != during and "baaskit" in during
    assert removed and before == theirs.dump()
    assert theirs.report("detach", "p")["removed"] == []


def test_a_dry_run_changes_nothing_and_makes_no_folder(theirs: Theirs) -> None:
    before = theirs.dump()

    found = attach(theirs, "--dry-run")

    assert before == theirs.dump() and not (theirs.folder / "p").exists()
    kinds = {"postgresql": {"materialized view": 1, "partitioned table": 1, "table": 7, "view": 2}, "sqlite": {"table": 7, "view": 1}}
    assert kinds[theirs.dialect] == found["found"]
    assert {"customers", "loose", "dotted.name"} < {one["name"] for one in found["tables"]}
    if theirs.dialect == "postgresql":
        assert found["not_exposable"] == ["auth.users"]


async def test_everything_is_closed_until_a_policy_says_otherwise(theirs: Theirs) -> None:
    """Tables, views that read with other rights, materialized views, partitions: for anonymous and signed-in callers, reading and writing."""
    await asyncio.to_thread(attach, theirs, "--users", "customers")
    shop = await opened(theirs.folder / "p")
    try:
        for table in shop.kit.database.catalog.schema.exposed(shop.kit.settings.exposed_schemas):
            profile = {"accept-profile": table.name.schema, "content-profile": table.name.schema}
            everything = await shop("GET", table.name.name, who="service", headers=profile)
            assert everything.status == 200 and (everything.json or table.name.name == "flags"), (table.name, everything.json)
            for who in ("anon", "ann", "eve"):
                read = await shop("GET", table.name.name, who=who, headers={**profile, "prefer": "count=exact"})
                assert (read.status, read.json, read.range) == (200, [], "*/0"), (table.name, who)
                column = table.columns[0].name
                write = await shop("POST", table.name.name, {column: 99}, who=who, headers=profile)
                assert write.status in (401, 403) or (table.view and write.code == "55000"), (table.name, who, write.status, write.json)
    finally:
        await shop.kit.database.stop()


async def test_legacy_names_kinds_and_keys_work_under_policies(theirs: Theirs) -> None:
    await asyncio.to_thread(attach, theirs, "--users", "customers")
    pg = theirs.dialect == "postgresql"
    sales = {"accept-profile": "sales", "content-profile": "sales"} if pg else {}
    old = {"accept-profile": "Old Stuff"} if pg else {}
    prefix, detail = ("sales.", '"Old Stuff".') if pg else ("", "")
    shop = await opened(
        theirs.folder / "p",
        f"""
        create policy own on customers for select to authenticated using (id = auth.uid());
        create policy own on {prefix}orders for all to authenticated using (customer_id = auth.uid());
        create policy own on {prefix}lines for select to authenticated
          using (exists (select 1 from {prefix}orders o where o.id = lines.order_id and o.customer_id = auth.uid()));
        create policy own on {detail}"Order Details" for select to authenticated using ("Select" = auth.uid() and "a.b" = 'ab' and "quo""te" = 'q');
        create policy own on "dotted.name" for select to anon using ("user" = 'dot');
        """,
    )
    try:
        orders = await shop("GET", "orders?select=id,net&order=id", who="ann", headers=sales)
        assert [(row["id"], float(row["net"])) for row in orders.json] == [(1, 8), (2, 16)]
        embedded = await shop("GET", "lines?select=line,orders(id)&order=line", who="ann", headers=sales)
        assert [{"line": 1, "orders": {"id": 1}}, {"line": 2, "orders": {"id": 1}}] == embedded.json
        assert (await shop("GET", "lines", who="bob", headers=sales)).json == []
        details = await shop("GET", 'Order Details?"Select"=eq.1', who="ann", headers=old)
        assert details.json == [{"Select": 1, "from": "x", "a.b": "ab", 'quo"te': "q", "Ünï": "ü"}]
        assert (await shop("GET", "Order Details", who="bob", headers=old)).json == []
        assert (await shop("GET", "dotted.name")).json == [{"id": 1, "user": "dot"}]
        made = await shop(
            "POST",
            "orders",
            {"customer_id": 2, "state": "placed", "total": 5},
            who="bob",
            headers={**sales, "prefer": "return=representation"},
        )
        assert made.status == 201 and made.json[0]["state"] == "placed", made.json
        assert (await shop("POST", "orders", {"customer_id": 1, "state": "cart", "total": 5}, who="bob", headers=sales)).status == 403
        assert (await shop("PATCH", "orders?state=eq.placed", {"total": 6}, who="bob", headers=sales)).status == 204
        assert (await shop("GET", "orders", who="eve", headers=sales)).json == []
    finally:
        await shop.kit.database.stop()


async def test_a9_our_tables_and_the_system_s_cannot_be_reached_by_name(theirs: Theirs) -> None:
    await asyncio.to_thread(attach, theirs)
    shop = await opened(theirs.folder / "p")
    try:
        for name in ("auth.users", "users", "baaskit.users", "baaskit.policies", "state", "alembic_version", "baaskit.alembic_version",
                     "pg_class", "pg_catalog.pg_class", "sqlite_master", "sqlite_sequence", "information_schema.tables"):  # fmt: skip
            for who in ("anon", "ann", "service"):
                reply = await shop("GET", name, who=who)
                assert (reply.status, reply.code) == (404, "PGRST205"), (name, who, reply.json)
        for schema in ("auth", "baaskit", "pg_catalog", "information_schema", "storage", "BAASKIT"):
            reply = await shop("GET", "users", who="ann", headers={"accept-profile": schema})
            assert reply.status == 406 or (theirs.dialect == "sqlite" and reply.status in (404, 406)), (schema, reply.json)
    finally:
        await shop.kit.database.stop()


async def test_no_statement_of_a_migration_runs_on_their_tables(theirs: Theirs) -> None:
    await asyncio.to_thread(attach, theirs)
    folder = theirs.folder / "p"
    (folder / "migrations").mkdir()
    (folder / "migrations/0001_x.sql").write_text("drop table loose;")
    (folder / "seed.sql").write_text("delete from customers;")
    database = Database.of(load_settings(folder))
    await database.start()
    told: list[str] = []
    try:
        await bring_up_to_date(load_project(folder), database, told.append)
        with pytest.raises(NotOurs):
            await apply_file(Script("drop table loose;"), database)
    finally:
        await database.stop()

    assert "not applied" in told[0] and "0001_x.sql" in told[0]
    assert [(1,)] == await asyncio.to_thread(theirs.sql, "select count(*) from loose")
    assert [(2,)] == await asyncio.to_thread(theirs.sql, "select count(*) from customers")


@pytest.mark.parametrize(
    "words", [("new", "x", "-C", "p"), ("up", "p"), ("up", "p", "--dry-run"), ("down", "p", "--yes"), ("diff", "-C", "p")]
)
def test_commands_that_would_change_their_tables_are_refused_in_words(theirs: Theirs, words: tuple[str, ...]) -> None:
    attach(theirs)
    before = theirs.dump()

    said = theirs.cli("db", *words, code=1)

    assert "belongs to others" in said and "Traceback" not in said
    assert before == theirs.dump() and not (theirs.folder / "p/migrations").exists()


async def test_the_service_role_acts_as_a_user_whose_id_is_no_uuid(theirs: Theirs) -> None:
    await asyncio.to_thread(attach, theirs, "--users", "customers")
    shop = await opened(theirs.folder / "p", "create policy own on customers for select to authenticated using (id = auth.uid());")
    try:
        for who, status, seen in (("1", 200, [1]), ("2", 200, [2]), ("anon", 200, []), ("9", 200, [])):
            reply = await shop("GET", "customers?select=id", who="service", headers={"X-Baaskit-As": who})
            assert (reply.status, [row["id"] for row in reply.json]) == (status, seen)
        for who in ("07", "1e3", "ann@example.com", "9223372036854775808", "ea2a3a5c-0a53-4a53-8a3b-6d7d3a2c8f11", ""):
            reply = await shop("GET", "customers?select=id", who="service", headers={"X-Baaskit-As": who})
            assert (reply.status, reply.code) == (400, "BK414"), who
    finally:
        await shop.kit.database.stop()


async def test_after_detach_a_server_does_not_start_and_install_again(theirs: Theirs) -> None:
    await asyncio.to_thread(attach, theirs)
    await asyncio.to_thread(theirs.cli, "detach", "p")
    with pytest.raises(CannotAttach, match="not attached"):
        await Database.of(load_settings(theirs.folder / "p")).start()


@pytest.mark.parametrize(
    ("sqlite", "postgresql", "words"),
    [
        ('create table mine (id integer references "auth.users"(id))', "create table mine (id uuid references baaskit.users(id))", "mine"),
        ('create view mine as select * from "baaskit.changes"', "create view mine as select * from baaskit.changes", "mine"),
    ],
    ids=["a key", "a view"],
)
def test_detach_breaks_nothing_that_leans_on_ours(theirs: Theirs, sqlite: str, postgresql: str, words: str) -> None:
    attach(theirs)
    theirs.sql(sqlite if theirs.dialect == "sqlite" else postgresql)
    before = theirs.dump()

    said = theirs.cli("detach", "p", code=1)

    assert words in said and "nothing was removed" in said
    assert before == theirs.dump()


def test_a_table_of_theirs_with_a_name_of_ours_is_never_taken_over(theirs: Theirs) -> None:
    if theirs.dialect == "sqlite":
        theirs.sql('create table "baaskit.state" (x)')
    else:
        theirs.sql("create schema baaskit; create table baaskit.state (x int)")
    before = theirs.dump()

    said = theirs.cli("attach", theirs.url, "p", code=1)

    assert "state" in said and before == theirs.dump()


def test_a_project_s_own_database_is_not_attached(tmp_path: Path, database_url: str) -> None:
    theirs = Theirs(database_url, tmp_path)
    theirs.cli("init", "own")
    (tmp_path / "own/baaskit.toml").write_text(f'database_url = "{database_url}"')
    theirs.cli("migrate", "own")

    assert "project's own" in theirs.cli("attach", database_url, "p", code=1)
    assert "not attached" in theirs.cli("detach", "own", code=1)


def test_a_role_without_rights_is_told_what_to_ask_for_and_then_works(limited: Theirs, tmp_path: Path) -> None:
    said = limited.cli("attach", limited.url, "p", code=1)
    assert "may not create a schema" in said and "CREATE SCHEMA baaskit AUTHORIZATION" in said
    assert not (tmp_path / "p").exists()

    role = limited.url.split("//")[1].split(":")[0]
    owner = Theirs(limited.url.replace(role, "postgres", 1), tmp_path)
    owner.sql(f"create schema baaskit authorization {role}")
    before = owner.dump()
    found = limited.report("attach", limited.url, "p")
    lacks = {one["name"]: one["lacks"] for one in found["tables"]}
    assert lacks["customers"] == ["update", "delete"] and lacks["loose"] == ["select", "insert", "update", "delete"]
    limited.cli("detach", "p")
    assert before == owner.dump()


@pytest.mark.parametrize(
    ("url", "words"),
    [("nothing.db", "no file"), ("mysql://x/y", "no database that can be attached"), ("postgresql://127.0.0.1:1/x", "cannot be reached"), (__file__, "not an SQLite database")],
    ids=["no file", "mysql", "no server", "text file"],
)  # fmt: skip
def test_what_is_no_database_is_refused_in_words(tmp_path: Path, url: str, words: str) -> None:
    said = Theirs("sqlite:///", tmp_path).cli("attach", url, "p", code=1)

    assert words in said and "Traceback" not in said and not (tmp_path / "p").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--users", "customer"), "no table customer"),
        (("--users", "customers", "--users-id", "idd"), "Perhaps you meant id"),
        (("--users", "loose", "--users-id", "a"), "not a key"),
    ],
    ids=["no table", "no column", "no key"],
)
def test_a_users_table_that_does_not_fit_is_refused(theirs: Theirs, options: tuple[str, ...], words: str) -> None:
    assert words in theirs.cli("attach", theirs.url, "p", *options, code=1)
    assert not (theirs.folder / "p").exists()


async def test_a_live_query_of_a_table_without_capture_says_so(theirs: Theirs) -> None:
    from baaskit.kernel.schema import TableName
    from baaskit.realtime.livequery import prepare

    await asyncio.to_thread(attach, theirs, "--users", "customers")
    shop = await opened(theirs.folder / "p", "create policy a on customers for select to anon using (true);")
    database = shop.kit.database
    try:
        from baaskit.kernel.claims import ANONYMOUS

        with pytest.raises(BaasError, match="not captured") as refused:
            prepare("customers?select=id", database.catalog, ANONYMOUS, database.dialect, ("public",), None)
        with pytest.raises(BaasError) as off:
            await database.capture(TableName("public", "customers"))
        assert (refused.value.code, off.value.code) == ("BK420", "BK431")
    finally:
        await database.stop()
