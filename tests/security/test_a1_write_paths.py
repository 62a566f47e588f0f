"""A1: every way to write enforces the same rule: operation × path × principal, on both databases."""

from __future__ import annotations

from typing import Any

import pytest

from tests.shop import ANN, BOB, Shop

pytestmark = pytest.mark.anyio

MERGE = {"Prefer": "resolution=merge-duplicates"}


def _batch(method: str, path: str, body: Any = None) -> tuple[str, str, Any, dict[str, str]]:
    operation = {"method": method, "path": path} | ({"body": body} if body is not None else {})
    return "POST", "batch", {"operations": [operation]}, {}


def insert_paths(row: dict[str, Any]) -> dict[str, tuple[str, str, Any, dict[str, str]]]:
    return {
        "single": ("POST", "pets", row, {}),
        "shown": ("POST", "pets?select=id", row, {"Prefer": "return=representation"}),
        "bulk": ("POST", "pets", [{"owner_id": row["owner_id"], "name": "first", "id": 70}, row], {}),
        "columns": ("POST", "pets?columns=id,owner_id,name", [row], {}),
        "upsert": ("POST", "pets", row, MERGE),
        "ignore": ("POST", "pets", row, {"Prefer": "resolution=ignore-duplicates"}),
        "put": ("PUT", f"pets?id=eq.{row['id']}", row, {}),
        "batch": _batch("POST", "pets", row),
    }


def change_paths(pet: int, body: dict[str, Any]) -> dict[str, tuple[str, str, Any, dict[str, str]]]:
    return {
        "by key": ("PATCH", f"pets?id=eq.{pet}", body, {}),
        "shown": ("PATCH", f"pets?id=eq.{pet}", body, {"Prefer": "return=representation"}),
        "by or": ("PATCH", f"pets?or=(id.eq.{pet},id.eq.999)", body, {}),
        "not where": ("PATCH", "pets?id=neq.999", body, {}),
        "upsert": ("POST", "pets", {"id": pet, "name": "taken", **body}, MERGE),
        "put": ("PUT", f"pets?id=eq.{pet}", {"id": pet, "name": "taken", **body}, {}),
        "batch": _batch("PATCH", f"pets?id=eq.{pet}", body),
    }


@pytest.mark.parametrize("who", ["anon", "ann"])
async def test_nobody_inserts_a_row_for_somebody_else(shop: Shop, who: str) -> None:
    before = await shop.rows("pets")
    for path, (method, address, body, headers) in insert_paths({"id": 71, "owner_id": BOB, "name": "forged"}).items():
        reply = await shop(method, address, body, who=who, headers=headers)
        assert (path, 401 if who == "anon" else 403, "42501") == (path, reply.status, reply.code)
    assert before == await shop.rows("pets")


async def test_a_person_inserts_for_himself_by_every_path(shop: Shop) -> None:
    for path, (method, address, body, headers) in insert_paths({"id": 71, "owner_id": ANN, "name": "own"}).items():
        reply = await shop(method, address, body, who="ann", headers=headers)
        assert (path, True) == (path, reply.status in (200, 201)), reply.body
        await shop("DELETE", "pets?id=in.(70,71)", who="service")


@pytest.mark.parametrize("who", ["anon", "ann"])
async def test_nobody_changes_a_row_of_somebody_else(shop: Shop, who: str) -> None:
    """Pet 2 is Bob's and visible; pet 4 is Bob's and hidden."""
    before = [row for row in await shop.rows("pets") if row["owner_id"] == BOB]
    for pet in (2, 4):
        for method, address, body, headers in change_paths(pet, {"mood": "calm", "price": 1000}).values():
            await shop(method, address, body, who=who, headers=headers)
    for address in ("pets?id=eq.2", "pets?id=in.(2,4)", "pets?name=like.*"):
        await shop("DELETE", address, who="eve")
        await shop("POST", "batch", {"operations": [{"method": "DELETE", "path": address}]}, who="eve")
    assert before == [row for row in await shop.rows("pets") if row["owner_id"] == BOB]


async def test_defaults_filled_in_by_the_server_cannot_pass_a_row_to_another(shop: Shop) -> None:
    """An upsert without `owner_id` meets Bob's row: the caller's default must not make it hers."""
    reply = await shop("POST", "pets", {"id": 2, "name": "mine?"}, who="ann", headers=MERGE)
    assert (403, "42501") == (reply.status, reply.code)
    assert BOB == (await shop.rows("pets"))[1]["owner_id"]
    await shop("POST", "pets", {"id": 2, "name": "kept"}, who="service", headers=MERGE)
    assert (BOB, "kept") == ((await shop.rows("pets"))[1]["owner_id"], (await shop.rows("pets"))[1]["name"])
