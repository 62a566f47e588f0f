"""Trials: a request runs on the real database and is always rolled back; what it touched and would have logged is kept.

`Trial` is the database for one request whose writes never stay. `TrialPlans` plans for it, and notes of every write the rows
before and after, with a database's answers to the clauses that `asks` wants to know.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar

import orjson
from sqlalchemy import Select, Text, and_, cast, func, literal_column, select

from baaskit.errors import BaasError, Overloaded
from baaskit.kernel.claims import Claims
from baaskit.kernel.database import Database, Script, Sql
from baaskit.kernel.database.binding import Statement
from baaskit.kernel.database.capture import PREFIX, physical, quote
from baaskit.kernel.database.conditions import infix
from baaskit.kernel.database.encode import json_sql
from baaskit.kernel.database.plans import Plans
from baaskit.kernel.database.statements import _object
from baaskit.kernel.database.transact import CompiledWrite, Record, Written
from baaskit.kernel.database.writes import WriteBuilder
from baaskit.kernel.plan import Limits, ReadPlan
from baaskit.kernel.policy import Expr
from baaskit.kernel.query import Value
from baaskit.kernel.schema import Schema, Table, TableName

T = TypeVar("T")
SAMPLE = 20  # rows that are shown of what a request touches
_AT_ONCE = 200  # clauses that one statement answers
_LOCK_MILLISECONDS = 250  # well under PostgreSQL's deadlock_timeout of 1 s, so that a trial gives way and not a real write


class _Undone(Exception):
    """Carries the result out of the transaction that it rolls back."""

    def __init__(self, result: Any) -> None:
        self.result = result


@dataclass(frozen=True, slots=True)
class Image:
    """One row at one moment: its identity, its columns as REST shows them, and whether it satisfies each clause asked for."""

    key: str
    row: dict[str, Any]
    answers: dict[Expr, bool | None]


@dataclass(slots=True)
class Touched:
    """Rows of one write: `matched` were there before, `written` are stored after it; of both at most `SAMPLE` images.

    `pairs` are (before, after); None where the row was not there. `finished` is False when the database or a policy refused.
    """

    table: TableName
    command: str
    matched: int = 0
    written: int = 0
    pairs: list[tuple[Image | None, Image | None]] = field(default_factory=list)
    finished: bool = False


class Judge(WriteBuilder):
    """Statements about rows that are known by identity or chosen by a plan, without any policy in their way."""

    def images(self, clauses: Sequence[Expr], old: Sequence[str]) -> Statement:
        """Of each row of `ids`: identity, the row as JSON text, and the truth of each clause. `old` columns stand in `ids`, too."""
        row, each = self.target(), self.entries()
        before = self.old_row(each, old) if old else None
        if before is None:
            same, source = self.same_row(row, each), each
        else:
            same, source = [infix(row.c[name], "=", before.c[f"id{n}"]) for n, (name, _) in enumerate(self.keys)], before
        answers = [self.policy(clause, row, before) for clause in clauses]
        statement: Select[Any] = select(self.identity(row), self.whole(row), *answers).select_from(source.join(row, and_(*same)))
        return self.binds.compile(statement, self.dialect)

    def whole(self, row: Any) -> Any:
        if self.dialect == "postgresql":
            return cast(func.row_to_json(literal_column(row.name)), Text)
        return _object([(c.name, literal_column(json_sql(c, f"{row.name}.{quote(c.name)}"))) for c in self.table.columns])

    def sample(self, plan: ReadPlan) -> Statement:
        """Identities of the first rows that `plan` chooses."""
        row = self.target()
        statement = select(self.identity(row)).select_from(row).where(*self.conditions(plan, row))
        order = self.order(plan.order, plan, row) or [row.c[name] for name, _ in self.keys]
        statement = statement.order_by(*order)
        return self.binds.compile(statement.limit(literal_column(str(SAMPLE))), self.dialect)

    def among(self, plan: ReadPlan) -> Statement:
        """Identities of those rows of `ids` that `plan` chooses."""
        row, each = self.target(), self.entries()
        statement = select(self.identity(row)).select_from(each.join(row, and_(*self.same_row(row, each))))
        return self.binds.compile(statement.where(*self.conditions(plan, row)), self.dialect)


def images(
    dialect: str, schema: Schema, table: Table, entries: Sequence[str], clauses: Sequence[Expr], claims: Claims, now: datetime,
    old: Sequence[str] = (),
) -> Generator[Sql, list[Any], list[Image]]:  # fmt: skip
    """Steps that look at the rows of `entries` (identities, behind them the `old` columns), in their order."""
    if not entries:
        return []
    rows: dict[str, dict[str, Any]] = {}
    answers: dict[str, dict[Expr, bool | None]] = {}
    for start in range(0, max(len(clauses), 1), _AT_ONCE):
        part = clauses[start : start + _AT_ONCE]
        statement = Judge(dialect, schema, table).images(part, old)
        found = yield Sql(statement.text, statement.bind((), claims, {"ids": "[" + ",".join(entries) + "]", "now": now}))
        for entry in found:
            key = key_of(entry[0])
            rows[key] = orjson.loads(entry[1])
            said = (None if value is None else bool(value) for value in tuple(entry)[2:])
            answers.setdefault(key, {}).update(zip(part, said, strict=True))
    width = len(Judge(dialect, schema, table).keys)
    keys = [key_of(entry, width) for entry in entries]
    return [Image(key, rows[key], answers[key]) for key in dict.fromkeys(keys) if key in rows]


def key_of(entry: str, width: int | None = None) -> str:
    """The identity part of an entry, as a text to compare by."""
    return orjson.dumps(orjson.loads(entry)[:width]).decode()


class Trial(Database):
    """The same database for one request: whatever it writes is rolled back, and `emitted` holds what would have been logged.

    On PostgreSQL a sequence is not rolled back by itself; those that a write may use are given a copy for the transaction.
    """

    def __init__(self, real: Database) -> None:
        self.__dict__ = dict(real.__dict__)
        self.emitted: list[dict[str, Any]] = []  # table, op, before, after
        self.notes: list[str] = []
        self.written: set[TableName] = set()  # tables that plans of this trial write, as they are stored

    async def run(self, script: Callable[[], Script[T]]) -> T:
        """Run a script as one transaction and roll it back. Raises Overloaded when another writer is in the way."""

        def trial() -> Script[T]:
            mark = yield from self._prepare()
            result: T = yield from script()
            if self.dialect == "postgresql":
                yield Sql("SET CONSTRAINTS ALL IMMEDIATE")
            self.emitted += yield from self._logged(mark)
            raise _Undone(result)

        try:
            return await super().run(trial)
        except _Undone as undone:
            return undone.result  # type: ignore[no-any-return]
        except BaasError as problem:
            if problem.code == "55P03":
                raise Overloaded("Another writer is in the way of this trial.", hint="Try again shortly.") from problem
            raise

    def _prepare(self) -> Script[int]:
        if self.dialect == "sqlite":
            return (yield Sql('SELECT coalesce(max(seq), 0) FROM "baaskit.changes"'))[0][0]  # type: ignore[no-any-return]
        yield Sql(f"SET LOCAL lock_timeout = {_LOCK_MILLISECONDS}")
        tables = [physical(name, "postgresql") for name in sorted(self.written)]
        for name, step, owned in (yield Sql(_SEQUENCES, (tables, list(self.schemas)))):
            if owned and not self.attached:  # any change of its definition gives it a new file, which the rollback throws away
                yield Sql(f"ALTER SEQUENCE {name} INCREMENT BY {step}")
            else:
                self.notes.append(f"sequence {name} is not this project's to copy: its next number may be used up")
        return 0

    def _logged(self, mark: int) -> Script[list[dict[str, Any]]]:
        fields = 'table_schema, table_name, op, "before", "after"'
        if self.dialect == "sqlite":
            rows = yield Sql(f'SELECT {fields} FROM "baaskit.changes" WHERE seq > ? ORDER BY seq', (mark,))
        else:
            rows = yield Sql(f"SELECT {fields} FROM baaskit.changes WHERE txid = pg_current_xact_id() ORDER BY seq")
        return [
            {"table": str(TableName(schema, name)), "op": op, "before": _loaded(before), "after": _loaded(after)}
            for schema, name, op, before, after in rows
        ]


def _loaded(value: Any) -> Any:
    return orjson.loads(value) if isinstance(value, str) else value


# Sequences behind defaults and identities of the written tables ($1), and the log's own. Where the project has triggers ($2:
# its schemas), they may use any of its sequences.
_SEQUENCES = f"""
WITH written AS (SELECT unnest($1::text[])::regclass AS id),
used AS (
  SELECT d.refobjid AS id FROM pg_depend d JOIN pg_attrdef a ON d.classid = 'pg_attrdef'::regclass AND d.objid = a.oid
  WHERE a.adrelid IN (SELECT id FROM written) AND d.refclassid = 'pg_class'::regclass
  UNION SELECT d.objid FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass
    AND d.refobjid IN (SELECT id FROM written) AND d.deptype IN ('i', 'a')
  UNION SELECT pg_get_serial_sequence('baaskit.changes', 'seq')::regclass
  UNION SELECT c.oid FROM pg_class c WHERE c.relkind = 'S' AND c.relnamespace IN (SELECT oid FROM pg_namespace WHERE nspname = ANY($2::text[]))
    AND EXISTS (SELECT 1 FROM pg_trigger t JOIN pg_class o ON o.oid = t.tgrelid JOIN pg_namespace n ON n.oid = o.relnamespace
      WHERE n.nspname = ANY($2::text[]) AND NOT t.tgisinternal AND t.tgname NOT LIKE '{PREFIX}%'))
