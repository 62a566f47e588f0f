"""What a resuming live query has missed, read in the snapshot of its rows: no gap and no overlap by construction."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from baaskit.kernel.changes import PRUNED_KEY, Change, Cursor, Position
from baaskit.kernel.database import Script, Sql
from baaskit.kernel.database.tables import Tables
from baaskit.kernel.schema import TableName

MISSED_LIMIT = 2000  # more than this is told as a new snapshot


def missed(t: Tables, since: Position, tables: frozenset[TableName]) -> Script[list[Change] | None]:
    """Part of a read script: the changes of `tables` after `since` that this snapshot sees, oldest first.

    None when the log does not reach back that far, or they are too many.
    """
    pruned = yield select(t.state.c.value).where(t.state.c.key == PRUNED_KEY)
    if pruned and (int(pruned[0]["value"]) > since.xmin if since.sqlite else int(pruned[0]["value"]) >= since.xmin):
        return None
    found = yield (_sqlite if since.sqlite else _postgres)(since)
    numbers = [int(row[0]) for row in found if TableName(row[1], row[2]) in tables]
    if len(found) > MISSED_LIMIT:
        return None
    if not numbers:
        return []
    rows = yield select(t.changes).where(t.changes.c.seq.in_(numbers)).order_by(t.changes.c.seq)
    return [_change(row) for row in rows]


def _sqlite(since: Position) -> Sql:
    return Sql('SELECT seq, table_schema, table_name FROM "baaskit.changes" WHERE seq > ? LIMIT ?', (since.xmin, MISSED_LIMIT + 1))


def _postgres(since: Position) -> Sql:
    text = (
        "SELECT seq, table_schema, table_name FROM baaskit.changes WHERE txid >= $1::text::xid8 "
        "AND (txid >= $2::text::xid8 OR txid::text::bigint = ANY($3::bigint[])) LIMIT $4"
    )
    return Sql(text, (str(since.xmin), str(since.xmax), sorted(since.running), MISSED_LIMIT + 1))


def _change(row: dict[str, Any]) -> Change:
    name = TableName(row["table_schema"], row["table_name"])
    return Change(int(row["seq"]), int(row["txid"]), name, row["op"], row["before"], row["after"], row["at"], Cursor(""))
