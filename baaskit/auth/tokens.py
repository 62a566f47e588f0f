"""The two tokens of a session: the access token's claims, and refresh tokens that are stored as hashes only.

A refresh token's successor is derived from its hash: `HMAC(key, digest)`. So whoever repeats a refresh (two tabs, a lost
answer) can be given the very token that the first refresh gave, although the database cannot tell it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from typing import Any

from baaskit.auth.usertable import as_known
from baaskit.kernel.database import Row
from baaskit.kernel.kit import Kit

_TOKEN_CHARACTERS = 32  # of base64url: 192 bits


def new_refresh_token() -> str:
    """The first of a session."""
    return secrets.token_urlsafe(_TOKEN_CHARACTERS * 6 // 8)


def successor(key: bytes, stored: str) -> str:
    """The token that follows the one whose `digest` is `stored`; `key` is `refresh_key(kit)`."""
    return base64.urlsafe_b64encode(hmac.digest(key, stored.encode(), "sha256"))[:_TOKEN_CHARACTERS].decode()


def refresh_key(kit: Kit) -> bytes:
    """32 bytes that only this project has."""
    return kit.keys.derive("refresh tokens")


def digest(token: str) -> str:
    """What is stored of a token; tokens are random, so a fast hash is enough."""
    return hashlib.sha256(token.encode()).hexdigest()


def issuer(kit: Kit) -> str:
    """The `iss` of our access tokens, and the base of our addresses."""
    return f"{kit.settings.url}/auth/v1"


def life_of(kit: Kit, session: Row, now: int) -> int:
    """Seconds for which an access token of `session` is valid from `now` (unix seconds): never beyond the session's own end."""
    longest = kit.settings.access_token_seconds
    return longest if session["not_after"] is None else max(0, min(longest, int(session["not_after"].timestamp()) - now))


def access_token(kit: Kit, user: Row, session: Row, now: int, **more: Any) -> str:
    """A signed token for one session of `user`, valid from `now` (unix seconds) for `life_of` it; `more` are further claims.

    The role is the account's own column: nothing a user can edit becomes one.
    """
    user = as_known(user)
    claims: dict[str, Any] = {
        "iss": issuer(kit), "sub": user["id"], "aud": user["aud"], "exp": now + life_of(kit, session, now), "iat": now,
        "email": user["email"] or "", "phone": user["phone"] or "", "app_metadata": user["raw_app_meta_data"],
        "user_metadata": user["raw_user_meta_data"], "role": user["role"], "aal": session["aal"], "amr": session["amr"],
        "session_id": session["id"], "is_anonymous": user["is_anonymous"], **more,
    }  # fmt: skip
    return kit.keys.sign(claims)
