"""Applying a project's migrations and taking them back: what is recorded, what is pending, and in which transactions it is run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from sqlalchemy import delete, select

from baaskit.errors import Fault, Faults
from baaskit.kernel.database import Database, Script
from baaskit.kernel.database.migration_text import Section, matches, sections
from baaskit.kernel.schema import Schema

SEED_DUE = "seed"  # key of baaskit.state, from the first migration until the seed has been applied
PROGRESS = "migration:"  # prefix of keys of baaskit.state: how far a migration without a transaction has come
SEED = "seed.sql"
Report = Callable[[str], None]
Finish = Callable[[Schema], Script[None]]


class File(Protocol):
    """An SQL file: the name it is recorded under and its text."""

    @property
    def name(self) -> str: ...
    @property
    def text(self) -> str: ...
    @property
    def path(self) -> Any: ...


class Files(Protocol):
    """The part of a project that is applied to a database."""

    @property
    def migrations(self) -> Sequence[File]: ...
    @property
    def seed(self) -> File | None: ...


@dataclass(frozen=True, slots=True)
class Job:
    """A file to run in one direction."""

    file: File
    down: bool = False

    @property
    def section(self) -> Section:
        found = sections(self.file.text, str(self.file.path))
        if not self.down:
            return found.up
        if found.down is None or found.down.empty:
            hint = "Write how under a line  -- migrate:down . It may be added to a migration that has been applied."
            raise Fault(f"{self.file.name} does not say how to take it back", file=str(self.file.path), line=0, hint=hint)
        return found.down


@dataclass(frozen=True, slots=True)
class Record:
    """A migration as the database remembers it. `by` and `milliseconds` are None for what version 0.1.0 applied."""

    name: str
    checksum: str
    at: datetime
    by: str | None
    milliseconds: int | None


@dataclass(frozen=True, slots=True)
class State:
    """What is applied and what is not.

    `missing`: applied, but the file is gone: nothing is wrong with the database, but it cannot be made anew. `changed`: the file
    is not what was applied. `unfinished`: begun without a transaction and interrupted; the next run goes on.
    """

    records: tuple[Record, ...]
    pending: tuple[File, ...]
    missing: tuple[str, ...]
    changed: tuple[File, ...]
    unfinished: tuple[str, ...]

    @property
    def applied(self) -> tuple[str, ...]:
        return tuple(record.name for record in self.records)

    def refuse_changed(self) -> None:
        """Raises Faults when a file was changed after it was applied."""
        hint = "Put its text back, and write the change as a new migration. In a throw-away project: delete .baaskit/data.db."
        if self.changed:
            raise Faults([Fault(f"{m.name} was changed after it was applied", file=str(m.path), line=0, hint=hint) for m in self.changed])


async def state(project: Files, database: Database) -> State:
    """Compare the files with what the database remembers. Never raises for what it finds."""
    t = database.tables
    rows = await database.query(select(t.migrations).order_by(t.migrations.c.applied_at, t.migrations.c.name))
    records = tuple(Record(r["name"], r["checksum"], r["applied_at"], r["applied_by"], r["duration_ms"]) for r in rows)
    recorded = {record.name: record.checksum for record in records}
    begun = await database.query(select(t.state.c.key).where(t.state.c.key.startswith(PROGRESS)))
    names = {m.name for m in project.migrations} | {SEED}
    return State(
        records,
        tuple(m for m in project.migrations if m.name not in recorded),
        tuple(name for name in recorded if name not in names),
        tuple(m for m in project.migrations if m.name in recorded and not matches(recorded[m.name], m.text)),
        tuple(sorted(row["key"].removeprefix(PROGRESS) for row in begun)),
    )


async def pending(project: Files, database: Database) -> tuple[File, ...]:
    """Migrations that are not applied, in their order. Raises Faults when the file of an applied one has been changed."""
    now = await state(project, database)
    now.refuse_changed()
    return now.pending


async def apply(
    project: Files,
    database: Database,
    report: Report = lambda line: None,
    *,
    to: str | None = None,
    finish: Finish | None = None,
    rehearse: bool = False,
) -> list[str]:
    """Apply what is pending, in the order of the names; then, in a new database, `seed.sql`. Returns the names applied.

    `to`: the last file to apply. `finish` gets the schema that the files have made and gives more steps (policies); then all of it is
    one transaction, so that nobody ever sees the new tables under the old policies. Without it each file is one. A file
    `transaction:false` is none, and ends what is before it. A file without statements stays pending. `rehearse`: one transaction that is rolled back, without such files.
    Raises Faults at the first statement that fails: of its transaction nothing is applied.
    """
    now = await state(project, database)
    now.refuse_changed()
    files = _up_to(to, now)
    if not now.applied and not rehearse:
        await _set_seed_due(database, True)
    last = len(files) == len(now.pending)
    for bare in [file for file in files if Job(file).section.empty]:  # just made by `db new`: recorded, it could not be filled in any more
        report(f"{bare.name} holds no statements yet: not applied")
    files = tuple(file for file in files if not Job(file).section.empty)
    seeding = last and (not now.applied if rehearse else await _is_seed_due(database))
    if seeding and project.seed is not None and SEED not in now.applied:
        files = (*files, project.seed)
    done: list[str] = []
    try:
        for group, closing in _groups([Job(file) for file in files], finish if last else None, together=rehearse):
            if not rehearse or all(job.section.transaction for job in group):
                names = await _run(group, database, closing, rehearse=rehearse)
                done += names
                for name in names:
                    report(f"{'would apply' if rehearse else 'applied'} {name}")
            else:
                report(f"would apply {group[0].file.name}, which cannot be tried out: it is not one transaction")
    finally:
        if done and not rehearse:
            await database.reload()
    if seeding and not rehearse:
        await _set_seed_due(database, False)
    return done


def _up_to(to: str | None, now: State) -> tuple[File, ...]:
    if to is None:
        return now.pending
    return now.pending[: now.pending.index(named(to, now.pending, "pending")) + 1]


def named(given: str, files: Sequence[File], what: str) -> File:
    """The one file that is meant by its name or the beginning of it (`0002`). Raises Fault."""
    found = [f for f in files if f.name in (given, f"{given}.sql")] or [f for f in files if f.name.startswith(given)]
    if len(found) != 1:
        names = ", ".join(f.name for f in found or files) or "none"
        raise Fault(f"{given!r} is not one {what} migration", line=0, hint=f"{'It may mean' if found else 'There are'}: {names}.")
    return found[0]


def _groups(jobs: Sequence[Job], finish: Finish | None, *, together: bool) -> list[tuple[list[Job], Finish | None]]:
    """Jobs by transaction; `finish` belongs to the last one that is a transaction."""
    groups: list[list[Job]] = []
    open_ = False
    for job in jobs:
        if open_ and job.section.transaction and (together or finish is not None):
            groups[-1].append(job)
        else:
            groups.append([job])
        open_ = job.section.transaction
    if finish is not None and not open_:
        groups.append([])
    return [(group, finish if index == len(groups) - 1 else None) for index, group in enumerate(groups)]


async def take_back(files: Sequence[File], database: Database, report: Report = lambda line: None) -> list[str]:
    """Run the sections `down` of applied files, in the given order (newest first), each in one transaction.

    Raises Fault before anything is run when one of them has none.
    """
    jobs = [Job(file, down=True) for file in files]
    for job in jobs:
        _ = job.section
    done: list[str] = []
    try:
        for job in jobs:
            done += await _run([job], database, None)
            report(f"took back {job.file.name}")
    finally:
        if done:
            await database.reload()
    return done


async def apply_file(file: File, database: Database) -> None:
    """Run one file and record it. Does nothing if another process was faster."""
    await _run([Job(file)], database, None)


async def _run(jobs: Sequence[Job], database: Database, finish: Finish | None, *, rehearse: bool = False) -> list[str]:
    # The translator and its parser are loaded when there is a file to run: 25 MB and a third of a second that a start without one saves.
    from baaskit.kernel.database import migration_file

    return await migration_file.run(jobs, database, finish, rehearse=rehearse)


async def _is_seed_due(database: Database) -> bool:
    t = database.tables
    return bool(await database.query(select(t.state.c.key).where(t.state.c.key == SEED_DUE)))


async def _set_seed_due(database: Database, due: bool) -> None:
    if due:
        await database.run(lambda: database.remember(SEED_DUE, {"due": True}))
    else:
        t = database.tables
        await database.execute(delete(t.state).where(t.state.c.key == SEED_DUE))
