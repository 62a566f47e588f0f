"""Query + catalogue + role → ReadPlan: names resolved, the policy of every table attached, limits capped. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from baaskit.errors.rest import AggregatesOff, EmbedFilterNotNull, NotEmbedded, NotToOne, SqlState, TooComplex, UnknownColumn, UnknownTable
from baaskit.kernel.plan.relations import find_relation
from baaskit.kernel.plan.types import (
    DEFAULT_LIMITS,
    AggregateOut,
    Catalog,
    ColumnOut,
    EmbedOut,
    EmbedTest,
    Group,
    Limits,
    OrderBy,
    Out,
    Place,
    ReadPlan,
    Relation,
    Test,
    Where,
)
from baaskit.kernel.policy import Access
from baaskit.kernel.query import SEARCHES, Condition, Embed, Field, Filter, Item, Level, Order, Path, Query, Selected, Star
from baaskit.kernel.schema import Column, Table, TableName, Type

MAX_NAME = 63  # bytes: PostgreSQL cuts longer names silently, so that two could become one
_TEXT_ONLY = frozenset({"like", "ilike", "match", "imatch"})
_COMPARISONS = {"eq": "=", "neq": "<>", "gt": ">", "gte": ">=", "lt": "<", "lte": "<=", "in": "=", "isdistinct": "="}
_CONTAINMENT = {"cs": "@>", "cd": "<@", "ov": "&&"}
_RANGES = {"sl": "<<", "sr": ">>", "nxr": "&<", "nxl": "&>", "adj": "-|-"}
_PG_NAMES = {
    "int2": "smallint", "int4": "integer", "int8": "bigint", "float4": "real", "float8": "double precision", "bool": "boolean",
    "varchar": "character varying", "bpchar": "character", "timestamptz": "timestamp with time zone",
    "timestamp": "timestamp without time zone", "time": "time without time zone", "timetz": "time with time zone",
}  # fmt: skip


def pg_name(kind: Type) -> str:
    """The type as PostgreSQL's messages call it: `integer`, `timestamp with time zone`, `text[]`."""
    return _PG_NAMES.get(kind.name, kind.name) + ("[]" if kind.array else "")


