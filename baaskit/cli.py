"""The command line: every command parses, calls one function, prints, and sets the exit code.

The server and the database layer are imported by the commands that use them: `init` and `--help` answer at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import difflib
import json
import secrets
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, cast
from urllib.parse import urlsplit

import typer
from rich.console import Console

from baaskit import __version__
from baaskit.errors import BaasError, Fault, Faults
from baaskit.errors.attached import NotOurs
from baaskit.project import POLICIES, Project, init_project, load_project
from baaskit.settings import Settings, load_settings

if TYPE_CHECKING:
    from baaskit.app import App
    from baaskit.kernel.database import Database
    from baaskit.kernel.keys import Keys
    from baaskit.kernel.kit import Kit
    from baaskit.why import Question

T = TypeVar("T")
out, err = Console(highlight=False, soft_wrap=True), Console(stderr=True, highlight=False, soft_wrap=True)

cli = typer.Typer(
    no_args_is_help=True, invoke_without_command=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode="rich"
)
users = typer.Typer(no_args_is_help=True, help="Users of the project's app.")
admins = typer.Typer(no_args_is_help=True, help="People who may use the console.")
policies = typer.Typer(no_args_is_help=True, help="The live policies and the file policies.sql.")
db = typer.Typer(no_args_is_help=True, help="Migrations: make, apply, take back, compare with the database.")
cli.add_typer(db, name="db")
cli.add_typer(users, name="users")
cli.add_typer(admins, name="admins")
keys_app = typer.Typer(no_args_is_help=True, help="Keys that sign tokens, and keys of the API.")
mail_app = typer.Typer(no_args_is_help=True, help="The words of mails and text messages.")
cli.add_typer(policies, name="policies")
cli.add_typer(keys_app, name="keys")
cli.add_typer(mail_app, name="mail")


@cli.callback()
def program(version: Annotated[bool, typer.Option("--version", help="Print the version and end.")] = False) -> None:
    """A backend in one process: data API, sign-in, live queries, files, functions, console."""
    if version:
        typer.echo(f"baaskit {__version__}")
        raise typer.Exit


Dir = Annotated[Path, typer.Argument(metavar="DIR", help="The project's folder.")]
InDir = Annotated[Path, typer.Option("--dir", "-C", help="The project's folder.")]
Host = Annotated[str | None, typer.Option(help="Address to listen on. Default: the setting, 127.0.0.1.")]
Port = Annotated[int | None, typer.Option(help="Port to listen on; 0 takes a free one. Default: the setting, 54321.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
Strict = Annotated[bool, typer.Option("--strict", help="Take warnings about live data for errors.")]
Password = Annotated[str | None, typer.Option(help="Default: one is made and printed.")]


class ApiKind(StrEnum):
    publishable = "publishable"
    secret = "secret"  # noqa: S105  (a kind, not a secret)


class Role(StrEnum):
    owner = "owner"
    developer = "developer"
    viewer = "viewer"


@dataclass(frozen=True, slots=True)
class Opened:
    project: Project
    settings: Settings


def main() -> None:
    """Entry point. A fault of the person's files or surroundings is words and exit code 1, never a traceback."""
    try:
        cli()
    except Faults as problem:
        _fail(problem.faults)
    except (Fault, BaasError, PermissionError) as problem:
        _fail([problem])
    except (OSError, ConnectionError) as problem:
        _fail([f"{problem.strerror or problem}{f': {problem.filename}' if problem.filename else ''}"])


def _fail(problems: list[Any]) -> None:
    for problem in problems:
        err.print(str(problem), style="red", markup=False)
        if isinstance(problem, BaasError) and problem.hint:
            err.print(f"  hint: {problem.hint}", markup=False)
    sys.exit(1)


def _run(work: Coroutine[Any, Any, T]) -> T:
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)


def _open(folder: Path, **overrides: Any) -> Opened:
    return Opened(load_project(folder), load_settings(folder, **overrides))


def _open_own(folder: Path) -> Opened:
    """A project whose database is its own, as migrations need it. Raises NotOurs."""
    opened = _open(folder)
    if opened.settings.attached:
        raise NotOurs()
    return opened


def _print(data: Any) -> None:
    print(json.dumps(data, ensure_ascii=False, default=str), flush=True)


def complain(problems: list[Fault]) -> None:
    for problem in problems:
        err.print(str(problem), style="red", markup=False)


