"""CREATE TABLE: columns and constraints, as they are written in a migration and as SQLite keeps them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from sqlglot import exp

from baaskit.kernel.database.ddl import types as ty
from baaskit.kernel.database.ddl.catalogue import Catalogue, physical
from baaskit.kernel.database.ddl.expressions import Emitter, Place, Scope
from baaskit.kernel.database.ddl.steps import Run, Step, note
from baaskit.kernel.database.ddl.stored import TYPE_CHECK, Clause, ColumnText, TableText
from baaskit.kernel.database.ddl.text import Words
from baaskit.kernel.database.ddl.types import quote
from baaskit.kernel.schema import Column, TableName, Type

RESERVED = ("auth", "storage", "realtime", "baaskit")
_COLUMN_ENDS = (
    "CONSTRAINT",
    "NOT",
    "NULL",
    "DEFAULT",
    "PRIMARY",
    "UNIQUE",
    "CHECK",
    "REFERENCES",
    "GENERATED",
    "COLLATE",
    "DEFERRABLE",
    "INITIALLY",
)
_TABLE_ITEMS = ("CONSTRAINT", "PRIMARY", "UNIQUE", "CHECK", "FOREIGN", "EXCLUDE", "LIKE")
_CALLER = ("uid", "role", "email", "jwt")


@dataclass
class Draft:
    """A table while its statement is read."""

    name: TableName
    columns: dict[str, Column] = field(default_factory=dict)
    texts: dict[str, ColumnText] = field(default_factory=dict)
    constraints: list[Clause] = field(default_factory=list)
    primary_key: tuple[str, ...] = ()
    later: list[tuple[str, Words, str]] = field(default_factory=list)  # checks and generated columns: they may use any column


def check_name(words: Words, name: TableName, at: int) -> None:
    """Our own tables are not for migrations to change."""
    if name.schema in RESERVED:
        raise words.fault(
            f"tables of schema {name.schema!r} belong to baaskit and cannot be changed", "Put your own tables into public.", at
        )
    if "." in name.name or name.name.startswith(("sqlite_", "alembic_")):
        raise words.fault(f"{name.name!r} cannot be the name of a table", at=at)


def create_table(words: Words, catalogue: Catalogue) -> list[Step]:
    """`words` stand after CREATE TABLE."""
    exists = words.accept("IF", "NOT", "EXISTS")
    at = words.start
    name = words.table()
    check_name(words, name, at)
    if catalogue.kind(name) is not None:
        if exists:
            return []
        raise words.fault(f"relation {str(name)!r} already exists", at=at)
    if not words.sees("("):
        raise words.fault("expected (", "create table … as select is not supported: create the table, then insert … select.")
    draft = Draft(name)
    body = words.brackets()
    words.finish()
    items = list(body.split())
    for item in items:
        if item.peek() not in _TABLE_ITEMS:
            read_column(item, draft, catalogue)
    for item in items:
        if item.peek() in _TABLE_ITEMS:
            read_constraint(item, draft, catalogue)
    finish(draft, catalogue)
    text = table_text(draft)
    return [Run(text.create(physical(name))), *[note(name, c) for c in draft.columns.values()]]


def table_text(draft: Draft) -> TableText:
    """A single integer key is SQLite's own row number; every other key is a constraint of the table."""
    columns, constraints = dict(draft.texts), list(draft.constraints)
    key = draft.primary_key
    if len(key) == 1 and draft.columns[key[0]].type.family == "int" and not draft.columns[key[0]].type.array:
        identity = draft.columns[key[0]].identity or (draft.columns[key[0]].default or "").startswith("nextval")
        kept = tuple(
            c
            for c in columns[key[0]].clauses
            if c.kind not in ("NOT NULL", "CHECK") or (c.kind == "CHECK" and not c.name.startswith(TYPE_CHECK))
        )
        columns[key[0]] = replace(
            columns[key[0]],
            type="INTEGER",
            clauses=(Clause("PRIMARY", "PRIMARY KEY" + (" AUTOINCREMENT" if identity else "")), Clause("NOT NULL", "NOT NULL"), *kept),
        )
    elif key:
        constraints.insert(0, Clause("PRIMARY", f"PRIMARY KEY ({', '.join(map(quote, key))})", f"{draft.name.name}_pkey"))
    return TableText(tuple(columns.values()), tuple(constraints))


