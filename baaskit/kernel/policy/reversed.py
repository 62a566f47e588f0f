"""A condition turned round: for one changed row, which of many subscribers may see it? One query instead of one each.

The subscribers come as one JSON text and are the relation that the query runs over; claims are its columns, the row is a
JSON text too. Sub-selects stay what they are, so membership is looked up by the database.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import FromClause, Select, bindparam, cast, column, func, literal_column, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import Text

from baaskit.kernel.claims import Claims
from baaskit.kernel.policy import scalars
from baaskit.kernel.policy.claims import claim_value, json_bind
from baaskit.kernel.policy.expr import OLD, ClaimName, Expr, Source, quote_text
from baaskit.kernel.policy.sql import Dialect, PostgresCompiler, Sql, SqliteCompiler, words
from baaskit.kernel.schema import Table, TableName, Type

SUBSCRIBERS, ROW_BIND, OLD_BIND, NOW_BIND = "policy_subscribers", "policy_row", "policy_old", "claims_now"


def to_reversed_sql(expr: Expr, table: Table, *, dialect: Dialect, resolve: Callable[[TableName], FromClause]) -> Select[tuple[str]]:
    """A query with one column, `id`: the subscribers for whom `expr` is true of the row. Binds: `reversed_binds`."""
    if dialect == "sqlite":
        people = func.json_each(bindparam(SUBSCRIBERS, type_=Text())).table_valued("value", name="people")
        field = _field(people.c.value)
        compiler: SqliteCompiler | PostgresCompiler = SqliteCompiler(_sqlite_row(), field, resolve)
    else:
        people = func.jsonb_array_elements(cast(bindparam(SUBSCRIBERS, type_=Text()), JSONB)).table_valued(
            column("value", JSONB), name="people"
        )
        field = _field(people.c.value)
        compiler = PostgresCompiler(_postgres_row(table), field, resolve)
    return select(_identity(people.c.value).label("id")).select_from(people).where(compiler.compile(expr))


def reversed_binds(
    subscribers: Iterable[tuple[str, Claims]], table: Table, row: Mapping[str, Any], *, dialect: Dialect, now: datetime,
    old: Mapping[str, Any] | None = None, topic: str | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Values for `to_reversed_sql`. Subscribers are (id, claims); rows are as REST shows them."""
    people = [{"id": identity, **_claims(claims, now, topic)} for identity, claims in subscribers]
    found = {SUBSCRIBERS: json_bind(people), ROW_BIND: json_bind(_row(table, row, dialect)), NOW_BIND: scalars.timestamptz_text(now)}
    return {**found, OLD_BIND: json_bind(_row(table, old, dialect))} if old is not None else found


def _claims(claims: Claims, now: datetime, topic: str | None) -> dict[str, Any]:
    names: tuple[ClaimName, ...] = ("uid", "uid_int", "uid_text", "role", "email", "jwt", "topic")
    return {name: claim_value(name, claims, now, topic) for name in names}


def _row(table: Table, row: Mapping[str, Any], dialect: Dialect) -> dict[str, Any]:
    if dialect == "postgresql":
        return dict(row)
    return {c.name: scalars.stored(row.get(c.name), c.type) for c in table.columns}


def _identity(value: Sql) -> Sql:
    return words(value, "->>", literal_column("'id'"))


def _field(value: Sql) -> Callable[[ClaimName], Sql]:
    def field(name: ClaimName) -> Sql:
        if name == "now":
            return bindparam(NOW_BIND, type_=Text())
        return words(value, "->" if name == "jwt" else "->>", quote_text(name))

    return field


def _sqlite_row() -> Callable[[Source, str], Sql]:
    def read(source: Source, name: str) -> Sql:
        # ->> gives back the number, the text or 0/1 that `stored` put in; a path quoted so that any name works.
        return words(bindparam(OLD_BIND if source == OLD else ROW_BIND, type_=Text()), "->>", quote_text(name))

    return read


def _postgres_row(table: Table) -> Callable[[Source, str], Sql]:
    def read(source: Source, name: str) -> Sql:
        type = table.by_name[name].type
        document = words("CAST(", bindparam(OLD_BIND if source == OLD else ROW_BIND, type_=Text()), "AS jsonb)")
        if type.array:
            return _postgres_array(words(document, "->", quote_text(name)), type)
        if type.family == "json":
            return words("nullif(", document, "->", quote_text(name), ", 'null')")
        return words("CAST(", document, "->>", quote_text(name), f"AS {type.reference})")

    return read


def _postgres_array(document: Sql, type: Type) -> Sql:
    element = "CAST(ARRAY(SELECT item FROM jsonb_array_elements_text("
    kind = f"AS {type.reference}[])"
    return words("CASE WHEN jsonb_typeof(", document, ") = 'array' THEN", element, document, ") AS items(item))", kind, "END")
