"""`X-Baaskit-As`: the principal that a request of the service role wants to be run, tried or explained as."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import select

from baaskit.errors.rest import InvalidPrincipal, PermissionDenied
from baaskit.kernel.claims import ANONYMOUS, ROLES, Claims
from baaskit.kernel.kit import Kit
from baaskit.observe import fact
from baaskit.rest.request import Request

AS, EXPLAIN, TRY = b"x-baaskit-as", b"x-baaskit-explain", b"x-baaskit-try"


def asks_for_tools(request: Request) -> bool:
    """Whether the service role asks for more than an answer. Of any other role the headers mean nothing."""
    headers = request.headers
    return request.claims.is_service and (AS in headers or EXPLAIN in headers or TRY in headers)


async def as_principal(kit: Kit, request: Request) -> Request:
    """The request as its principal's, who is the caller where `X-Baaskit-As` is missing.

    Raises PermissionDenied for a viewer of the console, InvalidPrincipal.
    """
    caller = request.claims
    if caller.is_viewer:
        raise PermissionDenied("A viewer may not act as another user, nor try or explain requests.")
    if AS not in request.headers:
        return request
    claims = await principal(kit, request.headers[AS].decode("utf-8", "replace").strip())
    admin = caller.jwt.get("admin")
    by = str(admin.get("id")) if isinstance(admin, dict) else "service key"
    fact("request.impersonated", by=by, role=claims.role, uid=claims.uid, method=request.method, name=request.name)
    return replace(request, claims=claims)


async def principal(kit: Kit, text: str) -> Claims:
    """`anon`, a user's id, or claims as JSON. Raises InvalidPrincipal.

    A user that the server knows gets the claims of its tokens; an id that it does not know is a signed-in user with nothing else.
    """
    if text == "anon":
        return ANONYMOUS
    if text == "service_role":
        return Claims("service_role", None, {"role": "service_role"})
    if text.startswith("{"):
        return _from_claims(text)
    try:
        uid = str(UUID(text))
    except ValueError:
        raise InvalidPrincipal(f"{text[:100]!r} is neither anon, nor a user's id, nor claims as a JSON object.") from None
    t = kit.database.tables.users
    found = await kit.database.query(select(t).where(t.c.id == uid))
    claims: dict[str, Any] = {"sub": uid, "role": "authenticated", "aud": "authenticated"}
    if found:
        user = found[0]
        claims |= {
            "role": user["role"], "email": user["email"] or "", "phone": user["phone"] or "", "app_metadata": user["raw_app_meta_data"],
            "user_metadata": user["raw_user_meta_data"], "is_anonymous": user["is_anonymous"],
        }  # fmt: skip
    return Claims(claims["role"], uid, claims)


def _from_claims(text: str) -> Claims:
    try:
        claims = orjson.loads(text)
    except orjson.JSONDecodeError:
        raise InvalidPrincipal("The claims are not JSON.") from None
    subject = claims.get("sub")
    role = claims.setdefault("role", "anon" if subject is None else "authenticated")
    if not isinstance(role, str) or role not in ROLES:
        raise InvalidPrincipal(f"role {role!r} does not exist")
    if subject is not None and not isinstance(subject, str):
        raise InvalidPrincipal("claim sub must be text")
    return Claims(role, subject or None, claims)