def read_type(words: Words, catalogue: Catalogue) -> tuple[Type, bool]:
    """A type name; True when it is a serial."""
    at = words.start
    written = words.until(*_COLUMN_ENDS, "USING", least=1)
    text = written.text.lower()
    if not text:
        raise words.fault("expected a type", at=at)
    text = text.replace(" array", "[]") if text.endswith(" array") else text
    text = "".join(text.split("[")[0]) + "[]" * text.count("[")
    base = text.replace("[]", "").strip().removeprefix("public.").removeprefix("pg_catalog.").strip('"')
    kind = Type.parse(base + "[]" * min(text.count("[]"), 1))
    if kind.name == "float4" and base.startswith("float"):
        kind = Type("float8", kind.array)
    if base.startswith("float(") or base == "float":
        kind = Type("float8", kind.array)
    if kind.name == "bpchar" and not kind.modifiers:
        kind = replace(kind, modifiers="1")
    if kind.name in ("timestamptz", "timestamp", "time") and kind.modifiers:
        kind = replace(kind, modifiers="")
    enum = catalogue.enum(written.words[-1].text if len(written.words) == 1 and written.words[0].quoted else base)
    if enum is not None:
        kind = Type(enum.name, kind.array, "", enum.labels)
    if not ty.supported(kind):
        raise words.fault(f"type {text} is not supported on SQLite", "docs/reference/sql.md lists the types.", at)
    return kind, base in ("serial", "bigserial", "smallserial")


def read_column(words: Words, draft: Draft, catalogue: Catalogue) -> None:
    """`name type [constraints]`."""
    at = words.start
    name = words.name()
    if name in draft.columns:
        raise words.fault(f"column {name!r} is given twice", at=at)
    kind, serial = read_type(words, catalogue)
    if serial:
        kind = Type({"serial": "int4"}.get(kind.name, kind.name))
    column = Column(name, kind, not serial, f"nextval('{draft.name.name}_{name}_seq')" if serial else None)
    draft.columns[name] = column
    clauses = [Clause("NOT NULL", "NOT NULL")] if serial else []
    test = ty.check(kind, quote(name))
    if test:
        clauses.append(Clause("CHECK", f"CHECK ({test})", TYPE_CHECK + kind.sql))
    draft.texts[name] = ColumnText(name, ty.declared(kind), tuple(clauses))
    while not words.ended:
        _column_clause(words, draft, name, catalogue)


def _column_clause(words: Words, draft: Draft, name: str, catalogue: Catalogue) -> None:
    given = words.name() if words.accept("CONSTRAINT") else ""
    column, text = draft.columns[name], draft.texts[name]
    at = words.start
    if words.accept("NOT", "NULL"):
        draft.columns[name] = replace(column, nullable=False)
        draft.texts[name] = text.without("NOT NULL").having(Clause("NOT NULL", "NOT NULL"))
    elif words.accept("NULL"):
        return
    elif words.accept("PRIMARY", "KEY"):
        _set_key(words, draft, (name,), at)
    elif words.accept("UNIQUE"):
        draft.constraints.append(Clause("UNIQUE", f"UNIQUE ({quote(name)})", given or free_name(draft, f"{draft.name.name}_{name}_key")))
    elif words.accept("CHECK"):
        draft.later.append(("check", words.brackets(), given or free_name(draft, f"{draft.name.name}_{name}_check")))
    elif words.accept("DEFAULT"):
        _default(words.until(*_COLUMN_ENDS, least=1), draft, name, catalogue)
    elif words.accept("REFERENCES"):
        text_ = reference(words, (name,), draft, catalogue)
        draft.constraints.append(Clause("FOREIGN", text_, given or free_name(draft, f"{draft.name.name}_{name}_fkey")))
    elif words.accept("GENERATED"):
        _generated(words, draft, name)
    elif words.accept("COLLATE"):
        if words.name() not in ("C", "POSIX", "default", "ucs_basic"):
            raise words.fault("this collation is not supported on SQLite", 'Texts are ordered by code point, as with collate "C".', at)
    else:
        raise words.fault(f"not supported in a column on SQLite: {words.text[:40]}", at=at)


