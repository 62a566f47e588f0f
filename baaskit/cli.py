"""The command line: every command parses, calls one function, prints, and sets the exit code."""

from __future__ import annotations

import asyncio
import contextlib
import difflib
import json
import secrets
import sys
from collections.abc import Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar
from urllib.parse import urlsplit

import typer
import uvloop
from rich.console import Console

from baaskit import console as admin_console
from baaskit import serving
from baaskit.app import App
from baaskit.checking import check_project
from baaskit.errors import BaasError, Fault, Faults
from baaskit.functions.frames import Ask
from baaskit.functions.inprocess import perform
from baaskit.kernel.database.migrate import state
from baaskit.kernel.keys import load_keys
from baaskit.kernel.policy import PolicyFaults
from baaskit.observe import log_to_stderr
from baaskit.project import POLICIES, Project, init_project, load_project
from baaskit.settings import Settings, load_settings

T = TypeVar("T")
out, err = Console(highlight=False, soft_wrap=True), Console(stderr=True, highlight=False, soft_wrap=True)

cli = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode="rich",
                  help="A backend in one process: data API, sign-in, live queries, files, functions, console.")  # fmt: skip
users = typer.Typer(no_args_is_help=True, help="Users of the project's app.")
admins = typer.Typer(no_args_is_help=True, help="People who may use the console.")
policies = typer.Typer(no_args_is_help=True, help="The live policies and the file policies.sql.")
cli.add_typer(users, name="users")
cli.add_typer(admins, name="admins")
cli.add_typer(policies, name="policies")

Dir = Annotated[Path, typer.Argument(metavar="DIR", help="The project's folder.")]
InDir = Annotated[Path, typer.Option("--dir", "-C", help="The project's folder.")]
Host = Annotated[str | None, typer.Option(help="Address to listen on. Default: the setting, 127.0.0.1.")]
Port = Annotated[int | None, typer.Option(help="Port to listen on; 0 takes a free one. Default: the setting, 54321.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
Password = Annotated[str | None, typer.Option(help="Default: one is made and printed.")]


@dataclass(frozen=True, slots=True)
class Opened:
    project: Project
    settings: Settings


def main() -> None:
    """Entry point. A fault of the person's files or surroundings is words and exit code 1, never a traceback."""
    try:
        cli()
    except (Faults, PolicyFaults) as problem:
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
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)


def _open(folder: Path, **overrides: Any) -> Opened:
    return Opened(load_project(folder), load_settings(folder, **overrides))


def _print(data: Any) -> None:
    print(json.dumps(data, ensure_ascii=False, default=str), flush=True)


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
    opened = _open(folder, host=host, port=port)
    sock = serving.listen(opened.settings.host, opened.settings.port)
    settings = opened.settings.model_copy(update={"port": sock.getsockname()[1]})
    log_to_stderr(as_json=as_json)
    say = (lambda line: None) if as_json else (lambda line: out.print(line, markup=False))
    if migrate:
        try:
            await serving.prepare(opened.project, settings, say)
        except (Faults, PolicyFaults) as problem:
            if not watch:
                raise
            for fault in problem.faults:  # development goes on with what the database has; the next save tries again
                err.print(str(fault), style="red", markup=False)
    app = App(settings, functions=opened.project.functions_dir, public=opened.project.dir / "public")
    await app.start(tolerate_faults=watch)
    follower: asyncio.Task[None] | None = None
    try:
        token = await admin_console.ensure_setup_token(app.kit)
        if watch:
            follower = asyncio.create_task(
                serving.follow(app, opened.project.dir, lambda line: err.print(line, markup=False)), name="watch"
            )
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
            {"event": "ready", "url": url, "anon_key": keys.anon_key, "service_role_key": keys.service_role_key, "console_url": console_url}
        )
        return
    out.print(f"\n  API       {url}\n  console   {console_url}\n  anon key  {keys.anon_key}\n", markup=False)
    out.print("  The service key is shown by  baaskit status --json --keys.  Ctrl+C stops.\n", markup=False)


