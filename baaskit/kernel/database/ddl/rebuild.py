"""Carrying out steps on a SQLite connection; above all the rebuild of a table (docs/reference/sql.md says what it keeps)."""

from __future__ import annotations

import apsw

from baaskit.kernel.database import capture
from baaskit.kernel.database.ddl.alter import mentions
from baaskit.kernel.database.ddl.catalogue import Catalogue, physical
from baaskit.kernel.database.ddl.steps import Altering, Capture, Rebuild, Run, Step
from baaskit.kernel.database.ddl.stored import parse
from baaskit.kernel.database.ddl.types import quote
from baaskit.kernel.schema import Table, TableName

_DRAFT = "baaskit_rebuild"


def carry_out(link: apsw.Connection, catalogue: Catalogue, step: Step) -> None:
    """Do one step, inside the caller's transaction."""
    match step:
        case Run(text, params):
            link.execute(text, params)
        case Rebuild():
            rebuild(link, step)
        case Capture(table, on):
            set_capture(link, catalogue, table, on)
        case Altering(table):
            # Off while the table changes: SQLite would refuse to drop a column that a trigger names. `settle` puts them back.
            _run_all(link, capture.drop_sql(table, "sqlite"))


def settle(link: apsw.Connection, catalogue: Catalogue, step: Altering) -> None:
    """After the statement: the triggers of a captured table are made anew from its new columns."""
    table = step.renamed or step.table
    if step.renamed is not None:
        link.execute(
            'UPDATE "baaskit.captures" SET table_schema = ?, table_name = ? WHERE table_schema = ? AND table_name = ?',
            (*table, *step.table),
        )
    if catalogue.captured(table) and catalogue.kind(table) == "table":
        _run_all(link, capture.create_sql(_shape(catalogue, table), "sqlite"))


def set_capture(link: apsw.Connection, catalogue: Catalogue, table: TableName, on: bool) -> None:
    link.execute('DELETE FROM "baaskit.captures" WHERE table_schema = ? AND table_name = ?', tuple(table))
    if on:
        _run_all(link, capture.create_sql(_shape(catalogue, table), "sqlite"))
        link.execute('INSERT INTO "baaskit.captures"(table_schema, table_name) VALUES (?, ?)', tuple(table))
    else:
        _run_all(link, capture.drop_sql(table, "sqlite"))


def _shape(catalogue: Catalogue, table: TableName) -> Table:
    return Table(table, tuple(catalogue.columns(table).values()), catalogue.primary_key(table))


def _run_all(link: apsw.Connection, texts: list[str]) -> None:
    for text in texts:
        link.execute(text)


def rebuild(link: apsw.Connection, step: Rebuild) -> None:
    """The twelve steps of sqlite.org/lang_altertable.html §7, inside the running transaction.

    Foreign keys are not enforced meanwhile: else dropping the old table would delete the rows that refer to it. The pragma
    does nothing inside a transaction, the connection's configuration does.
    """
    name = physical(step.table)
    enforced = link.config(apsw.SQLITE_DBCONFIG_ENABLE_FKEY, -1)
    link.config(apsw.SQLITE_DBCONFIG_ENABLE_FKEY, 0)
    link.execute("PRAGMA legacy_alter_table=ON")  # else renaming checks views that name the table which is away just now
    try:
        _replace_table(link, name, step)
    finally:
        link.execute("PRAGMA legacy_alter_table=OFF")
        link.config(apsw.SQLITE_DBCONFIG_ENABLE_FKEY, enforced)
    for (view,) in link.execute("SELECT name FROM sqlite_schema WHERE type = 'view'").fetchall():
        link.execute(f"SELECT * FROM {quote(str(view))} LIMIT 0")
    broken = link.execute(f"PRAGMA foreign_key_check({quote(name)})").fetchall()
    if broken:
        raise apsw.ConstraintError(f"{len(broken)} row(s) of {name} refer to rows of {broken[0][2]} that do not exist")


def _replace_table(link: apsw.Connection, name: str, step: Rebuild) -> None:
    [(sql,)] = link.execute("SELECT sql FROM sqlite_schema WHERE type = 'table' AND name = ?", (name,)).fetchall()
    old = parse(str(sql))
    new = step.change(old)
    kept = link.execute(
        "SELECT type, sql FROM sqlite_schema WHERE tbl_name = ? AND type IN ('index', 'trigger') AND sql IS NOT NULL", (name,)
    ).fetchall()
    gone = {c.name for c in old.columns} - {c.name for c in new.columns}
    sequence = _sequence(link, name)
    link.execute(new.create(_DRAFT))
    before = {c.name for c in old.columns}
    columns = [c.name for c in new.columns if not (c.clause("GENERATED") or c.clause("AS")) and (c.name in before or c.name in step.values)]
    if columns:
        names, values = ", ".join(map(quote, columns)), ", ".join(step.values.get(c, quote(c)) for c in columns)
        link.execute(f"INSERT INTO {quote(_DRAFT)} ({names}) SELECT {values} FROM {quote(name)}")
    link.execute(f"DROP TABLE {quote(name)}")
    link.execute(f"ALTER TABLE {quote(_DRAFT)} RENAME TO {quote(name)}")
    if sequence is not None and "AUTOINCREMENT" in new.create(name):
        # The numbers of deleted rows are not given again.
        link.execute("DELETE FROM sqlite_sequence WHERE name = ?", (name,))
        link.execute("INSERT INTO sqlite_sequence(name, seq) VALUES (?, ?)", (name, sequence))
    for kind, text in ((str(k), str(t)) for k, t in kept):
        if kind == "index" and any(mentions(text.partition("(")[2], column) for column in gone):
            continue  # PostgreSQL too drops the indexes of a dropped column
        link.execute(text)


def _sequence(link: apsw.Connection, name: str) -> int | None:
    if not link.execute("SELECT 1 FROM sqlite_schema WHERE name = 'sqlite_sequence'").fetchall():
        return None
    found = link.execute("SELECT seq FROM sqlite_sequence WHERE name = ?", (name,)).fetchall()
    return int(str(found[0][0])) if found else None
