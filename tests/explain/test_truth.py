"""Explanations are true: for random policies, rows and callers the explained verdict is what really happens, on both databases."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from baaskit.errors import Faults
from baaskit.kernel.claims import Claims
from baaskit.kernel.policy import COMMANDS
from tests.kernel.policy.expressions import MEMBER_ROWS, ROWS, callers, expressions
from tests.shop import Shop, open_shop

pytestmark = pytest.mark.anyio

LONG = os.environ.get("TEST_LONG") == "1"
SCHEMA = """
create type pet_status as enum ('available', 'pending', 'sold');
create table pets (id int8 primary key, before_id int8, owner_id uuid, other_id uuid, status pet_status, name text, note varchar(40),
  stock int4, price numeric(10,2), weight float8, sold bool, rare bool, tags text[], sizes int8[], meta jsonb, at timestamptz,
  seen timestamp, born date, team_id int8, path text);
create table members (id int8 primary key, team_id int8, user_id uuid, role text, level int4);
"""
CHANGES: list[dict[str, Any]] = [{"sold": True}, {"stock": 3, "name": "rex"}, {"owner_id": None, "status": "sold"}]
told: Counter[str] = Counter()


@pytest.fixture(scope="module")
async def zoo(module_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Shop]:
    """The tables of the random expressions, empty and closed."""
    async with open_shop(module_url, tmp_path_factory.mktemp("zoo"), schema=SCHEMA, policies="", rows=False) as opened:
        told.clear()
        yield opened
    # A guard of the property itself: without refusals and permissions it would prove nothing.
    decisions = {key.split()[-1] for key in told}
    assert not told or decisions >= {"allowed", "denied"}, told


@st.composite
def policies(draw: st.DrawFn) -> list[str]:
    """Up to six policies, mostly permissive, each for one command or all."""
    found = []
    for number in range(draw(st.integers(1, 6))):
        command = draw(st.sampled_from([*COMMANDS, "select", "all"]))
        kind = draw(st.sampled_from(["", "", "", " as restrictive"]))
        condition = f"{draw(expressions(1))}"
        parts = []
        if command != "insert":
            parts.append(f"using ({condition})")
        if command == "insert" or (command in ("update", "all") and draw(st.booleans())):
            parts.append(f"with check ({draw(expressions(1, old=command == 'update' and draw(st.booleans())))})")
        found.append(f"create policy p{number} on pets{kind} for {command} {' '.join(parts)};")
    return found


async def save(zoo: Shop, found: list[str]) -> None:
    """Those of the policies that are policies: the grammar draws some that are refused."""
    kept = ["create policy open on pets for select using (stock is distinct from 0);"]
    for text in found:
        try:
            await zoo.kit.database.save_policies("\n".join([*kept, text]), "test")
            kept.append(text)
        except Faults:
            told["refused policy"] += 1
    await zoo.kit.database.save_policies("\n".join(kept), "test")


async def fill(zoo: Shop, rows: list[dict[str, Any]], members: list[dict[str, Any]]) -> None:
    for table, records in (("pets", rows), ("members", members)):
        await zoo("DELETE", f"{table}?id=not.is.null", who="service")
        if records:
            reply = await zoo("POST", table, records, who="service", headers={"Prefer": "missing=default"})
            assert reply.status == 201, reply.json


async def agree(zoo: Shop, claims: Claims, method: str, path: str, body: Any = None, **headers: str) -> None:
    """What is explained of each row is what the request really does with it."""
    as_claims = orjson.dumps({**claims.jwt, "role": claims.role, **({"sub": claims.uid} if claims.uid else {})}).decode()
    reply = await zoo(method, path, body, who="service", headers={"X-Baaskit-As": as_claims, "X-Baaskit-Explain": "1", **headers})
    assert reply.status == 200, reply.json
    report = reply.json
    real = await zoo(
        method,
        path,
        body,
        who="service",
        headers={"X-Baaskit-As": as_claims, **headers, "Prefer": headers.get("Prefer", "") + ",tx=rollback"},
    )
    assert report["status"] == real.status, (report, real.json)
    where = f"{method} {path} {body} as {as_claims}\n{report}"
    told[f"{method} {report['decision']}"] += 1
    for row in report["sample"]:
        for question in row["questions"]:
            granted = any(v["answer"] is True for v in question["verdicts"] if v["permissive"])
            limited = all(v["answer"] is True for v in question["verdicts"] if not v["permissive"])
            assert question["answer"] == (granted and limited), where
            for verdict in question["verdicts"]:
                assert (verdict["answer"] is True) == all(c["answer"] is True for c in verdict["clauses"]), where
        assert row["allowed"] == all(q["answer"] for q in row["questions"]) or row["reason"], where
    allowed = {row["key"]["id"]: row["allowed"] for row in report["sample"]}
    if method == "GET":
        shown = {row["id"] for row in real.json}
        assert {key for key, yes in allowed.items() if yes} == shown, where
        assert report["rows"] == {"visible": len(shown), "existing": len(allowed)}, where
        assert report["decision"] == ("allowed" if len(shown) == len(allowed) else "partial" if shown else "denied"), where
    elif real.status >= 400:
        assert report["decision"] == "denied", where
        assert not all(allowed.values()), where
    elif method == "POST":
        assert (report["decision"], all(allowed.values())) == ("allowed", True), where
    else:
        done = {row["id"] for row in real.json}
        assert {key for key, yes in allowed.items() if yes} == done, where
        assert report["decision"] == ("allowed" if len(done) == len(allowed) else "partial" if done else "denied"), where


@settings(
    phases=[Phase.explicit, Phase.reuse, Phase.generate], max_examples=400 if LONG else 12, deadline=None,
    suppress_health_check=list(HealthCheck),
)  # fmt: skip
@given(found=policies(), rows=ROWS, members=MEMBER_ROWS, claims=callers(), change=st.sampled_from(CHANGES), new=ROWS)
async def test_the_explained_verdict_is_the_real_one(
    zoo: Shop,
    found: list[str],
    rows: list[dict[str, Any]],
    members: list[dict[str, Any]],
    claims: Claims,
    change: dict[str, Any],
    new: list[dict[str, Any]],
) -> None:
    if claims.role == "service_role":
        return
    for number, row in enumerate(rows, 1):
        row["id"] = number
    await fill(zoo, rows, members)
    await save(zoo, found)
    await agree(zoo, claims, "GET", "pets?select=id&order=id")
    await agree(zoo, claims, "DELETE", "pets?id=not.is.null&select=id", Prefer="return=representation")
    for row in rows[:3]:
        await agree(zoo, claims, "PATCH", f"pets?id=eq.{row['id']}&select=id", change, Prefer="return=representation")
    for number, row in enumerate(new[:2], 100):
        await agree(zoo, claims, "POST", "pets", {**row, "id": number})
        await agree(zoo, claims, "POST", "pets?select=id", {**row, "id": number}, Prefer="return=representation")


async def test_now_is_one_instant_for_a_whole_statement(zoo: Shop) -> None:
    """Two readings of the clock would let `now() <> now()` admit what it must never admit."""
    await zoo.kit.database.save_policies("create policy p on pets for insert with check (now() <> now() or now() < now())", "test")
    for number in range(200, 210):
        reply = await zoo("POST", "pets", {"id": number}, who="service", headers={"X-Baaskit-As": "anon"})
        assert reply.status == 401
