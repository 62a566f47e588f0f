"""Capture without triggers: polled tables are read again and again, and what differs is written into the change log.

What it cannot see: what happens between two looks (a row changed twice is one change, a row that came and went is none), who
did it and when exactly, and what changed while no server looked. Tables without a primary key and those with more rows than
`polling_max_rows` are not followed; the log says so.
"""

from __future__ import annotations

import asyncio
import time
from secrets import token_hex
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from baaskit.errors import BaasError
from baaskit.kernel.database import Database, Script, Sql
from baaskit.kernel.database.capture import literal, physical, quote, row_sql
from baaskit.kernel.schema import Table, TableName
from baaskit.observe import fact

LEASE_KEY = "polling"  # row of baaskit.state: which process polls, so that a change is logged once
Rows = dict[str, str]  # key as JSON text → row as JSON text


class Poller:
    """Follows the polled tables of one database. `start` after the database, `stop` before it."""

    def __init__(self, database: Database, seconds: float, max_rows: int) -> None:
        self._database, self._seconds, self._max_rows = database, seconds, max_rows
        self._known: dict[TableName, tuple[Table, Rows]] = {}
        self._refused: set[TableName] = set()
        self._name = token_hex(8)
        self._task: asyncio.Task[None] | None = None
        self._looking = asyncio.Lock()

    def start(self) -> None:
        self._task = asyncio.create_task(self._follow(), name="polling")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _follow(self) -> None:
        while True:
            try:
                await self.look()
            except BaasError as problem:
                fact("polling.failed", error=problem.message)
            await asyncio.sleep(self._seconds)

    def tables(self) -> list[Table]:
        """Those to look at now."""
        schema, mode = self._database.catalog.schema, self._database.capture_mode
        found = [
            schema.tables[n] for n in sorted(schema.captured) if n in schema.tables and not schema.tables[n].home and mode(n) == "polling"
        ]
        return [table for table in found if table.name.schema not in ("auth", "storage", "realtime", "baaskit")]

    async def look(self) -> None:
        """One look at every polled table. The first at a table only takes note of its rows."""
        async with self._looking:
            await self._look()

    async def _look(self) -> None:
        tables = self.tables()
        if not tables:
            return
        if not await self._database.run(self._lease):
            self._known.clear()  # another process polls; what was seen here is out of date when our turn comes
            return
        for table in tables:
            if not table.primary_key:
                self._refuse(table.name, "it has no primary key")
                continue
            rows = await self._database.read(lambda table=table: self._read(table))  # type: ignore[misc]
            if len(rows) > self._max_rows:
                self._known.pop(table.name, None)
                self._refuse(table.name, f"it has more than {self._max_rows} rows (polling_max_rows)")
                continue
            before = self._known.get(table.name)
            if before is not None and before[0].columns == table.columns:
                await self._log(table, before[1], rows)
            self._known[table.name] = (table, rows)

    def _refuse(self, name: TableName, why: str) -> None:
        if name not in self._refused:
            self._refused.add(name)
            fact("polling.refused", table=str(name), reason=why)

    def _lease(self) -> Script[bool]:
        """Whether this process is the one that polls. Another takes over when it has not looked for three intervals."""
        t, now = self._database.tables, time.time()
        make = (sqlite_insert if self._database.dialect == "sqlite" else pg_insert)(t.state)
        yield make.values(key=LEASE_KEY, value={"by": "", "until": 0}).on_conflict_do_nothing()
        [held] = yield select(t.state.c.value).where(t.state.c.key == LEASE_KEY).with_for_update()
        if held["value"]["by"] not in ("", self._name) and held["value"]["until"] > now:
            return False
        yield update(t.state).where(t.state.c.key == LEASE_KEY).values(value={"by": self._name, "until": now + 3 * self._seconds + 5})
        return True

    def _read(self, table: Table) -> Script[Rows]:
        dialect = self._database.dialect
        place = physical(table.stored, dialect)
        if dialect == "sqlite":
            keys = "json_array(" + ", ".join(f"polled.{quote(name)}" for name in table.primary_key) + ")"
            text = f"SELECT {keys}, {row_sql(table, 'polled')} FROM {place} AS polled LIMIT {self._max_rows + 1}"
        else:
            keys = "jsonb_build_array(" + ", ".join(f"polled.{quote(name)}" for name in table.primary_key) + ")::text"
            text = f"SELECT {keys}, to_jsonb(polled)::text FROM {place} AS polled LIMIT {self._max_rows + 1}"
        found: list[Any] = yield Sql(text)
        return {row[0]: row[1] for row in found}

    async def _log(self, table: Table, before: Rows, after: Rows) -> None:
        entries: list[tuple[str, str | None, str | None]] = [("delete", row, None) for key, row in before.items() if key not in after]
        entries += [("update", before[key], row) for key, row in after.items() if key in before and before[key] != row]
        entries += [("insert", None, row) for key, row in after.items() if key not in before]
        if not entries:
            return
        head = f"{literal(table.name.schema)}, {literal(table.name.name)}"
        if self._database.dialect == "sqlite":
            text = f'INSERT INTO "baaskit.changes"(table_schema, table_name, op, "before", "after") VALUES ({head}, ?, ?, ?)'
        else:
            text = f"INSERT INTO baaskit.changes(table_schema, table_name, op, before, after) VALUES ({head}, $1, $2::text::jsonb, $3::text::jsonb)"

        def script() -> Script[None]:
            for entry in entries:
                yield Sql(text, entry)

        await self._database.run(script)
