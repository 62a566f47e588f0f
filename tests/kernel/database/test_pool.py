"""What somebody else's code leaves on a pooled PostgreSQL connection is gone before the next request."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from baaskit.kernel.database import STAIN, Database, Sql

pytestmark = pytest.mark.anyio


async def test_settings_of_foreign_code_do_not_outlive_its_request(postgres: Callable[[], str], tmp_path: Path) -> None:
    database = Database(postgres())
    await database.start()
    try:

        def foreign() -> Any:
            yield STAIN
            yield Sql("select set_config('app.who', 'mallory', false), pg_advisory_lock(7)")

        await database.run(foreign)
        for _ in range(3):
            assert [("",)] == [tuple(row) for row in await database.fetch_raw("select coalesce(current_setting('app.who', true), '')")]
        assert [(0,)] == [
            tuple(r) for r in await database.fetch_raw("select count(*) from pg_locks where locktype = 'advisory' and objid = 7")
        ]
    finally:
        await database.stop()
