"""R2: an update that makes a row unreadable is told as leaving, with the key only; never the new values, nor the old."""

from __future__ import annotations

import pytest

from tests.realtime import conftest
from tests.realtime.rig import ANN, Rig

pytestmark = pytest.mark.anyio
rig = conftest.rig


@pytest.mark.parametrize("vsn", ["1.0.0", "2.0.0"])
@pytest.mark.parametrize("query", ["pets?select=*", "pets?select=*&order=name&limit=5", "pets?select=*,tags(*)"])
async def test_a_row_leaves_by_key(rig: Rig, vsn: str, query: str) -> None:
    await rig.write("insert into pets(id, name) values (1, 'before-canary')")
    client = await rig.client(vsn)
    await client.join("room", live=[{"query": query}], postgres_changes=[{"event": "*", "schema": "public", "table": "pets"}])
    await client.until("live_snapshot")
    await client.until("system")
    await rig.write(f"update pets set name = 'after-canary', public = false, owner_id = '{ANN}' where id = 1")
    assert (await client.until("live_delta"))["leave"] == [{"id": 1}]
    told = (await client.until("postgres_changes"))["data"]
    assert (told["type"], told["old_record"]) == ("DELETE", {"id": 1})
    await rig.write("update pets set name = 'later-canary' where id = 1", "update pets set id = 77 where id = 1")
    await rig.settled()
    assert "canary" not in str(told)
    assert await client.heard() == []
