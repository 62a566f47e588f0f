"""Writing over HTTP, on both databases: status, body, headers, and what is in the table afterwards, also when refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from baaskit.errors import BaasError
from baaskit.kernel.hooks import Write
from tests.shop import ANN, BOB, PETS, Shop

pytestmark = pytest.mark.anyio

REPRESENTATION = {"Prefer": "return=representation"}
OBJECT = {"Accept": "application/vnd.pgrst.object+json"}


async def unchanged(shop: Shop) -> bool:
    """Whether the pets are as they were at the start."""
    rows = await shop.rows("pets")
    return [row["id"] for row in rows] == [1, 2, 3, 4] and [(r["name"], r["owner_id"], r["price"]) for r in rows] == [
        (p["name"], p["owner_id"], p["price"]) for p in PETS
    ]


async def test_an_insert_is_silent_unless_the_row_is_asked_for(shop: Shop) -> None:
    silent = await shop("POST", "pets", {"name": "Kim"}, who="ann")
    assert (201, b"", "*/*") == (silent.status, silent.body, silent.range)
    shown = await shop("POST", "pets?select=name,owner_id,sold", {"name": "Lou"}, who="ann", headers=REPRESENTATION)
    assert (201, [{"name": "Lou", "owner_id": ANN, "sold": False}]) == (shown.status, shown.json)
    assert "return=representation" == shown.headers["preference-applied"]
    assert ["Kim", "Lou"] == [row["name"] for row in (await shop.rows("pets"))[4:]]


async def test_headers_only_gives_the_address_of_the_new_row(shop: Shop) -> None:
    reply = await shop("POST", "pets", {"name": "Kim"}, who="ann", headers={"Prefer": "return=headers-only, count=exact"})
    new = (await shop.rows("pets"))[-1]
    assert (201, b"", f"/pets?id=eq.{new['id']}", "*/1") == (reply.status, reply.body, reply.headers["location"], reply.range)


async def test_many_rows_are_inserted_in_their_order_or_not_at_all(shop: Shop) -> None:
    reply = await shop("POST", "pets?select=name", [{"name": n} for n in "cab"], who="ann", headers=REPRESENTATION)
    assert (201, [{"name": "c"}, {"name": "a"}, {"name": "b"}]) == (reply.status, reply.json)
    before = await shop.rows("pets")
    refused = await shop("POST", "pets", [{"name": "x", "price": 1}, {"name": "y", "price": -1}], who="ann")
    assert (400, "23514") == (refused.status, refused.code)
    assert before == await shop.rows("pets")
    assert (201, []) == ((r := await shop("POST", "pets", [], who="ann", headers=REPRESENTATION)).status, r.json)


async def test_values_arrive_as_their_columns_types(shop: Shop) -> None:
    row = {
        "name": "Zoë ' \" \\ 🐈", "price": "12.345", "tags": ["x y", "z,\"q\"", None], "data": {"a": [1, None, {"b": "c"}]}, "sold": "yes",
        "born": "2024-02-29", "made": "2026-05-05 12:00:00+02", "mood": "wild", "cost": 7, "owner_id": ANN.upper(),
    }  # fmt: skip
    reply = await shop("POST", "pets", row, who="service", headers=REPRESENTATION)
    assert 201 == reply.status, reply.json
    expected = {**row, "price": 12.35, "sold": True, "made": "2026-05-05T10:00:00+00:00", "owner_id": ANN, "chip": None}
    assert expected == {name: value for name, value in reply.json[0].items() if name != "id"}


async def test_columns_choose_what_is_taken_and_missing_keys_are_null_or_default(shop: Shop) -> None:
    rows = [{"name": "a", "mood": "calm", "junk": 1}, {"name": "b", "sold": True}]
    reply = await shop("POST", "pets?columns=name,mood&select=name,mood,sold", rows, who="ann", headers=REPRESENTATION)
    assert [{"name": "a", "mood": "calm", "sold": False}, {"name": "b", "mood": None, "sold": False}] == reply.json
    quoted = '"name","sold"'
    defaulted = await shop(
        "POST", f"pets?columns={quoted}&select=name,sold", rows, who="ann", headers={"Prefer": "return=representation, missing=default"}
    )
    assert [{"name": "a", "sold": False}, {"name": "b", "sold": True}] == defaulted.json
    nulled = await shop("POST", f"pets?columns={quoted}&select=name,sold", rows, who="ann")
    assert (400, "23502") == (nulled.status, nulled.code)


PAYLOADS: list[tuple[Any, int, str]] = [
    (b"{bad", 400, "PGRST102"),
    (b"", 400, "PGRST102"),
    ([{"name": "a"}, {"title": "b"}], 400, "PGRST102"),
    ([1, 2], 400, "PGRST102"),
    ("text", 400, "PGRST102"),
    ({"nam": "x"}, 400, "PGRST204"),
    ({"name": "x", "price": "dear"}, 400, "22P02"),
    ({"name": "x", "price": 123456789}, 400, "22003"),
    ({"name": "x", "owner_id": "me"}, 400, "22P02"),
    ({"name": "x", "mood": "sad"}, 400, "22P02"),
    ({"name": "x", "born": "2023-02-30"}, 400, "22008"),
    ({"name": "x", "chip": "far too long a chip"}, 400, "22001"),
    ({"name": None}, 400, "23502"),
    ({"name": "x", "price": -1}, 400, "23514"),
    ({"name": "x", "owner_id": BOB}, 403, "42501"),
    ({"name": "x", "id": 1}, 409, "23505"),
]


async def test_what_does_not_fit_is_refused_and_leaves_nothing(shop: Shop) -> None:
    for body, status, code in PAYLOADS:
        reply = await shop("POST", "pets", body, who="ann")
        assert (body, status, code) == (body, reply.status, reply.code)
        assert {"code", "details", "hint", "message"} == set(reply.json)
    assert await unchanged(shop)


async def test_violations_speak_as_postgresql_does(shop: Shop) -> None:
    unique = await shop("POST", "people", {"id": ANN, "name": "x"}, who="service")
    assert 'duplicate key value violates unique constraint "people_pkey"' == unique.json["message"]
    assert f"Key (id)=({ANN}) already exists." == unique.json["details"]
    missing = await shop("POST", "people", {"id": ANN[:-1] + "9"}, who="service")
    assert 'null value in column "name" of relation "people" violates not-null constraint' == missing.json["message"]
    checked = await shop("POST", "pets", {"name": "x", "price": -1}, who="service")
    assert 'new row for relation "pets" violates check constraint "pets_price_check"' == checked.json["message"]
    foreign = await shop("POST", "orders", {"pet_id": 99, "buyer_id": ANN}, who="service")
    assert (409, "23503") == (foreign.status, foreign.code)
    assert 'insert or update on table "orders" violates foreign key constraint "orders_pet_id_fkey"' == foreign.json["message"]
    assert 'Key (pet_id)=(99) is not present in table "pets".' == foreign.json["details"]
    used = await shop("DELETE", "tags?id=eq.1", who="service")
    assert (409, "23503") == (used.status, used.code)
    assert (
        'update or delete on table "tags" violates foreign key constraint "pet_tags_tag_id_fkey" on table "pet_tags"'
        == used.json["message"]
    )


async def test_a_stranger_must_sign_in_and_a_known_caller_is_forbidden(shop: Shop) -> None:
    words = 'new row violates row-level security policy for table "pets"'
    for who, status in (("anon", 401), ("ann", 403)):
        reply = await shop("POST", "pets", {"name": "x", "owner_id": BOB}, who=who)
        assert (status, "42501", words) == (reply.status, reply.code, reply.json["message"])
    assert await unchanged(shop)


async def test_an_update_touches_only_rows_that_filter_and_policy_choose(shop: Shop) -> None:
    reply = await shop("PATCH", "pets?id=in.(1,2,3)&select=id,mood", {"mood": "wild"}, who="bob", headers=REPRESENTATION)
    assert (200, [{"id": 2, "mood": "wild"}], "0-0/*") == (reply.status, reply.json, reply.range)
    assert ["calm", "wild", "playful", None] == [row["mood"] for row in await shop.rows("pets")]
    silent = await shop("PATCH", "pets?id=eq.1", {"mood": None}, who="ann", headers={"Prefer": "count=exact"})
    assert (204, b"", "0-0/1") == (silent.status, silent.body, silent.range)
    nobody = await shop("PATCH", "pets?id=eq.1", {"mood": "calm"}, who="anon", headers=REPRESENTATION)
    assert (200, [], "*/*") == (nobody.status, nobody.json, nobody.range)


async def test_old_values_decide_about_an_update(shop: Shop) -> None:
    assert 204 == (await shop("PATCH", "pets?id=eq.1", {"price": 13}, who="ann")).status
    cheaper = await shop("PATCH", "pets?id=eq.1", {"price": 12}, who="ann")
    assert (403, "42501") == (cheaper.status, cheaper.code)
    assert 13 == (await shop.rows("pets"))[0]["price"]


async def test_a_write_without_a_filter_is_refused(shop: Shop) -> None:
    for method, word in (("PATCH", "UPDATE"), ("DELETE", "DELETE")):
        reply = await shop(method, "pets", {"mood": "calm"}, who="service")
        assert (400, "21000", f"{word} requires a WHERE clause") == (reply.status, reply.code, reply.json["message"])
    assert await unchanged(shop)


async def test_an_empty_update_changes_nothing(shop: Shop) -> None:
    reply = await shop("PATCH", "pets?id=eq.1", {}, who="ann", headers=REPRESENTATION)
    assert (200, []) == (reply.status, reply.json)


async def test_deleted_rows_can_be_shown_with_what_belonged_to_them(shop: Shop) -> None:
    await shop("DELETE", "pet_tags?pet_id=eq.1", who="service")
    reply = await shop(
        "DELETE", "pets?id=in.(1,2)&select=id,people(name)", who="ann", headers={"Prefer": "return=representation,count=exact"}
    )
    assert (200, [{"id": 1, "people": {"name": "Ann"}}], "*/1") == (reply.status, reply.json, reply.range)
    assert [2, 3, 4] == [row["id"] for row in await shop.rows("pets")]
    silent = await shop("DELETE", "pets?id=eq.3", who="ann")
    assert (204, b"", "*/*") == (silent.status, silent.body, silent.range)


async def test_one_object_or_nothing_is_written(shop: Shop) -> None:
    headers = {**REPRESENTATION, **OBJECT}
    one = await shop("PATCH", "pets?id=eq.1&select=id", {"mood": "wild"}, who="ann", headers=headers)
    assert (200, {"id": 1}) == (one.status, one.json)
    many = await shop("PATCH", "pets?id=in.(2,4)", {"mood": "calm"}, who="bob", headers=headers)
    assert (406, "PGRST116", "The result contains 2 rows") == (many.status, many.code, many.json["details"])
    none = await shop("DELETE", "pets?id=eq.99", who="bob", headers=headers)
    assert (406, "The result contains 0 rows") == (none.status, none.json["details"])
    assert ["wild", "wild", "playful", None] == [row["mood"] for row in await shop.rows("pets")]


async def test_an_upsert_merges_or_ignores_what_is_there(shop: Shop) -> None:
    rows = [{"id": 1, "name": "Rex II", "price": 20}, {"id": 50, "name": "New", "price": 1}]
    merged = await shop(
        "POST", "pets?select=id,name", rows, who="ann", headers={"Prefer": "return=representation,resolution=merge-duplicates"}
    )
    assert (201, [{"id": 1, "name": "Rex II"}, {"id": 50, "name": "New"}]) == (merged.status, merged.json)
    again = await shop("POST", "pets", rows, who="ann", headers={"Prefer": "resolution=merge-duplicates"})
    assert 200 == again.status, "nothing new was inserted"
    rows = [{"id": 1, "name": "no"}, {"id": 51, "name": "Newer"}]
    ignored = await shop(
        "POST", "pets?select=id,name", rows, who="ann", headers={"Prefer": "return=representation,resolution=ignore-duplicates"}
    )
    assert (201, [{"id": 51, "name": "Newer"}]) == (ignored.status, ignored.json)
    assert "Rex II" == (await shop.rows("pets"))[0]["name"]


async def test_an_upsert_resolves_on_a_named_unique_set(shop: Shop) -> None:
    headers = {"Prefer": "resolution=merge-duplicates,return=representation"}
    reply = await shop(
        "POST", "pets?on_conflict=chip&select=id,name", {"chip": "C1", "name": "By chip", "price": 99}, who="ann", headers=headers
    )
    assert (200, [{"id": 1, "name": "By chip"}]) == (reply.status, reply.json)
    unknown = await shop("POST", "pets?on_conflict=name", {"name": "x"}, who="ann", headers=headers)
    assert (400, "42P10") == (unknown.status, unknown.code)


async def test_an_upsert_cannot_take_what_is_another_persons(shop: Shop) -> None:
    headers = {"Prefer": "resolution=merge-duplicates"}
    reply = await shop("POST", "pets", {"id": 2, "name": "Mine now", "price": 100, "owner_id": ANN}, who="ann", headers=headers)
    assert (403, "42501") == (reply.status, reply.code)
    assert await unchanged(shop)


async def test_put_is_an_upsert_of_the_row_that_the_filter_names(shop: Shop) -> None:
    assert 201 == (await shop("PUT", "pets?id=eq.60", {"id": 60, "name": "Put"}, who="service")).status
    shown = await shop("PUT", "pets?id=eq.60&select=name", {"id": 60, "name": "Again"}, who="service", headers=REPRESENTATION)
    assert (200, [{"name": "Again"}]) == (shown.status, shown.json)
    assert (405, "PGRST105") == ((r := await shop("PUT", "pets?name=eq.x", {"id": 1, "name": "x"}, who="service")).status, r.code)
    assert (400, "PGRST115") == ((r := await shop("PUT", "pets?id=eq.1", {"id": 2, "name": "x"}, who="service")).status, r.code)
    assert (400, "PGRST114") == ((r := await shop("PUT", "pets?id=eq.1&limit=1", {"id": 1, "name": "x"}, who="service")).status, r.code)


async def test_limits_and_wishes_that_roll_a_write_back(shop: Shop) -> None:
    strict = {"Prefer": "handling=strict,max-affected=1"}
    reply = await shop("PATCH", "pets?id=in.(1,3)", {"mood": "calm"}, who="service", headers=strict)
    assert (400, "PGRST124", "The query affects 2 rows") == (reply.status, reply.code, reply.json["details"])
    undone = await shop("DELETE", "pets?id=eq.3&select=id", who="service", headers={"Prefer": "tx=rollback,return=representation"})
    assert (200, [{"id": 3}]) == (undone.status, undone.json)
    unknown = await shop("PATCH", "pets?id=eq.1", {"mood": "calm"}, who="service", headers={"Prefer": "handling=strict,foo=bar"})
    assert (400, "PGRST122") == (unknown.status, unknown.code)
    assert ["calm", "wild", "playful", None] == [row["mood"] for row in await shop.rows("pets")]


async def test_a_body_beyond_the_limit_is_refused_before_it_is_read(shop: Shop) -> None:
    reply = await shop("POST", "pets", b'{"name": "' + b"x" * (11 << 20) + b'"}', who="ann")
    assert (413, "BK413") == (reply.status, reply.code)
    assert await unchanged(shop)


async def test_a_hook_may_change_or_refuse_a_write(shop: Shop) -> None:
    async def hook(write: Write) -> Write:
        if any(row.get("name") == "bad" for row in write.rows):
            raise BaasError("no bad pets")
        return replace(write, rows=[{**row, "name": row["name"].title(), "cost": 3} for row in write.rows])

    shop.kit.hooks.before_write.add(hook)
    assert 201 == (await shop("POST", "pets", {"name": "kim"}, who="ann")).status
    new = (await shop.rows("pets"))[-1]
    assert ("Kim", 3, ANN) == (new["name"], new["cost"], new["owner_id"])
    assert "no bad pets" == (await shop("POST", "pets", {"name": "bad"}, who="ann")).json["message"]
    assert 5 == len(await shop.rows("pets"))


async def test_a_batch_happens_as_a_whole(shop: Shop) -> None:
    operations = [
        {"method": "POST", "path": "orders?select=pet_id,status", "body": {"pet_id": 1}, "prefer": "return=representation", "expect": 1},
        {"method": "PATCH", "path": "pets?id=eq.1&price=eq.12.5", "body": {"price": 14}, "expect": 1},
        {"method": "GET", "path": "pets?select=price&id=eq.1"},
        {"method": "DELETE", "path": "orders?pet_id=eq.1"},
    ]
    reply = await shop("POST", "batch", {"operations": operations}, who="ann")
    assert 200 == reply.status, reply.json
    assert [201, 204, 200, 204] == [result["status"] for result in reply.json["results"]]
    assert [[{"pet_id": 1, "status": "cart"}], None, [{"price": 14.0}], None] == [result["body"] for result in reply.json["results"]]


async def test_a_batch_that_misses_what_it_expects_leaves_nothing(shop: Shop) -> None:
    insert = {"method": "POST", "path": "orders", "body": {"pet_id": 1}}
    missed = await shop(
        "POST",
        "batch",
        {"operations": [insert, {"method": "PATCH", "path": "pets?id=eq.1&price=eq.1", "body": {"price": 2}, "expect": 1}]},
        who="ann",
    )
    assert (409, "BK409", {"index": 1, "expected": 1, "affected": 0}) == (missed.status, missed.code, missed.json["details"])
    broken = await shop("POST", "batch", {"operations": [insert, {"method": "POST", "path": "pets", "body": {"name": None}}]}, who="ann")
    assert (400, "23502", "operation 1") == (broken.status, broken.code, broken.json["hint"])
    foreign = await shop(
        "POST", "batch", {"operations": [insert, {"method": "POST", "path": "pets", "body": {"name": "x", "owner_id": BOB}}]}, who="ann"
    )
    assert (403, "42501") == (foreign.status, foreign.code)
    many = await shop("POST", "batch", {"operations": [insert] * 101}, who="ann")
    assert (400, "BK400") == (many.status, many.code)
    assert (400, "PGRST102") == ((r := await shop("POST", "batch", {"operations": [{"path": "x"}]}, who="ann")).status, r.code)
    assert [] == await shop.rows("orders")


async def test_a_body_that_breaks_off_writes_nothing(shop: Shop) -> None:
    """A form cut in the middle would still read as a form."""
    messages = [
        {"type": "http.request", "body": b"name=Kim&owner_id=" + ANN.encode() + b"&pri", "more_body": True},
        {"type": "http.disconnect"},
    ]
    sent: list[Any] = []

    async def receive() -> Any:
        return messages.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"content-type", b"application/x-www-form-urlencoded"), (b"authorization", f"Bearer {shop.tokens['ann']}".encode())]
    await shop.rest({"type": "http", "method": "POST", "path": "/rest/v1/pets", "query_string": b"", "headers": headers}, receive, send)
    assert 400 == sent[0]["status"]
    assert await unchanged(shop)
