"""A read that takes too long is cancelled, on both databases; aggregates have less time, and can be switched off."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.shop import Shop, open_shop

pytestmark = pytest.mark.anyio

SCHEMA = """
create table numbers (id integer primary key);
create view endless as select a.id from numbers a, numbers b, numbers c, numbers d, numbers e;
"""
POLICIES = """
create policy "all" on numbers for select to anon using (true);
create policy "all of them" on endless for select to anon using (true);
"""


@pytest.fixture
async def shop(database_url: str, tmp_path: Path) -> AsyncIterator[Shop]:
    """`endless` has 10^15 rows."""
    async with open_shop(database_url, tmp_path, schema=SCHEMA, policies=POLICIES, rows=False, aggregate_timeout_seconds=0.1) as opened:
        await opened("POST", "numbers", [{"id": n} for n in range(1000)], who="service")
        yield opened


@pytest.mark.parametrize("path", ["endless?select=id.sum()", "endless?select=count()&id=gt.5"])
async def test_an_aggregate_that_takes_too_long_is_cancelled(shop: Shop, path: str) -> None:
    for _ in range(2):  # the second time SQLite knows that it is slow
        reply = await shop("GET", path)
        assert (503, "57014") == (reply.status, reply.code)
        assert "aggregate_timeout_seconds" in reply.json["hint"]
    assert [{"count": 1000}] == (await shop("GET", "numbers?select=count()")).json
    assert [{"id": 3}] == (await shop("GET", "endless?select=id&id=eq.3&limit=1")).json


async def test_attack_an_endless_read_in_a_batch_does_not_hold_up_writers(shop: Shop) -> None:
    operations = [{"method": "GET", "path": "endless?select=id.sum()"}]
    reply = await shop("POST", "batch", {"operations": operations})
    assert (503, "57014", True) == (reply.status, reply.code, "operation 0" in reply.json["hint"])
    assert 201 == (await shop("POST", "numbers", {"id": 5000}, who="service")).status


async def test_every_read_has_an_end(database_url: str, tmp_path: Path) -> None:
    from baaskit.errors.rest import StatementTimeout
    from baaskit.kernel.database import Database, Sql

    database = Database(database_url, statement_seconds=0.1)
    await database.start()
    endless = "with recursive n(i) as (select 1 union all select i + 1 from n) select count(*) from n"
    try:
        with pytest.raises(StatementTimeout):
            await database.fetch_raw(endless)

        def script():  # type: ignore[no-untyped-def]
            yield Sql("select 1")
            yield Sql(endless)

        with pytest.raises(StatementTimeout):
            await database.read(script)
        assert [(1,)] == [tuple(row) for row in await database.fetch_raw("select 1")]
    finally:
        await database.stop()


async def test_aggregates_can_be_switched_off(database_url: str, tmp_path: Path) -> None:
    async with open_shop(database_url, tmp_path, aggregates=False) as shop:
        for path in ("pets?select=count()", "pets?select=price.avg()", "people?select=name,pets(count)"):
            assert (400, "PGRST123") == ((r := await shop("GET", path)).status, r.code), path
        assert 200 == (await shop("GET", "pets?select=id")).status
