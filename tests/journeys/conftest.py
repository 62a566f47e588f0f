"""A real server: the pet store's project, copied to a folder of its own, run as an operator runs it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent


@dataclass
class Server:
    """A running `baaskit serve`. `stop` as systemd would; `kill` as a power cut would."""

    folder: Path
    env: dict[str, str]
    url: str = ""
    anon_key: str = ""
    service_role_key: str = ""
    console_url: str = ""
    process: subprocess.Popen[str] | None = None
    log: list[str] = field(default_factory=list)

    def start(self, port: int = 0, command: str = "serve") -> None:
        self.process = subprocess.Popen(
            [BIN / "baaskit", command, str(self.folder), "--port", str(port), "--json"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, **self.env},
        )  # fmt: skip
        assert self.process.stdout is not None and self.process.stderr is not None
        stderr = self.process.stderr
        threading.Thread(target=lambda: self.log.extend(stderr), daemon=True).start()
        line = self.process.stdout.readline()
        assert line, "the server ended before it was ready:\n" + "".join(self.log)
        ready = json.loads(line)
        self.url, self.anon_key = ready["url"], ready["anon_key"]
        self.service_role_key, self.console_url = ready["service_role_key"], ready["console_url"]

    def stop(self) -> int:
        """Exit code after SIGTERM."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=30)

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()


def copy_project(source: Path, target: Path) -> Path:
    """The author's files of a project, without its state; links become copies."""
    shutil.copytree(source, target, ignore=shutil.ignore_patterns(".baaskit", "pyodide-*", "python-*", "__pycache__"))
    return target


@pytest.fixture(scope="session")
def make_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Server]]:
    """`make_server(project_folder, **settings)`: a started server over a copy of the project."""
    running: list[Server] = []

    def make(source: Path = ROOT / "demo-petstore", *, start: bool = True, **env: str) -> Server:
        folder = copy_project(source, tmp_path_factory.mktemp("project") / source.name)
        server = Server(folder, {f"BAAS_{key.upper()}": value for key, value in env.items()})
        if start:
            server.start()
        running.append(server)
        return server

    yield make
    for server in running:
        if server.process is not None and server.process.poll() is None:
            server.stop()


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def shop(request: pytest.FixtureRequest, make_server: Callable[..., Server]) -> Server:
    """The pet store's backend, once on each database."""
    if request.param == "sqlite":
        return make_server()
    return make_server(database_url=request.getfixturevalue("postgres")())
