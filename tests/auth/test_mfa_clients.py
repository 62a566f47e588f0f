"""The official clients' `auth.mfa`, unmodified, against the whole application."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.auth.server import serve
from tests.auth.test_official_clients import run

pytestmark = pytest.mark.client


def test_the_official_clients_enroll_prove_and_remove_a_second_factor(database_url: str, tmp_path: Path) -> None:
    with serve(database_url, tmp_path) as server:
        for command in ((sys.executable, "mfa.py"), ("node", "mfa.mjs")):
            assert run(command, server) == {"passed": 1}
