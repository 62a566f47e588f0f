"""What a function returned, read as a table is: its rows (of a database function, or given as JSON) under a `ReadPlan`.

A database function is called once per request, in a common table expression: page and total come out of one statement.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import orjson
from sqlalchemy import Integer, cast, column, func, null, select, text

from baaskit.kernel.claims import Claims
from baaskit.kernel.database.binding import Binds, Extra, Statement
from baaskit.kernel.database.capture import quote
from baaskit.kernel.database.compiled import Sql
from baaskit.kernel.database.conditions import PgType
from baaskit.kernel.database.statements import Builder
from baaskit.kernel.database.values import coerce_json
from baaskit.kernel.plan import ReadPlan
from baaskit.kernel.policy.claims import json_bind
from baaskit.kernel.query import Value
from baaskit.kernel.schema import Column, Parameter, Routine, Schema, TableName

Mode = Literal["json", "text", "whole"]  # arguments: members of one JSON object, texts, or one that takes the whole body

# For this transaction alone: who calls, and where plain names of the function's SQL are looked up. The last value tells
# whether the function is still the one that the plan was made for.
_SETTINGS = """SELECT set_config('request.jwt.claims', $1, true), set_config('request.method', $2, true),
set_config('request.path', $3, true), set_config('search_path', $4, true),
(SELECT xmin::text FROM pg_catalog.pg_proc WHERE oid = $5::bigint::oid)"""


class Replaced(Exception):
    """The function is not the one that was planned for: reload the catalogue and plan anew."""


@dataclass(frozen=True, slots=True)
class Called:
    """Rows as JSON texts, and how many the filters leave, if that was asked for."""

    rows: list[str]
    total: int | None = None


@dataclass(frozen=True, slots=True)
class CompiledCall:
    """Reads the rows of one source. `at_once`: one row of the statement holds all rows and the total (PostgreSQL); else
    `count` is the statement of the total, where that was asked for."""

    plan: ReadPlan | None
    statement: Statement
    count: Statement | None = None
    at_once: bool = False

    def steps(self, values: Sequence[Value], claims: Claims, extra: Extra) -> Generator[Sql, list[Any], Called]:
        found = yield Sql(self.statement.text, self.statement.bind(values, claims, extra))
        if self.plan is None:
            return Called([])
        if self.at_once:
            [(rows, total)] = found
            return Called(rows, total)
        rows = [row[0] for row in found]
        if self.count is None:
            return Called(rows)
        return Called(rows, (yield Sql(self.count.text, self.count.bind(values, claims, extra)))[0][0])


def settings(routine: Routine, claims: Claims, method: str) -> Generator[Sql, list[Any], None]:
    """Steps before a call. Raises Replaced."""
    path = f"{quote(routine.name.schema)}, public"
    [row] = yield Sql(_SETTINGS, [json_bind(claims.jwt), method, f"/rpc/{routine.name.name}", path, routine.oid])
    if row[-1] != routine.stamp:
        raise Replaced


def call_parameters(routine: Routine, names: frozenset[str], mode: Mode) -> tuple[Parameter, ...]:
    """The parameters that a call gives, in the order of `text` mode's extra values a0, a1, …"""
    return routine.parameters if mode == "whole" else tuple(p for p in routine.parameters if p.name in names)


