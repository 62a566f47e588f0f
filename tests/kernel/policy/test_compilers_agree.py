"""One text, four answers: SQLite, PostgreSQL, Python, and PostgreSQL running the original text. They must be equal."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Any

import apsw
import asyncpg
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import FromClause, TableClause, column, select, table
from sqlalchemy.dialects import sqlite as sqlite_dialect
from sqlalchemy.dialects.postgresql import asyncpg as asyncpg_dialect

from baaskit.errors import Fault
from baaskit.kernel.claims import Claims
from baaskit.kernel.policy import claim_binds, register_functions, to_predicate, to_sql
from baaskit.kernel.policy import scalars
from baaskit.kernel.policy.check import Checker
from baaskit.kernel.policy.expr import Expr
from baaskit.kernel.policy.syntax import parse_expression
from baaskit.kernel.schema import TableName

from .conftest import Postgres
from .expressions import MEMBER_ROWS, ROWS, callers, expressions
from .pets import MEMBERS, ORACLE, PETS, SCHEMA

LONG = os.environ.get("BAAS_LONG") == "1"
NOW = datetime(2026, 1, 1, 10, 0, 0, 120000, tzinfo=timezone.utc)
TOPIC = "rex"
BATCH = 10  # expressions per example and query
EXAMPLES = 10_000 if LONG else 100
seen: Counter[str] = Counter()


def resolve(name: TableName) -> TableClause:
    return table(name.name, *(column(c) for c in SCHEMA.tables[name].by_name))


def checked(text: str, old: bool) -> Expr:
    source, syntax = parse_expression(text)
    return Checker(source, SCHEMA, SCHEMA.tables[PETS], old).condition(syntax)


class Sides:
    """Both databases with the same rows."""

    def __init__(self, postgres: Postgres) -> None:
        self.postgres = postgres
        postgres.execute(ORACLE)
        self.sqlite = apsw.Connection(":memory:")
        register_functions(self.sqlite)
        affinity = {"int": "INTEGER", "bool": "INTEGER", "numeric": "NUMERIC", "float": "REAL"}
        for name in (PETS, MEMBERS):
            columns = ", ".join(f"{c.name} {'TEXT' if c.type.array else affinity.get(c.type.family, 'TEXT')}" for c in SCHEMA.tables[name].columns)
            self.sqlite.execute(f"create table {name.name} ({columns})")

    def load(self, rows: dict[TableName, list[dict[str, Any]]]) -> dict[TableName, list[dict[str, Any]]]:
        """Store the rows on both sides; gives them back as REST would show them."""
        shown = {}
        for name, values in rows.items():
            self.postgres.execute(f"delete from {name.name}")
            insert = f"insert into {name.name} select * from jsonb_populate_recordset(null::{name.name}, $1::jsonb)"
            self.postgres.fetch(insert, json.dumps(values))
            shown[name] = [json.loads(r[0]) for r in self.postgres.fetch(f"select row_to_json(t)::text from {name.name} t order by id")]
            self.sqlite.execute(f"delete from {name.name}")
            types = SCHEMA.tables[name].by_name
            for row in shown[name]:
                stored = [scalars.stored(v, types[c].type) for c, v in row.items()]
                self.sqlite.execute(f"insert into {name.name} values ({', '.join('?' * len(stored))})", stored)
        return shown

    def compiled(self, found: list[Expr], claims: Claims, dialect: str) -> list[tuple[Any, ...]]:
        """One row per pet, one value per expression."""
        pets, before = resolve(PETS), resolve(PETS).alias("before")
        columns = [to_sql(f, pets, dialect=dialect, resolve=resolve, old=before).label(f"e{i}") for i, f in enumerate(found)]  # type: ignore[arg-type]
        statement = select(pets.c.id, *columns).where(before.c.id == pets.c.before_id).order_by(pets.c.id)
        binds = claim_binds(claims, NOW, TOPIC)
        if dialect == "postgresql":
            compiled = statement.compile(dialect=asyncpg_dialect.dialect())
            return self.postgres.fetch(str(compiled), *(binds[n] for n in compiled.positiontup or ()))
        compiled = statement.compile(dialect=sqlite_dialect.dialect(paramstyle="qmark"))
        return [(r[0], *(None if v is None else bool(v) for v in r[1:])) for r in self.sqlite.execute(str(compiled), [binds[n] for n in compiled.positiontup or ()])]

    def original(self, texts: list[str], claims: Claims, old: bool) -> list[tuple[Any, ...]]:
        """PostgreSQL's own reading of the texts; a value it refuses to compute is the text 'error'."""
        for key, value in {"jwt": json.dumps(claims.jwt), "uid": claims.uid or "", "role": claims.role, "email": claims.email or "", "topic": TOPIC, "now": NOW.isoformat()}.items():
            self.postgres.fetch("select set_config($1, $2, false)", f"t.{key}", value)
        self.postgres.execute("set search_path = clock, public, pg_catalog")
        try:
            return self._original(texts, old, "")
        finally:
            self.postgres.execute("set search_path = public")

    def refuses(self, text: str, claims: Claims, old: bool) -> bool:
        """Whether PostgreSQL too finds that the text has no meaning."""
        try:
            return any(row[1] == "error" for row in self.original([text], claims, old))
        except (asyncpg.PostgresSyntaxError, asyncpg.UndefinedFunctionError, asyncpg.DatatypeMismatchError, asyncpg.CannotCoerceError):
            return True

    def _original(self, texts: list[str], old: bool, only: str) -> list[tuple[Any, ...]]:
        shown = ", ".join(f"({t})::bool" for t in texts)
        source = "pets, pets as old where old.id = pets.before_id" if old else "pets where true"
        try:
            return self.postgres.fetch(f"select pets.id, {shown} from {source} {only} order by pets.id")
        except asyncpg.DataError:
            if len(texts) > 1:
                parts = [self._original([t], old, only) for t in texts]
                return [(row[0][0], *(r[1] for r in row)) for row in zip(*parts)]
            if not only:
                ids = [r[0] for r in self.postgres.fetch("select id from pets order by id")] or [0]
                return [self._original(texts, old, f"and pets.id = {i}")[0] for i in ids]
            return [(int(only.rsplit(" ", 1)[1]), "error")]


