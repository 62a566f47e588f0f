"""Pages by cursor, on both databases: whole under writes, true to the order, and of no use to somebody else."""

from __future__ import annotations

import base64
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.shop import POLICIES, Reply, Shop, open_shop

pytestmark = pytest.mark.anyio

SCHEMA = """
create type mood as enum ('wild', 'calm', 'playful');
create table things (
  a integer, b text, c numeric(10,2), d timestamptz, e boolean, f uuid, g mood, h double precision, i date, note text,
  one integer not null, two text not null, primary key (one, two)
);
create table bare (a integer);
"""
ALL = "create policy all_things on things for select to anon using (true);\ncreate policy all_bare on bare for select to anon using (true);"
COLUMNS = {
    "a": [None, 1, 2, 2_147_483_647, -5],
    "b": [None, "", "a", "B", "ä", "a b,c", "%", "null"],
    "c": [None, 0, 1.1, 12345678.99, -0.01],
    "d": [None, "2026-01-01T10:00:00+00:00", "2026-01-01T10:00:00.12+00:00", "2026-01-01T10:00:00.120001+00:00", "1999-12-31T23:59:59+00:00"],
    "e": [None, True, False],
    "f": [None, "00000000-0000-4000-8000-000000000001", "f0000000-0000-4000-8000-000000000001"],
    "g": [None, "calm", "wild", "playful"],
    "h": [None, 0.1, 1 / 3, 1e300, -2.5, 1e-7],
    "i": [None, "2024-02-29", "1999-01-01"],
}  # fmt: skip


async def pages(shop: Shop, path: str, *, who: str = "anon", between: Any = None) -> list[list[dict[str, Any]]]:
    """Every page, by following the header; `between` runs before each page but the first."""
    found, cursor = [], ""
    while True:
        reply = await shop("GET", f"{path}&cursor={cursor}", who=who)
        assert reply.status in (200, 206), reply.json
        found.append(reply.json)
        cursor = reply.headers.get("x-baaskit-cursor", "")
        assert ('rel="next"' in reply.headers.get("link", "")) == bool(cursor)
        if not cursor:
            return found
        if between is not None:
            await between()


async def test_pages_follow_one_another_to_the_end(shop: Shop) -> None:
    rows = [{"id": n, "label": f"t{n % 3}"} for n in range(100, 110)]
    await shop("POST", "tags", rows, who="service")
    found = await pages(shop, "tags?select=id&id=gte.100&order=label.desc&limit=4")
    expected = [row["id"] for row in sorted(rows, key=lambda row: (-int(str(row["label"])[1:]), row["id"]))]
    assert ([4, 4, 2], expected) == ([len(page) for page in found], [row["id"] for page in found for row in page])
    first = await shop("GET", "tags?select=id&id=gte.100&order=label.desc&limit=4&cursor=", headers={"Prefer": "count=exact"})
    assert (206, "0-3/10") == (first.status, first.range)
    link = first.headers["link"]
    assert link.startswith("</rest/v1/tags?select=id&id=gte.100&order=label.desc&limit=4&cursor=")
    again = await shop("GET", link[len("</rest/v1/") : link.index(">")])
    assert found[1] == again.json
    assert "x-baaskit-cursor" not in (await shop("GET", "tags?limit=1")).headers


async def test_a_cursor_works_with_embeds_csv_and_another_limit(shop: Shop) -> None:
    path = "pets?select=id,owner:people!inner(name),labels:tags(label)&order=owner_id.desc&limit=1"
    assert [[2], [1], []] == [[row["id"] for row in page] for page in await pages(shop, path)]
    csv = await shop("GET", "tags?select=label&limit=1&cursor=", headers={"Accept": "text/csv"})
    assert b"label\nfurry" == csv.body.replace(b"\r", b"").strip()
    rest = await shop("GET", f"tags?select=label&limit=50&cursor={csv.headers['x-baaskit-cursor']}")
    assert [{"label": "loud"}] == rest.json


@pytest.fixture
async def things(database_url: str, tmp_path: Path) -> AsyncIterator[Shop]:
    async with open_shop(database_url, tmp_path, schema=SCHEMA, policies=ALL, rows=False) as opened:
        yield opened


