"""WritePlan → the statements of its transaction: write, check the rows as stored, show them.

Written rows are known by their identity (SQLite: rowid; PostgreSQL: primary key, else ctid), which travels between the
steps of a transaction as one JSON text under the name `ids`: `[[id…], …]`, or with the row before, `[[id…, old…], …]`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

from sqlalchemy import ColumnElement, FromClause, Text, case, cast, column, delete, func, literal_column, null, select, true, tuple_, update
from sqlalchemy.dialects import postgresql, sqlite

from baaskit.kernel.database.binding import Statement
from baaskit.kernel.database.conditions import PgType, infix
from baaskit.kernel.database.statements import Builder, relation_of, rowid_of
from baaskit.kernel.plan import ReadPlan, WritePlan
from baaskit.kernel.policy import TRUE, Access, Expr
from baaskit.kernel.schema import Schema, Table, Type

Sql = ColumnElement[Any]


@dataclass(frozen=True)
class AtOnce:
    """What a write's own statement tells of its rows, so that no further one is needed: `check` holds, and they are shown."""

    check: Expr | None
    returning: ReadPlan | None

    @classmethod
    def of(cls, plan: WritePlan, check: Expr | None) -> AtOnce | None:
        """None where rows must be looked at as they are stored: a trigger may change them, a condition reads other rows or the
        row before, or the answer embeds others or has an order."""
        table, shown = plan.table, plan.returning
        if plan.resolution or table.view or table.triggers or (check is not None and (check.tables or check.old_columns)):
            return None
        if plan.command == "update" and any(key.target == table.name for key in table.foreign_keys):
            return None
        if shown is not None and (not shown.is_simple or shown.where or shown.order or shown.limit >= 0 or shown.offset >= 0):
            return None
        return cls(check, shown)


