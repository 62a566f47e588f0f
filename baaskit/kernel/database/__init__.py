"""Database: the only way to a database. Statements and scripts in, rows out; the same on SQLite and PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Generator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypeVar

import apsw
import orjson
from sqlalchemy import Executable, create_engine, delete, func, insert, select

from baaskit.errors import BaasError, Overloaded
from baaskit.errors.attached import CannotAttach, CaptureOff, NotOurs
from baaskit.kernel.database import apsw_dbapi, capture, routines, system
from baaskit.kernel.database.compiled import STAIN, Bound, Compiled, Row, Sql
from baaskit.kernel.database.postgres import PostgresDriver
from baaskit.kernel.database.reflect import reflect
from baaskit.kernel.database.sqlite import SqliteDriver
from baaskit.kernel.database.sqlite import connect as sqlite_connect
from baaskit.kernel.database.tables import HOME, SCHEMAS, Tables, for_dialect
from baaskit.kernel.database.violations import Violation, translate_postgres_error, translate_sqlite_error
from baaskit.kernel.policy import PolicySet, bind, parse_policies
from baaskit.kernel.schema import Schema, TableName, Type
from baaskit.settings import Settings

T = TypeVar("T")
Script = Generator[Any, Any, T]
MIGRATION_WAIT_MILLISECONDS = 120_000
CaptureMode = Literal["triggers", "polling", "off"]

__all__ = ["STAIN", "Bound", "Catalog", "Compiled", "Database", "Row", "Script", "Sql", "StaleVersion"]


# Whatever is altered gets a new row version in these catalogues, so a sum over their transaction ids changes.
_PG_STRUCTURE = """
WITH tables AS (SELECT c.oid, c.xmin FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE n.nspname = ANY($1::text[]) AND c.relkind IN ('r', 'p', 'v', 'm', 'f'))
SELECT (SELECT sum(xmin::text::int8) FROM tables), (SELECT count(*) FROM tables),
  (SELECT sum(a.xmin::text::int8) FROM pg_attribute a JOIN tables t ON t.oid = a.attrelid),
  (SELECT sum(k.xmin::text::int8) FROM pg_constraint k JOIN tables t ON t.oid = k.conrelid),
  (SELECT sum(xmin::text::int8) FROM pg_enum)"""


class StaleVersion(BaasError):
    """The policies have been changed by someone else since they were read."""

    status, code = 409, "BK410"


@dataclass(frozen=True, slots=True)
class Catalog:
    """What a request is planned against: one schema and one set of policies. Swapped whole, never changed."""

    schema: Schema
    policies: PolicySet


class Database:
    """A project's database. `start` before use, `stop` after.

    `query` and `read` never write; `execute` and `run` return after the commit. Errors of the database arrive as the
    `BaasError` of their SQLSTATE.
    """

    def __init__(
        self, url: str, *, schemas: Iterable[str] = ("public",), synchronous: str = "FULL", statement_seconds: float = 30,
        attached: bool = False, capture: Callable[[TableName], CaptureMode] = lambda name: "triggers", uid: str = "uuid",
        secret: tuple[TableName, str] | None = None,
    ) -> None:  # fmt: skip
        """`url`: `sqlite:///path` or `postgresql://…`. `statement_seconds`: a read that runs longer is cancelled. `attached`: it belongs to
        others; nothing of theirs is ever altered but by capture triggers that `capture` allows. `uid`: the type of `auth.uid()`. `secret`: a
        column that the catalogue leaves out, so that no request can name it."""
        self.secret = secret
        self.url, self.schemas, self.attached, self.capture_mode, self.uid = url, tuple(schemas), attached, capture, Type(uid)
        self.driver: SqliteDriver | PostgresDriver
        if url.startswith("sqlite:///"):
            self.driver = SqliteDriver(
                Path(url.removeprefix("sqlite:///")),
                synchronous,
                lambda problem: translate_sqlite_error(problem, self.catalog.schema),
                statement_seconds,
            )
        elif url.startswith(("postgresql://", "postgres://")):
            self.driver = PostgresDriver(url.replace("postgres://", "postgresql://", 1), translate_postgres_error, statement_seconds)
        else:
            raise ValueError(f"database_url must begin with sqlite:/// or postgresql://, not {url.split(':')[0]!r}")
        self.dialect = self.driver.name
        self.tables: Tables = for_dialect(self.dialect, HOME if attached and self.dialect == "postgresql" else None)
        self.catalog = Catalog(Schema(), parse_policies("", Schema()))
        self.on_catalog: list[Callable[[Catalog], None]] = []  # told after every swap, on the event loop
        self._catalog_lock = asyncio.Lock()
        self._stamp: tuple[Any, ...] = ()

    @classmethod
    def of(cls, settings: Settings) -> Database:
        """The database that a project's settings name."""
        return cls(
            settings.database_url, schemas=settings.exposed_schemas, synchronous=settings.sqlite_synchronous,
            statement_seconds=settings.statement_timeout_seconds, attached=settings.attached, capture=lambda name: settings.capture_of(str(name)), uid=settings.uid_type,
            secret=(TableName(*settings.users_table_place), settings.users_password) if settings.users_table else None,
        )  # fmt: skip

    async def start(self) -> None:
        """Bring our own tables up to date (Alembic), connect, read the schema and the live policies."""
        if self.attached and not await asyncio.to_thread(system.is_installed, self.url):
            raise CannotAttach("This database is not attached (any more).", hint="Make our own tables in it:  baaskit attach URL DIR")
        await asyncio.to_thread(system.upgrade, self.url, attached=self.attached)
        await self.driver.start()
        await self.reload()

    async def stop(self) -> None:
        await self.driver.stop()

    # -- statements and scripts ---------------------------------------------------------------------------------

    async def query(self, statement: Executable, params: dict[str, Any] | None = None) -> list[Row]:
        """Rows of one read statement."""
        compiled, values = self.driver.compiler.compile(statement, params)
        return compiled.rows(await self.driver.fetch(compiled.text, compiled.bind(values)))

    async def execute(self, statement: Executable, params: dict[str, Any] | None = None) -> list[Row]:
        """Run one write statement in its own transaction; rows only with `.returning()`."""

        def script() -> Script[list[Row]]:
            rows: list[Row] = yield Bound(statement, params or {})
            return rows

        return await self.run(script)

    async def run(self, script: Callable[[], Script[T]]) -> T:
        """Run a script as one write transaction."""
        try:
            return await self.driver.run(script)
        except Violation as problem:
            if problem.unless_refused is not None:
                question, refusal = problem.unless_refused
                [(refused,)] = await self.fetch_raw(*question)
                if refused:
                    refusal.hint = problem.hint
                    raise refusal from None
            raise

    async def read(self, script: Callable[[], Script[T]]) -> T:
        """Run a script on one read snapshot."""
        return await self.driver.read(script)

    async def fetch_raw(self, text: str, params: Sequence[Any] = (), seconds: float | None = None) -> list[Any]:
        """Rows (tuple-like) of one already compiled read statement, straight from the driver: the hot path. Raises StatementTimeout."""
        return await self.driver.fetch(text, params, seconds)

    def expect(self, text: str) -> None:
        """Announces a text that `fetch_raw` will run, so that a slow one is kept off the event loop from the first time on."""
        if isinstance(self.driver, SqliteDriver):
            self.driver.expect(text)

    def compile(self, statement: Executable) -> Compiled:
        """Text and parameter order of a statement, for callers that keep it."""
        return self.driver.compiler.compile(statement)[0]

    @property
    def on_commit(self) -> Callable[[], None]:
        return self.driver.on_commit

    @on_commit.setter
    def on_commit(self, callback: Callable[[], None]) -> None:
        self.driver.on_commit = callback

    # -- catalogue ----------------------------------------------------------------------------------------------

    async def reload(self) -> Catalog:
        """Read schema and live policies anew and swap the catalogue. Captured tables get fresh triggers if they changed."""
        async with self._catalog_lock:
            await self._read_catalog()
        return self.catalog

    async def _read_catalog(self) -> None:
        t = self.tables
        stamp = await self._catalog_stamp()  # taken first: what changes meanwhile is seen at the next look
        captured, noted = await self.read(self._noted)
        version = self.catalog.schema.version + 1
        schema = await self._reflect(lambda connection: reflect(connection, t, self.schemas, noted, captured, version, self.secret))
        schema = replace(schema, uid=self.uid)
        if self.dialect == "postgresql":
            tables = schema
            schema = await self.read(lambda: self._with_routines(tables))
        live = await self.query(select(t.policies).order_by(t.policies.c.version.desc()).limit(1))
        text, number = (live[0]["text"], live[0]["version"]) if live else ("", 0)
        self._swap(Catalog(schema, bind(text, schema, version=number)))
        self._stamp = stamp

    async def refresh(self) -> bool:
        """Reload if another process has changed policies, migrations, functions (PostgreSQL) or any table (SQLite) since the
        last look; whether it had."""
        stamp = await self._catalog_stamp()
        if stamp == self._stamp:
            return False
        async with self._catalog_lock:
            if stamp != self._stamp:  # else it was read while this one waited
                await self._read_catalog()
        return True

    async def _catalog_stamp(self) -> tuple[Any, ...]:
        """Changes when the catalogue would be read differently. One cheap statement; our own swaps are told apart by version."""
        t = self.tables
        statement = select(
            select(func.max(t.policies.c.version)).scalar_subquery().label("policies"),
            select(func.count()).select_from(t.migrations).scalar_subquery().label("migrations"),
            select(func.max(t.migrations.c.applied_at)).scalar_subquery().label("migrated"),
            select(func.count()).select_from(t.captures).scalar_subquery().label("captures"),
        )
        [row] = await self.query(statement)
        [structure] = await self.fetch_raw("PRAGMA schema_version" if self.dialect == "sqlite" else routines.STAMP)
        if self.attached and self.dialect == "postgresql":  # our own projects change by migrations; others by whatever tool they have
            [more] = await self.fetch_raw(_PG_STRUCTURE, [list(self.schemas)])
            structure = (*structure, *more)
        return (*row.values(), *structure)

    async def _reflect(self, read: Callable[[Any], Schema]) -> Schema:
        if isinstance(self.driver, SqliteDriver):
            path = self.driver.path

            def inspect_file() -> Schema:
                engine = create_engine("sqlite://", module=apsw_dbapi, creator=lambda: apsw_dbapi.Connection(apsw.Connection(str(path))))
                try:
                    with engine.connect() as connection:
                        return read(connection)
                finally:
                    engine.dispose()

            return await asyncio.to_thread(inspect_file)
        from sqlalchemy.ext.asyncio import create_async_engine  # loads the ORM: 10 MB that SQLite projects need not pay

        engine = create_async_engine(self.driver.url.replace("postgresql://", "postgresql+asyncpg://", 1))
        try:
            async with engine.connect() as connection:
                return await connection.run_sync(read)
        finally:
            await engine.dispose()

    def _swap(self, catalog: Catalog) -> None:
        self.catalog = catalog
        for told in self.on_catalog:
            told(catalog)

    # -- policies -----------------------------------------------------------------------------------------------

    async def save_policies(self, text: str, author: str, note: str = "", base_version: int | None = None) -> int:
        """Check `text`, store it as a new version and make it live. Raises PolicyFaults, or StaleVersion when
        `base_version` is not the live one. Saving the live text again changes nothing."""
        async with self._catalog_lock:
            schema = self.catalog.schema
            parse_policies(text, schema)
            version = await self.run(lambda: self.store_policies(text, author, note, base_version))
            self._swap(Catalog(schema, parse_policies(text, schema, version=version)))
        return version

    def store_policies(self, text: str, author: str, note: str, base_version: int | None = None) -> Script[int]:
        """Steps that make `text`, which has been checked, the live version; its number. They are for one transaction."""
        t = self.tables
        if self.dialect == "postgresql":  # two processes that start with the same new file would take the same number
            yield Sql("SELECT pg_advisory_xact_lock(5432154323)")
        live = yield select(t.policies).order_by(t.policies.c.version.desc()).limit(1)
        current = int(live[0]["version"]) if live else 0
        if base_version is not None and base_version != current:
            raise StaleVersion(
                f"Version {current} is live; this edit began from version {base_version}.",
                hint="Load the live version and apply the edit again.",
            )
        if live and live[0]["text"] == text:
            return current
        yield insert(t.policies).values(version=current + 1, text=text, author=author, note=note)
        return current + 1

    def remember(self, key: str, value: Any) -> Script[None]:
        """Steps that keep a JSON value under `key` in baaskit.state, whatever was there."""
        state = capture.physical(TableName("baaskit", "state"), self.dialect)
        marks = "?, ?" if self.dialect == "sqlite" else "$1, $2"
        text = f'INSERT INTO {state}("key", "value") VALUES ({marks}) ON CONFLICT ("key") DO UPDATE SET "value" = excluded."value"'
        yield Sql(text, (key, orjson.dumps(value).decode()))

    async def policy_history(self) -> list[Row]:
        """All versions, newest first: version, text, author, note, created_at."""
        return await self.query(select(self.tables.policies).order_by(self.tables.policies.c.version.desc()))

    # -- capture and migrations ---------------------------------------------------------------------------------

    async def capture(self, name: TableName) -> None:
        """Log the changes of a table from now on. Does nothing if they are logged already; `reload` not needed. Raises CaptureOff."""
        if name in self.catalog.schema.captured:
            return
        table = self.catalog.schema.tables.get(name)
        if table is None:
            raise BaasError(f"There is no table {name} whose changes could be captured.")
        mode = self._mode(name)
        if mode == "off":
            raise CaptureOff(str(name))
        t = self.tables

        def script() -> Script[None]:
            for text in capture.create_sql(table, self.dialect) if mode == "triggers" else ():
                yield Sql(text)
            yield delete(t.captures).where(t.captures.c.table_schema == name.schema, t.captures.c.table_name == name.name)
            yield insert(t.captures).values(table_schema=name.schema, table_name=name.name)

        await self.run(script)
        schema = self.catalog.schema
        changed = replace(schema, version=schema.version + 1, captured=schema.captured | {name})
        self._swap(Catalog(changed, self.catalog.policies))

    def _mode(self, name: TableName) -> CaptureMode:
        return "triggers" if name.schema in SCHEMAS else self.capture_mode(name)

    def _refuse_ddl(self) -> None:
        """Every way to change the tables of a project passes here."""
        if self.attached:
            raise NotOurs()

    async def migrate_script(self, job: Callable[[apsw.Connection], T], *, keep: bool = True) -> T:
        """SQLite only: run `job` with a connection of its own, inside BEGIN IMMEDIATE, foreign keys not enforced while
        it runs and checked before the commit. Without `keep` all is rolled back. Raises what `job` raises, after rolling back."""
        self._refuse_ddl()
        assert isinstance(self.driver, SqliteDriver)
        path, synchronous = self.driver.path, self.driver.synchronous

        def work() -> T:
            link = sqlite_connect(path, synchronous)
            try:
                link.set_busy_timeout(MIGRATION_WAIT_MILLISECONDS)  # another process may be migrating
                link.execute("PRAGMA foreign_keys=OFF")  # a no-op inside a transaction, so it comes first
                try:
                    link.execute("BEGIN IMMEDIATE")
                except apsw.BusyError:
                    raise Overloaded("Another program is writing to the database without a pause.", hint="Try again shortly.") from None
                try:
                    result = job(link)
                    broken = link.execute("PRAGMA foreign_key_check").fetchall()
                    if broken:
                        raise BaasError(f"{len(broken)} row(s) of {broken[0][0]} refer to rows of {broken[0][2]} that do not exist.")
                except BaseException:
                    if link.in_transaction:
                        link.execute("ROLLBACK")
                    raise
                link.execute("COMMIT" if keep else "ROLLBACK")
                return result
            finally:
                link.close()

        return await asyncio.to_thread(work)

    def drive(self, link: apsw.Connection, script: Script[T]) -> T:
        """SQLite only: run a script inside the transaction of `migrate_script`."""
        assert isinstance(self.driver, SqliteDriver)
        return self.driver.drive(link, lambda: script)

    def reflect_on(self, link: apsw.Connection) -> Schema:
        """SQLite only: the schema as the transaction on `link` sees it."""
        t = self.tables

        def noted() -> Script[Schema]:
            captured, columns = yield from self._noted()
            engine = create_engine("sqlite://", module=apsw_dbapi, creator=lambda: apsw_dbapi.Borrowed(link))
            with engine.connect() as connection:
                return reflect(connection, t, self.schemas, columns, captured, 0)

        return self.drive(link, noted())

    @asynccontextmanager
    async def pg_session(self) -> AsyncIterator[Any]:
        """PostgreSQL only: an asyncpg connection of its own, without limits of time, for migrations."""
        self._refuse_ddl()
        assert isinstance(self.driver, PostgresDriver)
        async with self.driver.session() as link:
            yield link

    async def drive_on_postgres(self, link: Any, finish: Callable[[Schema], Script[T]]) -> T:
        """PostgreSQL only: run the script that `finish` gives for the schema as the transaction on `link` sees it."""
        assert isinstance(self.driver, PostgresDriver)
        captured, columns = await self.driver.drive(link, self._noted)
        tables = await self.driver.inspect(link, lambda connection: reflect(connection, self.tables, self.schemas, columns, captured, 0))
        schema = await self.driver.drive(link, lambda: self._with_routines(tables))
        return await self.driver.drive(link, lambda: finish(schema))

    def _with_routines(self, schema: Schema) -> Script[Schema]:
        """PostgreSQL only: the schema with the functions of the exposed schemas."""
        found = yield Sql(routines.REFLECT, [list(self.schemas)])
        return replace(schema, functions=routines.read(found, schema))

    def _noted(self) -> Script[tuple[frozenset[TableName], dict[tuple[str, str, str], Row]]]:
        """Captured tables, and what is noted about columns: what the structure alone does not tell."""
        captures = yield select(self.tables.captures)
        columns = yield select(self.tables.columns)
        return (
            frozenset(name for r in captures if self._mode(name := TableName(r["table_schema"], r["table_name"])) != "off"),
            {(r["table_schema"], r["table_name"], r["column_name"]): r for r in columns},
        )
