"""Live queries through the whole service: snapshot, deltas, resume."""

from __future__ import annotations

import pytest

from .rig import ANN, BOB, Rig

pytestmark = pytest.mark.anyio

PUBLIC = "pets?select=id,name,price&status=eq.available&order=price"


async def test_rows_first_and_then_each_change_once(rig: Rig) -> None:
    await rig.write("insert into pets(id, name, price) values (1, 'Rex', 10), (2, 'Tom', 20)")
    client = await rig.client()
    reply = await client.join("live", live=[{"query": PUBLIC, "since": None}])
    assert reply["status"] == "ok" and isinstance(reply["response"]["live"][0]["id"], int)
    snapshot = await client.until("live_snapshot")
    assert snapshot["rows"] == [{"id": 1, "name": "Rex", "price": 10}, {"id": 2, "name": "Tom", "price": 20}]
    assert snapshot["key"] == ["id"] and snapshot["id"] == reply["response"]["live"][0]["id"]
    await rig.write(
        "insert into pets(id, name, price) values (3, 'Kit', 5)", "update pets set price = 11 where id = 1", "delete from pets where id = 2"
    )
    delta = await client.until("live_delta")
    assert delta["enter"] == [{"id": 3, "name": "Kit", "price": 5}]
    assert delta["change"] == [{"id": 1, "name": "Rex", "price": 11}]
    assert delta["leave"] == [{"id": 2}]
    await rig.settled()
    assert await client.heard() == []


async def test_a_row_that_may_no_longer_be_seen_leaves_by_key_only(rig: Rig) -> None:
    await rig.write(f"insert into pets(id, name, owner_id) values (1, 'Rex', '{ANN}')")
    anyone, owner = await rig.client(), await rig.client()
    await anyone.join("a", live=[{"query": "pets?select=id,name"}])
    await owner.join("b", rig.token(ANN), live=[{"query": "pets?select=id,name"}])
    await rig.write("update pets set public = false, name = 'hidden name' where id = 1")
    delta = await anyone.until("live_delta")
    assert delta["leave"] == [{"id": 1}] and not delta["enter"] and not delta["change"]
    assert (await owner.until("live_delta"))["change"] == [{"id": 1, "name": "hidden name"}]


async def test_a_resumed_query_gets_what_it_missed(rig: Rig) -> None:
    await rig.write("insert into pets(id, name) values (1, 'Rex'), (2, 'Tom')")
    client = await rig.client()
    await client.join("a", live=[{"query": "pets?select=id,name"}])
    cursor = (await client.until("live_snapshot"))["cursor"]
    await client.close()
    await rig.write(
        "update pets set name = 'Max' where id = 1", "delete from pets where id = 2", "insert into pets(id, name) values (3, 'Kit')"
    )
    again = await rig.client()
    await again.join("b", live=[{"query": "pets?select=id,name", "since": cursor}])
    delta = await again.until("live_delta")
    assert delta["change"] == [{"id": 1, "name": "Max"}] and delta["leave"] == [{"id": 2}] and delta["enter"] == [{"id": 3, "name": "Kit"}]
    assert await again.heard() == []


async def test_a_cursor_of_somebody_else_is_answered_with_a_snapshot_of_ones_own(rig: Rig) -> None:
    await rig.write(f"insert into pets(id, name, owner_id, public) values (1, 'Rex', '{ANN}', false), (2, 'Tom', '{BOB}', false)")
    client = await rig.client()
    await client.join("a", rig.token(ANN), live=[{"query": "pets?select=id"}])
    cursor = (await client.until("live_snapshot"))["cursor"]
    other = await rig.client()
    await other.join("b", rig.token(BOB), live=[{"query": "pets?select=id", "since": cursor}])
    assert (await other.until("live_snapshot"))["rows"] == [{"id": 2}]


async def test_order_and_limit_are_kept(rig: Rig) -> None:
    await rig.write("insert into pets(id, name, price) values (1, 'Rex', 10), (2, 'Tom', 20), (3, 'Kit', 30)")
    client = await rig.client()
    await client.join("a", live=[{"query": "pets?select=id,price&order=price&limit=2"}])
    assert [row["id"] for row in (await client.until("live_snapshot"))["rows"]] == [1, 2]
    await rig.write("insert into pets(id, name, price) values (4, 'Max', 5)")
    delta = await client.until("live_delta")
    assert delta["enter"] == [{"id": 4, "price": 5}] and delta["leave"] == [{"id": 2}] and delta["order"] == [{"id": 4}, {"id": 1}]


async def test_a_change_of_membership_changes_what_is_seen(rig: Rig) -> None:
    await rig.write("insert into notes values (1, 7, 'hello')")
    client = await rig.client()
    await client.join("a", rig.token(ANN), live=[{"query": "notes?select=id,body"}])
    assert (await client.until("live_snapshot"))["rows"] == []
    await rig.write(f"insert into members values (7, '{ANN}')")
    assert (await client.until("live_delta"))["enter"] == [{"id": 1, "body": "hello"}]
    await rig.write("delete from members")
    assert (await client.until("live_delta"))["leave"] == [{"id": 1}]