@dataclass(slots=True)
class Planner:
    """One planning run for one role."""

    catalog: Catalog
    role: str
    limits: Limits
    embeds: int = 0
    _opened: dict[TableName, Access] = field(default_factory=dict)

    def select_access(self, name: TableName) -> Access:
        """The role's select access. The columns of a table that is closed to the role may be named: no row answers."""
        return self._opened.get(name) or self.catalog.policies.access(name, "select", self.role)

    def opened(self, name: TableName, access: Access) -> None:
        """Use `access` for what is no table of the catalogue."""
        self._opened[name] = access

    def readable(self, table: Table, columns: tuple[str, ...]) -> bool:
        allowed = self.select_access(table.name).columns
        return allowed is None or all(column in allowed for column in columns)

    def visible(self, table: Table) -> tuple[Column, ...]:
        allowed = self.select_access(table.name).columns
        return table.columns if allowed is None else tuple(c for c in table.columns if c.name in allowed)

    def column(self, table: Table, name: str) -> Column:
        """The column, or the error of one that does not exist: also where it does and the role may not know."""
        found = table.by_name.get(name)
        if found is None or not self.readable(table, (name,)):
            raise UnknownColumn(table.name.name, name, [c.name for c in self.visible(table)])
        return found

    def place(self, table: Table, wanted: Field) -> Place:
        column = self.column(table, wanted.name)
        if wanted.steps and column.type.family != "json" and not column.type.array:
            arrow = "->>" if wanted.steps[0].as_text else "->"
            raise no_operator(pg_name(column.type), arrow, "unknown")
        if any(step.as_text for step in wanted.steps[:-1]):
            raise no_operator("text", "->", "unknown")
        return Place(column, wanted.steps)

    # ---- one level ------------------------------------------------------------------------------------------------

    def level(self, table: Table, selected: tuple[Selected, ...], path: Path, levels: dict[Path, Level]) -> ReadPlan:
        """The plan of one table at `path`; `levels` are consumed."""
        asked = levels.pop(path, Level(path))
        outputs: list[Out] = []
        children: list[ReadPlan] = []
        names: list[str] = []
        for item in selected:
            if isinstance(item, Embed):
                child = self._embed(table, item, path, levels)
                if item.items:
                    if not item.spread and any(isinstance(out, EmbedOut) and not out.spread and out.name == item.name for out in outputs):
                        words = f'table name "{item.name}" specified more than once'
                        raise SqlState("42712", words, hint="Give one of the embeds an alias.")
                    outputs.append(EmbedOut(item.name, len(children), item.spread))
                children.append(child)
                names.append(item.name)
            else:
                outputs += self._outputs(table, item)
        order = tuple(self._order(table, term, names, children) for term in asked.order)
        where = tuple(self.where(table, condition, names) for condition in asked.conditions)
        plan = ReadPlan(
            table,
            self.select_access(table.name),
            _once(outputs),
            where,
            order,
            asked.limit,
            asked.offset,
            self.limits.max_rows,
            tuple(children),
        )
        if plan.aggregates:
            _check_grouping(plan)
        return plan

    def _outputs(self, table: Table, item: Star | Item) -> Iterable[Out]:
        if isinstance(item, Star):
            return [ColumnOut(column.name, Place(column)) for column in self.visible(table)]
        if item.field == Field("count") and not item.aggregate and "count" not in table.by_name:
            item = Item(None, item.alias, "", "count", item.cast)  # the old spelling of count()
        place = self.place(table, item.field) if item.field else None
        cast = Type.parse(item.cast) if item.cast else None
        if item.aggregate:
            if not self.limits.aggregates:
                raise AggregatesOff()
            result = Type.parse(item.aggregate_cast) if item.aggregate_cast else None
            return [AggregateOut(item.alias or item.aggregate, item.aggregate, place, cast, result)]
        assert place is not None
        assert item.field is not None
        return [ColumnOut(item.alias or _output_name(item.field), place, cast)]

    def _embed(self, parent: Table, item: Embed, path: Path, levels: dict[Path, Level]) -> ReadPlan:
        self.embeds += 1
        if self.embeds > self.limits.max_embeds:
            raise TooComplex(f"The request embeds more than {self.limits.max_embeds} tables.")
        relation = find_relation(self.catalog.schema, parent, item, self.readable)
        table = self.catalog.schema.tables[relation.child]
        below = (*path, item.name)
        if item.alias and below not in levels and (*path, item.target) in levels:
            levels[below] = levels.pop((*path, item.target))  # filters may use the relation's name although it has an alias
        for other in [p for p in levels if item.alias and p[: len(below)] == (*path, item.target) and len(p) > len(below)]:
            levels[below + other[len(below) :]] = levels.pop(other)
        plan = self.level(table, item.items, below, levels)
        return _joined(plan, relation, item.inner, self._junction(relation))

    def _junction(self, relation: Relation) -> tuple[Table, Access] | None:
        if relation.junction is None:
            return None
        return self.catalog.schema.tables[relation.junction], self.select_access(relation.junction)

    def _order(self, table: Table, term: Order, names: list[str], children: list[ReadPlan]) -> OrderBy:
        if not term.relation:
            return OrderBy(self.place(table, term.field), term.descending, term.nulls)
        if term.relation not in names:
            raise NotEmbedded(term.relation)
        child = names.index(term.relation)
        relation = children[child].relation
        if relation is None or not relation.to_one:
            raise NotToOne(table.name.name, term.relation)
        return OrderBy(self.place(children[child].table, term.field), term.descending, term.nulls, child)

    # ---- conditions -----------------------------------------------------------------------------------------------

    def where(self, table: Table, condition: Condition, embeds: list[str]) -> Where:
        if not isinstance(condition, Filter):
            return Group(condition.operator, tuple(self.where(table, c, embeds) for c in condition.children), condition.negated)
        name = condition.field.name
        if name in embeds and not condition.field.steps and (name not in table.by_name or condition.operator == "is"):
            if condition.operator != "is" or condition.word not in ("null", "not_null"):
                raise EmbedFilterNotNull(name)
            return EmbedTest(embeds.index(name), condition.negated != (condition.word == "not_null"))
        place = self.place(table, condition.field)
        _check_operator(place.type, condition)
        return Test(place, condition.operator, condition.slot, condition.negated, condition.quantifier, condition.word)


def _check_grouping(plan: ReadPlan) -> None:
    """With an aggregate, rows are grouped by everything else, so nothing else can be ordered by."""
    grouped = _grouped_places(plan)
    for out in plan.outputs:
        if isinstance(out, AggregateOut) and out.place is not None:
            kind = out.cast or out.place.type
            summed = out.function in ("sum", "avg") and (kind.array or kind.family not in ("int", "float", "numeric", "interval", "other"))
            ranked = out.function in ("min", "max") and not kind.array and kind.family in ("bool", "json", "uuid")
            if summed or ranked:
                raise SqlState("42883", f"function {out.function}({pg_name(kind)}) does not exist", hint=_CASTS)
    for term in plan.order:
        if (term.place, term.child) not in grouped:
            table = plan.table if term.child < 0 else plan.children[term.child].table
            column = f"{table.name.name}.{term.place.column.name}"
            raise SqlState("42803", f'column "{column}" must appear in the GROUP BY clause or be used in an aggregate function')


