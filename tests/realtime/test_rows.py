"""`postgres_changes` under policy, through the whole service."""

from __future__ import annotations

from typing import Any

import pytest

from baaskit.errors import BaasError

from .rig import ANN, BOB, Client, Rig

pytestmark = pytest.mark.anyio


async def listening(rig: Rig, topic: str = "room", token: str | None = None, *, vsn: str = "2.0.0", **binding: Any) -> Client:
    client = await rig.client(vsn)
    binding = {"event": "*", "schema": "public", "table": "pets", **binding}
    reply = await client.join(topic, token, postgres_changes=[binding])
    assert reply["response"]["postgres_changes"] == [{**binding, "id": reply["response"]["postgres_changes"][0]["id"]}]
    assert (await client.until("system"))["message"] == "Subscribed to PostgreSQL"
    return client


async def told(client: Client, rig: Rig) -> list[dict[str, Any]]:
    """The data of everything told until now."""
    await rig.settled()
    return [frame[4]["data"] for frame in await client.heard() if frame[3] == "postgres_changes"]


@pytest.mark.parametrize("vsn", ["1.0.0", "2.0.0"])
async def test_insert_update_and_delete_are_told(rig: Rig, vsn: str) -> None:
    client = await listening(rig, vsn=vsn)
    await rig.write("insert into pets(id, name, price) values (1, 'Rex', 10.5)")
    payload = await client.until("postgres_changes")
    data = payload["data"]
    assert data["type"] == "INSERT" and data["schema"] == "public" and data["table"] == "pets" and data["errors"] is None
    assert data["record"]["id"] == 1 and data["record"]["price"] == 10.5 and "old_record" not in data
    assert {"name": "price", "type": "numeric"} in data["columns"] and data["commit_timestamp"].endswith("Z")
    await rig.write("update pets set name = 'Max' where id = 1")
    data = (await client.until("postgres_changes"))["data"]
    assert (data["type"], data["record"]["name"], data["old_record"]) == ("UPDATE", "Max", {"id": 1})
    await rig.write("delete from pets where id = 1")
    data = (await client.until("postgres_changes"))["data"]
    assert (data["type"], data["old_record"]) == ("DELETE", {"id": 1}) and "record" not in data


async def test_only_those_who_may_see_a_row_are_told(rig: Rig) -> None:
    ann, bob, anyone = [await listening(rig, f"t{n}", token) for n, token in enumerate((rig.token(ANN), rig.token(BOB), None))]
    service = await rig.client(key=rig.kit.keys.service_role_key)
    await service.join("all", postgres_changes=[{"event": "*", "schema": "public", "table": "pets"}])
    await rig.write(f"insert into pets(id, name, owner_id, public) values (1, 'Rex', '{ANN}', false)")
    assert [d["type"] for d in await told(ann, rig)] == ["INSERT"]
    assert await told(bob, rig) == [] and await told(anyone, rig) == []
    assert [d["record"]["name"] for d in await told(service, rig)] == ["Rex"]


async def test_a_change_of_owner_is_a_leaving_by_key_for_the_one_and_news_for_the_other(rig: Rig) -> None:
    await rig.write(f"insert into pets(id, name, owner_id, public) values (1, 'Rex', '{ANN}', false)")
    ann, bob = await listening(rig, "a", rig.token(ANN)), await listening(rig, "b", rig.token(BOB))
    await rig.write(f"update pets set owner_id = '{BOB}', name = 'New' where id = 1")
    [to_ann], [to_bob] = await told(ann, rig), await told(bob, rig)
    assert to_ann["type"] == "DELETE" and to_ann["old_record"] == {"id": 1} and "record" not in to_ann
    assert to_bob["type"] == "UPDATE" and to_bob["record"]["name"] == "New"


async def test_membership_policies_are_asked_of_the_database(rig: Rig) -> None:
    await rig.write(f"insert into members values (7, '{ANN}')")
    ann, bob = await listening(rig, "a", rig.token(ANN), table="notes"), await listening(rig, "b", rig.token(BOB), table="notes")
    await rig.write("insert into notes values (1, 7, 'for the team'), (2, 8, 'for nobody')")
    assert [d["record"]["id"] for d in await told(ann, rig)] == [1]
    assert await told(bob, rig) == []
    await rig.write("update notes set team_id = 9 where id = 1")
    assert [(d["type"], d["old_record"]) for d in await told(ann, rig)] == [("DELETE", {"id": 1})]


