"""R5: no subscription can filter, order or select by a column that the caller may not read."""

from __future__ import annotations

from typing import Any

import pytest

from tests.realtime import conftest
from tests.realtime.rig import Rig

pytestmark = pytest.mark.anyio
rig = conftest.rig

QUERIES = [
    "pets?select=id&secret=eq.x", "pets?select=id&or=(id.eq.1,secret.like.a*)", "pets?select=id&order=secret", "pets?select=id,secret", "pets?select=id,s:secret",
    "pets?select=secret,count()", "pets?select=id::text,secret::text", "tags?select=pet_id,label,pets(secret)", "tags?select=pet_id,label,pets!inner(id)&pets.secret=eq.x",
]  # fmt: skip


@pytest.mark.parametrize("query", QUERIES)
async def test_a_live_query_by_a_hidden_column_is_refused_as_if_there_were_none(rig: Rig, query: str) -> None:
    client = await rig.client()
    hidden = await client.join("a", live=[{"query": query}])
    missing = await client.join("b", live=[{"query": query.replace("secret", "secrex")}])
    assert hidden["status"] == missing["status"] == "error"
    assert hidden["response"]["reason"].replace("secret", "secrex") == missing["response"]["reason"]


@pytest.mark.parametrize(
    "binding", [{"filter": "secret=eq.x"}, {"filter": "id=gt.0,secret=like.*"}, {"filter": "secret=not.is.null"}, {"select": ["secret"]}]
)
async def test_a_binding_by_a_hidden_column_is_refused_as_if_there_were_none(rig: Rig, binding: dict[str, Any]) -> None:
    client = await rig.client()
    messages = []
    for name in ("secret", "secrex"):
        entry: dict[str, Any] = {"event": "*", "schema": "public", "table": "pets"}
        entry |= {k: v.replace("secret", name) if isinstance(v, str) else [name] for k, v in binding.items()}
        await client.join(name, postgres_changes=[entry])
        messages.append(await client.until("system"))
    assert [m["status"] for m in messages] == ["error", "error"]
    assert messages[0]["message"].replace("secret", "secrex") == messages[1]["message"]
    await rig.write("insert into pets(id, name, secret) values (1, 'Rex', 'x')")
    await rig.settled()
    assert [f for f in await client.heard() if f[3] == "postgres_changes"] == []


async def test_a_change_of_a_hidden_column_alone_is_no_news(rig: Rig) -> None:
    await rig.write("insert into pets(id, name, secret) values (1, 'Rex', 'x')")
    client = await rig.client()
    await client.join("room", live=[{"query": "pets?select=*"}])
    assert "secret" not in (await client.until("live_snapshot"))["rows"][0]
    await rig.write("update pets set secret = 'y'")
    await rig.settled()
    assert await client.heard() == []
