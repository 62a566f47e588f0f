"""Asking once for all subscribers gives what asking each one gives."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy.dialects import sqlite as sqlite_dialect
from sqlalchemy.dialects.postgresql import asyncpg as asyncpg_dialect

from baaskit.errors import Fault
from baaskit.kernel.claims import Claims
from baaskit.kernel.policy import to_predicate
from baaskit.kernel.policy.reversed import reversed_binds, to_reversed_sql

from .expressions import MEMBER_ROWS, ROWS, callers, expressions
from .pets import MEMBERS, PETS, SCHEMA
from .sides import NOW, TOPIC, Sides, checked, resolve
from .test_compilers_agree import _settings


def answers(
    sides: Sides, text: str, row: dict[str, Any], before: dict[str, Any], people: list[tuple[str, Claims]], dialect: Any
) -> set[str]:
    table = SCHEMA.tables[PETS]
    statement = to_reversed_sql(checked(text, True), table, dialect=dialect, resolve=resolve)
    binds = reversed_binds(people, table, row, dialect=dialect, now=NOW, old=before, topic=TOPIC)
    if dialect == "postgresql":
        compiled = statement.compile(dialect=asyncpg_dialect.dialect())
        return {r[0] for r in sides.postgres.fetch(str(compiled), *(binds[n] for n in compiled.positiontup or ()))}
    compiled = statement.compile(dialect=sqlite_dialect.dialect(paramstyle="qmark"))
    return {r[0] for r in sides.sqlite.execute(str(compiled), [binds[n] for n in compiled.positiontup or ()])}


@settings(_settings, max_examples=max(_settings.max_examples // 2, 50))
@given(
    text=st.one_of(expressions(2), expressions(1, old=True)),
    rows=ROWS,
    members=MEMBER_ROWS,
    people=st.lists(callers(), min_size=2, max_size=5),
)
def test_one_query_for_all_subscribers_equals_one_question_each(
    sides: Sides, text: str, rows: Any, members: Any, people: list[Claims]
) -> None:
    try:
        expr = checked(text, True)
    except Fault:
        return
    shown = sides.load({PETS: rows, MEMBERS: members})
    row, before = shown[PETS][0], shown[PETS][1]
    named = [(str(i), claims) for i, claims in enumerate(people)]
    predicate = to_predicate(expr, lambda name: shown[name])
    expected = {identity for identity, claims in named if predicate(row, before, claims, NOW, TOPIC) is True}

    for dialect in ("sqlite", "postgresql"):
        assert answers(sides, text, row, before, named, dialect) == expected, (dialect, text, row, before, people)


@pytest.mark.parametrize("dialect", ["sqlite", "postgresql"])
def test_members_of_the_team_are_found_and_nobody_else(sides: Sides, dialect: str) -> None:
    ada, bob = "6f1c0a52-0f0e-4c1e-9a51-3b1f0d3f7a01", "00000000-0000-4000-8000-000000000002"
    shown = sides.load(
        {PETS: [{"id": 1, "team_id": 7}], MEMBERS: [{"id": 1, "team_id": 7, "user_id": ada}, {"id": 2, "team_id": 8, "user_id": bob}]}
    )
    people = [("a", Claims("authenticated", ada)), ("b", Claims("authenticated", bob)), ("n", Claims("anon"))]
    text = "exists (select 1 from members m where m.team_id = pets.team_id and m.user_id = auth.uid())"

    assert answers(sides, text, shown[PETS][0], shown[PETS][0], people, dialect) == {"a"}