class WriteBuilder(Builder):
    """Builds the statements of one write."""

    def __init__(self, dialect: str, schema: Schema, table: Table) -> None:
        super().__init__(dialect, schema)
        self.table = table

    @property
    def keys(self) -> tuple[tuple[str, Type], ...]:
        """Columns of the row's identity."""
        if self.dialect == "sqlite":
            return ((rowid_of(self.table), Type("int8")),)
        return tuple((name, self.table.by_name[name].type) for name in self.table.primary_key) or (("ctid", Type("tid")),)

    def target(self, alias: str = "target") -> Any:
        """The table under an alias, with its identity's columns."""
        names = list(dict.fromkeys([*(c.name for c in self.table.columns), *(name for name, _ in self.keys)]))
        return relation_of(self.table.stored, names, self.dialect).alias(alias)

    def identity(self, row: FromClause, old: Sequence[str] = ()) -> Sql:
        """One JSON array of the row's identity and, behind it, of columns as they are now."""
        if self.dialect == "sqlite":
            return func.json_array(*[row.c[name] for name, _ in self.keys], *[self._kept(row, name) for name in old])
        values = [cast(row.c[name], Text) for name in [*(name for name, _ in self.keys), *old]]
        return cast(func.json_build_array(*values), Text)

    def _kept(self, row: FromClause, name: str) -> Sql:
        return func.hex(row.c[name]) if self.table.by_name[name].type.family == "bytea" else row.c[name]

    def _given(self, each: Any, number: int, kind: Type) -> Sql:
        """Value `number` of one entry of `ids`."""
        if self.dialect == "sqlite":
            found = each.c.value.op("->>")(literal_column(str(number)))
            return func.unhex(found) if kind.family == "bytea" else found
        return cast(each.c.value.op("->>")(literal_column(str(number))), PgType(replace(kind, modifiers="")))

    def entries(self) -> Any:
        """`ids` as rows: `value`, and `place` in the order written."""
        bound = self.binds.given("ids")
        if self.dialect == "sqlite":
            return func.json_each(bound).table_valued("value", "key", name="entry")
        listed = func.jsonb_array_elements(cast(cast(bound, Text), PgType(Type("jsonb"))))
        return listed.table_valued("value", with_ordinality="key", name="entry").render_derived()

    def same_row(self, row: FromClause, each: Any) -> list[Sql]:
        return [infix(row.c[name], "=", self._given(each, n, kind)) for n, (name, kind) in enumerate(self.keys)]

    def old_row(self, each: Any, old: Sequence[str]) -> FromClause:
        """The rows before, with the identity under `id0`, `id1`, …."""
        shift = len(self.keys)
        outputs = [self._given(each, n, kind).label(f"id{n}") for n, (_, kind) in enumerate(self.keys)]
        outputs += [self._given(each, shift + n, self.table.by_name[name].type).label(name) for n, name in enumerate(old)]
        return select(*outputs).select_from(each).subquery("old_row")

    # ---- statements -----------------------------------------------------------------------------------------------

    def check(self, condition: Expr) -> Statement:
        """One row with the number of the written rows, as stored, that satisfy `condition`."""
        row, each = self.target(), self.entries()
        old = sorted(condition.old_columns)
        if not old:
            statement = select(func.count()).select_from(each.join(row, _all(self.same_row(row, each))))
            return self.binds.compile(statement.where(infix(self.policy(condition, row), "IS", literal_column("TRUE"))), self.dialect)
        before = self.old_row(each, old)
        same = [infix(row.c[name], "=", before.c[f"id{n}"]) for n, (name, _) in enumerate(self.keys)]
        admitted = infix(self.policy(condition, row, before), "IS", literal_column("TRUE"))
        return self.binds.compile(select(func.count()).select_from(before.join(row, _all(same))).where(admitted), self.dialect)

    def representation(self, plan: ReadPlan) -> Statement:
        """The written rows as JSON, in the order written unless the query has one."""
        row, each = self.target(), self.entries()
        source = each.join(row, _all(self.same_row(row, each)))
        if self.dialect == "postgresql":
            return self.binds.compile(self.rows(plan, row, source, [each.c.key], window=False), self.dialect)
        # `IS TRUE` keeps SQLite from finding the rows by an index of the policy's columns: they are known by identity.
        seen = [infix(condition, "IS", literal_column("TRUE")) for condition in self.admits(plan.access, row)]
        statement = self.rows(replace(plan, access=Access(None, None)), row, source, [each.c.key], window=False)
        return self.binds.compile(statement.where(*seen), self.dialect)

    def told(self, statement: Any, row: FromClause, at_once: AtOnce | None) -> Statement:
        """`statement` (on `row`) with what it returns of each row: its identity as JSON text; and at once, whether it satisfies the
        policy, and its representation."""
        if at_once is None:
            return self.binds.compile(statement.returning(self.identity(row)), self.dialect)
        if self.dialect == "postgresql":  # through a CTE, so that the JSON is the one that a read writes
            written = statement.returning(*row.c).cte("written")
            return self.binds.compile(select(*self._told(written, at_once)).select_from(written), self.dialect)
        self.qualified = False
        return self.binds.compile(statement.returning(*self._told(row, at_once)), self.dialect)

    def _told(self, row: FromClause, at_once: AtOnce) -> list[Sql]:
        admitted: Sql = literal_column("1")
        if at_once.check is not None and at_once.check != TRUE:
            admitted = infix(self.policy(at_once.check, row), "IS", literal_column("TRUE"))
        shown: Sql = null()
        if at_once.returning is not None:
            columns = self._whole([(cell.name, cell.shown(row)) for cell in self._cells(at_once.returning)])
            shown = columns[0] if self.dialect == "sqlite" else self._row(columns, row)
        return [self.identity(row), admitted.label("admitted"), shown.label("shown")]

    def _row(self, columns: Sequence[Sql], row: FromClause) -> Sql:
        shell = select(*columns).correlate(row).subquery("shell")
        return select(cast(func.row_to_json(literal_column("shell")), Text)).select_from(shell).scalar_subquery()

    def insert(self, columns: Sequence[str], plan: WritePlan, at_once: AtOnce | None = None) -> Statement:
        """Insert one row (SQLite) or a JSON array of rows (PostgreSQL); rows: see `told`."""
        target: Any = relation_of(
            self.table.stored,
            [*(c.name for c in self.table.columns), *(n for n, _ in self.keys if n not in self.table.by_name)],
            self.dialect,
        )
        statement: Any
        if self.dialect == "sqlite":
            statement = sqlite.insert(target)
            values = {name: self.binds.given(name) for name in columns}
            statement = statement.values(values) if values else statement.values()
        else:
            statement = postgresql.insert(target)
            given = self.records(columns)
            statement = (
                statement.from_select(list(columns), select(*[given.c[name] for name in columns]).select_from(given))
                if columns
                else statement.values(())  # all defaults
            )
        if plan.resolution == "ignore-duplicates":
            statement = statement.on_conflict_do_nothing(index_elements=list(plan.conflict or ()))
        elif self.merges(columns, plan):
            # Only what the client sent is overwritten: a default filled in for a new row must not change an old one.
            overwritten = [name for name in columns if name in plan.columns] or list(plan.conflict or ())
            statement = statement.on_conflict_do_update(
                index_elements=list(plan.conflict or ()), set_={name: statement.excluded[name] for name in overwritten}
            )
            if self.dialect == "postgresql":  # whether it was there already: another transaction may have put it there just now
                statement = statement.returning(self.identity(target), literal_column("xmax <> 0"))
                return self.binds.compile(statement, self.dialect)
        return self.told(statement, target, at_once)

    def insert_many(self, columns: Sequence[str], rows: int) -> Statement:
        """SQLite: insert `rows` rows that set the same columns, given as `0 name`, `1 name`, …; rows: identities in their order."""
        target: Any = relation_of(self.table.name, [*columns, *(n for n, _ in self.keys if n not in columns)], "sqlite")
        statement = sqlite.insert(target).values([{name: self.binds.given(f"{n} {name}") for name in columns} for n in range(rows)])
        return self.binds.compile(statement.returning(self.identity(target)), "sqlite")

    def values_of(self, columns: Sequence[str]) -> Statement:
        """Of each row of `ids`, in their order: the identity and behind it `columns`, as a JSON array."""
        row, each = self.target(), self.entries()
        statement = select(self.identity(row, columns)).select_from(each.join(row, _all(self.same_row(row, each)))).order_by(each.c.key)
        return self.binds.compile(statement, self.dialect)

    @staticmethod
    def merges(columns: Sequence[str], plan: WritePlan) -> bool:
        """Whether a row with `columns` may update the one that it meets: only by a key that it names, never by a default's."""
        return plan.resolution == "merge-duplicates" and plan.conflict is not None and set(plan.conflict) <= set(columns)

    def records(self, columns: Sequence[str]) -> Any:
        """The payload (a JSON array under `rows`) as rows with the columns' types. PostgreSQL."""
        bound = cast(cast(self.binds.given("rows"), Text), PgType(Type("json")))
        typed = [column(name, PgType(self.table.by_name[name].type)) for name in columns]
        return func.json_to_recordset(bound).table_valued(*typed, name="given").render_derived(with_types=True)

    def refused_insert(self, condition: Expr) -> Statement:
        """One row with the number of proposed rows that `condition` refuses. They hold exactly the columns that it reads."""
        names = sorted(condition.columns)
        row: Any
        if self.dialect == "postgresql":
            row = self.records(names)
        else:
            each = self.entries()
            given = [self._given(each, n, self.table.by_name[name].type).label(name) for n, name in enumerate(names)]
            row = select(*given, literal_column("1")).select_from(each).subquery("given")
        return self._refused(self.policy(condition, row), row)

    def refused_update(self, plan: WritePlan, condition: Expr) -> Statement:
        """One row with the number of chosen rows that `condition` would refuse after the assignments."""
        row, values = self.assigned(plan)
        assert plan.update is not None
        after = [values.get(name, row.c[name]).label(name) for name in sorted(condition.columns)]
        before = [row.c[name].label(f"old {name}") for name in sorted(condition.old_columns)]
        chosen = select(*after, *before).where(*self.chosen(plan, plan.update.using, row, False)).subquery("proposed")
        old = SimpleNamespace(c={name: chosen.c[f"old {name}"] for name in condition.old_columns})
        return self._refused(self.policy(condition, chosen, old), chosen)  # type: ignore[arg-type]

    def _refused(self, admitted: Sql, row: FromClause) -> Statement:
        return self.binds.compile(
            select(func.count()).select_from(row).where(infix(admitted, "IS NOT", literal_column("TRUE"))), self.dialect
        )

    def assigned(self, plan: WritePlan) -> tuple[Any, dict[str, Sql]]:
        """The update's target and its assignments."""
        row = self.target()
        if self.dialect == "sqlite":
            return row, {name: self.binds.given(name) for name in plan.columns}
        given = self.records(plan.columns)
        return row, {name: given.c[name] for name in plan.columns}

    def update(self, plan: WritePlan, by_identity: bool, at_once: AtOnce | None = None) -> Statement:
        """Set the payload's columns on the chosen rows, or on the rows of `ids`; rows: see `told`."""
        row, values = self.assigned(plan)
        assert plan.update is not None
        statement = update(row).values(values).where(*self.chosen(plan, plan.update.using, row, by_identity))
        return self.told(statement, row, at_once)

    def delete(self, plan: WritePlan, by_identity: bool) -> Statement:
        row = self.target()
        assert plan.delete is not None
        conditions = self.chosen(plan, plan.delete.using, row, by_identity)
        return self.binds.compile(delete(row).where(*conditions).returning(literal_column("1")), self.dialect)

    def chosen(self, plan: WritePlan, using: Expr | None, row: FromClause, by_identity: bool) -> list[Sql]:
        """What a write may touch: its filters, its policy, and when they are known the captured rows."""
        found = [*self.chosen_by(_using(plan), plan, row), *self.gate()]
        if by_identity:
            each = self.entries()
            member = select(literal_column("1")).select_from(each).where(*self.same_row(row, each)).correlate_except(each).exists()
            found.append(member)
        elif plan.window is not None:
            found.append(self.within_window(plan, plan.window, row))
        return found

    def within_window(self, plan: WritePlan, window: ReadPlan, row: FromClause) -> Sql:
        """Whether the row is one of the first that filters, policy and order choose, up to the limit."""
        other = self.target("chosen")
        chosen = select(*[other.c[name] for name, _ in self.keys]).select_from(other)
        chosen = chosen.where(*self.chosen(replace(plan, window=None), _using(plan).using, other, False))
        limited = self._windowed(chosen.order_by(*self.order(window.order, window, other)), window).correlate_except(other)
        return tuple_(*[row.c[name] for name, _ in self.keys]).in_(limited)

    def capture(self, plan: WritePlan, old: Sequence[str]) -> Statement:
        """Identity and old values of the rows that an update or delete will touch, locked where that is a notion."""
        row = self.target()
        using = plan.update or plan.delete
        assert using is not None
        statement = select(self.identity(row, old)).select_from(row).where(*self.chosen(plan, using.using, row, False))
        if self.dialect == "postgresql":
            statement = statement.with_for_update(of=row)
        return self.binds.compile(statement, self.dialect)

    def conflicting(self, plan: WritePlan, old: Sequence[str]) -> Statement:
        """Rows that an upsert will meet: identity with old values, and whether the caller may update them."""
        row = self.target()
        assert plan.update is not None
        assert plan.conflict is not None
        allowed = _all(self.admits(plan.update, row) or [true()])
        flag = case((allowed, literal_column("1")), else_=literal_column("0"))
        statement = select(self.identity(row, old), flag)
        if self.dialect == "sqlite":
            return self.binds.compile(
                statement.select_from(row).where(*[infix(row.c[n], "=", self.binds.given(n)) for n in plan.conflict]), "sqlite"
            )
        given = self.records(plan.conflict)
        joined = row.join(given, _all([infix(row.c[n], "=", given.c[n]) for n in plan.conflict]))
        return self.binds.compile(statement.select_from(joined).with_for_update(of=row), "postgresql")


def _using(plan: WritePlan) -> Access:
    access = plan.update if plan.command == "update" else plan.delete
    assert access is not None
    return access


def _all(conditions: Sequence[Sql]) -> Sql:
    found = conditions[0]
    for condition in conditions[1:]:
        found = found & condition
    return found
