"""INSERT, UPDATE and DELETE → SQLite, every value converted to the type of its column."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sqlglot import exp

from baaskit.errors import nearest
from baaskit.kernel.database.ddl.catalogue import Catalogue, physical
from baaskit.kernel.database.ddl.expressions import Columns, Emitter, Scope, ident
from baaskit.kernel.database.ddl.queries import Queries
from baaskit.kernel.database.ddl.steps import Run, Step
from baaskit.kernel.database.ddl.text import Words
from baaskit.kernel.database.ddl.types import quote
from baaskit.kernel.schema import Column, TableName, Type


def change_rows(words: Words, catalogue: Catalogue, now: str) -> list[Step]:
    """A whole statement that begins with INSERT, UPDATE, DELETE or WITH."""
    queries = Queries(words.source, catalogue, "run", words.start, now)
    found = words.statement()
    if isinstance(found, exp.Insert):
        return [Run(_insert(queries, found))]
    if isinstance(found, exp.Update):
        return [Run(_update(queries, found))]
    if isinstance(found, exp.Delete):
        return [Run(_delete(queries, found))]
    raise queries.fault("a query alone does nothing in a migration", found, "Remove it.")


def _target(q: Queries, n: Any) -> tuple[TableName, str, dict[str, Column]]:
    """Table, alias and columns of what is written to."""
    q.check(n, {"this", "db", "alias"})
    name = TableName(ident(n.args["db"]) if n.args.get("db") else "public", ident(n.this))
    if name.schema == "baaskit":
        raise q.fault("tables of schema 'baaskit' cannot be written by a migration", n)
    q.known(name, n)
    if q.catalogue.kind(name) == "view":
        raise q.fault(f"{name} is a view: it cannot be written on SQLite", n, "Write to its table.")
    alias = n.args.get("alias")
    return name, ident(alias.this) if alias is not None else name.name, q.catalogue.columns(name)


def _column(q: Queries, columns: dict[str, Column], n: Any, table: TableName) -> Column:
    name = ident(n.this if isinstance(n, exp.Column) else n)
    if name not in columns:
        near = nearest(name, columns)
        raise q.fault(f"there is no column {name!r} in table {str(table)!r}", n, f"Perhaps you meant {near!r}." if near else None)
    return columns[name]


def _insert(q: Queries, n: exp.Insert) -> str:
    q.check(n, {"this", "expression", "conflict", "returning", "with_", "default"})
    head, q = q.with_(n, None)
    schema = isinstance(n.this, exp.Schema)
    table, alias, columns = _target(q, n.this.this if schema else n.this)
    text = f"{head}INSERT INTO {quote(physical(table))} AS {quote(alias)}"
    if n.args.get("default"):
        return text + " DEFAULT VALUES"
    named = [_column(q, columns, c, table) for c in n.this.expressions] if schema else [c for c in columns.values() if not c.generated]
    for column in named:
        if column.generated:
            raise q.fault(f"column {column.name!r} is generated: it cannot be written", n)
        if column.identity == "always":
            raise q.fault(f"column {column.name!r} is an identity column defined as generated always", n, "Leave it out.") if schema else q.fault(
                f"name the columns: {column.name!r} is generated", n)  # fmt: skip
    query = n.expression
    if isinstance(query, exp.Values) or (isinstance(query, exp.Select) and _is_values(query)):
        values = query if isinstance(query, exp.Values) else query.args["from_"].this
        text += _rows(q, values, named, schema, n)
    else:
        body, output = q.query(query, None, [c.type for c in named])
        if len(output) > len(named) or (schema and len(output) < len(named)):
            raise q.fault(f"{len(named)} columns, but {len(output)} values", n)
        # WHERE true keeps SQLite from reading ON CONFLICT as the condition of a join.
        text += f" ({', '.join(quote(c.name) for c in named[: len(output)])}) SELECT * FROM ({body}) WHERE true"
    if n.args.get("conflict"):
        text += _conflict(q, n.args["conflict"], table, alias, columns)
    return text


def _is_values(query: exp.Select) -> bool:
    source = query.args.get("from_")
    return source is not None and isinstance(source.this, exp.Values) and {k for k, v in query.args.items() if v} == {"expressions", "from_"} and (
        len(query.expressions) == 1 and isinstance(query.expressions[0], exp.Star)
    )  # fmt: skip


def _rows(q: Queries, values: exp.Values, named: list[Column], schema: bool, n: exp.Insert) -> str:
    """VALUES with DEFAULT: SQLite has no DEFAULT there, so the column's own default is written out."""
    e = q.emitter(Scope())
    width, rows = 0, []
    for row in values.expressions:
        cells = row.expressions if isinstance(row, exp.Tuple) else [row]
        width = width or len(cells)
        if len(cells) != width or width > len(named) or (schema and width != len(named)):
            raise q.fault(f"{len(named)} columns, but {len(cells)} values", row)
        rows.append("(" + ", ".join(_cell(q, e, cell, c) for cell, c in zip(cells, named, strict=False)) + ")")
    return f" ({', '.join(quote(c.name) for c in named[:width])}) VALUES {', '.join(rows)}"