def _default(words: Words, draft: Draft, name: str, catalogue: Catalogue) -> None:
    column = draft.columns[name]
    source = " ".join(words.text.split())
    draft.columns[name] = replace(column, default=source)
    sql = default_sql(words, column, catalogue)
    if sql == "NULL":
        draft.columns[name] = replace(column, default=None)
    elif sql is not None:
        draft.texts[name] = draft.texts[name].having(Clause("DEFAULT", f"DEFAULT {sql}"))


def default_sql(words: Words, column: Column, catalogue: Catalogue) -> str | None:
    """A default in built-in SQLite; None for `auth.uid()` and its kin, which the API fills in."""
    plain = words.text.lower().replace(" ", "").removeprefix("(select").removeprefix("(").removesuffix(")")
    if any(plain in (f"auth.{f}()", f"auth.{f}(") for f in _CALLER):
        return None
    e = emitter(words, "default", {}, catalogue)
    found = words.expression()
    text = e.value(found, column.type, column.name)
    simple = text.lstrip("-").replace(".", "", 1).isdigit() or (
        text[:1] == "'" and text[-1:] == "'" and "'" not in text[1:-1].replace("''", "")
    )
    return text if simple or text == "NULL" or (text[0] == "(" and _closes(text)) else f"({text})"


def _closes(text: str) -> bool:
    """True when the first bracket closes at the very end. Brackets inside literals only make it say no."""
    depth = 0
    for index, char in enumerate(text):
        depth += {"(": 1, ")": -1}.get(char, 0)
        if depth == 0:
            return index == len(text) - 1
    return False


def _generated(words: Words, draft: Draft, name: str) -> None:
    column = draft.columns[name]
    at = words.start
    always = words.accept("ALWAYS")
    if not always:
        words.expect("BY", "DEFAULT")
    words.expect("AS")
    if words.accept("IDENTITY"):
        if column.type.family != "int":
            raise words.fault("an identity column must be smallint, integer or bigint", at=at)
        if words.sees("("):
            raise words.fault("options of an identity are not supported on SQLite", at=words.start)
        draft.columns[name] = replace(column, identity="always" if always else "by default", nullable=False)
        draft.texts[name] = draft.texts[name].without("NOT NULL").having(Clause("NOT NULL", "NOT NULL"))
        return
    draft.later.append(("generated", words.brackets(), name))
    draft.columns[name] = replace(column, generated=True)
    if not (words.accept("STORED") or words.accept("VIRTUAL")):
        raise words.fault("expected stored")


def read_constraint(words: Words, draft: Draft, catalogue: Catalogue) -> None:
    """A constraint of the table."""
    given = words.name() if words.accept("CONSTRAINT") else ""
    at, table = words.start, draft.name.name
    if words.accept("PRIMARY", "KEY"):
        _set_key(words, draft, words.names(), at)
    elif words.accept("UNIQUE"):
        if words.accept("NULLS", "NOT", "DISTINCT"):
            raise words.fault("nulls not distinct is not supported on SQLite", "Make a unique index on coalesce(…).", at)
        words.accept("NULLS", "DISTINCT")
        columns = _known(words, draft, words.names(), at)
        draft.constraints.append(
            Clause("UNIQUE", f"UNIQUE ({', '.join(map(quote, columns))})", given or free_name(draft, f"{table}_{'_'.join(columns)}_key"))
        )
    elif words.accept("CHECK"):
        draft.later.append(("check", words.brackets(), given))
    elif words.accept("FOREIGN", "KEY"):
        columns = _known(words, draft, words.names(), at)
        words.expect("REFERENCES")
        text = reference(words, columns, draft, catalogue)
        draft.constraints.append(Clause("FOREIGN", text, given or free_name(draft, f"{table}_{'_'.join(columns)}_fkey")))
    else:
        raise words.fault(f"not supported on SQLite: {words.text[:40]}", at=at)
    words.finish()


def _known(words: Words, draft: Draft, columns: tuple[str, ...], at: int) -> tuple[str, ...]:
    for name in columns:
        if name not in draft.columns:
            raise words.fault(f"there is no column {name!r} in table {str(draft.name)!r}", at=at)
    return columns