def compile_routine(
    routine: Routine, given: tuple[Parameter, ...], mode: Mode, plan: ReadPlan | None, schema: Schema, *, counted: bool
) -> CompiledCall:
    """The call of a database function. Values come as extras: `body` (JSON or raw), or in `text` mode a0, a1, …"""
    builder = Builder("postgresql", schema)
    source, called = "", _routine_name(routine.name)
    if mode == "text":
        arguments = [_argument(p, f"CAST(CAST({_bind(builder.binds, f'a{n}')} AS text) AS {p.sql})") for n, p in enumerate(given)]
    elif mode == "whole":
        body = _bind(builder.binds, "body")
        inner = body if given[0].type.name == "bytea" else f"CAST({body} AS text)"
        arguments = [f"CAST({inner} AS {given[0].sql})"]
    else:
        arguments = [_argument(p, f"given.{quote(p.name)}") for p in given]
        if given:
            shape = ", ".join(f"{quote(p.name)} {p.sql}" for p in given)
            source = f"json_to_record(CAST({_bind(builder.binds, 'body')} AS json)) AS given({shape}), LATERAL "
    origin = f"{source}{called}({', '.join(arguments)})"
    if plan is None:
        return CompiledCall(None, builder.binds.compile(text(_escaped(f"SELECT 1 FROM {origin} AS result")), "postgresql"))
    names = [c.name for c in plan.table.columns]
    alias = f"result({quote(names[0])})" if routine.kind == "scalar" else "result"
    listed = ", ".join(f"result.{quote(name)}" for name in names)
    return _whole(builder, f"SELECT {listed} FROM {origin} AS {alias}", names, plan, counted)


def compile_rows(plan: ReadPlan, dialect: str, schema: Schema, *, counted: bool) -> CompiledCall:
    """The rows that the extra `rows` holds (`rows_bind`) under a plan of their shape."""
    columns = plan.table.columns
    names = [c.name for c in columns]
    if dialect == "postgresql":
        builder = Builder(dialect, schema)
        shape = ", ".join(f"{quote(c.name)} {PgType(c.type).get_col_spec()}" for c in columns)
        source = f"SELECT * FROM json_to_recordset(CAST({_bind(builder.binds, 'rows')} AS json)) AS given({shape})"
        return _whole(builder, source, names, plan, counted)
    statements = []
    for kind in ("rows", "count") if counted else ("rows",):
        builder = Builder(dialect, schema)
        listed = ", ".join(f"json_extract(value, '$[{n}]') AS {quote(name)}" for n, name in enumerate(names))
        source = f"SELECT {listed} FROM json_each({_bind(builder.binds, 'rows')})"
        row = builder.alias(text(_escaped(source)).columns(*(column(name) for name in names)))
        statement = builder.rows(plan, row) if kind == "rows" else builder.counted(plan, row)
        statements.append(builder.binds.compile(statement, dialect))
    return CompiledCall(plan, statements[0], statements[1] if counted else None)


def rows_bind(rows: list[dict[str, Any]], raw: str, columns: tuple[Column, ...], dialect: str) -> str:
    """The value of the extra `rows`: `raw`, the rows' JSON, or on SQLite their stored forms by position. Raises SqlState."""
    if dialect == "postgresql":
        return raw
    return orjson.dumps([[coerce_json(c.type, row.get(c.name)) for c in columns] for row in rows]).decode()


def _whole(builder: Builder, source: str, names: list[str], plan: ReadPlan, counted: bool) -> CompiledCall:
    """`WITH called AS (…) SELECT ARRAY(page), (total)`: the source is read once, also where both are asked for."""
    called = text(_escaped(source)).columns(*(column(name) for name in names)).cte("called")
    page = builder.rows(plan, builder.alias(called)).scalar_subquery()
    total: Any = builder.counted(plan, builder.alias(called)).scalar_subquery() if counted else cast(null(), Integer)
    return CompiledCall(plan, builder.binds.compile(select(func.array(page), total), "postgresql"), at_once=True)


def _routine_name(name: TableName) -> str:
    return f"{quote(name.schema)}.{quote(name.name)}"


def _argument(parameter: Parameter, value: str) -> str:
    named = f"{quote(parameter.name)} => {value}"
    return f"VARIADIC {named}" if parameter.variadic else named


_MARK = "\x00"  # in no identifier of a database: stands before our own parameters while the text is put together


def _bind(binds: Binds, key: str) -> str:
    binds.given(key)
    return f"{_MARK}x_{key}"


def _escaped(statement: str) -> str:
    """Colons of names are no parameters; ours are."""
    return statement.replace(":", "\\:").replace(_MARK, ":")
