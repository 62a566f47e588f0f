"""PostgreSQL's own functions at `/rest/v1/rpc`: which one is meant, what it returns, and what can be asked of the result."""

from __future__ import annotations

from typing import Any

import pytest

from tests.shop import ANN, Shop

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


CALLS: list[tuple[str, str, Any, int, Any]] = [
    ("POST", "rpc/add", {"a": 1}, 200, 11),
    ("POST", "rpc/add", {"a": 1, "b": 2}, 200, 3),
    ("POST", "rpc/add", {"a": 1, "b": None}, 200, None),
    ("GET", "rpc/add?a=1&b=2", None, 200, 3),
    ("GET", "rpc/shout?word=it's \"x\"; --", None, 200, "IT'S \"X\"; --"),
    ("POST", "rpc/nothing", {}, 204, None),
    ("POST", "rpc/nothing", None, 204, None),
    ("GET", "rpc/no_number", None, 200, None),
    ("GET", "rpc/doc", None, 200, {"a": [1, 2], "b": None}),
    ("GET", "rpc/numbers?up_to=3", None, 200, [1, 2, 3]),
    ("GET", "rpc/numbers?up_to=5&numbers=gt.1&order=numbers.desc&limit=2&offset=1", None, 200, [4, 3]),
    ("GET", "rpc/numbers?up_to=5&select=numbers.sum()", None, 200, [{"sum": 15}]),
    ("GET", "rpc/box?side=2", None, 200, {"width": 2, "height": 2}),
    ("GET", "rpc/box?side=2&select=w:width", None, 200, {"w": 2}),
    ("GET", "rpc/boxes?width=gte.2&select=height", None, 200, [{"height": 4}, {"height": 6}]),
    ("GET", "rpc/cheapest?most=50&order=price.desc", None, 200, [{"pet": "Rex", "price": 12.5}, {"pet": "Tom", "price": 7}]),
    ("GET", "rpc/cheapest?most=50&or=(pet.eq.Tom,price.is.null)&select=pet", None, 200, [{"pet": "Tom"}]),
    ("GET", "rpc/divided?a=7&b=2", None, 200, {"quotient": 3, "rest": 1}),
    ("GET", "rpc/one_out?a=7", None, 200, {"b": 8}),
    ("POST", "rpc/total", {"amounts": [1, 2, 3]}, 200, 6),
    ("GET", "rpc/total?amounts=1&amounts=2", None, 200, 3),
    ("GET", "rpc/sum_of?amounts={1,2}", None, 200, 3),
    ("POST", "rpc/sum_of", {"amounts": [1, 2]}, 200, 3),
    ("GET", "rpc/moods", None, 200, "calm"),
    ("GET", "rpc/moods?wanted=wild", None, 200, "wild"),
    ("POST", "rpc/whole", [1, {"x": None}], 200, [1, {"x": None}]),
    ("POST", "rpc/whole", {"any": "thing"}, 200, {"any": "thing"}),
    ("POST", "rpc/named_json", {"doc": {"a": 5}}, 200, 5),
    ("GET", "rpc/over?a=1", None, 200, "one"),
    ("GET", "rpc/over?a=1&b=2", None, 200, "two"),
    ("GET", "rpc/all_pets?select=id,people(name),tags(label)&order=id.desc&tags.order=label", None, 200,
     [{"id": 2, "people": {"name": "Bob"}, "tags": [{"label": "furry"}]},
      {"id": 1, "people": {"name": "Ann"}, "tags": [{"label": "furry"}, {"label": "loud"}]}]),
    ("GET", "rpc/all_pets?select=id&people.name=eq.Ann&select=id,people!inner(name)", None, 200, [{"id": 1, "people": {"name": "Ann"}}]),
    ("GET", "rpc/all_pets?select=count()", None, 200, [{"count": 2}]),
    ("GET", "rpc/pet?number=1&select=name", None, 200, {"name": "Rex"}),
    ("GET", "rpc/who", None, 200, [{"uid": None, "role": "anon", "email": None, "claim": None}]),
    ("GET", 'rpc/odd%3A%20%22name%22%20%241?a b=1&c:d=%24x', None, 200, [{"x:y": "$x", 'q"u': 1}]),
    ("POST", 'rpc/odd%3A%20%22name%22%20%241?"q\\"u"=eq.1', {"a b": 1, "c:d": ":z"}, 200, [{"x:y": ":z", 'q"u': 1}]),
    ("GET", "rpc/moods?wanted=wrong", None, 400, "22P02"),
    ("POST", "rpc/add", {"a": "x"}, 400, "22P02"),
    ("POST", "rpc/add", {"a": "\x00"}, 400, "22P05"),
    ("POST", "rpc/add", {"b": 1}, 404, "PGRST202"),
    ("POST", "rpc/add", {"a": 1, "c": 1}, 404, "PGRST202"),
    ("POST", "rpc/add", [{"a": 1}], 404, "PGRST202"),
    ("POST", "rpc/add?columns=a", {"a": 1, "c": 1}, 200, 11),
    ("POST", "rpc/add", b"{", 400, "PGRST102"),
    ("POST", "rpc/add?a=1", {}, 400, "PGRST100"),
    ("GET", "rpc/same?a=1", None, 300, "PGRST203"),
    ("GET", "rpc/dynamic?cols=a", None, 404, "PGRST202"),
    ("POST", "rpc/on_change", {}, 404, "PGRST202"),
    ("GET", "rpc/fails?state=P0001", None, 400, "P0001"),
    ("GET", "rpc/fails?state=PT418", None, 418, "PT418"),
    ("GET", "rpc/boxes?select=depth", None, 400, "42703"),
    ("GET", "rpc/boxes?select=people(*)", None, 400, "PGRST200"),
    ("GET", "rpc/boxes?people.name=eq.x", None, 400, "PGRST108"),
    ("DELETE", "rpc/add", None, 405, "PGRST117"),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path", "body", "status", "expected"), CALLS, ids=[f"{c[0]} {n}" for n, c in enumerate(CALLS)])
async def test_calls(shop: Shop, method: str, path: str, body: Any, status: int, expected: Any) -> None:
    reply = await shop(method, path, body)
    assert reply.status == status, reply.body
    if status >= 300:
        assert set(reply.json) == {"code", "message", "details", "hint"}
        assert reply.code == expected
    else:
        assert reply.json == expected


FORMS: list[tuple[str, str, dict[str, str], int, str, bytes]] = [
    ("GET", "rpc/numbers?up_to=5&limit=2", {"Prefer": "count=exact"}, 206, "0-1/5", b"[1,2]"),
    ("GET", "rpc/numbers?up_to=5&offset=5", {"Prefer": "count=estimated"}, 206, "*/5", b"[]"),
    ("GET", "rpc/numbers?up_to=5&offset=9", {"Prefer": "count=exact"}, 416, "", b"PGRST103"),
    ("GET", "rpc/numbers?up_to=5", {"Range": "1-2"}, 200, "1-2/*", b"[2,3]"),
    ("GET", "rpc/all_pets?select=id", {"Prefer": "count=exact"}, 200, "0-1/2", b'[{"id":1}, {"id":2}]'.replace(b", ", b",")),
    ("GET", "rpc/add?a=1", {}, 200, "0-0/*", b"11"),
    ("GET", "rpc/numbers?up_to=2", {"Accept": "text/csv"}, 200, "0-1/*", b"numbers\n1\n2"),
    ("GET", "rpc/boxes", {"Accept": "text/csv"}, 200, "0-2/*", b"width,height\n1,2\n2,4\n3,6"),
    ("GET", "rpc/box?side=1", {"Accept": "application/vnd.pgrst.object+json"}, 200, "0-0/*", b'{"width":1,"height":1}'),
    ("GET", "rpc/pet?number=4", {"Accept": "application/vnd.pgrst.object+json"}, 406, "", b"PGRST116"),
    ("GET", "rpc/boxes", {"Accept": "application/vnd.pgrst.object+json"}, 406, "", b"PGRST116"),
    ("GET", "rpc/doc", {"Accept": "application/vnd.pgrst.array+json;nulls=stripped"}, 200, "0-0/*", b'{"a":[1,2]}'),
    ("GET", "rpc/add?a=1", {"Prefer": "handling=strict,max-affected=1"}, 400, "", b"PGRST128"),
    ("GET", "rpc/numbers?up_to=3", {"Prefer": "handling=strict,max-affected=2"}, 400, "", b"PGRST124"),
    ("HEAD", "rpc/numbers?up_to=3", {"Prefer": "count=exact"}, 200, "0-2/3", b""),
    ("GET", "rpc/pick", {"Accept-Profile": "api"}, 200, "0-0/*", b'"api"'),
    ("GET", "rpc/bare", {"Accept-Profile": "api"}, 200, "0-0/*", b"5"),
    ("GET", "rpc/pick", {}, 404, "", b"PGRST202"),
    ("GET", "rpc/hidden", {"Accept-Profile": "private"}, 406, "", b"PGRST106"),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path", "headers", "status", "range_", "body"), FORMS, ids=[f"{c[1]} {n}" for n, c in enumerate(FORMS)])
async def test_forms(shop: Shop, method: str, path: str, headers: dict[str, str], status: int, range_: str, body: bytes) -> None:
    reply = await shop(method, path, headers=headers)
    assert (reply.status, reply.range) == (status, range_), reply.body
    assert body == reply.body if status < 400 else body in reply.body


BODIES: list[tuple[str, bytes, dict[str, str], int, bytes]] = [
    ("raw_text", b"plain", {"Content-Type": "text/plain"}, 200, b'"got plain"'),
    ("raw_text", b'"json"', {"Content-Type": "application/json"}, 404, b"PGRST202"),
    ("raw_text", b"\x00", {"Content-Type": "text/plain"}, 400, b"22021"),
    ("raw_bytes", b"\x00\xff\x01", {"Content-Type": "application/octet-stream"}, 200, b"3"),
    ("named_json", b'{"a": 7}', {"Prefer": "params=single-object"}, 200, b"7"),
    ("named_json", b'{"a": 7}', {}, 404, b"PGRST202"),
    ("add", b"a=1&b=2", {"Content-Type": "application/x-www-form-urlencoded"}, 200, b"3"),
    ("add", b"a=1&a=2", {"Content-Type": "application/x-www-form-urlencoded"}, 400, b"22023"),
    ("add", b"a\n1", {"Content-Type": "text/csv"}, 400, b"PGRST102"),
    ("whole", b"[[[", {}, 400, b"PGRST102"),
]


@pytest.mark.parametrize(("name", "body", "headers", "status", "expected"), BODIES, ids=[f"{c[0]} {n}" for n, c in enumerate(BODIES)])
async def test_bodies(shop: Shop, name: str, body: bytes, headers: dict[str, str], status: int, expected: bytes) -> None:
    reply = await shop("POST", f"rpc/{name}", body, headers=headers)
    assert reply.status == status, reply.body
    assert expected == reply.body if status < 400 else expected in reply.body


async def test_auth_uid_is_the_callers_inside_a_function(shop: Shop) -> None:
    [row] = (await shop("GET", "rpc/who", who="ann")).json
    assert row == {"uid": ANN, "role": "authenticated", "email": None, "claim": ANN}
    reply = await shop("GET", "rpc/all_pets?select=id&order=id", who="ann")
    assert [row["id"] for row in reply.json] == [1, 2, 3]
    assert [row["id"] for row in (await shop("GET", "rpc/all_pets?select=id", who="service")).json] == [1, 2, 3, 4]


async def test_a_write_is_kept_unless_it_is_a_trial_or_its_answer_is_refused(shop: Shop) -> None:
    tags = await shop.rows("tags")
    undone = await shop("POST", "rpc/writes", {}, headers={"Prefer": "tx=rollback"})
    assert (undone.status, undone.json, undone.headers["preference-applied"]) == (200, 1, "tx=rollback")
    refused = await shop("POST", "rpc/writes", {}, headers={"Prefer": "handling=strict,max-affected=1"})
    assert refused.code == "PGRST128"
    unknown = await shop("POST", "rpc/writes?nope=eq.1", {})
    assert unknown.code == "42703"
    assert await shop.rows("tags") == tags
    assert (await shop("POST", "rpc/writes", {})).json == 1
    assert [row["id"] for row in await shop.rows("tags")] == [1, 2, 998]
    assert (await shop("POST", "rpc/writes", {})).code == "23505"
    await shop.sql("delete from tags where id > 900")


async def test_a_call_with_an_idempotency_key_is_done_once(shop: Shop) -> None:
    key = {"Idempotency-Key": "k-1"}
    try:
        first, again = [await shop("POST", "rpc/writes", {}, who="ann", headers=key) for _ in range(2)]
        assert (first.status, again.status, first.json, again.json) == (200, 200, 1, 1)
        assert (first.headers.get("idempotency-replayed"), again.headers["idempotency-replayed"]) == (None, "true")
        assert (await shop("POST", "rpc/writes?limit=1", {}, who="ann", headers=key)).code == "BK416"
        assert (await shop("POST", "rpc/writes", {}, who="bob", headers=key)).code == "23505"
        assert len(await shop.rows("tags")) == 3
        assert (await shop("POST", "rpc/add", {"a": 1}, headers=key)).json == 11  # it only reads: nothing is kept
        assert (await shop("POST", "rpc/add", {"a": 2}, headers=key)).json == 12
    finally:
        await shop.sql("delete from tags where id > 900")


async def test_a_replaced_function_is_called_as_it_is_now(shop: Shop) -> None:
    assert (await shop("GET", "rpc/shout?word=a")).json == "A"
    try:
        await shop.sql("drop function shout(text)")
        await shop.sql("create function shout(word text) returns setof text language sql stable as 'select word || generate_series(1, 2)'")
        assert (await shop("GET", "rpc/shout?word=a")).json == ["a1", "a2"]
        await shop.sql("create or replace function shout(word text) returns setof text language sql stable as 'select upper(word)'")
        assert (await shop("GET", "rpc/shout?word=a")).json == ["A"]
        await shop.sql("drop function shout(text)")
        assert (await shop("GET", "rpc/shout?word=a")).code == "PGRST202"
    finally:
        await shop.sql("drop function if exists shout(text)")
        await shop.sql("create function shout(word text) returns text language sql immutable as 'select upper(word)'")
        await shop.kit.database.refresh()


async def test_functions_are_described_to_those_who_may_call_them(shop: Shop) -> None:
    anon = (await shop("GET", "")).json["paths"]
    assert set(anon["/rpc/add"]) == {"get", "post"}
    assert anon["/rpc/add"]["get"]["summary"] == "Adds two numbers"
    listed = {p["name"]: (p["type"], p["required"]) for p in anon["/rpc/add"]["get"]["parameters"] if p.get("in") == "query"}
    assert listed == {"a": ("integer", True), "b": ("integer", False)}
    assert set(anon["/rpc/writes"]) == {"post"}
    assert not {"/rpc/secret", "/rpc/hidden", "/rpc/pick"} & set(anon)
    assert "/rpc/secret" in (await shop("GET", "", who="ann")).json["paths"]
    assert "/rpc/pick" in (await shop("GET", "", headers={"Accept-Profile": "api"})).json["paths"]
