"""Query values and the calls they become."""

from __future__ import annotations

import doctest
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from urllib.parse import unquote

import baaskit_client._filters
import baaskit_client._functions
import baaskit_client._query
import baaskit_client._rpc
import pytest
from baaskit_client import (
    BadRequest,
    Batch,
    NotFound,
    Response,
    UnreadableAnswer,
    and_,
    eq,
    gte,
    ilike,
    in_,
    is_,
    lt,
    neq,
    not_,
    or_,
    rpc,
    table,
)
from baaskit_client.testing import answer


@dataclass
class Pet:
    id: int
    name: str


@pytest.mark.parametrize("module", [baaskit_client._filters, baaskit_client._functions, baaskit_client._query, baaskit_client._rpc])
def test_the_examples_in_the_docstrings_are_true(module):
    names = {name: getattr(baaskit_client, name) for name in baaskit_client.__all__}
    assert doctest.testmod(module, extraglobs=names).failed == 0


@pytest.mark.parametrize(
    ("condition", "written"),
    [
        (eq("a", "x"), "a=eq.x"),
        (eq("a", True), "a=eq.true"),
        (eq("a", "a,b(c)&d=e+f"), "a=eq.a,b(c)&d=e+f"),
        (neq("a", Decimal("1.10")), "a=neq.1.10"),
        (gte("at", datetime(2026, 1, 2, tzinfo=UTC)), "at=gte.2026-01-02T00:00:00+00:00"),
        (is_("a", None), "a=is.null"),
        (in_("a", [1, "x", "y,z", 'q"', "null", ""]), 'a=in.(1,x,"y,z","q\\"","null","")'),
        (in_("a", []), "a=in.()"),
        (ilike("a", "%dog%"), "a=ilike.%dog%"),
        (not_(eq("a", 1)), "a=not.eq.1"),
        (or_(eq("a", 1), not_(and_(lt("b", 2), eq("c", "x,y")))), 'or=(a.eq.1,not.and(b.lt.2,c.eq."x,y"))'),
        (not_(or_(eq("a", 1), eq("b", 2))), "not.or=(a.eq.1,b.eq.2)"),
        (eq("tags", ["a", "b c"]), 'tags=eq.{a,"b c"}'),
    ],
)
def test_a_condition_is_written_in_the_grammar(condition, written):
    text = table("pets").where(condition).text()
    assert unquote(text) == "pets?select=*&" + written
    assert " " not in text
    assert "+" not in text


def test_a_comparison_with_none_is_refused_because_it_can_match_nothing():
    with pytest.raises(ValueError, match="is_"):
        eq("a", None)


def test_a_query_value_is_never_changed_by_building_on_it():
    base = table("pets")
    base.where(eq("a", 1)).order("b").limit(3)
    assert base.text() == "pets?select=*"


def test_order_limit_and_offset_are_written_in_the_order_given():
    text = table("pets").order("price", desc=True, nulls="last").order("id").limit(5).offset(10).text()
    assert text == "pets?select=*&order=price.desc.nullslast,id&limit=5&offset=10"


def test_a_count_gives_a_page_with_the_total():
    query = table("pets").count()
    assert query.call().headers["prefer"] == "count=exact"
    page = query.read(Response(206, {"content-range": "0-1/17"}, b'[{"id":1},{"id":2}]'))
    assert (page.total, len(page), list(page)) == (17, 2, [{"id": 1}, {"id": 2}])


def test_a_missing_total_is_an_unreadable_answer():
    with pytest.raises(UnreadableAnswer):
        table("pets").count().read(Response(200, {}, b"[]"))


def test_single_asks_the_server_for_exactly_one_row():
    assert table("pets").single().call().headers["accept"] == "application/vnd.pgrst.object+json"
    assert table("pets").single().read(answer(200, {"id": 1})) == {"id": 1}


def test_maybe_single_gives_none_for_no_row_and_refuses_two():
    query = table("pets").maybe_single()
    assert "limit=2" in query.text()
    assert query.read(answer(200, [])) is None
    assert query.read(answer(200, [{"id": 1}])) == {"id": 1}
    with pytest.raises(BadRequest):
        query.read(answer(200, [{"id": 1}, {"id": 2}]))


def test_a_dataclass_names_the_columns_and_types_the_rows():
    query = table("pets", Pet)
    assert query.text() == "pets?select=id,name"
    assert query.read(answer(200, [{"id": 1, "name": "Rex"}])) == [Pet(1, "Rex")]
    assert query.single().read(answer(200, {"id": 1, "name": "Rex"})) == Pet(1, "Rex")
    assert query.insert({"name": "Rex"}).read(answer(201, [{"id": 1, "name": "Rex"}])) == Pet(1, "Rex")


