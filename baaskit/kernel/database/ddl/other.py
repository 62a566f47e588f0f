"""Indexes, views, enum types, comments, DROP, publications: the rest of the definitions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from baaskit.errors import nearest
from baaskit.kernel.database.ddl.alter import store_enum
from baaskit.kernel.database.ddl.catalogue import Catalogue, physical
from baaskit.kernel.database.ddl.create import check_name, emitter
from baaskit.kernel.database.ddl.queries import Queries
from baaskit.kernel.database.ddl.steps import Capture, Rebuild, Run, Step, forget, note
from baaskit.kernel.database.ddl.stored import TableText
from baaskit.kernel.database.ddl.text import Words
from baaskit.kernel.database.ddl.types import quote
from baaskit.kernel.schema import Column, TableName, Type

PUBLICATIONS = ("realtime", "supabase_realtime")


def create_index(words: Words, catalogue: Catalogue, unique: bool) -> Iterator[Step]:
    """`words` stand after CREATE [UNIQUE] INDEX."""
    words.accept("CONCURRENTLY")
    exists = words.accept("IF", "NOT", "EXISTS")
    name = "" if words.sees("ON") else words.name()
    words.expect("ON")
    words.accept("ONLY")
    at = words.start
    table = words.table()
    check_name(words, table, at)
    known = catalogue.columns(table)
    if catalogue.kind(table) != "table":
        raise words.fault(f"there is no table {str(table)!r}", at=at)
    method = words.name() if words.accept("USING") else "btree"
    if method not in ("btree", "hash"):  # gin, gist, brin only make PostgreSQL faster: SQLite has nothing like them, whatever they are over
        return
    scope = {table.name: {c.name: c.type for c in known.values()}}
    items, names = [], []
    for item in words.brackets().split():
        text, label = _index_item(item, scope, catalogue)
        items.append(text)
        names.append(label)
    if words.accept("INCLUDE"):
        words.brackets()
    if words.sees("NULLS", "NOT"):
        raise words.fault("nulls not distinct is not supported on SQLite", "Index coalesce(column, …) instead.")
    words.accept("NULLS", "DISTINCT")
    if words.accept("WITH"):
        words.brackets()
    where = ""
    if words.accept("WHERE"):
        e = emitter(words, "fixed", scope, catalogue)
        where = f" WHERE {e.truth(words.expression())}"
    words.finish()
    name = name or f"{table.name}_{'_'.join(names)}_idx"
    if catalogue.object("index", name) is not None:
        if exists:
            return
        raise words.fault(f"index {name!r} already exists", at=at)
    yield Run(f"CREATE {'UNIQUE ' if unique else ''}INDEX {quote(name)} ON {quote(physical(table))} ({', '.join(items)}){where}")


def _index_item(item: Words, scope: dict[str, dict[str, Type]], catalogue: Catalogue) -> tuple[str, str]:
    inner = item.until("ASC", "DESC", "NULLS", "COLLATE")
    if inner.words and inner.words[-1].text.lower().endswith("_ops"):
        inner = Words(inner.source, inner.words[:-1])
    if item.accept("COLLATE"):
        item.name()
    e = emitter(inner, "fixed", scope, catalogue)
    label = (
        inner.words[0].text.lower()
        if len(inner.words) == 1
        else next((w.text.lower() for w in inner.words if w.key.isidentifier()), "expr")
    )
    text = e.emit(inner.expression()).text
    order = " DESC" if item.accept("DESC") else ""
    item.accept("ASC")
    if item.accept("NULLS") and not (item.accept("FIRST") or item.accept("LAST")):
        raise item.fault("expected first or last")
    item.finish()
    return text + order, label


def create_view(words: Words, catalogue: Catalogue, replace_: bool) -> Iterator[Step]:
    """`words` stand after CREATE [OR REPLACE] VIEW."""
    at = words.start
    name = words.table()
    check_name(words, name, at)
    kind = catalogue.kind(name)
    if kind is not None and not (replace_ and kind == "view"):
        raise words.fault(f"relation {str(name)!r} already exists", at=at)
    names = words.names() if words.sees("(") else ()
    if words.accept("WITH"):
        options = words.brackets()
        if not options.sees("SECURITY_BARRIER") and "false" not in options.text.lower() and "off" not in options.text.lower():
            raise words.fault(
                "security_invoker is not supported",
                "A view is closed until policies.sql opens it to a role; it then shows all its rows.",
                at,
            )
    words.expect("AS")
    queries = Queries(words.source, catalogue, "view", words.start)
    text, output = queries.query(words.statement())
    columns = list(names) + [column for column, _ in output][len(names) :]
    if len(set(columns)) != len(columns):
        raise words.fault("two columns of the view have the same name", "Give them aliases.", at)
    if kind is not None:
        yield Run(f"DROP VIEW {quote(physical(name))}")
        yield forget(name)
    yield Run(f"CREATE VIEW {quote(physical(name))}({', '.join(map(quote, columns))}) AS {text}")
    for label, (_, found) in zip(columns, output, strict=True):
        if found is not None:
            yield note(name, Column(label, found))


def create_type(words: Words, catalogue: Catalogue) -> Iterator[Step]:
    """`words` stand after CREATE TYPE."""
    at = words.start
    name = words.table()
    if not words.accept("AS", "ENUM"):
        raise words.fault("only create type … as enum is supported on SQLite", at=at)
    labels = [item.string() for item in words.brackets().split()]
    words.finish()
    if catalogue.enum(name.name) is not None:
        raise words.fault(f"type {name.name!r} already exists", at=at)
    if len(set(labels)) != len(labels) or not labels:
        raise words.fault("an enum needs different values", at=at)
    yield from store_enum(name.name, labels)


def comment(words: Words, catalogue: Catalogue) -> Iterator[Step]:
    """`words` stand after COMMENT ON. Comments of tables and columns are kept; others have no place on SQLite."""
    what = words.name()
    at = words.start
    parts = [words.name()]
    while words.accept("."):
        parts.append(words.name())
    target = words.until("IS")
    words.expect("IS")
    text = "" if words.accept("NULL") else words.string()
    words.finish()
    if what == "column" and len(parts) >= 2:
        table = TableName(parts[-3] if len(parts) == 3 else "public", parts[-2])
        columns = catalogue.columns(table)
        if parts[-1] not in columns:
            near = nearest(parts[-1], columns)
            raise words.fault(f"there is no column {'.'.join(parts)!r}", f"Perhaps you meant {near!r}." if near else None, at)
        yield note(table, replace(columns[parts[-1]], comment=text))
    elif what in ("table", "view"):
        table = TableName(parts[0] if len(parts) == 2 else "public", parts[-1])
        if catalogue.kind(table) is None:
            raise words.fault(f"there is no {what} {'.'.join(parts)!r}", at=at)
        yield Run(
            'INSERT OR REPLACE INTO "baaskit.columns"(table_schema, table_name, column_name, pg_type, comment) VALUES (?, ?, ?, ?, ?)',
            (*table, "", "", text),
        )
    del target


def drop(words: Words, catalogue: Catalogue) -> Iterator[Step]:
    """`words` stand after DROP."""
    kind = next((k for k in ("TABLE", "VIEW", "INDEX", "TYPE", "EXTENSION", "PUBLICATION") if words.accept(k)), None)
    if kind is None:
        raise words.fault(f"drop {words.text[:40]} is not supported on SQLite", "docs/reference/sql.md lists what is.")
    words.accept("CONCURRENTLY")
    exists = words.accept("IF", "EXISTS")
    cascade = bool(words.words) and words.words[-1].key == "CASCADE"
    body = Words(words.source, words.words[words.at : -1] if words.words[-1].key in ("CASCADE", "RESTRICT") else words.words[words.at :])
    for item in body.split():
        at = item.start
        name = item.table()
        item.finish()
        if kind == "TABLE":
            yield from _drop_table(item, catalogue, name, exists, cascade, at)
        elif kind == "VIEW":
            yield from _drop_view(item, catalogue, name, exists, at)
        elif kind == "INDEX":
            yield from _drop_index(item, catalogue, name, exists, at)
        elif kind == "TYPE":
            yield from _drop_type(item, catalogue, name, exists, at)


def _drop_table(words: Words, catalogue: Catalogue, name: TableName, exists: bool, cascade: bool, at: int) -> Iterator[Step]:
    check_name(words, name, at)
    if catalogue.kind(name) != "table":
        if exists and catalogue.kind(name) is None:
            return
        raise words.fault(f"there is no table {str(name)!r}", at=at)
    children = [t for t in catalogue.tables() if t != name and _refers(catalogue, t, name)]
    views = catalogue.views_of(name)
    if (children or views) and not cascade:
        other = f"table {str(children[0])!r} refers to" if children else f"view {views[0]!r} reads"
        raise words.fault(f"{other} {str(name)!r}", "Drop that first, or add cascade.", at)
    for view in views:
        yield from _drop_view(words, catalogue, TableName("public", view), True, at)
    for child in children:
        yield Rebuild(child, lambda t: _without_references(t, name))
    yield Capture(name, False)
    yield Run(f"DROP TABLE {quote(physical(name))}")
    yield forget(name)


def _refers(catalogue: Catalogue, table: TableName, target: TableName) -> bool:
    rows = catalogue.link.execute(f"PRAGMA foreign_key_list({quote(physical(table))})").fetchall()
    return any(str(row[2]).lower() == physical(target).lower() for row in rows)


def _without_references(text: TableText, target: TableName) -> TableText:
    gone = f"REFERENCES {quote(physical(target))}"
    columns = tuple(
        replace(c, clauses=tuple(k for k in c.clauses if not (k.kind == "REFERENCES" and gone in k.text))) for c in text.columns
    )
    return replace(text, columns=columns, constraints=tuple(c for c in text.constraints if not (c.kind == "FOREIGN" and gone in c.text)))


def _drop_view(words: Words, catalogue: Catalogue, name: TableName, exists: bool, at: int) -> Iterator[Step]:
    if catalogue.kind(name) != "view":
        if exists:
            return
        raise words.fault(f"there is no view {str(name)!r}", at=at)
    yield Run(f"DROP VIEW {quote(physical(name))}")
    yield forget(name)


def _drop_index(words: Words, catalogue: Catalogue, name: TableName, exists: bool, at: int) -> Iterator[Step]:
    found = catalogue.object("index", name.name)
    if found is None:
        if exists:
            return
        raise words.fault(f"there is no index {name.name!r}", at=at)
    yield Run(f"DROP INDEX {quote(name.name)}")


def _drop_type(words: Words, catalogue: Catalogue, name: TableName, exists: bool, at: int) -> Iterator[Step]:
    if catalogue.enum(name.name) is None:
        if exists:
            return
        raise words.fault(f"there is no type {name.name!r}", at=at)
    used = catalogue.enum_columns(name.name)
    if used:
        raise words.fault(f"column {used[0][0]}.{used[0][1]} is of type {name.name}", "Change or drop the column first.", at)
    yield Run('DELETE FROM "baaskit.state" WHERE "key" = ?', (f"type:{name.name}",))


def publication(words: Words, catalogue: Catalogue) -> Iterator[Step]:
    """`words` stand after ALTER PUBLICATION; also `… FOR TABLE` of CREATE PUBLICATION."""
    at = words.start
    name = words.name()
    if name not in PUBLICATIONS:
        raise words.fault(f"there is no publication {name!r}", "The publication whose changes are sent to clients is called realtime.", at)
    on = words.accept("ADD", "TABLE") or words.accept("FOR", "TABLE")
    if not on:
        words.expect("DROP", "TABLE")
    for item in words.split():
        item.accept("ONLY")
        at = item.start
        table = item.table()
        item.finish()
        if catalogue.kind(table) != "table":
            raise words.fault(f"there is no table {str(table)!r}", at=at)
        yield Capture(table, on)
