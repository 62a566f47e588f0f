"""A changed row finds the audiences that it can concern; to find too few would lose changes."""

from __future__ import annotations

from typing import Any

import pytest

from baaskit.kernel.claims import Claims
from baaskit.kernel.policy import parse_policies
from baaskit.kernel.schema import Column, Schema, Table, TableName, Type
from baaskit.realtime.owners import ByOwner, owner_of

from .rig import ANN, BOB, EVE, Rig

PETS = TableName("public", "pets")
SCHEMA = Schema(
    {PETS: Table(PETS, (Column("id", Type("int4")), Column("owner_id", Type("uuid")), Column("public", Type("bool"))), ("id",))}
)


def owner(condition: str, uid: str | None = ANN) -> Any:
    policies = parse_policies(f"create policy p on pets for select to authenticated using ({condition});", SCHEMA)
    return owner_of(policies.access(PETS, "select", "authenticated").using, Claims("authenticated", uid))


@pytest.mark.parametrize("condition", ["owner_id = auth.uid()", "auth.uid() = owner_id and public", "(select auth.uid()) = owner_id"])
def test_a_demand_for_the_owner_is_found(condition: str) -> None:
    assert owner(condition) == ("owner_id", ANN.replace("-", ""))


@pytest.mark.parametrize(
    "condition",
    ["public or owner_id = auth.uid()", "not owner_id = auth.uid()", "owner_id <> auth.uid()", "owner_id is not distinct from auth.uid()"],
)
def test_what_demands_no_owner_is_not_taken_for_it(condition: str) -> None:
    assert owner(condition) is None


def other_ids(kind: str, column: str, uid: str | None) -> Any:
    """The same with `auth.uid()` of another type, as an attached project has it."""
    schema = Schema({PETS: Table(PETS, (Column("id", Type("int4")), Column("owner_id", Type(column))), ("id",))}, uid=Type(kind))
    policies = parse_policies("create policy p on pets for select to authenticated using (owner_id = auth.uid());", schema)
    return owner_of(policies.access(PETS, "select", "authenticated").using, Claims("authenticated", uid))


@pytest.mark.parametrize(
    ("kind", "column", "uid", "mine", "not_mine"),
    [("int8", "int8", "7", 7, 77), ("int8", "int4", "7", 7, 70), ("text", "text", "ann", "ann", "anna"), ("text", "varchar", "Ann", "ann ", "a")],
    ids=["int8", "int4", "text", "a collation without case"],
)  # fmt: skip
def test_ids_that_are_no_uuids_find_their_audience_too(kind: str, column: str, uid: str, mine: Any, not_mine: Any) -> None:
    audiences: ByOwner[str] = ByOwner()
    found = other_ids(kind, column, uid)
    assert found is not None
    audiences.add("me", "me", found)
    assert audiences.concerned([Change(None, mine)]) == audiences.concerned([Change(mine, not_mine)]) == ["me"]  # type: ignore[list-item]
    assert audiences.concerned([Change(not_mine, not_mine)]) == []  # type: ignore[list-item]


@pytest.mark.parametrize("uid", ["07", "1e3", "x", None], ids=["leading zero", "exponent", "a word", "none"])
def test_a_subject_that_is_no_id_of_the_type_owns_nothing(uid: str | None) -> None:
    assert other_ids("int8", "int8", uid) == ("owner_id", None)


class Change:
    def __init__(self, before: Any, after: Any, op: str = "update") -> None:
        self.before, self.after, self.op = ({"owner_id": before}, {"owner_id": after}, op)


def test_audiences_of_the_former_and_the_new_owner_and_those_of_no_owner_are_concerned() -> None:
    audiences: ByOwner[str] = ByOwner()
    for name, uid in (("ann", ANN), ("bob", BOB), ("eve", EVE), ("nobody", None)):
        audiences.add(name, name, owner("owner_id = auth.uid()", uid))
    audiences.add("all", "all", None)
    assert sorted(audiences.concerned([Change(ANN, BOB.upper())])) == ["all", "ann", "bob"]  # type: ignore[list-item]
    assert sorted(audiences.concerned([Change(None, None)])) == ["all"]  # type: ignore[list-item]
    assert len(audiences.concerned([Change(None, None, "truncate")])) == 5  # type: ignore[list-item]
    audiences.remove("ann")
    audiences.remove("all")
    assert audiences.concerned([Change(ANN, None)]) == []  # type: ignore[list-item]


@pytest.mark.anyio
async def test_owners_are_told_of_their_rows_and_of_those_that_leave_them(rig: Rig) -> None:
    await rig.kit.database.save_policies("create policy p on pets for select to authenticated using (owner_id = auth.uid());", "tests")
    clients = {}
    for name, uid in (("ann", ANN), ("bob", BOB), ("eve", EVE)):
        client = clients[name] = await rig.client()
        await client.join(
            "room",
            rig.token(uid),
            live=[{"query": "pets?select=id"}],
            postgres_changes=[{"event": "*", "schema": "public", "table": "pets"}],
        )
        await client.until("live_snapshot")
        await client.until("system")
    await rig.write(f"insert into pets(id, name, owner_id) values (1, 'x', '{ANN}')")
    await rig.settled()
    assert sorted(f[3] for f in await clients["ann"].heard()) == ["live_delta", "postgres_changes"]
    await rig.write(f"update pets set owner_id = '{BOB}'")
    assert (await clients["ann"].until("live_delta"))["leave"] == [{"id": 1}]
    assert (await clients["bob"].until("live_delta"))["enter"] == [{"id": 1}]
    assert (await clients["bob"].until("postgres_changes"))["data"]["type"] == "UPDATE"
    assert (await clients["ann"].until("postgres_changes"))["data"]["type"] == "DELETE"
    await rig.settled()
    assert [await client.heard() for client in clients.values()] == [[], [], []]
