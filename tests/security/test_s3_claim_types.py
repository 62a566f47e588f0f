"""S3: a correctly signed token whose claims have the wrong type opens nothing, and never counts as one without the claim."""

from __future__ import annotations

import json
import time
from typing import Any

import jwt
import pytest

from baaskit.errors import InvalidToken
from baaskit.kernel.claims import Verifier

SECRET = "s" * 40
NOW = time.time()


def signed(**claims: Any) -> str:
    return jwt.encode({"role": "authenticated", "sub": "u", "exp": int(NOW) + 60, **claims}, SECRET, algorithm="HS256")


@pytest.mark.parametrize("wrong", ["1", "", "4102444800", None, True, [], {}, [4102444800], float("inf"), float("nan")])
@pytest.mark.parametrize("claim", ["exp", "nbf", "iat"])
def test_a_time_that_is_no_number_is_refused(claim: str, wrong: Any) -> None:
    # Not through `jwt.encode`, which refuses some of these itself: a token of somebody who holds the secret and another library.
    token = jwt.api_jws.encode(
        json.dumps({"role": "authenticated", "sub": "u", "exp": int(NOW) + 60, claim: wrong}).encode(), SECRET, "HS256"
    )
    with pytest.raises(InvalidToken):
        Verifier({}, SECRET, {}).verify(token, NOW)


@pytest.mark.parametrize("role", [["service_role"], {"service_role": 1}, 1, True, None, "", "postgres", "SERVICE_ROLE", "service_role "])
def test_a_role_that_is_none_of_ours_is_refused(role: Any) -> None:
    with pytest.raises(InvalidToken):
        Verifier({}, SECRET, {}).verify(signed(role=role), NOW)


@pytest.mark.parametrize("token", ["", ".", "..", "a.b.c", "\xe9.\xe9.\xe9", "W10.e30.AA", "MQ.e30.AA", "." * 10_000])
def test_garbage_is_refused_or_nobody(token: str) -> None:
    if not token:
        assert Verifier({}, SECRET, {}).verify(token, NOW).role == "anon"
        return
    with pytest.raises(InvalidToken):
        Verifier({}, SECRET, {}).verify(token, NOW)


def test_a_good_token_passes() -> None:
    assert Verifier({}, SECRET, {}).verify(signed(nbf=NOW - 1, iat=NOW), NOW).uid == "u"
