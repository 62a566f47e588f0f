"""Explain: for a request of somebody, which policy and which clause decided, with the values; on both databases."""

from __future__ import annotations

from typing import Any

import pytest

from baaskit.kernel.schema import TableName
from tests.explain.test_try import traces
from tests.shop import ANN, BOB, Shop

pytestmark = pytest.mark.anyio

CAPTURED = ("pets", "tags", "vault")
RISE = "(old.price is null) or (price >= old.price)"


async def explained(shop: Shop, method: str, path: str, body: Any = None, *, who: str, **headers: str) -> Any:
    reply = await shop(method, path, body, who="service", headers={"X-Baaskit-As": who, "X-Baaskit-Explain": "1", **headers})
    assert reply.status == 200, reply.json
    return reply.json


def no(row: Any) -> list[tuple[str, str, list[str]]]:
    """What refused a row: (question, policy, clauses that are not true)."""
    return [
        (q["asked"], v["policy"], [c["text"] for c in v["clauses"] if c["answer"] is not True])
        for q in row["questions"]
        if not q["answer"]
        for v in q["verdicts"]
    ]


REQUESTS: list[tuple[str, str, str, Any, dict[str, str], str, int]] = [
    # who, method, path, body, headers, decision, status
    (ANN, "GET", "pets?id=eq.3", None, {}, "allowed", 200),
    (BOB, "GET", "pets?id=eq.3", None, {}, "denied", 200),
    (BOB, "GET", "pets", None, {}, "partial", 200),
    (BOB, "GET", "pets?id=eq.77", None, {}, "allowed", 200),
    (BOB, "GET", "pets?select=cost", None, {}, "denied", 400),
    (BOB, "GET", "pets?cost=gt.5", None, {}, "denied", 400),
    (BOB, "GET", "pets?order=cost", None, {}, "denied", 400),
    (BOB, "GET", "pets?select=id,people(secret)", None, {}, "denied", 400),
    (BOB, "GET", "pets?order=nothing", None, {}, "failed", 400),
    (BOB, "GET", "pets?id=eq.3", None, {"Accept": "application/vnd.pgrst.object+json"}, "denied", 406),
    (BOB, "GET", "pets?id=in.(1,2)", None, {"Accept": "application/vnd.pgrst.object+json"}, "failed", 406),
    (BOB, "GET", "vault", None, {}, "denied", 200),
    ("service_role", "GET", "vault", None, {}, "allowed", 200),
    (ANN, "POST", "pets", {"name": "x"}, {}, "allowed", 201),
    (ANN, "POST", "pets", {"name": "x", "owner_id": BOB}, {}, "denied", 403),
    ("anon", "POST", "pets", {"name": "x"}, {}, "denied", 401),
    (ANN, "POST", "pets", {"name": "x", "price": -1}, {}, "failed", 400),
    (ANN, "POST", "pets", b"{", {}, "failed", 400),
    (ANN, "POST", "pets?on_conflict=id", {"id": 1, "name": "z", "owner_id": ANN, "price": 1}, {"Prefer": "resolution=merge-duplicates"}, "denied", 403),
    (ANN, "POST", "pets?on_conflict=id", {"id": 1, "name": "z", "owner_id": ANN, "price": 99}, {"Prefer": "resolution=merge-duplicates"}, "allowed", 200),
    (ANN, "PUT", "tags?id=eq.1", {"id": 1, "label": "q"}, {}, "denied", 403),
    (ANN, "PATCH", "pets?id=eq.1", {"price": 20}, {}, "allowed", 204),
    (ANN, "PATCH", "pets?id=eq.1", {"price": 1}, {}, "denied", 403),
    (ANN, "PATCH", "pets?id=in.(1,2,3)", {"price": 200}, {}, "partial", 204),
    (ANN, "PATCH", "pets?id=in.(1,3)", {"price": 200}, {"Prefer": "handling=strict,max-affected=1"}, "failed", 400),
    (BOB, "DELETE", "pets?id=eq.3", None, {}, "denied", 204),
    (ANN, "DELETE", "pets?id=eq.3", None, {}, "allowed", 204),
    ("anon", "DELETE", "pets?id=eq.3", None, {}, "denied", 204),
    (ANN, "DELETE", "pets", None, {}, "failed", 400),
]  # fmt: skip


