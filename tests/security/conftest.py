"""The shop of `tests/shop.py` and the whole application of `tests/whole.py`, fresh for each test, on both databases."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.shop import Shop, open_shop
from tests.whole import Whole, open_whole


@pytest.fixture
async def shop(database_url: str, tmp_path: Path) -> AsyncIterator[Shop]:
    async with open_shop(database_url, tmp_path) as opened:
        yield opened


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
async def whole(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Whole]:
    """The whole application over the pet store's project, one for all tests of a module: they use names of their own."""
    folder = tmp_path_factory.mktemp("whole")
    url = f"sqlite:///{folder / 'data.db'}" if request.param == "sqlite" else request.getfixturevalue("postgres")()
    async with open_whole(url, folder) as opened:
        yield opened
