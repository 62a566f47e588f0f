"""Idempotency keys, on both databases: a write that is sent again is done once, and nobody gets another's answer."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from baaskit.kernel.hooks import Write
from tests.shop import ANN, POLICIES, Reply, Shop

pytestmark = pytest.mark.anyio

ROW = {"Prefer": "return=representation"}


async def send(
    shop: Shop, key: str, body: Any = None, *, method: str = "POST", path: str = "pets?select=id,name", who: str = "ann", **more: str
) -> Reply:
    return await shop(method, path, {"name": "Kim"} if body is None else body, who=who, headers={"Idempotency-Key": key, **ROW, **more})


async def kims(shop: Shop) -> int:
    return len([row for row in await shop.rows("pets") if row["name"] == "Kim"])


async def test_a_write_sent_again_is_done_once_and_answered_alike(shop: Shop) -> None:
    first, again = await send(shop, "k1"), await send(shop, '"k1"')  # the draft's quoted form is the same key
    assert (201, first.status, first.body) == (again.status, again.status, again.body)
    assert ("true", None) == (again.headers["idempotency-replayed"], first.headers.get("idempotency-replayed"))
    assert {k: v for k, v in again.headers.items() if k != "idempotency-replayed"} == first.headers
    assert 1 == await kims(shop)


async def test_every_verb_and_the_batch_have_keys(shop: Shop) -> None:
    await shop("POST", "pets", {"id": 50, "name": "Kim", "price": 1, "cost": 0}, who="service")
    batch = {"operations": [{"method": "POST", "path": "tags", "body": {"id": 70, "label": "x"}}]}
    cases: list[tuple[str, str, Any]] = [
        ("PATCH", "pets?id=eq.50&price=eq.1&select=id", {"price": 2}),  # sent again it would find nothing
        ("PUT", "tags?id=eq.60", {"id": 60, "label": "sixty"}),  # sent again it would be 200, not 201
        ("DELETE", "pets?id=eq.50&select=id", None),
        ("POST", "batch", batch),  # sent again it would be a conflict
    ]
    for method, path, body in cases:
        headers = {"Idempotency-Key": method + path, **ROW}
        first = await shop(method, path, body, who="service", headers=headers)
        again = await shop(method, path, body, who="service", headers=headers)
        assert first.status < 300, (method, first.json)
        assert (first.status, first.body) == (again.status, again.body), method
        assert "true" == again.headers["idempotency-replayed"]


async def test_a_key_of_another_request_is_refused_and_nothing_is_done(shop: Shop) -> None:
    await send(shop, "k1")
    for changed in (
        await send(shop, "k1", {"name": "Lou"}),
        await send(shop, "k1", path="pets?select=id"),
        await send(shop, "k1", Prefer="return=minimal"),
        await send(shop, "k1", {"name": "Kim"}, method="PATCH", path="pets?id=eq.1"),
    ):
        assert (422, "BK416") == (changed.status, changed.code)
    assert 1 == await kims(shop)
    assert 201 == (await send(shop, "k1", {"id": 9, "label": "x"}, path="tags", who="service")).status  # another address


async def test_a_refused_write_keeps_no_answer(shop: Shop) -> None:
    body = {"name": "Kim", "chip": "C1"}
    assert (409, "23505") == ((r := await send(shop, "k1", body)).status, r.code)
    await shop("PATCH", "pets?id=eq.1", {"chip": "C9"}, who="service")
    assert (201, None) == ((r := await send(shop, "k1", body)).status, r.headers.get("idempotency-replayed"))
    assert [] == [row for row in await answers(shop) if row[0] is None]


async def answers(shop: Shop) -> list[Any]:
    table = '"baaskit.idempotency"' if shop.dialect == "sqlite" else "baaskit.idempotency"
    return await shop.sql(f"select status from {table}")


async def test_a_trial_keeps_no_answer(shop: Shop) -> None:
    for _ in range(2):
        reply = await send(shop, "k1", Prefer="return=representation,tx=rollback")
        assert (201, None) == (reply.status, reply.headers.get("idempotency-replayed"))
    tried = await send(shop, "k1", who="service", **{"X-Baaskit-Try": "1", "X-Baaskit-As": ANN})
    assert 200 == tried.status
    assert (0, []) == (await kims(shop), await answers(shop))


async def test_of_many_at_once_one_is_done_and_the_others_get_its_answer(shop: Shop) -> None:
    replies = await asyncio.gather(*[send(shop, "k1") for _ in range(30)])
    assert 1 == len({reply.body for reply in replies})
    assert 29 == len([r for r in replies if "idempotency-replayed" in r.headers])
    assert 1 == await kims(shop)


async def test_two_processes_do_it_once(shop: Shop) -> None:
    """The second process has a Rest of its own, so only the database stands between the two."""
    from dataclasses import replace

    from baaskit.rest import Rest

    other = replace(shop, rest=Rest(shop.kit))
    replies = await asyncio.gather(*[send(one, "k1") for _ in range(10) for one in (shop, other)])
    assert {201} == {reply.status for reply in replies}
    assert (1, 1) == (len({reply.body for reply in replies}), await kims(shop))


async def test_functions_before_the_write_run_once(shop: Shop) -> None:
    calls: list[Write] = []

    async def noted(write: Write) -> Write:
        calls.append(write)
        return write

    shop.kit.hooks.before_write.add(noted)
    await send(shop, "k1")
    await send(shop, "k1")
    assert 1 == len(calls)


async def test_a_key_is_forgotten_after_its_time(shop: Shop) -> None:
    await send(shop, "k1")
    table = '"baaskit.idempotency"' if shop.dialect == "sqlite" else "baaskit.idempotency"
    past = "'2020-01-01T00:00:00+00:00'"
    await shop.sql(f"update {table} set expires_at = {past}")
    assert None is (await send(shop, "k1")).headers.get("idempotency-replayed")
    assert (2, 1) == (await kims(shop), len(await answers(shop)))
    await shop.sql(f"update {table} set expires_at = {past}")
    await shop.rest.forget_expired()
    assert [] == await answers(shop)


@pytest.mark.parametrize("key", ["", "x" * 256, '""'], ids=["empty", "over-long", "quoted-empty"])
async def test_a_key_that_is_none_is_refused(shop: Shop, key: str) -> None:
    assert (400, "BK415") == ((r := await send(shop, key)).status, r.code)
    assert 0 == await kims(shop)


async def test_attack_another_users_key_gives_nothing(shop: Shop) -> None:
    """Even with the same key and the same body; and a known user's key is not the anonymous caller's."""
    shown = await send(shop, "k1", {"name": "Kim", "data": {"note": "private"}}, path="pets?select=id,data")
    for who in ("bob", "service"):
        reply = await send(shop, "k1", {"name": "Kim", "data": {"note": "private"}}, path="pets?select=id,data", who=who)
        assert None is reply.headers.get("idempotency-replayed"), who
        assert shown.body != reply.body
    assert 401 == (await send(shop, "k1", {"name": "Kim", "data": {"note": "private"}}, path="pets?select=id,data", who="anon")).status


async def test_attack_replay_after_the_rights_were_taken_away(shop: Shop) -> None:
    """The answer was made for what the caller could read then: with other policies or claims it is not shown, and nothing is done."""
    await send(shop, "k1")
    await send(shop, "k2", Prefer="return=minimal")
    await shop.kit.database.save_policies(POLICIES + "\nrevoke select on pets from authenticated;", "test")
    assert (409, "BK417") == ((r := await send(shop, "k1")).status, r.code)
    assert 201 == (await send(shop, "k2", Prefer="return=minimal")).status  # it showed nothing, so it may be told again
    assert 2 == await kims(shop)


async def test_attack_replay_with_other_claims_of_the_same_user(shop: Shop) -> None:
    import time

    def token(**claims: Any) -> str:
        return shop.kit.keys.sign({"sub": ANN, "role": "authenticated", "exp": int(time.time()) + 60, **claims})

    admin = await send(shop, "k1", who=token(app_metadata={"admin": True}, session_id="s1"))
    assert 201 == admin.status
    assert 409 == (await send(shop, "k1", who=token(app_metadata={"admin": False}, session_id="s1"))).status
    again = await send(shop, "k1", who=token(app_metadata={"admin": True}, session_id="s2"))  # a new sign-in of the same rights
    assert (201, admin.body) == (again.status, again.body)


async def test_attack_replay_after_sign_out(shop: Shop) -> None:
    import time

    token = shop.kit.keys.sign({"sub": ANN, "role": "authenticated", "exp": int(time.time()) + 60, "session_id": "ended"})
    assert 201 == (await send(shop, "k1", who=token)).status
    shop.kit.keys.verifier.revoke("ended", time.time() + 60)
    assert 401 == (await send(shop, "k1", who=token)).status
