"""`db diff`: what a database has that its migrations do not give, as the text of a new migration.

The migrations are run on a scratch database, which is compared with the real one. The text is then run on the scratch database,
too, and taken back: what it does not bring over is told and never left out silently.
"""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
from sqlalchemy import delete, insert, select

from baaskit.errors import BaasError, Fault
from baaskit.kernel.database import Database, Row, Script
from baaskit.kernel.database.difference import difference
from baaskit.kernel.database.migrate import File, apply_file, take_back
from baaskit.kernel.database.migration_file import author
from baaskit.kernel.database.migration_text import checksum
from baaskit.kernel.database.shape import compare, read


@dataclass(frozen=True, slots=True)
class _Text:
    name: str
    text: str
    path: Any


@dataclass(frozen=True, slots=True)
class Proposal:
    """`drift`: the differences in words. `text`: a migration with both sections, empty when there is no difference.

    `left`: what the text does not bring over; `runs`: whether it can be run at all. `notes`: rows of baaskit.columns after it.
    """

    drift: list[str]
    text: str = ""
    left: tuple[str, ...] = ()
    runs: bool = True
    notes: tuple[Row, ...] = ()


@asynccontextmanager
async def scratch(database: Database, files: Sequence[File]) -> AsyncIterator[Database]:
    """A database of the same kind that holds what `files` give; it is gone afterwards. On PostgreSQL it is one on the same server.

    Raises Fault when the role may not make one.
    """
    if database.dialect == "sqlite":
        with tempfile.TemporaryDirectory(prefix="baaskit-scratch-") as folder:
            async with _filled(f"sqlite:///{Path(folder) / 'scratch.db'}", database.schemas, files) as found:
                yield found
        return
    name = f"baaskit_scratch_{secrets.token_hex(6)}"
    async with database.pg_session() as link:
        try:
            await link.execute(f"CREATE DATABASE {name}")
        except asyncpg.InsufficientPrivilegeError:
            role = await link.fetchval("SELECT current_user")
            hint = f"The migrations are tried out on a database of their own:  alter role {role} createdb;"
            raise Fault(f"the role {role!r} may not make a database to compare with", line=0, hint=hint) from None
        try:
            async with _filled(urlsplit(database.url)._replace(path=f"/{name}").geturl(), database.schemas, files) as found:
                yield found
        finally:
            await link.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


@asynccontextmanager
async def _filled(url: str, schemas: Sequence[str], files: Sequence[File]) -> AsyncIterator[Database]:
    database = Database(url, schemas=schemas, synchronous="OFF")
    await database.start()
    try:
        for file in files:
            await apply_file(file, database)
        await database.reload()
        yield database
    finally:
        await database.stop()


async def drift(database: Database, files: Sequence[File]) -> list[str]:
    """In words: how the database differs from what `files` (the applied ones) give."""
    async with scratch(database, files) as other:
        return compare(await read(database), await read(other))


async def towards(database: Database, files: Sequence[File]) -> str:
    """Statements that would make the database what `files` give."""
    async with scratch(database, files) as other:
        return "".join(f"{line}\n" for line in difference(await read(database), await read(other)))


async def propose(database: Database, files: Sequence[File], name: str) -> Proposal:
    """The migration `name` that would make of what `files` (the applied ones) give what the database is."""
    async with scratch(database, files) as other:
        base, wanted = await read(other), await read(database)
        found = compare(wanted, base)
        if not found:
            return Proposal([])
        there, back = difference(base, wanted), difference(wanted, base)
        text = "-- migrate:up\n" + "\n".join(there) + "\n\n-- migrate:down\n" + "\n".join(back) + "\n"
        file = _Text(name, text, name)
        try:
            await apply_file(file, other)
        except (Fault, BaasError) as problem:
            return Proposal(found, text, (f"it cannot be run: {problem}",), runs=False)
        left = compare(wanted, await read(other))
        notes = tuple(await other.query(select(other.tables.columns)))
        if not back:
            return Proposal(found, text, tuple(left), notes=notes)
        try:
            await take_back([file], other)
            left += [f"on the way back: {line}" for line in compare(await read(other), base)]
        except (Fault, BaasError) as problem:
            left.append(f"the way back cannot be run: {problem}")
        return Proposal(found, text, tuple(left), notes=notes)


async def adopt(database: Database, name: str, proposal: Proposal) -> None:
    """Record a proposal as applied: the database has it already. On SQLite the types that it names are noted for the columns."""
    t = database.tables

    def script() -> Script[None]:
        yield insert(t.migrations).values(name=name, checksum=checksum(proposal.text), applied_by=author(), duration_ms=0)
        if database.dialect == "sqlite" and not any(not line.startswith(("on the way", "the way")) for line in proposal.left):
            yield delete(t.columns)
            for row in proposal.notes:
                yield insert(t.columns).values(**row)

    await database.run(script)
    await database.reload()
