"""Recovery codes: for the day when the phone is gone. Made ten at a time, shown once, kept as keyed hashes, each good for one use."""

from __future__ import annotations

import base64
import hmac
import secrets
from typing import Any

from sqlalchemy import delete, func, insert, select

from baaskit.auth import audit, sessions, users
from baaskit.auth.caller import Caller
from baaskit.auth.desk import Desk, Visit
from baaskit.auth.factors import own_session_steps, require_aal2
from baaskit.auth.requests import RecoveryCode
from baaskit.auth.sessions import Opened
from baaskit.auth.users import Account, utc_now
from baaskit.auth.views import opened_json
from baaskit.errors.auth import FactorNotFound, FactorVerificationFailed
from baaskit.kernel.database import Script
from baaskit.kernel.kit import Kit
from baaskit.observe import fact

COUNT = 10
_BYTES = 10  # 80 bits, 16 characters of base32
TRIES_PER_WINDOW = 10  # of a user in 5 minutes


async def make(kit: Kit, caller: Caller, visit: Visit) -> dict[str, Any]:
    """New codes; the ones before count no longer. Raises FactorNotFound without a verified factor, InsufficientAal."""
    t, now = kit.database.tables, utc_now()
    codes = [_spell(secrets.token_bytes(_BYTES)) for _ in range(COUNT)]

    def script() -> Script[None]:
        account, session = yield from own_session_steps(t, caller)
        if not account.has_second_factor:
            raise FactorNotFound("Recovery codes need a verified factor")
        require_aal2(account, session, "AAL2 required to make recovery codes")
        yield delete(t.recovery_codes).where(t.recovery_codes.c.user_id == account.id)
        for code in codes:
            yield insert(t.recovery_codes).values(user_id=account.id, code_hash=_hash(kit, account.id, code), created_at=now)
        yield audit.entry(t, "recovery_codes_generated", account.id, ip=visit.origin.ip)

    await kit.database.run(script)
    return {"codes": codes}


async def left(kit: Kit, caller: Caller) -> dict[str, Any]:
    """How many are left."""
    r = kit.database.tables.recovery_codes
    [row] = await kit.database.query(select(func.count().label("left")).select_from(r).where(r.c.user_id == caller.account.id))
    return {"left": row["left"]}


async def use(desk: Desk, caller: Caller, asked: RecoveryCode, visit: Visit) -> dict[str, Any]:
    """The session, now `aal2`, for one code. Raises FactorVerificationFailed, OverLimit."""
    kit, now = desk.kit, utc_now()
    t = kit.database.tables
    await desk.limits.take("recovery code", caller.account.id, TRIES_PER_WINDOW)

    def script() -> Script[tuple[Account, Opened]]:
        account, session = yield from own_session_steps(t, caller)
        r = t.recovery_codes
        used = yield delete(r).where(r.c.user_id == account.id, r.c.code_hash == _hash(kit, account.id, asked.code or "")).returning(r.c.id)
        if not used:
            raise FactorVerificationFailed("Invalid recovery code entered")
        opened = yield from sessions.raise_steps(kit, session, "mfa/recovery_code", now)
        yield audit.entry(t, "recovery_code_used", account.id, ip=visit.origin.ip)
        changed = yield from users.load_steps(t, account.id)
        assert changed is not None
        return changed, opened

    account, opened = await kit.database.run(script)
    fact("auth.recovery_code_used", user=account.id)
    return opened_json(kit, account, opened, now)


def _spell(raw: bytes) -> str:
    text = base64.b32encode(raw).decode().lower()
    return "-".join(text[start : start + 4] for start in range(0, len(text), 4))


def _hash(kit: Kit, user_id: str, code: str) -> str:
    plain = code.replace("-", "").replace(" ", "").lower()
    return hmac.digest(kit.keys.derive("recovery codes"), f"{user_id} {plain}".encode(), "sha256").hex()
