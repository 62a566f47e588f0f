"""`baaskit check`: everything a person wrote, tried out on a database that is thrown away."""

from __future__ import annotations

import tempfile
from pathlib import Path

import apsw

from baaskit.errors import BaasError, Fault, Faults
from baaskit.functions.service import check as check_functions
from baaskit.kernel.database import Database
from baaskit.kernel.database.dangers import dangers
from baaskit.kernel.database.ddl import refuse_everywhere, statements
from baaskit.kernel.database.migrate import apply_file
from baaskit.kernel.policy import PolicyFaults, parse_policies
from baaskit.migrating import users_of_names
from baaskit.project import Project
from baaskit.settings import Settings

ANSWER_SECONDS = 5


async def check_project(project: Project, settings: Settings) -> list[Fault]:
    """All faults, in the order of the files.

    Migrations run on an empty SQLite database, policies are checked against the tables they make. A project for PostgreSQL may
    use all of its SQL, so there migrations are only read, and policies are checked when they are applied.
    """
    faults: list[Fault] = []
    if settings.attached:
        faults += await _on_theirs(project, settings)
    elif settings.dialect == "sqlite":
        with tempfile.TemporaryDirectory(prefix="baaskit-check-") as folder:
            faults += await _try_out(project, settings, Path(folder))
    else:
        faults += _read(project)
    if project.functions_dir.is_dir():
        try:
            await check_functions(project.functions_dir)
        except Faults as problem:
            faults += problem.faults
    return faults


async def check_live(project: Project, settings: Settings) -> list[Fault]:
    """What migrations that are not applied may do to tables in use (`dangers`). Without a database to ask, none is applied."""
    if settings.attached:
        return []
    applied = await _applied(settings)
    pending = {file.name for file in project.migrations} - applied
    try:
        return dangers(project.migrations, pending, settings.dialect, users_of_names(project))
    except Fault:  # a text that cannot be read is a fault of `check_project`
        return []


async def _applied(settings: Settings) -> set[str]:
    """Names of applied migrations, read without changing anything; none when there is no such database or no answer from it."""
    if settings.dialect == "sqlite":
        if not settings.database_path.exists():
            return set()
        try:
            link = apsw.Connection(str(settings.database_path), flags=apsw.SQLITE_OPEN_READONLY)
            return {str(name) for (name,) in link.execute('SELECT name FROM "baaskit.migrations"')}
        except apsw.Error:
            return set()
    import asyncpg

    try:
        link = await asyncpg.connect(settings.database_url, timeout=ANSWER_SECONDS)
    except (OSError, asyncpg.PostgresError, TimeoutError):
        return set()
    try:
        return {row["name"] for row in await link.fetch("SELECT name FROM baaskit.migrations")}
    except asyncpg.PostgresError:
        return set()
    finally:
        await link.close()


async def _on_theirs(project: Project, settings: Settings) -> list[Fault]:
    """An attached project has no migrations: its policies are held to the database as it is."""
    database = Database.of(settings)
    await database.start()
    try:
        if project.policies is not None:
            parse_policies(project.policies.text, database.catalog.schema, file=str(project.policies.path))
    except PolicyFaults as problem:
        return list(problem.faults)
    finally:
        await database.stop()
    return []


async def _try_out(project: Project, settings: Settings, folder: Path) -> list[Fault]:
    database = Database(f"sqlite:///{folder / 'check.db'}", schemas=settings.exposed_schemas, synchronous="NORMAL")
    await database.start()
    try:
        for file in (*project.migrations, *([project.seed] if project.seed else [])):
            try:
                await apply_file(file, database)
            except Fault as fault:
                return [fault]  # what follows depends on it
            except BaasError as problem:
                return [Fault(problem.message, file=str(file.path), line=0, hint=problem.hint)]
        await database.reload()
        if project.policies is not None:
            parse_policies(project.policies.text, database.catalog.schema, file=str(project.policies.path))
    except PolicyFaults as problem:
        return list(problem.faults)
    finally:
        await database.stop()
    return []


def _read(project: Project) -> list[Fault]:
    faults = []
    for file in project.migrations:
        try:
            for words in statements(file.text, str(file.path)):
                refuse_everywhere(words)
        except Fault as fault:
            faults.append(fault)
    return faults