@cli.command()
def init(folder: Dir) -> None:
    """Make a new project in DIR. Files that exist are never changed.

    Example:  baaskit init shop && baaskit dev shop
    """
    written = init_project(folder)
    for path in written:
        out.print(f"wrote {path.relative_to(folder)}", markup=False)
    out.print(f"\nNext:  baaskit dev {folder}" if written else "Everything is there already; nothing was written.", markup=False)


@cli.command()
def dev(folder: Dir = Path(), host: Host = None, port: Port = None, as_json: Json = False) -> None:
    """Serve DIR and follow its files: migrations, policies and functions are taken over as they are saved.

    Example:  baaskit dev shop --port 8000
    """
    _run(_serve(folder, host, port, as_json, migrate=True, watch=True))


@cli.command()
def serve(
    folder: Dir = Path(), host: Host = None, port: Port = None, as_json: Json = False,
    migrate: Annotated[bool, typer.Option("--migrate/--no-migrate", help="Apply pending migrations and policies.sql first.")] = True,
) -> None:  # fmt: skip
    """Serve DIR in production. Refuses to start when anything is wrong.

    Example:  baaskit serve shop --host 0.0.0.0 --json
    """
    _run(_serve(folder, host, port, as_json, migrate=migrate, watch=False))


async def _serve(folder: Path, host: str | None, port: int | None, as_json: bool, *, migrate: bool, watch: bool) -> None:
    from baaskit.functions import sandbox

    # Trying the sandbox is a process's work, and loading the server this one's: a third of a second that need not add up.
    box = asyncio.get_running_loop().run_in_executor(None, sandbox.choose)

    from baaskit import console as admin_console
    from baaskit import serving
    from baaskit.app import App
    from baaskit.observe import log_to_stderr

    opened = _open(folder, host=host, port=port)
    sock = serving.listen(opened.settings.host, opened.settings.port)
    mailbox = opened.settings.mail_mailbox or (watch and opened.settings.smtp_host is None)
    settings = opened.settings.model_copy(update={"port": sock.getsockname()[1], "mail_mailbox": mailbox})
    log_to_stderr(as_json=as_json, level=settings.log_level)
    say = (lambda line: None) if as_json else (lambda line: out.print(line, markup=False))

    async def prepare(database: Database) -> None:
        if not migrate:
            return
        try:
            await serving.bring_up_to_date(opened.project, database, say)
        except Faults as problem:
            if not watch:
                raise
            complain(problem.faults)  # development goes on with what the database has; the next save tries again

    app = App(settings, functions=opened.project.functions_dir, public=opened.project.dir / "public")
    app.functions.sandbox = await box
    await app.start(tolerate_faults=watch, prepare=prepare)
    follower: asyncio.Task[None] | None = None
    try:
        token = await admin_console.ensure_setup_token(app.kit)
        if watch:
            follower = asyncio.create_task(
                serving.follow(app, opened.project.dir, lambda line: err.print(line, markup=False)), name="watch"
            )
            await asyncio.sleep(0)  # the watch stands before anyone is told that the server is ready
        await serving.run(app, sock, settings, lambda: _ready(app, token, as_json))
    finally:
        if follower:
            follower.cancel()
            await asyncio.gather(follower, return_exceptions=True)
        await app.stop()
        sock.close()


def _ready(app: App, setup: str | None, as_json: bool) -> None:
    url, keys = app.kit.settings.url, app.kit.keys
    console_url = f"{url}/console/#setup={setup}" if setup else f"{url}/console/"
    if as_json:
        _print(
            {
                "event": "ready",
                "url": url,
                "anon_key": keys.anon_key,
                "service_role_key": keys.service_role_key,
                "console_url": console_url,
            }
        )
        return
    out.print(f"\n  API       {url}\n  console   {console_url}\n  anon key  {keys.anon_key}\n", markup=False)
    out.print("  The service key is shown by  baaskit status --json --keys.  Ctrl+C stops.\n", markup=False)


