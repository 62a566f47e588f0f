"""May this caller see this row? Conditions without sub-select are answered in memory; the others by one reversed statement.

*Reversed*: callers and changed rows become relations, and the database answers for every pair at once (policies.md §2).
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import FromClause, literal_column

from baaskit.kernel.claims import Claims
from baaskit.kernel.database import Database, Sql
from baaskit.kernel.database.capture import physical, quote
from baaskit.kernel.database.compiled import make_dialect
from baaskit.kernel.database.statements import relation_of
from baaskit.kernel.policy import CLAIM_BINDS, TRUE, Access, Expr, Predicate, claim_binds, split_closed, to_predicate
from baaskit.kernel.policy.claims import claim_value
from baaskit.kernel.policy.expr import Claim, JsonGet, Source
from baaskit.kernel.policy.scalars import stored
from baaskit.kernel.policy.sql import PostgresCompiler, SqliteCompiler
from baaskit.kernel.schema import Schema, Table, TableName

Row = Mapping[str, Any]
_VOLATILE = frozenset({"exp", "iat", "nbf", "jti"})  # differ after each refresh, though the caller is the same


@dataclass(frozen=True, slots=True)
class Sight:
    """The select access of a role, split: `closed` is asked in memory first, then `open` of the database; None asks nothing."""

    denied: bool
    closed: Predicate | None
    open: Expr | None
    using: Expr | None

    @classmethod
    def of(cls, access: Access) -> Sight:
        if access.denied:
            return cls(True, None, None, access.using)
        if access.using is None:
            return cls(False, None, None, None)
        closed, rest = split_closed(access.using)
        return cls(False, None if closed == TRUE else to_predicate(closed), None if rest == TRUE else rest, access.using)

    def may(self, row: Row | None, claims: Claims, now: datetime, topic: str | None = None) -> bool:
        """Whether the row passes what can be asked in memory; if there is `open`, that must be asked, too."""
        if row is None or self.denied:
            return False
        return self.closed is None or self.closed(row, None, claims, now, topic) is True


def claim_facts(exprs: Iterable[Expr | None], claims: Claims) -> Hashable:
    """What of the caller the conditions look at: callers with equal facts see the same rows."""
    facts: dict[str, Any] = {}
    for expr in exprs:
        if expr is None:
            continue
        keyed = 0
        for node in expr.walk():
            if isinstance(node, JsonGet) and isinstance(node.operand, Claim) and node.operand.name == "jwt":
                facts[f"jwt.{node.key}"] = claims.jwt.get(str(node.key))
                keyed += 1
        read = [n.name for n in expr.walk() if isinstance(n, Claim)]
        for name in set(read) - {"jwt", "now", "topic"}:
            facts[name] = claim_value(name, claims, _EPOCH)
        if read.count("jwt") > keyed:
            facts["jwt"] = {k: v for k, v in claims.jwt.items() if k not in _VOLATILE}
    return orjson.dumps(facts, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS, default=str)


_EPOCH = datetime.fromtimestamp(0)


@dataclass(frozen=True, slots=True)
class Caller:
    """One caller of a reversed question."""

    claims: Claims
    topic: str | None = None


async def ask(
    database: Database, schema: Schema, table: Table, condition: Expr, callers: Sequence[Caller], rows: Sequence[Row], now: datetime
) -> set[tuple[int, int]]:
    """The pairs (index of caller, index of row) for which `condition` is true, by one statement. Rows are REST-shaped."""
    if not callers or not rows:
        return set()
    text = reversed_text(database.dialect, schema, table, condition)
    if database.dialect == "sqlite":
        shown: list[Any] = [[stored(row.get(column.name), column.type) for column in table.columns] for row in rows]
    else:
        shown = [{"n": number, "v": row} for number, row in enumerate(rows)]
    people = [{"n": number, **claim_binds(caller.claims, now, caller.topic)} for number, caller in enumerate(callers)]
    params = (orjson.dumps(people).decode(), orjson.dumps(shown).decode())

    def script() -> Any:
        return (yield Sql(text, params))

    return {(int(a), int(b)) for a, b in await database.read(script)}


def reversed_text(dialect: str, schema: Schema, table: Table, condition: Expr) -> str:
    """`condition` asked of relations `caller` (claims) and `changed` (rows), both given as JSON."""

    def resolve(name: TableName) -> FromClause:
        described = schema.tables[name]
        return relation_of(described.stored, [c.name for c in described.columns], dialect)

    def column(source: Source, name: str) -> Any:
        return literal_column(f'"changed".{quote(name)}')

    def claim(name: str) -> Any:
        return literal_column(f'"caller".{CLAIM_BINDS[name]}')  # type: ignore[index]

    compiler = (SqliteCompiler if dialect == "sqlite" else PostgresCompiler)(column, claim, resolve)
    where = str(compiler.compile(condition).compile(dialect=make_dialect(dialect)))
    binds = list(CLAIM_BINDS.values())
    if dialect == "sqlite":
        people = ", ".join(f"json_extract(value, '$.{bind}') AS {bind}" for bind in binds)
        columns = ", ".join(f"json_extract(value, '$[{number}]') AS {quote(c.name)}" for number, c in enumerate(table.columns))
        return (
            f'SELECT "caller".n, "changed"._n FROM (SELECT key AS n, {people} FROM json_each(?1)) AS "caller" '
            f'CROSS JOIN (SELECT key AS _n, {columns} FROM json_each(?2)) AS "changed" WHERE {where}'
        )
    people = ", ".join(f"{bind} text" for bind in binds)
    kind = physical(table.stored, dialect)
    return (
        f'SELECT "caller".n, given.n FROM jsonb_to_recordset($1::jsonb) AS "caller"(n int, {people}) '
        f"CROSS JOIN jsonb_to_recordset($2::jsonb) AS given(n int, v jsonb) "
        f'CROSS JOIN LATERAL jsonb_populate_record(NULL::{kind}, given.v) AS "changed" WHERE {where}'
    )
