"""apsw in the clothes of a DB-API 2 module, so that SQLAlchemy's inspector and Alembic run on the same SQLite library.

Two copies of SQLite in one process, on one file, break each other's POSIX locks and can corrupt the file
(sqlite.org/howtocorrupt.html §2.2.1); so the standard library's `sqlite3` is never loaded on a project's database.
Holds only what SQLAlchemy's pysqlite dialect asks for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import apsw

apilevel, threadsafety, paramstyle = "2.0", 1, "qmark"
sqlite_version = apsw.sqlite_lib_version()
sqlite_version_info = tuple(int(part) for part in sqlite_version.split("."))
PARSE_DECLTYPES, PARSE_COLNAMES = 1, 2


class Error(Exception):
    """Any error of the driver."""


class DatabaseError(Error):
    """Any error of the database."""


class OperationalError(DatabaseError):
    """The database could not do it: locked, no such table, full."""


class IntegrityError(DatabaseError):
    """A constraint was violated."""


class ProgrammingError(DatabaseError):
    """A wrong statement."""


InterfaceError, InternalError, DataError, NotSupportedError, Warning = Error, DatabaseError, DatabaseError, DatabaseError, Error
Binary = bytes


def _translated(problem: apsw.Error) -> Error:
    kind = IntegrityError if isinstance(problem, apsw.ConstraintError) else OperationalError
    return kind(str(problem))


class Cursor:
    """A DB-API cursor; rows are read at once, so no statement stays open."""

    arraysize = 1

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.description: tuple[tuple[Any, ...], ...] | None = None
        self.rowcount = -1
        self.lastrowid: int | None = None
        self._rows: list[tuple[Any, ...]] = []

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> Cursor:
        link = self.connection.apsw
        try:
            if self.connection.isolation_level is not None and not link.in_transaction and _writes(sql):
                link.execute("BEGIN IMMEDIATE")
            before = link.total_changes()
            cursor = link.cursor()
            cursor.exec_trace = self._describe  # after an empty result apsw has forgotten the columns; here they are known
            self._rows = cursor.execute(sql, tuple(parameters)).fetchall()
        except apsw.Error as problem:
            raise _translated(problem) from problem
        self.rowcount = link.total_changes() - before if self.description is None else -1
        self.lastrowid = link.last_insert_rowid()
        return self

    def _describe(self, cursor: apsw.Cursor, sql: str, bindings: Any) -> bool:
        columns = tuple((d[0], d[1], None, None, None, None, None) for d in cursor.get_description())
        self.description = columns or None
        return True

    def executemany(self, sql: str, many: Iterable[Sequence[Any]]) -> Cursor:
        for parameters in many:
            self.execute(sql, parameters)
        return self

    def fetchone(self) -> tuple[Any, ...] | None:
        return self._rows.pop(0) if self._rows else None

    def fetchmany(self, size: int = 1) -> list[tuple[Any, ...]]:
        taken, self._rows = self._rows[:size], self._rows[size:]
        return taken

    def fetchall(self) -> list[tuple[Any, ...]]:
        taken, self._rows = self._rows, []
        return taken

    def close(self) -> None:
        self._rows = []


class Connection:
    """A DB-API connection over an apsw one. A transaction begins, IMMEDIATE, with the first statement that writes."""

    def __init__(self, link: apsw.Connection) -> None:
        self.apsw = link
        self.isolation_level: str | None = ""

    def cursor(self) -> Cursor:
        return Cursor(self)

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> Cursor:
        return self.cursor().execute(sql, parameters)

    def create_function(self, name: str, arguments: int, function: Callable[..., Any], deterministic: bool = False) -> None:
        self.apsw.create_scalar_function(name, function, arguments, deterministic=deterministic)

    def commit(self) -> None:
        if self.apsw.in_transaction:
            self.apsw.execute("COMMIT")

    def rollback(self) -> None:
        if self.apsw.in_transaction:
            self.apsw.execute("ROLLBACK")

    def close(self) -> None:
        self.apsw.close()


class Borrowed(Connection):
    """A connection whose transaction and life belong to someone else: for looking only."""

    def commit(self) -> None:
        """Not ours."""

    def rollback(self) -> None:
        """Not ours."""

    def close(self) -> None:
        """Not ours."""


def connect(path: str, **_: Any) -> Connection:
    """Open `path`; SQLAlchemy's options for pysqlite mean nothing here and are ignored."""
    return Connection(apsw.Connection(path))


def _writes(sql: str) -> bool:
    return sql.lstrip()[:6].upper() in {"INSERT", "UPDATE", "DELETE", "CREATE", "ALTER ", "DROP T", "DROP I", "REPLAC"}
