"""A17: one request can cost only so much: length, depth, number, list size, embeds, page, batch, body."""

from __future__ import annotations

import time

import pytest

from tests.shop import Shop

pytestmark = pytest.mark.anyio


def _nested(depth: int) -> str:
    return "or=" + "(and" * depth + "(id.eq.1)" + ")" * depth


TOO_MUCH = [
    "pets?" + _nested(40),
    "pets?or=(" + ",".join(["id.eq.1"] * 600) + ")",
    "pets?select=" + ",".join(f"a{n}:id" for n in range(600)),
    "pets?" + "&".join(f"id=eq.{n}" for n in range(400)),
    "pets?id=in.(" + ",".join(["1"] * 10_002) + ")",
    "pets?name=eq." + "x" * 70_000,
    "pets?select=" + "people(pets(" * 20 + "id" + "))" * 20,
    "pets?select=id," + ",".join(f"p{n}:people(name)" for n in range(40)),
    "pets?select=data" + "->a" * 60,
]


async def test_a_request_beyond_a_limit_is_refused_at_once(shop: Shop) -> None:
    for path in TOO_MUCH:
        begun = time.perf_counter()
        reply = await shop("GET", path, who="service")
        assert (path[:60], 400, "BK400") == (path[:60], reply.status, reply.code)
        assert time.perf_counter() - begun < 1
    assert 200 == (await shop("GET", "pets")).status


async def test_a_long_list_within_the_limit_is_one_parameter(shop: Shop) -> None:
    reply = await shop("GET", "pets?select=id&order=id&id=in.(" + ",".join(str(n) for n in range(5000)) + ")", who="service")
    assert [1, 2, 3, 4] == [row["id"] for row in reply.json]


async def test_deep_json_and_numbers_beyond_range_are_refused_and_the_server_lives(shop: Shop) -> None:
    deep = b'{"name": "x", "data": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    assert 400 == (await shop("POST", "pets", deep, who="ann")).status
    huge = b'{"name": "x", "cost": 1' + b"0" * 5000 + b"}"
    assert (await shop("POST", "pets", huge, who="service")).status == 400
    assert 4 == len(await shop.rows("pets"))


async def test_patterns_cannot_stall_the_server(shop: Shop) -> None:
    await shop("PATCH", "pets?id=eq.1", {"name": "a" * 2000}, who="service")
    begun = time.perf_counter()
    reply = await shop("GET", "pets?select=id&name=like." + "*a" * 30 + "b", who="service")
    assert reply.status in (200, 400, 500)
    assert time.perf_counter() - begun < 35
