"""Functions that data calls: `before` a write is made, and `after` a change has been committed (durably, in order per row)."""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Protocol

import orjson
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from baaskit.errors.functions import FunctionBusy, FunctionError, FunctionNotReady
from baaskit.functions.frames import Result
from baaskit.functions.manifest import Function, Manifest
from baaskit.functions.pool import PoolLimits
from baaskit.kernel.changes import Change, Cursor, CursorExpired
from baaskit.kernel.claims import ANONYMOUS, Claims
from baaskit.kernel.hooks import Write
from baaskit.kernel.kit import Kit
from baaskit.kernel.schema import TableName
from baaskit.observe import fact

_PAGE = 100  # changes read at once
_FIRST_RETRY_SECONDS, _LONGEST_RETRY_SECONDS = 0.2, 30.0
_LOOK_SECONDS = 30.0  # a consumer looks this often even if nothing it waits for happened, to move its cursor along


class Runner(Protocol):
    """What triggers need of the service."""

    kit: Kit

    @property
    def manifest(self) -> Manifest: ...

    @property
    def ready(self) -> bool: ...

    @property
    def limits(self) -> PoolLimits: ...

    async def invoke(self, function: Function, claims: Claims, *, body: bytes, trigger: str, key: str | None = None) -> Result: ...


def table_name(text: str) -> TableName:
    """`orders` → public.orders; `storage.objects` → storage.objects."""
    schema, dot, name = text.rpartition(".")
    return TableName(schema if dot else "public", name)


def concerned(manifest: Manifest, table: TableName, command: str) -> dict[str, list[str]]:
    """Names of the functions that a write calls, in the order of the calls: `{"before": […], "after": […]}`."""
    return {
        kind: sorted(f.name for f in manifest.of_kind(kind) if table_name(f.table) == table and f.operation == command)
        for kind in ("before", "after")
    }


class BeforeHooks:
    """The handler that is added to `hooks.before_write`, once. Functions of a table run in the order of their names."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self._release: Manifest | None = None
        self._wanted: dict[tuple[TableName, str], list[Function]] = {}

    def wants(self, table: TableName, command: str) -> bool:
        """Whether a function looks at this command; true as well while it cannot be known."""
        return not self._runner.ready or bool(self._of(table, command))

    def _of(self, table: TableName, command: str) -> Sequence[Function]:
        manifest = self._runner.manifest
        if manifest is not self._release:
            self._release, self._wanted = manifest, _by_write(manifest)
        return self._wanted.get((table, command), ())

    async def __call__(self, write: Write) -> Write:
        """The write as the functions leave it. Raises FunctionRefused, or another FunctionError if a function fails: then
        nothing is written, for a check that did not run has not passed."""
        if not self._runner.ready:
            raise FunctionNotReady("The functions could not be loaded, so their checks of writes cannot run.")
        for function in self._of(write.table, write.command):
            result = await self._runner.invoke(
                function, write.claims, body=orjson.dumps(write.rows), trigger=f"before {write.command} {write.table}"
            )
            if write.command != "delete":
                write = replace(write, rows=_rows(result.body, len(write.rows), function))
        return write


def _by_write(manifest: Manifest) -> dict[tuple[TableName, str], list[Function]]:
    found: dict[tuple[TableName, str], list[Function]] = defaultdict(list)
    for function in sorted(manifest.of_kind("before"), key=lambda f: f.name):
        found[table_name(function.table), function.operation].append(function)
    return dict(found)


def _rows(body: bytes, expected: int, function: Function) -> list[dict[str, Any]]:
    """The rows that a worker sent back; it is not trusted to keep their number and shape."""
    try:
        rows = orjson.loads(body)
    except orjson.JSONDecodeError:
        rows = None
    if not isinstance(rows, list) or len(rows) != expected or not all(isinstance(row, dict) for row in rows):
        raise FunctionError(f"Function {function.name} failed.")
    return rows


class AfterConsumers:
    """One durable consumer per `after` function of the current release."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self._consumers: dict[str, AfterConsumer] = {}

    def listen(self) -> None:
        """Add the sink that wakes consumers, once."""
        self._runner.kit.changes.add_sink(self._on_changes)

    async def follow(self, manifest: Manifest) -> None:
        """Run the consumers that `manifest` wants, and only those. A function that is still there keeps its cursor."""
        wanted = {f.key: f for f in manifest.of_kind("after")}
        for key in [key for key in self._consumers if key not in wanted]:
            await self._consumers.pop(key).stop()
        for key, function in wanted.items():
            if key in self._consumers:
                self._consumers[key].function = function
            else:
                consumer = self._consumers[key] = AfterConsumer(self._runner, function)
                await consumer.start()

    async def stop(self) -> None:
        for consumer in self._consumers.values():
            await consumer.stop()
        self._consumers.clear()

    async def _on_changes(self, changes: list[Change]) -> None:
        happened = {(change.table, change.op) for change in changes}
        for consumer in self._consumers.values():
            if consumer.wants & happened:
                consumer.wake()


