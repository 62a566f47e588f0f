"""One text, four answers: SQLite, PostgreSQL, Python, and PostgreSQL running the original text. They must be equal."""

from __future__ import annotations

import os
from collections import Counter
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from baaskit.errors import Fault
from baaskit.kernel.claims import Claims
from baaskit.kernel.policy import to_predicate
from baaskit.kernel.policy.expr import Expr

from .expressions import MEMBER_ROWS, ROWS, callers, expressions
from .pets import MEMBERS, PETS
from .sides import NOW, TOPIC, Sides, checked

LONG = os.environ.get("TEST_LONG") == "1"
BATCH = 10  # expressions per example and query
EXAMPLES = 10_000 if LONG else 100
seen: Counter[str] = Counter()


def agree(sides: Sides, texts: list[str], rows: list[dict[str, Any]], members: list[dict[str, Any]], claims: Claims, old: bool) -> None:
    accepted: list[tuple[str, Expr]] = []
    for text in texts:
        try:
            accepted.append((text, checked(text, old)))
        except Fault as fault:
            stricter = any(word in fault.message for word in ("parentheses", "itself", "are null"))
            if not stricter and not sides.refuses(text, claims, old):
                raise AssertionError(f"refused here only: {text}\n{fault}") from fault
            seen["refused"] += 1
    if not accepted:
        return
    shown = sides.load({PETS: rows, MEMBERS: members})
    by_id = {row["id"]: row for row in shown[PETS]}
    found = [f for _, f in accepted]
    answers = [
        sides.compiled(found, claims, "sqlite"),
        sides.compiled(found, claims, "postgresql"),
        sides.original([t for t, _ in accepted], claims, old),
    ]
    for place, (text, expr) in enumerate(accepted):
        predicate = to_predicate(expr, lambda name: shown[name])
        for on_sqlite, on_postgres, raw in zip(*answers, strict=True):
            row = by_id[on_sqlite[0]]
            python = predicate(row, by_id[row["before_id"]], claims, NOW, TOPIC)
            values = {"sqlite": on_sqlite[place + 1], "postgresql": on_postgres[place + 1], "python": python, "original": raw[place + 1]}
            seen[str(raw[place + 1])] += 1
            if values["original"] == "error":
                del values["original"]  # PostgreSQL raises where we give NULL or a value: nothing to compare
            assert len(set(values.values())) == 1, f"{values} for {text}\nread as {expr}\nrow {row}\nclaims {claims}"


# No shrinking: a failure already names the one expression, row and caller, and shrinking batches takes minutes.
_settings = settings(
    phases=[Phase.explicit, Phase.reuse, Phase.generate], max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck)
)


@_settings
@given(texts=st.lists(expressions(), min_size=BATCH, max_size=BATCH), rows=ROWS, members=MEMBER_ROWS, claims=callers())
def test_sqlite_postgresql_python_and_the_original_text_give_the_same_answer(
    sides: Sides, texts: list[str], rows: Any, members: Any, claims: Claims
) -> None:
    agree(sides, texts, rows, members, claims, False)


@settings(_settings, max_examples=max(EXAMPLES // 5, 20))
@given(texts=st.lists(expressions(2, old=True), min_size=BATCH, max_size=BATCH), rows=ROWS, members=MEMBER_ROWS, claims=callers())
def test_they_agree_on_conditions_that_read_the_row_before_an_update(
    sides: Sides, texts: list[str], rows: Any, members: Any, claims: Claims
) -> None:
    agree(sides, texts, rows, members, claims, True)


def test_the_random_expressions_have_all_three_answers_on_both_sides(sides: Sides) -> None:
    """A guard of the properties themselves: without true, false and NULL in plenty they would prove little."""
    rows = [{"id": 1, "before_id": 1, "name": "rex", "stock": 1}, {"id": 2, "before_id": 1, "name": None, "stock": 0}]
    agree(sides, ["name = 'rex'", "1 / stock = 1", "not name = 'rex'"], rows, [], Claims("anon"), False)
