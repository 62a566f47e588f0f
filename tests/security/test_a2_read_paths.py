"""A2: every way to read shows the same rows: get, list, embed, count, aggregate, sort, search, write-and-show, batch."""

from __future__ import annotations

import orjson
import pytest

from tests.shop import Shop

pytestmark = pytest.mark.anyio

CANARY = "rex_2%"  # the name of pet 4: Bob's, sold, so hidden from all but Bob
READS = [
    "pets", "pets?id=eq.4", "pets?select=name", "pets?select=label:name", "pets?name=like.rex*", "pets?name=ilike.REX*", "pets?order=name.desc",
    "pets?limit=10&offset=0", "pets?or=(id.eq.4,id.eq.1)", "pets?not.and=(id.eq.1,id.eq.2)", "pets?id=in.(4)", "pets?select=name.max()",
    "pets?select=name,count()", "people?select=*,pets(*)", "people?select=pets(name)&pets.id=eq.4", "people?select=...pets(name)",
    "people?select=name,pets!inner(name)&pets.id=eq.4", "tags?select=label,pets(name)", "pet_tags?select=pet_id,pets(name)", "pets?select=n:name::text",
]  # fmt: skip


@pytest.mark.parametrize("who", ["anon", "ann", "eve"])
async def test_no_read_shows_a_hidden_row(shop: Shop, who: str) -> None:
    for path in READS:
        reply = await shop("GET", path, who=who)
        assert (path, 200, False) == (path, reply.status, CANARY in reply.body.decode())
        batch = await shop("POST", "batch", {"operations": [{"method": "GET", "path": path}]}, who=who)
        assert (path, 200, False) == (path, batch.status, CANARY in batch.body.decode())


async def test_the_owner_and_the_service_see_it_by_each_of_them(shop: Shop) -> None:
    for path in READS:
        if "tags" in path or "max" in path:
            continue  # labels of sold pets are hidden from Bob too; the greatest name is another one
        assert (path, True) == (path, CANARY in (await shop("GET", path, who="bob")).body.decode())


@pytest.mark.parametrize(("who", "total"), [("anon", 2), ("ann", 3), ("bob", 3), ("service", 4)])
async def test_counts_and_aggregates_know_only_visible_rows(shop: Shop, who: str, total: int) -> None:
    for preference in ("count=exact", "count=planned", "count=estimated"):
        reply = await shop("GET", "pets?limit=1", who=who, headers={"Prefer": preference})
        if who != "service" or preference == "count=exact":
            assert (preference, str(total)) == (preference, reply.range.partition("/")[2])
    assert [{"count": total}] == (await shop("GET", "pets?select=count()", who=who)).json
    assert (await shop("HEAD", "pets", who=who, headers={"Prefer": "count=exact"})).range.endswith(f"/{total}")


async def test_writes_show_only_what_their_caller_may_read(shop: Shop) -> None:
    shown = await shop(
        "PATCH", "pets?id=eq.1&select=id,people(*)", {"mood": "wild"}, who="ann", headers={"Prefer": "return=representation"}
    )
    assert b"secret" not in shown.body
    assert [{"id": 1, "people": {"id": shown.json[0]["people"]["id"], "name": "Ann", "city": "Bonn"}}] == orjson.loads(shown.body)
