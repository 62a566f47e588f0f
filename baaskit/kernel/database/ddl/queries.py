"""SELECT and its parts → SQLite: from, joins, where, group, order, limit, unions, with, generate_series, unnest."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from sqlglot import exp

from baaskit.errors import Fault, nearest
from baaskit.kernel.database.ddl import types as ty
from baaskit.kernel.database.ddl.catalogue import Catalogue, physical
from baaskit.kernel.database.ddl.expressions import Columns, Emitter, Place, Scope, Sql, ident
from baaskit.kernel.database.ddl.functions import ordered
from baaskit.kernel.database.ddl.text import Source
from baaskit.kernel.database.ddl.types import quote
from baaskit.kernel.schema import TableName, Type

Output = list[tuple[str, Type | None]]
_SELECT = {
    "expressions",
    "from_",
    "joins",
    "where",
    "group",
    "having",
    "order",
    "limit",
    "offset",
    "distinct",
    "with_",
    "laterals",
    "windows",
}


@dataclass(frozen=True)
class Queries:
    """Writes whole queries. `ctes` are the names that a WITH around them has defined."""

    source: Source
    catalogue: Catalogue
    place: Place
    at: int = 0
    now: str | None = None
    ctes: dict[str, Columns] = field(default_factory=dict)

    def fault(self, message: str, where: exp.Expression | None = None, hint: str | None = None) -> Fault:
        return self.emitter(Scope()).fault(message, where, hint)

    def emitter(self, scope: Scope) -> Emitter:
        return Emitter(self.source, self.place, scope, self.catalogue.enum, lambda q, s: self.query(q, s), self.now, self.at)

    def check(self, n: exp.Expression, allowed: set[str]) -> None:
        for key, value in n.args.items():
            if key not in allowed and value not in (None, False, []):
                raise self.emitter(Scope()).refuse(n, key.strip("_"))

    def query(self, n: exp.Expression, parent: Scope | None = None, wanted: list[Type | None] | None = None) -> tuple[str, Output]:
        """Text and output columns. `wanted` are types that the outputs are assigned to (insert … select)."""
        while isinstance(n, (exp.Subquery, exp.Paren)) and not n.args.get("alias"):
            n = n.this
        if isinstance(n, exp.Select):
            return self._select(n, parent, wanted)
        if isinstance(n, (exp.Union, exp.Intersect, exp.Except)):
            return self._union(n, parent, wanted)
        if isinstance(n, exp.Values):
            return self.values(n, parent, wanted)
        raise self.fault(f"{type(n).__name__.lower()} is not supported as a query on SQLite", n)

    def with_(self, n: exp.Expression, parent: Scope | None) -> tuple[str, Queries]:
        """The text of WITH before a statement, and the writer that knows its names."""
        found = n.args.get("with_")
        if found is None:
            return "", self
        inner, parts = self, []
        for cte in found.expressions:
            self.check(cte, {"this", "alias", "materialized"})
            alias = cte.args["alias"]
            name, names = ident(alias.this), [ident(c) for c in alias.args.get("columns") or []]
            if not isinstance(cte.this, (exp.Select, exp.Union, exp.Values, exp.Intersect, exp.Except)):
                raise self.fault("only queries can stand in WITH on SQLite", cte, "Split the statement in two.")
            if found.args.get("recursive"):
                inner = inner._recursive(cte, name, names, parent)
            text, output = inner.query(cte.this, parent)
            columns = {c: kind for c, (_, kind) in zip(names or [c for c, _ in output], output, strict=True)}
            inner = replace(inner, ctes={**inner.ctes, name: columns})
            parts.append(f"{quote(name)}({', '.join(quote(c) for c in columns)}) AS ({text})")
        return f"WITH {'RECURSIVE ' if found.args.get('recursive') else ''}{', '.join(parts)} ", inner

    def _recursive(self, cte: Any, name: str, names: list[str], parent: Scope | None) -> Queries:
        """The name is known inside itself, with the types of its first part."""
        if not isinstance(cte.this, exp.Union):
            return self
        output = self.query(cte.this.this, parent)[1]
        return replace(
            self, ctes={**self.ctes, name: {c: kind for c, (_, kind) in zip(names or [c for c, _ in output], output, strict=True)}}
        )

    def _union(self, n: Any, parent: Scope | None, wanted: list[Type | None] | None) -> tuple[str, Output]:
        self.check(n, {"this", "expression", "distinct", "with_", "order", "limit", "offset"})
        head, inner = self.with_(n, parent)
        word = {exp.Union: "UNION", exp.Intersect: "INTERSECT", exp.Except: "EXCEPT"}[type(n)]
        if not n.args.get("distinct"):
            if word != "UNION":
                raise self.fault(f"{word.lower()} all is not supported on SQLite", n)
            word += " ALL"
        left, output = inner.query(n.this, parent, wanted)
        right, others = inner.query(n.expression, parent, wanted or [kind for _, kind in output])
        if len(output) != len(others):
            raise self.fault("each part of a union must have the same number of columns", n)
        merged = [(name, kind or other) for (name, kind), (_, other) in zip(output, others, strict=True)]
        tail = inner._tail(n, inner.emitter(Scope({"": dict(merged)}, parent, bare=True)))
        return f"{head}{_part(n.this, left)} {word} {_part(n.expression, right)}{tail}", merged

    def values(self, n: exp.Values, parent: Scope | None, wanted: list[Type | None] | None = None) -> tuple[str, Output]:
        self.check(n, {"expressions", "alias"})
        e, rows = self.emitter(Scope({}, parent)), []
        kinds: list[Type | None] = []
        for row in n.expressions:
            cells = row.expressions if isinstance(row, exp.Tuple) else [row]
            sqls = [e.emit(c) for c in cells]
            kinds = kinds or [None] * len(cells)
            if len(cells) != len(kinds):
                raise self.fault("rows of values must be equally long", row)
            goals = wanted or kinds
            rows.append("(" + ", ".join(e.convert(s, g, c) if g else s.text for s, g, c in zip(sqls, goals, cells, strict=False)) + ")")
            kinds = [k or s.type for k, s in zip(kinds, sqls, strict=True)]
        kinds = [k or ty.TEXT for k in kinds]
        return f"VALUES {', '.join(rows)}", [(f"column{i + 1}", k) for i, k in enumerate(wanted or kinds)]

    def _select(self, n: exp.Select, parent: Scope | None, wanted: list[Type | None] | None) -> tuple[str, Output]:
        self.check(n, _SELECT)
        head, inner = self.with_(n, parent)
        tables: dict[str, Columns] = {}
        source = inner.sources(n.args.get("from_"), n.args.get("joins") or [], tables, parent)
        e = inner.emitter(Scope(tables, parent))
        columns = [inner._output(e, item, i, wanted) for i, item in enumerate(inner._items(n, tables))]
        output = [(name, kind) for _, name, kind in columns]
        text = "SELECT " + ("DISTINCT " if inner._distinct(n) else "") + ", ".join(f"{t} AS {quote(c)}" for t, c, _ in columns)
        text += source
        if n.args.get("where"):
            text += f" WHERE {e.truth(n.args['where'].this)}"
        if n.args.get("group"):
            self.check(n.args["group"], {"expressions"})
            text += " GROUP BY " + ", ".join(inner._position(e, g) for g in n.args["group"].expressions)
        if n.args.get("having"):
            text += f" HAVING {e.truth(n.args['having'].this)}"
        return head + text + inner._tail(n, replace(e, scope=Scope({**tables, **inner._aliases(output, tables)}, parent))), output

    def _distinct(self, n: exp.Select) -> bool:
        found = n.args.get("distinct")
        if found is not None and found.args.get("on"):
            raise self.fault("distinct on is not supported on SQLite", n, "Use row_number() over (partition by …) in a sub-select.")
        return found is not None

    def _position(self, e: Emitter, n: exp.Expression) -> str:
        return str(n.this) if isinstance(n, exp.Literal) and not n.is_string else e.emit(n).text

    def _aliases(self, output: Output, tables: dict[str, Columns]) -> dict[str, Columns]:
        known = {c for columns in tables.values() for c in columns}
        return {"\0": {name: kind for name, kind in output if name not in known}}

    def _items(self, n: exp.Select, tables: dict[str, Columns]) -> list[exp.Expression]:
        """The select list with * written out."""
        items: list[exp.Expression] = []
        for item in n.expressions:
            star = isinstance(item, exp.Star) or (isinstance(item, exp.Column) and isinstance(item.this, exp.Star))
            if not star:
                items.append(item)
                continue
            only = ident(item.args["table"]) if isinstance(item, exp.Column) and item.args.get("table") else None
            if only is not None and only not in tables:
                raise self.fault(f"there is no table {only!r} in this query", item)
            for alias, columns in tables.items():
                if only in (None, alias):
                    items += [exp.column(exp.to_identifier(c, quoted=True), table=exp.to_identifier(alias, quoted=True)) for c in columns]
        return items

    def _output(self, e: Emitter, n: exp.Expression, index: int, wanted: list[Type | None] | None) -> tuple[str, str, Type | None]:
        name = ident(n.args["alias"]) if isinstance(n, exp.Alias) else ident(n.this) if isinstance(n, exp.Column) else ""
        inner = n.this if isinstance(n, exp.Alias) else n
        if not name:
            name = (
                str(inner.this).lower()
                if isinstance(inner, exp.Anonymous)
                else inner.sql_name().lower()
                if isinstance(inner, exp.Func)
                else "?column?"
            )
        sql: Sql = e.emit(inner)
        goal = wanted[index] if wanted and index < len(wanted) else None
        if goal is None:
            if sql.interval:
                raise e.fault("an interval cannot be a column on SQLite", inner)
            return sql.text, name, sql.type or (ty.TEXT if sql.constant is not None else None)
        return e.convert(sql, goal, inner), name, goal

    def _tail(self, n: Any, e: Emitter) -> str:
        text = ""
        if n.args.get("order"):
            text += " ORDER BY " + ", ".join(ordered(e, o) for o in n.args["order"].expressions).replace(f"{quote(chr(0))}.", "")
        limit, offset = n.args.get("limit"), n.args.get("offset")
        if limit is not None or offset is not None:
            text += f" LIMIT {e.value(limit.expression, ty.INT) if limit is not None and limit.expression is not None else '-1'}"
        return text + (f" OFFSET {e.value(offset.expression, ty.INT)}" if offset is not None else "")

    # -- from ----------------------------------------------------------------------------------------------------

    def sources(self, from_: Any, joins: list[Any], tables: dict[str, Columns], parent: Scope | None, word: str = " FROM ") -> str:
        """FROM and JOINs; fills `tables`."""
        if from_ is None and not joins:
            return ""
        text = word + self._source(from_.this, tables, parent) if from_ is not None else ""
        for join in joins:
            self.check(join, {"this", "on", "using", "side", "kind", "method"})
            side, kind = str(join.args.get("side") or ""), str(join.args.get("kind") or "")
            if join.args.get("method"):
                raise self.fault("natural join is not supported", join)
            before = dict(tables)
            source = self._source(join.this, tables, parent)
            if join.args.get("using"):
                text += f" {side or kind or 'INNER'} JOIN {source}" + self._using(join, before, tables)
            elif join.args.get("on") is not None:
                text += f" {side or kind or 'INNER'} JOIN {source} ON {self.emitter(Scope(tables, parent)).truth(join.args['on'])}"
            else:
                text += f" CROSS JOIN {source}"
        return text

    def _using(self, join: Any, before: dict[str, Columns], tables: dict[str, Columns]) -> str:
        """USING, written as ON; the columns of the right side disappear from the scope, so that they are not ambiguous."""
        right = next(alias for alias in tables if alias not in before)
        pairs = []
        for name in (ident(c) for c in join.args["using"]):
            left = next((alias for alias, columns in before.items() if name in columns), None)
            if left is None or name not in tables[right]:
                raise self.fault(f"column {name!r} is not in both tables", join)
            pairs.append(f"{quote(left)}.{quote(name)} = {quote(right)}.{quote(name)}")
            tables[right] = {c: kind for c, kind in tables[right].items() if c != name}
        return f" ON {' AND '.join(pairs)}"

    def _source(self, n: Any, tables: dict[str, Columns], parent: Scope | None) -> str:
        if isinstance(n, exp.Lateral):
            raise self.fault("lateral is not supported on SQLite", n, "Use a sub-select in the select list.")
        alias = n.args.get("alias")
        name = ident(alias.this) if alias is not None and alias.this is not None else ""
        names = [ident(c) for c in (alias.args.get("columns") or [])] if alias is not None else []
        if isinstance(n, exp.Unnest):
            return self._unnest(n, name or "unnest", names, tables, parent)
        if isinstance(n, (exp.Subquery, exp.Values)):
            text, output = self.query(n.this if isinstance(n, exp.Subquery) else n, parent)
            columns = {c: kind for c, (_, kind) in zip(names + [c for c, _ in output][len(names) :], output, strict=True)}
            return self._named(text, columns, name or "subquery", tables, n)
        if not isinstance(n, exp.Table):
            raise self.fault("this cannot stand in FROM on SQLite", n)
        if isinstance(n.this, (exp.ExplodingGenerateSeries, exp.GenerateSeries)):
            return self._series(n.this, name or "generate_series", names, tables, parent)
        self.check(n, {"this", "db", "alias"})
        return self._table(n, name, names, tables)

    def _table(self, n: exp.Table, name: str, names: list[str], tables: dict[str, Columns]) -> str:
        if not isinstance(n.this, exp.Identifier):
            raise self.emitter(Scope()).refuse(n.this)
        plain = ident(n.this)
        if not n.args.get("db") and plain in self.ctes:
            columns, text = dict(self.ctes[plain]), quote(plain)
        else:
            table = TableName(ident(n.args["db"]) if n.args.get("db") else "public", plain)
            columns, text = self.known(table, n), quote(physical(table))
        if names:
            raise self.fault("column aliases are not supported on a table", n, "Rename them in the select list.")
        self._add(name or plain, columns, tables, n)
        return f"{text} AS {quote(name or plain)}"

    def known(self, table: TableName, n: exp.Expression | None = None) -> dict[str, Type | None]:
        """Columns of a table that must exist."""
        columns = self.catalogue.columns(table)
        if not columns:
            near = nearest(str(table), [str(t) for t in self.catalogue.tables()])
            raise self.fault(f"there is no table {str(table)!r}", n, f"Perhaps you meant {near!r}." if near else None)
        return {c.name: c.type for c in columns.values()}

    def _add(self, name: str, columns: Columns, tables: dict[str, Columns], n: exp.Expression) -> None:
        if name in tables:
            raise self.fault(f"table name {name!r} is used twice", n, "Give one of them an alias.")
        tables[name] = columns

    def _named(self, text: str, columns: Columns, name: str, tables: dict[str, Columns], n: exp.Expression) -> str:
        self._add(name, columns, tables, n)
        # A common table gives the columns their names without relying on what SQLite calls those of VALUES.
        return f'(WITH "{name}"({", ".join(quote(c) for c in columns)}) AS ({text}) SELECT * FROM {quote(name)}) AS {quote(name)}'

    def _series(self, n: Any, name: str, names: list[str], tables: dict[str, Columns], parent: Scope | None) -> str:
        """generate_series as a recursive query; numbers, or days when both ends are dates are not supported."""
        self.check(n, {"start", "end", "step"})
        e = self.emitter(Scope({}, parent))
        start, end = e.value(n.args["start"], ty.BIGINT), e.value(n.args["end"], ty.BIGINT)
        step = e.value(n.args["step"], ty.BIGINT) if n.args.get("step") is not None else "1"
        column = quote(names[0] if names else name)
        down = step.startswith("-") or step.startswith("(-")
        text = (
            f'(WITH RECURSIVE "{name}"({column}) AS (SELECT {start} WHERE {start} {">=" if down else "<="} {end} UNION ALL '
            f"SELECT {column} + {step} FROM {quote(name)} WHERE {column} + {step} {'>=' if down else '<='} {end}) SELECT * FROM {quote(name)})"
        )
        self._add(name, {names[0] if names else name: ty.INT}, tables, n)
        return f"{text} AS {quote(name)}"

    def _unnest(self, n: exp.Unnest, name: str, names: list[str], tables: dict[str, Columns], parent: Scope | None) -> str:
        """unnest(array) [with ordinality], over json_each."""
        self.check(n, {"expressions", "alias", "offset"})
        if len(n.expressions) != 1:
            raise self.fault("unnest takes one array on SQLite", n)
        array = self.emitter(Scope({}, parent)).emit(n.expressions[0])
        if array.family != "array" or array.type is None:
            raise self.fault("unnest needs an array", n)
        offset = n.args.get("offset")
        value = names[0] if names else name
        columns: dict[str, Type | None] = {value: Type(array.type.name, False, array.type.modifiers, array.type.labels)}
        position = ""
        if offset:
            label = ident(offset) if isinstance(offset, exp.Identifier) else "ordinality"
            columns[label] = ty.BIGINT
            position = f", key + 1 AS {quote(label)}"
        self._add(name, columns, tables, n)
        return f"(SELECT value AS {quote(value)}{position} FROM json_each({array.text})) AS {quote(name)}"


def _part(n: Any, text: str) -> str:
    """One side of a union. It stands bare where it can: SQLite finds a recursive table only there."""
    plain = isinstance(n, exp.Values) or (
        isinstance(n, exp.Select) and not any(n.args.get(k) for k in ("order", "limit", "offset", "with_"))
    )
    return text if plain else f"SELECT * FROM ({text})"
