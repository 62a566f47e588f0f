"""Running a project's server: bring the database up to date, listen, and in development follow the files."""

from __future__ import annotations

import asyncio
import gc
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import uvicorn
from sqlalchemy import select
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from watchfiles import Change, awatch

from baaskit.errors import BaasError, Fault, Faults
from baaskit.kernel.database import Database, Script
from baaskit.kernel.database.migrate import apply, pending
from baaskit.kernel.policy import PolicyFaults, parse_policies
from baaskit.kernel.schema import Schema
from baaskit.project import POLICIES, SEED, Project, load_project
from baaskit.project import Script as ProjectFile
from baaskit.settings import Settings

if TYPE_CHECKING:  # a migration needs no server
    from baaskit.app import App

POLICIES_KEY = "policies_file"  # row of baaskit.state: checksum of the policies.sql that was applied last
WATCH_MILLISECONDS = 60  # changes this close together (an editor's save) are one
Report = Callable[[str], None]


def listen(host: str, port: int) -> socket.socket:
    """A bound socket. Raises Fault with the way out when the port is taken or the address is not ours."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host, port))
    except PermissionError:
        sock.close()
        raise Fault(f"port {port} is reserved for the system's services", line=0, hint="Take one above 1023:  --port 54321") from None
    except OSError as error:
        sock.close()
        if error.errno in (98, 48):
            raise Fault(
                f"port {port} on {host} is taken by another program",
                line=0,
                hint=f"Take another:  --port {port + 1}  (0 takes any free one)",
            ) from None
        raise Fault(f"cannot listen on {host}:{port}: {error.strerror}", line=0, hint="Use --host 127.0.0.1 or 0.0.0.0.") from None
    sock.listen(2048)
    sock.set_inheritable(False)
    return sock


def database_of(settings: Settings) -> Database:
    return Database.of(settings)


async def bring_up_to_date(
    project: Project, database: Database, report: Report, *, to: str | None = None, rehearse: bool = False
) -> list[str]:
    """Apply pending migrations, then `policies.sql` if it is not the text that was applied last. Returns what was done.

    Migrations and a changed `policies.sql` are one transaction. A text saved in the console since then stays live until the file
    changes. `to`: the last migration; policies then only with the last one that there is. `rehearse`: all is rolled back.
    Raises Faults.
    """
    file = project.policies
    due = file is not None and await _applied_policies(database) != file.checksum
    closed = {fault.message for fault in database.catalog.policies.closed}
    saved: list[int] = []

    def finish(schema: Schema) -> Script[None]:
        assert file is not None
        parse_policies(file.text, schema, file=str(file.path))
        saved.append((yield from _saving(database, file)))

    try:
        with _faults_of(file):
            if database.attached:
                done = []
                if project.migrations:
                    report(f"not applied, for the database belongs to others: {', '.join(m.name for m in project.migrations)}")
                if due and file is not None and not rehearse:
                    saved.append(await _save(file, database))
            elif await pending(project, database):
                done = await apply(project, database, report, to=to, finish=finish if due else None, rehearse=rehearse)
            elif rehearse:
                done = []
            else:
                done = await apply(project, database, report)
                if due and file is not None:
                    saved.append(await _save(file, database))
    except Fault as fault:
        raise Faults([fault]) from None
    if saved:
        done.append(POLICIES)
        report(f"would apply {POLICIES}" if rehearse else f"applied {POLICIES} (version {saved[-1]})")
    report_closed(database, closed, report)
    return done


def report_closed(database: Database, before: set[str], report: Report) -> None:
    """Tell which policies do not fit any more; `before`: those that did not already."""
    for closed in database.catalog.policies.closed:
        if closed.message not in before:
            report(f"warning: a policy does not fit any more and closes its table: {closed.message}")


@contextmanager
def _faults_of(file: ProjectFile | None) -> Iterator[None]:
    try:
        yield
    except PolicyFaults as problem:
        raise Faults(_placed(fault, file.path) if file else fault for fault in problem.faults) from None


async def _save(file: ProjectFile, database: Database) -> int:
    with _faults_of(file):
        version = await database.save_policies(file.text, author=POLICIES, note="from the file")
    await database.run(lambda: database.remember(POLICIES_KEY, {"checksum": file.checksum}))
    return version


def _saving(database: Database, file: ProjectFile) -> Script[int]:
    version = yield from database.store_policies(file.text, POLICIES, "from the file")
    yield from database.remember(POLICIES_KEY, {"checksum": file.checksum})
    return version


def _placed(fault: Fault, path: Path) -> Fault:
    fault.file = str(path)
    return fault


async def _applied_policies(database: Database) -> str | None:
    t = database.tables
    rows = await database.query(select(t.state.c.value).where(t.state.c.key == POLICIES_KEY))
    return str(rows[0]["value"]["checksum"]) if rows else None


class _Server(uvicorn.Server):
    """uvicorn, but signals are ours (a clean stop exits with 0) and it says when it listens."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop)
        try:
            yield
        finally:
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(number)

    def _stop(self) -> None:
        self.force_exit = self.should_exit  # the second signal does not wait
        self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        if self.started:
            self._ready()
            _settle()


