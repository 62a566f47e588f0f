"""A14: no error tells a value of a hidden row or column; a hidden row and a missing row answer alike."""

from __future__ import annotations

import pytest

from tests.shop import BOB, Shop

pytestmark = pytest.mark.anyio

SECRETS = (b"rex_2%", b"C4", b"99.99", b"bob-secret", BOB.encode())


async def test_a_hidden_row_and_a_missing_row_answer_alike(shop: Shop) -> None:
    single = {"Accept": "application/vnd.pgrst.object+json"}
    shown = {"Prefer": "return=representation"}
    for method, body, headers in (
        ("GET", None, {}), ("GET", None, single), ("GET", None, {"Prefer": "count=exact"}), ("HEAD", None, {"Prefer": "count=exact"}),
        ("PATCH", {"mood": "calm"}, {}), ("PATCH", {"mood": "calm"}, shown), ("PATCH", {"mood": "calm"}, {**shown, **single}),
        ("DELETE", None, {}), ("DELETE", None, shown), ("DELETE", None, {"Prefer": "count=exact"}),
    ):  # fmt: skip
        hidden = await shop(method, "pets?id=eq.4", body, who="ann", headers=headers)
        missing = await shop(method, "pets?id=eq.404", body, who="ann", headers=headers)
        for reply, number in ((hidden, 4), (missing, 404)):  # the one difference is the caller's own address, given back
            assert f"/pets?id=eq.{number}" == reply.headers.pop("content-location", f"/pets?id=eq.{number}")
        assert (method, headers, missing) == (method, headers, hidden)
    assert 4 == len(await shop.rows("pets"))


async def test_violations_of_hidden_rows_keep_their_values(shop: Shop) -> None:
    replies = [
        await shop("POST", "pets", {"id": 4, "name": "x"}, who="ann"),
        await shop("POST", "pets", {"name": "x", "chip": "C4"}, who="ann"),
        await shop("PATCH", "pets?id=eq.1", {"chip": "C4"}, who="ann"),
        await shop("POST", "pets", {"id": 4, "name": "x"}, who="ann", headers={"Prefer": "resolution=merge-duplicates"}),
        await shop(
            "POST", "pets?on_conflict=chip", {"chip": "C4", "name": "x"}, who="ann", headers={"Prefer": "resolution=merge-duplicates"}
        ),
        await shop("POST", "pets", {"name": "x", "price": -5}, who="ann"),
        await shop("POST", "pets", {"name": None}, who="ann"),
    ]
    for reply in replies:
        assert reply.status in (400, 403, 409)
        assert [] == [secret for secret in SECRETS if secret in reply.body]
        assert reply.json["details"] is None


async def test_an_error_inside_the_database_does_not_tell_of_rows_behind_a_policy(shop: Shop) -> None:
    """A cast that fails on a hidden row's value must not be reached: the policy filters first, or nothing of the value is told."""
    reply = await shop("GET", "pets?select=id,name::integer", who="anon")
    assert [] == [secret for secret in SECRETS if secret in reply.body]
