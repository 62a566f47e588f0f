"""Flows that end in a code (PKCE, RFC 7636): begun by one request, finished by the client that knows the verifier."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from sqlalchemy import delete, insert, update

from baaskit.auth.tokens import digest
from baaskit.errors.auth import BadVerifier, FlowExpired, FlowNotFound, ValidationFailed
from baaskit.kernel.database import Row, Script
from baaskit.kernel.database.tables import Tables

CODE_SECONDS = 300  # from the redirect to the exchange
_CHALLENGE = re.compile(r"[A-Za-z0-9._~-]{43,128}")


def challenge_of(challenge: str | None, method: str | None) -> tuple[str, str] | None:
    """The challenge and its method (`s256` or `plain`), None when none was sent. Raises ValidationFailed."""
    if not challenge and not method:
        return None
    if not challenge or not method:
        raise ValidationFailed("PKCE flow requires code_challenge_method and code_challenge")
    if method.lower() not in ("s256", "plain"):
        raise ValidationFailed("code_challenge_method must be s256 or plain")
    if not _CHALLENGE.fullmatch(challenge):
        raise ValidationFailed("code challenge has to be between 43 and 128 characters")
    return challenge, method.lower()


def begin_steps(
    t: Tables, asked: tuple[str, str], method: str, now: datetime, seconds: int, data: dict[str, Any] | None = None
) -> Script[str]:
    """A flow that waits `seconds` for its code; its id. `method` is how the person will have signed in (an entry of `amr`)."""
    yield delete(t.flow_states).where(t.flow_states.c.expires_at <= now)
    flow_id = str(uuid4())
    yield insert(t.flow_states).values(
        id=flow_id, method=method, challenge=asked[0], challenge_method=asked[1], data=data or {}, created_at=now,
        expires_at=now + timedelta(seconds=seconds),
    )  # fmt: skip
    return flow_id


def code_steps(t: Tables, flow_id: str, user_id: str, now: datetime, method: str) -> Script[str | None]:
    """The code that the redirect carries; None when the flow is over."""
    code = str(uuid4())
    f = t.flow_states
    rows = yield (
        update(f)
        .where(f.c.id == flow_id, f.c.code_hash.is_(None), f.c.expires_at > now)
        .values(code_hash=digest(code), user_id=user_id, method=method, expires_at=now + timedelta(seconds=CODE_SECONDS))
        .returning(f.c.id)
    )
    return code if rows else None


def redeem_steps(t: Tables, code: str, verifier: str, now: datetime) -> Script[Row | Exception]:
    """The flow of `code`, used up by the try whatever comes of it; so a refusal is returned, not raised."""
    rows = yield delete(t.flow_states).where(t.flow_states.c.code_hash == digest(code)).returning(t.flow_states)
    if not rows:
        return FlowNotFound()
    if rows[0]["expires_at"] <= now:
        return FlowExpired()
    if not _fits(verifier, rows[0]["challenge"], rows[0]["challenge_method"]):
        return BadVerifier()
    flow: Row = rows[0]
    return flow


def _fits(verifier: str, challenge: str, method: str) -> bool:
    made = verifier
    if method == "s256":
        made = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    return hmac.compare_digest(made.encode(), challenge.encode())
