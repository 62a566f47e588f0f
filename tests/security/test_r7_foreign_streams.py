"""R7: knowing another's topic, id or cursor attaches nobody to another's stream."""

from __future__ import annotations

import pytest

from tests.realtime import conftest
from tests.realtime.rig import ANN, BOB, Rig

pytestmark = pytest.mark.anyio
rig = conftest.rig


async def test_topic_ids_and_cursor_of_another_give_only_ones_own_rows(rig: Rig) -> None:
    await rig.write(f"insert into pets(id, name, owner_id, public) values (1, 'canary', '{ANN}', false)")
    ann, bob = await rig.client(), await rig.client()
    binding = {"event": "*", "schema": "public", "table": "pets"}
    reply = await ann.join("mine", rig.token(ANN), live=[{"query": "pets?select=*"}], postgres_changes=[binding])
    cursor = (await ann.until("live_snapshot"))["cursor"]
    number = reply["response"]["live"][0]["id"]
    await bob.join(
        "mine", rig.token(BOB), live=[{"query": "pets?select=*", "since": cursor, "id": number}], postgres_changes=[{**binding, "id": 1}]
    )
    assert (await bob.until("live_snapshot"))["rows"] == []
    await bob.until("system")
    await rig.write("update pets set name = 'canary 2'")
    await ann.until("live_delta")
    await rig.settled()
    assert await bob.heard() == []


async def test_events_on_a_topic_one_has_not_joined_reach_nobody(rig: Rig) -> None:
    ann, bob = await rig.client(), await rig.client()
    await ann.join("mine", rig.token(ANN))
    ref = bob.send("realtime:mine", "broadcast", {"event": "x", "payload": {}}, join_ref="1")
    assert (await bob.reply(ref))["response"] == {"reason": "unmatched topic"}
    ref = bob.send("realtime:mine", "phx_leave", {}, join_ref="1")
    assert (await bob.reply(ref))["status"] == "error"
    assert await ann.heard() == []
    ref = ann.send("realtime:mine", "broadcast", {"event": "x", "payload": {}})
    assert await ann.heard() == []
