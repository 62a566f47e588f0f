"""The caller's values on their way into a statement."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest

from baaskit.kernel.claims import ANONYMOUS, Claims
from baaskit.kernel.policy import CLAIM_BINDS, claim_binds

from .sides import Sides

NOON = datetime(2026, 1, 1, 13, 0, tzinfo=timezone(timedelta(hours=1)))


def test_every_claim_has_a_bind_and_all_are_text_or_null() -> None:
    binds = claim_binds(Claims("authenticated", "6F1C0A52-0F0E-4C1E-9A51-3B1F0D3F7A01", {"email": "a@b.c", "n": 1}), NOON, "room")

    assert set(binds) == set(CLAIM_BINDS.values())
    assert binds == {
        "claims_uid": "6f1c0a52-0f0e-4c1e-9a51-3b1f0d3f7a01",
        "claims_uid_int": None,
        "claims_uid_text": "6F1C0A52-0F0E-4C1E-9A51-3B1F0D3F7A01",
        "claims_role": "authenticated",
        "claims_email": "a@b.c",
        "claims_jwt": '{"email":"a@b.c","n":1}',
        "claims_topic": "room",
        "claims_now": "2026-01-01T12:00:00+00:00",
    }


def test_anonymous_callers_have_no_uid_and_no_email() -> None:
    binds = claim_binds(ANONYMOUS, datetime(2026, 1, 1, tzinfo=UTC))

    assert (binds["claims_uid"], binds["claims_email"], binds["claims_topic"]) == (None, None, None)


@pytest.mark.parametrize("name", ["a\x00b", "\ud800", "\\u0000", "ok\\"])
def test_no_name_that_a_user_chose_can_break_a_statement(sides: Sides, name: str) -> None:
    """PostgreSQL refuses NUL and lone surrogates: a caller with one in the profile would get an error on every request."""
    text = claim_binds(Claims("authenticated", None, {"user_metadata": {name: name}}), NOON)["claims_jwt"]

    [(shown,)] = sides.postgres.fetch("select ($1::text)::jsonb::text", text)

    assert json.loads(shown) == json.loads(text)
    text.encode()
