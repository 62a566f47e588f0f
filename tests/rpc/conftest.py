"""The shop of `tests/shop.py` with functions of its database, opened once per module: the tests here change no row for good."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest

from tests.rpc.routines import POLICIES, ROUTINES
from tests.shop import POLICIES as SHOP_POLICIES
from tests.shop import SCHEMA, Shop, open_shop


@pytest.fixture(scope="module")
async def shop(postgres: Callable[[], str], tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Shop]:
    opened = open_shop(
        postgres(),
        tmp_path_factory.mktemp("rpc"),
        schema=SCHEMA + ROUTINES,
        policies=SHOP_POLICIES + POLICIES,
        exposed_schemas=["public", "api"],
    )
    async with opened as shop:
        yield shop
