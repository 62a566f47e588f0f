"""`auth.uid()` where ids are integers or text: SQLite, PostgreSQL, Python and the original text give the same answer."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from baaskit.errors import Fault
from baaskit.kernel.claims import ANONYMOUS, Claims
from baaskit.kernel.policy import to_predicate
from baaskit.kernel.policy.check import Checker
from baaskit.kernel.policy.claims import claim_value
from baaskit.kernel.policy.expr import Expr, quote_text
from baaskit.kernel.policy.syntax import parse_expression
from baaskit.kernel.schema import Type

from .expressions import MEMBER_ROWS, ROWS
from .pets import MEMBERS, PETS, SCHEMA
from .sides import NOW, TOPIC, Sides

INTEGERS = ("stock = auth.uid()", "auth.uid() <> team_id", "team_id in (auth.uid(), 2)", "auth.uid() is null", "stock is distinct from auth.uid()",
            "exists (select 1 from members m where m.team_id = auth.uid() and m.level = pets.stock)", "coalesce(auth.uid(), 1) = team_id",
            "auth.uid() + 1 > team_id", "auth.uid()::text = name", "auth.uid() = any (sizes)", "not (auth.uid() = stock)")  # fmt: skip
TEXTS = ("name = auth.uid()", "auth.uid() <> note", "auth.uid() = any (tags)", "lower(auth.uid()) = name", "auth.uid() is null", "auth.uid() < name",
         "exists (select 1 from members m where m.role = auth.uid())", "auth.uid() || '' = name", "not (auth.uid() = name)")  # fmt: skip
SUBJECTS = st.one_of(
    st.none(), st.sampled_from(["0", "1", "2", "-1", "007", "+1", " 1", "1 ", "1e3", "1.0", "٣", "9223372036854775807", "9223372036854775808", "a", "Rex", "rex", "x' or 1=1",
                                "6f1c0a52-0f0e-4c1e-9a51-3b1f0d3f7a01", "a\x00b"]),
    st.integers(-5, 5).map(str), st.text(max_size=4).filter(lambda text: text.isprintable()),
)  # fmt: skip


def checked(text: str, kind: str) -> Expr:
    source, syntax = parse_expression(text)
    return Checker(source, replace(SCHEMA, uid=Type(kind)), SCHEMA.tables[PETS]).condition(syntax)


@settings(
    phases=[Phase.explicit, Phase.reuse, Phase.generate], max_examples=2000 if os.environ.get("TEST_LONG") == "1" else 60, deadline=None,
    suppress_health_check=list(HealthCheck),
)  # fmt: skip
@given(kind=st.sampled_from(["int8", "text"]), subject=SUBJECTS, rows=ROWS, members=MEMBER_ROWS)
def test_both_databases_python_and_the_original_text_agree(sides: Sides, kind: str, subject: str | None, rows: Any, members: Any) -> None:
    claims = Claims("authenticated", subject, {"sub": subject}) if subject else ANONYMOUS
    texts = INTEGERS if kind == "int8" else TEXTS
    found = [checked(text, kind) for text in texts]
    shown = sides.load({PETS: rows, MEMBERS: members})
    by_id = {row["id"]: row for row in shown[PETS]}
    uid = claim_value("uid_int" if kind == "int8" else "uid_text", claims, NOW)
    literal = f"({'null' if uid is None else quote_text(str(uid))}::{kind})"
    answers = [
        sides.compiled(found, claims, "sqlite"),
        sides.compiled(found, claims, "postgresql"),
        sides.original([text.replace("auth.uid()", literal) for text in texts], ANONYMOUS, False),
    ]
    for place, text in enumerate(texts):
        predicate = to_predicate(found[place], lambda name: shown[name])
        for on_sqlite, on_postgres, raw in zip(*answers, strict=True):
            python = predicate(by_id[on_sqlite[0]], None, claims, NOW, TOPIC)
            values = {on_sqlite[place + 1], on_postgres[place + 1], python} | ({raw[place + 1]} - {"error"})
            assert len(values) == 1, (
                text,
                subject,
                by_id[on_sqlite[0]],
                on_sqlite[place + 1],
                on_postgres[place + 1],
                python,
                raw[place + 1],
            )


@pytest.mark.parametrize(
    ("subject", "number"), [("7", 7), ("-7", -7), ("0", 0), ("07", None), ("+7", None), ("-0", None), ("7 ", None), ("٧", None), ("", None)]
)
def test_two_subjects_are_never_one_user(subject: str, number: int | None) -> None:
    assert claim_value("uid_int", Claims("authenticated", subject), NOW) == number


@pytest.mark.parametrize(
    ("kind", "text"),
    [("int8", "owner_id = auth.uid()"), ("uuid", "stock = auth.uid()"), ("text", "stock = auth.uid()"), ("int8", "name = auth.uid()")],
)
def test_ids_of_another_type_are_refused_when_the_policy_is_saved(kind: str, text: str) -> None:
    with pytest.raises(Fault):
        checked(text, kind)


def test_the_text_of_a_policy_is_what_was_written() -> None:
    assert str(checked("stock = auth.uid()", "int8")) == "stock = auth.uid()"
