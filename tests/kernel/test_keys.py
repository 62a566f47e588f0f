"""The key file: rotation with overlap, revocation, opaque API keys, and a secret brought from elsewhere."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Any

import jwt
import pytest

from baaskit.errors import Faults, InvalidToken
from baaskit.kernel.claims import LEEWAY_SECONDS
from baaskit.kernel.keys import PUBLISHED_SECONDS, Keys, add_api_key, load_keys, revoke, rotate

SECRET = "super-secret-jwt-token-with-at-least-32-characters-long"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys.json"


def claims(now: float) -> dict[str, Any]:
    return {"sub": "7b9a0cd8-93a0-44f0-a2c1-5d1f6d3f5a10", "role": "authenticated", "iat": int(now), "exp": int(now) + 3600}


def kids(keys: Keys) -> list[str]:
    return [key["kid"] for key in keys.jwks()["keys"]]


def test_a_rotated_key_is_shown_before_it_signs_and_the_old_one_verifies_until_its_last_token_ends(path: Path) -> None:
    now = time.time()
    keys = load_keys(path)
    [old] = kids(keys)
    token = keys.sign(claims(now))
    new = rotate(path, now)
    assert keys.refresh(now)
    assert kids(keys) == [old, new]
    assert keys.current(now).kid == old
    over = now + PUBLISHED_SECONDS + 1
    assert keys.current(over).kid == new
    assert keys.verifier.verify(token, over).uid
    late = over + 3600 + LEEWAY_SECONDS
    assert keys.refresh(late)
    assert kids(keys) == [new]
    with pytest.raises(InvalidToken):
        keys.verifier.verify(token, now)


def test_nothing_is_read_again_while_nothing_has_changed(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = load_keys(path)
    monkeypatch.setattr("baaskit.kernel.keys._read", lambda _: pytest.fail("was read"))
    assert not keys.refresh()


def test_a_revoked_key_verifies_nothing_and_another_one_signs(path: Path) -> None:
    now = time.time()
    keys = load_keys(path)
    [old] = kids(keys)
    token = keys.sign(claims(now))
    assert keys.verifier.verify(token, now).uid
    revoke(path, old, now)
    verifier = keys.verifier
    keys.refresh(now)
    assert keys.verifier is verifier, "whoever holds it sees the change"
    with pytest.raises(InvalidToken):
        keys.verifier.verify(token, now)
    assert old not in kids(keys)
    assert keys.verifier.verify(keys.sign(claims(now)), now).uid
    with pytest.raises(Faults):
        revoke(path, old, now)
    with pytest.raises(Faults):
        revoke(path, "nothing", now)


def test_the_next_key_may_be_revoked_before_it_signs(path: Path) -> None:
    now = time.time()
    keys = load_keys(path)
    new = rotate(path, now)
    revoke(path, new, now)
    keys.refresh(now)
    assert len(kids(keys)) == 1
    assert keys.current(now + PUBLISHED_SECONDS + 1).kid == keys.current(now).kid


def test_opaque_keys_are_roles_until_they_are_revoked(path: Path) -> None:
    now = time.time()
    keys = load_keys(path)
    assert keys.publishable_key is not None
    assert keys.secret_key is not None
    assert keys.publishable_key.startswith("sb_publishable_")
    assert keys.secret_key.startswith("sb_secret_")
    assert keys.verifier.verify(keys.publishable_key, now).role == "anon"
    assert keys.verifier.verify(keys.secret_key, now).is_service
    assert load_keys(path).secret_key == keys.secret_key
    assert load_keys(path, SECRET).secret_key != keys.secret_key
    extra = add_api_key(path, "secret", "billing")
    with pytest.raises(Faults):
        add_api_key(path, "secret", "billing")
    keys.refresh(now)
    assert keys.verifier.verify(extra, now).is_service
    default = keys.secret_key
    revoke(path, "secret:default", now)
    revoke(path, "secret:billing", now)
    keys.refresh(now)
    for key in (extra, default):
        with pytest.raises(InvalidToken):
            keys.verifier.verify(key, now)
    assert keys.secret_key is None
    assert keys.verifier.verify(keys.publishable_key, now).role == "anon"


def test_s3_an_opaque_key_is_no_prefix_and_no_role_by_its_looks(path: Path) -> None:
    keys = load_keys(path)
    secret = keys.secret_key or ""
    for forged in (secret[:-1], f"{secret}x", "sb_secret_", secret.upper(), f" {secret}"):
        with pytest.raises(InvalidToken):
            keys.verifier.verify(forged, time.time())


def test_a_project_that_moves_here_keeps_its_keys_and_tokens(path: Path) -> None:
    """The secret of the hosted service's local stack, and what it signed."""
    keys, now = load_keys(path, SECRET), time.time()
    for role in ("anon", "service_role"):
        key = jwt.encode({"iss": "supabase-demo", "role": role, "exp": 1983812996}, SECRET, "HS256")
        assert keys.verifier.verify(key, now).role == role
    user = jwt.encode({**claims(now), "session_id": "0f0c6d0a-5e0b-4c3e-9f59-0a3f1f9e7a11"}, SECRET, "HS256")
    found = keys.verifier.verify(user, now)
    assert (found.uid, found.is_foreign) == (claims(now)["sub"], True)
    assert not keys.verifier.verify(keys.sign(claims(now)), now).is_foreign


def test_a_file_of_the_first_version_is_read(path: Path) -> None:
    load_keys(path)
    stored = json.loads(path.read_text())
    for entry in stored["signing_keys"]:
        del entry["signs_from"]
    path.write_text(json.dumps(stored))
    keys = load_keys(path)
    assert keys.verifier.verify(keys.sign(claims(time.time())), time.time()).uid
    rotate(path, time.time())
    keys.refresh()
    assert len(kids(keys)) == 2


def test_two_who_rotate_at_once_both_count_and_the_file_stays_ours(path: Path) -> None:
    load_keys(path)
    threads = [threading.Thread(target=rotate, args=(path, time.time())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(json.loads(path.read_text())["signing_keys"]) == 9
    assert path.stat().st_mode & 0o777 == 0o600
