"""`baaskit db …`: migrations made, applied, taken back, and compared with the database."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from baaskit.errors import Fault, Faults
from baaskit.kernel.database import Database
from baaskit.kernel.database.migrate import SEED, File, State, named, state, take_back
from baaskit.project import POLICIES, Project
from baaskit.serving import Report, bring_up_to_date, database_of, report_closed
from baaskit.settings import Settings

EMPTY = """-- {name}
--
-- PostgreSQL's SQL; docs/reference/sql.md says what of it is understood on SQLite.

-- migrate:up


-- migrate:down
-- How to undo it, for  baaskit db down . Without statements here it cannot be taken back.
"""


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Database]:
    """The project's database, started."""
    database = database_of(settings)
    await database.start()
    try:
        yield database
    finally:
        await database.stop()


def new(project: Project, name: str, now: datetime, text: str | None = None) -> Path:
    """Write an empty migration whose name sorts behind all others. Raises Fault for a name without letters."""
    words = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")
    if not words:
        raise Fault(f"{name!r} cannot be the name of a migration", line=0, hint="Say what it does:  baaskit db new add_notes")
    path = project.dir / "migrations" / f"{_prefix(project, now)}_{words}.sql"
    path.parent.mkdir(exist_ok=True)
    with path.open("x", encoding="utf-8") as file:
        file.write(text or EMPTY.format(name=words.replace("_", " ")))
    return path


def _prefix(project: Project, now: datetime) -> str:
    """The moment; or, if a name is greater already (a clock that was wrong), the number after it."""
    stamp = now.strftime("%Y%m%d%H%M%S")
    last = re.match(r"\d*", project.migrations[-1].name) if project.migrations else None
    if last and last[0] and project.migrations[-1].name >= stamp:
        return str(int(last[0]) + 1).zfill(len(last[0]))
    return stamp


async def up(
    project: Project, settings: Settings, report: Report, *, to: str | None = None, rehearse: bool = False, strict: bool = False
) -> list[str]:
    """Apply pending migrations (up to `to`) and, behind the last one, a changed policies.sql. What they may do to live data is told
    first; with `strict` it is raised (Faults) and nothing is applied."""
    async with opened(settings) as database:
        told = await _dangers(project, database, to)
        if strict and told:
            raise Faults(told)
        for fault in told:
            report(f"warning: {fault}")
        return await bring_up_to_date(project, database, report, to=to, rehearse=rehearse)


async def _dangers(project: Project, database: Database, to: str | None) -> list[Fault]:
    """What the files that are to be applied may do to the tables of the database that hold rows."""
    now = await state(project, database)
    files = now.pending if to is None else now.pending[: now.pending.index(named(to, now.pending, "pending")) + 1]
    if not files or database.attached:
        return []
    from baaskit.kernel.database.dangers import Known, dangers
    from baaskit.kernel.database.lint import holding

    schema, kept = database.catalog.schema, {file.name for file in files}
    known = Known(set(schema.tables), await holding(database), set(schema.captured))
    ordered = [file for file in project.migrations if file.name in now.applied or file.name in kept]
    return dangers(ordered, kept, database.dialect, users_of_names(project, database.catalog.policies.text), known)


def users_of_names(project: Project, live: str = "") -> dict[str, str]:
    """Policies and functions, which call tables and columns by name: texts by what to call them. `live`: policies when there is no file."""
    from baaskit.kernel.database.ddl import statements

    path, text = (POLICIES, project.policies.text) if project.policies else ("the live policies", live)
    try:
        texts = {f"{path}:{text.count(chr(10), 0, words.start) + 1}": words.text for words in statements(text, path)}
    except Fault:  # said elsewhere, with its place
        texts = {path: text}
    for file in sorted(project.functions_dir.rglob("*.py")):
        texts[file.relative_to(project.dir).as_posix()] = file.read_text(encoding="utf-8", errors="replace")
    return texts


