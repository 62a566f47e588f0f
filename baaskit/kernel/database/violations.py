"""Errors of the drivers → `SqlState`, with PostgreSQL's codes and words on both databases.

No value of a row gets through here: PostgreSQL's details name stored keys, so they travel beside the error
(`Violation.key`) and only a caller who may read the row gets them back (`reveal`).
"""

from __future__ import annotations

import re
from typing import Any

import apsw

from baaskit.errors import BaasError, Internal, Overloaded
from baaskit.errors.rest import SqlState, StatementTimeout
from baaskit.kernel.database.compiled import Sql
from baaskit.kernel.schema import Schema, Table, TableName

# What a statement meets that was planned before another process changed the table.
_STALE = frozenset({"42P01", "42703", "42704", "42804", "42883", "3F000", "0A000"})
_STALE_ON_SQLITE = re.compile(r"no such (?:table|column|index)|has no column named|has \d+ columns but")


class Violation(SqlState):
    """A constraint refused a row. `columns` are the constraint's on `table` when known; `key` is PostgreSQL's detail text.

    `unless_refused`: a question for after the roll-back, how many of the rows policy refuses, and the error if it is any.
    PostgreSQL's own row security has the same order: what a caller may not write tells him nothing of the rows that are there.
    """

    unless_refused: tuple[Sql, BaasError] | None = None

    def __init__(
        self, state: str, message: str, *, table: TableName | None = None, columns: tuple[str, ...] = (), key: str | None = None
    ) -> None:
        super().__init__(state, message)
        self.table, self.columns, self.key = table, columns, key


def translate_sqlite_error(problem: Exception, schema: Schema) -> BaasError:
    """The client-visible error of an apsw exception; anything unknown is `Internal`."""
    text = str(problem)
    code = getattr(problem, "extendedresult", 0)
    if isinstance(problem, apsw.ConstraintError):
        return _constraint(text, code, schema)
    if isinstance(problem, apsw.BusyError):
        return Overloaded("The database is busy with another writer.", headers={"Retry-After": "1"})
    if isinstance(problem, apsw.InterruptError):
        return StatementTimeout()
    if isinstance(problem, apsw.TooBigError):
        return SqlState("54000", "the value is too large")
    if isinstance(problem, apsw.FullError):
        return SqlState("53100", "the disk is full")
    if isinstance(problem, apsw.SQLError):
        return _statement(text)
    return Internal()


def _statement(text: str) -> BaasError:
    """Errors that a correct statement can still meet: in an expression over a row's values."""
    if "JSON path" in text:
        return SqlState("22P02", "invalid JSON path")
    if "malformed JSON" in text:
        return SqlState("22P02", "invalid input syntax for type json")
    if "integer overflow" in text:
        return SqlState("22003", "bigint out of range")
    problem = Internal()
    problem.stale = _STALE_ON_SQLITE.search(text) is not None
    return problem


def _constraint(text: str, code: int, schema: Schema) -> BaasError:
    kind, _, rest = text.partition(" constraint failed")
    kind = kind.rpartition(": ")[2]  # apsw may put its own words in front
    rest = rest.removeprefix(": ")
    if kind == "UNIQUE":
        return _unique(rest, schema)
    if kind == "NOT NULL":
        raw, _, column = rest.rpartition(".")
        name = _table_name(raw)
        return Violation(
            "23502",
            f'null value in column "{column}" of relation "{name.name}" violates not-null constraint',
            table=name,
            columns=(column,),
        )
    if kind == "CHECK":
        return Violation("23514", f'violates check constraint "{rest[:120]}"')
    if kind == "FOREIGN KEY":
        return Violation("23503", "insert, update or delete violates a foreign key constraint")
    if code == apsw.SQLITE_CONSTRAINT_TRIGGER:
        return SqlState("P0001", text.removeprefix("ConstraintError: "))
    return Violation("23000", "a constraint refused the row")


def _unique(rest: str, schema: Schema) -> Violation:
    """`pets.a, pets.b` or `index 'name'` → the constraint's name as PostgreSQL would have given it."""
    if rest.startswith("index '"):
        return Violation("23505", f'duplicate key value violates unique constraint "{rest[7:-1]}"')
    parts = [part.strip().rpartition(".") for part in rest.split(",")]
    name = _table_name(parts[0][0])
    columns = tuple(part[2] for part in parts)
    table = schema.tables.get(name)
    return Violation(
        "23505", f'duplicate key value violates unique constraint "{unique_name(table, name, columns)}"', table=name, columns=columns
    )


def unique_name(table: Table | None, name: TableName, columns: tuple[str, ...]) -> str:
    """PostgreSQL's own name of a unique set: `pets_pkey`, `pets_a_b_key`."""
    if table is not None and set(table.primary_key) == set(columns):
        return f"{name.name}_pkey"
    return f"{name.name}_{'_'.join(columns)}_key"


def _table_name(physical: str) -> TableName:
    schema, dot, name = physical.partition(".")
    return TableName(schema, name) if dot else TableName("public", physical)


def translate_postgres_error(problem: Any) -> BaasError:
    """The client-visible error of an asyncpg exception. Details of constraint violations are held back."""
    state = getattr(problem, "sqlstate", None)
    if not isinstance(state, str):
        return Internal()
    message = str(getattr(problem, "message", None) or problem)
    if state.startswith("23"):
        table = getattr(problem, "table_name", None)
        schema = getattr(problem, "schema_name", None) or "public"
        key = getattr(problem, "detail", None) if state in ("23505", "23503") else None
        found = Violation(state, message, table=TableName(schema, table) if table else None, columns=_key_columns(key), key=key)
        return found
    if state == "57014":
        return StatementTimeout(message)
    if state.startswith(("22", "42", "P0", "PT", "21", "25", "40", "53", "57")):
        detail = getattr(problem, "detail", None) if state.startswith(("22P02", "P0", "PT")) else None
        found_state = SqlState(state, message, details=detail, hint=getattr(problem, "hint", None))
        found_state.stale = state in _STALE
        return found_state
    return Internal() if state.startswith("XX") else SqlState(state, message)


def _key_columns(detail: str | None) -> tuple[str, ...]:
    """`Key (a, b)=(1, 2) already exists.` → a, b."""
    found = re.match(r"Key \((.*?)\)=\(", detail or "", re.S)
    return tuple(part.strip().strip('"') for part in found[1].split(",")) if found else ()
