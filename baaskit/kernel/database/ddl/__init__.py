"""Migrations in PostgreSQL's syntax, translated for SQLite (docs/reference/sql.md has the subset).

`statements` splits a file; `translate` gives the steps of one statement, each of which must be carried out before the
next is asked for, because it may depend on it. Whatever is not known is a `Fault`, never a guess.
"""

from __future__ import annotations

from collections.abc import Iterable

from baaskit.kernel.database.ddl import documents, functions, moments  # noqa: F401 - they register what they translate
from baaskit.kernel.database.ddl.alter import add_enum_value, alter_table
from baaskit.kernel.database.ddl.catalogue import Catalogue
from baaskit.kernel.database.ddl.create import create_table
from baaskit.kernel.database.ddl.dml import change_rows
from baaskit.kernel.database.ddl.other import PUBLICATIONS, comment, create_index, create_type, create_view, drop, publication
from baaskit.kernel.database.ddl.steps import Altering, Capture, Rebuild, Run, Step
from baaskit.kernel.database.ddl.text import Words, statements

__all__ = [
    "PUBLICATIONS",
    "Altering",
    "Capture",
    "Catalogue",
    "Rebuild",
    "Run",
    "Step",
    "Words",
    "refuse_everywhere",
    "statements",
    "translate",
]

EXTENSIONS = ("pgcrypto", "uuid-ossp")


def translate(words: Words, catalogue: Catalogue, now: str) -> Iterable[Step]:
    """The steps of one statement. `now` (canonical timestamptz text) is what now() means in this migration."""
    refuse_everywhere(words)
    match words.peek():
        case "CREATE":
            return _create(words, catalogue)
        case "ALTER":
            return _alter(words, catalogue)
        case "DROP":
            words.at += 1
            return drop(words, catalogue)
        case "COMMENT":
            words.expect("COMMENT", "ON")
            return comment(words, catalogue)
        case "INSERT" | "UPDATE" | "DELETE" | "WITH":
            return change_rows(words, catalogue, now)
        case "TRUNCATE":
            raise words.fault("truncate is not supported on SQLite", "Write delete from.")
    raise words.fault(f"{words.peek().lower() or 'this'} is not supported on SQLite", "docs/reference/sql.md lists what is.")


def _create(words: Words, catalogue: Catalogue) -> Iterable[Step]:
    words.expect("CREATE")
    replace = words.accept("OR", "REPLACE")
    unique = words.accept("UNIQUE")
    if words.accept("TABLE"):
        return create_table(words, catalogue)
    if words.accept("INDEX"):
        return create_index(words, catalogue, unique)
    if words.accept("VIEW"):
        return create_view(words, catalogue, replace)
    if words.accept("TYPE"):
        return create_type(words, catalogue)
    if words.accept("PUBLICATION"):
        return publication(words, catalogue)
    if words.accept("EXTENSION"):
        words.accept("IF", "NOT", "EXISTS")
        name = words.name() if not words.sees("UUID", "-", "OSSP") else "uuid-ossp"
        if name not in EXTENSIONS:
            raise words.fault(f"extension {name!r} is not available on SQLite", f"Known: {', '.join(EXTENSIONS)} (built in).")
        return ()
    if words.accept("SCHEMA"):
        raise words.fault("schemas of your own are not supported on SQLite", "Put the tables into public.")
    if words.sees("FUNCTION") or words.sees("TRIGGER") or words.sees("PROCEDURE"):
        raise words.fault(
            "functions and triggers in SQL are not supported on SQLite", "Write them in Python in functions/: @before, @after, @http."
        )
    raise words.fault(f"create {words.text[:30]} is not supported on SQLite", "docs/reference/sql.md lists what is.")


def _alter(words: Words, catalogue: Catalogue) -> Iterable[Step]:
    words.expect("ALTER")
    if words.accept("TABLE"):
        return alter_table(words, catalogue)
    if words.accept("TYPE"):
        return add_enum_value(words, catalogue)
    if words.accept("PUBLICATION"):
        return publication(words, catalogue)
    raise words.fault(f"alter {words.text[:30]} is not supported on SQLite", "docs/reference/sql.md lists what is.")


def refuse_everywhere(words: Words) -> None:
    """What has no place in a migration on either database."""
    first = words.peek()
    if first in ("BEGIN", "COMMIT", "ROLLBACK", "START", "END", "SAVEPOINT"):
        raise words.fault("a migration is one transaction by itself", f"Remove {first.lower()}.")
    if (first in ("CREATE", "ALTER", "DROP") and words.peek(1) == "POLICY") or first in ("GRANT", "REVOKE"):
        raise words.fault("access rules do not belong in a migration", "Put them into policies.sql; they are checked and versioned there.")