def test_a_row_in_gives_a_row_and_a_list_gives_a_list():
    stored = answer(201, [{"id": 1}])
    assert table("pets").insert({"name": "Rex"}).read(stored) == {"id": 1}
    assert table("pets").insert([{"name": "Rex"}]).read(stored) == [{"id": 1}]
    assert table("pets").insert({"name": "Rex"}).minimal().read(answer(201)) is None
    with pytest.raises(NotFound):
        table("pets").insert({"name": "Rex"}).read(answer(201, []))


def test_rows_with_different_keys_name_all_columns_and_take_defaults():
    call = table("pets").insert([{"a": 1}, {"b": 2}]).call()
    assert unquote(call.path) == '/rest/v1/pets?select=*&columns="a","b"'
    assert call.headers["prefer"] == "return=representation,missing=default"


def test_an_upsert_says_what_decides():
    call = table("pets").upsert({"sku": 1, "name": "x"}, on_conflict="sku").call()
    assert call.path == "/rest/v1/pets?select=*&on_conflict=sku"
    assert call.headers["prefer"] == "return=representation,resolution=merge-duplicates"
    assert "ignore-duplicates" in table("pets").insert_missing([{"sku": 1}]).call().headers["prefer"]


@pytest.mark.parametrize("write", [lambda: table("pets").update({"a": 1}), lambda: table("pets").delete()])
def test_a_write_to_every_row_must_be_asked_for(write):
    with pytest.raises(ValueError, match="every row"):
        write()
    table("pets").delete(everything=True)


def test_an_update_carries_conditions_values_and_one_row_on_demand():
    call = table("pets").where(eq("id", 1)).update({"price": Decimal("2.50"), "at": datetime(2026, 1, 1)}).single().call()
    assert (call.method, call.path) == ("PATCH", "/rest/v1/pets?select=*&id=eq.1")
    assert call.body == b'{"price":"2.50","at":"2026-01-01T00:00:00"}'
    assert call.headers["accept"] == "application/vnd.pgrst.object+json"


def test_what_is_not_json_is_refused_before_it_is_sent():
    with pytest.raises(ValueError, match="not JSON compliant"):
        table("pets").insert({"price": float("nan")}).call()
    with pytest.raises(TypeError):
        table("pets").insert({"price": object()}).call()


def test_a_call_by_rpc_writes_arguments_into_the_body_and_the_rest_into_the_address():
    query = rpc("cheapest pets", kind="dog", name="x", at=datetime(2026, 1, 2, tzinfo=UTC))
    query = query.select("id", "name").where(lt("price", 9)).order("price", desc=True).limit(2).offset(1)
    call = query.call()
    assert unquote(call.path) == "/rest/v1/rpc/cheapest pets?select=id,name&price=lt.9&order=price.desc&limit=2&offset=1"
    assert (call.method, call.body) == ("POST", b'{"kind":"dog","name":"x","at":"2026-01-02T00:00:00+00:00"}')
    assert rpc("f").call().path == "/rest/v1/rpc/f"
    assert not call.repeatable


def test_a_call_by_rpc_with_a_key_is_sent_again():
    call = rpc("buy", pet=1).once("k1").call()
    assert (call.headers["idempotency-key"], call.repeatable) == ("k1", True)


@pytest.mark.parametrize("value", [5, None, "text", {"id": 1}, [1, 2], [{"id": 1}], []])
def test_the_result_of_rpc_is_what_the_function_returned(value):
    assert rpc("f").read(answer(200, value)) == value
    assert rpc("f").read(Response(204)) is None


def test_rows_of_rpc_become_models_pages_and_single_rows():
    assert rpc("f", Pet, model=1).call().path == "/rest/v1/rpc/f?select=id,name"
    assert rpc("f", Pet).read(answer(200, [{"id": 1, "name": "Rex"}])) == [Pet(1, "Rex")]
    assert rpc("f", Pet).single().call().headers["accept"] == "application/vnd.pgrst.object+json"
    assert rpc("f", Pet).single().read(answer(200, {"id": 1, "name": "Rex"})) == Pet(1, "Rex")
    page = rpc("f").count().read(Response(206, {"content-range": "0-0/7"}, b'[{"id":1}]'))
    assert (page.rows, page.total) == ([{"id": 1}], 7)


def test_a_batch_calls_functions_of_the_database_without_keys_of_their_own():
    batch = Batch((rpc("add", a=1).where(gte("add", 0)), table("pets", Pet)))
    [operation, _] = json.loads(batch.call().body)["operations"]
    assert operation == {"method": "POST", "path": "rpc/add?add=gte.0", "body": {"a": 1}}
    assert batch.read(answer(200, {"results": [{"status": 200, "body": 3}, {"status": 200, "body": []}]})) == [3, []]
    with pytest.raises(ValueError, match="once"):
        Batch((rpc("add").once("k1"),)).call()
