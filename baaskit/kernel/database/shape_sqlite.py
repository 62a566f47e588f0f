"""The shape of a SQLite database, in PostgreSQL's words as far as they go."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import apsw
import sqlglot
from sqlglot import exp
from sqlglot.errors import ParseError

from baaskit.kernel.database.capture import PREFIX
from baaskit.kernel.database.ddl.catalogue import Catalogue
from baaskit.kernel.database.ddl.stored import TYPE_CHECK, Clause, TableText, parse
from baaskit.kernel.database.ddl.text import Source, Words, read_words
from baaskit.kernel.database.ddl.types import quote, supported
from baaskit.kernel.database.reflect import logical
from baaskit.kernel.database.shape import ColumnShape, Shape, TableShape, ident, table_sql
from baaskit.kernel.schema import Column, TableName, Type


def read_sqlite(link: apsw.Connection) -> Shape:
    """Read what one connection sees."""
    shape, catalogue = Shape(), Catalogue(link)
    shape.enums = {TableName("public", name): found.labels for name in catalogue.enums() if (found := catalogue.enum(name))}
    for _, raw, kind, *_ in link.execute(
        "SELECT * FROM pragma_table_list WHERE schema = 'main' AND name NOT LIKE 'sqlite!_%' ESCAPE '!'"
    ).fetchall():
        name = logical(str(raw), None)
        if name.schema != "public":
            continue
        if kind == "table":
            shape.tables[name] = _table(catalogue, name)
        elif kind == "virtual":
            shape.others[f"virtual table {name}"] = ""
    listed = link.execute("SELECT type, name, tbl_name, sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY rowid").fetchall()
    for kind, label, raw, sql in ((str(k), str(n), str(t), str(s)) for k, n, t, s in listed):
        name = logical(raw, None)
        if kind == "view" and name.schema == "public":
            shape.views[name] = _canonical(sql)
        elif kind == "index" and name in shape.tables:
            shape.tables[name].indexes[label] = _canonical(sql)
        elif kind == "trigger" and not label.startswith(PREFIX) and (name in shape.tables or name in shape.views):
            shape.others[f"trigger {label} of {name}"] = plain(sql)
    return shape


def plain(sql: str) -> str:
    """The text without what does not matter: quotes that are not needed, case of words, spaces."""
    found = []
    for word in read_words(Source(sql), "sqlite"):
        if word.string:
            found.append("'" + word.text.replace("'", "''") + "'")
        elif word.quoted:
            found.append(ident(word.text))
        else:
            found.append(word.text.lower())
    text = " ".join(found)
    for wide, narrow in ((" ( ", " ("), ("( ", "("), (" )", ")"), (" ,", ","), (" . ", ".")):
        text = text.replace(wide, narrow)
    return text


def _rule(text: str) -> str:
    return f"check ({_canonical(text.partition('(')[2].rpartition(')')[0])})"


def _canonical(sql: str) -> str:
    """The text without what is a matter of style: brackets, and in a view of one table its name before columns and aliases that say nothing.

    A person's text and our translation of the same are then the same text.
    """
    try:
        tree = sqlglot.parse_one(sql, read="sqlite")
    except ParseError:
        return plain(sql)
    tree = _without(tree, exp.Paren, lambda node: node.this)
    for select in tree.find_all(exp.Select):
        if not select.args.get("joins") and not tree.find(exp.Subquery):
            for column in select.find_all(exp.Column):
                column.set("table", None)
        for table in select.find_all(exp.Table):
            if table.alias.lower() == table.name.lower():
                table.set("alias", None)
    tree = _without(tree, exp.Alias, lambda node: node.this if node.this.output_name == node.alias else node)
    body = tree.args.get("expression")
    if isinstance(tree, exp.Create) and isinstance(body, exp.Select) and isinstance(tree.this, exp.Schema):
        if [column.name for column in tree.this.expressions] == body.named_selects:
            tree.set("this", tree.this.this)
    for node in reversed([node for node in tree.find_all(exp.Binary) if not isinstance(node, exp.Dot)]):
        tree = _put(tree, node, exp.Paren(this=node.copy()))
    return plain(tree.unnest().sql(dialect="sqlite"))


def _without(tree: Any, kind: type[Any], inner: Callable[[Any], Any]) -> Any:
    for node in reversed(list(tree.find_all(kind))):
        if (put := inner(node)) is not node:
            tree = _put(tree, node, put)
    return tree


def _put(tree: Any, node: Any, new: Any) -> Any:
    """The tree with `new` in the place of `node`."""
    if node is tree:
        return new
    node.replace(new)
    return tree


def _table(catalogue: Catalogue, name: TableName) -> TableShape:
    [(sql,)] = catalogue.link.execute("SELECT sql FROM sqlite_schema WHERE type = 'table' AND name = ?", (name.name,)).fetchall()
    text, columns = parse(str(sql)), catalogue.columns(name)
    noted = {
        str(row[0]): str(row[1])
        for row in catalogue.link.execute(
            'SELECT column_name, comment FROM "baaskit.columns" WHERE table_schema = ? AND table_name = ?', tuple(name)
        )
    }
    key = catalogue.primary_key(name)
    table = TableShape(captured=catalogue.captured(name), comment=noted.pop("", ""))
    for label, column in columns.items():
        table.columns[label] = _column(column, text, label in noted, key)
        if column.comment:
            table.comments[label] = column.comment
    _constraints(catalogue, table, text, name, key)
    return table


def _column(column: Column, text: TableText, noted: bool, key: tuple[str, ...]) -> ColumnShape:
    """A column that another program made has no note: its declared type is taken for what SQLite makes of it."""
    written = text.column(column.name)
    rule = written.clause("GENERATED") or written.clause("AS")
    generated = plain(rule.text.partition("(")[2].rpartition(")")[0]) if rule else None
    in_key = column.name in key
    serial = (column.default or "").startswith("nextval(")
    if noted:
        return ColumnShape(
            column.type.sql,
            column.nullable and not in_key,
            None if serial or generated else column.default,
            generated,
            column.identity,
            serial,
        )
    kind = column.type if supported(column.type) else _by_affinity(written.type)
    default = column.default
    if default is not None and kind.family == "bool":
        default = {"0": "false", "1": "true"}.get(default, default)
    row_number = key == (column.name,) and written.type.upper() == "INTEGER"
    return ColumnShape(
        kind.sql, column.nullable and not in_key, None if generated else default, generated, "by default" if row_number else ""
    )


def _by_affinity(declared: str) -> Type:
    """sqlite.org/datatype3.html §3.1."""
    word = declared.upper()
    for parts, name in ((("INT",), "int8"), (("CHAR", "CLOB", "TEXT"), "text"), (("BLOB",), "bytea"), (("REAL", "FLOA", "DOUB"), "float8")):
        if any(part in word for part in parts):
            return Type(name)
    return Type("numeric" if word else "text")


def _constraints(catalogue: Catalogue, table: TableShape, text: TableText, name: TableName, key: tuple[str, ...]) -> None:
    if key:
        table.constraints[f"{name.name}_pkey"] = f"primary key ({', '.join(map(ident, key))})"
    for column in text.columns:
        for clause in column.clauses:
            if clause.kind == "UNIQUE":
                _add(table, clause, f"unique ({ident(column.name)})", f"{name.name}_{column.name}_key")
            elif clause.kind == "REFERENCES":
                _add(
                    table,
                    clause,
                    _reference(catalogue, f"FOREIGN KEY ({quote(column.name)}) {clause.text}"),
                    f"{name.name}_{column.name}_fkey",
                )
            elif clause.kind == "CHECK" and not clause.name.startswith(TYPE_CHECK):
                _add(table, clause, _rule(clause.text), f"{name.name}_{column.name}_check")
    for clause in text.constraints:
        if clause.kind == "UNIQUE":
            _add(table, clause, plain(clause.text), f"{name.name}_{'_'.join(_names(clause))}_key")
        elif clause.kind == "FOREIGN":
            _add(table, clause, _reference(catalogue, clause.text), f"{name.name}_{'_'.join(_names(clause))}_fkey")
        elif clause.kind == "CHECK":
            _add(table, clause, _rule(clause.text), f"{name.name}_check")


def _add(table: TableShape, clause: Clause, text: str, label: str) -> None:
    """Under its own name, else under the one that PostgreSQL would give it."""
    free = (f"{label}{n or ''}" for n in range(len(table.constraints) + 1))
    table.constraints[clause.name or next(one for one in free if one not in table.constraints)] = text


def _names(clause: Clause) -> tuple[str, ...]:
    source = Source(clause.text)
    words = Words(source, read_words(source, "sqlite"))
    words.until("(")
    return words.names()


def _reference(catalogue: Catalogue, text: str) -> str:
    """`foreign key (a) references b (c) …`, with the logical name of the target."""
    source = Source(text)
    words = Words(source, read_words(source, "sqlite"))
    words.expect("FOREIGN", "KEY")
    mine = ", ".join(map(ident, words.names()))
    words.expect("REFERENCES")
    target = logical(words.words[words.at].text, None)
    words.at += 1
    other = ", ".join(map(ident, words.names() if words.sees("(") else catalogue.primary_key(target)))
    rest = plain(words.text)
    return f"foreign key ({mine}) references {table_sql(target)} ({other}){' ' + rest if rest else ''}"
