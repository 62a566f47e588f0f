"""A3: a hidden column cannot be learned of by filter, sort, group, alias, cast, embed, payload or error: it does not exist.

The oracle is a table without that column: every request must answer as it does there. `pets.cost` and `people.secret` are hidden.
"""

from __future__ import annotations

import pytest

from tests.shop import POLICIES, Shop, open_shop

pytestmark = pytest.mark.anyio

PROBES = [
    "{t}?{c}=eq.5", "{t}?{c}=gt.1", "{t}?{c}=is.null", "{t}?not.or=({c}.eq.5)", "{t}?and=({c}.gt.1,id.not.is.null)", "{t}?select={c}",
    "{t}?select=x:{c}", "{t}?select={c}::text", "{t}?select={c}.max()", "{t}?select={c},count()", "{t}?select=id,{c}->a", "{t}?order={c}",
    "{t}?order={c}.desc.nullslast", "{t}?{c}->>a=eq.1", "{t}?{c}=in.(1,2)", "{t}?{c}=like(any).{{a}}",
]  # fmt: skip
EMBEDDED = [
    "pets?select=id,people({c})", "pets?select=id,people(name)&people.{c}=eq.x", "pets?select=id,people(name)&people.order={c}",
    "pets?select=id,people(name)&order=people({c})", "pets?select=id,...people({c})", "pets?select=id,people!{c}(name)", "pets?select={c}(name)",
]  # fmt: skip


@pytest.mark.parametrize("who", ["anon", "ann"])
async def test_a_hidden_column_answers_exactly_as_one_that_is_not_there(shop: Shop, who: str) -> None:
    for table, hidden in (("pets", "cost"), ("people", "secret")):
        for probe in PROBES:
            there = await shop("GET", probe.format(t=table, c=hidden), who=who)
            absent = await shop("GET", probe.format(t=table, c="zqzqzq"), who=who)
            assert (probe, absent.status) == (probe, there.status)
            assert absent.json["message"].replace("zqzqzq", hidden) == there.json["message"], probe
            assert hidden not in (there.json["hint"] or ""), "a hint names only what the caller may know"
    for probe in EMBEDDED:
        there = await shop("GET", probe.format(c="secret"), who=who)
        absent = await shop("GET", probe.format(c="zqzqzq"), who=who)
        assert (probe, absent.status, absent.body.replace(b"zqzqzq", b"secret")) == (probe, there.status, there.body)


@pytest.mark.parametrize("who", ["anon", "ann"])
async def test_no_answer_holds_a_hidden_value(shop: Shop, who: str) -> None:
    for path in ("people", "people?select=*", "pets?select=*,people(*)", "tags?select=*,pets(*,people(*))"):
        reply = await shop("GET", path, who=who)
        assert (path, False, False) == (path, b"secret" in reply.body, b'"cost"' in reply.body)


async def test_a_write_cannot_probe_a_hidden_column(shop: Shop) -> None:
    """Neither by a filter (did it touch a row?), nor by what it shows, nor by upsert."""
    for query in ("id=eq.1&cost=eq.5", "cost=eq.5", "or=(cost.eq.5,id.eq.1)"):
        for method in ("PATCH", "DELETE"):
            reply = await shop(method, f"pets?{query}", {"mood": "wild"}, who="ann")
            assert (query, 400, "42703") == (query, reply.status, reply.code)
    shown = await shop("PATCH", "pets?id=eq.1&select=cost", {"mood": "wild"}, who="ann", headers={"Prefer": "return=representation"})
    assert (400, "42703") == (shown.status, shown.code)
    conflict = await shop("POST", "pets?on_conflict=cost", {"name": "x"}, who="ann", headers={"Prefer": "resolution=merge-duplicates"})
    assert (400, "42703") == (conflict.status, conflict.code)
    assert "calm" == (await shop.rows("pets"))[0]["mood"]


async def test_a_unique_violation_names_no_value_that_a_hidden_row_could_have(shop: Shop) -> None:
    """Chip C4 is on Bob's hidden pet. PostgreSQL's own message would tell the key; it cannot be told apart from a visible one."""
    hidden = await shop("POST", "pets", {"name": "x", "chip": "C4"}, who="ann")
    visible = await shop("POST", "pets", {"name": "x", "chip": "C1"}, who="ann")
    assert (409, "23505", None) == (hidden.status, hidden.code, hidden.json["details"])
    assert hidden.body == visible.body


async def test_column_privileges_hold_for_writes(database_url: str, tmp_path: object) -> None:
    policies = POLICIES + "revoke update on pets from authenticated; grant update (name) on pets to authenticated;"
    async with open_shop(database_url, tmp_path, policies=policies) as shop:  # type: ignore[arg-type]
        assert 204 == (await shop("PATCH", "pets?id=eq.1", {"name": "ok"}, who="ann")).status
        for body in ({"mood": "wild"}, {"name": "no", "mood": "wild"}):
            refused = await shop("PATCH", "pets?id=eq.1", body, who="ann")
            assert (403, "42501") == (refused.status, refused.code)
        upsert = await shop(
            "POST", "pets", {"id": 1, "name": "x", "mood": "wild"}, who="ann", headers={"Prefer": "resolution=merge-duplicates"}
        )
        assert (403, "42501") == (upsert.status, upsert.code)
        row = (await shop.rows("pets"))[0]
        assert ("ok", "calm") == (row["name"], row["mood"])
