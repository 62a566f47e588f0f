"""The shop of `tests/shop.py` on both databases: fresh for each test, and one per module for what only asks."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from tests.shop import Shop, open_shop


@pytest.fixture
async def shop(database_url: str, tmp_path: Path) -> AsyncIterator[Shop]:
    async with open_shop(database_url, tmp_path) as opened:
        yield opened


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def module_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A database that the tests of a module share."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path_factory.mktemp('shared') / 'data.db'}"
    make: Callable[[], str] = request.getfixturevalue("postgres")
    return make()


@pytest.fixture(scope="module")
async def asked(module_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Shop]:
    """A shop that the tests of a module share: only for what changes nothing."""
    async with open_shop(module_url, tmp_path_factory.mktemp("asked")) as opened:
        yield opened
