"""Applying a project's migrations: each file in one transaction, recorded in it, so an interrupted one leaves nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from sqlalchemy import delete, insert, select

from baaskit.errors import Fault, Faults
from baaskit.kernel.database import Database, Script

SEED_DUE = "seed"  # key of baaskit.state, from the first migration until the seed has been applied
Report = Callable[[str], None]


class File(Protocol):
    """An SQL file: the name it is recorded under, its text and checksum."""

    @property
    def name(self) -> str: ...
    @property
    def text(self) -> str: ...
    @property
    def path(self) -> Any: ...
    @property
    def checksum(self) -> str: ...


class Files(Protocol):
    """The part of a project that is applied to a database."""

    @property
    def migrations(self) -> Sequence[File]: ...
    @property
    def seed(self) -> File | None: ...


@dataclass(frozen=True, slots=True)
class State:
    """`missing` names applied migrations whose file is gone: nothing is wrong with the database, but it cannot be made anew."""

    applied: tuple[str, ...]
    pending: tuple[File, ...]
    missing: tuple[str, ...]


async def state(project: Files, database: Database) -> State:
    """What is applied and what is not. Raises Faults when the file of an applied migration has been changed."""
    t = database.tables
    recorded = {row["name"]: row["checksum"] for row in await database.query(select(t.migrations).order_by(t.migrations.c.applied_at))}
    changed = [m for m in project.migrations if recorded.get(m.name, m.checksum) != m.checksum]
    if changed:
        hint = "Put its text back, and write the change as a new migration. In a throw-away project: delete .baaskit/data.db."
        raise Faults([Fault(f"{m.name} was changed after it was applied", file=str(m.path), line=0, hint=hint) for m in changed])
    names = {m.name for m in project.migrations} | {"seed.sql"}
    return State(
        tuple(recorded), tuple(m for m in project.migrations if m.name not in recorded), tuple(n for n in recorded if n not in names)
    )


async def pending(project: Files, database: Database) -> tuple[File, ...]:
    """Migrations that are not applied, in their order."""
    return (await state(project, database)).pending


async def apply(project: Files, database: Database, report: Report = lambda line: None) -> list[str]:
    """Apply what is pending, in the order of the names; then, in a new database, `seed.sql`. Returns the names applied.

    Raises Faults at the first statement that fails: the files before are applied, of that one nothing is.
    """
    now = await state(project, database)
    if not now.applied:
        await _set_seed_due(database, True)
    done: list[str] = []
    for file in now.pending:
        await apply_file(file, database)
        done.append(file.name)
        report(f"applied {file.name}")
    if await _is_seed_due(database):
        if project.seed is not None and "seed.sql" not in now.applied:
            await apply_file(project.seed, database)
            done.append(project.seed.name)
            report(f"applied {project.seed.name}")
        await _set_seed_due(database, False)
    if done:
        await database.reload()
    return done


async def apply_file(file: File, database: Database) -> None:
    """Run one file and record it, in one transaction. Does nothing if another process was faster."""
    # The translator and its parser are loaded when there is a file to run: 25 MB and a third of a second that a start without one saves.
    from baaskit.kernel.database import migration_file

    await migration_file.run(file, database)


async def _is_seed_due(database: Database) -> bool:
    t = database.tables
    return bool(await database.query(select(t.state.c.key).where(t.state.c.key == SEED_DUE)))


async def _set_seed_due(database: Database, due: bool) -> None:
    t = database.tables

    def script() -> Script[None]:
        yield delete(t.state).where(t.state.c.key == SEED_DUE)
        if due:
            yield insert(t.state).values(key=SEED_DUE, value={"due": True})

    await database.run(script)
