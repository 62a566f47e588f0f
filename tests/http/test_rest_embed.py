"""Embedding related rows, on both databases: shapes, filters, order, hints, and the policy of every table on the way."""

from __future__ import annotations

from typing import Any

import pytest

from tests.shop import ANN, BOB, Shop

pytestmark = pytest.mark.anyio

EMBEDS: list[tuple[str, Any]] = [
    ("pets?select=id,people(name)&id=in.(1,2)&order=id", [{"id": 1, "people": {"name": "Ann"}}, {"id": 2, "people": {"name": "Bob"}}]),
    ("pets?select=id,owner:people(name)&id=eq.1", [{"id": 1, "owner": {"name": "Ann"}}]),
    ("pets?select=id,owner_id(name)&id=eq.1", [{"id": 1, "owner_id": {"name": "Ann"}}]),
    ("pets?select=id,people!pets_owner_id_fkey(name)&id=eq.1", [{"id": 1, "people": {"name": "Ann"}}]),
    ("people?select=name,pets(id)&order=name&pets.order=id.desc",
     [{"name": "Ann", "pets": [{"id": 3}, {"id": 1}]}, {"name": "Bob", "pets": [{"id": 4}, {"id": 2}]}, {"name": "Eve", "pets": []}]),
    ("people?select=name,pets(id)&order=name&pets.order=id&pets.limit=1",
     [{"name": "Ann", "pets": [{"id": 1}]}, {"name": "Bob", "pets": [{"id": 2}]}, {"name": "Eve", "pets": []}]),
    ("people?select=name,pets(id)&order=name&pets.sold=is.true&pets.order=id",
     [{"name": "Ann", "pets": [{"id": 3}]}, {"name": "Bob", "pets": [{"id": 4}]}, {"name": "Eve", "pets": []}]),
    ("people?select=name,pets!inner(id)&pets.id=eq.2", [{"name": "Bob", "pets": [{"id": 2}]}]),
    ("people?select=name,pets!inner()&pets.mood=eq.wild", [{"name": "Bob"}]),
    ("people?select=name&pets=is.null", "42703"),
    ("people?select=name,pets()&pets=is.null", [{"name": "Eve"}]),
    ("people?select=name,pets()&pets=not.is.null&order=name", [{"name": "Ann"}, {"name": "Bob"}]),
    ("people?select=name,pets()&or=(pets.is.null,name.eq.Ann)&order=name", [{"name": "Ann"}, {"name": "Eve"}]),
    ("pets?select=id,tags:tags(label)&id=in.(1,3)&order=id&tags.order=label",
     [{"id": 1, "tags": [{"label": "furry"}, {"label": "loud"}]}, {"id": 3, "tags": []}]),
    ("tags?select=label,pets(id,people(name))&id=eq.2&pets.order=id",
     [{"label": "loud", "pets": [{"id": 1, "people": {"name": "Ann"}}, {"id": 4, "people": {"name": "Bob"}}]}]),
    ("pets?select=id,...people(owner:name,city)&id=eq.1", [{"id": 1, "owner": "Ann", "city": "Bonn"}]),
    ("people?select=name,...pets(pet:name)&name=neq.Eve&order=name&pets.sold=is.false", [{"name": "Ann", "pet": ["Rex"]}, {"name": "Bob", "pet": ["Tom"]}]),
    ("pets?select=id&order=people(name).desc,id", "PGRST108"),
    ("pets?select=id,people()&order=people(name).desc,id", [{"id": 2}, {"id": 4}, {"id": 1}, {"id": 3}]),
    ("people?select=name,pets(count)&order=name", [{"name": "Ann", "pets": [{"count": 2}]}, {"name": "Bob", "pets": [{"count": 2}]}, {"name": "Eve", "pets": [{"count": 0}]}]),
    ("people?select=name,pets(sold,data,tags)&name=eq.Ann&pets.id=eq.1",
     [{"name": "Ann", "pets": [{"sold": False, "data": {"size": {"cm": [40, 60], "tall": True}}, "tags": ["a", "b"]}]}]),
    ("pets?select=id,nobody(*)", "PGRST200"),
    ("people?select=name,pets(nope)", "42703"),
    ("people?select=name,pets(id)&pets.nope=eq.1", "42703"),
    ("people?select=name,pets(id)&pets=eq.1", "PGRST120"),
    ("people?select=name,pets(id)&order=pets(id)", "PGRST118"),
    ("people?select=name,pets(id)&tags.id=eq.1", "PGRST108"),
]  # fmt: skip


async def test_related_rows_come_in_the_same_shape_from_both_databases(shop: Shop) -> None:
    for path, expected in EMBEDS:
        reply = await shop("GET", path, who="service")
        found = reply.json if reply.status == 200 else reply.code
        assert (path, expected) == (path, found)


async def test_an_embed_of_two_relations_lists_them(shop: Shop) -> None:
    await shop("POST", "orders", {"pet_id": 2}, who="ann")
    reply = await shop("GET", "orders?select=id,people(name)", who="ann")
    assert [{"id": 1, "people": {"name": "Ann"}}] == reply.json
    await shop.sql("create table loans (giver text, taker text)")  # tables without keys are no relations
    ambiguous = await shop("GET", "orders?select=id,pets(id,people(name))", who="ann")
    assert 200 == ambiguous.status


async def test_every_table_on_the_way_stands_under_its_own_policy(shop: Shop) -> None:
    async def pets_of_people(who: str) -> dict[str, list[int]]:
        reply = await shop("GET", "people?select=name,pets(id)&pets.order=id", who=who)
        return {row["name"]: [pet["id"] for pet in row["pets"]] for row in reply.json}

    assert {"Ann": [1], "Bob": [2], "Eve": []} == await pets_of_people("anon")
    assert {"Ann": [1, 3], "Bob": [2], "Eve": []} == await pets_of_people("ann")
    assert {"Ann": [1], "Bob": [2, 4], "Eve": []} == await pets_of_people("bob")


async def test_a_hidden_junction_row_joins_nothing(shop: Shop) -> None:
    """Pet 4 is Bob's and sold: Bob sees it, but its labels are shown to nobody."""
    reply = await shop("GET", "tags?select=label,pets(id)&order=id&pets.order=id", who="bob")
    assert [{"label": "furry", "pets": [{"id": 1}, {"id": 2}]}, {"label": "loud", "pets": [{"id": 1}]}] == reply.json
    owned = await shop("GET", "pets?select=id,tags(label)&id=eq.4", who="bob")
    assert [{"id": 4, "tags": []}] == owned.json


async def test_inner_joins_and_related_order_see_only_visible_rows(shop: Shop) -> None:
    hidden = await shop("GET", "people?select=name,pets!inner(id)&pets.id=eq.3", who="bob")
    assert [] == hidden.json
    mine = await shop("GET", "people?select=name,pets!inner(id)&pets.id=eq.3", who="ann")
    assert [{"name": "Ann", "pets": [{"id": 3}]}] == mine.json
    without = await shop("GET", "people?select=name,pets()&pets=is.null&order=name", who="anon")
    assert [{"name": "Eve"}] == without.json


async def test_an_embed_of_a_closed_table_is_empty(shop: Shop) -> None:
    await shop("POST", "orders", {"pet_id": 2}, who="ann")
    reply = await shop("GET", "people?select=name,orders(id)&id=eq." + ANN, who="anon")
    assert [{"name": "Ann", "orders": []}] == reply.json
    other = await shop("GET", "people?select=name,orders(id)&id=eq." + ANN, who="bob")
    assert [{"name": "Ann", "orders": []}] == other.json
    assert BOB != ANN
