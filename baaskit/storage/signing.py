"""Signed URLs: short tokens that open one object for one purpose, whoever holds them."""

from __future__ import annotations

import time
from typing import Any

import jwt

from baaskit.errors.storage import ExpiredSignature, InvalidSignature

MAX_SECONDS = 10 * 365 * 86_400


class Signer:
    """Makes and reads tokens with a key of its own, so that they are no access tokens, nor the other way round."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def sign(self, scope: str, url: str, seconds: int, **more: Any) -> str:
        """A token for `url` (`bucket/name`); `scope` is `download` or `upload`."""
        now = int(time.time())
        return jwt.encode(
            {"scope": scope, "url": url, "iat": now, "exp": now + min(seconds, MAX_SECONDS), **more}, self._key, algorithm="HS256"
        )

    def read(self, scope: str, url: str, token: str) -> dict[str, Any]:
        """The token's claims. Raises InvalidSignature if it is not for this scope and object, ExpiredSignature."""
        try:
            claims: dict[str, Any] = jwt.decode(token, self._key, algorithms=["HS256"], options={"require": ["exp"]})
        except jwt.ExpiredSignatureError as problem:
            raise ExpiredSignature() from problem
        except jwt.PyJWTError as problem:
            raise InvalidSignature() from problem
        if claims.get("scope") != scope or claims.get("url") != url:
            raise InvalidSignature()
        return claims
