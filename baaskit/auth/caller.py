"""Who calls: the bearer token of a request, its live session and its account."""

from __future__ import annotations

import time
from dataclasses import dataclass
from uuid import UUID

from starlette.requests import Request

from baaskit.auth.desk import Visit
from baaskit.auth.limits import client_of
from baaskit.auth.sessions import Origin
from baaskit.auth.users import Account, find_account, utc_now
from baaskit.auth.usertable import account_of
from baaskit.errors import BaasError, EndedSession, ExpiredToken, InvalidToken
from baaskit.errors.auth import BadJwt, NoAuthorization, NotAdmin, SessionNotFound, SubjectNotFound, UserBanned
from baaskit.kernel.claims import Claims
from baaskit.kernel.kit import Kit

_PREFIX = "invalid JWT: unable to parse or verify signature"


@dataclass(frozen=True, slots=True)
class Caller:
    """A signed-in user. `session_id` is None for a token that the project's own secret signed outside of any session."""

    claims: Claims
    account: Account
    session_id: str | None

    @property
    def is_impersonated(self) -> bool:
        """Whether an admin looks at the app as this user."""
        return "act" in self.claims.jwt


def origin_of(request: Request) -> Origin:
    """Where a request comes from."""
    return Origin(request.client.host if request.client else None, request.headers.get("user-agent"))


def client_key(request: Request) -> str:
    """Whom the limits per address count."""
    return client_of(request.client.host if request.client else None)


def visit_of(kit: Kit, request: Request) -> Visit:
    """What of a request matters beyond its body."""
    return Visit(
        client_key(request), origin_of(request), request.query_params.get("redirect_to") or request.headers.get("redirect_to"),
        request.headers.get("referer"), trusted=is_service(kit, request),
    )  # fmt: skip


def bearer_claims(kit: Kit, request: Request) -> Claims:
    """Verified claims of the bearer token; no database. Raises NoAuthorization, BadJwt, SessionNotFound."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not token:
        raise NoAuthorization()
    try:
        return kit.keys.verifier.verify(token, time.time())
    except EndedSession as problem:
        raise SessionNotFound() from problem
    except ExpiredToken as problem:
        raise BadJwt(f"{_PREFIX}, token has invalid claims: token is expired") from problem
    except InvalidToken as problem:
        raise BadJwt(f"{_PREFIX}, {problem.message}") from problem


async def signed_in(kit: Kit, request: Request) -> Caller:
    """The calling user, with one read. Raises what `bearer_claims` does, SubjectNotFound, UserBanned."""
    claims = bearer_claims(kit, request)
    if claims.uid is None:
        raise BadJwt("invalid claim: missing sub claim")
    session_id = claims.jwt.get("session_id") or None
    user_id = account_of(claims.uid) if kit.settings.users_table else _uuid(claims.uid, "sub")
    if session_id is not None:
        session_id = _uuid(session_id, "session_id")
    found = await find_account(kit, user_id, session_id)
    if found is None and session_id is not None and claims.is_foreign:
        session_id, found = None, await find_account(kit, user_id)
    now = utc_now()
    if found is None or (found[1] is not None and found[1] <= now):
        if session_id is not None and await find_account(kit, user_id) is not None:
            raise SessionNotFound()
        raise SubjectNotFound()
    if found[0].is_banned(now):
        raise UserBanned()
    return Caller(claims, found[0], session_id)


def is_service(kit: Kit, request: Request) -> bool:
    """Whether the request bears the service key; never raises."""
    try:
        return bearer_claims(kit, request).is_service
    except BaasError:
        return False


def require_admin(kit: Kit, request: Request) -> Claims:
    """Claims of the service role. Raises NotAdmin and what `bearer_claims` does."""
    claims = bearer_claims(kit, request)
    if not claims.is_service:
        raise NotAdmin()
    return claims


def _uuid(value: object, claim: str) -> str:
    try:
        return str(UUID(str(value)))
    except ValueError as problem:
        raise BadJwt(f"invalid claim: {claim} claim must be a UUID") from problem
