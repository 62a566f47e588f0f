"""S5: one refresh token used by a hundred requests at once has exactly one successor."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import select

from tests.auth.rig import open_rig, refusal

pytestmark = pytest.mark.anyio


async def test_a_hundred_refreshes_at_once_make_one_successor(database_url: str, tmp_path: Path) -> None:
    async with open_rig(database_url, tmp_path) as rig, open_rig(database_url, tmp_path) as other:
        token = (await rig.sign_up("ada@example.com"))["refresh_token"]
        answers = await asyncio.gather(*((rig, other)[n % 2].refresh(token) for n in range(100)))
        assert {answer.status_code for answer in answers} == {200}
        assert len({answer.json()["refresh_token"] for answer in answers}) == 1
        t = rig.kit.database.tables.refresh_tokens
        rows = await rig.kit.database.query(select(t.c.parent_id, t.c.used_at, t.c.token_hash))
        assert sorted((row["parent_id"] is None, row["used_at"] is None) for row in rows) == [(False, True), (True, False)]


async def test_a_stolen_token_used_by_a_hundred_requests_at_once_gives_nobody_anything(database_url: str, tmp_path: Path) -> None:
    async with open_rig(database_url, tmp_path, refresh_reuse_seconds=0) as rig:
        first = (await rig.sign_up("ada@example.com"))["refresh_token"]
        second = (await rig.refresh(first)).json()["refresh_token"]
        third = (await rig.refresh(second)).json()["refresh_token"]
        answers = await asyncio.gather(*(rig.refresh(first) for _ in range(100)))
        codes = [refusal(answer)[1] for answer in answers]
        assert set(codes) <= {"refresh_token_already_used", "refresh_token_not_found"}
        assert codes.count("refresh_token_already_used") == 1
        assert refusal(await rig.refresh(third)) == (400, "refresh_token_not_found")
