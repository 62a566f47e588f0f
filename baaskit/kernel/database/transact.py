"""The transaction of a write, as a script: write, check the rows as stored, show them; raise, and nothing was written."""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any, Literal

import orjson

from baaskit.errors.rest import SqlState, violates_policy
from baaskit.kernel.claims import Claims
from baaskit.kernel.database.binding import NO_EXTRA, Extra, Statement
from baaskit.kernel.database.compiled import STAIN, Sql
from baaskit.kernel.database.values import coerce_json
from baaskit.kernel.database.violations import Violation
from baaskit.kernel.database.writes import AtOnce, WriteBuilder
from baaskit.kernel.plan import WritePlan
from baaskit.kernel.policy import TRUE, Expr, all_of
from baaskit.kernel.query import Value
from baaskit.kernel.schema import Column, Schema, Table

Steps = Generator[Sql, list[Any], "Written"]
Record = Mapping[str, Any]
CHUNK_ROWS, CHUNK_VALUES = 100, 30_000  # of one insert on SQLite, which takes 32 766 parameters
_TELLING = frozenset({"23505", "23503", "23P01"})  # violations that tell of other rows
_CONSTANT = re.compile(r"\(*(?:'(?P<text>(?:[^']|'')*)'|(?P<word>-?(?:0|[1-9]\d*)(?:\.\d+)?|true|false|null))\)*(?:::.+)?", re.I | re.S)


@dataclass(slots=True)
class Written:
    """`affected` rows were inserted, updated or deleted, `inserted` of them are new; `rows` are JSON texts when asked for.

    `ids` are the identities of the rows as stored now, where the write knows them (none after a delete).
    """

    affected: int = 0
    inserted: int = 0
    rows: list[str] | None = None
    ids: list[str] = field(default_factory=list)


@dataclass
class CompiledWrite:
    """A write plan with its statements, compiled when first needed and kept."""

    plan: WritePlan
    dialect: str
    schema: Schema
    at_once: AtOnce | Literal[False] | None = None  # None while nobody has asked
    _known: dict[Any, Statement] = field(default_factory=dict)

    def statement(self, key: Any, build: Callable[[WriteBuilder], Statement]) -> Statement:
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = build(WriteBuilder(self.dialect, self.schema, self.plan.table))
        return found

    def script(self, records: Sequence[Record], values: Sequence[Value], claims: Claims, raw: str | None = None) -> Steps:
        """The steps of one request. `records` as the client sent them (none for a delete, one for an update).

        `raw` is the same as JSON text when it is known, so that PostgreSQL reads the client's own digits.
        Raises SqlState before anything is written when a value does not fit its column.
        """
        run = _Run(self, values, claims)
        if self.plan.command == "insert":
            steps = run.insert(records, raw)
        elif self.plan.command == "update":
            steps = run.update(records[0], raw)
        else:
            steps = run.delete()
        return _stained(steps) if self.plan.table.triggers and self.dialect == "postgresql" else steps

    def shown(self, ids: Sequence[str], values: Sequence[Value], claims: Claims) -> Generator[Sql, list[Any], list[str] | None]:
        """The rows of these identities as the write shows them, as they are now."""
        return _Run(self, values, claims)._shown(list(ids))

    def values_of(self, ids: Sequence[str], columns: Sequence[str], claims: Claims) -> Generator[Sql, list[Any], list[list[Any]]]:
        """The stored values of `columns` of the rows of these identities, in their order."""
        statement = self.statement(("values", *columns), lambda b: b.values_of(columns))
        found = yield Sql(statement.text, statement.bind((), claims, {"ids": _listed(ids)}))
        return [orjson.loads(entry)[-len(columns) :] for (entry,) in found]

    def touching(
        self, records: Sequence[Record], values: Sequence[Value], claims: Claims, old: Sequence[str]
    ) -> Generator[Sql, list[Any], list[str]]:
        """Identities, with the columns `old` as they are now, of the stored rows that the same `script` would touch. Locks them."""
        return _Run(self, values, claims).touching(records, list(old))


