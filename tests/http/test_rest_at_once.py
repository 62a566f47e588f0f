"""A write that tells of its rows in its own statement says what a look at the stored rows would say; and where it cannot, it looks."""

from __future__ import annotations

import pytest

from baaskit.kernel.database.writes import AtOnce
from tests.shop import ANN, BOB, EVE, Shop

pytestmark = pytest.mark.anyio

REPRESENTATION = {"Prefer": "return=representation"}
EVERY_TYPE = {
    "name": "a", "price": 1.5, "tags": ["x", None], "data": {"k": [1, "two", None]}, "born": "2020-02-29",
    "made": "2026-01-01T10:00:00+02:00", "mood": "calm", "chip": "c", "sold": False,
}  # fmt: skip
SHOWN = "select=id,owner_id,name,price,tags,data,sold,born,made,mood,chip,size:data->k,text:data->>k,n:price::text"


async def trigger(shop: Shop, table: str, moment: str, body: str) -> None:
    """A trigger that is not ours; `body` is the statement that it runs, with `new`."""
    if shop.dialect == "sqlite":
        await shop.sql(f"create trigger mine {moment} on {table} begin {body}; end")
    else:
        await shop.sql(f"create function mine() returns trigger language plpgsql as $$ begin {body}; return new; end $$")
        await shop.sql(f"create trigger mine {moment} on {table} for each row execute function mine()")
    await shop.kit.database.reload()


@pytest.mark.parametrize("rows", [1, 3])
async def test_the_row_that_an_insert_shows_is_the_one_that_a_read_shows(shop: Shop, rows: int) -> None:
    sent = [{**EVERY_TYPE, "chip": f"c{n}"} for n in range(rows)]
    shown = await shop("POST", f"pets?{SHOWN}", sent, who="ann", headers=REPRESENTATION)
    assert 201 == shown.status, shown.json
    read = await shop("GET", f"pets?{SHOWN}&order=id&id=gt.4", who="ann")
    assert shown.body == read.body
    assert rows == len(shown.json)


async def test_the_row_that_an_update_shows_is_the_one_that_a_read_shows(shop: Shop) -> None:
    made = (await shop("POST", "orders?select=id", {"pet_id": 1}, who="ann", headers=REPRESENTATION)).json[0]["id"]
    shown = await shop("PATCH", f"orders?id=eq.{made}&select=status,id,pet:pet_id", {"status": "paid"}, who="ann", headers=REPRESENTATION)
    read = await shop("GET", "orders?select=status,id,pet:pet_id", who="ann")
    assert (200, read.body) == (shown.status, shown.body)


async def test_one_refused_row_of_many_leaves_nothing(shop: Shop) -> None:
    sent = [{"name": "mine"}, {"name": "theirs", "owner_id": BOB}]
    refused = await shop("POST", "pets?columns=name,owner_id", [{"owner_id": ANN, **row} for row in sent], who="ann")
    assert (403, "42501") == (refused.status, refused.code)
    moved = await shop("PATCH", "orders?id=gt.0", {"buyer_id": BOB}, who="ann")
    assert 204 == moved.status  # no order yet
    await shop("POST", "orders", {"pet_id": 1}, who="ann")
    moved = await shop("PATCH", "orders?id=gt.0", {"buyer_id": BOB}, who="ann")
    assert (403, "42501") == (moved.status, moved.code)
    assert [ANN] == [row["buyer_id"] for row in await shop.rows("orders")]
    assert 4 == len(await shop.rows("pets"))


async def test_records_with_different_columns_come_back_in_their_order(shop: Shop) -> None:
    headers = {"Prefer": "return=representation, missing=default"}
    sent = [{"name": "a"}, {"name": "b", "chip": "x"}, {"name": "c"}]
    shown = await shop("POST", "pets?columns=name,chip&select=name,chip", sent, who="ann", headers=headers)
    assert [{"name": "a", "chip": None}, {"name": "b", "chip": "x"}, {"name": "c", "chip": None}] == shown.json


async def test_what_a_trigger_makes_of_a_row_is_shown_and_judged(shop: Shop) -> None:
    body = "update orders set status = 'seen' where id = new.id"
    await trigger(shop, "orders", "after insert", body)
    shown = await shop("POST", "orders?select=status", {"pet_id": 1}, who="ann", headers=REPRESENTATION)
    assert (201, [{"status": "seen"}]) == (shown.status, shown.json)


async def test_a_trigger_that_gives_the_row_away_is_judged_by_what_is_stored(shop: Shop) -> None:
    await trigger(shop, "orders", "after insert", f"update orders set buyer_id = '{EVE}' where id = new.id")
    refused = await shop("POST", "orders", {"pet_id": 1}, who="ann")
    assert (403, "42501") == (refused.status, refused.code)
    assert [] == await shop.rows("orders")


async def test_only_plain_writes_are_told_at_once(shop: Shop) -> None:
    plans = shop.rest._plans
    from baaskit.kernel.query import parse
    from baaskit.kernel.schema import TableName

    def told(table: str, text: list[tuple[str, str]] = [], **more: object) -> bool:  # noqa: B006
        compiled = plans.insert(
            TableName("public", table), parse(text), "authenticated", ("name",) if table == "pets" else ("pet_id",), **more
        )  # type: ignore[arg-type]
        assert compiled.plan.insert is not None
        return AtOnce.of(compiled.plan, compiled.plan.insert.check) is not None

    assert told("pets", returning=True)
    assert not told("pets", [("select", "name,people(name)")], returning=True)
    assert not told("orders", [("on_conflict", "pet_id,buyer_id")], resolution="merge-duplicates")
    update = plans.update(TableName("public", "pets"), parse([("id", "eq.1")]), "authenticated", ("name",))
    assert update.plan.update is not None
    assert AtOnce.of(update.plan, update.plan.update.check) is None, "the policy reads the row as it was"
