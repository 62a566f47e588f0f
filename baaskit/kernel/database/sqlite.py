"""SQLite: connections, the single writer with group commit, short reads on the loop and long ones in threads.

Durability: WAL with `synchronous=FULL` (setting `sqlite_synchronous`): an answered write is on the disk. Concurrent writes
share one commit, each inside its own savepoint, so the cost of the sync is shared too.
"""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import apsw

from baaskit.errors import Overloaded
from baaskit.kernel.database.compiled import Bound, Compiler, Sql
from baaskit.kernel.database.rest_functions import is_slow, register_rest_functions
from baaskit.kernel.policy.sqlite_functions import register_functions

T = TypeVar("T")
Script = Generator[Any, Any, T]
Job = tuple[Callable[[apsw.Connection], Any], "asyncio.Future[Any]", asyncio.AbstractEventLoop]

BUSY_MILLISECONDS = 10_000
LOOP_BUDGET = 150_000  # SQLite VM steps a read may take on the event loop, about 3 ms; then it moves to a thread
READ_TICK = 50_000  # SQLite VM steps, about 1 ms, after which a read in a thread looks at the clock
GROUP_LIMIT = 256  # writes that may share one commit
READ_THREADS = 3


def connect(path: Path | str, synchronous: str = "FULL") -> apsw.Connection:
    """A connection with every pragma that correctness depends on (shared by server, migrations and tests)."""
    link = apsw.Connection(str(path), statementcachesize=1000)
    link.set_busy_timeout(BUSY_MILLISECONDS)
    link.execute("PRAGMA journal_mode=WAL")
    link.execute(f"PRAGMA synchronous={synchronous}")
    link.execute("PRAGMA foreign_keys=ON")
    link.execute("PRAGMA recursive_triggers=ON")  # else INSERT OR REPLACE hides the delete from capture triggers
    link.execute("PRAGMA case_sensitive_like=ON")  # LIKE as PostgreSQL has it
    link.execute("PRAGMA cache_size=-16000")
    link.execute("PRAGMA temp_store=MEMORY")
    register_functions(link)
    register_rest_functions(link)
    return link


@contextmanager
def savepoint(link: apsw.Connection) -> Iterator[None]:
    link.execute("SAVEPOINT job")
    try:
        yield
    except BaseException:
        link.execute("ROLLBACK TO job")
        link.execute("RELEASE job")
        raise
    link.execute("RELEASE job")


@contextmanager
def _within(link: apsw.Connection, seconds: float) -> Iterator[None]:
    """Interrupt what still runs after `seconds`. For reads: SQLite rolls back the whole transaction of an interrupted write."""
    end, mark = time.monotonic() + seconds, object()  # a mark of its own: one limit may stand inside another
    link.set_progress_handler(lambda: time.monotonic() > end, READ_TICK, id=mark)
    try:
        yield
    finally:
        link.set_progress_handler(None, id=mark)


