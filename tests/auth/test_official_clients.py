"""The official clients, unmodified, against the whole application: JavaScript in Node, Python sync and async.

Each runs in a process of its own, as in an app.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.auth.server import Running, serve

pytestmark = pytest.mark.client

HERE = Path(__file__).parent
CLIENTS = HERE.parent / "clients"


@pytest.fixture
def server(database_url: str, tmp_path: Path) -> Iterator[Running]:
    with serve(database_url, tmp_path, anonymous_users=True) as running:
        yield running


@pytest.mark.parametrize(
    ("command", "flows"), [((sys.executable, "flows.py"), 3), (("node", "flows.mjs"), 8)], ids=["python", "javascript"]
)
def test_an_official_client_signs_up_in_and_out_and_looks_after_users(server: Running, command: tuple[str, str], flows: int) -> None:
    program, script = command
    environment = {**os.environ, "URL": server.url, "ANON": server.anon_key, "SERVICE": server.service_role_key, "CLIENTS": str(CLIENTS)}
    done = subprocess.run([program, str(HERE / script)], env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == {"passed": flows}