class AfterConsumer:
    """Reads the change log from its stored cursor and runs one function for every change it declares.

    At least once: the cursor moves when a page is done, so a crash repeats the page with the same event ids. Changes of one
    row run in order; different rows at the same time. An event that fails `attempts` times is parked as a dead letter.
    """

    def __init__(self, runner: Runner, function: Function) -> None:
        self.function = function
        self._runner = runner
        self._kit = runner.kit
        self._table = table_name(function.table)
        self._woken = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._cursor: Cursor | None = None

    @property
    def wants(self) -> set[tuple[TableName, str]]:
        return {(self._table, self.function.operation)}

    def wake(self) -> None:
        self._woken.set()

    async def start(self) -> None:
        """Have the table captured and find the cursor, so that no change after this is missed; then follow."""
        try:
            await self._prepare()
        except Exception as problem:  # such as a table that a later migration makes; the task tries again
            fact("function.after.refused", function=self.function.name, table=str(self._table), error=str(problem))
        self._woken.set()
        self._task = asyncio.create_task(self._follow(), name=self.function.key)

    async def stop(self) -> None:
        """End the consumer, whatever it waits for. Asked until it is done: a cancellation that meets an event which is set at
        the same moment can be lost (python/cpython#86296), and the loop would go on for ever."""
        while self._task and not self._task.done():
            self._task.cancel()
            await asyncio.wait([self._task], timeout=0.1)

    async def _prepare(self) -> None:
        await self._kit.database.capture(self._table)
        t = self._kit.database.tables
        stored = await self._kit.database.query(select(t.cursors.c.cursor).where(t.cursors.c.name == self.function.key))
        if stored:
            self._cursor = Cursor(stored[0]["cursor"])
        else:
            await self._store(await self._kit.changes.here())

    async def _follow(self) -> None:
        failures = 0
        while True:
            try:
                if self._cursor is None:
                    await self._prepare()
                with suppress(TimeoutError):
                    async with asyncio.timeout(_LOOK_SECONDS):
                        await self._woken.wait()
                self._woken.clear()
                while await self._page():
                    pass
                failures = 0
            except CursorExpired:
                fact(
                    "function.after.failed",
                    function=self.function.name,
                    error="the change log was pruned before it was read: changes are lost",
                )
                await self._store(await self._kit.changes.here())
            except Exception as problem:
                fact("function.after.failed", function=self.function.name, error=repr(problem))
                failures += 1
                self._woken.set()
                await asyncio.sleep(_back_off(failures))

    async def _page(self) -> bool:
        """Run the next changes and move the cursor past them; False when there are none."""
        assert self._cursor is not None
        changes = await self._kit.changes.read(self._cursor, _PAGE)
        if not changes:
            return False
        rows: dict[bytes, list[Change]] = defaultdict(list)
        for change in changes:
            if change.table == self._table and change.op == self.function.operation:
                rows[self._row_key(change)].append(change)
        places = asyncio.Semaphore(self.function.concurrency or self._runner.limits.concurrency)

        async def in_order(of_row: list[Change]) -> None:
            async with places:
                for change in of_row:
                    await self._deliver(change)

        async with asyncio.TaskGroup() as group:
            for of_row in rows.values():
                group.create_task(in_order(of_row))
        await self._store(changes[-1].cursor)
        return True

    def _row_key(self, change: Change) -> bytes:
        table = self._kit.database.catalog.schema.tables.get(self._table)
        row = change.after or change.before or {}
        return orjson.dumps([row.get(column) for column in table.primary_key]) if table and table.primary_key else b""

    async def _deliver(self, change: Change) -> None:
        attempt = 1
        while True:
            event = {
                "id": change.event_id, "operation": change.op, "table": str(change.table), "new": change.after, "old": change.before,
                "at": change.at.astimezone(UTC).isoformat(), "attempt": attempt,
            }  # fmt: skip
            try:
                trigger = f"after {change.op} {change.table}"
                await self._runner.invoke(self.function, ANONYMOUS, body=orjson.dumps(event), trigger=trigger, key=change.event_id)
                return
            except (FunctionBusy, FunctionNotReady):  # not the event's fault: no attempt is counted
                await asyncio.sleep(_back_off(4))
            except FunctionError as problem:
                if attempt >= self.function.attempts:
                    return await self._park(event, problem, attempt)
                await asyncio.sleep(_back_off(attempt))
                attempt += 1

    async def _park(self, event: dict[str, Any], problem: FunctionError, attempts: int) -> None:
        t = self._kit.database.tables.dead_letters
        found = {"event": event, "error": f"{problem.message} (id {problem.id})", "attempts": attempts}
        upsert = sqlite_insert if self._kit.database.dialect == "sqlite" else pg_insert
        statement = upsert(t).values(function=self.function.name, event_id=event["id"], **found)
        await self._kit.database.execute(statement.on_conflict_do_update(index_elements=["function", "event_id"], set_=found))
        fact("function.event.failed", function=self.function.name, event=event["id"], attempts=attempts, parked=True)

    async def _store(self, cursor: Cursor) -> None:
        t = self._kit.database.tables.cursors
        upsert = sqlite_insert if self._kit.database.dialect == "sqlite" else pg_insert
        moved = {"cursor": cursor, "updated_at": datetime.now(UTC)}
        statement = upsert(t).values(name=self.function.key, **moved)
        await self._kit.database.execute(statement.on_conflict_do_update(index_elements=["name"], set_=moved))
        self._cursor = cursor


def _back_off(failures: int) -> float:
    """Seconds to wait after so many failures in a row: doubling, with jitter, bounded."""
    return min(_LONGEST_RETRY_SECONDS, _FIRST_RETRY_SECONDS * 2.0 ** min(failures - 1, 10)) * random.uniform(0.7, 1.3)  # noqa: S311  # jitter
