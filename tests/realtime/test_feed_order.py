"""The change feed never tells an older version of a row after a newer one, however it is paged."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import asyncpg
import pytest

from baaskit.kernel.changes import Change

from .rig import open_rig

pytestmark = pytest.mark.anyio


async def test_a_page_never_ends_between_two_versions_of_a_row_in_the_wrong_order(postgres: Callable[[], str], tmp_path: Path) -> None:
    """The transaction with the lower number writes the row last: its version is the newer one."""
    url = postgres()
    async with open_rig(url, tmp_path) as rig:
        await rig.write("insert into pets(id, name) values (1, 'first'), (2, 'other')")
        start = await rig.kit.changes.here()
        early = await asyncpg.connect(url)
        try:
            async with early.transaction():
                await early.execute("update pets set name = 'numbered' where id = 2")  # takes the lower transaction number
                await rig.write("update pets set name = 'older' where id = 1")
                await early.execute("update pets set name = 'newer' where id = 1")
        finally:
            await early.close()
        names: list[str] = []
        cursor = start
        for _ in range(10):
            page = await rig.kit.changes.read(cursor, limit=1)
            if not page:
                break
            names += [str(change.after["name"]) for change in page if change.after and change.after["id"] == 1]
            cursor = page[-1].cursor
        assert names == ["older", "newer"]


async def test_an_open_transaction_holds_nobody_back_and_turns_no_versions_round(postgres: Callable[[], str], tmp_path: Path) -> None:
    url = postgres()
    async with open_rig(url, tmp_path) as rig:
        await rig.write("insert into pets(id, name) values (1, 'first'), (2, 'other'), (3, 'third')")
        await rig.settled()
        told: list[str] = []

        async def sink(changes: list[Change]) -> None:
            told.extend(str(change.after["name"]) for change in changes if change.after)

        rig.kit.changes.add_sink(sink)
        early, open_ = await asyncpg.connect(url), await asyncpg.connect(url)
        try:
            async with open_.transaction():
                async with early.transaction():
                    await early.execute("update pets set name = 'numbered' where id = 2")
                    await open_.execute("update pets set name = 'late' where id = 3")  # its number lies between the two others'
                    await rig.write("update pets set name = 'older' where id = 1")
                    await early.execute("update pets set name = 'newer' where id = 1")
                await rig.settled()
                assert sorted(told) == ["newer", "numbered", "older"]
            await rig.settled()
        finally:
            await early.close()
            await open_.close()
        assert told.index("older") < told.index("newer")
        assert told[-1] == "late"
