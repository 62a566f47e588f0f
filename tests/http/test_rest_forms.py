"""Bodies and answers in other forms than plain JSON: CSV, forms, JSON without nulls; and where an answer says it is from."""

from __future__ import annotations

import csv
import io

import pytest

from tests.shop import ANN, BOB, Shop

pytestmark = pytest.mark.anyio

CSV = {"Accept": "text/csv"}
SEND_CSV = {"Content-Type": "text/csv"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
COLUMNS = "id,owner_id,name,price,tags,data,sold,born,made,mood,chip"


async def test_rows_come_as_csv_with_a_header_line_and_empty_nulls(shop: Shop) -> None:
    reply = await shop("GET", "pets?select=id,name,price,sold,tags,made,chip&order=id", who="service", headers=CSV)
    assert (200, "text/csv; charset=utf-8", "0-3/*") == (reply.status, reply.headers["content-type"], reply.range)
    assert [
        "id,name,price,sold,tags,made,chip",
        '1,Rex,12.50,f,"{a,b}","2026-01-01 10:00:00+00",C1',
        '2,Tom,7.00,f,{},"2026-01-02 10:00:00.25+00",',
        '3,"Ötzi, ""the"" (old)",,t,,"2026-01-03 10:00:00+00",C3',
        '4,rex_2%,99.99,t,{b},"2026-01-04 10:00:00+00",C4',
    ] == reply.body.decode().split("\n")


async def test_csv_is_what_postgresql_writes_of_a_record(shop: Shop) -> None:
    odd = {
        "id": 9,
        "owner_id": BOB,
        "name": "",
        "tags": ["", "null", 'a"b', "c\\d", None, "e f", "{"],
        "data": {"a": [1.50, "x", None, {}], "ü": True},
    }
    assert 201 == (await shop("POST", "pets", odd, who="service")).status
    reply = await shop("GET", f"pets?select={COLUMNS}&order=id", who="service", headers=CSV)
    lines = reply.body.decode().split("\n")
    if shop.dialect == "postgresql":
        record = f"(select substring(t::text, 2, length(t::text) - 2) from (select {COLUMNS} from pets order by id) t)"
        assert [row[0] for row in await shop.sql(record)] == lines[1:]
    *_, last = csv.DictReader(io.StringIO(reply.body.decode()))
    assert ("9", "", "f") == (last["id"], last["name"], last["sold"])
    assert '{"a": [1.5, "x", null, {}], "ü": true}' == last["data"]


async def test_csv_of_no_row_has_its_header_line_and_of_an_embed_its_json(shop: Shop) -> None:
    none = await shop("GET", "pets?select=id,label:name&id=eq.99", headers=CSV)
    assert (200, b"id,label") == (none.status, none.body)
    shown = await shop("GET", "pets?select=id,people(name),...people(town:city)&id=eq.1", headers=CSV)
    [row] = csv.DictReader(io.StringIO(shown.body.decode()))
    assert {"id": "1", "people": '{"name": "Ann"}', "town": "Bonn"} == row


async def test_csv_shows_no_column_that_is_hidden(shop: Shop) -> None:
    header = (await shop("GET", "pets", headers=CSV)).body.decode().split("\n")[0]
    assert COLUMNS == header
    assert 400 == (await shop("GET", "pets?select=cost", headers=CSV)).status


async def test_csv_is_inserted_under_policy_and_answered_as_csv(shop: Shop) -> None:
    body = b'name,price,tags,born\r\nKim,1.5,"{x,""y z""}",2020-01-01\r\n"Lou, ""L""",NULL,{},NULL\r\n'
    headers = {**SEND_CSV, **CSV, "Prefer": "return=representation"}
    reply = await shop("POST", "pets?select=name,price,tags,born,owner_id", body, who="ann", headers=headers)
    assert 201 == reply.status, reply.body
    assert [
        "name,price,tags,born,owner_id",
        f'Kim,1.50,"{{x,""y z""}}",2020-01-01,{ANN}',
        f'"Lou, ""L""",,{{}},,{ANN}',
    ] == reply.body.decode().split("\n")
    assert [["x", "y z"], []] == [row["tags"] for row in (await shop.rows("pets"))[4:]]
    refused = await shop("POST", "pets", f"name,owner_id\nx,{ANN}\ny,{BOB}".encode(), who="ann", headers=SEND_CSV)
    assert (403, "42501", 6) == (refused.status, refused.code, len(await shop.rows("pets")))


async def test_broken_csv_is_refused_and_writes_nothing(shop: Shop) -> None:
    for body in (b"", b"\n", b"name,name\na,b", b"name,price\na", b'name\n"open', b"name\n\xff\xfe", b"nonsense\nx"):
        reply = await shop("POST", "pets", body, who="ann", headers=SEND_CSV)
        assert (body, 400) == (body, reply.status)
        assert reply.code in ("PGRST102", "PGRST204")
    assert 4 == len(await shop.rows("pets"))


async def test_a_form_is_one_row_of_texts(shop: Shop) -> None:
    reply = await shop(
        "POST", "pets", b"name=Kim+%26+co&price=3.5&sold=true", who="ann", headers={**FORM, "Prefer": "return=representation"}
    )
    assert 201 == reply.status, reply.json
    assert ("Kim & co", 3.5, True, ANN) == tuple(reply.json[0][name] for name in ("name", "price", "sold", "owner_id"))
    assert 204 == (await shop("PATCH", "pets?id=eq.1", b"price=14&mood=wild", who="ann", headers=FORM)).status
    changed = (await shop.rows("pets"))[0]
    assert (14, "wild") == (changed["price"], changed["mood"])


async def test_nulls_are_stripped_at_every_depth_when_asked(shop: Shop) -> None:
    many = await shop(
        "GET", "pets?select=id,price,data,people(name,city)&id=in.(3,4)&order=id", who="service",
        headers={"Accept": "application/vnd.pgrst.array+json;nulls=stripped"},
    )  # fmt: skip
    assert [
        {"id": 3, "data": {"size": {"cm": []}}, "people": {"name": "Ann", "city": "Bonn"}},
        {"id": 4, "price": 99.99, "data": {}, "people": {"name": "Bob", "city": "Bern"}},
    ] == many.json
    assert "application/vnd.pgrst.array+json;nulls=stripped; charset=utf-8" == many.headers["content-type"]
    one = await shop(
        "PATCH", "pets?id=eq.2&select=id,chip,born", {"mood": "calm"}, who="bob",
        headers={"Accept": "application/vnd.pgrst.object+json;nulls=stripped", "Prefer": "return=representation"},
    )  # fmt: skip
    assert {"id": 2} == one.json


async def test_an_answer_says_where_it_is_from_without_the_key(shop: Shop) -> None:
    assert "/pets" == (await shop("GET", "pets")).headers["content-location"]
    assert "/pets?select=id&id=eq.1" == (await shop("GET", "pets?select=id&id=eq.1")).headers["content-location"]
    key = shop.tokens["service"]
    assert "/pets?id=eq.1" == (await shop("GET", f"pets?apikey={key}&id=eq.1", who=None)).headers["content-location"]
    assert "content-location" not in (await shop("POST", "pets", {"name": "Kim"}, who="ann")).headers


async def test_a_batch_may_answer_an_operation_in_csv(shop: Shop) -> None:
    operations = [{"method": "GET", "path": "pets?select=id&order=id", "headers": {"accept": "text/csv"}}]
    reply = await shop("POST", "batch", {"operations": operations})
    assert (200, "id\n1\n2") == (reply.status, reply.json["results"][0]["body"])