async def down(
    project: Project,
    settings: Settings,
    report: Report,
    confirm: Callable[[list[str]], bool],
    *,
    to: str | None = None,
    steps: int = 1,
) -> list[str]:
    """Take back the newest `steps` migrations, or all behind `to`. `confirm` is asked when data would be lost."""
    from baaskit.kernel.database.lint import losses

    async with opened(settings) as database:
        files = _applied_files(project, await state(project, database))
        if to is not None:
            files = files[: files.index(named(to, files, "applied"))]
        else:
            files = files[:steps]
        lost = await losses(files, database)
        if lost and not confirm(lost):
            return []
        closed = {fault.message for fault in database.catalog.policies.closed}
        done = await take_back(files, database, report)
        report_closed(database, closed, report)
        return done


def _applied_files(project: Project, now: State) -> list[File]:
    """Files of applied migrations, newest first. Raises Fault when one is gone, Faults when one was changed."""
    now.refuse_changed()
    by_name = {file.name: file for file in project.migrations}
    applied = [name for name in reversed(now.applied) if name != SEED]
    for name in applied:
        if name not in by_name:
            raise Fault(f"the file of {name} is gone, so it cannot be taken back", line=0, hint="Get it back from the version control.")
    return [by_name[name] for name in applied]


async def status(project: Project, settings: Settings) -> dict[str, Any]:
    """What `db status --json` prints. A database that does not exist is not made."""
    if settings.dialect == "sqlite" and not settings.database_path.exists():
        waiting = [{"name": m.name, "state": "pending"} for m in project.migrations]
        return {"migrations": waiting, "drift": []}
    async with opened(settings) as database:
        now = await state(project, database)
        drift = await _drift(project, now, database)
        while (later := await state(project, database)) != now:  # a server that is just starting has applied more
            now, drift = later, await _drift(project, later, database)
        changed = {file.name for file in now.changed}
        entries: list[dict[str, Any]] = [
            {
                "name": r.name, "state": "changed" if r.name in changed else "missing" if r.name in now.missing else "applied",
                "applied_at": r.at.isoformat(timespec="seconds"), "applied_by": r.by, "duration_ms": r.milliseconds,
            }
            for r in now.records
        ]  # fmt: skip
        entries += [{"name": m.name, "state": "unfinished" if m.name in now.unfinished else "pending"} for m in now.pending]
        return {"migrations": entries, "drift": drift}


async def _drift(project: Project, now: State, database: Database) -> list[str]:
    from baaskit.kernel.database import proposal

    try:
        return await proposal.drift(database, _given(project, now))
    except Fault as problem:
        return [f"unknown: {problem.message}"]


def _given(project: Project, now: State) -> list[File]:
    """Files of applied migrations in their order: what the database should be."""
    return [file for file in project.migrations if file.name in now.applied]


@dataclass(frozen=True, slots=True)
class Difference:
    """`path` is where it was written. `left`: what the text does not bring over. `pending`: files that are not applied."""

    text: str
    left: tuple[str, ...] = ()
    pending: tuple[str, ...] = ()
    path: Path | None = None


async def diff(project: Project, settings: Settings, name: str | None, now: datetime, *, reverse: bool = False) -> Difference:
    """What the database has past its applied migrations, as a new one; with a `name` it is written and recorded as applied.

    `reverse`: statements that would make the database what all migrations give, the pending ones too.
    """
    from baaskit.kernel.database import proposal

    async with opened(settings) as database:
        found = await state(project, database)
        found.refuse_changed()
        pending = tuple(file.name for file in found.pending)
        if reverse:
            return Difference(await proposal.towards(database, project.migrations), pending=pending)
        made = await proposal.propose(database, _given(project, found), "the proposed migration")
        if not name or not made.text:
            return Difference(made.text, made.left, pending)
        path = new(project, name, now, made.text)
        if made.runs:
            await proposal.adopt(database, path.name, made)
        return Difference(made.text, made.left, pending, path)
