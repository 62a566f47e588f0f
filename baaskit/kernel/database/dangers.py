"""What pending migrations may do to tables that are in use, told by their text before anything is run.

Only tables of earlier files (or of the database) count: one that the same file makes holds nothing yet. A comment `-- lint:ignore`
before a statement, or in it, says that it is meant.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from baaskit.errors import Fault
from baaskit.kernel.database.ddl import PUBLICATIONS
from baaskit.kernel.database.ddl.text import Words, statements
from baaskit.kernel.database.migrate import File, Job
from baaskit.kernel.schema import TableName

Told = tuple[str, str]  # what it does, and the way out
_IGNORE = re.compile(r"--[ \t]*lint:ignore\b")
_OWN_VALUE = frozenset({"DEFAULT", "GENERATED", "SERIAL", "BIGSERIAL", "SMALLSERIAL"})  # words that fill a new column
_VOLATILE = frozenset({"GEN_RANDOM_UUID", "UUID_GENERATE_V4", "RANDOM", "CLOCK_TIMESTAMP", "NEXTVAL", "IDENTITY", "SERIAL", "BIGSERIAL"})
_LATER = "See docs/howto/change-the-schema.md, on live data."


@dataclass
class Known:
    """What there is before a file: `live` tables may hold rows and be in use, `views` are texts by name."""

    tables: set[TableName] = field(default_factory=set)
    live: set[TableName] = field(default_factory=set)
    captured: set[TableName] = field(default_factory=set)
    views: dict[str, str] = field(default_factory=dict)


def dangers(
    files: Sequence[File], pending: Collection[str], dialect: str, texts: Mapping[str, str], found: Known | None = None
) -> list[Fault]:
    """Faults, with their places, that are to be told as warnings.

    `texts`: policies and functions by the name to call them by. `found`: what a database has; without one it is read from the
    files that are not pending. Raises Fault for a file that cannot be read as SQL.
    """
    known, told = found or Known(), []
    lost: dict[TableName, Fault] = {}  # captured tables that are dropped
    for file in files:
        if file.name not in pending and found is not None:
            for words in statements(Job(file).section.text, str(file.path)):
                _take_view(words, known)
            continue
        told += _of_file(file, known, dialect, texts, lost, quiet=file.name not in pending)
    return told + [fault for name, fault in lost.items() if name in known.tables - known.captured]


def _of_file(file: File, known: Known, dialect: str, texts: Mapping[str, str], lost: dict[TableName, Fault], *, quiet: bool) -> list[Fault]:
    told: list[Fault] = []
    end = 0
    for words in statements(Job(file).section.text, str(file.path)):
        begin, last = words.start, words.words[-1].end
        if not quiet and not _IGNORE.search(words.source.text, end, last):
            for what, way_out in _of_statement(words, known, dialect, {**known.views, **texts}):
                told.append(words.source.fault(what, begin, way_out))
            for name in _dropped_tables(words):
                if name in known.captured:
                    what = f"drops {name}, whose changes are captured; those of the new table of that name are not"
                    lost[name] = words.source.fault(what, begin, f"alter publication realtime add table {name};")
        end = last
        _take(words, known)
    known.live |= known.tables
    return told


# ---- one statement ---------------------------------------------------------------------------------------------------------


def _of_statement(words: Words, known: Known, dialect: str, texts: Mapping[str, str]) -> Iterator[Told]:
    postgres, look = dialect == "postgresql", _fresh(words)
    for name in _dropped_tables(words):
        if name in known.tables:
            yield from _used(f"drops table {name}", (name.name,), texts)
        if name in known.live:
            yield f"drops table {name} and its rows", _LATER
    if postgres and (look.accept("CREATE", "INDEX") or look.accept("CREATE", "UNIQUE", "INDEX")):
        if not look.accept("CONCURRENTLY"):
            look.until("ON")
            look.accept("ON")
            look.accept("ONLY")
            if (name := look.table()) in known.live:
                way_out = "A migration of its own:  -- migrate:up transaction:false  and  create index concurrently …"
                yield f"keeps all who write {name} waiting until the index is made", way_out
        return
    table = _altered(look)
    if table in known.tables:
        for action in look.split():
            yield from _uses_of_action(action, table, texts)
            if table in known.live:
                yield from _of_action(action, table, postgres)


def _uses_of_action(action: Words, table: TableName, texts: Mapping[str, str]) -> Iterator[Told]:
    """Names that policies, views and functions call, and that are gone afterwards."""
    if column := dropped_column(action):
        yield from _used(f"drops column {table}.{column}", (table.name, column), texts)
        return
    look = _fresh(action)
    if look.accept("RENAME", "TO"):
        yield from _used(f"renames table {table}", (table.name,), texts)
    elif look.accept("RENAME") and not look.sees("CONSTRAINT"):
        look.accept("COLUMN")
        column = look.name()
        yield from _used(f"renames column {table}.{column}", (table.name, column), texts)


def _used(what: str, words: Sequence[str], texts: Mapping[str, str]) -> Iterator[Told]:
    users = [label for label, text in texts.items() if all(re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text, re.I) for word in words)]
    if users:
        yield f"{what}, which seems to be used by {', '.join(users)}", "Change them at the same time, or keep the old name for a while."


def _of_action(action: Words, table: TableName, postgres: bool) -> Iterator[Told]:
    keys = {word.key for word in action.words}
    look = _fresh(action)
    if column := dropped_column(action):
        yield f"drops column {table}.{column} and its values", "Programs that still name it fail: let them go first."
    elif column := retyped_column(action):
        yield f"changes the type of {table}.{column}: all rows may be written anew while everyone waits", _LATER
    elif look.accept("ADD"):
        yield from _of_addition(look, keys, table, postgres)
    elif postgres and {"SET", "NOT", "NULL"} <= keys:
        way_out = "First  add constraint … check (… is not null) not valid  and  validate constraint ."
        yield f"reads all of {table} while everyone waits", way_out


def _of_addition(look: Words, keys: set[str], table: TableName, postgres: bool) -> Iterator[Told]:
    constraint = look.peek() in ("CONSTRAINT", "CHECK", "FOREIGN", "UNIQUE", "PRIMARY", "EXCLUDE")
    if not constraint:
        look.accept("COLUMN")
        look.accept("IF", "NOT", "EXISTS")
        column = look.name()
        keys = {word.key for word in look.words[look.at :]}
        if ({"NOT", "NULL"} <= keys or {"PRIMARY", "KEY"} <= keys) and not keys & _OWN_VALUE:
            yield (
                f"adds {table}.{column}, which is not null and has no default: fails when there are rows",
                "Add it, fill it, set not null.",
            )
        elif postgres and keys & _VOLATILE:
            way_out = "Add it without, set the default, then fill it in pieces."
            yield f"writes all rows of {table} anew while everyone waits: each one gets another value", way_out
    if not postgres or "VALID" in keys:
        return
    if keys & {"UNIQUE", "PRIMARY", "EXCLUDE"} and "INDEX" not in keys:
        yield (
            f"keeps everyone from {table} until the index is made",
            "create unique index concurrently, then  add constraint … using index …",
        )
    elif keys & {"CHECK", "FOREIGN", "REFERENCES"} and (constraint or keys & {"DEFAULT", "CHECK"}):
        yield f"reads all of {table} while writers wait", "Add it  not valid , then  validate constraint  in a second migration."


# ---- what a statement is about ------------------------------------------------------------------------------------------------


def _take(words: Words, known: Known) -> None:
    """`known` after the statement."""
    look = _fresh(words)
    if look.accept("CREATE", "TABLE"):
        look.accept("IF", "NOT", "EXISTS")
        known.tables.add(name := look.table())
        known.live.discard(name)  # until the file is done
        return
    for name in _dropped_tables(words):
        for names in (known.tables, known.live, known.captured):
            names.discard(name)
    if look.accept("ALTER", "PUBLICATION") or look.accept("CREATE", "PUBLICATION"):
        if look.name() in PUBLICATIONS:
            if look.accept("DROP", "TABLE"):
                _each(look, known.captured.discard)
            elif look.accept("ADD", "TABLE") or look.accept("FOR", "TABLE"):
                _each(look, known.captured.add)
    elif (table := _altered(look)) and look.accept("RENAME", "TO"):
        renamed = TableName(table.schema, look.name())
        for names in (known.tables, known.live, known.captured):
            if table in names:
                names.remove(table)
                names.add(renamed)
    else:
        _take_view(words, known)


def _take_view(words: Words, known: Known) -> None:
    look = _fresh(words)
    if look.accept("CREATE"):
        look.accept("OR", "REPLACE")
        look.accept("MATERIALIZED")
        if look.accept("VIEW"):
            look.accept("IF", "NOT", "EXISTS")
            known.views[f"view {look.table()}"] = words.text
    elif look.accept("DROP", "VIEW") or look.accept("DROP", "MATERIALIZED", "VIEW"):
        look.accept("IF", "EXISTS")
        _each(look.until("CASCADE", "RESTRICT"), lambda name: known.views.pop(f"view {name}", None))


def _each(look: Words, work: Callable[[TableName], object]) -> None:
    for item in look.split():
        work(item.table())


def _fresh(words: Words) -> Words:
    return Words(words.source, words.words)


def _dropped_tables(words: Words) -> list[TableName]:
    look = _fresh(words)
    if not look.accept("DROP", "TABLE"):
        return []
    look.accept("IF", "EXISTS")
    return [item.table() for item in look.until("CASCADE", "RESTRICT").split()]


def _altered(look: Words) -> TableName | None:
    """The table of ALTER TABLE; the reading position is then at its first action."""
    if not look.accept("ALTER", "TABLE"):
        return None
    look.accept("IF", "EXISTS")
    look.accept("ONLY")
    return look.table()


def dropped_column(action: Words) -> str | None:
    """The column that an action of ALTER TABLE drops."""
    look = _fresh(action)
    if not look.accept("DROP") or look.sees("CONSTRAINT"):
        return None
    look.accept("COLUMN")
    look.accept("IF", "EXISTS")
    return look.name()


def retyped_column(action: Words) -> str | None:
    """The column whose type an action of ALTER TABLE changes."""
    look = _fresh(action)
    if not look.accept("ALTER"):
        return None
    look.accept("COLUMN")
    name = look.name()
    return name if look.accept("TYPE") or look.accept("SET", "DATA", "TYPE") else None
