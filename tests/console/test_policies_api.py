"""Policies through the admin API: check, save as a version, refuse with the place, history, rollback, who may."""

from __future__ import annotations

import pytest

from .conftest import POLICIES, Console

pytestmark = pytest.mark.anyio
OWNERS = 'create policy "owners change pets" on pets for update to authenticated using (owner_id = auth.uid());\n'


async def test_saving_makes_a_version_with_author_note_and_moment(console: Console) -> None:
    browser = await console.signed_in()
    saved = await browser.put("/admin/v1/policies", json={"text": POLICIES + OWNERS, "note": " let owners edit ", "base_version": 1})
    assert saved.status_code == 200
    email = (await browser.get("/admin/v1/session")).json()["admin"]["email"]
    assert saved.json() | {"at": ""} == {
        "text": POLICIES + OWNERS, "version": 2, "author": email, "note": "let owners edit", "at": "", "closed": [], "warnings": [],
    }  # fmt: skip
    assert console.kit.database.catalog.policies.version == 2
    history = (await browser.get("/admin/v1/policies/history")).json()["versions"]
    assert [(one["version"], one["author"], one["note"], one["live"]) for one in history] == [
        (2, email, "let owners edit", True),
        (1, "seed", "first", False),
    ]
    assert (await browser.get("/admin/v1/policies/history/1")).json()["text"] == POLICIES
    [entry] = [one for one in (await browser.get("/admin/v1/audit")).json()["entries"] if one["action"] == "policies.save"]
    assert entry["actor"] == email
    assert entry["details"] == {"note": "let owners edit", "from": 1}


async def test_a_text_with_a_fault_is_refused_with_its_place_and_the_nearest_name(console: Console) -> None:
    browser = await console.signed_in()
    text = POLICIES + OWNERS.replace("owner_id", "ownr_id")
    refused = await browser.put("/admin/v1/policies", json={"text": text, "note": "", "base_version": 1})
    assert refused.status_code == 422
    [fault] = refused.json()["details"]["faults"]
    assert fault["line"] == 2
    assert fault["excerpt"][fault["column"] - 1 :].startswith("ownr_id")
    assert "owner_id" in fault["hint"]
    assert console.kit.database.catalog.policies.version == 1
    assert len((await browser.get("/admin/v1/policies/history")).json()["versions"]) == 1
    checked = await browser.post("/admin/v1/policies/check", json={"text": text})
    assert checked.json()["faults"] == [fault]


async def test_a_save_from_an_old_version_is_refused_and_loses_nothing(console: Console) -> None:
    ana, bob = await console.signed_in(), await console.signed_in()
    assert (await ana.put("/admin/v1/policies", json={"text": POLICIES + OWNERS, "note": "", "base_version": 1})).status_code == 200
    stale = await bob.put("/admin/v1/policies", json={"text": "", "note": "", "base_version": 1})
    assert stale.status_code == 409
    assert console.kit.database.catalog.policies.text == POLICIES + OWNERS


async def test_rolling_back_makes_the_old_text_live_as_a_new_version(console: Console) -> None:
    browser = await console.signed_in()
    await browser.put("/admin/v1/policies", json={"text": POLICIES + OWNERS, "note": "", "base_version": 1})
    back = await browser.post("/admin/v1/policies/history/1/rollback", json={"base_version": 2})
    assert back.status_code == 200
    assert (back.json()["version"], back.json()["text"], back.json()["note"]) == (3, POLICIES, "Back to version 1")
    assert (await browser.get("/admin/v1/policies/history/2")).json()["text"] == POLICIES + OWNERS
    assert (await browser.post("/admin/v1/policies/history/99/rollback", json={"base_version": 3})).status_code == 404
    assert (await browser.post("/admin/v1/policies/history/2/rollback", json={"base_version": 1})).status_code == 409


async def test_saving_the_live_text_again_makes_no_version(console: Console) -> None:
    browser = await console.signed_in()
    same = await browser.put("/admin/v1/policies", json={"text": POLICIES, "note": "again", "base_version": 1})
    assert same.json()["version"] == 1
    assert not [one for one in (await browser.get("/admin/v1/audit")).json()["entries"] if one["action"] == "policies.save"]


async def test_a_policy_that_no_longer_fits_is_shown_with_what_it_closed(console: Console) -> None:
    browser = await console.signed_in()
    sold = "create policy sold on pets for delete to authenticated using (status = 'sold');"
    assert (await browser.put("/admin/v1/policies", json={"text": POLICIES + sold, "note": "", "base_version": 1})).status_code == 200
    await console.sql("alter table pets rename column status to state")
    await console.kit.database.reload()
    live = (await browser.get("/admin/v1/policies")).json()
    assert [fault["line"] for fault in live["closed"]] == [2]
    overview = (await browser.get("/admin/v1/overview")).json()
    assert overview["policies"]["closed"] == 1
    assert "no longer fit" in overview["attention"][0]["title"]


async def test_checking_a_text_tells_whom_it_would_reach_and_changes_nothing(console: Console) -> None:
    browser = await console.signed_in()
    drafted = (await browser.post("/admin/v1/policies/check", json={"text": POLICIES + OWNERS})).json()
    reach = {table["name"]: table["reach"] for table in drafted["tables"]}
    assert reach["pets"] == {"select": "public", "insert": "nobody", "update": "owner", "delete": "nobody"}
    assert reach["notes"] == dict.fromkeys(("select", "insert", "update", "delete"), "nobody")
    assert console.kit.database.catalog.policies.version == 1


async def test_a_viewer_reads_everything_and_saves_nothing(console: Console) -> None:
    viewer = await console.signed_in("viewer")
    for path in ("/overview", "/schema", "/policies", "/policies/history", "/audit"):
        assert (await viewer.get(f"/admin/v1{path}")).status_code == 200
    assert (await viewer.put("/admin/v1/policies", json={"text": "", "note": "", "base_version": 1})).status_code == 403
    assert (await viewer.post("/admin/v1/policies/history/1/rollback", json={"base_version": 1})).status_code == 403
    assert console.kit.database.catalog.policies.version == 1


async def test_a_developer_may_save(console: Console) -> None:
    developer = await console.signed_in("developer")
    assert (await developer.put("/admin/v1/policies", json={"text": "", "note": "", "base_version": 1})).status_code == 200


@pytest.mark.parametrize("body", [{}, {"text": 5, "base_version": 1}, {"text": "x" * 1_000_001, "base_version": 1}, []])
async def test_a_malformed_save_is_refused(small: Console, body: object) -> None:
    browser = await small.signed_in()
    assert (await browser.put("/admin/v1/policies", json=body)).status_code == 422
    assert small.kit.database.catalog.policies.version == 1
