"""PostgreSQL's semantics of policies: who is allowed what, and what closes a table."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from baaskit.kernel.claims import ANONYMOUS, Claims
from baaskit.kernel.policy import COMMANDS, NotClosed, PolicySet, bind, parse_policies, split_closed, to_predicate
from baaskit.kernel.policy.explain import explain
from baaskit.kernel.schema import Schema

from .pets import MEMBERS, PETS, SCHEMA

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ADA = Claims("authenticated", "6f1c0a52-0f0e-4c1e-9a51-3b1f0d3f7a01", {"sub": "6f1c0a52-0f0e-4c1e-9a51-3b1f0d3f7a01"})
ROW: dict[str, Any] = {c.name: None for c in SCHEMA.tables[PETS].columns}


def policies(text: str) -> PolicySet:
    return parse_policies(text, SCHEMA)


def holds(expr: Any, row: dict[str, Any], claims: Claims = ADA, old: dict[str, Any] | None = None) -> bool | None:
    return to_predicate(expr)({**ROW, **row}, None if old is None else {**ROW, **old}, claims, NOW)


def test_a_table_without_policies_is_closed_to_clients_and_open_to_the_service() -> None:
    found = policies("")

    for command in COMMANDS:
        assert found.access(PETS, command, "anon").denied
        assert found.access(PETS, command, "authenticated").denied
        assert found.access(PETS, command, "someone").denied
        service = found.access(PETS, command, "service_role")
        assert (service.denied, service.using, service.check, service.columns) == (False, None, None, None)


def test_a_denied_access_holds_conditions_that_are_false() -> None:
    """So that whoever forgets to look at `denied` still gets nothing."""
    access = policies("").access(PETS, "update", "anon")

    assert [holds(access.using, {}), holds(access.check, {}), access.denied] == [False, False, True]


def test_permissive_policies_are_alternatives() -> None:
    using = (
        policies("create policy a on pets for select using (stock = 1); create policy b on pets for select using (stock = 2)")
        .access(PETS, "select", "anon")
        .using
    )
    assert [holds(using, {"stock": n}) for n in (1, 2, 3)] == [True, True, False]


def test_restrictive_policies_narrow_what_permissive_ones_allow() -> None:
    using = (
        policies("create policy a on pets for select using (true); create policy b on pets as restrictive for select using (stock > 1)")
        .access(PETS, "select", "anon")
        .using
    )
    assert [holds(using, {"stock": n}) for n in (1, 2)] == [False, True]


def test_restrictive_policies_alone_allow_nothing() -> None:
    assert policies("create policy b on pets as restrictive for select using (true)").access(PETS, "select", "anon").denied


def test_a_policy_speaks_only_to_its_roles_and_commands() -> None:
    found = policies("create policy a on pets for select to authenticated using (true)")

    assert not found.access(PETS, "select", "authenticated").denied
    assert found.access(PETS, "select", "anon").denied
    assert found.access(PETS, "insert", "authenticated").denied
    assert found.access(MEMBERS, "select", "authenticated").denied


def test_using_stands_in_for_a_missing_check() -> None:
    found = policies("create policy a on pets for all using (stock = 1)")

    assert holds(found.access(PETS, "insert", "anon").check, {"stock": 1}) is True
    assert holds(found.access(PETS, "update", "anon").check, {"stock": 2}) is False


def test_update_and_delete_also_need_what_select_needs() -> None:
    found = policies(
        "create policy s on pets for select using (sold); create policy u on pets for update using (rare); "
        "create policy d on pets for delete using (rare)"
    )
    update, delete = found.access(PETS, "update", "anon"), found.access(PETS, "delete", "anon")

    for condition in (update.using, update.check, delete.using):
        assert [holds(condition, {"sold": s, "rare": r}) for s, r in ((True, True), (True, False), (False, True))] == [True, False, False]


def test_update_without_a_select_policy_touches_nothing() -> None:
    assert policies("create policy u on pets for update using (true)").access(PETS, "update", "anon").denied


def test_insert_is_allowed_without_select_but_cannot_return_the_row() -> None:
    access = policies("create policy i on pets for insert with check (stock = 1)").access(PETS, "insert", "anon")

    assert (access.denied, holds(access.check, {"stock": 1}), holds(access.returning, {"stock": 1})) == (False, True, False)


def test_the_check_of_an_update_sees_the_row_before() -> None:
    access = policies(
        "create policy s on pets for select using (true); create policy u on pets for update using (true) "
        "with check (old.status = 'available' and status = 'pending' and price = old.price)"
    ).access(PETS, "update", "authenticated")

    def allowed(before: str, after: str, price: float) -> bool | None:
        return holds(access.check, {"status": after, "price": price}, old={"status": before, "price": 5})

    assert allowed("available", "pending", 5) is True
    assert allowed("available", "sold", 5) is False
    assert allowed("pending", "pending", 5) is False
    assert allowed("available", "pending", 4) is False


def test_an_anonymous_caller_does_not_own_rows_without_owner() -> None:
    using = policies("create policy a on pets for select using (owner_id = auth.uid())").access(PETS, "select", "anon").using

    assert holds(using, {"owner_id": None}, ANONYMOUS) is None
    assert holds(using, {"owner_id": ADA.uid}, ANONYMOUS) is None
    assert holds(using, {"owner_id": ADA.uid}, ADA) is True


def test_a_subject_that_is_no_uuid_owns_nothing() -> None:
    using = policies("create policy a on pets for select using (owner_id = auth.uid())").access(PETS, "select", "authenticated").using

    assert holds(using, {"owner_id": ADA.uid}, Claims("authenticated", "x' or true --")) is None


@pytest.mark.parametrize("row", [{"stock": "abc"}, {"stock": []}, {"at": "never"}, {"owner_id": 5}, {"sold": "yes"}])
def test_a_value_that_cannot_be_read_refuses_whatever_stands_around_it(row: dict[str, Any]) -> None:
    text = "create policy a on pets for select using (not (stock > 5 and at < now() and owner_id = auth.uid() and sold) or true = sold)"
    using = policies(text).access(PETS, "select", "authenticated").using

    assert holds(using, {"stock": 9, "at": "2025-01-01T00:00:00Z", "owner_id": ADA.uid, "sold": True, **row}) is None


def test_a_row_that_lacks_a_column_refuses() -> None:
    using = policies("create policy a on pets for select using (sold is null or true)").access(PETS, "select", "anon").using

    assert to_predicate(using)({}, None, ANONYMOUS, NOW) is None  # type: ignore[arg-type]


def test_times_are_compared_whatever_their_offset() -> None:
    using = policies("create policy a on pets for select using (at = '2026-01-01 12:00:00+02')").access(PETS, "select", "anon").using

    assert holds(using, {"at": "2026-01-01T10:00:00+00:00"}) is True
    assert holds(using, {"at": "2026-01-01T11:00:00.000+01:00"}) is True
    assert holds(using, {"at": "2026-01-01T10:00:00.1Z"}) is False


def test_a_sub_select_in_memory_needs_the_rows_of_other_tables() -> None:
    using = policies("create policy a on pets for select using (sold and exists (select 1 from members m where m.team_id = pets.team_id))")
    expr = using.access(PETS, "select", "anon").using
    assert expr is not None

    with pytest.raises(NotClosed):
        to_predicate(expr)
    closed, rest = split_closed(expr)
    assert (str(closed), closed.is_closed, rest.is_closed, rest.tables) == ("sold", True, False, frozenset({MEMBERS}))
    asked = to_predicate(expr, lambda name: [{"team_id": 3}])
    assert asked({**ROW, "sold": True, "team_id": 3}, None, ANONYMOUS, NOW) is True
    assert asked({**ROW, "sold": True, "team_id": 4}, None, ANONYMOUS, NOW) is False


def test_column_privileges_are_what_was_granted_and_not_revoked() -> None:
    found = policies(
        "create policy a on pets for all using (true); grant select (id, name), update (name) on pets to anon;"
        "grant select (price) on pets to anon;"
        "revoke select (owner_id) on pets from authenticated; revoke insert on pets from public;"
        "revoke all on pets from anon; grant select (id) on pets to anon"
    )
    everything = frozenset(SCHEMA.tables[PETS].by_name)

    assert found.access(PETS, "select", "anon").columns == {"id"}
    assert found.access(PETS, "select", "authenticated").columns == everything - {"owner_id"}
    assert found.access(PETS, "update", "authenticated").columns is None
    assert found.access(PETS, "insert", "authenticated").denied
    assert found.access(PETS, "update", "anon").denied
    assert found.access(PETS, "select", "service_role").columns is None


def test_a_table_grant_gives_all_columns_back() -> None:
    found = policies("create policy a on pets using (true); grant select (id) on pets to anon; grant select on pets to anon")

    assert found.access(PETS, "select", "anon").columns is None


def test_the_same_question_gives_the_same_object() -> None:
    found = policies("create policy a on pets for select using (true)")

    assert found.access(PETS, "select", "anon") is found.access(PETS, "select", "anon")


def without_column(name: str) -> Schema:
    table = SCHEMA.tables[PETS]
    return Schema({**SCHEMA.tables, PETS: replace(table, columns=tuple(c for c in table.columns if c.name != name))})


def test_a_policy_that_no_longer_fits_closes_its_command_and_only_that() -> None:
    text = (
        "create policy a on pets for select using (true); create policy b on pets for delete using (rare);"
        "create policy c on members using (true)"
    )

    found = bind(text, without_column("rare"))

    assert [f.message for f in found.closed] == ["unknown column 'rare'"]
    assert not found.access(PETS, "select", "anon").denied
    assert found.access(PETS, "delete", "anon").denied
    assert not found.access(MEMBERS, "delete", "anon").denied
    assert not found.access(PETS, "delete", "service_role").denied


def test_a_restrictive_policy_that_no_longer_fits_closes_rather_than_opens() -> None:
    text = "create policy a on pets for select using (true); create policy b on pets as restrictive for select using (rare)"

    assert bind(text, without_column("rare")).access(PETS, "select", "anon").denied


def test_a_grant_that_no_longer_fits_closes_its_command() -> None:
    text = "create policy a on pets using (true); grant select (id, rare) on pets to anon"

    assert bind(text, without_column("rare")).access(PETS, "select", "anon").denied


@pytest.mark.parametrize(
    "text",
    [
        "create policy a on pets using (true); nonsense",
        "create policy a on pets using (true); create policy b 'x",
        "create policy a on pets using (true); create policy m on members using (id = 1 create policy r on pets using (sold)",
        "create policy a on pets using (true); create policy m on members using (true) create policy r on pets using (sold)",
    ],
)
def test_a_statement_that_cannot_be_read_at_all_closes_everything(text: str) -> None:
    found = bind(text, SCHEMA)

    assert (found.closed_all, found.access(PETS, "select", "anon").denied, found.access(PETS, "select", "service_role").denied) == (
        True,
        True,
        False,
    )


def test_a_fault_at_a_semicolon_does_not_swallow_the_next_statement() -> None:
    text = (
        "create policy a on members using (id[; create policy s on pets for select using (true);"
        "create policy r on pets as restrictive using (sold)"
    )
    found = bind(text, SCHEMA)

    assert [p.name for p in found.policies] == ["s", "r"]
    assert holds(found.access(PETS, "select", "anon").using, {"sold": False}) is False


def test_facts_about_an_expression() -> None:
    text = (
        "create policy s on pets for select using (true); create policy u on pets for update using (true) with check "
        "(name = old.note and owner_id = auth.uid() and at < now() "
        "and team_id in (select m.team_id from members m where m.level > pets.stock))"
    )
    check = policies(text).access(PETS, "update", "anon").check
    assert check is not None

    assert check.columns == {"name", "owner_id", "at", "team_id", "stock"}
    assert check.old_columns == {"note"}
    assert check.claims == {"uid", "now"}
    assert check.tables == {MEMBERS}


def test_the_text_of_an_expression_reads_back_as_the_same_expression() -> None:
    text = (
        "create policy s on pets for select using (not (name ilike 'a''%' or stock between 1 and 2) "
        "and (price * 2 > 1.5 or meta -> 'a' ->> 0 is not null) "
        "and coalesce(note, 'x') = any (tags) and (storage.foldername(path))[1] = auth.uid()::text "
        "and case when sold then rare else null end "
        "and exists (select 1 from members m where m.team_id = pets.team_id and m.level <> 1) and at > '2026-01-01')"
    )
    first = policies(text).access(PETS, "select", "anon").using
    second = policies(f"create policy s on pets for select using ({first})").access(PETS, "select", "anon").using

    assert second == first


def test_explain_names_policy_clause_and_values() -> None:
    found = policies(
        "create policy shop on pets for select using (status = 'available');\n"
        "create policy mine on pets for select to authenticated using (owner_id = auth.uid() and not sold)"
    )
    row = {**ROW, "status": "sold", "owner_id": ADA.uid, "sold": True}

    told = explain(found, PETS, "select", ADA, row, now=NOW)

    [question] = told.questions
    assert (told.allowed, question.asked, question.answer) == (False, "the row may be seen", False)
    assert [(v.policy, v.line, v.answer) for v in question.verdicts] == [("shop", 1, False), ("mine", 2, False)]
    assert [(c.text, c.answer, c.values) for c in question.verdicts[1].clauses] == [
        ("owner_id = auth.uid()", True, (("auth.uid()", ADA.uid), ("owner_id", ADA.uid))),
        ("not sold", False, (("sold", True),)),
    ]


@pytest.mark.parametrize("stock", [None, 0, 1, 2])
@pytest.mark.parametrize("sold", [None, True, False])
@pytest.mark.parametrize("command", COMMANDS)
def test_what_explain_says_is_what_is_decided(command: Any, sold: bool | None, stock: int | None) -> None:
    found = policies(
        "create policy a on pets for all using (stock > 0); create policy b on pets for select using (sold);"
        "create policy r on pets as restrictive for all using (stock is distinct from 2);"
        "create policy u on pets for update using (sold) with check (old.sold)"
    )
    access = found.access(PETS, command, "anon")
    row = {**ROW, "sold": sold, "stock": stock}
    needed = [c for c in (access.using, access.check) if c is not None]

    told = explain(found, PETS, command, ANONYMOUS, row, now=NOW, old=row if command == "update" else None)

    assert told.allowed == all(to_predicate(c)(row, row, ANONYMOUS, NOW) is True for c in needed)


def test_explain_says_why_no_policy_was_asked() -> None:
    assert explain(policies(""), PETS, "select", ANONYMOUS, ROW, now=NOW).reason == "no policy lets anon select on pets"
    closed = bind("create policy a on pets for select using (gone)", SCHEMA)
    assert explain(closed, PETS, "select", ANONYMOUS, ROW, now=NOW).reason == "pets is closed for select: a policy does not fit the schema"