@dataclass
class _Run:
    """One request's run of a compiled write."""

    write: CompiledWrite
    values: Sequence[Value]
    claims: Claims

    @property
    def plan(self) -> WritePlan:
        return self.write.plan

    @property
    def table(self) -> Table:
        return self.write.plan.table

    @property
    def sqlite(self) -> bool:
        return self.write.dialect == "sqlite"

    def step(self, statement: Statement, extra: Extra = NO_EXTRA) -> Sql:
        return Sql(statement.text, statement.bind(self.values, self.claims, extra))

    def stored(self, record: Record) -> dict[str, Any]:
        """A record in SQLite's storage form."""
        by_name = self.table.by_name
        return {name: coerce_json(by_name[name].type, value) for name, value in record.items()}

    # ---- insert -----------------------------------------------------------------------------------------------------

    def insert(self, records: Sequence[Record], raw: str | None) -> Steps:
        """Records that set the same columns share a statement; on PostgreSQL they share one round trip."""
        groups: dict[tuple[str, ...], list[int]] = {}
        for number, record in enumerate(records):
            groups.setdefault(tuple(record), []).append(number)
        prepared: list[tuple[tuple[str, ...], list[int], list[Extra]]] = []
        for columns, numbers in groups.items():
            if self.sqlite:
                prepared.append((columns, numbers, [self.stored(records[n]) for n in numbers]))
            elif not columns:  # DEFAULT VALUES is a row of its own
                prepared.append((columns, numbers, [NO_EXTRA for _ in numbers]))
            else:
                whole = raw if raw is not None and len(groups) == 1 else orjson.dumps([records[n] for n in numbers]).decode()
                prepared.append((columns, numbers, [{"rows": whole}]))
        return self._insert_at_once(records, prepared) if self.at_once else self._insert(records, prepared)

    @property
    def at_once(self) -> AtOnce | None:
        """What the write's own statement can tell of its rows; see `AtOnce`."""
        kept = self.write.at_once
        if kept is None:
            update = self.plan.update
            condition = self._insert_condition() if update is None else update.check
            kept = self.write.at_once = AtOnce.of(self.plan, condition) or False
        return kept or None

    def _told(self, returned: Sequence[Any]) -> tuple[list[str], list[str] | None]:
        """Identities and representations that a statement told at once. Raises 42501 when the policy refuses one of the rows."""
        if not all(admitted for _, admitted, _ in returned):
            raise violates_policy(self.table.name.name)
        return [identity for identity, _, _ in returned], None if self.plan.returning is None else [shown for _, _, shown in returned]

    def _insert_at_once(self, records: Sequence[Record], prepared: list[tuple[tuple[str, ...], list[int], list[Extra]]]) -> Steps:
        found: list[tuple[int, Any]] = []
        for columns, numbers, extras in prepared:
            alone = self.sqlite or not columns
            for position, extra in enumerate(extras):
                try:
                    returned = yield self.step(self._insert_statement(columns), extra)
                except Violation as problem:
                    raise (yield from self._refused(problem, records, numbers[position] if alone else None)) from None
                found += zip([numbers[position]] if alone else numbers, returned, strict=True)
        if len(prepared) > 1:
            found.sort(key=itemgetter(0))
        ids, rows = self._told([row for _, row in found])
        return Written(len(ids), len(ids), rows, ids)

    def _refused(self, problem: Violation, records: Sequence[Record], number: int | None) -> Generator[Sql, list[Any], Violation]:
        """The violation of record `number`, None when one statement wrote several."""
        record = records[0] if len(records) == 1 else None if number is None else records[number]
        return (yield from self._explained(problem, record, self._refused_insert(records)))

    def _insert(self, records: Sequence[Record], prepared: list[tuple[tuple[str, ...], list[int], list[Extra]]]) -> Steps:
        new: list[tuple[int, str]] = []
        changed: list[tuple[int, str]] = []
        for columns, numbers, extras in prepared:
            alone = self.sqlite or not columns
            done = yield from self._insert_many(columns, numbers, extras, new)
            for position, extra in enumerate(extras[done:], done):
                first = numbers[position] if alone else 0
                met = yield from self._met(columns, extra)
                try:
                    returned = yield self.step(self._insert_statement(columns), extra)
                except Violation as problem:
                    raise (yield from self._refused(problem, records, first if alone else None)) from None
                for offset, (identity, *merged) in enumerate(returned):
                    number = first if alone or len(returned) != len(numbers) else numbers[offset]
                    known = met.get(_key(identity, self._key_count))
                    if known is None and any(merged):  # it came after `_met`, so nobody has asked whose it is
                        raise SqlState("40001", "could not serialize access due to concurrent update", hint="Send the request again.")
                    (new if known is None else changed).append((number, identity if known is None else known))
        if self.plan.resolution == "ignore-duplicates" and len(new) < len(records):  # who was ignored must have been allowed
            question = self._refused_insert(records)
            if question is not None and (yield question)[0][0]:
                raise violates_policy(self.table.name.name)
        yield from self._check("insert", self._insert_condition(), [entry for _, entry in new])
        if changed:
            yield from self._check("merge", self._merge_condition(), [entry for _, entry in changed])
        ids = [entry for _, entry in sorted([*new, *changed], key=lambda pair: pair[0])]
        if self.sqlite and self.plan.resolution == "merge-duplicates" and len(set(ids)) < len(ids):
            words = "Ensure that no rows proposed for insertion within the same command have duplicate constrained values."
            raise SqlState("21000", "ON CONFLICT DO UPDATE command cannot affect row a second time", hint=words)
        rows = yield from self._shown(ids)
        return Written(len(ids), len(new), rows, ids)

    def _insert_many(
        self, columns: tuple[str, ...], numbers: list[int], extras: list[Extra], new: list[tuple[int, str]]
    ) -> Generator[Sql, list[Any], int]:
        """SQLite: insert whole chunks of records, each by one statement; how many records that was.

        Stops before a chunk that a constraint refuses: inserted one by one they tell which record it is.
        """
        size = min(CHUNK_ROWS, CHUNK_VALUES // max(len(columns), 1))
        done = 0
        if not self.sqlite or self.plan.resolution or not columns or not size:
            return 0
        while done + size <= len(extras):
            extra = {f"{n} {name}": value for n, given in enumerate(extras[done : done + size]) for name, value in given.items()}
            try:
                returned = yield self.step(self.write.statement(("insert", columns, size), lambda b: b.insert_many(columns, size)), extra)
            except Violation:
                return done
            places = numbers[done : done + size] if len(returned) == size else [numbers[done]] * len(returned)
            new += [(number, identity) for number, (identity,) in zip(places, returned, strict=True)]
            done += size
        return done

    @property
    def _key_count(self) -> int:
        return 1 if self.sqlite else max(len(self.table.primary_key), 1)

    def _insert_statement(self, columns: tuple[str, ...]) -> Statement:
        return self.write.statement(("insert", columns), lambda b: b.insert(columns, self.plan, self.at_once))

    def _insert_condition(self) -> Expr | None:
        access = self.plan.insert
        if access is None or access.check is None:
            return None
        return (
            all_of((access.check, access.returning)) if self.plan.returning is not None and access.returning is not None else access.check
        )

    def _merge_condition(self) -> Expr | None:
        """An updated row must satisfy both halves of the upsert, as PostgreSQL demands."""
        update, insert = self.plan.update, self.plan.insert
        assert update is not None
        assert insert is not None
        found = [check for check in (update.check, insert.check) if check is not None]
        return all_of(tuple(found)) if found else None

    def _met(self, columns: tuple[str, ...], extra: Extra) -> Generator[Sql, list[Any], dict[str, str]]:
        """Rows that a merging upsert will update, by identity. Raises 42501 when one of them is not the caller's to update."""
        if not WriteBuilder.merges(columns, self.plan):
            return {}
        condition = self._merge_condition()
        old = sorted(condition.old_columns) if condition is not None else []
        found = yield self.step(self.write.statement("conflicting", lambda b: b.conflicting(self.plan, old)), extra)
        if any(not allowed for _, allowed in found):
            raise violates_policy(self.table.name.name, using=True)
        return {_key(entry, self._key_count): entry for entry, _ in found}

    # ---- update and delete --------------------------------------------------------------------------------------------

    def update(self, record: Record, raw: str | None) -> Steps:
        extra: Extra = (
            self.stored(record) if self.sqlite else {"rows": "[" + (raw if raw is not None else orjson.dumps(dict(record)).decode()) + "]"}
        )
        return self._update(record, extra)

    def _update(self, record: Record, extra: Extra) -> Steps:
        access = self.plan.update
        assert access is not None
        condition, before = access.check, None
        old = sorted(condition.old_columns) if condition is not None else []
        if not self.plan.columns:  # nothing to set: no row is touched, as PostgREST has it
            return Written(0, 0, None if self.plan.returning is None else [])
        if old:
            before = yield from self._captured(old)
            extra = {**extra, "ids": _listed(before)}
        at_once = self.at_once
        statement = self.write.statement(("update", bool(old)), lambda b: b.update(self.plan, bool(old), at_once))
        try:
            returned = yield self.step(statement, extra)
        except Violation as problem:
            raise (yield from self._explained(problem, record, self._refused_update(extra))) from None
        if at_once:
            ids, rows = self._told(returned)
            return Written(len(ids), 0, rows, ids)
        ids = [identity for (identity,) in returned]
        yield from self._check("update", condition, before if before is not None else ids)
        rows = yield from self._shown(ids)
        return Written(len(ids), 0, rows, ids)

    def delete(self) -> Steps:
        rows: list[str] | None = None
        extra: Extra = NO_EXTRA
        by_identity = self.plan.returning is not None
        if by_identity:
            ids = yield from self._captured([])
            rows = yield from self._shown(ids)
            extra = {"ids": _listed(ids)}
        statement = self.write.statement(("delete", by_identity), lambda b: b.delete(self.plan, by_identity))
        try:
            returned = yield self.step(statement, extra)
        except Violation as problem:
            raise (yield from self._explained(problem, None)) from None
        return Written(len(returned), 0, rows)

    def _captured(self, old: list[str]) -> Generator[Sql, list[Any], list[str]]:
        found = yield self.step(self.write.statement(("capture", *old), lambda b: b.capture(self.plan, old)))
        return [entry for (entry,) in found]

    def touching(self, records: Sequence[Record], old: list[str]) -> Generator[Sql, list[Any], list[str]]:
        if self.plan.command != "insert":
            return (yield from self._captured(old))
        conflict = self.plan.conflict
        if self.plan.resolution != "merge-duplicates" or conflict is None:
            return []
        entries: list[str] = []
        statement = self.write.statement(("conflicting", *old), lambda b: b.conflicting(self.plan, old))
        for record in records:
            if set(conflict) <= record.keys():
                extra: Extra = self.stored(record) if self.sqlite else {"rows": orjson.dumps([dict(record)]).decode()}
                entries += [entry for entry, _ in (yield self.step(statement, extra))]
        return entries

    # ---- after the write ------------------------------------------------------------------------------------------------

    def _check(self, half: str, condition: Expr | None, entries: list[str]) -> Generator[Sql, list[Any], None]:
        """Every written row, as it is stored now, must satisfy the policy."""
        if condition is None or condition is TRUE or not entries:
            return
        statement = self.write.statement(("check", half), lambda b: b.check(condition))
        [(admitted,)] = yield self.step(statement, {"ids": _listed(entries)})
        if admitted != len(entries):
            raise violates_policy(self.table.name.name)

    def _shown(self, entries: list[str]) -> Generator[Sql, list[Any], list[str] | None]:
        plan = self.plan.returning
        if plan is None:
            return None
        if not entries:
            return []
        found = yield self.step(self.write.statement("shown", lambda b: b.representation(plan)), {"ids": _listed(entries)})
        return [row for (row,) in found]

    def _refused_insert(self, records: Sequence[Record]) -> Sql | None:
        """Asks how many of the proposed rows the policy refuses; defaults that are not constants count as null."""
        condition = None if self.plan.insert is None else self.plan.insert.check
        if condition is None or condition is TRUE:
            return None
        columns = [self.table.by_name[name] for name in sorted(condition.columns)]
        rows = [{c.name: record[c.name] if c.name in record else constant_default(c) for c in columns} for record in records]
        statement = self.write.statement("refused insert", lambda b: b.refused_insert(condition))
        if self.sqlite:
            return self.step(statement, {"ids": orjson.dumps([list(_plain(self.stored(row))) for row in rows]).decode()})
        return self.step(statement, {"rows": orjson.dumps(rows).decode()})

    def _refused_update(self, extra: Extra) -> Sql | None:
        condition = None if self.plan.update is None else self.plan.update.check
        if condition is None or condition is TRUE:
            return None
        return self.step(self.write.statement("refused update", lambda b: b.refused_update(self.plan, condition)), extra)

    def _explained(self, problem: Violation, record: Record | None, refused: Sql | None = None) -> Generator[Sql, list[Any], Violation]:
        """The violation as this caller may know it: key values only to one who may read every row of the table (A3)."""
        if problem.code == "23514" and self.sqlite:
            problem = Violation("23514", f'new row for relation "{self.table.name.name}" {problem.message}', table=self.table.name)
        if problem.code == "23503" and self.sqlite:
            problem = yield from self._broken_key(problem, record)
        if problem.code == "23505" and problem.key is None and record is not None and problem.columns:
            if all(record.get(name) is not None for name in problem.columns):
                shown = ", ".join(str(coerce_json(self.table.by_name[name].type, record[name])) for name in problem.columns)
                problem.key = f"Key ({', '.join(problem.columns)})=({shown}) already exists."
        if problem.key is not None and self._open(problem.columns):
            problem.details = problem.key
        if refused is not None and problem.code in _TELLING:
            problem.unless_refused = refused, violates_policy(self.table.name.name)
        return problem

    def _open(self, columns: Sequence[str]) -> bool:
        access = self.plan.select
        visible = access.columns is None or set(columns) <= access.columns
        return not access.denied and visible and (access.using is None or access.using == TRUE)

    def _broken_key(self, problem: Violation, record: Record | None) -> Generator[Sql, list[Any], Violation]:
        """SQLite does not say which foreign key failed: look for the one whose target is not there."""
        name = self.table.name
        if self.plan.command == "delete":
            for other in self.write.schema.tables.values():
                for key in other.foreign_keys:
                    if key.target == name and key.on_delete in ("no action", "restrict"):
                        where = f'"{name.name}" violates foreign key constraint "{key.name}" on table "{other.name.name}"'
                        return Violation("23503", f"update or delete on table {where}", table=name)
            return problem
        for key in self.table.foreign_keys:
            values = [(record or {}).get(column) for column in key.columns]
            if any(value is None for value in values):
                continue
            stored = [coerce_json(self.table.by_name[c].type, v) for c, v in zip(key.columns, values, strict=True)]
            target = key.target.name if key.target.schema == "public" else str(key.target)
            tests = " AND ".join(f"{_quoted(column)} = ?" for column in key.target_columns)
            found = yield Sql(f"SELECT 1 FROM {_quoted(target)} WHERE {tests} LIMIT 1", stored)
            if not found:
                shown = ", ".join(str(value) for value in stored)
                words = f'insert or update on table "{name.name}" violates foreign key constraint "{key.name}"'
                detail = f'Key ({", ".join(key.columns)})=({shown}) is not present in table "{key.target.name}".'
                return Violation("23503", words, table=name, columns=key.columns, key=detail)
        return problem


def _plain(record: Record) -> list[Any]:
    """Stored values as JSON can hold them."""
    return [value.hex() if isinstance(value, bytes) else value for value in record.values()]


def constant_default(column: Column) -> Any:
    """The value of a default that is a literal, as JSON would give it; None for any other."""
    found = _CONSTANT.fullmatch((column.default or "").strip())
    if found is None:
        return None
    if found["text"] is not None:
        return found["text"].replace("''", "'")
    return orjson.loads(found["word"].lower())


def _stained(steps: Steps) -> Steps:
    yield STAIN
    return (yield from steps)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _listed(entries: Sequence[str]) -> str:
    return "[" + ",".join(entries) + "]"


def _key(entry: str, count: int) -> str:
    """The identity part of an entry, as a text to compare by."""
    return str(orjson.loads(entry)[:count])