def _cell(q: Queries, e: Emitter, cell: Any, column: Column) -> str:
    if (isinstance(cell, exp.Var) and str(cell.this).upper() == "DEFAULT") or (
        isinstance(cell, exp.Column) and not cell.table and cell.name.upper() == "DEFAULT"
    ):
        if column.identity or (column.default or "").startswith("nextval"):
            return "NULL"  # an INTEGER PRIMARY KEY takes the next number for NULL
        if column.default is None:
            return "NULL"
        from baaskit.kernel.database.ddl.create import default_sql
        from baaskit.kernel.database.ddl.text import Source, read_words

        source = Source(column.default)
        return default_sql(Words(source, read_words(source)), column, q.catalogue) or "NULL"
    return e.value(cell, column.type, column.name)


def _conflict(q: Queries, n: Any, table: TableName, alias: str, columns: dict[str, Column]) -> str:
    q.check(n, {"action", "expressions", "conflict_keys", "index_where", "constraint", "where"})
    if n.args.get("constraint"):
        raise q.fault("on conflict on constraint is not supported on SQLite", n, "Name the columns: on conflict (…).")
    types: Columns = {c.name: c.type for c in columns.values()}
    bare = replace(q.emitter(Scope({alias: types}, bare=True)), place="fixed")
    text = " ON CONFLICT"
    if n.args.get("conflict_keys"):
        keys = [
            bare.emit(k.this if isinstance(k, exp.Ordered) else exp.column(k) if isinstance(k, exp.Identifier) else k).text
            for k in n.args["conflict_keys"]
        ]
        text += f" ({', '.join(keys)})"
        if n.args.get("index_where"):
            text += f" WHERE {bare.truth(n.args['index_where'].this)}"
    if not n.expressions:
        return text + " DO NOTHING"
    e = q.emitter(Scope({alias: types, "excluded": types}, None))
    inner = replace(e, scope=Scope({alias: types, "excluded": {}}, Scope({"excluded": types})))  # a bare name is the stored row's
    text += f" DO UPDATE SET {', '.join(_assignment(q, inner, a, columns, table) for a in n.expressions)}"
    return text + (f" WHERE {inner.truth(n.args['where'].this)}" if n.args.get("where") else "")


def _assignment(q: Queries, e: Emitter, n: Any, columns: dict[str, Column], table: TableName) -> str:
    if isinstance(n.this, exp.Tuple):
        if not isinstance(n.expression, exp.Tuple) or len(n.expression.expressions) != len(n.this.expressions):
            raise q.fault("(a, b) = (…) needs as many values as columns", n)
        pairs = zip(n.this.expressions, n.expression.expressions, strict=True)
        return ", ".join(_set(q, e, _column(q, columns, c, table), v) for c, v in pairs)
    if not isinstance(n, exp.EQ):
        raise q.fault("expected column = value", n)
    return _set(q, e, _column(q, columns, n.this, table), n.expression)


def _set(q: Queries, e: Emitter, column: Column, value: Any) -> str:
    if column.generated or column.identity == "always":
        raise q.fault(f"column {column.name!r} is generated: it can only be default", value)
    return f"{quote(column.name)} = {_cell(q, e, value, column)}"


def _update(q: Queries, n: exp.Update) -> str:
    q.check(n, {"this", "expressions", "from_", "where", "returning", "with_"})
    head, q = q.with_(n, None)
    table, alias, columns = _target(q, n.this)
    tables: dict[str, Columns] = {alias: {c.name: c.type for c in columns.values()}}
    joins = n.args["from_"].this.args.get("joins") or [] if n.args.get("from_") else []
    if n.args.get("from_"):
        n.args["from_"].this.set("joins", None)
    source = q.sources(n.args.get("from_"), joins, tables, None)
    e = q.emitter(Scope(tables))
    text = f"{head}UPDATE {quote(physical(table))} AS {quote(alias)} SET {', '.join(_assignment(q, e, a, columns, table) for a in n.expressions)}{source}"
    return text + (f" WHERE {e.truth(n.args['where'].this)}" if n.args.get("where") else "")


def _delete(q: Queries, n: exp.Delete) -> str:
    q.check(n, {"this", "using", "where", "returning", "with_"})
    head, q = q.with_(n, None)
    table, alias, columns = _target(q, n.this)
    tables: dict[str, Columns] = {alias: {c.name: c.type for c in columns.values()}}
    condition: Type | str | None = None
    if n.args.get("using"):
        # SQLite has no USING: the other tables go into an EXISTS.
        others: dict[str, Columns] = {}
        parts = []
        for source in n.args["using"]:
            joins = source.args.get("joins") or []
            source.set("joins", None)
            parts.append(q.sources(exp.From(this=source), joins, others, None, word=""))
        e = q.emitter(Scope({**tables, **others}))
        inner = e.truth(n.args["where"].this) if n.args.get("where") else "true"
        condition = f"EXISTS (SELECT 1 FROM {', '.join(parts)} WHERE {inner})"
    elif n.args.get("where"):
        condition = q.emitter(Scope(tables)).truth(n.args["where"].this)
    return f"{head}DELETE FROM {quote(physical(table))} AS {quote(alias)}" + (f" WHERE {condition}" if condition else "")
