"""A migration that is killed or fails at any statement: the next run ends with the database of an uninterrupted one."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]
LONGEST_SECONDS = 3000  # one sweep: a process for each of 300 interruptions, and one for each second run
FEWER = [
    ("sqlite", "files", 45),
    ("sqlite", "together", 61),
    ("postgresql", "files", 31),
    ("postgresql", "together", 33),
    ("postgresql", "steps", 19),
]


def sweep(dialect: str, kind: str, every: int, tmp_path: Path, request: pytest.FixtureRequest) -> dict[str, Any]:
    place = str(tmp_path) if dialect == "sqlite" else request.getfixturevalue("postgres")()
    done = subprocess.run(
        [sys.executable, "-m", "tests.kernel.database.interrupted", dialect, place, kind, str(every)],
        cwd=ROOT, capture_output=True, text=True, timeout=LONGEST_SECONDS, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])  # type: ignore[no-any-return]


@pytest.mark.parametrize(("dialect", "kind", "every"), FEWER)
def test_an_interrupted_migration_ends_as_if_it_had_not_been(
    dialect: str, kind: str, every: int, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """`files`: a transaction each; `together`: one with policies; `steps`: without a transaction."""
    found = sweep(dialect, kind, every, tmp_path, request)
    assert found["statements"] > 10
    assert found["different"] == {}


@pytest.mark.long
@pytest.mark.timeout(LONGEST_SECONDS + 60)
@pytest.mark.parametrize(("dialect", "kind"), [(dialect, kind) for dialect, kind, _ in FEWER])
def test_an_interruption_at_every_statement(dialect: str, kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    found = sweep(dialect, kind, 1, tmp_path, request)
    assert found["different"] == {}
    assert found["tried"] == 2 * found["statements"]
