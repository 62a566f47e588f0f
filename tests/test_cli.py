"""The command line, run as a person runs it: words, exit codes, signals."""

from __future__ import annotations

import json
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, Queue
from typing import Any

import apsw
import pytest

from baaskit.cli import main
from baaskit.project import init_project

COMMAND = [sys.executable, "-m", "baaskit.cli"]
START_SECONDS = 60


@dataclass
class Ended:
    returncode: int
    stdout: str
    stderr: str


Command = Callable[..., Ended]


@pytest.fixture
def baaskit(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Command:
    """`baaskit("status", "shop", BAAS_PORT="1")`: the entry point itself, in this process (a new one costs seconds)."""

    def run(*words: str, **environ: str) -> Ended:
        with monkeypatch.context() as patch:
            patch.setattr(sys, "argv", ["baaskit", *words])
            patch.setenv("COLUMNS", "200")
            for name, value in environ.items():
                patch.setenv(name, value)
            capfd.readouterr()
            try:
                main()
                code = 0
            except SystemExit as exit_:
                code = int(exit_.code or 0)
        return Ended(code, *capfd.readouterr())

    return run


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    folder = tmp_path / "shop"
    assert init_project(folder)
    return folder


class Server:
    """A running `dev` or `serve`; `errors` collects what it says on standard error."""

    def __init__(self, *words: str) -> None:
        self.process = subprocess.Popen([*COMMAND, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.errors: list[str] = []
        self._lines: Queue[str] = Queue()
        threading.Thread(target=self._collect, daemon=True).start()
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, self.errors
        self.ready: dict[str, Any] = json.loads(line)

    def _collect(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.errors.append(line)
            self._lines.put(line)

    def says(self, words: str) -> str:
        """Wait for a line of standard error that holds `words`."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            try:
                line = self._lines.get(timeout=1)
            except Empty:
                continue
            if words in line:
                return line
        raise AssertionError(f"{words!r} was not said: {self.errors}")

    def get(self, path: str) -> int:
        request = urllib.request.Request(self.ready["url"] + path, headers={"apikey": self.ready["service_role_key"]})
        with urllib.request.urlopen(request, timeout=10) as answer:
            return int(answer.status)

    def end(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(30)


@pytest.fixture
def start() -> Iterator[Callable[..., Server]]:
    running: list[Server] = []

    def make(*words: str) -> Server:
        running.append(Server(*words))
        return running[-1]

    yield make
    for server in running:
        if server.process.poll() is None:
            server.process.kill()
            server.process.wait()


def test_every_command_has_help_with_an_example(baaskit: Command) -> None:
    for words in (
        ["init"],
        ["dev"],
        ["serve"],
        ["migrate"],
        ["check"],
        ["status"],
        ["users", "create"],
        ["admins", "create"],
        ["policies", "diff"],
        ["db", "new"],
        ["db", "diff"],
        ["db", "up"],
        ["db", "down"],
        ["db", "status"],
    ):
        found = baaskit(*words, "--help")
        assert found.returncode == 0
        assert f"Example: baaskit {' '.join(words)}" in " ".join(found.stdout.split())


def test_a_folder_that_is_no_project_says_how_to_make_one(tmp_path: Path, baaskit: Command) -> None:
    for command in ("serve", "dev", "migrate", "check", "status"):
        found = baaskit(command, str(tmp_path / "nothing"))
        assert (found.returncode, "baaskit init" in found.stderr, "Traceback" in found.stderr) == (1, True, False)


def test_an_unknown_variable_names_the_nearest(shop: Path, baaskit: Command) -> None:
    found = baaskit("status", str(shop), BAAS_DATABASE_URI="x")
    assert found.returncode == 1
    assert "BAAS_DATABASE_URL" in found.stderr


def test_migrate_status_and_users(shop: Path, baaskit: Command) -> None:
    before = json.loads(baaskit("status", str(shop), "--json").stdout)
    assert (before["applied"], before["pending"]) == ([], ["0001_todos.sql"])
    assert not (shop / ".baaskit").exists()
    assert json.loads(baaskit("migrate", str(shop), "--json").stdout) == {"applied": ["0001_todos.sql", "seed.sql", "policies.sql"]}
    after = json.loads(baaskit("status", str(shop), "--json").stdout)
    assert (after["pending"], after["tables"], after["policies_version"]) == ([], ["todos"], 1)
    user = json.loads(baaskit("users", "create", "ann@example.com", "-C", str(shop), "--json").stdout)
    assert (user["email"], len(user["password"])) == ("ann@example.com", 16)
    again = baaskit("users", "create", "ann@example.com", "-C", str(shop))
    assert (again.returncode, "Traceback" in again.stderr) == (1, False)
    assert "already" in again.stderr
    assert baaskit("policies", "diff", str(shop)).returncode == 0
    admin = json.loads(baaskit("admins", "create", "bo@example.com", "-C", str(shop), "--json", "--role", "viewer").stdout)
    assert admin["role"] == "viewer"


def test_a_migration_is_made_tried_applied_and_taken_back(shop: Path, baaskit: Command) -> None:
    baaskit("db", "up", str(shop))
    made = baaskit("db", "new", "Add notes!", "-C", str(shop)).stdout
    [path] = (shop / "migrations").glob("2*_add_notes.sql")
    assert str(path) in made
    path.write_text("create table notes (id int primary key);\n-- migrate:down\ndrop table notes;\n")

    tried = baaskit("db", "up", str(shop), "--dry-run")
    assert (tried.returncode, tried.stdout) == (0, f"would apply {path.name}\n")
    found = json.loads(baaskit("db", "status", str(shop), "--json").stdout)
    assert [(m["name"], m["state"]) for m in found["migrations"]] == [
        ("0001_todos.sql", "applied"), ("seed.sql", "applied"), (path.name, "pending"),
    ]  # fmt: skip
    assert json.loads(baaskit("db", "up", str(shop), "--json").stdout) == {"applied": [path.name]}
    shown = baaskit("db", "status", str(shop)).stdout.splitlines()
    assert [line.split()[:2] for line in shown if path.name in line] == [["applied", path.name]]

    assert baaskit("db", "down", str(shop)).stdout == f"took back {path.name}\n"
    refused = baaskit("db", "down", str(shop))
    assert refused.returncode == 1
    assert "0001_todos.sql does not say how to take it back" in refused.stderr


def test_what_was_changed_by_hand_is_shown_and_taken_over(shop: Path, baaskit: Command) -> None:
    baaskit("db", "up", str(shop))
    assert baaskit("db", "diff", "-C", str(shop)).stdout == "No difference.\n"
    link = apsw.Connection(str(shop / ".baaskit/data.db"))
    link.execute("alter table todos add column colour text")
    link.close()
    assert json.loads(baaskit("db", "status", str(shop), "--json").stdout)["drift"] == ["column todos.colour is not in the migrations"]
    shown = baaskit("db", "diff", "-C", str(shop))
    assert shown.returncode == 1
    assert "alter table todos add column colour text;" in shown.stdout
    written = baaskit("db", "diff", "add colour", "-C", str(shop))
    assert written.returncode == 0
    [path] = (shop / "migrations").glob("*_add_colour.sql")
    found = json.loads(baaskit("db", "status", str(shop), "--json").stdout)
    assert (found["drift"], found["migrations"][-1]["name"], found["migrations"][-1]["state"]) == ([], path.name, "applied")


def test_data_is_not_lost_without_a_word(shop: Path, baaskit: Command) -> None:
    """Never a question to a script: it fails, and says which option means yes."""
    (shop / "migrations/0002.sql").write_text(
        "create table notes (id int primary key);\ninsert into notes values (1);\n-- migrate:down\ndrop table notes;\n"
    )
    baaskit("db", "up", str(shop))
    asked = baaskit("db", "down", str(shop))
    assert asked.returncode == 1
    assert "0002.sql: drops table notes and its rows" in asked.stderr
    assert "--yes" in asked.stderr
    assert baaskit("db", "down", str(shop), "--yes", "--json").stdout == '{"taken_back": ["0002.sql"]}\n'


def test_check_names_all_faults_with_their_places_and_fails(shop: Path, baaskit: Command) -> None:
    (shop / "migrations/0002.sql").write_text("create table a (id int primary key,\n  b nothing);")
    found = baaskit("check", str(shop), "--json")
    [fault] = json.loads(found.stdout)
    assert (found.returncode, fault["line"], fault["column"]) == (1, 2, 5)
    assert fault["message"] == "type nothing is not supported on SQLite"
    assert not (shop / ".baaskit").exists()


def test_check_warns_of_live_data_and_strict_makes_it_an_error(shop: Path, baaskit: Command) -> None:
    """What is applied is not told again."""
    (shop / "migrations/0002.sql").write_text("alter table todos drop column title;\n")
    (shop / "policies.sql").write_text("")
    found = baaskit("check", str(shop), "--json")
    assert (found.returncode, [entry["severity"] for entry in json.loads(found.stdout)]) == (0, ["warning"])
    strict = baaskit("check", str(shop), "--strict")
    assert (strict.returncode, "0002.sql:1:1: drops column todos.title and its values" in strict.stderr) == (1, True)
    assert not (shop / ".baaskit").exists()
    baaskit("db", "up", str(shop))
    assert baaskit("check", str(shop), "--strict").returncode == 0


def test_serve_refuses_to_start_on_a_fault(shop: Path, baaskit: Command) -> None:
    (shop / "policies.sql").write_text('create policy "p" on todos for select using (ownr_id = auth.uid());')
    found = baaskit("serve", str(shop), "--port", "0")
    assert (found.returncode, found.stdout.count("ready")) == (1, 0)
    assert "owner_id" in found.stderr
    assert "policies.sql:1:" in found.stderr


def test_a_taken_port_says_so_and_names_another(shop: Path, baaskit: Command) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        found = baaskit("serve", str(shop), "--port", str(taken.getsockname()[1]))
    assert found.returncode == 1
    assert "is taken" in found.stderr
    assert "--port" in found.stderr
    assert not (shop / ".baaskit").exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_serve_is_ready_when_it_says_so_and_stops_cleanly(shop: Path, start: Callable[..., Server], number: int) -> None:
    server = start("serve", str(shop), "--json", "--port", "0")
    assert set(server.ready) == {"event", "url", "anon_key", "service_role_key", "console_url"}
    assert server.get("/health") == 200
    assert server.get("/rest/v1/todos") == 200
    assert stat.S_IMODE((shop / ".baaskit").stat().st_mode) == 0o700
    assert stat.S_IMODE((shop / ".baaskit/keys.json").stat().st_mode) == 0o600
    assert server.end(number) == 0
    assert not any(server.ready[key] in line for key in ("anon_key", "service_role_key") for line in server.errors)


def test_dev_follows_the_files_and_keeps_the_last_good_state(shop: Path, start: Callable[..., Server]) -> None:
    server = start("dev", str(shop), "--json", "--port", "0")
    (shop / "migrations/0002.sql").write_text("create table notes (id int primary key);")
    server.says("applied 0002.sql")
    assert server.get("/rest/v1/notes") == 200
    (shop / "policies.sql").write_text('create policy "p" on notes for select using (idd = 1);')
    server.says("policies.sql:1:")
    (shop / "functions/hello.py").write_text("def x(:\n")
    server.says("hello.py:1:")
    assert server.get("/rest/v1/notes") == 200
    (shop / "policies.sql").write_text('create policy "p" on notes for select using (id = 1);')
    server.says("applied policies.sql (version 2)")
    assert server.end() == 0
