"""`before` changes or refuses a write; `after` hears of every committed change, in order, until it has worked."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
import pytest
from sqlalchemy import select

from baaskit.errors.functions import FunctionCrashed, FunctionNotReady, FunctionRefused, FunctionTimedOut
from baaskit.functions import triggers
from baaskit.kernel.claims import ANONYMOUS, Claims
from baaskit.kernel.hooks import Write
from baaskit.kernel.schema import TableName

pytestmark = pytest.mark.anyio

ORDERS = TableName("public", "orders")
USER = Claims("authenticated", "00000000-0000-0000-0000-00000000000a")
BEFORE = """
    import time
    from baaskit.functions import before, Refused

    @before("insert", "orders")
    async def price_it(ctx, row):
        if row["item"] == "gun":
            raise Refused(422, "NOT_HERE", "We do not sell this.")
        if row["item"] == "crash":
            raise RuntimeError("inside")
        row["price"] = 100
        row["buyer"] = ctx.caller.uid

    @before("update", "orders")
    def replace_it(ctx, row): return {"item": row["item"].upper()}

    @before("delete", "orders")
    def keep(ctx, row):
        if ctx.caller.role == "anon": raise Refused(403, "KEPT", "Orders are kept.")

    @before("insert", "slow_ones", timeout=0.3)
    def slow(ctx, row): time.sleep(10)

    @before("insert", "odd_ones")
    def odd(ctx, row): return "a string"
"""


def _write(command: Any, *rows: dict[str, Any], table: str = "orders", claims: Claims = USER) -> Write:
    return Write(TableName("public", table), command, list(rows), claims)


async def test_before_may_change_each_row(make_rig: Any) -> None:
    rig = await make_rig(hooks=BEFORE)
    run = rig.kit.hooks.before_write.run
    inserted = await run(_write("insert", {"item": "cat"}, {"item": "dog"}))
    updated = await run(_write("update", {"item": "cat"}))
    assert inserted.rows == [{"item": i, "price": 100, "buyer": USER.uid} for i in ("cat", "dog")]
    assert updated.rows == [{"item": "CAT"}]


async def test_before_may_refuse(make_rig: Any) -> None:
    rig = await make_rig(hooks=BEFORE)
    run = rig.kit.hooks.before_write.run
    with pytest.raises(FunctionRefused) as caught:
        await run(_write("insert", {"item": "cat"}, {"item": "gun"}))
    assert (caught.value.status, caught.value.code, caught.value.message) == (422, "NOT_HERE", "We do not sell this.")
    with pytest.raises(FunctionRefused, match="Orders are kept"):
        await run(_write("delete", claims=ANONYMOUS))
    assert (await run(_write("delete"))).rows == []


async def test_a_before_function_that_fails_refuses_the_write(make_rig: Any) -> None:
    rig = await make_rig(hooks=BEFORE)
    run = rig.kit.hooks.before_write.run
    with pytest.raises(FunctionCrashed) as caught:
        await run(_write("insert", {"item": "crash"}))
    assert "inside" not in caught.value.message
    with pytest.raises(FunctionCrashed):
        await run(_write("insert", {}, table="odd_ones"))
    with pytest.raises(FunctionTimedOut):
        await run(_write("insert", {}, table="slow_ones"))


async def test_other_tables_pay_nothing(make_rig: Any) -> None:
    rig = await make_rig(hooks=BEFORE)
    write = _write("insert", {"item": "cat"}, table="pets")
    assert await rig.kit.hooks.before_write.run(write) is write
    assert rig.service.invocations.recent() == []


async def test_while_no_release_could_be_loaded_writes_are_refused(make_rig: Any) -> None:
    rig = await make_rig(start=False, hooks="import nothing_like_this")
    await rig.service.start(tolerate_faults=True)
    with pytest.raises(FunctionNotReady):
        await rig.kit.hooks.before_write.run(_write("insert", {"item": "gun"}))
    rig.write(hooks=BEFORE)
    await rig.service.reload()
    with pytest.raises(FunctionRefused):
        await rig.kit.hooks.before_write.run(_write("insert", {"item": "gun"}))


AFTER = """
    import asyncio, os
    from baaskit.functions import after, http
    from baaskit_client import table

    @after("insert", "orders", attempts=3)
    async def notify(ctx, event):
        if event.new["item"] == "poison":
            raise RuntimeError("cannot")
        if event.new["item"] == "flaky" and event.attempt < 3:
            os._exit(1)
        await asyncio.sleep(0.01)
        await ctx.client.run(table("heard").insert({"id": event.id, "item": event.new["item"], "attempt": event.attempt, "old": event.old}))

    @after("update", "orders")
    def updated(ctx, event):
        prices = {"price": event.new["price"], "was": event.old["price"]}
        ctx.client.run(table("changed").insert({"id": event.id, "key": ctx.idempotency_key, **prices}))
