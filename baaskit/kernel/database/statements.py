"""Plan → SQL: one statement per read, one row of the answer per row of the result, already JSON text.

Every table that a statement touches stands under its policy. Keys of JSON objects, names and paths are written into the
text as literals (quoted), values never: they are parameters.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy import ColumnElement, FromClause, Select, Text, case, cast, column, false, func, literal_column, select, table, true

from baaskit.errors.rest import RangeNotSatisfiable, UnsupportedHere
from baaskit.kernel.database.binding import Binds, Statement
from baaskit.kernel.database.capture import literal, quote
from baaskit.kernel.database.casts import check_cast
from baaskit.kernel.database.conditions import NOT_ON_SQLITE, PgType, infix, joined, negate, words_for
from baaskit.kernel.database.encode import json_sql
from baaskit.kernel.plan import AggregateOut, ColumnOut, EmbedOut, EmbedTest, Group, OrderBy, Place, ReadPlan, Where, WritePlan
from baaskit.kernel.plan import Test as Tested
from baaskit.kernel.policy import Access, to_sql
from baaskit.kernel.query import Value
from baaskit.kernel.schema import Schema, Table, TableName, Type

Sql = ColumnElement[Any]
Pairs = list[tuple[str, Sql]]
Chosen = Callable[[Select[Any]], Select[Any]]
_OBJECT_PAIRS = 400  # SQLite's json_object takes at most 1000 arguments


def _same(value: Sql) -> Sql:
    return value


def relation_of(name: TableName, columns: Sequence[str], dialect: str) -> FromClause:
    """The physical table: `"auth"."users"` on PostgreSQL, `"auth.users"` on SQLite."""
    listed: list[Any] = [column(c) for c in columns]
    if dialect == "postgresql":
        return table(name.name, *listed, schema=name.schema)
    return table(name.name if name.schema == "public" else f"{name.schema}.{name.name}", *listed)


@dataclass(frozen=True, slots=True)
class Cell:
    """One value of a row of the answer. `make` reads it at a row, `show` gives the form that JSON takes, `key` one to group by.

    `is_json`: SQLite must be told so after a sub-select. `child` is the number of the spread embed that it is from.
    """

    name: str
    make: Callable[[FromClause], Sql]
    show: Callable[[Sql], Sql] = _same
    is_json: bool = False
    out: ColumnOut | AggregateOut | None = None
    key: Callable[[Sql], Sql] = _same
    child: int = -1

    @property
    def place(self) -> Place | None:
        return self.out.place if isinstance(self.out, ColumnOut) else None

    def shown(self, row: FromClause) -> Sql:
        return self.show(self.make(row))


class Builder:
    """Builds one statement. Aliases are t0, t1, …: no name of a project's can meet them inside a statement."""

    qualified = True  # columns are written with their alias; not in SQLite's RETURNING, which has none

    def __init__(self, dialect: str, schema: Schema) -> None:
        self.dialect, self.schema = dialect, schema
        self.binds = Binds()
        self.words = words_for(dialect, self.binds)
        self._aliases = 0
        self._guarded = False  # whether some policy stands in the statement

    # ---- tables and policies ------------------------------------------------------------------------------------

    def source(self, described: Table, prefix: str = "t") -> FromClause:
        """A fresh alias of a table; on SQLite with the row's number, which has no other name that is safe."""
        names = [c.name for c in described.columns]
        if self.dialect == "sqlite" and not described.view:
            names.append(rowid_of(described))
        return self.alias(relation_of(described.stored, names, self.dialect), prefix)

    def alias(self, source: Any, prefix: str = "t") -> FromClause:
        """A fresh alias of anything that has columns."""
        aliased: FromClause = source.alias(f"{prefix}{self._next()}")
        return aliased

    def resolve(self, name: TableName) -> FromClause:
        """Tables of a policy's sub-select."""
        described = self.schema.tables[name]
        return relation_of(described.stored, [c.name for c in described.columns], self.dialect)

    def admits(self, access: Access, row: FromClause) -> list[Sql]:
        """The row condition of an access: nothing for one that has none, false for one that is denied."""
        if access.denied:
            return [false()]
        if access.using is None:
            return []
        return [self.policy(access.using, row)]

    def policy(self, expr: Any, row: FromClause, old: FromClause | None = None) -> Sql:
        self._guarded = True
        return to_sql(expr, row, dialect=self.dialect, resolve=self.resolve, old=old)  # type: ignore[arg-type]

    def gate(self) -> list[Sql]:
        """A condition on the root that reads every value of the request once, before any row is looked at.

        PostgreSQL orders conditions by cost, so a value that does not fit its column would otherwise be refused only when
        some row, perhaps a hidden one, got as far as that comparison. Always true; it has no column, so it runs first.
        """
        if not self._guarded or not self.words.fallible:
            return []
        return [infix(func.num_nulls(*self.words.fallible.values()), ">=", literal_column("0"))]

    # ---- conditions and order -----------------------------------------------------------------------------------

    def where(self, condition: Where, row: FromClause, children: tuple[ReadPlan, ...], admitted: Sql | None = None) -> Sql:
        """`admitted` is the policy of `row`: what could fail or take long on some rows is asked only of those it admits."""
        if isinstance(condition, Group):
            found = joined(condition.operator, [self.where(c, row, children, admitted) for c in condition.children])
            return negate(found) if condition.negated else found
        if isinstance(condition, EmbedTest):
            exists = self.exists(children[condition.child], row)
            return exists if condition.negated else negate(exists)
        assert isinstance(condition, Tested)
        found = self.words.test(condition, row.c[condition.place.column.name])
        if admitted is not None and self.dialect == "postgresql" and _leaks(condition):
            found = case((admitted, found))
        return negate(found) if condition.negated else found

    def conditions(self, plan: ReadPlan, row: FromClause) -> list[Sql]:
        """Policy, filters, and the embeds that must have rows."""
        return self.chosen_by(plan.access, plan, row)

    def chosen_by(self, access: Access, plan: ReadPlan | WritePlan, row: FromClause) -> list[Sql]:
        found = self.admits(access, row)
        admitted = found[0] if found else None
        found += [self.where(condition, row, plan.children, admitted) for condition in plan.where]
        found += [self.exists(child, row) for child in plan.children if child.inner]
        return found

    def exists(self, child: ReadPlan, parent: FromClause) -> Sql:
        row = self.source(child.table)
        statement = self._joined(select(literal_column("1")), child, row, parent)
        return statement.exists()

    def order(self, terms: tuple[OrderBy, ...], plan: ReadPlan, row: FromClause) -> list[Sql]:
        return [self._term(term, plan, row) for term in terms]

    def _term(self, term: OrderBy, plan: ReadPlan, row: FromClause) -> Sql:
        if term.child < 0:
            value = self.words.order_value(term.place, row.c[term.place.column.name])
            # Reflection of SQLite calls an integer key nullable; ordering by it with NULLS LAST would sort the whole table.
            keyed = term.place.column.name in plan.table.primary_key
            nullable = (term.place.column.nullable and not keyed) or bool(term.place.steps)
        else:
            child = plan.children[term.child]
            other = self.source(child.table)
            inner = select(self.words.order_value(term.place, other.c[term.place.column.name]))
            value, nullable = self._joined(inner, child, other, row).limit(literal_column("1")).scalar_subquery(), True
        return _directed(value, term, self.dialect, nullable)

    # ---- reads --------------------------------------------------------------------------------------------------

    def rows(
        self, plan: ReadPlan, row: FromClause, source: FromClause | None = None, by: Sequence[Sql] = (), *, window: bool = True
    ) -> Select[Any]:
        """`plan` as one JSON text per row. `source` is what `row` is read from (a join that chooses rows), `by` its order
        if the plan has none."""
        origin = row if source is None else source
        statement = self._shaped(plan, row, lambda inner: self._admitted(inner, plan, row, origin), self._whole, window)
        if by and not plan.order:
            statement = statement.order_by(*by)
        if self.dialect == "sqlite":
            return statement
        shell = statement.subquery(f"r{self._next()}")
        return select(cast(func.row_to_json(literal_column(shell.name)), Text)).select_from(shell)

    def counted(self, plan: ReadPlan, row: FromClause) -> Select[Any]:
        """The number of rows that the filters leave, whatever the limit."""
        if plan.aggregates:
            return select(func.count()).select_from(self.rows(plan, row, window=False).subquery("counted"))
        conditions = [*self.conditions(plan, row), *self.gate()]
        statement = select(func.count()).select_from(row)
        return statement.where(*conditions) if conditions else statement

    def keyed(self, plan: ReadPlan, row: FromClause, keys: Sequence[str]) -> Select[Any]:
        """`rows`, with columns of the row behind each."""
        if self.dialect == "sqlite":
            return self.rows(plan, row).add_columns(*[row.c[name] for name in keys])
        behind = [cast(row.c[name], Text).label(f"key {number}") for number, name in enumerate(keys)]
        names: list[str] = []

        def columns(pairs: Pairs) -> list[Sql]:
            names.extend(name for name, _ in pairs)
            return [*(shown.label(f"out {number}") for number, (_, shown) in enumerate(pairs)), *behind]

        inner = self._shaped(plan, row, lambda statement: self._admitted(statement, plan, row, row), columns, True)
        shell = inner.subquery(f"r{self._next()}")
        # A row of its own for the answer, so that the keys are not in it.
        outputs: list[Sql] = [literal_column(f'{shell.name}."out {number}"').label(name) for number, name in enumerate(names)]
        answer = select(*outputs).lateral(f"r{self._next()}")
        text = cast(func.row_to_json(literal_column(answer.name)), Text)
        return select(text, *[shell.c[label.name] for label in behind]).select_from(shell.join(answer, true()))

    def _admitted(self, statement: Select[Any], plan: ReadPlan, row: FromClause, source: FromClause) -> Select[Any]:
        conditions = [*self.conditions(plan, row), *self.gate()]  # the gate last: the embeds' values pass it too
        statement = statement.select_from(source)
        return statement.where(*conditions) if conditions else statement

    def _whole(self, pairs: Pairs) -> list[Sql]:
        """Columns of a row that becomes one JSON object: on PostgreSQL the row itself does."""
        return [_object(pairs).label("j")] if self.dialect == "sqlite" else [shown.label(name) for name, shown in pairs]

    def _shaped(self, plan: ReadPlan, row: FromClause, chosen: Chosen, columns: Callable[[Pairs], list[Sql]], window: bool) -> Select[Any]:
        """The outputs of `plan` over the rows that `chosen` adds to a select: grouped, ordered and cut as asked."""
        cells = self._cells(plan)
        if plan.aggregates:
            statement = self._grouped(plan, row, cells, chosen, columns)
        else:
            statement = chosen(select(*columns([(cell.name, cell.shown(row)) for cell in cells])))
            if plan.order:
                statement = statement.order_by(*self.order(plan.order, plan, row))
        return self._windowed(statement, plan) if window else statement

    def _grouped(
        self, plan: ReadPlan, row: FromClause, cells: list[Cell], chosen: Chosen, columns: Callable[[Pairs], list[Sql]]
    ) -> Select[Any]:
        """The values of every row first, then the groups: so that what comes from another table can be grouped by too."""
        inner = chosen(select(*[cell.key(cell.make(row)).label(f"c{n}") for n, cell in enumerate(cells)])).subquery(f"g{self._next()}")
        references: list[Sql] = [literal_column(f"{inner.name}.c{n}") for n in range(len(cells))]
        groups = [one for one, cell in zip(references, cells, strict=True) if not isinstance(cell.out, AggregateOut)]
        pairs: Pairs = []
        for one, cell in zip(references, cells, strict=True):
            if isinstance(cell.out, AggregateOut):
                pairs.append((cell.name, self._aggregate(cell.out, one)))
            else:
                pairs.append((cell.name, self._again(cell, cell.show(one))))
        statement = select(*columns(pairs)).select_from(inner)
        if groups:
            statement = statement.group_by(*groups)
        for term in plan.order:
            number = next(n for n, cell in enumerate(cells) if (cell.place, cell.child) == (term.place, term.child))
            statement = statement.order_by(_directed(references[number], term, self.dialect, nullable=True))
        return statement

    def _again(self, cell: Cell, value: Sql) -> Sql:
        """SQLite forgets that a text out of a sub-select is JSON; say it again where it is."""
        return func.json(value) if self.dialect == "sqlite" and cell.is_json else value

    def _windowed(self, statement: Select[Any], plan: ReadPlan) -> Select[Any]:
        if plan.limit >= 0 or plan.max_rows is not None:
            statement = statement.limit(self._limit(plan))
        elif plan.offset >= 0 and self.dialect == "sqlite":
            statement = statement.limit(literal_column("-1"))
        if plan.offset >= 0:
            statement = statement.offset(self._number(plan.offset, _offset))
        return statement

    def _limit(self, plan: ReadPlan) -> Sql:
        cap = plan.max_rows
        if plan.limit < 0:
            return literal_column(str(cap))

        def capped(value: Value) -> int | str:
            number = _limit_number(value)
            return number if cap is None else min(number, cap)

        return self._number(plan.limit, capped)

    def _number(self, slot: int, convert: Callable[[Value], Any]) -> Sql:
        if self.dialect == "sqlite":
            return self.binds.slot(slot, convert)
        return cast(cast(self.binds.slot(slot, lambda value: str(convert(value))), Text), PgType(Type("int8")))

    # ---- values of a row ----------------------------------------------------------------------------------------

    def _cells(self, plan: ReadPlan) -> list[Cell]:
        """The values of one row, by the names of the answer; of two of one name the first."""
        found: list[Cell] = []
        for out in plan.outputs:
            if not isinstance(out, EmbedOut):
                found.append(self._cell(out))
                continue
            child = plan.children[out.child]
            if out.spread:
                found += self._spread(child, out.child)
            else:
                found.append(Cell(out.name, partial(self._embedded, child), is_json=True, key=self._comparable))
        return list({cell.name: cell for cell in reversed(found)}.values())[::-1]

    def _cell(self, out: ColumnOut | AggregateOut) -> Cell:
        if isinstance(out, AggregateOut):
            return Cell(out.name, lambda row: self._argument(out, row), out=out)
        place, kind = out.place, out.cast or out.place.type
        is_json = kind.array or kind.family in ("json", "bool") or (kind.family == "numeric" and "," in kind.modifiers)
        if self.dialect == "postgresql":
            return Cell(out.name, lambda row: self._argument(out, row), is_json=is_json, out=out)
        if out.cast is not None or place.steps:
            return Cell(out.name, lambda row: self._argument(out, row), partial(json_shown, kind), is_json, out)

        def read(row: FromClause) -> Sql:
            prefix = f"{row.name}." if self.qualified else ""  # type: ignore[attr-defined]
            return literal_column(prefix + quote(place.column.name))

        return Cell(out.name, read, lambda value: literal_column(json_sql(place.column, value.name)), is_json, out)

    def _argument(self, out: ColumnOut | AggregateOut, row: FromClause) -> Sql:
        if out.place is None:
            return literal_column("1")
        return self._cast(out, self.words.value(out.place, row.c[out.place.column.name]))

    def _comparable(self, value: Sql) -> Sql:
        """An embedded value as one that can be grouped by."""
        return cast(value, PgType(Type("jsonb"))) if self.dialect == "postgresql" else value

    def _cast(self, out: ColumnOut | AggregateOut, value: Sql) -> Sql:
        if out.cast is None:
            return value
        if self.dialect == "postgresql":
            return cast(value, PgType(out.cast, modifiers=True))
        assert out.place is not None
        return sqlite_cast(value, out.place.type, out.cast)

    def _aggregate(self, out: AggregateOut, argument: Sql) -> Sql:
        value: Sql = func.count() if out.place is None else getattr(func, out.function)(argument)
        if out.result_cast is None:
            return value
        if self.dialect == "postgresql":
            return cast(value, PgType(out.result_cast, modifiers=True))
        if out.result_cast.family not in ("int", "float", "numeric", "text"):
            raise UnsupportedHere(f"A cast to {out.result_cast.sql} is not available on SQLite.", hint=NOT_ON_SQLITE)
        return _sqlite_as(value, {"int": "integer", "text": "text"}.get(out.result_cast.family, "real"))

    def _embedded(self, child: ReadPlan, parent: FromClause) -> Sql:
        """The child's rows as an object or null, or as an array."""
        assert child.relation is not None
        row = self.source(child.table)
        inner = self._child_rows(child, row, parent)
        if self.dialect == "sqlite":
            if child.relation.to_one:
                return func.json(inner.limit(literal_column("1")).scalar_subquery())
            return self._array(inner)
        shell = inner.subquery(f"r{self._next()}")
        whole: Sql = literal_column(shell.name)
        if child.relation.to_one:
            return select(func.row_to_json(whole)).select_from(shell).limit(literal_column("1")).scalar_subquery()
        return func.coalesce(
            select(func.json_agg(func.row_to_json(whole))).select_from(shell).scalar_subquery(), literal_column("'[]'::json")
        )

    def _array(self, inner: Select[Any]) -> Sql:
        shell = inner.subquery(f"r{self._next()}")
        listed = func.group_concat(literal_column(f"{shell.name}.j"), literal_column("','"))
        text = literal_column("'['").op("||")(func.coalesce(listed, literal_column("''"))).op("||")(literal_column("']'"))
        return func.json(select(text).select_from(shell).scalar_subquery())

    def _child_rows(self, child: ReadPlan, row: FromClause, parent: FromClause) -> Select[Any]:
        return self._shaped(child, row, lambda statement: self._joined(statement, child, row, parent), self._whole, window=True)

    def _spread(self, child: ReadPlan, number: int) -> list[Cell]:
        """Each output of the child as a value of its own (to-one) or as an array of them (to-many)."""
        assert child.relation is not None
        cells = self._cells(child)
        if not child.relation.to_one:
            return [Cell(cell.name, partial(self._listed, child, n), is_json=True, key=self._comparable) for n, cell in enumerate(cells)]
        found = []
        for cell in cells:
            if isinstance(cell.out, AggregateOut):  # over the parent's groups: one value for each of its rows
                found.append(Cell(cell.name, partial(self._lifted, child, cell.make), out=cell.out))
            else:
                show = partial(self._again, cell)
                found.append(Cell(cell.name, partial(self._lifted, child, cell.shown), show, cell.is_json, cell.out, cell.key, number))
        return found

    def _lifted(self, child: ReadPlan, make: Callable[[FromClause], Sql], parent: FromClause) -> Sql:
        """One value of the to-one child."""
        row = self.source(child.table)
        return self._joined(select(make(row).label("j")), child, row, parent).limit(literal_column("1")).scalar_subquery()

    def _listed(self, child: ReadPlan, number: int, parent: FromClause) -> Sql:
        """Output `number` of every row of the to-many child."""
        row = self.source(child.table)

        def column(pairs: Pairs) -> list[Sql]:
            shown = pairs[number][1]
            return [(func.json_quote(shown) if self.dialect == "sqlite" else shown).label("j")]

        inner = self._shaped(child, row, lambda statement: self._joined(statement, child, row, parent), column, window=True)
        if self.dialect == "sqlite":
            return self._array(inner)
        shell = inner.subquery(f"r{self._next()}")
        listed = select(func.json_agg(literal_column(f"{shell.name}.j"))).select_from(shell).scalar_subquery()
        return func.coalesce(listed, literal_column("'[]'::json"))

    def _joined(self, statement: Select[Any], child: ReadPlan, row: FromClause, parent: FromClause) -> Select[Any]:
        """`statement` over the child's rows that belong to the parent's row and that the policies of child and junction admit."""
        relation = child.relation
        assert relation is not None
        statement = statement.select_from(row)
        tables = [row]
        if relation.junction is not None:
            assert child.junction is not None
            between = self.source(child.junction[0])
            tables.append(between)
            statement = statement.select_from(between).where(
                *_pairs_equal(relation.pairs, parent, between),
                *_pairs_equal(relation.far_pairs, between, row),
                *self.admits(child.junction[1], between),
            )
        else:
            statement = statement.where(*_pairs_equal(relation.pairs, parent, row))
        return statement.where(*self.conditions(child, row)).correlate_except(*tables)

    def _next(self) -> int:
        self._aliases += 1
        return self._aliases - 1


