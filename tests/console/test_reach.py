"""Whom a policy reaches, from its text: never shown narrower than it is."""

from __future__ import annotations

import pytest

from baaskit.console.reach import reach_of, reach_of_policy, reads_user_metadata
from baaskit.kernel.policy import parse_policies
from baaskit.kernel.schema import Column, Schema, Table, TableName, Type

PETS, MEMBERS = TableName("public", "pets"), TableName("public", "members")
COLUMNS = {"id": "int8", "status": "text", "owner_id": "uuid", "team_id": "int8"}
SCHEMA = Schema(
    {
        PETS: Table(PETS, tuple(Column(name, Type(kind)) for name, kind in COLUMNS.items()), ("id",)),
        MEMBERS: Table(MEMBERS, (Column("team_id", Type("int8")), Column("user_id", Type("uuid"))), ()),
    }
)


@pytest.mark.parametrize(
    ("roles", "using", "reach"),
    [
        ("anon, authenticated", "true", "public"),
        ("public", "status = 'available'", "public"),
        ("authenticated", "true", "signed-in"),
        ("authenticated", "auth.uid() is not null", "signed-in"),
        ("anon, authenticated", "auth.uid() is not null", "signed-in"),
        ("anon, authenticated", "auth.role() = 'authenticated'", "signed-in"),
        ("authenticated", "owner_id = auth.uid()", "owner"),
        ("authenticated", "owner_id = (select auth.uid())", "owner"),
        ("authenticated", "status = 'sold' and owner_id = auth.uid()", "owner"),
        ("authenticated", "status = 'sold' or owner_id = auth.uid()", "signed-in"),
        ("authenticated", "owner_id <> auth.uid()", "signed-in"),
        ("authenticated", "not (owner_id = auth.uid())", "signed-in"),
        ("anon, authenticated", "owner_id is not distinct from auth.uid()", "public"),
        ("authenticated", "exists (select 1 from members m where m.team_id = pets.team_id and m.user_id = auth.uid())", "owner"),
        ("authenticated", "auth.jwt() ->> 'plan' = 'gold'", "owner"),
        ("service_role", "true", "nobody"),
        ("authenticated", "false", "nobody"),
    ],
)
def test_the_reach_of_one_policy(roles: str, using: str, reach: str) -> None:
    policies = parse_policies(f"create policy p on pets for select to {roles} using ({using});", SCHEMA)
    assert reach_of(policies, PETS, "select") == reach
    assert reach_of_policy(policies.policies[0]) == reach


def test_without_a_policy_a_command_reaches_nobody() -> None:
    policies = parse_policies("create policy p on pets for select to anon using (true);", SCHEMA)
    assert [reach_of(policies, PETS, command) for command in ("insert", "update", "delete")] == ["nobody"] * 3
    assert reach_of(policies, MEMBERS, "select") == "nobody"


def test_the_widest_permissive_policy_counts_and_a_restrictive_one_narrows() -> None:
    text = """
    create policy own on pets for select to authenticated using (owner_id = auth.uid());
    create policy all_see on pets for select to anon, authenticated using (true);
    """
    assert reach_of(parse_policies(text, SCHEMA), PETS, "select") == "public"
    text += "create policy only_own on pets as restrictive for select to anon, authenticated using (owner_id = auth.uid());"
    assert reach_of(parse_policies(text, SCHEMA), PETS, "select") == "owner"


def test_an_update_reaches_only_those_who_may_also_select() -> None:
    text = """
    create policy change on pets for update to authenticated using (true);
    create policy own on pets for select to authenticated using (owner_id = auth.uid());
    """
    assert reach_of(parse_policies(text, SCHEMA), PETS, "update") == "owner"


@pytest.mark.parametrize(
    ("using", "trusts"),
    [("auth.jwt() -> 'user_metadata' ->> 'role' = 'admin'", True), ("auth.jwt() -> 'app_metadata' ->> 'role' = 'admin'", False)],
)
def test_a_claim_that_users_write_themselves_is_found(using: str, trusts: bool) -> None:
    policies = parse_policies(f"create policy p on pets for select to authenticated using ({using});", SCHEMA)
    assert reads_user_metadata(policies.policies[0]) is trusts
