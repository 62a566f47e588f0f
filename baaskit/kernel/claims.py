"""Who is calling: `Claims`, and the verification of tokens. Pure but for the clock, which is an argument.

A token is a JWT signed by one of the project's ES256 keys or by its HS256 secret, or one of its opaque API keys.
Rules from RFC 8725: the algorithm is chosen by the key, never by the token; `exp` is required of user tokens.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import Any

import jwt

from baaskit.errors import EndedSession, ExpiredToken, InvalidToken

LEEWAY_SECONDS = 30  # PostgREST's leeway for exp, nbf and iat
ROLES = frozenset({"anon", "authenticated", "service_role"})
_CACHE_LIMIT = 20_000  # tokens
_ONLY_SIGNATURE: Any = {f"verify_{claim}": False for claim in ("exp", "aud", "iat", "nbf", "sub")}  # times are judged here, by `now`


@dataclass(frozen=True, slots=True)
class Claims:
    """The verified caller of one request. `jwt` is the whole claim set; `token` what it was read from.

    `is_foreign`: the HS256 secret signed it, not one of our signing keys: a token of the system that a project came from. Its
    session is none of ours; its time and its user count all the same.
    """

    role: str
    uid: str | None = None
    jwt: Mapping[str, Any] = field(default_factory=dict)
    token: str | None = None
    is_foreign: bool = False

    @property
    def email(self) -> str | None:
        value = self.jwt.get("email")
        return value if isinstance(value, str) and value else None

    @property
    def session_id(self) -> str | None:
        value = self.jwt.get("session_id")
        return value if isinstance(value, str) else None

    @property
    def expires(self) -> float:
        """Unix seconds after which this caller must be forgotten; infinity for API keys without `exp`."""
        value = self.jwt.get("exp")
        return float(value) if isinstance(value, (int, float)) else float("inf")

    @property
    def is_service(self) -> bool:
        return self.role == "service_role"

    @property
    def is_viewer(self) -> bool:
        """Whether this is an admin's console token that may look at everything and change nothing."""
        admin = self.jwt.get("admin")
        return isinstance(admin, dict) and admin.get("role") == "viewer"


ANONYMOUS = Claims("anon", None, {"role": "anon"})
SERVICE = Claims("service_role", None, {"role": "service_role"})


class Verifier:
    """Turns tokens into Claims, remembering those already verified.

    A remembered token costs a dictionary look-up and no cryptography. `revoke` ends a session's tokens at once in
    this process. Never touches the database.
    """

    def __init__(self, public_keys: Mapping[str, Any], secret: str, api_keys: Mapping[str, str]) -> None:
        """`public_keys`: kid → ES256 public key; `secret`: HS256 key of ≥ 32 bytes; `api_keys`: opaque key → role."""
        if len(secret.encode()) < 32:
            raise ValueError("the HS256 secret needs at least 32 bytes")
        self._public_keys = dict(public_keys)
        self._secret = secret
        self._api_keys = dict(api_keys)
        self._known: dict[str, Claims] = {}
        self._revoked: dict[str, float] = {}  # session id → forget after (unix seconds)

    def replace_keys(self, public_keys: Mapping[str, Any], secret: str, api_keys: Mapping[str, str]) -> None:
        """From now on these keys verify; whatever was verified before is verified anew. Ended sessions stay ended."""
        self._public_keys, self._secret, self._api_keys = dict(public_keys), secret, dict(api_keys)
        self._known = {}

    def verify(self, token: str | None, now: float) -> Claims:
        """Claims of `token` at `now` (unix seconds); no token → anonymous. Raises InvalidToken, ExpiredToken, EndedSession."""
        if not token:
            return ANONYMOUS
        claims = self._known.get(token)
        if claims is None:
            claims = self._read(token, now)
            if len(self._known) >= _CACHE_LIMIT:
                self._known.clear()
            self._known[token] = claims
        if claims.expires + LEEWAY_SECONDS < now:
            raise ExpiredToken("JWT expired")
        if self._revoked and claims.session_id in self._revoked:
            raise EndedSession("this session has ended")
        return claims

    def revoke(self, session_id: str, until: float) -> None:
        """Refuse the session's access tokens; `until` (unix seconds) is when the last of them expires by itself."""
        self._revoked[session_id] = until

    def forget_expired(self, now: float) -> None:
        """Drop remembered tokens and revocations that time has made void."""
        self._known = {t: c for t, c in self._known.items() if c.expires + LEEWAY_SECONDS >= now}
        self._revoked = {s: until for s, until in self._revoked.items() if until + LEEWAY_SECONDS >= now}

    def _read(self, token: str, now: float) -> Claims:
        if (role := self._api_keys.get(token)) is not None:
            return Claims(role, None, {"role": role}, token)
        try:
            header = jwt.get_unverified_header(token)
            by_secret = header.get("alg") == "HS256"
            key = self._secret if by_secret else self._public_keys.get(header.get("kid", ""))
            if key is None:
                raise InvalidToken("No suitable key was found to decode the JWT")
            payload = jwt.decode(token, key, algorithms=["HS256" if by_secret else "ES256"], options=_ONLY_SIGNATURE)
        except jwt.PyJWTError as problem:
            raise InvalidToken(f"JWT could not be verified: {problem}") from problem
        for moment in ("exp", "nbf", "iat"):  # a time that cannot be compared must not count as none
            if not _is_time(payload.get(moment, 0)):
                raise InvalidToken(f"claim {moment} must be a number")
        if payload.get("nbf", 0) > now + LEEWAY_SECONDS:
            raise InvalidToken("JWT not yet valid")
        role = payload.get("role", "anon")
        if not isinstance(role, str) or role not in ROLES:
            raise InvalidToken(f"role {role!r} does not exist")
        subject = payload.get("sub")
        if subject is not None and not isinstance(subject, str):
            raise InvalidToken("claim sub must be text")
        if role == "authenticated" and "exp" not in payload:
            raise InvalidToken("claim exp is missing")
        return Claims(role, subject or None, payload, token, by_secret)


def _is_time(value: object) -> bool:
    """Whether a claim is a NumericDate (RFC 7519): a finite number that is no boolean."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and isfinite(value)
