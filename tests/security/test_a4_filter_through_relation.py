"""A4: a filter, sort or existence test through a relation sees only rows that the caller could list at each hop."""

from __future__ import annotations

import pytest

from tests.shop import Shop

pytestmark = pytest.mark.anyio

# each would tell whether a hidden pet (4: Bob's, sold, 99.99) exists, if the hop were not under policy
PROBES = [
    "people?select=name,pets!inner()&pets.price=eq.99.99", "people?select=name,pets!inner(id)&pets.id=eq.4", "people?select=name,pets()&pets=not.is.null&pets.id=eq.4",
    "tags?select=label,pets!inner()&pets.id=eq.4", "people?select=name,pets!inner(tags!inner())&pets.id=eq.4",
    "people?select=name,orders!inner()", "people?select=name,orders()&orders=not.is.null", "pets?select=id,orders!inner()",
]  # fmt: skip


async def test_no_hop_finds_a_row_that_a_list_would_not_show(shop: Shop) -> None:
    await shop("POST", "orders", {"pet_id": 2}, who="bob")
    for probe in PROBES:
        assert (probe, []) == (probe, (await shop("GET", probe, who="ann")).json)
        assert (probe, "*/0") == (probe, (await shop("GET", probe, who="ann", headers={"Prefer": "count=exact"})).range)


async def test_the_same_hops_work_for_one_who_may(shop: Shop) -> None:
    await shop("POST", "orders", {"pet_id": 2}, who="bob")
    for probe in PROBES:
        assert (probe, True) == (probe, len((await shop("GET", probe, who="service")).json) > 0)


async def test_a_write_cannot_choose_rows_by_what_its_caller_cannot_see(shop: Shop) -> None:
    reply = await shop(
        "PATCH", "pets?select=id,orders!inner()&id=gt.0", {"mood": "wild"}, who="ann", headers={"Prefer": "return=representation"}
    )
    assert [] == reply.json
    await shop("POST", "orders", {"pet_id": 1}, who="bob")
    again = await shop(
        "PATCH", "pets?select=id,orders!inner()&id=gt.0", {"mood": "wild"}, who="ann", headers={"Prefer": "return=representation"}
    )
    assert [] == again.json, "Bob's order of Ann's pet is Bob's business"