async def test_hidden_columns_are_nowhere(rig: Rig) -> None:
    client = await listening(rig)
    await rig.write("insert into pets(id, name, secret) values (1, 'Rex', 'canary-7')")
    await rig.settled()
    frames = await client.heard()
    assert len(frames) == 1 and "canary-7" not in str(frames) and "secret" not in str(frames)


@pytest.mark.parametrize(
    ("filter_", "expected"),
    [("id=eq.2", [2]), ("price=gt.5,name=neq.Tom", [3]), ("name=in.(Rex,Kit)", [1, 3]), ("name=like.*o*", [2]), ("price=is.null", [1]),
     ("name=not.eq.Rex", [2, 3]), ("price=not.is.null,id=lte.2", [2]), ('name=eq."Tom"', [2]), ("name=ilike.%T", [3])],
)  # fmt: skip
async def test_filters_choose(rig: Rig, filter_: str, expected: list[int]) -> None:
    client = await listening(rig, filter=filter_)
    await rig.write("insert into pets(id, name, price) values (1, 'Rex', null), (2, 'Tom', 10), (3, 'Kit', 20)")
    assert [d["record"]["id"] for d in await told(client, rig)] == expected


async def test_several_bindings_are_told_in_one_push(rig: Rig) -> None:
    client = await rig.client()
    bindings = [
        {"event": "INSERT", "schema": "public", "table": "pets"},
        {"event": "*", "schema": "public"},
        {"event": "DELETE", "schema": "*", "table": "pets"},
    ]
    reply = await client.join("room", postgres_changes=bindings[:2])
    ids = [entry["id"] for entry in reply["response"]["postgres_changes"]]
    await rig.write("insert into pets(id, name) values (1, 'Rex')")
    assert sorted((await client.until("postgres_changes"))["ids"]) == sorted(ids)
    await rig.settled()
    assert [f for f in await client.heard() if f[3] == "postgres_changes"] == []


async def test_select_narrows_the_columns_and_keeps_the_key(rig: Rig) -> None:
    client = await listening(rig, select=["name"])
    await rig.write("insert into pets(id, name, price) values (1, 'Rex', 1)")
    [data] = await told(client, rig)
    assert data["record"] == {"id": 1, "name": "Rex"} and [c["name"] for c in data["columns"]] == ["id", "name"]


@pytest.mark.parametrize(
    "binding",
    [{"table": "nothing"}, {"table": "quiet"}, {"table": "pets", "filter": "secret=eq.x"}, {"table": "pets", "filter": "nonsense"},
     {"table": "pets", "filter": "id=zz.1"}, {"table": "pets", "select": ["secret"]}, {"schema": "auth", "table": "users"}],
)  # fmt: skip
async def test_a_bad_binding_is_told_in_a_system_message(rig: Rig, binding: dict[str, Any]) -> None:
    client = await rig.client()
    reply = await client.join("room", postgres_changes=[{"event": "*", "schema": "public", **binding}])
    assert reply["status"] == "ok"
    system = await client.until("system")
    assert (system["status"], system["extension"], system["channel"]) == ("error", "postgres_changes", "room")
    await rig.write("insert into pets(id, name, secret) values (1, 'Rex', 'x')")
    assert await told(client, rig) == []


async def test_what_was_committed_before_the_join_is_not_told(rig: Rig) -> None:
    await rig.write("insert into pets(id, name) values (1, 'Rex')")
    client = await listening(rig)
    assert await told(client, rig) == []


async def test_a_rolled_back_write_is_not_told(rig: Rig) -> None:
    client = await listening(rig)
    with pytest.raises(BaasError):
        await rig.write("insert into pets(id, name) values (1, 'Rex')", "insert into pets(id, name) values (1, 'Rex')")
    assert await told(client, rig) == []


async def test_a_policy_change_applies_to_what_is_subscribed(rig: Rig) -> None:
    client = await listening(rig)
    await rig.kit.database.save_policies('create policy "none" on pets for select to authenticated using (true);', "tests")
    await rig.write("insert into pets(id, name) values (1, 'Rex')")
    assert await told(client, rig) == []


async def test_new_claims_apply_to_what_is_subscribed(rig: Rig) -> None:
    client = await listening(rig)
    client.send("realtime:room", "access_token", {"access_token": rig.token(ANN)})
    await client.heard()
    await rig.write(f"insert into pets(id, name, owner_id, public) values (1, 'Rex', '{ANN}', false)")
    assert [d["record"]["id"] for d in await told(client, rig)] == [1]
