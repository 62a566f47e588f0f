"""R3: a deletion is told only to those who could read the row before it."""

from __future__ import annotations

import pytest

from tests.realtime import conftest
from tests.realtime.rig import ANN, BOB, Rig

pytestmark = pytest.mark.anyio
rig = conftest.rig


async def test_a_deletion_is_told_to_readers_of_the_row_only(rig: Rig) -> None:
    await rig.write(f"insert into pets(id, name, owner_id, public) values (1, 'Rex', '{ANN}', false)")
    await rig.write(f"insert into members values (7, '{ANN}')", "insert into notes values (1, 7, 'x')")
    clients = {}
    for name, token in (("ann", rig.token(ANN)), ("bob", rig.token(BOB)), ("anyone", None)):
        client = clients[name] = await rig.client()
        bindings = [{"event": "DELETE", "schema": "public", "table": table} for table in ("pets", "notes")]
        await client.join("room", token, postgres_changes=bindings, live=[{"query": "pets?select=id"}, {"query": "notes?select=id"}])
        await client.until("system")
        for _ in range(2):
            await client.until("live_snapshot")
    await rig.write("delete from pets", "delete from notes")
    await rig.settled()
    told = {name: sorted(frame[3] for frame in await client.heard()) for name, client in clients.items()}
    assert told == {"ann": ["live_delta", "live_delta", "postgres_changes", "postgres_changes"], "bob": [], "anyone": []}