@pytest.mark.parametrize(("who", "method", "path", "body", "headers", "decision", "status"), REQUESTS)
async def test_the_decision_and_the_status_are_those_of_the_request(
    asked: Shop, who: str, method: str, path: str, body: Any, headers: dict[str, str], decision: str, status: int
) -> None:
    report = await explained(asked, method, path, body, who=who, **headers)
    assert (report["decision"], report["status"]) == (decision, status), report
    assert (report["error"] is None) == (status < 400)
    if status < 400 and method == "GET":
        token = {ANN: "ann", BOB: "bob", "service_role": "service"}.get(who, who)
        assert report["rows"]["visible"] == len((await asked("GET", path, who=token)).json)


async def test_a_hidden_row_is_explained_with_the_values_that_hid_it(asked: Shop) -> None:
    report = await explained(asked, "GET", "pets?id=eq.3", who=BOB)
    [row] = report["sample"]
    [question] = row["questions"]
    [verdict] = question["verdicts"]
    [clause] = verdict["clauses"]
    assert (row["key"], row["allowed"], row["returned"]) == ({"id": 3}, False, False)
    assert (verdict["policy"], verdict["line"]) == ("pets for sale, and one's own", 3)
    assert clause["values"] == {"auth.uid()": BOB, "owner_id": ANN, "sold": True}
    assert report["rows"] == {"visible": 0, "existing": 1}


async def test_an_unknown_answer_is_told_apart_from_no(asked: Shop) -> None:
    """Nobody is signed in, so that `owner_id = auth.uid()` is unknown: it refuses, but for another reason."""
    report = await explained(asked, "GET", "pets?id=eq.3", who="anon")
    [clause] = report["sample"][0]["questions"][0]["verdicts"][0]["clauses"]
    assert (clause["answer"], clause["values"]["auth.uid()"]) == (None, None)


async def test_rows_come_in_the_order_of_the_request(asked: Shop) -> None:
    for order, ids in (("id.desc", [4, 3, 2, 1]), ("price.asc.nullslast", [2, 1, 4, 3]), ("", [1, 2, 3, 4])):
        report = await explained(asked, "GET", f"pets?order={order}" if order else "pets", who=BOB)
        assert [row["key"]["id"] for row in report["sample"]] == ids


async def test_an_update_is_explained_by_the_clause_that_refused_the_new_row(asked: Shop) -> None:
    report = await explained(asked, "PATCH", "pets?id=eq.1", {"price": 1}, who=ANN)
    [row] = report["sample"]
    assert no(row) == [("the row may be stored", "change one's own, prices only rise", [RISE])]
    [refusing] = [c for q in row["questions"] for v in q["verdicts"] for c in v["clauses"] if c["answer"] is False]
    assert refusing["values"] == {"old.price": 12.5, "price": 1}
    assert (row["before"]["price"], row["row"]["price"]) == (12.5, 1)
    assert report["rows"] == {"affected": 0, "existing": 1}


async def test_of_several_new_rows_the_one_that_is_refused_is_named(asked: Shop) -> None:
    report = await explained(asked, "POST", "pets", [{"name": "a", "owner_id": ANN}, {"name": "b", "owner_id": BOB}], who=ANN)
    assert [(row["row"]["name"], row["allowed"]) for row in report["sample"]] == [("a", True), ("b", False)]
    assert report["rows"] == {"affected": 0, "existing": 2}


async def test_an_insert_that_returns_rows_needs_to_see_them(asked: Shop) -> None:
    body = {"name": "x", "owner_id": ANN, "sold": True}
    silent = await explained(asked, "POST", "pets", body, who=ANN)
    shown = await explained(asked, "POST", "pets?select=id", body, who=ANN, Prefer="return=representation")
    assert [[q["asked"] for q in r["sample"][0]["questions"]] for r in (silent, shown)] == [
        ["the row may be stored"], ["the row may be stored", "the stored row may be seen"],
    ]  # fmt: skip