def _leaks(test: Tested) -> bool:
    """Whether the comparison can fail, or take very long, for the value of some row: PostgreSQL would not call it leakproof."""
    return test.operator in ("match", "imatch") or test.place.column.type.name == "json"


def _directed(value: Sql, term: OrderBy, dialect: str, nullable: bool) -> Sql:
    direction = value.desc() if term.descending else value.asc()
    nulls = term.nulls or ("first" if term.descending else "last")  # PostgreSQL's rule, on both databases
    natural = "first" if (dialect == "sqlite") != term.descending else "last"
    if not nullable or nulls == natural:
        return direction
    return direction.nulls_first() if nulls == "first" else direction.nulls_last()


def rowid_of(described: Table) -> str:
    """The name by which SQLite knows the row's number, whatever the columns are called."""
    taken = {c.name.lower() for c in described.columns}
    return next(name for name in ("rowid", "_rowid_", "oid") if name not in taken)


def _pairs_equal(pairs: tuple[tuple[str, str], ...], left: FromClause, right: FromClause) -> list[Sql]:
    return [infix(left.c[a], "=", right.c[b]) for a, b in pairs]


def _object(pairs: Sequence[tuple[str, Sql]]) -> Sql:
    """`json_object('name', value, …)`; very wide rows are joined as text, since json_patch would drop nulls."""
    parts = []
    for start in range(0, max(len(pairs), 1), _OBJECT_PAIRS):
        arguments: list[Sql] = []
        for name, shown in pairs[start : start + _OBJECT_PAIRS]:
            arguments += [literal_column(literal(name)), shown]
        parts.append(func.json_object(*arguments))
    found: Sql = parts[0]
    for part in parts[1:]:
        found = (
            func.substr(found, literal_column("1"), func.length(found).op("-")(literal_column("1")))
            .op("||")(literal_column("','"))
            .op("||")(func.substr(part, literal_column("2")))
        )
    return found


