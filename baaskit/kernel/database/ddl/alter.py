"""ALTER TABLE: SQLite's own statement where it is enough, otherwise the table is rebuilt."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from baaskit.errors import nearest
from baaskit.kernel.database.ddl import types as ty
from baaskit.kernel.database.ddl.catalogue import Catalogue, physical
from baaskit.kernel.database.ddl.create import (
    _TABLE_ITEMS,
    Draft,
    check_name,
    default_sql,
    emitter,
    finish,
    read_column,
    read_constraint,
    read_type,
    table_text,
)  # fmt: skip
from baaskit.kernel.database.ddl.steps import Altering, Rebuild, Run, Step, forget, note
from baaskit.kernel.database.ddl.stored import TYPE_CHECK, Clause, ColumnText, TableText, parse
from baaskit.kernel.database.ddl.text import Source, Words, read_words
from baaskit.kernel.database.ddl.types import quote
from baaskit.kernel.schema import Column, TableName, Type

_NOTHING = (
    ("ENABLE", "ROW", "LEVEL", "SECURITY"), ("DISABLE", "ROW", "LEVEL", "SECURITY"), ("FORCE", "ROW", "LEVEL", "SECURITY"),
    ("NO", "FORCE", "ROW", "LEVEL", "SECURITY"), ("OWNER", "TO"), ("REPLICA", "IDENTITY"),
)  # fmt: skip


def alter_table(words: Words, catalogue: Catalogue) -> Iterator[Step]:
    """`words` stand after ALTER TABLE. Each action sees what the one before has done."""
    exists = words.accept("IF", "EXISTS")
    words.accept("ONLY")
    at = words.start
    name = words.table()
    check_name(words, name, at)
    if catalogue.kind(name) != "table":
        if exists:
            return
        near = nearest(str(name), [str(t) for t in catalogue.tables()])
        raise words.fault(f"there is no table {str(name)!r}", f"Perhaps you meant {near!r}." if near else None, at)
    if words.accept("RENAME", "TO"):
        target = TableName(name.schema, words.name())
        words.finish()
        yield from _rename_table(words, catalogue, name, target)
        return
    for action in words.split():
        yield from _action(action, catalogue, name)


def _action(words: Words, catalogue: Catalogue, name: TableName) -> Iterator[Step]:
    for nothing in _NOTHING:
        if words.accept(*nothing):
            return
    yield Altering(name)
    if words.accept("ADD"):
        yield from _add(words, catalogue, name)
    elif words.accept("DROP", "CONSTRAINT"):
        yield from _drop_constraint(words, catalogue, name)
    elif words.accept("DROP"):
        yield from _drop_column(words, catalogue, name)
    elif words.accept("RENAME", "CONSTRAINT"):
        yield from _rename_constraint(words, catalogue, name)
    elif words.accept("RENAME"):
        yield from _rename_column(words, catalogue, name)
    elif words.accept("ALTER"):
        yield from _alter_column(words, catalogue, name)
    else:
        raise words.fault(f"alter table … {words.text[:40]} is not supported on SQLite", "docs/reference/sql.md lists what is.")


def draft_of(catalogue: Catalogue, name: TableName) -> Draft:
    """The table as it is."""
    text = stored_text(catalogue, name)
    draft = Draft(name, catalogue.columns(name), {c.name: c for c in text.columns}, list(text.constraints))
    draft.primary_key = catalogue.primary_key(name)
    return draft


def stored_text(catalogue: Catalogue, name: TableName) -> TableText:
    found = catalogue.object("table", physical(name))
    assert found is not None
    return parse(found[1])


def _rename_table(words: Words, catalogue: Catalogue, name: TableName, target: TableName) -> Iterator[Step]:
    check_name(words, target, words.start)
    if catalogue.kind(target) is not None:
        raise words.fault(f"relation {str(target)!r} already exists")
    yield Altering(name, target)
    yield Run(f"ALTER TABLE {quote(physical(name))} RENAME TO {quote(physical(target))}")
    yield Run('UPDATE "baaskit.columns" SET table_schema = ?, table_name = ? WHERE table_schema = ? AND table_name = ?', (*target, *name))


def _add(words: Words, catalogue: Catalogue, name: TableName) -> Iterator[Step]:
    draft = draft_of(catalogue, name)
    if words.peek() in _TABLE_ITEMS:
        before, key = len(draft.constraints), draft.primary_key
        read_constraint(words, draft, catalogue)
        finish(draft, catalogue)
        if draft.primary_key != key:
            text = table_text(draft)
            yield Rebuild(name, lambda _: text)
            for column in draft.primary_key:
                yield note(name, draft.columns[column])
            return
        new = draft.constraints[before:]
        yield Rebuild(name, lambda t: replace(t, constraints=(*t.constraints, *new)))
        return
    words.accept("COLUMN")
    exists = words.accept("IF", "NOT", "EXISTS")
    at = words.start
    column_name = Words(words.source, words.words, words.at).name()
    if column_name in draft.columns:
        if exists:
            return
        raise words.fault(f"column {column_name!r} of table {str(name)!r} already exists", at=at)
    yield from _add_column(words, catalogue, draft, column_name)


def _add_column(words: Words, catalogue: Catalogue, draft: Draft, column_name: str) -> Iterator[Step]:
    before, key = len(draft.constraints), draft.primary_key
    read_column(words, draft, catalogue)
    finish(draft, catalogue)
    column, text, new = draft.columns[column_name], draft.texts[column_name], draft.constraints[before:]
    default = text.clause("DEFAULT")
    value = default.text.removeprefix("DEFAULT ") if default else None
    constant = value is None or value[0] in "'-0123456789x"
    if draft.primary_key != key:
        whole = table_text(draft)
        yield Rebuild(draft.name, lambda _: whole, {} if column.identity or column.default else {column_name: "NULL"})
    elif constant and not new and not column.generated and not column.identity and (column.nullable or value not in (None, "NULL")):
        yield Run(f"ALTER TABLE {quote(physical(draft.name))} ADD COLUMN {text.written}")
    else:
        if column.identity or (column.default or "").startswith("nextval"):
            raise words.fault("an identity column that is not the primary key is not supported on SQLite", at=words.words[0].start)
        values = {} if column.generated else {column_name: value or "NULL"}
        yield Rebuild(draft.name, lambda t: replace(t, columns=(*t.columns, text), constraints=(*t.constraints, *new)), values)
    yield note(draft.name, column)


def _drop_constraint(words: Words, catalogue: Catalogue, name: TableName) -> Iterator[Step]:
    exists = words.accept("IF", "EXISTS")
    at = words.start
    label = words.name()
    words.accept("CASCADE") or words.accept("RESTRICT")
    words.finish()
    text = stored_text(catalogue, name)
    single = next((c for c in text.columns if c.clause("PRIMARY")), None)
    if single is not None and label == f"{name.name}_pkey":
        kept = replace(single, clauses=tuple(c for c in single.clauses if c.kind != "PRIMARY")).having(Clause("NOT NULL", "NOT NULL"))
        yield Rebuild(name, lambda t: t.put(kept))
        return
    if text.named(label) is None or label.startswith(TYPE_CHECK):
        if exists:
            return
        names = [
            c.name
            for c in (*text.constraints, *(k for col in text.columns for k in col.clauses))
            if c.name and not c.name.startswith(TYPE_CHECK)
        ]
        near = nearest(label, names)
        raise words.fault(f"there is no constraint {label!r} on {str(name)!r}", f"Perhaps you meant {near!r}." if near else None, at)
    yield Rebuild(name, lambda t: t.without(label))


def _rename_constraint(words: Words, catalogue: Catalogue, name: TableName) -> Iterator[Step]:
    at = words.start
    old = words.name()
    words.expect("TO")
    new = words.name()
    words.finish()
    if stored_text(catalogue, name).named(old) is None:
        raise words.fault(f"there is no constraint {old!r} on {str(name)!r}", at=at)

    def change(text: TableText) -> TableText:
        constraints = tuple(replace(c, name=new) if c.name == old else c for c in text.constraints)
        columns = tuple(replace(c, clauses=tuple(replace(k, name=new) if k.name == old else k for k in c.clauses)) for c in text.columns)
        return replace(text, columns=columns, constraints=constraints)

    yield Rebuild(name, change)


def mentions(text: str, column: str) -> bool:
    """True when SQL text names the column."""
    return any(w.text.lower() == column.lower() and not w.string for w in read_words(Source(text), "sqlite"))


def _drop_column(words: Words, catalogue: Catalogue, name: TableName) -> Iterator[Step]:
    words.accept("COLUMN")
    exists = words.accept("IF", "EXISTS")
    at = words.start
    column = words.name()
    cascade = words.accept("CASCADE") or (words.accept("RESTRICT") and False)
    words.finish()
    columns = catalogue.columns(name)
    if column not in columns:
        if exists:
            return
        raise _no_column(words, name, column, columns, at)
    text = stored_text(catalogue, name)
    generated = [
        c.name for c in text.columns if c.name != column and (g := c.clause("GENERATED") or c.clause("AS")) and mentions(g.text, column)
    ]
    if generated:
        raise words.fault(f"generated column {generated[0]!r} depends on {column!r}", "Drop it first.", at)
    views = catalogue.views_of(name, column)
    if views and not cascade:
        raise words.fault(f"view {views[0]!r} depends on column {column!r}", "Drop it first, or add cascade.", at)
    for view in views:
        yield Run(f"DROP VIEW {quote(view)}")
        yield forget(TableName("public", view))
    yield Rebuild(name, lambda t: _without_column(t, column))
    yield forget(name, column)


def _without_column(text: TableText, column: str) -> TableText:
    constraints = tuple(
        c for c in text.constraints if not mentions(c.text.split("REFERENCES")[0] if c.kind == "FOREIGN" else c.text, column)
    )
    return replace(text, columns=tuple(c for c in text.columns if c.name != column), constraints=constraints)


def _no_column(words: Words, name: TableName, column: str, columns: dict[str, Column], at: int) -> Exception:
    near = nearest(column, columns)
    return words.fault(f"there is no column {column!r} in table {str(name)!r}", f"Perhaps you meant {near!r}." if near else None, at)


def _rename_column(words: Words, catalogue: Catalogue, name: TableName) -> Iterator[Step]:
    words.accept("COLUMN")
    at = words.start
    old = words.name()
    words.expect("TO")
    new = words.name()
    words.finish()
    columns = catalogue.columns(name)
    if old not in columns:
        raise _no_column(words, name, old, columns, at)
    if new in columns:
        raise words.fault(f"column {new!r} of table {str(name)!r} already exists", at=at)
    yield Run(f"ALTER TABLE {quote(physical(name))} RENAME COLUMN {quote(old)} TO {quote(new)}")
    yield Run(
        'UPDATE "baaskit.columns" SET column_name = ? WHERE table_schema = ? AND table_name = ? AND column_name = ?', (new, *name, old)
    )


def _alter_column(words: Words, catalogue: Catalogue, name: TableName) -> Iterator[Step]:
    words.accept("COLUMN")
    at = words.start
    label = words.name()
    columns = catalogue.columns(name)
    if label not in columns:
        raise _no_column(words, name, label, columns, at)
    column, text = columns[label], stored_text(catalogue, name).column(label)
    if words.accept("SET", "DEFAULT"):
        column = replace(column, default=" ".join(words.text.split()))
        sql = default_sql(words, column, catalogue)
        changed = text.without("DEFAULT").having(*([Clause("DEFAULT", f"DEFAULT {sql}")] if sql else []))
    elif words.accept("DROP", "DEFAULT"):
        column, changed = replace(column, default=None), text.without("DEFAULT")
    elif words.accept("SET", "NOT", "NULL"):
        column, changed = replace(column, nullable=False), text.without("NOT NULL").having(Clause("NOT NULL", "NOT NULL"))
    elif words.accept("DROP", "NOT", "NULL"):
        if label in catalogue.primary_key(name):
            raise words.fault(f"column {label!r} is in the primary key", at=at)
        column, changed = replace(column, nullable=True), text.without("NOT NULL")
    elif words.accept("TYPE") or words.accept("SET", "DATA", "TYPE"):
        yield from _change_type(words, catalogue, name, column, text)
        return
    else:
        raise words.fault(f"alter column … {words.text[:40]} is not supported on SQLite", "docs/reference/sql.md lists what is.")
    words.finish()
    if changed != text:
        yield Rebuild(name, lambda t: t.put(changed))
    yield note(name, column)


def _change_type(words: Words, catalogue: Catalogue, name: TableName, column: Column, text: ColumnText) -> Iterator[Step]:
    kind, _ = read_type(words, catalogue)
    columns = catalogue.columns(name)
    for view in catalogue.views_of(name, column.name):
        raise words.fault(
            f"view {view!r} uses column {column.name!r}", "Drop the view, change the type, create the view again.", words.words[0].start
        )
    scope = {name.name: {c.name: c.type for c in columns.values()}}
    using = words if words.accept("USING") else _as_words(quote(column.name))
    e = replace(emitter(using, "fixed", scope, catalogue), place="run")
    try:
        value = e.value(using.expression(), kind, column.name)
    except Exception as fault:
        if using is words:
            raise
        raise words.fault(
            f"column {column.name!r} cannot be cast automatically to type {ty.long_name(kind)}",
            f"Say how: using {column.name}::{ty.long_name(kind)}.",
        ) from fault
    changed = text
    if text.clause("PRIMARY") is None or kind.family != "int":
        changed = replace(text, type=ty.declared(kind), clauses=tuple(c for c in text.clauses if not c.name.startswith(TYPE_CHECK)))
        test = ty.check(kind, quote(column.name))
        if test:
            changed = changed.having(Clause("CHECK", f"CHECK ({test})", TYPE_CHECK + kind.sql))
    altered = replace(column, type=kind)
    if text.clause("DEFAULT") is not None and column.default:
        sql = default_sql(_as_words(column.default), altered, catalogue)
        changed = changed.without("DEFAULT").having(*([Clause("DEFAULT", f"DEFAULT {sql}")] if sql else []))
    yield Rebuild(name, lambda t: t.put(changed), {column.name: value})
    yield note(name, altered)


def _as_words(text: str) -> Words:
    source = Source(text)
    return Words(source, read_words(source))


def add_enum_value(words: Words, catalogue: Catalogue) -> Iterator[Step]:
    """`words` stand after ALTER TYPE."""
    at = words.start
    enum = catalogue.enum(words.table().name)
    if enum is None:
        raise words.fault("there is no such type", at=at)
    if not words.accept("ADD", "VALUE"):
        raise words.fault("only alter type … add value is supported on SQLite")
    exists = words.accept("IF", "NOT", "EXISTS")
    label = words.string()
    labels = list(enum.labels)
    place = len(labels)
    if words.sees("BEFORE") or words.sees("AFTER"):
        after = words.accept("AFTER") or (words.accept("BEFORE") and False)
        at = words.start
        other = words.string()
        if other not in labels:
            raise words.fault(f"{other!r} is not a value of {enum.name}", at=at)
        place = labels.index(other) + int(after)
    words.finish()
    if label in labels:
        if exists:
            return
        raise words.fault(f"{label!r} is already a value of {enum.name}", at=at)
    labels.insert(place, label)
    yield from store_enum(enum.name, labels)
    for table, name in catalogue.enum_columns(enum.name):
        column = catalogue.columns(table)[name]
        kind = Type(enum.name, column.type.array, "", tuple(labels))
        test = ty.check(kind, quote(name))
        yield Altering(table)
        yield Rebuild(table, lambda t, n=name, s=test: t.put(_retyped(t.column(n), s, enum.name)))  # type: ignore[misc]
        yield note(table, replace(column, type=kind))


def _retyped(column: ColumnText, test: str, name: str) -> ColumnText:
    clauses = tuple(c for c in column.clauses if not c.name.startswith(TYPE_CHECK))
    return replace(column, clauses=(*clauses, Clause("CHECK", f"CHECK ({test})", TYPE_CHECK + name)))


def store_enum(name: str, labels: list[str]) -> Iterator[Step]:
    import json

    yield Run(
        'INSERT OR REPLACE INTO "baaskit.state"("key", "value") VALUES (?, ?)', (f"type:{name}", json.dumps(labels, ensure_ascii=False))
    )
