"""The official clients, unmodified, against the whole application: JavaScript in Node, Python sync and async.

Each runs in a process of its own, as in an app.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.auth.provider import Idp
from tests.auth.server import Running, serve

pytestmark = pytest.mark.client

# Mails are kept for the flows to read.
MAIL = {"mail_mailbox": True, "mail_interval_seconds": 0, "mail_limit_per_address": 1000, "sms_provider": "mailbox"}
HERE = Path(__file__).parent
CLIENTS = HERE.parent / "clients"


def run(command: tuple[str, str], server: Running, **more: str) -> dict[str, int]:
    program, script = command
    keys = {"URL": server.url, "ANON": server.anon_key, "SERVICE": server.service_role_key, "CLIENTS": str(CLIENTS)}
    done = subprocess.run(
        [program, str(HERE / script)], env={**os.environ, **keys, **more}, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    passed: dict[str, int] = json.loads(done.stdout.splitlines()[-1])
    return passed


@pytest.mark.parametrize(
    ("command", "flows"), [((sys.executable, "flows.py"), 4), (("node", "flows.mjs"), 10)], ids=["python", "javascript"]
)
def test_an_official_client_signs_up_in_and_out_and_looks_after_users(
    database_url: str, tmp_path: Path, command: tuple[str, str], flows: int
) -> None:
    with serve(database_url, tmp_path, anonymous_users=True, **MAIL) as server:
        assert run(command, server) == {"passed": flows}


def test_an_official_client_confirms_addresses(database_url: str, tmp_path: Path) -> None:
    with serve(database_url, tmp_path, mail_confirm=True, **MAIL) as server:
        assert run(("node", "flows.mjs"), server, CONFIRM="1") == {"passed": 3}


def test_an_official_client_signs_in_with_accounts_elsewhere(database_url: str, tmp_path: Path, idp: Idp) -> None:
    token = idp.id_token(sub="cleo", email="cleo@example.com", nonce=hashlib.sha256(b"once").hexdigest())
    with serve(database_url, tmp_path, providers=idp.settings()) as server:
        assert run(("node", "oauth.mjs"), server, ID_TOKEN=token) == {"passed": 4}
