"""Processes of a project over a fresh database of each kind."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.auth.rig import Rig, open_rig


@pytest.fixture
async def make_rig(database_url: str, tmp_path: Path) -> AsyncIterator[Any]:
    """`await make_rig(setting=…)`: a process over the test's database; call again for another one."""
    async with contextlib.AsyncExitStack() as stack:

        async def make(**settings: Any) -> Rig:
            return await stack.enter_async_context(open_rig(database_url, tmp_path, **settings))

        yield make


@pytest.fixture
async def rig(make_rig: Any) -> Rig:
    found: Rig = await make_rig()
    return found