class SqliteDriver:
    """Runs scripts and statements on one SQLite file. `start` before use, `stop` after; safe beside other processes."""

    name = "sqlite"

    def __init__(self, path: Path, synchronous: str, translate: Callable[[apsw.Error], Exception], read_seconds: float) -> None:
        """`read_seconds`: a read that runs longer is interrupted."""
        self.path, self.synchronous, self.read_seconds = path, synchronous, read_seconds
        self.compiler = Compiler("sqlite")
        self._translate = translate
        self._jobs: queue.SimpleQueue[list[Job] | None] = queue.SimpleQueue()
        self._turns: dict[asyncio.AbstractEventLoop, list[Job]] = {}  # what each event loop hands over at the end of its turn
        self._slow: set[str] = set()
        self._ticks = 0
        self.on_commit: Callable[[], None] = lambda: None  # called on the writer thread after each commit

    async def start(self) -> None:
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._reader = connect(self.path, self.synchronous)
        self._reader.set_progress_handler(self._over_budget, LOOP_BUDGET)
        self._readers: queue.SimpleQueue[apsw.Connection] = queue.SimpleQueue()
        for _ in range(READ_THREADS):
            self._readers.put(connect(self.path, self.synchronous))
        self._threads = ThreadPoolExecutor(READ_THREADS, "baaskit-read")
        self._writer = threading.Thread(target=self._write_forever, name="baaskit-write", daemon=True)
        self._writer.start()

    async def stop(self) -> None:
        self._jobs.put(None)
        await asyncio.to_thread(self._writer.join)
        self._threads.shutdown(wait=True)
        self._reader.close()
        while not self._readers.empty():
            self._readers.get().close()

    async def fetch(self, text: str, params: Sequence[Any] = (), seconds: float | None = None) -> list[tuple[Any, ...]]:
        """Rows of one read statement, within `seconds` or the limit of all reads. Runs on the loop while it is short; a
        statement seen to be long runs in a thread."""
        if text not in self._slow:
            self._ticks = 0
            try:
                return self._reader.execute(text, params).fetchall()
            except apsw.InterruptError:
                if len(self._slow) > 10_000:
                    self._slow = {known for known in self._slow if is_slow(known)}
                self._slow.add(text)
            except apsw.Error as problem:
                raise self._translate(problem) from problem
        return await self.read(lambda: _one(Sql(text, params, seconds)))

    def expect(self, text: str) -> None:
        """Told of a read before it runs first: one that Python functions make slow never runs on the loop."""
        if is_slow(text):
            self._slow.add(text)

    def _over_budget(self) -> bool:
        # SQLite counts steps over all runs of a cached statement, so one tick may be the sum of many short runs; two are not.
        self._ticks += 1
        return self._ticks > 1

    async def read(self, script: Callable[[], Script[T]]) -> T:
        """Run a script on one read snapshot, in a thread."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._read, script)

    async def run(self, script: Callable[[], Script[T]]) -> T:
        """Run a script as one write transaction; returns after the commit."""
        return await self.submit(lambda link: self.drive(link, script))

    async def submit(self, job: Callable[[apsw.Connection], T]) -> T:
        """Run `job` on the writer's connection inside a savepoint; returns after the commit that holds it."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        turn = self._turns.get(loop)
        if turn is None:  # requests of one turn wake the writer once, and share a commit
            turn = self._turns[loop] = []
            loop.call_soon(self._hand_over, loop)
        turn.append((job, future, loop))
        return await future

    def _hand_over(self, loop: asyncio.AbstractEventLoop) -> None:
        self._jobs.put(self._turns.pop(loop))

    async def data_version(self) -> int:
        """A number that changes when another connection has committed (PRAGMA data_version of the loop's reader)."""
        [(version,)] = self._reader.execute("PRAGMA data_version").fetchall()
        return int(version)  # type: ignore[arg-type]

    def _read(self, script: Callable[[], Script[T]]) -> T:
        link = self._readers.get()
        try:
            link.execute("BEGIN")
            try:
                with _within(link, self.read_seconds):
                    return self.drive(link, script)
            finally:
                link.execute("ROLLBACK")
        finally:
            self._readers.put(link)

    def drive(self, link: apsw.Connection, script: Callable[[], Script[T]]) -> T:
        """Feed each step's rows back into the generator until it returns."""
        steps = script()
        try:
            step = next(steps)
            while True:
                try:
                    rows = self._step(link, step)
                except apsw.Error as problem:
                    step = steps.throw(self._translate(problem))
                else:
                    step = steps.send(rows)
        except StopIteration as finished:
            result: T = finished.value
            return result

    def _step(self, link: apsw.Connection, step: Any) -> list[Any]:
        if isinstance(step, Sql):
            if step.seconds is None:
                return link.execute(step.text, step.params).fetchall()
            with _within(link, step.seconds):
                return link.execute(step.text, step.params).fetchall()
        statement, params = step if isinstance(step, Bound) else (step, None)
        compiled, values = self.compiler.compile(statement, params)
        return compiled.rows(link.execute(compiled.text, compiled.bind(values)).fetchall())

    def _write_forever(self) -> None:
        link = connect(self.path, self.synchronous)
        while (jobs := self._jobs.get()) is not None:
            stop = self._write_group(link, jobs)
            self.on_commit()
            if stop:
                break
        link.execute("PRAGMA wal_checkpoint(PASSIVE)")
        link.close()

    def _write_group(self, link: apsw.Connection, jobs: list[Job]) -> bool:
        """Run `jobs` and what arrives meanwhile in one commit, then wake their callers. True when told to stop."""
        done: list[tuple[Job, Any, BaseException | None]] = []
        stop = False
        try:
            link.execute("BEGIN IMMEDIATE")
            for job in jobs:  # grows while it runs
                done.append((job, *_outcome(link, job[0])))
                if len(done) == len(jobs) and len(done) < GROUP_LIMIT and not stop and not self._jobs.empty():
                    more = self._jobs.get()
                    stop = more is None
                    jobs += more or []
            link.execute("COMMIT")
        except apsw.Error as problem:
            if link.in_transaction:
                link.execute("ROLLBACK")
            failure: Exception = self._translate(problem)
            if isinstance(problem, apsw.BusyError):
                failure = Overloaded("The database is busy with another writer.", hint="Try again shortly.")
            done = [(job, None, failure) for job in jobs]
        _answer(done)
        return stop


def _one(step: Sql) -> Script[list[tuple[Any, ...]]]:
    rows: list[tuple[Any, ...]] = yield step
    return rows


def _outcome(link: apsw.Connection, job: Callable[[apsw.Connection], Any]) -> tuple[Any, BaseException | None]:
    try:
        with savepoint(link):
            return job(link), None
    except Exception as problem:
        if not link.in_transaction:  # SQLite itself rolled the whole group back (disk full, I/O error)
            raise apsw.IOError(str(problem)) from problem
        return None, problem


def _answer(done: list[tuple[Job, Any, BaseException | None]]) -> None:
    """Resolve the futures of a group, one wake-up per event loop."""
    by_loop: dict[asyncio.AbstractEventLoop, list[tuple[asyncio.Future[Any], Any, BaseException | None]]] = {}
    for (_, future, loop), value, problem in done:
        by_loop.setdefault(loop, []).append((future, value, problem))
    for loop, answers in by_loop.items():
        try:
            loop.call_soon_threadsafe(_resolve, answers)
        except RuntimeError:  # the loop is closed: nobody waits any more
            continue


def _resolve(answers: list[tuple[asyncio.Future[Any], Any, BaseException | None]]) -> None:
    for future, value, problem in answers:
        if future.done():
            continue
        if problem is not None:
            future.set_exception(problem)
        else:
            future.set_result(value)