@cli.command()
def attach(
    url: Annotated[str, typer.Argument(metavar="URL", help="postgresql://user:password@host/name, or an SQLite file.")],
    folder: Dir = Path(),
    schema: Annotated[
        list[str] | None, typer.Option(help="Schema to expose; give it again for more. Default: all that have tables.")
    ] = None,
    users: Annotated[str | None, typer.Option(help="The app's own table of users: auth.uid() is its id.")] = None,
    users_id: Annotated[str, typer.Option(help="Its key.")] = "id",
    users_password: Annotated[str | None, typer.Option(help="Its column of password hashes: people sign in by them.")] = None,
    users_login: Annotated[str, typer.Option(help="Its column that they name at sign-in.")] = "email",
    users_email: Annotated[str | None, typer.Option(help="Its column of addresses, for auth.email().")] = None,
    users_active: Annotated[str | None, typer.Option(help="Its column that is true for those who may sign in.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done; change nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Work on top of a database that exists and belongs to others. Nothing of theirs is altered; everything stays closed.

    Example:  baaskit attach postgresql://app@db/shop shop --users customers
    """
    from baaskit import attaching

    sign_in = {"users_login": users_login, "users_password": users_password, "users_email": users_email, "users_active": users_active}
    asked = {key: name for key, name in sign_in.items() if name} if users_password else {}
    mapped = attaching.Users(users, users_id, asked) if users else None

    async def work() -> tuple[attaching.Plan, list[str]]:
        plan = await attaching.prepare(url, folder, tuple(schema or ()), mapped)
        return plan, [] if dry_run else await attaching.carry_out(plan)

    plan, written = _run(work())
    report = plan.report(written, done=not dry_run)
    if as_json:
        _print(report)
    else:
        _tell_attached(report, folder, dry_run=dry_run)
    raise typer.Exit(1 if report["problems"] else 0)


def _tell_attached(report: dict[str, Any], folder: Path, *, dry_run: bool) -> None:
    def say(label: str, *lines: str) -> None:
        for number, line in enumerate(lines):
            out.print(f"{label if number == 0 else '':10} {line}", markup=False)

    as_role = f", as {report['role']}" if report["role"] else ""
    say("database", report["database"] + as_role)
    say("found", ", ".join(f"{count} {kind}{'' if count == 1 else 's'}" for kind, count in report["found"].items()) or "no tables")
    say("schemas", ", ".join(report["schemas"]))
    say("open", "nothing: no table answers anybody until a policy in policies.sql says so")
    say("installs", *(report["installs"] or ["nothing: ours are there already; the structure of today is noted"]))
    say("capture", "off: no triggers; live queries of these tables are refused until baaskit.toml says triggers or polling")
    if report["users_table"]:
        signing = "by its passwords" if report["sign_in"] else "not here: another service signs tokens"
        say("users", f"{report['users_table']}; auth.uid() is {report['uid_type']}; sign-in {signing}")
    noted = [f"{one['name']}: {note}" for one in report["tables"] for note in one["notes"]]
    say("note", *noted[:20], *([f"… and {len(noted) - 20} more (--json)"] if len(noted) > 20 else []))
    lacking = [f"{one['name']}: the role may not {', '.join(one['lacks'])}" for one in report["tables"] if one["lacks"]]
    say("no right", *lacking[:20], *([f"… and {len(lacking) - 20} more (--json)"] if len(lacking) > 20 else []))
    say("left out", *(f"{name}: a name that is ours" for name in report["not_exposable"]))
    for problem in report["problems"]:
        say("problem", problem["message"], problem["hint"])
    say("wrote", *([", ".join(report["wrote"])] if report["wrote"] else []))
    out.print(
        "\nNothing was changed (--dry-run)."
        if dry_run
        else f"\nNext:  baaskit dev {folder}   To leave without a trace:  baaskit detach {folder}",
        markup=False,
    )


@cli.command()
def detach(folder: Dir = Path(), as_json: Json = False) -> None:
    """Remove from an attached database everything that baaskit has made there. Stop the server first; the folder stays.

    Example:  baaskit detach shop
    """
    from baaskit import attaching

    lines = _run(attaching.leave(folder))
    if as_json:
        _print({"removed": lines})
        return
    for line in lines or ["Nothing of ours was there."]:
        out.print(line, markup=False)


@cli.command()
def migrate(folder: Dir = Path(), as_json: Json = False) -> None:
    """Apply pending migrations and policies.sql: the same as `baaskit db up`. In an attached project: policies.sql alone.

    Example:  baaskit migrate shop
    """
    _up(_open(folder), None, as_json=as_json)


@db.command("new")
def db_new(name: Annotated[str, typer.Argument(help="What it does, in words.")], folder: InDir = Path()) -> None:
    """Write an empty migration, with a place for the way there and the way back.

    Example:  baaskit db new "add notes" -C shop
    """
    from baaskit import migrating

    out.print(f"wrote {migrating.new(_open_own(folder).project, name, datetime.now(UTC))}", markup=False)


@db.command("up")
def db_up(
    folder: Dir = Path(),
    to: Annotated[str | None, typer.Option("--to", metavar="NAME", help="The last migration to apply. Default: all.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Try it on the real data and roll it back.")] = False,
    strict: Strict = False,
    as_json: Json = False,
) -> None:
    """Apply pending migrations and policies.sql. What they may do to tables that hold rows is told first.

    Example:  baaskit db up shop --dry-run
    """
    _up(_open_own(folder), to, dry_run=dry_run, strict=strict, as_json=as_json)


def _up(opened: Opened, to: str | None, *, dry_run: bool = False, strict: bool = False, as_json: bool) -> None:
    from baaskit import migrating

    done = _run(migrating.up(opened.project, opened.settings, _teller(as_json), to=to, rehearse=dry_run, strict=strict))
    if as_json:
        _print({"would_apply" if dry_run else "applied": done})
    elif not done:
        out.print("Everything is applied.")


@db.command("down")
def db_down(
    folder: Dir = Path(),
    to: Annotated[str | None, typer.Option("--to", metavar="NAME", help="The migration that stays the newest.")] = None,
    steps: Annotated[int, typer.Option("--steps", min=1, help="How many to take back.")] = 1,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask, even when data is lost.")] = False,
    as_json: Json = False,
) -> None:
    """Take back the newest migration, by its section `-- migrate:down`. Asks first when data would be lost.

    Example:  baaskit db down shop --steps 2
    """
    from baaskit import migrating

    def confirm(lost: list[str]) -> bool:
        if yes:
            return True
        for line in lost:
            err.print(line, markup=False)
        if not sys.stdin.isatty():
            raise Fault("data would be lost", line=0, hint="If that is meant:  --yes")
        return typer.confirm("Go on?", err=True)

    opened = _open_own(folder)
    done = _run(migrating.down(opened.project, opened.settings, _teller(as_json), confirm, to=to, steps=steps))
    if as_json:
        _print({"taken_back": done})
    elif not done:
        out.print("Nothing was taken back.")


@db.command("diff")
def db_diff(
    name: Annotated[str | None, typer.Argument(help="Write it as a migration of this name, recorded as applied here.")] = None,
    folder: InDir = Path(),
    reverse: Annotated[bool, typer.Option("--reverse", help="Statements from the database to all migrations instead.")] = False,
) -> None:
    """Compare the database with what its applied migrations give on a scratch database, and print the migration that is missing.
    Exit code 1 if there is one that was not written.

    Example:  baaskit db diff add_email -C shop
    """
    from baaskit import migrating

    opened = _open_own(folder)
    found = _run(migrating.diff(opened.project, opened.settings, name, datetime.now(UTC), reverse=reverse))
    for pending in found.pending:
        err.print(f"not applied: {pending}", markup=False)
    for line in found.left:
        err.print(f"warning: cannot be said in a migration: {line}", markup=False)
    if not found.text:
        out.print("No difference.")
    elif found.path:
        out.print(f"wrote {found.path}", markup=False)
    else:
        out.print(found.text, markup=False, end="")
        raise typer.Exit(1)


@db.command("status")
def db_status(folder: Dir = Path(), as_json: Json = False) -> None:
    """Every migration: applied (when, by whom, how long), pending, changed or missing since; and what was changed past them.

    Example:  baaskit db status shop
    """
    from baaskit import migrating

    opened = _open(folder)
    found = _run(migrating.status(opened.project, opened.settings))
    if as_json:
        _print(found)
        return
    for entry in found["migrations"]:
        when = f"{entry['applied_at']}  {entry['applied_by'] or '-'}  {entry['duration_ms'] or '-'} ms" if "applied_at" in entry else ""
        out.print(f"{entry['state']:10} {entry['name']:40} {when}".rstrip(), markup=False)
    for line in found["drift"]:
        out.print(f"drift      {line}", markup=False)


def _teller(as_json: bool) -> Callable[[str], None]:
    """Prints lines for a person; for a program, only warnings, to standard error."""

    def tell(line: str) -> None:
        warning = line.startswith("warning")
        if warning or not as_json:
            (err if warning else out).print(line, markup=False)

    return tell


@cli.command()
def check(folder: Dir = Path(), strict: Strict = False, as_json: Json = False) -> None:
    """Look for mistakes in settings, migrations, policies and functions; nothing is changed. Exit code 1 if there is any.
    Warns of what migrations that are not applied may do to tables in use.

    Example:  baaskit check shop
    """
    from baaskit.checking import check_live, check_project

    opened = _open(folder)
    faults = _run(check_project(opened.project, opened.settings))
    warnings = _run(check_live(opened.project, opened.settings))
    if strict:
        faults, warnings = faults + warnings, []
    if as_json:
        _print(
            [
                {"severity": severity, "file": f.file, "line": f.line, "column": f.column, "message": f.message, "hint": f.hint}
                for severity, found in (("error", faults), ("warning", warnings))
                for f in found
            ]
        )
    else:
        for warning in warnings:
            err.print(f"warning: {warning}", markup=False)
        for fault in faults:
            err.print(str(fault), markup=False)
        out.print(f"{len(faults)} fault(s)" if faults else "No faults.")
    raise typer.Exit(1 if faults else 0)


@cli.command()
def status(
    folder: Dir = Path(), as_json: Json = False, keys: Annotated[bool, typer.Option("--keys", help="Show the API keys too.")] = False
) -> None:
    """What is applied, what is pending, where the data is.

    Example:  baaskit status shop --json
    """
    opened = _open(folder)
    found = _run(_status(opened))
    if keys:
        made = _keys(opened.settings)
        found |= {"anon_key": made.anon_key, "service_role_key": made.service_role_key}
        found |= {"publishable_key": made.publishable_key, "secret_key": made.secret_key}
    if as_json:
        _print(found)
        return
    for key, value in found.items():
        out.print(f"{key:18} {', '.join(value) or '-' if isinstance(value, list) else value}", markup=False)


async def _status(opened: Opened) -> dict[str, Any]:
    from baaskit.kernel.database.migrate import state
    from baaskit.serving import database_of

    settings, project = opened.settings, opened.project
    base: dict[str, Any] = {"project": str(project.dir), "url": settings.url, "database": _shown(settings)}
    if settings.dialect == "sqlite" and not settings.database_path.exists():
        return {**base, "applied": [], "pending": [m.name for m in project.migrations], "missing": [], "policies_version": 0, "tables": []}
    database = database_of(settings)
    await database.start()
    try:
        now = await state(project, database)
        tables = [str(t.name) for t in database.catalog.schema.exposed(settings.exposed_schemas)]
        if database.attached:
            from baaskit.kernel.database.attached import drift

            base |= {"changed_by_others": await drift(database)}
        if closed := database.catalog.policies.closed:
            base |= {"denied_because": [str(fault.message) for fault in closed]}
        return {
            **base, "applied": list(now.applied), "pending": [m.name for m in now.pending], "missing": list(now.missing),
            "policies_version": database.catalog.policies.version, "tables": tables,
        }  # fmt: skip
    finally:
        await database.stop()


def _shown(settings: Settings) -> str:
    """The database's address without its password."""
    if settings.dialect == "sqlite":
        return settings.database_url
    parts = urlsplit(settings.database_url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


@contextlib.asynccontextmanager
async def _kernel(folder: Path) -> AsyncIterator[Kit]:
    """The kernel of a project, without features, functions or a port."""
    from baaskit.kernel.changes import ChangeFeed
    from baaskit.kernel.hooks import Hooks
    from baaskit.kernel.kit import Kit
    from baaskit.serving import database_of

    settings = _open(folder).settings
    database = database_of(settings)
    await database.start()
    try:
        yield Kit(settings, database, ChangeFeed(database, keep_seconds=settings.changes_keep_seconds), Hooks(), _keys(settings))
    finally:
        await database.stop()


def _keys(settings: Settings) -> Keys:
    from baaskit.kernel.keys import load_keys

    return load_keys(
        settings.state_dir / "keys.json",
        settings.jwt_secret.get_secret_value() if settings.jwt_secret else None,
        token_seconds=settings.access_token_seconds,
    )


@users.command("create")
def create_user(email: str, password: Password = None, folder: InDir = Path(), as_json: Json = False) -> None:
    """Make a user whose address counts as confirmed.

    Example:  baaskit users create ann@example.com --password correct-horse
    """
    from baaskit import auth

    given = password or secrets.token_urlsafe(12)

    async def work() -> dict[str, Any]:
        async with _kernel(folder) as kit:
            return await auth.create_user(kit, email, given)

    user = _run(work())
    _created({"id": user["id"], "email": user["email"]}, None if password else given, as_json)


@users.command("import")
def import_accounts(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="CSV, JSON, JSON lines or an export of Firebase.")],
    firebase_hash: Annotated[Path | None, typer.Option(help="JSON file with the password hash parameters of the Firebase project.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check every row and add nothing.")] = False,
    folder: InDir = Path(),
    as_json: Json = False,
) -> None:
    """Add accounts of another system; their passwords keep working. Rows whose address is taken are skipped, wrong ones are told.
    Exit code 1 if a row was refused.

    Example:  baaskit users import users.csv --dry-run
    """
    from rich.progress import Progress

    from baaskit.auth import importing

    rows = importing.read_rows(file)
    parameters = importing.read_firebase_parameters(firebase_hash) if firebase_hash else None

    async def work() -> importing.Imported:
        async with _kernel(folder) as kit:
            with Progress(console=err, disable=as_json) as bar:
                task = bar.add_task("accounts", total=len(rows))
                return await importing.import_users(
                    kit, rows, firebase=parameters, dry_run=dry_run, progress=lambda done: bar.update(task, completed=done)
                )

    found = _run(work())
    if as_json:
        refused = [{"row": row, "reason": reason} for row, reason in found.refused]
        _print({"created": found.created, "skipped": found.skipped, "refused": refused, "dry_run": dry_run})
    else:
        for row, reason in found.refused:
            err.print(f"row {row}: {reason}", style="red", markup=False)
        did = "would be added" if dry_run else "added"
        out.print(f"{found.created} {did}, {len(found.skipped)} there already, {len(found.refused)} refused", markup=False)
    raise typer.Exit(1 if found.refused else 0)


@admins.command("create")
def create_admin(
    email: str,
    password: Password = None,
    folder: InDir = Path(),
    as_json: Json = False,
    role: Annotated[Role, typer.Option(help="What the admin may do.")] = Role.owner,
) -> None:
    """Make an admin of the console.

    Example:  baaskit admins create ann@example.com --role viewer
    """
    from baaskit import console as admin_console

    given = password or secrets.token_urlsafe(12)

    async def work() -> dict[str, str]:
        async with _kernel(folder) as kit:
            return (await admin_console.create_admin(kit, email, given, role.value)).json()

    _created(_run(work()), None if password else given, as_json)


def _created(person: dict[str, Any], password: str | None, as_json: bool) -> None:
    shown = {**person, **({"password": password} if password else {})}
    if as_json:
        _print(shown)
        return
    for key, value in shown.items():
        out.print(f"{key:10} {value}", markup=False)


As = Annotated[
    str, typer.Option("--as", metavar="WHO", help="anon, authenticated, service_role, a user's address or id, or claims as JSON.")
]
Body = Annotated[str | None, typer.Option(metavar="JSON", help="The request's body; @FILE reads a file, - standard input.")]
Headers = Annotated[list[str] | None, typer.Option("--header", "-H", help="A header of the request, like 'Prefer: return=representation'.")]
Url = Annotated[str | None, typer.Option(help="Ask the server at this address; without it the project's database is asked directly.")]
Key = Annotated[str | None, typer.Option(envvar="BAASKIT_SERVICE_KEY", help="The service key of --url. Default: that of the project.")]


@cli.command()
def explain(
    method: Annotated[str, typer.Argument(help="GET, POST, PUT, PATCH or DELETE.")] = "",
    path: Annotated[str, typer.Argument(help="As a client writes it, like 'pets?id=eq.3'.")] = "",
    who: As = "anon", body: Body = None, header: Headers = None, folder: InDir = Path(), url: Url = None, key: Key = None,
    sql: Annotated[bool, typer.Option("--sql", help="Show the SQL, too.")] = False,
    decision: Annotated[str | None, typer.Option(metavar="ID", help="Explain a refusal by its X-Baaskit-Decision; needs --log.")] = None,
    log: Annotated[str | None, typer.Option(metavar="FILE", help="The server's log, for --decision; - is standard input.")] = None,
    as_json: Json = False,
) -> None:  # fmt: skip
    """Say which policy and which clause allows or refuses a request of somebody, with the values that decided. Nothing is changed.

    Exit code 0 if it is allowed, 3 denied, 4 only part of the rows, 5 if it fails for anybody; 1 if there is no answer.

    Example:  baaskit explain PATCH 'pets?id=eq.3' --as ann@example.com --body '{"price": 4}'
    """
    from baaskit import why

    if decision is not None:
        if log is None:
            raise typer.BadParameter("--decision needs the server's log: --log FILE, or --log - for standard input")
        with sys.stdin if log == "-" else Path(log).open(encoding="utf-8", errors="replace") as lines:
            refusal = why.find_refusal(lines, decision)
        report = _ask(refusal.question(), folder, url, key)
        if as_json:
            _print({"refusal": {**asdict(refusal), "decision": decision}, "tables": report["tables"]})
        else:
            _say(why.refusal_lines(refusal, report))
        raise typer.Exit(why.EXIT["denied"])
    report = _ask(
        _question("Explain", method, path + (("&" if "?" in path else "?") + "sql" if sql else ""), who, body, header), folder, url, key
    )
    if as_json:
        _print(report)
    else:
        _say(why.explained_lines(report))
    raise typer.Exit(why.EXIT[report["decision"]])


@cli.command("try")
def try_(
    method: Annotated[str, typer.Argument(help="GET, POST, PUT, PATCH or DELETE.")],
    path: Annotated[str, typer.Argument(help="As a client writes it, like 'pets?id=eq.3', or batch.")],
    who: As = "anon", body: Body = None, header: Headers = None, folder: InDir = Path(), url: Url = None, key: Key = None,
    as_json: Json = False,
) -> None:  # fmt: skip
    """Run a request as somebody, show what it would do, and take it back: rows, changes that would be told, functions that would run.

    Exit code 0 if the client would get what it asked for, 3 if it would be refused (401, 403), 5 on another error; 1 if there is no answer.

    Example:  baaskit try POST pets --as ann@example.com --body '{"name": "Rex"}'
    """
    from baaskit import why

    question = _question("Try", method, path, who, body, header)
    report = _ask(question, folder, url, key)
    if as_json:
        _print(report)
    else:
        _say(why.tried_lines(report, question))
    status = report["status"]
    raise typer.Exit(0 if status < 400 else why.EXIT["denied"] if status in (401, 403) else why.EXIT["failed"])


def _question(tool: str, method: str, path: str, who: str, body: str | None, headers: list[str] | None) -> Question:
    from baaskit.why import Question

    if not method or not path:
        raise typer.BadParameter("METHOD and PATH are needed, like: GET 'pets?id=eq.3'")
    given = (body or "").encode()
    if body == "-":
        given = sys.stdin.buffer.read()
    elif body and body.startswith("@"):
        given = Path(body[1:]).read_bytes()
    named = {}
    for header in headers or ():
        name, colon, value = header.partition(":")
        if not colon or not name.strip() or "\n" in header:
            raise typer.BadParameter(f"{header!r} is not a header: write 'Name: value'")
        named[name.strip()] = value.strip()
    return Question(tool, method.upper(), path, who, given, named)


def _ask(question: Question, folder: Path, url: str | None, key: str | None) -> dict[str, Any]:
    from baaskit import why

    settings = _open(folder).settings if url is None or key is None else None
    if url is not None:
        return why.ask_server(url, key or _keys(cast("Settings", settings)).service_role_key, question)
    if settings is not None and settings.dialect == "sqlite" and not settings.database_path.exists():
        raise BaasError("There is no database yet.", hint=f"baaskit migrate {folder} makes it.")

    async def work() -> dict[str, Any]:
        async with _kernel(folder) as kit:
            return await why.ask_folder(kit, question)

    return _run(work())


def _say(lines: list[str]) -> None:
    for line in lines:
        out.print(line, markup=False)


@keys_app.command("list")
def list_keys(folder: InDir = Path(), as_json: Json = False) -> None:
    """Show the keys by name and state; what is secret is not shown.

    Example:  baaskit keys list
    """
    made, now = _keys(_open(folder).settings), time.time()
    current = made.current(now).kid
    states = [
        (key.kid, "signing", "signs" if key.kid == current else "published, signs soon" if key.signs_from > now else "verifies")
        for key in made.signing
    ]
    states += [(f"{key.kind}:{key.name}", key.kind, f"{key.key[:22]}…") for key in made.api_keys]
    if as_json:
        _print([{"name": name, "kind": kind, "state": state} for name, kind, state in states])
        return
    for name, kind, state in states:
        out.print(f"{name:24} {kind:12} {state}", markup=False)


@keys_app.command("rotate")
def rotate_keys(
    folder: InDir = Path(),
    at_once: Annotated[bool, typer.Option("--now", help="Sign with it at once: others may not have seen it yet.")] = False,
) -> None:
    """Add a signing key. It is published now, signs in ten minutes, and the one before verifies until its last token has expired.
    A running server takes it over within a second.

    Example:  baaskit keys rotate
    """
    from baaskit.kernel.keys import rotate

    kid = rotate(_open(folder).settings.state_dir / "keys.json", time.time(), at_once=at_once)
    out.print(f"{kid} {'signs now' if at_once else 'is published, and signs in ten minutes'}", markup=False)


@keys_app.command("add")
def add_key(kind: ApiKind, name: str, folder: InDir = Path()) -> None:
    """Make another API key and print it. KIND is publishable (for pages and apps) or secret (for servers).

    Example:  baaskit keys add secret billing
    """
    from baaskit.kernel.keys import add_api_key

    out.print(add_api_key(_open(folder).settings.state_dir / "keys.json", kind.value, name), markup=False)


@keys_app.command("revoke")
def revoke_key(name: str, folder: InDir = Path()) -> None:
    """End a key at once: a signing key by its id, an API key as KIND:NAME. Tokens that it signed are refused; people sign in again.

    Example:  baaskit keys revoke secret:billing
    """
    from baaskit.kernel.keys import revoke

    revoke(_open(folder).settings.state_dir / "keys.json", name, time.time())
    out.print(f"{name} is revoked", markup=False)


@mail_app.command("templates")
def mail_templates(folder: Dir = Path()) -> None:
    """Write our templates of mails and text messages into DIR/mail, to be edited. Files that exist are never changed.

    Example:  baaskit mail templates shop
    """
    from baaskit.auth.letters import copy_templates

    written = copy_templates(_open(folder).project.dir)
    for path in written:
        out.print(f"wrote {path.name}", markup=False)
    out.print("See them at /auth/v1/mailbox while  baaskit dev  runs, or with  baaskit mail preview KIND.", markup=False)


@mail_app.command("preview")
def mail_preview(
    kind: str, folder: InDir = Path(), html: Annotated[bool, typer.Option("--html", help="The HTML instead of the text.")] = False
) -> None:
    """Print a mail or text message with sample values.

    Example:  baaskit mail preview recovery
    """
    from baaskit.auth.codes import Kind
    from baaskit.auth.letters import preview

    if kind not in list(Kind):
        raise Fault(f"there is no kind {kind!r}", line=0, hint=f"There are {', '.join(Kind)}.")
    letter = preview(_open(folder).settings, Kind(kind))
    if letter.subject and not html:
        out.print(f"Subject: {letter.subject}\n", markup=False)
    out.print(letter.html if html else letter.text, markup=False)


async def _live_policies(opened: Opened) -> tuple[int, str]:
    from baaskit.serving import database_of

    database = database_of(opened.settings)
    await database.start()
    try:
        return database.catalog.policies.version, database.catalog.policies.text
    finally:
        await database.stop()


@policies.command("pull")
def policies_pull(folder: Dir = Path()) -> None:
    """Write the live policies to policies.sql.

    Example:  baaskit policies pull shop
    """
    version, text = _run(_live_policies(_open(folder)))
    (folder / POLICIES).write_text(text, encoding="utf-8")
    out.print(f"wrote {POLICIES} (version {version})")


@policies.command("push")
def policies_push(folder: Dir = Path()) -> None:
    """Make policies.sql live, even if the live ones were saved after it.

    Example:  baaskit policies push shop
    """
    from baaskit import serving

    opened = _open(folder)
    version = _run(serving.push_policies(opened.project, opened.settings))
    out.print(f"version {version} is live")


@policies.command("diff")
def policies_diff(folder: Dir = Path()) -> None:
    """Show how policies.sql differs from the live policies. Exit code 1 if it does.

    Example:  baaskit policies diff shop
    """
    opened = _open(folder)
    version, text = _run(_live_policies(opened))
    mine = opened.project.policies.text if opened.project.policies else ""
    lines = list(difflib.unified_diff(text.splitlines(), mine.splitlines(), f"live (version {version})", POLICIES, lineterm=""))
    for line in lines:
        out.print(line, markup=False)
    raise typer.Exit(1 if lines else 0)


if __name__ == "__main__":
    main()