async def test_an_upsert_asks_for_update_of_the_row_that_was_there(asked: Shop) -> None:
    body = [{"id": 1, "name": "z", "owner_id": ANN, "price": 1}, {"id": 90, "name": "y", "owner_id": ANN, "price": 1}]
    report = await explained(asked, "POST", "pets?on_conflict=id", body, who=ANN, Prefer="resolution=merge-duplicates")
    old, new = report["sample"]
    assert ("the row may be stored", "change one's own, prices only rise", [RISE]) in no(old)
    assert (new["allowed"], "before" in new) == (True, False)
    assert [t["command"] for t in report["tables"]] == ["insert", "update"]


async def test_a_sub_select_is_answered_by_the_database(asked: Shop) -> None:
    report = await explained(asked, "GET", "pet_tags?order=pet_id,tag_id", who="anon")
    assert [(row["key"]["pet_id"], row["allowed"]) for row in report["sample"]] == [(1, True), (1, True), (2, True), (4, False)]
    assert report["tables"][0]["reads"] == ["pets"]


async def test_every_table_of_an_embed_is_there_with_its_policies(asked: Shop) -> None:
    report = await explained(asked, "GET", "pets?select=id,tags(label),people(name)", who=ANN)
    assert [(t["table"], [p["name"] for p in t["policies"]]) for t in report["tables"]] == [
        ("pets", ["pets for sale, and one's own"]), ("tags", ["tags are public"]),
        ("pet_tags", ["labels of visible pets"]), ("people", ["people are known"]),
    ]  # fmt: skip
    assert report["tables"][3]["columns"]["withheld"] == ["secret"]


async def test_a_row_that_an_embed_takes_away_is_not_called_visible(asked: Shop) -> None:
    """Bob may see pet 4 and not its tag, so that an inner embed drops the pet: its own policies are not to blame."""
    path = "pets?select=id,pet_tags!inner(tag_id)&id=eq.4"
    report = await explained(asked, "GET", path, who=BOB)
    [row] = report["sample"]
    assert (await asked("GET", path, who="bob")).json == []
    assert (report["decision"], row["allowed"], row["returned"]) == ("denied", True, False)
    assert "embedded table" in row["reason"]


async def test_the_sql_is_shown_on_request_only(asked: Shop) -> None:
    assert "sql" not in await explained(asked, "GET", "pets?id=eq.1", who=BOB)
    report = await explained(asked, "GET", "pets?id=eq.1&sql", who=BOB)
    assert report["request"]["path"] == "pets?id=eq.1"
    assert "owner_id" in report["sql"][0]["text"]


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "rpc/anything"), ("GET", "rpc/anything"), ("POST", "batch"), ("HEAD", "pets"), ("OPTIONS", "pets")]
)
async def test_what_cannot_be_explained_is_refused_with_a_hint(asked: Shop, method: str, path: str) -> None:
    reply = await asked(
        method, path, {} if method == "POST" else None, who="service", headers={"X-Baaskit-As": ANN, "X-Baaskit-Explain": "1"}
    )
    assert reply.status == 400
    assert (reply.headers["proxy-status"], method == "HEAD" or bool(reply.json["hint"])) == ("baaskit; error=0A000", True)


async def test_explaining_leaves_no_trace(asked: Shop) -> None:
    """No row, no change for subscribers, no number of a sequence, no function called: of any request above, allowed or not."""
    ran: list[Any] = []

    async def hook(write: Any) -> Any:
        ran.append(write)
        return write

    asked.kit.hooks.before_write.add(hook)
    for name in CAPTURED:
        await asked.kit.database.capture(TableName("public", name))
    before = await traces(asked)
    for who, method, path, body, headers, _, _ in REQUESTS:
        await explained(asked, method, path, body, who=who, **headers)
    assert await traces(asked) == before
    assert ran == []
