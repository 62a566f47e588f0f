"""The dialect's rarer words under policy, on both databases: what they find, what they must not, and what they leave alone."""

from __future__ import annotations

from typing import Any

import pytest

from tests.shop import POLICIES, Shop

pytestmark = pytest.mark.anyio

SEARCHES: list[tuple[str, str, list[int]]] = [
    ("anon", "name=fts.rex", [1]),
    ("service", "name=fts(simple).rex", [1, 4]),
    ("bob", "name=plfts.rex", [1, 4]),
    ("bob", "name=wfts.rex -2", [1]),
    ("ann", "name=phfts(simple).the old", [3]),
    ("bob", "name=phfts(simple).the old", []),
    ("bob", "or=(name.fts(simple).old,id.eq.2)", [2]),
    ("anon", "name=match.^[RT]", [1, 2]),
    ("bob", "name=imatch.^r", [1, 4]),
    ("ann", "name=imatch.^ö", [3]),
    ("anon", "name=not.match.e", [2]),
    ("anon", 'data=cs.{"size":{"tall":true}}', [1]),
    ("ann", 'data=cs.{"size":{"cm":[]}}', [1, 3]),
    ("bob", 'data=cs.{"size":{"cm":[]}}', [1]),
    ("anon", "tags=gt.{a}", [1]),
]


async def test_searches_find_only_rows_that_the_caller_may_read(shop: Shop) -> None:
    for who, query, expected in SEARCHES:
        reply = await shop("GET", f"pets?select=id&order=id&{query}", who=who)
        assert (who, query, expected) == (who, query, [row["id"] for row in reply.json] if reply.status == 200 else reply.json)
        counted = await shop("HEAD", f"pets?{query}", who=who, headers={"Prefer": "count=exact"})
        assert (query, str(len(expected))) == (query, counted.range.partition("/")[2])


async def test_a3_no_word_of_the_dialect_reaches_a_hidden_column(shop: Shop) -> None:
    for query in ("cost=gt.1", "secret=fts.ann", "secret=match.^a", "secret=like(any).{a*,b*}", "order=secret", "select=secret.max()", "select=secret::text",
                  "select=...pets(cost)", "select=pets(cost.sum())", "select=pets(name)&pets.cost=gt.1", "select=pets(name)&pets.order=cost"):  # fmt: skip
        reply = await shop("GET", f"{'pets' if query.startswith('cost') else 'people'}?{query}", who="ann")
        assert (query, 400, "42703") == (query, reply.status, reply.code)
        assert b"secret-" not in reply.body


async def test_a17_a_regular_expression_cannot_hold_the_server(shop: Shop) -> None:
    assert 201 == (await shop("POST", "pets", {"name": "a" * 3000 + "!"}, who="ann")).status
    if shop.dialect == "sqlite":
        assert [] == (await shop("GET", "pets?select=id&name=match.^(a%2B)%2B$", who="ann")).json
    assert (400, "2201B") == ((r := await shop("GET", "pets?name=match.(", who="ann")).status, r.code)


async def test_what_python_makes_slow_leaves_the_event_loop(shop: Shop) -> None:
    from baaskit.kernel.database.sqlite import SqliteDriver

    await shop("GET", "pets?select=id&name=fts.rex")
    await shop("GET", "pets?select=id&id=eq.1")
    driver = shop.kit.database.driver
    if isinstance(driver, SqliteDriver):
        assert ["baas_search(" in text for text in driver._slow] == [True]


async def test_groups_are_made_of_visible_rows_and_of_related_columns(shop: Shop) -> None:
    async def grouped(who: str) -> Any:
        return (await shop("GET", "pets?select=...people(city),count(),total:price.sum()&order=people(city)", who=who)).json

    assert [{"city": "Bern", "count": 1, "total": 7}, {"city": "Bonn", "count": 1, "total": 12.5}] == await grouped("anon")
    assert [{"city": "Bern", "count": 2, "total": 106.99}, {"city": "Bonn", "count": 1, "total": 12.5}] == await grouped("bob")
    lifted = await shop("GET", "pets?select=sold,...people(people:id.count())&order=sold", who="service")
    assert [{"sold": False, "people": 2}, {"sold": True, "people": 2}] == lifted.json
    inside = await shop("GET", "people?select=name,pets(sold,count())&order=name&pets.order=sold&name=eq.Ann", who="ann")
    assert [{"name": "Ann", "pets": [{"sold": False, "count": 1}, {"sold": True, "count": 1}]}] == inside.json


