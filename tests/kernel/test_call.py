"""Which arguments a call by GET gives, and which overload they mean."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from baaskit.errors import BaasError
from baaskit.kernel.plan import Given, choose, raw_types, split_arguments
from baaskit.kernel.policy import PolicySet, parse_policies
from baaskit.kernel.schema import Parameter, Routine, Schema, TableName, Type


@pytest.mark.parametrize(
    ("key", "value", "argument"),
    [
        ("a", "1", True), ("a", "", True), ("a", "eq", True), ("a", "equal.1", True), ("a", "1.5", True), ("a", "{1,2}", True), ("a", "in", True),
        ("a", "http://x.y/in.html", True), ("a", "eq.1", False), ("a", "not.eq.1", False), ("a", "in.(1,2)", False), ("a", "like(any).{a*}", False),
        ("a", "fts(english).x", False), ("a", "is.null", False), ("select", "a", False), ("order", "a", False), ("limit", "1", False),
        ("or", "(a.eq.1)", False), ("items.limit", "1", False), ("items.a", "1", False), ("apikey", "x", False), ("data->>a", "eq.1", False),
    ],
)  # fmt: skip
def test_a_value_that_begins_with_an_operator_is_a_filter(key: str, value: str, argument: bool) -> None:
    arguments, rest = split_arguments([(key, value)])
    assert (arguments, rest) == (({key: [value]}, []) if argument else ({}, [(key, value)]))


@dataclass(frozen=True)
class Known:
    schema: Schema
    policies: PolicySet


def routine(*parameters: str, types: str = "int4") -> Routine:
    """Parameters by name; a `?` at the end has a default."""
    listed = tuple(Parameter(p.rstrip("?"), Type(types), types, not p.endswith("?")) for p in parameters)
    return Routine(TableName("public", "f"), listed, "scalar")


def known(*routines: Routine, policies: str = "") -> Known:
    schema = Schema(functions={TableName("public", "f"): routines})
    return Known(schema, parse_policies(policies, schema))


def given(*names: str, raw: str = "") -> Given:
    return Given(frozenset(names), raw_types(raw))


NONE, A, AB, AB_, UNNAMED = routine(), routine("a"), routine("a", "b"), routine("a", "b?", "c?"), routine("", types="jsonb")
JSON = "application/json"


@pytest.mark.parametrize(
    ("routines", "asked", "expected"),
    [
        ([NONE, A, AB], given(), NONE), ([NONE, A, AB], given("a"), A), ([NONE, A, AB], given("b", "a"), AB), ([AB_], given("a"), AB_),
        ([AB_], given("a", "c"), AB_), ([NONE, A], given("b"), "PGRST202"), ([AB_], given("b", "c"), "PGRST202"), ([A], given("a", "x"), "PGRST202"),
        ([A, AB_], given("a"), "PGRST203"), ([A, UNNAMED], given("a", raw=JSON), A), ([A, UNNAMED], given("x", raw=JSON), UNNAMED),
        ([UNNAMED], given("x"), "PGRST202"), ([UNNAMED], given("", raw="text/plain"), "PGRST202"), ([UNNAMED], given(""), "PGRST202"),
        ([routine("", "")], given(""), "PGRST202"), ([], given(), "PGRST202"),
    ],
)  # fmt: skip
def test_the_overload_that_the_names_mean(routines: list[Routine], asked: Given, expected: Routine | str) -> None:
    try:
        found: object = choose(known(*routines), TableName("public", "f"), asked, "service_role")[0]
    except BaasError as problem:
        found = problem.code
    assert found == expected


def test_what_may_not_be_called_neither_answers_nor_makes_a_call_ambiguous() -> None:
    catalog = known(A, AB_, policies="grant execute on function f(int) to anon")
    assert choose(catalog, TableName("public", "f"), given("a"), "anon") == (A, False)
    with pytest.raises(BaasError) as refused:
        choose(catalog, TableName("public", "f"), given("a", "b"), "anon")
    assert refused.value.code == "42501"


def test_a_single_object_goes_to_the_one_json_parameter() -> None:
    named = routine("doc", types="json")
    asked = Given(frozenset("x"), raw_types(JSON), single=True)
    assert choose(known(named, A), TableName("public", "f"), asked, "service_role") == (named, True)
