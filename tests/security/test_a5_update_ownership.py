"""A5: an update needs the row to be the caller's before and after: owners do not give rows away, nor take them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.shop import ANN, BOB, Shop

pytestmark = pytest.mark.anyio

# (who, filter, change) → (status, code or rows shown)
CASES: list[tuple[str, str, dict[str, Any], int, Any]] = [
    ("ann", "id=eq.1", {"owner_id": BOB}, 403, "42501"),
    ("ann", "id=eq.1", {"owner_id": None}, 403, "42501"),
    ("ann", "id=eq.2", {"owner_id": ANN}, 200, []),
    ("ann", "id=eq.4", {"owner_id": ANN}, 200, []),
    ("anon", "id=eq.1", {"owner_id": ANN}, 200, []),
    ("ann", "id=in.(1,3)", {"owner_id": BOB, "name": "both"}, 403, "42501"),
    ("ann", "id=eq.1", {"owner_id": ANN}, 200, [{"id": 1}]),
    ("service", "id=eq.1", {"owner_id": BOB}, 200, [{"id": 1}]),
]


async def test_change_of_owner(shop: Shop) -> None:
    for who, chosen, change, status, expected in CASES:
        before = await shop.rows("pets")
        reply = await shop("PATCH", f"pets?select=id&{chosen}", change, who=who, headers={"Prefer": "return=representation"})
        got = reply.json if reply.status == 200 else reply.code
        assert (who, chosen, status, expected) == (who, chosen, reply.status, got)
        if who != "service":
            assert before == await shop.rows("pets")


async def test_one_refused_row_undoes_all_of_the_update(shop: Shop) -> None:
    """Prices only rise: for pet 1 (12.5) the new price is too low, for pet 3 (none) it would do."""
    reply = await shop("PATCH", "pets?id=in.(1,3)", {"price": 10}, who="ann")
    assert (403, "42501") == (reply.status, reply.code)
    assert [12.5, None] == [row["price"] for row in await shop.rows("pets") if row["owner_id"] == ANN]