def row(rng: random.Random, number: int) -> dict[str, Any]:
    return {"one": number % 7, "two": f"k{number}", "note": None, **{name: rng.choice(values) for name, values in COLUMNS.items()}}


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rng=st.randoms(use_true_random=False))
async def test_no_row_twice_and_none_missed_while_others_write(things: Shop, rng: random.Random) -> None:
    """Random rows, order and page size; between pages rows are added, changed and removed. Those that stay are seen exactly once."""
    await things("DELETE", "things?one=gte.0", who="service")
    await things("POST", "things", [row(rng, n) for n in range(30)], who="service")
    order = ",".join(
        name + rng.choice(["", ".asc", ".desc"]) + rng.choice(["", ".nullsfirst", ".nullslast"])
        for name in rng.sample(sorted(COLUMNS), rng.randint(0, 3))
    )
    stay = {(r["one"], r["two"]) for r in await things.rows("things", "one,two")}
    number = 1000

    async def between() -> None:
        nonlocal number
        if number < 1020:
            number += 2
            await things("POST", "things", [row(rng, number), row(rng, number + 1)], who="service")
        if stay:
            one, two = rng.choice(sorted(stay))
            stay.discard((one, two))  # it goes, or it moves: then it may come twice or not at all
            if rng.random() < 0.5:
                await things("DELETE", f"things?one=eq.{one}&two=eq.{two}", who="service")
            else:
                await things("PATCH", f"things?one=eq.{one}&two=eq.{two}", {"a": rng.choice([None, 9])}, who="service")

    path = f"things?select=one,two&limit={rng.randint(2, 13)}" + (f"&order={order}" if order else "")
    seen = [(r["one"], r["two"]) for page in await pages(things, path, between=between) for r in page]
    assert [] == [key for key in stay if seen.count(key) != 1], order


async def test_pages_are_in_the_order_of_one_long_read(things: Shop) -> None:
    """Every type, direction and place of null; also two columns at once."""
    rng = random.Random(7)
    await things("POST", "things", [row(rng, n) for n in range(25)], who="service")
    single = [f"{name}{way}{nulls}" for name in COLUMNS for way in ("", ".desc") for nulls in ("", ".nullsfirst", ".nullslast")]
    for order in [*single, "e.desc,g", "g.nullsfirst,e.desc.nullslast", "a,two.desc"]:
        tied = order if "two" in order else order + ",one,two"
        whole = (await things("GET", f"things?select=one,two&order={tied}")).json
        assert whole == [r for page in await pages(things, f"things?select=one,two&order={order}&limit=8") for r in page], order


async def test_what_cannot_be_paged_says_so(shop: Shop) -> None:
    for path in (
        "pets?order=data->size&cursor=", "pets?order=tags&cursor=", "orders?select=id,pets(id)&order=pets(id)&cursor=", "pets?select=count()&cursor=",
        "pets?offset=5&cursor=",
    ):  # fmt: skip
        assert refused(await shop("GET", path, who="ann")), path
    assert refused(await shop("GET", "pets?cursor=", headers={"Range": "0-9"}))


async def test_a_table_without_a_key_cannot_be_paged(things: Shop) -> None:
    assert refused(await things("GET", "bare?cursor="))


def refused(reply: Reply) -> bool:
    return (reply.status, reply.code) == (400, "BK418")


async def test_a_column_called_cursor_can_still_be_filtered(database_url: str, tmp_path: Path) -> None:
    schema = "create table reads (id integer primary key, cursor text);"
    policies = "create policy reads on reads for select to anon using (true);"
    async with open_shop(database_url, tmp_path, schema=schema, policies=policies, rows=False) as shop:
        await shop("POST", "reads", [{"id": 1, "cursor": "x"}, {"id": 2, "cursor": "y"}], who="service")
        assert [{"id": 2}] == (await shop("GET", "reads?select=id&cursor=eq.y")).json
        assert [{"id": 1}] == (await shop("GET", "reads?select=id&cursor=neq.y&cursor=&limit=1")).json


