"""A8: no identity is nobody, never an admin: empty, missing and malformed principals."""

from __future__ import annotations

import time

import pytest

from tests.shop import Shop

pytestmark = pytest.mark.anyio


async def test_an_empty_or_missing_credential_is_anonymous(shop: Shop) -> None:
    for headers in ({}, {"apikey": ""}, {"Authorization": ""}, {"Authorization": "Bearer "}, {"Authorization": "Basic YTpi"}):
        reply = await shop("GET", "pets?select=id&order=id", who=None, headers=headers)
        assert (headers, 200, [{"id": 1}, {"id": 2}]) == (headers, reply.status, reply.json)
        write = await shop("POST", "pets", {"name": "x"}, who=None, headers=headers)
        assert (headers, 401) == (headers, write.status)
    assert 4 == len(await shop.rows("pets"))


async def test_a_token_without_a_subject_owns_nothing(shop: Shop) -> None:
    later = int(time.time()) + 60
    for subject in ({}, {"sub": ""}, {"sub": "not-a-uuid"}, {"sub": "null"}):
        token = shop.kit.keys.sign({"role": "authenticated", "exp": later, **subject})
        reply = await shop("GET", "pets?select=id&order=id", who=token)
        assert (subject, [{"id": 1}, {"id": 2}]) == (subject, reply.json)
        assert (subject, 403) == (subject, (await shop("POST", "pets", {"name": "x", "owner_id": None}, who=token)).status)
    assert 4 == len(await shop.rows("pets"))


async def test_a_role_that_nobody_knows_is_refused(shop: Shop) -> None:
    for role in ("postgres", "admin", "supabase_admin", "SERVICE_ROLE", ""):
        token = shop.kit.keys.sign({"role": role, "sub": "x", "exp": int(time.time()) + 60})
        assert (role, 401) == (role, (await shop("GET", "pets", who=token)).status)


async def test_an_operation_of_a_batch_cannot_bring_another_caller(shop: Shop) -> None:
    stolen = {"Authorization": f"Bearer {shop.tokens['service']}", "apikey": shop.tokens["service"]}
    reply = await shop("POST", "batch", {"operations": [{"method": "GET", "path": "pets?select=id&order=id", "headers": stolen}]})
    assert [{"id": 1}, {"id": 2}] == reply.json["results"][0]["body"]
