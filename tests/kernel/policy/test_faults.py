"""What is refused, where the caret stands, and what the author is told to write instead."""

from __future__ import annotations

import pytest

from baaskit.errors import Fault
from baaskit.kernel.policy import PolicyFaults, parse_policies

from .pets import PETS, SCHEMA


def faults(text: str) -> list[Fault]:
    with pytest.raises(PolicyFaults) as caught:
        parse_policies(text, SCHEMA)
    return caught.value.faults


def fault_of(condition: str) -> Fault:
    [found] = faults(f"create policy p on pets for select using (\n{condition}\n);")
    return found


@pytest.mark.parametrize(
    ("condition", "column", "message", "hint"),
    [
        ("ownr_id = auth.uid()", 1, "unknown column 'ownr_id'", "did you mean 'owner_id'?"),
        ("sold and pets.nam = 'x'", 15, "unknown column 'nam' in pets", "did you mean 'name'?"),
        ("petz.name = 'x'", 1, "unknown table 'petz' here", "did you mean 'pets'?"),
        ("owner_id = auth.uidd()", 12, "function auth.uidd is not allowed in policies", "did you mean auth.uid?"),
        ("pg_sleep(10) = 1", 1, "function pg_sleep is not allowed in policies", None),
        ("current_user = 'x'", 1, "unknown column 'current_user'", "use auth.uid() or auth.role()"),
        ("status = 'avaliable'", 10, "'avaliable' is not a value of pet_status", "did you mean 'available'?"),
        ("owner_id = 'not-a-uuid'", 12, "'not-a-uuid' is not a uuid", None),
        ("at > 'yesterday'", 6, "'yesterday' is not a timestamptz", None),
        ("name = 1", 1, "= cannot be used between text and int8", "cast one side, for example …::text"),
        ("owner_id = auth.jwt() ->> 'sub'", 1, "= cannot be used between uuid and text", "cast one side, for example …::text"),
        ("sold = 1", 1, "= cannot be used between bool and int8", None),
        ("name", 1, "a policy must be boolean, this is text", None),
        ("stock + 1", 1, "a policy must be boolean, this is int8", None),
        ("sold and name", 10, "each side of and must be boolean, this is text", None),
        ("status < 'sold'", 1, "values of pet_status can only be compared with =, <> and in", None),
        ("meta = meta", 1, "values of jsonb cannot be compared in policies", "read a text from it with ->>"),
        ("name = name", 1, "column 'name' is compared with itself", "name the table of each side"),
        ("old.name = name", 1, "old.column is only known in the with check of a policy for update", None),
        ("name ~ '(a+)+'", 6, "operator ~ is not allowed in policies", None),
        ("stock = 1 = sold", 11, "write parentheses to say what '=' applies to", None),
        ("(owner_id, name) in (('a', 'b'))", 10, "row values (a, b) are not allowed in policies", None),
        ("name like note", 11, "the pattern of like must be a plain string", None),
        ("name like 'a\\'", 11, "a pattern must not end with its escape character", None),
        ("name = E'\\x41'", 8, "strings written E'…' are not allowed in policies: write '…'", None),
        ("name::regclass = 'x'", 1, "type regclass is not allowed in policies", None),
        ("price / 3 > 1", 1, "division of numeric is not allowed in policies: databases round it differently", "multiply instead"),
        ("case when sold then null end", 1, "all parts of case are null: cast one to the type that is meant", None),
        ("(select role from members) = 'admin'", 1, "a sub-select cannot stand for a value in a policy",
         "write: value in (select …), or exists (select …)"),
        ("exists (select 1 from membrs)", 23, "unknown table 'membrs'", "did you mean 'members'?"),
        ("exists (select 1 from members limit 1)", 31, "'limit' is not allowed in a sub-select of a policy", None),
        ("exists (select count(*) from members)", 22, "'*' is not allowed in a call in policies", None),
        ("exists (select 1 from members m where m.role = 'a') and m.role = 'b'", 57, "unknown table 'm' here", None),
        ("exists (select 1 from (select 1) x)", 23, "a sub-select in from is not allowed in policies", None),
        ("sold and", None, "expected an expression, found ')'", None),
        ("sold sold", 6, "expected ')', found 'sold'", None),
    ],
)  # fmt: skip
def test_a_condition_is_refused_with_its_place_and_the_way_out(condition: str, column: int | None, message: str, hint: str | None) -> None:
    found = fault_of(condition)

    assert (found.message, found.hint) == (message, hint)
    if column is not None:
        assert (found.line, found.column, found.excerpt) == (2, column, condition)