def _set_key(words: Words, draft: Draft, columns: tuple[str, ...], at: int) -> None:
    if draft.primary_key:
        raise words.fault("a table has one primary key", at=at)
    draft.primary_key = _known(words, draft, columns, at)
    for name in columns:
        draft.columns[name] = replace(draft.columns[name], nullable=False)
        draft.texts[name] = draft.texts[name].without("NOT NULL").having(Clause("NOT NULL", "NOT NULL"))


def reference(words: Words, columns: tuple[str, ...], draft: Draft, catalogue: Catalogue) -> str:
    """`FOREIGN KEY (…) REFERENCES …` from what follows REFERENCES; the target must exist."""
    at = words.start
    target = words.table()
    own = target == draft.name
    if not own and catalogue.kind(target) != "table":
        raise words.fault(f"there is no table {str(target)!r} to refer to", "Create it in an earlier statement.", at)
    key = words.names() if words.sees("(") else (draft.primary_key if own else catalogue.primary_key(target))
    known = draft.columns if own else catalogue.columns(target)
    for name in key:
        if name not in known:
            raise words.fault(f"there is no column {name!r} in table {str(target)!r}", at=at)
    if len(key) != len(columns):
        raise words.fault(f"{len(columns)} column(s) cannot refer to {len(key)}", "Name the columns referred to.", at)
    for mine, other in zip(columns, key, strict=True):
        left, right = draft.columns[mine].type, known[other].type
        if left.family != right.family:
            raise words.fault(f"column {mine!r} is {ty.long_name(left)} but {target!s}.{other} is {ty.long_name(right)}", at=at)
    return f"FOREIGN KEY({', '.join(map(quote, columns))}) REFERENCES {quote(physical(target))} ({', '.join(map(quote, key))}){_actions(words)}"


def _actions(words: Words) -> str:
    text, deferrable = "", ""
    while not words.ended:
        if words.accept("ON"):
            event = "DELETE" if words.accept("DELETE") else "UPDATE" if words.accept("UPDATE") else ""
            action = next((a for a in ("CASCADE", "RESTRICT", "SET NULL", "SET DEFAULT", "NO ACTION") if words.accept(*a.split())), "")
            if not event or not action or words.sees("("):
                raise words.fault("expected on delete|update cascade|restrict|set null|set default|no action")
            text += f" ON {event} {action}"
        elif words.accept("NOT", "DEFERRABLE"):
            deferrable = ""
        elif words.accept("DEFERRABLE"):
            deferrable = deferrable or " DEFERRABLE"
        elif words.accept("INITIALLY", "DEFERRED"):
            deferrable = " DEFERRABLE INITIALLY DEFERRED"
        elif words.accept("INITIALLY", "IMMEDIATE") or words.accept("MATCH", "SIMPLE"):
            continue
        else:
            break
    return text + deferrable


def finish(draft: Draft, catalogue: Catalogue) -> None:
    """Checks and generated columns, now that all columns are known."""
    scope = {c.name: c.type for c in draft.columns.values()}
    for what, words, name in draft.later:
        e = emitter(words, "fixed", {draft.name.name: scope}, catalogue)
        found = words.expression()
        if what == "generated":
            text = e.value(found, draft.columns[name].type, name)
            draft.texts[name] = draft.texts[name].having(Clause("GENERATED", f"GENERATED ALWAYS AS ({text}) STORED"))
            continue
        used = sorted({c.name for c in found.find_all(exp.Column)})
        label = f"{draft.name.name}_{used[0]}_check" if len(used) == 1 else f"{draft.name.name}_check"
        draft.constraints.append(Clause("CHECK", f"CHECK ({e.truth(found)})", name or free_name(draft, label)))
    draft.later.clear()


def free_name(draft: Draft, label: str) -> str:
    """PostgreSQL's rule for constraints without a name: the label, then label1, label2, …"""
    taken = {c.name for c in draft.constraints} | {name for what, _, name in draft.later if what == "check"}
    return next(n for n in [label, *(f"{label}{i}" for i in range(1, 1000))] if n not in taken)


def emitter(words: Words, place: Place, tables: dict[str, dict[str, Type]], catalogue: Catalogue) -> Emitter:
    """For an expression outside a query: columns are written bare."""
    return Emitter(words.source, place, Scope(tables, bare=True), catalogue.enum, at=words.start)
