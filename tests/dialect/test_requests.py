"""A thousand requests of the dialect: SQLite answers as PostgreSQL does, and PostgreSQL as PostgREST does, but where a mark says otherwise.

A mark must be true: a request that is marked and answered alike fails too. The reasons for `s` are in docs/reference/differences.md,
those for `p` in docs/reference/rest.md.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.dialect.conftest import BINARY, PostgREST, open_world
from tests.dialect.world import Asked, requests, seen

pytestmark = pytest.mark.anyio


def wrong(asked: Asked, mark: str, left: object, right: object) -> str | None:
    """What is wrong with the pair of answers, given the request's marks."""
    if (left != right) == (mark in asked.marks):
        return None
    return f"{asked.marks}|{asked.method} {asked.path} {asked.headers} {asked.body or ''}\n    {left}\n    {right}"


async def test_both_databases_answer_alike(postgres: Callable[[], str], tmp_path: Path) -> None:
    found = []
    (tmp_path / "pg").mkdir()
    async with open_world(f"sqlite:///{tmp_path / 'data.db'}", tmp_path) as lite, open_world(postgres(), tmp_path / "pg") as pg:
        for asked in requests():
            if "o" in asked.marks:
                continue
            answers = [
                seen(await world(asked.method, asked.path, asked.body, who="service", headers=asked.headers), asked.method)
                for world in (pg, lite)
            ]
            found.append(wrong(asked, "s", *answers))
    assert [] == [fault for fault in found if fault]
    assert len(found) > 900


@pytest.mark.client
@pytest.mark.skipif(not BINARY.exists(), reason="PostgREST's package has a binary for Linux on x86 only")
async def test_postgresql_answers_as_postgrest_does(postgres: Callable[[], str], tmp_path: Path) -> None:
    found, url = [], postgres()
    async with open_world(url, tmp_path) as pg:
        peer = PostgREST(url, tmp_path)  # now: it reads the schema once
        try:
            for asked in requests():
                ours = seen(await pg(asked.method, asked.path, asked.body, who="service", headers=asked.headers), asked.method)
                theirs = seen(peer(asked.method, asked.path, asked.body, asked.headers), asked.method)
                found.append(wrong(asked, "p", theirs, ours))
        finally:
            peer.stop()
    assert [] == [fault for fault in found if fault]
