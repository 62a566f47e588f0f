"""Who may use the tools, and what an ordinary client learns of a refusal: an id that only the log explains."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from sqlalchemy import insert, select

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


async def audited(shop: Shop) -> list[tuple[str, str, str]]:
    t = shop.kit.database.tables.audit
    return [(row["actor"], row["action"], row["target"]) for row in await shop.kit.database.query(select(t))]


async def test_a_write_in_anothers_name_is_audited_whatever_becomes_of_it(shop: Shop) -> None:
    for who, method, path, body in ((ANN, "PATCH", "pets?id=eq.1", {"price": 50}), ("anon", "POST", "vault", {"id": 9})):
        await shop(method, path, body, who="service", headers={"X-Baaskit-As": who})
    later = int(time.time()) + 60
    admin = shop.kit.keys.sign({"role": "service_role", "admin": {"id": "someone", "role": "developer"}, "exp": later})
    await shop("DELETE", "pets?id=eq.3", who=admin, headers={"X-Baaskit-As": BOB})
    assert sorted(await audited(shop)) == [
        ("service key", "request.as", "PATCH pets"), ("service key", "request.as", "POST vault"), ("someone", "request.as", "DELETE pets"),
    ]  # fmt: skip


async def test_looking_trying_and_explaining_are_not_audited_since_they_change_nothing(shop: Shop) -> None:
    for headers in ({}, {"X-Baaskit-Try": "1"}, {"X-Baaskit-Explain": "1"}):
        await shop("GET", "pets", who="service", headers={"X-Baaskit-As": ANN, **headers})
        if headers:
            await shop("PATCH", "pets?id=eq.1", {"price": 50}, who="service", headers={"X-Baaskit-As": ANN, **headers})
    assert await audited(shop) == []


async def test_both_tools_at_once_write_nothing(shop: Shop) -> None:
    reply = await shop(
        "DELETE", "pets?id=eq.3", who="service", headers={"X-Baaskit-As": ANN, "X-Baaskit-Try": "1", "X-Baaskit-Explain": "1"}
    )
    assert reply.json["decision"] == "allowed"
    assert len(await shop.rows("pets")) == 4


async def test_a_principal_has_the_rights_of_its_role_whatever_else_its_claims_say(shop: Shop) -> None:
    """Claims given as JSON reach policies as claims: none of them lifts the caller out of its role."""
    claims = orjson.dumps(
        {
            "role": "authenticated",
            "sub": BOB,
            "admin": {"id": "x", "role": "owner"},
            "service_role": True,
            "iss": "baaskit",
            "aud": "baaskit:console",
        }
    ).decode()
    for headers in ({}, {"X-Baaskit-Explain": "1"}):
        reply = await shop("GET", "vault", who="service", headers={"X-Baaskit-As": claims, **headers})
        assert reply.json == [] if not headers else (reply.json["decision"], reply.json["rows"]["visible"]) == ("denied", 0)


async def test_a_user_is_found_by_address_with_the_claims_of_its_tokens(shop: Shop) -> None:
    t = shop.kit.database.tables.users
    await shop.kit.database.execute(insert(t).values(id=BOB, email="bob@example.com", raw_app_meta_data={"plan": "pro"}))
    reply = await shop("GET", "pets?id=eq.4", who="service", headers={"X-Baaskit-As": "Bob@Example.com", "X-Baaskit-Explain": "1"})
    assert (reply.json["decision"], reply.json["as"]["uid"]) == ("allowed", BOB)
    assert reply.json["as"]["claims"]["app_metadata"] == {"plan": "pro"}
    missing = await shop("GET", "pets", who="service", headers={"X-Baaskit-As": "eve@example.com"})
    assert (missing.status, missing.code) == (400, "BK414")


async def test_a_refusal_does_not_tell_the_client_what_an_explanation_would(shop: Shop) -> None:
    reply = await shop("PATCH", "pets?id=eq.1", {"price": 1}, who="ann", headers={"X-Baaskit-Explain": "1"})
    assert set(reply.json) == {"code", "details", "hint", "message"}
    for secret in (b"old.price", b"prices only rise", b"12.5", b"owner_id"):
        assert secret not in reply.body