def sqlite_cast(value: Sql, source: Type, target: Type) -> Sql:
    """A stored value in the stored form of another type. Raises SqlState or UnsupportedHere for a cast that there is not."""
    check_cast(source, target)
    if source == target or (target == Type("text") and source.family == "text" and not source.array and source.name != "bpchar"):
        return value
    if target == Type("text") and not source.array and source.family in ("int", "uuid", "date", "time", "enum"):
        return _sqlite_as(value, "text")
    return func.baas_as(value, literal_column(literal(source.sql)), literal_column(literal(target.sql)))


def json_shown(kind: Type, value: Sql) -> Sql:
    """A stored value of SQLite as `json_object` takes it."""
    if kind.array or kind.family == "json":
        return func.json(value)
    if kind.family == "bool":
        return func.json(
            case((infix(value, "=", literal_column("1")), literal_column("'true'")), (value.is_not(None), literal_column("'false'")))
        )
    return value


def _sqlite_as(value: Sql, spelled: str) -> Sql:
    return cast(value, PgType(Type(spelled)))


def _limit_number(value: Value) -> int:
    number = int(value)  # type: ignore[arg-type]
    if number < 0:
        raise RangeNotSatisfiable(details="Limit should be greater than or equal to zero.")
    return number


def _offset(value: Value) -> int:
    number = int(value)  # type: ignore[arg-type]
    if number < 0:
        raise RangeNotSatisfiable(details="Offset should be greater than or equal to zero.")
    return number


def compile_read(plan: ReadPlan, dialect: str, schema: Schema, keys: Sequence[str] = ()) -> Statement:
    """One row of JSON text per row of the answer, in order; behind it the columns `keys`, on PostgreSQL as text."""
    builder = Builder(dialect, schema)
    row = builder.source(plan.table)
    return builder.binds.compile(builder.keyed(plan, row, keys) if keys else builder.rows(plan, row), dialect)


def compile_count(plan: ReadPlan, dialect: str, schema: Schema) -> Statement:
    """One row with the number of rows that the filters leave, whatever the limit."""
    builder = Builder(dialect, schema)
    return builder.binds.compile(builder.counted(plan, builder.source(plan.table)), dialect)
