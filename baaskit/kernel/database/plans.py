"""Plans and their statements, kept by the shape of the request: a request like one before costs a look-up.

Everything is dropped at once when the catalogue is swapped, so no request runs on an old schema or policy.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeVar

from baaskit.kernel.database import Catalog, Database
from baaskit.kernel.database.binding import Statement
from baaskit.kernel.database.statements import compile_count, compile_read
from baaskit.kernel.database.transact import CompiledWrite
from baaskit.kernel.plan import Limits, ReadPlan, plan_delete, plan_insert, plan_read, plan_update
from baaskit.kernel.query import Query
from baaskit.kernel.schema import TableName

KEPT = 4000  # shapes; a client that makes more of them only loses the short cut
T = TypeVar("T")
Resolution = Literal["merge-duplicates", "ignore-duplicates", ""]


class CompiledRead:
    """A read plan, its statement, and the statement that counts, compiled when first asked for."""

    __slots__ = ("_catalog", "_count", "_dialect", "plan", "seconds", "statement")

    def __init__(self, plan: ReadPlan, dialect: str, catalog: Catalog, limits: Limits, keys: Sequence[str] = ()) -> None:
        self.plan = plan
        self.seconds = limits.aggregate_seconds if plan.aggregates_anywhere else None
        self._dialect, self._catalog = dialect, catalog
        self.statement = compile_read(plan, dialect, catalog.schema, keys)
        self._count: Statement | None = None

    @property
    def count(self) -> Statement:
        if self._count is None:
            self._count = compile_count(self.plan, self._dialect, self._catalog.schema)
        return self._count


class Plans:
    """The plans of one database's data API. Not thread-safe: for the event loop."""

    def __init__(self, database: Database, limits: Limits) -> None:
        self.database, self.limits = database, limits
        self._catalog = database.catalog
        self._known: dict[Any, Any] = {}

    def remembered(self, key: Any, build: Callable[[], T]) -> T:
        """What `build` makes, kept under `key` until the catalogue changes."""
        if self._catalog is not self.database.catalog:
            self._catalog = self.database.catalog
            self._known.clear()
        found: T | None = self._known.get(key)
        if found is None:
            found = build()
            if len(self._known) >= KEPT:
                self._known.clear()
            self._known[key] = found
        return found

    def known(self, key: Any) -> Any:
        """What is kept under `key`, or None."""
        return self._known.get(key) if self._catalog is self.database.catalog else None

    def read(self, name: TableName, query: Query, role: str) -> CompiledRead:
        database, catalog = self.database, self.database.catalog

        def build() -> CompiledRead:
            found = CompiledRead(plan_read(query, catalog, name, role, self.limits), database.dialect, catalog, self.limits)
            database.expect(found.statement.text)
            return found

        return self.remembered(("read", name, role, query), build)

    def page(self, name: TableName, query: Query, role: str, keys: Sequence[str]) -> CompiledRead:
        """The same read with the columns `keys` of each row behind its JSON text."""
        database, catalog, listed = self.database, self.database.catalog, tuple(keys)
        return self.remembered(
            ("page", name, role, query, listed),
            lambda: CompiledRead(plan_read(query, catalog, name, role, self.limits), database.dialect, catalog, self.limits, listed),
        )

    def insert(
        self,
        name: TableName,
        query: Query,
        role: str,
        columns: Sequence[str],
        resolution: Resolution = "",
        returning: bool = False,
        added: Sequence[str] = (),
    ) -> CompiledWrite:
        catalog, listed, more = self.database.catalog, tuple(columns), tuple(added)

        def build() -> CompiledWrite:
            plan = plan_insert(
                query, catalog, name, role, listed, added=more, resolution=resolution, returning=returning, limits=self.limits
            )
            return self._write(plan)

        return self.remembered(("insert", name, role, query, listed, more, resolution, returning), build)

    def update(
        self, name: TableName, query: Query, role: str, columns: Sequence[str], returning: bool = False, added: Sequence[str] = ()
    ) -> CompiledWrite:
        catalog, listed, more = self.database.catalog, tuple(columns), tuple(added)
        return self.remembered(
            ("update", name, role, query, listed, more, returning),
            lambda: self._write(plan_update(query, catalog, name, role, listed, added=more, returning=returning, limits=self.limits)),
        )

    def delete(self, name: TableName, query: Query, role: str, returning: bool = False) -> CompiledWrite:
        catalog = self.database.catalog
        return self.remembered(
            ("delete", name, role, query, returning),
            lambda: self._write(plan_delete(query, catalog, name, role, returning=returning, limits=self.limits)),
        )

    def _write(self, plan: Any) -> CompiledWrite:
        return CompiledWrite(plan, self.database.dialect, self.database.catalog.schema)