class _Joined:
    """A transport that sends the head of an answer and its body in one system call: a fifth of what a small answer costs.

    The first write waits for the second, at most until the event loop's next turn.
    """

    __slots__ = ("_held", "_loop", "plain")

    def __init__(self, plain: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self.plain, self._loop, self._held = plain, loop, b""

    def write(self, data: bytes) -> None:
        if self._held:
            held, self._held = self._held, b""
            self.plain.writelines((held, data))
        else:
            self._held = data
            self._loop.call_soon(self._send)

    def _send(self) -> None:
        if self._held:
            held, self._held = self._held, b""
            self.plain.write(held)

    def close(self) -> None:
        self._send()
        self.plain.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.plain, name)


class _Http(HttpToolsProtocol):
    """uvicorn's protocol on a joining transport. A WebSocket gets the plain one: its frames are whole."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(_Joined(transport, self.loop))  # type: ignore[arg-type]

    def handle_websocket_upgrade(self) -> None:
        self.transport = self.transport.plain  # type: ignore[attr-defined]
        super().handle_websocket_upgrade()


def _settle() -> None:
    """What is alive when the first request can come lives as long as the process: the collector need not look at it each time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


async def run(app: App, sock: socket.socket, settings: Settings, ready: Callable[[], None]) -> None:
    """Serve a started app until SIGTERM or SIGINT; `ready` is called when the first request can be answered."""
    config = uvicorn.Config(
        app, loop="none", http=_Http, ws="websockets-sansio", lifespan="off", access_log=False, log_config=None,
        timeout_graceful_shutdown=max(1, round(settings.shutdown_seconds)), server_header=False, ws_max_size=settings.max_body_bytes,
    )  # fmt: skip
    await _Server(config, ready).serve(sockets=[sock])


_IGNORED = ("__pycache__", "node_modules", "public")


def watched(folder: Path) -> Callable[[Change, str], bool]:
    """A filter: files that a person writes; not our own state, which changes with every request."""

    def wanted(change: Change, path: str) -> bool:
        parts = Path(path).relative_to(folder).parts
        return not any(part.startswith(".") or part in _IGNORED for part in parts) and Path(path).suffix in (
            ".sql",
            ".py",
            ".toml",
            ".json",
            ".txt",
            ".html",
        )

    return wanted


async def follow(app: App, folder: Path, report: Report) -> None:
    """Apply what changes in the folder while the server runs. A fault is reported and the last good state stays."""
    folder = folder.resolve()
    async for changes in awatch(folder, watch_filter=watched(folder), debounce=5 * WATCH_MILLISECONDS, step=WATCH_MILLISECONDS):
        names = {Path(path).relative_to(folder).as_posix() for _, path in changes}
        for line in await reload(app, folder, names):
            report(line)


async def reload(app: App, folder: Path, names: set[str]) -> list[str]:
    """Take over the named files; lines that say what was done and what is wrong."""
    lines: list[str] = []
    if any(name.endswith(".sql") for name in names) and names != {SEED}:
        lines += await _told(_bring(app, folder, lines))
    if any(name.startswith("functions/") for name in names):
        lines += await _told(app.functions.reload(), "functions reloaded")
    if "baaskit.toml" in names:
        lines.append("baaskit.toml has changed: restart to use it")
    return lines


async def _bring(app: App, folder: Path, lines: list[str]) -> None:
    await bring_up_to_date(load_project(folder), app.kit.database, lines.append)


async def _told(work: Any, done: str = "") -> list[str]:
    try:
        await work
    except Faults as problem:
        return [str(fault) for fault in problem.faults]
    except (BaasError, OSError) as problem:
        return [str(problem)]
    except Exception as problem:  # one bad file must not end the watching
        return [f"{type(problem).__name__}: {problem}"]
    return [done] if done else []


async def push_policies(project: Project, settings: Settings) -> int:
    """Save `policies.sql` whatever is live; returns the version. Raises Faults."""
    if project.policies is None:
        raise Faults([Fault(f"there is no {POLICIES} in {project.dir}", line=0)])
    database = database_of(settings)
    await database.start()
    try:
        return await _save(project.policies, database)
    finally:
        await database.stop()
