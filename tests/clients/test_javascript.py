"""`@supabase/supabase-js`, unmodified, against a real server on both databases."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.journeys.conftest import ROOT, Server

HERE = Path(__file__).parent


@pytest.mark.client
def test_the_javascript_client_works_unmodified(shop: Server) -> None:
    """Data, auth, changes under policy, broadcast, presence, storage and functions; the script says what it checks."""
    ran = subprocess.run(
        [ROOT / "scripts" / "with-node.sh", "node", str(HERE / "shop.mjs"), shop.url, shop.anon_key, shop.service_role_key],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    done = [json.loads(line)["done"] for line in ran.stdout.splitlines() if line.startswith("{")]

    assert ran.returncode == 0, f"after {done}:\n{ran.stderr[-3000:]}\nserver:\n{''.join(shop.log[-20:])}"
    assert done == ["data", "auth", "realtime rows", "broadcast and presence", "storage", "functions"]
