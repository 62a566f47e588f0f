"""`grant execute on function`: closed without it, opened for exactly the overload that is named, closed again by any fault."""

from __future__ import annotations

import pytest

from baaskit.kernel.policy import PolicyFaults, bind, parse_policies
from baaskit.kernel.schema import Parameter, Routine, Schema, TableName, Type


def routine(name: str, *types: str, schema: str = "public") -> Routine:
    parsed = [Type.parse(kind) for kind in types]
    return Routine(TableName(schema, name), tuple(Parameter(f"p{n}", kind, kind.sql) for n, kind in enumerate(parsed)), "scalar")


ONE, INT, TEXTS, MOMENT = routine("one"), routine("f", "int4"), routine("f", "text[]", "numeric"), routine("moment", "timestamptz")
OTHER = routine("one", "mood", schema="api")
ALL = [ONE, INT, TEXTS, MOMENT, OTHER]


def schema_of(routines: list[Routine]) -> Schema:
    names = {r.name for r in routines}
    return Schema(functions={name: tuple(r for r in routines if r.name == name) for name in names})


SCHEMA = schema_of(ALL)


def opened(text: str, schema: Schema = SCHEMA) -> dict[str, set[str]]:
    """Function → roles that may call it, for those that somebody may call."""
    policies = bind(text, schema)
    listed = [r for rs in schema.functions.values() for r in rs]
    found = {str(r): {role for role in ("anon", "authenticated", "nobody") if policies.may_call(r, role)} for r in listed}
    return {name: roles for name, roles in found.items() if roles}


def test_without_a_grant_only_the_service_role_may_call() -> None:
    policies = parse_policies("", SCHEMA)
    assert [r for r in ALL if policies.may_call(r, "anon") or policies.may_call(r, "authenticated")] == []
    assert all(policies.may_call(r, "service_role") for r in ALL)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("grant execute on function one to anon", {"one()": {"anon"}}),
        ("grant execute on function one() to public", {"one()": {"anon", "authenticated"}}),
        ("GRANT EXECUTE ON ROUTINE public.f(integer) TO anon, authenticated;", {"f(int4)": {"anon", "authenticated"}}),
        ("grant execute on function f(in a character varying[], b numeric) to anon", {}),
        ('grant execute on function f(in "a b" text[], numeric(10,2)) to anon', {"f(text[], numeric)": {"anon"}}),
        ("grant execute on function moment(timestamp with time zone) to anon", {"moment(timestamptz)": {"anon"}}),
        ("grant execute on function moment(at timestamp with time zone) to anon", {"moment(timestamptz)": {"anon"}}),
        ('grant execute on function api.one(api."mood") to anon', {"api.one(mood)": {"anon"}}),
        ("grant execute on function one to public; revoke execute on function one() from anon", {"one()": {"authenticated"}}),
        ("revoke execute on function one from anon; grant execute on function one to anon", {"one()": {"anon"}}),
        ("grant execute on function one to service_role", {}),
    ],
)  # fmt: skip
def test_grants_open_what_they_name(text: str, expected: dict[str, set[str]]) -> None:
    assert opened(text) == expected


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("grant execute on function two to anon", "unknown function 'two'", None),
        ("grant execute on function onee to anon", "unknown function 'onee'", "did you mean 'one'?"),
        ("grant execute on function f to anon", "there are 2 functions 'f'", "name one of f(int4), f(text[], numeric)"),
        ("grant execute on function f(text) to anon", "no function 'f' takes (text)", "name one of f(int4), f(text[], numeric)"),
        ("grant execute on all functions in schema public to anon", "functions are opened one by one: grant execute on function name(types) to role", None),
        ("grant execute on one to anon", "expected 'function' or 'routine', found 'one'", None),
        ("grant execute on function f(int4 to anon", "a bracket is not closed", None),
        ("grant execute on function one to nobody", "unknown role 'nobody'", "roles are anon, authenticated, public"),
    ],
)  # fmt: skip
def test_a_faulty_grant_is_refused_with_its_place(text: str, message: str, hint: str | None) -> None:
    with pytest.raises(PolicyFaults) as refused:
        parse_policies(text, SCHEMA)
    [fault] = refused.value.faults
    assert (fault.message, fault.hint) == (message, hint)


def test_where_the_database_has_no_functions_the_hint_names_the_other_kind() -> None:
    with pytest.raises(PolicyFaults) as refused:
        parse_policies("grant execute on function one to anon", Schema())
    assert "@rpc" in str(refused.value)


OPEN = "grant execute on function one to anon; grant execute on function f(int) to anon;"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (OPEN + "grant execute on function gone(int) to anon;", {"one()": {"anon"}, "f(int4)": {"anon"}}),
        (OPEN + "revoke execute on function f(bigint) from anon;", {"one()": {"anon"}}),
        (OPEN + "revoke execute on function one from nobody;", {"f(int4)": {"anon"}}),
        (OPEN + "revoke execute on function from anon;", {}),
        (OPEN + "revoke execute on all functions in schema public from anon;", {}),
        (OPEN + "grant execute on all functions in schema public to anon;", {"one()": {"anon"}, "f(int4)": {"anon"}}),
        (OPEN + "grant execute on function one to anon with grantoption;", {"f(int4)": {"anon"}}),
        (OPEN + "create polcy p on t;", {}),
        (OPEN + "'", {}),
    ],
)
def test_what_does_not_fit_closes_and_never_opens(text: str, expected: dict[str, set[str]]) -> None:
    assert opened(text) == expected


def test_a_function_that_got_other_parameters_is_closed() -> None:
    assert opened("grant execute on function f(int) to anon", schema_of([routine("f", "int8")])) == {}
    assert opened("grant execute on function f to anon", schema_of([routine("f", "int8")])) == {"f(int8)": {"anon"}}
    assert opened("grant execute on function f to anon", schema_of([routine("f", "int8"), routine("f")])) == {}


def test_a_fault_about_a_function_leaves_tables_alone() -> None:
    policies = bind("grant execute on function gone to anon;", SCHEMA)
    assert not policies.closed_all
    assert [fault.message for fault in policies.closed] == ["unknown function 'gone'"]
