"""SQLAlchemy statement → text, parameters and row conversion for a driver. SQLAlchemy compiles; the driver runs.

Compilation is cached by SQLAlchemy's own cache key, so building the same statement again costs a look-up.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import Executable
from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.engine.interfaces import Dialect
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.util import LRUCache

Row = dict[str, Any]
Convert = Callable[[Any], Any]


class Sql(NamedTuple):
    """A step of a script that is already text in the driver's own placeholders (`?` or `$1`); rows come back as tuples.

    `seconds`: a read that runs longer is cancelled; None is the limit of every read."""

    text: str
    params: Sequence[Any] = ()
    seconds: float | None = None


# A step before somebody else's code runs (a function, a trigger): PostgreSQL's connection is put in order when it goes back to the pool.
STAIN = Sql("")


@dataclass(frozen=True, slots=True)
class Compiled:
    """`bind(params)` gives the driver's positional parameters; `rows(tuples)` the rows as dicts of Python values."""

    text: str
    order: tuple[str, ...]
    binds: Mapping[str, Convert]
    columns: tuple[str, ...]
    converts: tuple[Convert | None, ...]

    def bind(self, params: Mapping[str, Any]) -> tuple[Any, ...]:
        binds = self.binds
        return tuple(binds[name](params[name]) if name in binds else params[name] for name in self.order)

    def rows(self, tuples: Sequence[Sequence[Any]]) -> list[Row]:
        return [
            {name: convert(value) if convert is not None and value is not None else value
             for name, value, convert in zip(self.columns, row, self.converts, strict=True)}
            for row in tuples
        ]  # fmt: skip


def make_dialect(name: str) -> Dialect:
    """A dialect without an engine, whose compiled text fits apsw or asyncpg."""
    if name == "sqlite":
        return SQLiteDialect_pysqlite(paramstyle="qmark")
    dialect = PGDialect_asyncpg()  # type: ignore[no-untyped-call]
    dialect._backslash_escapes = False
    return dialect


class Compiler:
    """Compiles statements of one dialect; keeps the last 1 000 shapes."""

    def __init__(self, name: str) -> None:
        self.dialect = make_dialect(name)
        self._cache: Any = LRUCache(1000)

    def compile(self, statement: Executable, params: Mapping[str, Any] | None = None) -> tuple[Compiled, dict[str, Any]]:
        """The compiled form and the values to bind: those inside the statement, overridden by `params`."""
        keys = list(params) if params else []
        statement_: Any = statement  # the cache of compiled forms is SQLAlchemy's own, reached as its Connection reaches it
        found = statement_._compile_w_cache(self.dialect, compiled_cache=self._cache, column_keys=keys)
        sql_compiler: SQLCompiler = found[0]
        values = dict(sql_compiler.construct_params(params, extracted_parameters=found[1]))
        if sql_compiler.post_compile_params or sql_compiler.literal_execute_params:
            expanded = sql_compiler._process_parameters_for_postcompile(values)
            processors = {**self._processors(sql_compiler), **expanded.processors}  # an expanded IN names only its own
            compiled = self._describe(sql_compiler, expanded.statement, tuple(expanded.positiontup or ()), processors)
            return compiled, {**values, **expanded.additional_parameters}
        ready: Compiled = sql_compiler.__dict__.get("_baaskit") or self._remember(sql_compiler)
        return ready, values

    def _remember(self, sql_compiler: SQLCompiler) -> Compiled:
        """Describe once and keep the description on SQLAlchemy's own cached object, so that both leave the cache together."""
        compiled = self._describe(sql_compiler, sql_compiler.string, tuple(sql_compiler.positiontup or ()), self._processors(sql_compiler))
        sql_compiler.__dict__["_baaskit"] = compiled
        return compiled

    def _processors(self, sql_compiler: SQLCompiler) -> dict[str, Any]:
        return {name: convert for name, convert in sql_compiler._bind_processors.items() if not isinstance(convert, tuple)}

    def _describe(self, sql_compiler: SQLCompiler, text: str, order: tuple[str, ...], processors: dict[str, Any]) -> Compiled:
        columns, converts = [], []
        for entry in sql_compiler._result_columns:
            columns.append(entry.keyname)
            converts.append(entry.type.dialect_impl(self.dialect).result_processor(self.dialect, None))
        return Compiled(text, order, processors, tuple(columns), tuple(converts))


class Bound(NamedTuple):
    """A step of a script: a SQLAlchemy statement with values for its bind parameters (`policy.claim_binds` and the like)."""

    statement: Executable
    params: Mapping[str, Any]
