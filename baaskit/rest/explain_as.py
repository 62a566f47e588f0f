"""`X-Baaskit-As`: the principal that a request of the service role wants to be run, tried or explained as."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import orjson
from sqlalchemy import Text, cast, insert, select

from baaskit.errors.rest import InvalidPrincipal, PermissionDenied
from baaskit.kernel.claims import ANONYMOUS, ROLES, Claims
from baaskit.kernel.kit import Kit
from baaskit.kernel.policy.claims import claim_value
from baaskit.observe import fact
from baaskit.rest.request import Request

_WRITES = frozenset({"POST", "PATCH", "PUT", "DELETE"})
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
    if request.method in _WRITES and EXPLAIN not in request.headers and TRY not in request.headers:
        await _record(kit, by, claims, request)
    return replace(request, claims=claims)


async def _record(kit: Kit, by: str, claims: Claims, request: Request) -> None:
    """A write in another's name stands in the audit log, whatever becomes of it: row policies cannot tell it from the real one."""
    admins, audit = kit.database.tables.admins, kit.database.tables.audit
    found = await kit.database.query(select(admins.c.email).where(cast(admins.c.id, Text) == by))
    actor = found[0]["email"] if found else by
    details = {"role": claims.role, "uid": claims.uid}
    target = f"{request.method} {request.name[:200]}"
    await kit.database.execute(
        insert(audit).values(id=str(uuid4()), at=datetime.now(UTC), actor=actor, action="request.as", target=target, details=details)
    )


async def principal(kit: Kit, text: str) -> Claims:
    """A role, a user's id or address, or claims as JSON. Raises InvalidPrincipal.

    A user that the server knows gets the claims of its tokens; an id that it does not know is a signed-in user with nothing else.
    """
    if text == "anon":
        return ANONYMOUS
    if text in ROLES:
        return Claims(text, None, {"role": text})
    if text.startswith("{"):
        return _from_claims(text)
    if kit.database.uid.name != "uuid":
        return _of_other_type(kit.database.uid.name, text)
    t = kit.database.tables.users
    if "@" in text:
        found = await kit.database.query(select(t).where(t.c.email == text.lower()))
        if not found:
            raise InvalidPrincipal(f"No user has the address {text[:100]!r}.")
        uid = str(found[0]["id"])
    else:
        uid = _uuid(text)
        found = await kit.database.query(select(t).where(t.c.id == uid))
    claims: dict[str, Any] = {"sub": uid, "role": "authenticated", "aud": "authenticated"}
    if found:
        user = found[0]
        claims |= {
            "role": user["role"], "email": user["email"] or "", "phone": user["phone"] or "", "app_metadata": user["raw_app_meta_data"],
            "user_metadata": user["raw_user_meta_data"], "is_anonymous": user["is_anonymous"],
        }  # fmt: skip
    return Claims(claims["role"], uid, claims)


def _of_other_type(kind: str, text: str) -> Claims:
    """A user of a project whose `auth.uid()` is no uuid: the id is the subject of a token of theirs, and all that is known."""
    claims = Claims("authenticated", text, {"sub": text, "role": "authenticated", "aud": "authenticated"})
    if claim_value("uid_int" if kind == "int8" else "uid_text", claims, datetime.now(UTC)) is None:
        raise InvalidPrincipal(
            f"{text[:100]!r} is neither a role, nor a user's id, nor claims as a JSON object.",
            hint=f"Ids are {kind} here (uid_type), written the one usual way: 7, not 07.",
        )
    return claims


def _uuid(text: str) -> str:
    try:
        return str(UUID(text))
    except ValueError:
        raise InvalidPrincipal(f"{text[:100]!r} is neither a role, nor a user's id or address, nor claims as a JSON object.") from None


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
