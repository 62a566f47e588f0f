"""Plan to SQL: what depends on values and callers is a parameter, never text; both databases stand under the same policy."""

from __future__ import annotations

from urllib.parse import parse_qsl

import pytest

from baaskit.kernel.claims import Claims
from baaskit.kernel.database.statements import compile_count, compile_read
from baaskit.kernel.plan import Limits, plan_read
from baaskit.kernel.query import Query, parse
from baaskit.kernel.schema import TableName
from tests.kernel.test_plan import CATALOG, SCHEMA

UID = "00000000-0000-0000-0000-000000000001"
ANN = Claims("authenticated", UID, {"sub": UID})
DIALECTS = pytest.mark.parametrize("dialect", ["sqlite", "postgresql"])


def asked(raw: str) -> Query:
    return parse(parse_qsl(raw, keep_blank_values=True))


def text(raw: str, dialect: str, role: str = "anon", name: str = "pets") -> str:
    return compile_read(plan_read(asked(raw), CATALOG, TableName("public", name), role, Limits(100)), dialect, SCHEMA).text


@DIALECTS
def test_the_text_depends_on_the_form_of_a_request_only(dialect: str) -> None:
    first = text("id=in.(1,2)&name=eq.a&price=gt.1&limit=5&or=(name.like.x*,id.eq.3)", dialect)
    second = text("id=in.(1,2,3,4,5)&name=eq.b'--&price=gt.2&limit=6&or=(name.like.y*,id.eq.4)", dialect)
    assert first == second
    assert "b'--" not in second


@DIALECTS
def test_values_and_claims_are_bound_in_their_places(dialect: str) -> None:
    query = asked("name=eq.Rex&id=in.(1,2)&limit=500")
    statement = compile_read(plan_read(query, CATALOG, TableName("public", "pets"), "anon", Limits(100)), dialect, SCHEMA)
    bound = statement.bind(query.values, ANN)
    assert ("[1,2]" if dialect == "sqlite" else '{"1","2"}') in bound
    assert "Rex" in bound
    assert (100 if dialect == "sqlite" else "100") in bound, "the cap holds whatever was asked"


@DIALECTS
def test_every_table_of_a_statement_is_guarded(dialect: str) -> None:
    closed = text("select=id,tags(label)", dialect)
    assert "sold" in closed.split("WHERE", 1)[1], "the policy of pets"
    assert "0 = 1" in closed or "false" in closed.lower(), "the junction has no policy, so it joins nothing"
    counted = compile_count(plan_read(asked("id=eq.1"), CATALOG, TableName("public", "pets"), "anon"), dialect, SCHEMA).text
    assert "sold" in counted


@DIALECTS
def test_an_order_by_the_key_needs_no_null_rule(dialect: str) -> None:
    assert "NULLS" not in text("order=id", dialect)
    ordered = text("order=price,name.desc", dialect)
    assert ordered.count("NULLS") == (2 if dialect == "sqlite" else 0), "PostgreSQL's rule, said where it is not the default"