"""


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(triggers, "_FIRST_RETRY_SECONDS", 0.01)


async def test_after_hears_each_committed_change_once_and_not_what_was_rolled_back(make_rig: Any, database_url: str, quick: None) -> None:
    rig = await make_rig(url=database_url, hooks=AFTER)
    await rig.sql("insert into orders (item, price) values ('cat', 1), ('dog', 2)")
    with pytest.raises(Exception, match="duplicate key"):
        await rig.sql("insert into orders (id, item) values (100, 'never'), (100, 'never')")
    heard = await _heard(rig, 2)
    assert sorted(h["item"] for h in heard) == ["cat", "dog"]
    assert len({h["id"] for h in heard}) == 2
    assert [h["old"] for h in heard] == [None, None]


async def test_changes_of_one_row_are_heard_in_their_order(make_rig: Any, database_url: str, quick: None) -> None:
    rig = await make_rig(url=database_url, hooks=AFTER)
    await rig.sql("insert into orders (id, item, price) values (1, 'cat', 0), (2, 'dog', 0)")
    for price in range(1, 8):
        await rig.sql(f"update orders set price = {price}")
    heard = await _heard(rig, 14, table="changed")
    steps = [(h["was"], h["price"]) for h in heard]
    assert sorted(steps) == sorted([(n, n + 1) for n in range(7)] * 2)
    assert all(h["key"] == h["id"] for h in heard)


async def test_a_failed_event_is_tried_again_and_then_parked(make_rig: Any, database_url: str, quick: None) -> None:
    rig = await make_rig(url=database_url, hooks=AFTER)
    await rig.sql("insert into orders (item) values ('poison'), ('flaky'), ('cat')")
    heard = await _heard(rig, 2)
    assert sorted((h["item"], h["attempt"]) for h in heard) == [("cat", 1), ("flaky", 3)]
    letters = select(rig.kit.database.tables.dead_letters)
    await _until(lambda: rig.kit.database.query(letters))
    [letter] = await rig.kit.database.query(letters)
    assert (letter["function"], letter["event"]["new"]["item"], letter["attempts"]) == ("hooks.notify", "poison", 3)
    assert len([i for i in rig.service.invocations.recent("hooks.notify") if i.outcome in ("error", "died")]) == 5


async def test_what_happened_while_the_server_was_down_is_heard_later(make_rig: Any, database_url: str, quick: None) -> None:
    rig = await make_rig(url=database_url, hooks=AFTER)
    await rig.service.stop()
    await rig.sql("insert into orders (item) values ('while away')")
    assert rig.asked == []
    await rig.service.start()
    assert [h["item"] for h in await _heard(rig, 1)] == ["while away"]


async def test_history_before_the_function_existed_is_not_replayed(make_rig: Any, database_url: str, quick: None) -> None:
    rig = await make_rig(url=database_url, start=False, hooks=AFTER)
    await rig.kit.database.capture(TableName("public", "orders"))
    await rig.sql("insert into orders (item) values ('old')")
    await rig.service.start()
    await rig.sql("insert into orders (item) values ('new')")
    assert [h["item"] for h in await _heard(rig, 1)] == ["new"]


async def test_a_table_that_comes_later_is_followed_from_then_on(make_rig: Any, database_url: str, quick: None) -> None:
    rig = await make_rig(url=database_url, hooks=AFTER.replace('"orders"', '"later"'))
    await rig.sql("create table later (id integer primary key, item text, price int)")
    await rig.kit.database.reload()
    await _until(lambda: _is_captured(rig, "later"))
    await rig.sql("insert into later (id, item) values (1, 'cat')")
    assert [h["item"] for h in await _heard(rig, 1)] == ["cat"]


async def _is_captured(rig: Any, table: str) -> bool:
    return TableName("public", table) in rig.kit.database.catalog.schema.captured and all(
        c._cursor is not None for c in rig.service._after._consumers.values()
    )


async def _heard(rig: Any, count: int, table: str = "heard") -> list[dict[str, Any]]:
    """The events that arrived, once there are `count`; none more follows while the feed settles."""

    async def enough() -> bool:
        return len([a for a in rig.asked if a["table"] == table]) >= count

    await _until(enough)
    await rig.kit.changes.settle()
    heard = [orjson.loads(a["body"]) for a in rig.asked if a["table"] == table]
    assert len(heard) == count
    return [row[0] if isinstance(row, list) else row for row in heard]


async def _until(true: Any, seconds: float = 15) -> None:
    async with asyncio.timeout(seconds):
        while not await true():
            await asyncio.sleep(0.02)