def _grouped_places(plan: ReadPlan) -> set[tuple[Place, int]]:
    """Plain columns of the level (child -1) and of its spread to-one embeds (by their number)."""
    found = {(out.place, -1) for out in plan.outputs if isinstance(out, ColumnOut)}
    for out in plan.outputs:
        if isinstance(out, EmbedOut) and out.spread:
            found |= {(inner.place, out.child) for inner in plan.children[out.child].outputs if isinstance(inner, ColumnOut)}
    return found


_CASTS = "No function matches the given name and argument types. You might need to add explicit type casts."


def no_operator(left: str, operator: str, right: str) -> SqlState:
    """PostgreSQL's refusal of an operator that the types do not have."""
    return SqlState(
        "42883",
        f"operator does not exist: {left} {operator} {right}",
        hint="No operator matches the given name and argument types. You might need to add explicit type casts.",
    )


def _check_operator(kind: Type, asked: Filter) -> None:
    """Refuse what the type cannot do, with PostgreSQL's words, so that both databases answer alike."""
    name = pg_name(kind)
    if kind == Type("json") and not asked.quantifier and asked.operator in _COMPARISONS:
        raise no_operator(name, _COMPARISONS[asked.operator], "unknown")
    if asked.operator in _TEXT_ONLY and (kind.array or kind.family not in ("text", "other")):
        raise no_operator(name, {"like": "~~", "ilike": "~~*", "match": "~", "imatch": "~*"}[asked.operator], "unknown")
    if asked.operator == "is" and asked.word in ("true", "false", "unknown") and (kind.array or kind.family != "bool"):
        raise SqlState("42804", f"argument of IS {asked.word.upper()} must be type boolean, not type {name}")
    if (
        asked.operator in _CONTAINMENT
        and not kind.array
        and kind.family not in (("other",) if asked.operator == "ov" else ("json", "other"))
    ):
        raise no_operator(name, _CONTAINMENT[asked.operator], "unknown")
    if asked.operator in SEARCHES and (kind.array or kind.family not in ("text", "json", "tsvector", "other")):
        raise no_operator(name, "@@", "tsquery")
    if asked.operator in _RANGES and (kind.array or kind.family != "other"):
        raise no_operator(name, _RANGES[asked.operator], "unknown")


def _output_name(asked: Field) -> str:
    """The column's name, or the last key of a JSON path."""
    for step in reversed(asked.steps):
        if isinstance(step.key, str):
            return step.key
    return asked.name


def _once(outputs: list[Out]) -> tuple[Out, ...]:
    """A name that is selected twice is answered once, at its first place."""
    seen: dict[str, Out] = {}
    for number, out in enumerate(outputs):
        if len(out.name.encode()) > MAX_NAME:
            raise SqlState("42622", f"the name {out.name[:20]!r}… is longer than {MAX_NAME} bytes")
        key = f"...{number}" if isinstance(out, EmbedOut) and out.spread else out.name
        seen.setdefault(key, out)
    return tuple(seen.values())


def _joined(plan: ReadPlan, relation: Relation, inner: bool, junction: tuple[Table, Access] | None) -> ReadPlan:
    return ReadPlan(
        plan.table, plan.access, plan.outputs, plan.where, plan.order, plan.limit, plan.offset, plan.max_rows, plan.children,
        relation, junction, inner,
    )  # fmt: skip


def find_table(catalog: Catalog, name: TableName) -> Table:
    """The table, or UnknownTable naming the nearest one of its schema."""
    table = catalog.schema.tables.get(name)
    if table is None:
        raise UnknownTable(name.schema, name.name, [t.name for t in catalog.schema.tables if t.schema == name.schema])
    return table


def plan_read(query: Query, catalog: Catalog, name: TableName, role: str, limits: Limits = DEFAULT_LIMITS) -> ReadPlan:
    """The plan of `query` on table `name` for `role`. `name.schema` must be one that the caller may address.

    Raises UnknownTable, UnknownColumn, NoRelation, AmbiguousRelation, NotEmbedded, SqlState, TooComplex.
    """
    planner = Planner(catalog, role, limits)
    levels = {level.path: level for level in query.levels}
    plan = planner.level(find_table(catalog, name), query.select, (), levels)
    check_levels(levels, plan)
    return plan


def check_levels(levels: Iterable[Path], plan: ReadPlan) -> None:
    """Refuse filters and orders of embeds that are not in the plan; `levels` are the paths that planning left over."""
    for left in levels:
        raise NotEmbedded(left[0] if (left[0],) not in _paths(plan) else left[-1])


def _paths(plan: ReadPlan) -> set[Path]:
    return {(out.name,) for out in plan.outputs if isinstance(out, EmbedOut)}
