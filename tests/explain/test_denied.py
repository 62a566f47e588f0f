"""Who may use the tools, and what an ordinary client learns of a refusal: an id that only the log explains."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from baaskit import observe
from tests.shop import ANN, BOB, Shop

pytestmark = pytest.mark.anyio

TOOLS = [
    {"X-Baaskit-As": BOB},
    {"X-Baaskit-As": '{"role":"service_role"}'},
    {"X-Baaskit-Explain": "1"},
    {"X-Baaskit-Try": "1"},
    {"X-Baaskit-As": "service_role", "X-Baaskit-Explain": "1", "X-Baaskit-Try": "1"},
    {"X-Baaskit-As": "nonsense"},
]


@pytest.fixture
def facts() -> Iterator[list[tuple[str, dict[str, Any]]]]:
    told: list[tuple[str, dict[str, Any]]] = []

    def reader(name: str, fields: dict[str, Any]) -> None:
        told.append((name, fields))

    observe.add_reader(reader)
    yield told
    observe._readers.remove(reader)


@pytest.mark.parametrize("headers", TOOLS)
@pytest.mark.parametrize("who", ["anon", "ann"])
async def test_the_headers_mean_nothing_from_an_ordinary_client(shop: Shop, who: str, headers: dict[str, str]) -> None:
    for method, path, body in (("GET", "pets?order=id", None), ("GET", "vault", None), ("POST", "pets", {"name": "X", "owner_id": BOB})):
        plain = await shop(method, path, body, who=who)
        dressed = await shop(method, path, body, who=who, headers=headers)
        assert (dressed.status, dressed.body) == (plain.status, plain.body)
        assert dressed.headers.keys() == plain.headers.keys()


@pytest.mark.parametrize("headers", TOOLS)
async def test_an_ordinary_write_is_kept_whatever_the_headers_say(shop: Shop, headers: dict[str, str]) -> None:
    reply = await shop("PATCH", "pets?id=eq.1", {"price": 30}, who="ann", headers=headers)
    assert reply.status == 204
    assert (await shop.rows("pets"))[0]["price"] == 30


@pytest.mark.parametrize("headers", TOOLS[:5])
async def test_a_viewer_of_the_console_cannot_use_them(shop: Shop, headers: dict[str, str]) -> None:
    later = int(time.time()) + 60
    viewer = shop.kit.keys.sign({"role": "service_role", "admin": {"id": "a", "role": "viewer"}, "exp": later})
    for method in ("GET", "DELETE"):
        reply = await shop(method, "pets?id=eq.3", who=viewer, headers=headers)
        assert (reply.status, reply.code) == (403, "42501")
    assert len(await shop.rows("pets")) == 4
    developer = shop.kit.keys.sign({"role": "service_role", "admin": {"id": "a", "role": "developer"}, "exp": later})
    assert (await shop("GET", "pets?id=eq.3", who=developer, headers=headers)).status == 200


async def test_a_refusal_has_an_id_that_the_log_explains(shop: Shop, facts: list[tuple[str, dict[str, Any]]]) -> None:
    reply = await shop("POST", "pets", {"name": "secret-name", "owner_id": BOB}, who="ann")
    assert reply.status == 403
    [(_, told)] = [entry for entry in facts if entry[0] == "policy.denied"]
    assert told == {
        "id": reply.headers["x-baaskit-decision"], "table": "pets", "command": "insert", "role": "authenticated", "uid": ANN, "code": "42501",
    }  # fmt: skip
    assert "secret-name" not in repr(facts)


async def test_ids_are_opaque_and_never_repeat(shop: Shop) -> None:
    ids = {(await shop("POST", "vault", {"id": 7}, who="anon")).headers["x-baaskit-decision"] for _ in range(3)}
    assert len(ids) == 3


async def test_what_is_not_refused_has_no_id(shop: Shop, facts: list[tuple[str, dict[str, Any]]]) -> None:
    for method, path in (("GET", "pets"), ("GET", "vault"), ("DELETE", "pets?id=eq.2"), ("GET", "nothing")):
        assert "x-baaskit-decision" not in (await shop(method, path, who="ann")).headers
    assert not [entry for entry in facts if entry[0] == "policy.denied"]


async def test_acting_as_another_is_told_to_the_log(shop: Shop, facts: list[tuple[str, dict[str, Any]]]) -> None:
    await shop("GET", "pets", who="service", headers={"X-Baaskit-As": ANN})
    assert ("request.impersonated", {"by": "service key", "role": "authenticated", "uid": ANN, "method": "GET", "name": "pets"}) in facts