async def test_a_limited_write_touches_the_first_rows_that_the_caller_may_touch(shop: Shop) -> None:
    changed = await shop(
        "PATCH", "pets?id=gt.0&order=id&limit=1&select=id", {"mood": "calm"}, who="bob", headers={"Prefer": "return=representation"}
    )
    assert (200, [{"id": 2}]) == (changed.status, changed.json)
    assert ["calm", "calm", "playful", None] == [row["mood"] for row in await shop.rows("pets")]
    second = await shop(
        "PATCH",
        "pets?id=gt.0&order=id.desc&limit=1&offset=1&select=id",
        {"mood": "wild"},
        who="ann",
        headers={"Prefer": "return=representation"},
    )
    assert [{"id": 1}] == second.json
    assert 400 == (await shop("DELETE", "pets?id=gt.0&limit=1", who="ann")).status
    gone = await shop("DELETE", "pets?id=gt.0&order=id.desc&limit=1&select=id", who="ann", headers={"Prefer": "return=representation"})
    assert [{"id": 3}] == gone.json
    assert [1, 2, 4] == [row["id"] for row in await shop.rows("pets")]


async def test_an_empty_object_is_a_row_of_defaults(shop: Shop) -> None:
    await shop.sql("create table notes (id integer primary key, body text default 'none')")
    await shop.kit.database.reload()
    headers = {"Prefer": "return=representation"}
    if shop.dialect == "postgresql":
        assert (400, "23502") == ((r := await shop("POST", "notes", {}, who="service", headers=headers)).status, r.code)
    else:
        assert ["none", "none"] == [row["body"] for row in (await shop("POST", "notes", [{}, {}], who="service", headers=headers)).json]
    assert (400, "23502") == ((r := await shop("POST", "pets", {}, who="ann", headers=headers)).status, r.code)
    assert 4 == len(await shop.rows("pets"))


async def test_a_write_takes_the_columns_that_it_names(shop: Shop) -> None:
    headers = {"Prefer": "return=representation"}
    reply = await shop(
        "PATCH", "pets?id=eq.1&columns=mood,chip&select=mood,chip", {"mood": "wild", "name": "x"}, who="ann", headers=headers
    )
    assert [{"mood": "wild", "chip": None}] == reply.json
    assert (400, "PGRST204") == ((r := await shop("PATCH", "pets?id=eq.1&columns=nope", {"mood": "wild"}, who="ann")).status, r.code)
    assert (400, "0A000") == (
        (
            r := await shop("PATCH", "pets?id=eq.1&columns=mood,chip", {"mood": "wild"}, who="ann", headers={"Prefer": "missing=default"})
        ).status,
        r.code,
    )
    assert 204 == (await shop("PATCH", "pets?id=eq.1", [], who="ann")).status
    assert "Rex" == (await shop.rows("pets"))[0]["name"]


async def test_a_view_embeds_by_the_keys_of_what_it_shows_and_only_what_policies_show(shop: Shop) -> None:
    await shop.sql("create view for_sale as select id, owner_id, name as title from pets where not sold")
    await shop.sql("create view cheap as select title, owner_id from for_sale")
    await shop.kit.database.reload()
    await shop.kit.database.save_policies(POLICIES + "create policy v on for_sale for select to anon using (true);", "test")
    shown = await shop("GET", "for_sale?select=title,people(name),tags(label)&order=id&tags.order=id", who="anon")
    labels = [[{"label": "furry"}, {"label": "loud"}], [{"label": "furry"}]]
    assert [
        {"title": "Rex", "people": {"name": "Ann"}, "tags": labels[0]},
        {"title": "Tom", "people": {"name": "Bob"}, "tags": labels[1]},
    ] == shown.json
    back = await shop("GET", "people?select=name,for_sale(title)&order=name", who="service")
    assert [["Rex"], ["Tom"], []] == [[view["title"] for view in row["for_sale"]] for row in back.json]
    twice = await shop("GET", "cheap?select=title,people(name)&order=title", who="service")
    assert [{"title": "Rex", "people": {"name": "Ann"}}, {"title": "Tom", "people": {"name": "Bob"}}] == twice.json
    hidden = await shop("GET", "for_sale?select=title,people(secret)", who="anon")
    assert (400, "42703") == (hidden.status, hidden.code)
    closed = await shop("GET", "people?select=name,for_sale(title)&name=eq.Ann", who="ann")
    assert [{"name": "Ann", "for_sale": []}] == closed.json