@pytest.mark.parametrize(
    "condition",
    [
        "exists (select 1 from members where team_id = team_id)",
        "exists (select 1 from members m where m.team_id = team_id)",
        "exists (select 1 from members m where m.user_id = auth.uid() and id = 1)",
    ],
)
def test_a_bare_name_that_could_mean_either_table_is_refused(condition: str) -> None:
    """`where team_id = team_id` is always true and would open the table to every member of anything."""
    found = fault_of(condition)

    assert "could be of 'm" in found.message
    assert "write m" in (found.hint or "")


def test_an_output_column_of_the_outer_table_is_refused() -> None:
    """`stock in (select stock from members)` is always true in PostgreSQL: members has no stock."""
    assert fault_of("stock in (select stock from members)").message == "unknown column 'stock' in the sub-select"


def test_a_bare_name_of_one_table_only_is_accepted() -> None:
    parse_policies("create policy p on pets for select using (exists (select 1 from members where user_id = owner_id))", SCHEMA)
    parse_policies("create policy p on pets for select using (team_id in (select team_id from members where user_id = auth.uid()))", SCHEMA)


def test_every_fault_of_a_file_is_reported_at_once_in_order() -> None:
    found = faults("create policy a on pets using (nam = 'x');\ncreate polcy b;\ncreate policy c on pets for select to anom using (true);")

    assert [(f.file, f.line, f.message) for f in found] == [
        ("policies.sql", 1, "unknown column 'nam'"),
        ("policies.sql", 2, "expected 'policy', found 'polcy'"),
        ("policies.sql", 3, "unknown role 'anom'"),
    ]


def test_a_fault_draws_a_caret_under_its_place() -> None:
    [found] = faults("create policy p on pets for select\n  using (ownr_id = auth.uid());")

    assert str(found) == (
        "policies.sql:2:10: unknown column 'ownr_id'\n    using (ownr_id = auth.uid());\n           ^\n  hint: did you mean 'owner_id'?"
    )


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("create policy p on pets for insert using (true)", "a policy for insert has no using, only with check"),
        ("create policy p on pets for select using (true) with check (true)", "a policy for select or delete has no with check"),
        ("create policy p on pets for select", "this policy needs using (…)"),
        ("create policy p on petz for select using (true)", "unknown table 'petz'"),
        (
            "create policy p on pets using (true) with check (old.name = name)",
            "old.column is only known in the with check of a policy for update",
        ),
        ("create policy p on pets using (true); create policy p on pets using (true)", "policy 'p' on pets is already defined"),
        ("alter table pets disable row level security", "row level security cannot be disabled: write a policy that allows what is meant"),
        ("grant select (nam) on pets to anon", "unknown column 'nam' in pets"),
        ("grant delete (name) on pets to anon", "delete is not given by column"),
        ("drop policy p on pets", "there is no policy 'p' on pets above"),
        ("drop table pets", "expected 'policy', found 'table'"),
        ("select 1", "expected create policy, grant or revoke, found 'select'"),
        ("create policy p on pets for select using (name = 'x)", "a string is not closed"),
    ],
)
def test_a_statement_that_means_nothing_here_is_refused(statement: str, message: str) -> None:
    assert [f.message for f in faults(statement)] == [message]


@pytest.mark.parametrize(
    "condition",
    [
        "(" * 300 + "true" + ")" * 300,
        "not " * 300 + "sold",
        " or ".join(["sold"] * 600),
        "name = '" + "x" * 9_000 + "'",
        " || ".join(["name"] * 200) + " = 'x'",
        "- " * 5_000 + "stock = 1",
        "case when " * 200 + "true",
    ],
    ids=["parentheses", "not", "parts", "length", "chain", "minus", "case"],
)  # fmt: skip
def test_an_expression_beyond_the_caps_is_refused_and_nothing_breaks(condition: str) -> None:
    message = fault_of(condition).message

    assert "at most" in message or "nested too deeply" in message


def test_a_long_chain_of_alternatives_below_the_caps_is_fine() -> None:
    parse_policies(f"create policy p on pets for select using ({' or '.join(['sold'] * 200)})", SCHEMA)


def test_comments_and_row_level_security_statements_are_accepted() -> None:
    text = """
      -- pets
      alter table public.pets enable row level security; /* a /* nested */ comment */
      create policy "seen by all" on "public"."pets" as permissive for select to public using (true);
    """
    assert [(p.name, p.table, p.line) for p in parse_policies(text, SCHEMA).policies] == [("seen by all", PETS, 4)]


def test_a_policy_that_lets_everyone_write_is_pointed_out_but_accepted() -> None:
    found = parse_policies("create policy p on pets for update to anon using (true)", SCHEMA)

    assert [w.message for w in found.warnings] == ["policy 'p' lets every anon write every row of pets"]


def test_a_role_read_from_what_users_can_edit_is_pointed_out() -> None:
    found = parse_policies("create policy p on pets for select using (auth.jwt() -> 'user_metadata' ->> 'role' = 'admin')", SCHEMA)

    assert [w.message for w in found.warnings] == ["users can edit their own user_metadata"]