@pytest.fixture(scope="module")
def sides(postgres: Postgres) -> Iterator[Sides]:
    yield Sides(postgres)
    print(f"\n{dict(seen)}")


def agree(sides: Sides, texts: list[str], rows: list[dict[str, Any]], members: list[dict[str, Any]], claims: Claims, old: bool) -> None:
    accepted: list[tuple[str, Expr]] = []
    for text in texts:
        try:
            accepted.append((text, checked(text, old)))
        except Fault as fault:
            stricter = any(word in fault.message for word in ("parentheses", "itself", "are null"))
            assert stricter or sides.refuses(text, claims, old), f"refused here only: {text}\n{fault}"
            seen["refused"] += 1
    if not accepted:
        return
    shown = sides.load({PETS: rows, MEMBERS: members})
    by_id = {row["id"]: row for row in shown[PETS]}
    found = [f for _, f in accepted]
    answers = [sides.compiled(found, claims, "sqlite"), sides.compiled(found, claims, "postgresql"), sides.original([t for t, _ in accepted], claims, old)]
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
_settings = settings(phases=[Phase.explicit, Phase.reuse, Phase.generate], max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))


@_settings
@given(texts=st.lists(expressions(), min_size=BATCH, max_size=BATCH), rows=ROWS, members=MEMBER_ROWS, claims=callers())
def test_sqlite_postgresql_python_and_the_original_text_give_the_same_answer(sides: Sides, texts: list[str], rows: Any, members: Any, claims: Claims) -> None:
    agree(sides, texts, rows, members, claims, False)


@settings(_settings, max_examples=max(EXAMPLES // 5, 20))
@given(texts=st.lists(expressions(2, old=True), min_size=BATCH, max_size=BATCH), rows=ROWS, members=MEMBER_ROWS, claims=callers())
def test_they_agree_on_conditions_that_read_the_row_before_an_update(sides: Sides, texts: list[str], rows: Any, members: Any, claims: Claims) -> None:
    agree(sides, texts, rows, members, claims, True)


def test_the_random_expressions_have_all_three_answers_on_both_sides(sides: Sides) -> None:
    """A guard of the properties themselves: without true, false and NULL in plenty they would prove little."""
    rows = [{"id": 1, "before_id": 1, "name": "rex", "stock": 1}, {"id": 2, "before_id": 1, "name": None, "stock": 0}]
    agree(sides, ["name = 'rex'", "1 / stock = 1", "not name = 'rex'"], rows, [], Claims("anon"), False)