SELECT s.oid::regclass::text, q.seqincrement, pg_has_role(s.relowner, 'USAGE')
FROM pg_class s JOIN pg_sequence q ON q.seqrelid = s.oid WHERE s.oid IN (SELECT id FROM used) ORDER BY s.oid
"""

Asks = Callable[[TableName, str], dict[bool, tuple[Expr, ...]]]


class TrialPlans(Plans):
    """Plans of one trial; `touched` and `statements` are filled as its writes run. `asks` names the clauses to be answered
    about rows before (False) and after (True) a write, for the caller `claims`."""

    def __init__(self, trial: Trial, limits: Limits, claims: Claims, asks: Asks | None = None) -> None:
        super().__init__(trial, limits)
        self.trial, self.claims, self.now = trial, claims, datetime.now(UTC)
        self.asks: Asks = asks or (lambda table, command: {False: (), True: ()})
        self.touched: list[Touched] = []
        self.statements: list[Sql] = []

    def _write(self, plan: Any) -> CompiledWrite:
        self.trial.written.add(plan.table.stored)
        return _ObservedWrite(plan, self.database.dialect, self.database.catalog.schema, observer=self)


@dataclass
class _ObservedWrite(CompiledWrite):
    """A write that looks at its rows before and after."""

    observer: TrialPlans = field(kw_only=True)

    def script(
        self, records: Sequence[Record], values: Sequence[Value], claims: Claims, raw: str | None = None
    ) -> Generator[Sql, list[Any], Written]:
        observer, plan = self.observer, self.plan
        clauses = observer.asks(plan.table.name, plan.command)
        old = sorted({name for clause in clauses[True] for name in clause.old_columns})
        touched = Touched(plan.table.name, plan.command)
        observer.touched.append(touched)
        entries = yield from self.touching(records, values, claims, old)
        touched.matched = len(entries)
        width = len(Judge(self.dialect, self.schema, plan.table).keys)
        before = yield from self._images([key_of(entry, width) for entry in entries[:SAMPLE]], clauses[False])
        touched.pairs = [(image, None) for image in before]
        written = yield from noted(super().script(records, values, claims, raw), observer.statements)
        touched.written, touched.finished = written.affected, True
        if plan.command == "delete":
            return written
        kept = {key_of(entry, width): orjson.loads(entry)[width:] for entry in entries}
        ids = [key_of(entry, width) for entry in written.ids]
        keys = [key for key in kept if key in set(ids)][:SAMPLE] if plan.command == "update" else ids[:SAMPLE]
        if not keys and len(ids) == len(kept):  # the key itself was changed: pair by place
            keys, kept = ids[:SAMPLE], dict(zip(ids, kept.values(), strict=True))
            pasts = dict(zip(keys, before, strict=False))
        else:
            pasts = {image.key: image for image in before}
        again = [orjson.dumps(orjson.loads(key) + kept[key]).decode() for key in keys if key in kept]
        after = yield from self._images(again, clauses[True], old)
        after += yield from self._images([key for key in keys if key not in kept], [c for c in clauses[True] if not c.old_columns])
        order = {key: place for place, key in enumerate(keys)}
        touched.pairs = [(pasts.get(image.key), image) for image in sorted(after, key=lambda image: order[image.key])]
        return written

    def _images(self, entries: Sequence[str], clauses: Sequence[Expr], old: Sequence[str] = ()) -> Generator[Sql, list[Any], list[Image]]:
        observer = self.observer
        return images(self.dialect, self.schema, self.plan.table, entries, clauses, observer.claims, observer.now, old)


def noted(steps: Generator[Sql, list[Any], T], seen: list[Sql]) -> Generator[Sql, list[Any], T]:
    """The same steps, each put into `seen` as it is taken."""
    try:
        step = next(steps)
        while True:
            seen.append(step)
            try:
                rows = yield step
            except Exception as problem:
                step = steps.throw(problem)
            else:
                step = steps.send(rows)
    except StopIteration as finished:
        result: T = finished.value
        return result