async def cursor_of(shop: Shop, path: str, who: str = "anon") -> str:
    return (await shop("GET", f"{path}&cursor=", who=who)).headers["x-baaskit-cursor"]


async def test_attack_a_forged_cursor_is_refused(shop: Shop) -> None:
    path = "tags?select=id&order=label&limit=1"
    true = await cursor_of(shop, path)
    raw = base64.urlsafe_b64decode(true + "=" * (-len(true) % 4))
    assert b'["furry","1"]' == raw[16:]
    forged = [
        base64.urlsafe_b64encode(raw[:16] + b'["a","0"]').decode().rstrip("="),
        true[:-2],
        ("B" if true[0] == "A" else "A") + true[1:],
        "AAAA",
        "!!",
        "ö",
        "a" * 4000,
        true + "\x00",
    ]
    for cursor in forged:
        reply = await shop("GET", f"{path}&cursor={cursor}")
        assert reply.status == 400, cursor


async def test_attack_a_cursor_of_another_query_is_refused(shop: Shop) -> None:
    cursor = await cursor_of(shop, "tags?select=id&order=label&limit=1")
    for path in (
        "tags?select=id&order=label.desc&limit=1", "tags?select=id&order=id&limit=1", "tags?select=id&order=label&limit=1&id=gt.0", "people?select=id&order=name&limit=1",
    ):  # fmt: skip
        assert refused(await shop("GET", f"{path}&cursor={cursor}")), path


async def test_attack_a_cursor_of_the_service_gives_nobody_else_its_rows(shop: Shop) -> None:
    """The policy is applied on each page: from the same place on everyone sees their own rows."""
    path = "pets?select=id&order=made&limit=1"
    cursor = await cursor_of(shop, path, who="service")
    assert [{"id": 2}] == (await shop("GET", f"{path}&cursor={cursor}")).json
    assert [[2], [3]] == [
        [r["id"] for r in (await shop("GET", f"{path}&cursor={c}", who="ann")).json] for c in (cursor, await after(shop, path, cursor))
    ]


async def after(shop: Shop, path: str, cursor: str) -> str:
    return (await shop("GET", f"{path}&cursor={cursor}", who="ann")).headers["x-baaskit-cursor"]


async def test_attack_a_cursor_never_holds_a_hidden_column(database_url: str, tmp_path: Path) -> None:
    """Neither in the order (refused as unknown) nor as the key that makes the order total."""
    schema = "create table secrets (id integer primary key, code text not null unique, word text);"
    policies = """
        create policy "all" on secrets for select to anon, authenticated using (true);
        revoke select on secrets from anon, authenticated;
        grant select (code, word) on secrets to anon;
        grant select (word) on secrets to authenticated;
    """
    async with open_shop(database_url, tmp_path, schema=schema, policies=policies, rows=False) as shop:
        await shop("POST", "secrets", [{"id": 4711 + n, "code": f"c{n}", "word": "w"} for n in range(3)], who="service")
        cursor = await cursor_of(shop, "secrets?select=word&limit=1")
        assert b'["c0"]' == base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))[16:]
        assert "42703" == (await shop("GET", "secrets?select=word&order=id&cursor=")).code
        assert refused(await shop("GET", "secrets?select=word&cursor=", who="ann"))


async def test_attack_a_cursor_after_a_revoked_privilege_shows_nothing(shop: Shop) -> None:
    path = "pets?select=id&order=price&limit=1"
    cursor = await cursor_of(shop, path)
    await shop.kit.database.save_policies(
        POLICIES + "\nrevoke select on pets from anon; grant select (id, sold, owner_id) on pets to anon;", "test"
    )
    assert "42703" == (await shop("GET", f"{path}&cursor={cursor}")).code


async def test_a_value_that_is_too_long_for_a_cursor_says_so(shop: Shop) -> None:
    await shop("POST", "pets", [{"name": "a" * 4000}, {"name": "b"}], who="ann")
    assert refused(await shop("GET", "pets?select=id&order=name&name=like.a*&limit=1&cursor="))
