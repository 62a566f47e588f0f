"""What the console tells of a project: counts, tables, what needs attention; and the gate in front of the other APIs."""

from __future__ import annotations

import pytest

from baaskit.console.traffic import Traffic

from .conftest import Console

pytestmark = pytest.mark.anyio


async def test_the_schema_shows_tables_with_types_keys_rows_and_reach(console: Console) -> None:
    await console.sql("insert into pets (id, name) values (1, 'Rex'), (2, 'Mia')")
    browser = await console.signed_in()
    tables = {table["name"]: table for table in (await browser.get("/admin/v1/schema")).json()["tables"]}
    assert {name for name, table in tables.items() if table["exposed"]} == {"pets", "notes"}
    assert {name for name, table in tables.items() if not table["exposed"]} == {"objects", "buckets", "messages"}
    pets = tables["pets"]
    assert pets["primary_key"] == ["id"]
    assert [(column["name"], column["family"], column["nullable"]) for column in pets["columns"]][1:] == [
        ("name", "text", False),
        ("status", "text", True),
        ("owner_id", "uuid", True),
    ]
    assert (pets["rows"], pets["rows_capped"]) == (2, False)
    assert pets["reach"]["select"] == "public"
    assert pets["policies"][0]["name"] == "anyone sees pets"


async def test_our_own_tables_are_never_listed(console: Console) -> None:
    browser = await console.signed_in()
    listed = (await browser.get("/admin/v1/schema")).text
    for name in ("admin_sessions", "password_hash", "refresh_tokens"):
        assert name not in listed


async def test_the_overview_counts_and_names_what_needs_attention(console: Console) -> None:
    browser = await console.signed_in()
    await browser.put(
        "/admin/v1/policies",
        json={"text": "create policy p on pets for all to anon, authenticated using (true);", "note": "", "base_version": 1},
    )
    overview = (await browser.get("/admin/v1/overview")).json()
    assert (overview["users"], overview["tables"], overview["policies"]["version"]) == (0, 2, 2)
    assert overview["database"]["dialect"] == console.kit.database.dialect
    titles = [item["title"] for item in overview["attention"]]
    assert titles == ["Anyone may insert, update, delete in pets", "notes has no policies"]


async def test_no_answer_of_the_admin_api_holds_a_secret(console: Console) -> None:
    browser = await console.signed_in()
    for path in ("/overview", "/schema", "/policies", "/policies/history", "/audit"):
        text = (await browser.get(f"/admin/v1{path}")).text
        for secret in (console.kit.keys.secret, console.kit.keys.service_role_key, "argon2", "correct horse"):
            assert secret not in text


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/rest/v1/pets"), ("PATCH", "/rest/v1/pets"), ("DELETE", "/rest/v1/pets"), ("POST", "/auth/v1/admin/users"),
        ("PUT", "/auth/v1/admin/users"), ("DELETE", "/auth/v1/admin/users"), ("POST", "/functions/v1/f"), ("GET", "/functions/v1/f"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("header", ["authorization", "apikey", "both"])
async def test_a_viewers_token_changes_nothing_on_any_surface(small: Console, method: str, path: str, header: str) -> None:
    viewer = (await (await small.signed_in("viewer")).get("/admin/v1/session")).json()["token"]
    owner = (await (await small.signed_in("owner")).get("/admin/v1/session")).json()["token"]

    def headers(token: str) -> dict[str, str]:
        given = {"authorization": f"bearer  {token}", "apikey": token}
        return given if header == "both" else {header: given[header]}

    refused = await small.browser().request(method, path, headers=headers(viewer))
    assert refused.status_code == 403
    assert set(refused.json()) == {"code", "details", "hint", "message"}
    assert (await small.browser().request(method, path, headers=headers(owner))).json() == {"reached": method}


async def test_a_viewers_token_reads(small: Console) -> None:
    token = (await (await small.signed_in("viewer")).get("/admin/v1/session")).json()["token"]
    assert (await small.browser().get("/rest/v1/pets", headers={"authorization": f"Bearer {token}"})).json() == {"reached": "GET"}


async def test_the_gate_counts_what_the_surfaces_answer_and_not_itself(small: Console) -> None:
    browser = await small.signed_in()
    await browser.get("/rest/v1/pets")
    await browser.put("/rest/v1/pets")
    traffic = (await browser.get("/admin/v1/overview")).json()["traffic"]
    assert traffic["total"] == 2
    assert sum(minute["served"]["data"] for minute in traffic["minutes"]) == 2
    assert sum(minute["refused"] for minute in traffic["minutes"]) == 1
    assert len(traffic["minutes"]) == 60


def test_traffic_keeps_an_hour_by_minute() -> None:
    traffic = Traffic()
    for minute in range(200):
        traffic.count("data", 500 if minute % 2 else 200, minute * 60.0)
    shown = traffic.json(199 * 60.0)["minutes"]
    assert [one["at"] for one in shown] == [minute * 60 for minute in range(140, 200)]
    assert sum(one["failed"] for one in shown) == 30
    assert traffic.json(10_000 * 60.0)["minutes"][-1]["served"]["data"] == 0
    assert traffic.total == 200
