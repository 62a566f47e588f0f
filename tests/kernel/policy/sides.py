"""Both databases holding the same rows, and the ways to ask each of them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import apsw
import asyncpg
from sqlalchemy import TableClause, column, select, table
from sqlalchemy.dialects import sqlite as sqlite_dialect
from sqlalchemy.dialects.postgresql import asyncpg as asyncpg_dialect

from baaskit.kernel.claims import Claims
from baaskit.kernel.policy import claim_binds, register_functions, scalars, to_sql
from baaskit.kernel.policy.check import Checker
from baaskit.kernel.policy.expr import Expr
from baaskit.kernel.policy.syntax import parse_expression
from baaskit.kernel.schema import TableName

from .pets import MEMBERS, ORACLE, PETS, SCHEMA
from .postgres import Postgres

NOW = datetime(2026, 1, 1, 10, 0, 0, 120000, tzinfo=UTC)
TOPIC = "rex"


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
            columns = ", ".join(
                f"{c.name} {'TEXT' if c.type.array else affinity.get(c.type.family, 'TEXT')}" for c in SCHEMA.tables[name].columns
            )
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
        return [
            (r[0], *(None if v is None else bool(v) for v in r[1:]))
            for r in self.sqlite.execute(str(compiled), [binds[n] for n in compiled.positiontup or ()])
        ]

    def original(self, texts: list[str], claims: Claims, old: bool) -> list[tuple[Any, ...]]:
        """PostgreSQL's own reading of the texts; a value it refuses to compute is the text 'error'."""
        for key, value in {
            "jwt": json.dumps(claims.jwt),
            "uid": claims.uid or "",
            "role": claims.role,
            "email": claims.email or "",
            "topic": TOPIC,
            "now": NOW.isoformat(),
        }.items():
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
                return [(row[0][0], *(r[1] for r in row)) for row in zip(*parts, strict=True)]
            if not only:
                ids = [r[0] for r in self.postgres.fetch("select id from pets order by id")] or [0]
                return [self._original(texts, old, f"and pets.id = {i}")[0] for i in ids]
            return [(int(only.rsplit(" ", 1)[1]), "error")]
