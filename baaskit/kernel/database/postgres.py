"""PostgreSQL: one pool of asyncpg connections, prepared statements, scripts in transactions.

The pool's role owns the tables; what a caller may see is decided by our WHERE (ADR 0005), so no role or setting is left
on a pooled connection between requests.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Generator, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import asyncpg
import orjson

from baaskit.errors import Overloaded
from baaskit.errors.rest import StatementTimeout
from baaskit.kernel.database.compiled import STAIN, Bound, Compiler, Sql

T = TypeVar("T")
Script = Generator[Any, Any, T]

POOL_SIZE = 10  # connections
SILENCE_SECONDS = 5.0  # past the time-out of a statement, after which a server that has not cancelled it is taken for dead


async def _prepare(link: asyncpg.Connection[Any]) -> None:
    """Codecs of our connections: uuid as text, JSON as objects, transaction ids as int."""
    await link.set_type_codec("uuid", schema="pg_catalog", encoder=str, decoder=str, format="text")
    for name in ("json", "jsonb"):
        await link.set_type_codec(name, schema="pg_catalog", encoder=_dump, decoder=orjson.loads, format="text")
    await link.set_type_codec("xid8", schema="pg_catalog", encoder=str, decoder=int, format="text")


def _dump(value: Any) -> str:
    """A str is JSON text already (a request's body is bound as it came); a JSON string must be given as such a text."""
    return value if isinstance(value, str) else orjson.dumps(value).decode()


class _Link(asyncpg.Connection):  # type: ignore[misc]
    """A pooled connection that is put in order only after somebody else's code ran on it: our own statements leave nothing
    behind, and the order costs a round trip."""

    _stained = False

    def stain(self) -> None:
        self._stained = True

    def get_reset_query(self) -> str:
        if not self._stained:
            return ""
        self._stained = False
        return str(super().get_reset_query())


class _Borrowed:
    """A connection that is not closed when SQLAlchemy is done with it."""

    def __init__(self, link: asyncpg.Connection[Any]) -> None:
        self._link = link

    def __getattr__(self, name: str) -> Any:
        return getattr(self._link, name)

    async def close(self, **_: Any) -> None:
        """Not ours."""

    def terminate(self) -> None:
        """Not ours."""


class PostgresDriver:
    """Runs scripts and statements on one PostgreSQL database. `start` before use, `stop` after."""

    name = "postgresql"

    def __init__(self, url: str, translate: Callable[[asyncpg.PostgresError], Exception], statement_seconds: float) -> None:
        """`statement_seconds`: the server cancels a statement that runs longer."""
        self.url, self.statement_seconds = url, statement_seconds
        self.compiler = Compiler("postgresql")
        self._translate = translate
        self.on_commit: Callable[[], None] = lambda: None

    async def start(self) -> None:
        self.pool = await asyncpg.create_pool(
            self.url,
            min_size=1,
            max_size=POOL_SIZE,
            init=_prepare,
            connection_class=_Link,
            statement_cache_size=1000,
            max_cached_statement_lifetime=0,
            command_timeout=self.statement_seconds + SILENCE_SECONDS,
            server_settings={
                "timezone": "UTC",
                "application_name": "baaskit",
                "idle_in_transaction_session_timeout": "60000",
                "statement_timeout": str(round(self.statement_seconds * 1000)),
            },
        )

    async def stop(self) -> None:
        await self.pool.close()

    async def fetch(self, text: str, params: Sequence[Any] = (), seconds: float | None = None) -> list[Any]:
        """Rows (tuple-like) of one read statement, within `seconds` or the limit of all statements."""
        try:
            async with self.pool.acquire() as link:
                return await self._step(link, Sql(text, params, seconds))
        except asyncpg.PostgresError as problem:
            raise self._translate(problem) from problem
        except (OSError, asyncpg.InterfaceError) as problem:
            raise Overloaded("The database cannot be reached.", headers={"Retry-After": "1"}) from problem

    async def read(self, script: Callable[[], Script[T]]) -> T:
        """Run a script on one snapshot."""
        return await self._transact(script, isolation="repeatable_read", readonly=True)

    async def run(self, script: Callable[[], Script[T]]) -> T:
        """Run a script as one write transaction; returns after the commit."""
        result = await self._transact(script)
        self.on_commit()
        return result

    @asynccontextmanager
    async def session(self) -> AsyncIterator[asyncpg.Connection[Any]]:
        """A connection of its own, for migrations: no statement is cancelled for its length, nothing is cached."""
        link = await asyncpg.connect(
            self.url,
            statement_cache_size=0,
            server_settings={"timezone": "UTC", "application_name": "baaskit migrate", "statement_timeout": "0"},
        )
        try:
            await _prepare(link)
            yield link
        finally:
            await link.close()

    async def inspect(self, link: asyncpg.Connection[Any], read: Callable[[Any], T]) -> T:
        """`read` with an SQLAlchemy connection that is `link`, inside its transaction."""
        from sqlalchemy.ext.asyncio import create_async_engine
        from sqlalchemy.pool import StaticPool

        async def borrow() -> Any:
            return _Borrowed(link)

        engine = create_async_engine("postgresql+asyncpg://", async_creator=borrow, poolclass=StaticPool)
        try:
            async with engine.connect() as connection:
                return await connection.run_sync(read)
        finally:
            await engine.dispose()
            await _prepare(link)  # SQLAlchemy has put its own codecs in place

    async def _transact(self, script: Callable[[], Script[T]], **options: Any) -> T:
        try:
            async with self.pool.acquire() as link, link.transaction(**options):
                return await self.drive(link, script)
        except asyncpg.PostgresError as problem:  # a deferred constraint, at commit
            raise self._translate(problem) from problem
        except (OSError, asyncpg.InterfaceError) as problem:
            raise Overloaded("The database cannot be reached.", headers={"Retry-After": "1"}) from problem

    async def drive(self, link: Any, script: Callable[[], Script[T]]) -> T:
        """Feed each step's rows back into the generator until it returns."""
        steps = script()
        try:
            step = next(steps)
            while True:
                try:
                    rows = await self._step(link, step)
                except asyncpg.PostgresError as problem:
                    step = steps.throw(self._translate(problem))
                except StatementTimeout as problem:
                    step = steps.throw(problem)
                else:
                    step = steps.send(rows)
        except StopIteration as finished:
            result: T = finished.value
            return result

    async def _step(self, link: Any, step: Any) -> list[Any]:
        try:
            if step is STAIN:
                link.stain()
                return []
            if isinstance(step, Sql):
                return await link.fetch(step.text, *step.params, timeout=step.seconds)  # type: ignore[no-any-return]
            statement, params = step if isinstance(step, Bound) else (step, None)
            compiled, values = self.compiler.compile(statement, params)
            return compiled.rows(await link.fetch(compiled.text, *compiled.bind(values)))
        except TimeoutError:  # asyncpg has told the server to cancel, and waited until it had
            raise StatementTimeout() from None