@cli.command()
def migrate(folder: Dir = Path(), as_json: Json = False) -> None:
    """Apply pending migrations and policies.sql, then end.

    Example:  baaskit migrate shop
    """
    opened = _open(folder)
    done = _run(serving.prepare(opened.project, opened.settings, lambda line: None if as_json else out.print(line, markup=False)))
    if as_json:
        _print({"applied": done})
    elif not done:
        out.print("Everything is applied.")


@cli.command()
def check(folder: Dir = Path(), as_json: Json = False) -> None:
    """Look for mistakes in settings, migrations, policies and functions; nothing is changed. Exit code 1 if there is any.

    Example:  baaskit check shop
    """
    opened = _open(folder)
    faults = _run(check_project(opened.project, opened.settings))
    if as_json:
        _print([{"file": f.file, "line": f.line, "column": f.column, "message": f.message, "hint": f.hint} for f in faults])
    else:
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
        secret = opened.settings.jwt_secret
        made = load_keys(opened.settings.state_dir / "keys.json", secret.get_secret_value() if secret else None)
        found |= {"anon_key": made.anon_key, "service_role_key": made.service_role_key}
    if as_json:
        _print(found)
        return
    for key, value in found.items():
        out.print(f"{key:18} {', '.join(value) or '-' if isinstance(value, list) else value}", markup=False)


async def _status(opened: Opened) -> dict[str, Any]:
    settings, project = opened.settings, opened.project
    base = {"project": str(project.dir), "url": settings.url, "database": _shown(settings)}
    if settings.dialect == "sqlite" and not settings.database_path.exists():
        return {**base, "applied": [], "pending": [m.name for m in project.migrations], "missing": [], "policies_version": 0, "tables": []}
    database = serving.database_of(settings)
    await database.start()
    try:
        now = await state(project, database)
        tables = [str(t.name) for t in database.catalog.schema.exposed(settings.exposed_schemas)]
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
async def _kernel(opened: Opened) -> Any:
    """An app whose database and sign-in are up, without functions, realtime or a port."""
    app = App(opened.settings, functions=opened.project.functions_dir)
    await app.kit.database.start()
    await app.auth.start()
    try:
        yield app
    finally:
        await app.auth.stop()
        await app.kit.database.stop()


@users.command("create")
def create_user(email: str, password: Password = None, folder: InDir = Path(), as_json: Json = False) -> None:
    """Make a user whose address counts as confirmed.

    Example:  baaskit users create ann@example.com --password correct-horse
    """
    given = password or secrets.token_urlsafe(12)
    user = _run(_create_user(_open(folder), email, given))
    shown = {"id": user["id"], "email": user["email"], **({} if password else {"password": given})}
    if as_json:
        _print(shown)
    else:
        out.print(f"{user['email']}  {user['id']}" + ("" if password else f"\npassword: {given}"), markup=False)


async def _create_user(opened: Opened, email: str, password: str) -> dict[str, Any]:
    async with _kernel(opened) as app:
        url, key = opened.settings.url, app.kit.keys.service_role_key
        body = json.dumps({"email": email, "password": password, "email_confirm": True}).encode()
        ask = Ask("cli", 0, "admin", "POST", f"{url}/auth/v1/admin/users", {"content-type": "application/json"}, body)
        answer = await perform(app, ask, base_url=url, token=key, api_key=key, level=0, max_bytes=2**20)
    found: dict[str, Any] = json.loads(answer.body or b"{}")
    if answer.status != 200:
        raise BaasError(str(found.get("msg") or found.get("message") or f"The user could not be made (status {answer.status})."))
    return found


@admins.command("create")
def create_admin(
    email: str, password: Password = None, folder: InDir = Path(), as_json: Json = False,
    role: Annotated[str, typer.Option(help="owner, developer or viewer.")] = "owner",
) -> None:  # fmt: skip
    """Make an admin of the console.

    Example:  baaskit admins create ann@example.com --role viewer
    """
    given = password or secrets.token_urlsafe(12)

    async def work() -> Any:
        async with _kernel(_open(folder)) as app:
            return await admin_console.create_admin(app.kit, email, given, role)

    admin = _run(work())
    shown = {**admin.json(), **({} if password else {"password": given})}
    _print(shown) if as_json else out.print("  ".join(shown.values()), markup=False)


async def _live_policies(opened: Opened) -> tuple[int, str]:
    database = serving.database_of(opened.settings)
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
