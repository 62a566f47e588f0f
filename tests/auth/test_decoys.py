"""The hashes that stand in for accounts which do not exist."""

from __future__ import annotations

import pytest
from passlib.context import CryptContext

from baaskit.auth import passwords
from baaskit.console import admins


@pytest.mark.parametrize(("context", "decoy"), [(passwords._context, passwords._DECOY), (admins._passwords, admins.DECOY)])
def test_s7_a_decoy_costs_what_a_new_hash_costs(context: CryptContext, decoy: str) -> None:
    """Same scheme, memory, passes and lanes; else an unknown address could be told by its time."""
    assert decoy.rsplit("$", 2)[0] == context.hash("x").rsplit("$", 2)[0]
