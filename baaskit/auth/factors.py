"""Second factors of an account: enrolling, challenging, proving and removing them, and what a proof does to the session.

Whoever has a verified factor needs it (a session of `aal2`) to add or remove one: a stolen password alone changes nothing here.
`users.factors` holds what clients see, written with each change, so reading a user costs no second look.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from sqlalchemy import delete, insert, select, update

from baaskit.auth import audit, sessions, totp, users, webauthn_keys
from baaskit.auth.caller import Caller
from baaskit.auth.desk import Desk, Visit
from baaskit.auth.requests import Challenge, FactorProof, NewFactor
from baaskit.auth.sessions import Opened
from baaskit.auth.users import Account, utc_now
from baaskit.auth.views import moment, opened_json
from baaskit.errors.auth import (
    ChallengeExpired,
    ChallengeNotFound,
    FactorNameConflict,
    FactorNotFound,
    FactorVerificationFailed,
    FeatureDisabled,
    InsufficientAal,
    OverLimit,
    SessionNotFound,
    TooManyFactors,
    UserNotFound,
    ValidationFailed,
)
from baaskit.kernel.database import Row, Script
from baaskit.kernel.database.tables import Tables
from baaskit.kernel.kit import Kit
from baaskit.observe import fact

MOST_FACTORS = 10  # of a user
CHALLENGE_SECONDS = 300
FREE_TRIES = 5  # wrong codes in a row before a factor rests
REST_SECONDS = 30  # doubled with each further wrong code; three codes of a million are right at a time
LONGEST_REST_SECONDS = 3600
CHALLENGES_PER_WINDOW = 60  # of a user in 5 minutes
STALE = timedelta(minutes=30)  # an enrolment that nobody finished
_METHOD_OF = {"totp": "totp", "webauthn": "mfa/webauthn"}  # type of a factor → entry of `amr`
METHODS = frozenset({*_METHOD_OF.values(), "mfa/recovery_code"})  # entries of `amr` that a removed factor takes away


@dataclass(frozen=True, slots=True)
class Proof:
    """What a proof showed: new values of the factor's row, or None when it was wrong."""

    changes: dict[str, Any] | None


async def enroll(desk: Desk, caller: Caller, asked: NewFactor, visit: Visit) -> dict[str, Any]:
    """A new factor; it counts once it has been verified. Raises InsufficientAal, TooManyFactors, FactorNameConflict."""
    if asked.factor_type == "phone":
        raise FeatureDisabled(422, "mfa_phone_enroll_not_enabled", "MFA enroll is disabled for Phone")
    if asked.factor_type not in ("totp", "webauthn"):
        raise ValidationFailed("factor_type needs to be TOTP or WebAuthn")
    kit, now = desk.kit, utc_now()
    t, factor_id, name = kit.database.tables, str(uuid4()), asked.friendly_name or ""
    secret = totp.new_secret() if asked.factor_type == "totp" else None

    def script() -> Script[Account]:
        account, session = yield from own_session_steps(t, caller)
        require_aal2(account, session, "AAL2 required to enroll a new factor")
        yield from _make_room_steps(t, account.id, asked.factor_type, name, now)
        yield insert(t.factors).values(
            id=factor_id, user_id=account.id, factor_type=asked.factor_type, friendly_name=name,
            secret=totp.seal(sealing_key(kit), secret, factor_id) if secret else None, created_at=now, updated_at=now,
        )  # fmt: skip
        yield from show_steps(t, account.id)
        yield audit.entry(t, "factor_in_progress", account.id, ip=visit.origin.ip, factor=factor_id, type=asked.factor_type)
        return account

    account = await kit.database.run(script)
    if secret is None:
        return {"id": factor_id, "type": "webauthn", "friendly_name": name}
    user = account.user
    uri = totp.uri_of(secret, asked.issuer or kit.settings.brand, user["email"] or user["phone"] or user["username"] or user["id"])
    shown = {"qr_code": totp.picture_of(uri), "secret": secret, "uri": uri}
    return {"id": factor_id, "type": "totp", "friendly_name": name, "totp": shown}


async def challenge(desk: Desk, caller: Caller, factor_id: str, asked: Challenge) -> dict[str, Any]:
    """What a proof answers to, for this session only. Raises FactorNotFound, OverLimit."""
    kit, now = desk.kit, utc_now()
    t, made, until = kit.database.tables, str(uuid4()), now + timedelta(seconds=CHALLENGE_SECONDS)
    await desk.limits.take("mfa challenge", caller.account.id, CHALLENGES_PER_WINDOW)

    if asked.webauthn is not None:
        webauthn_keys.check_rp_id(kit.settings, asked.webauthn.rp_id)
        await webauthn_keys.load()

    def script() -> Script[dict[str, Any]]:
        account, _ = yield from own_session_steps(t, caller)
        factor = yield from _factor_steps(t, account.id, factor_id)
        shown, data = {"id": made, "type": factor["factor_type"], "expires_at": int(until.timestamp())}, {}
        if factor["factor_type"] == "webauthn":
            if asked.webauthn is None:
                raise ValidationFailed("a challenge of a WebAuthn factor needs webauthn: {rpId}")
            others = yield select(t.factors).where(t.factors.c.user_id == account.id, t.factors.c.verified)
            kind, options = webauthn_keys.options_of(kit, account, factor, others)
            data = {"challenge": options["challenge"]}
            shown["webauthn"] = {"type": kind, "credential_options": {"publicKey": options}}
        yield delete(t.challenges).where(t.challenges.c.expires_at <= now)
        yield insert(t.challenges).values(
            id=made, user_id=account.id, factor_id=factor_id, session_id=caller.session_id, data=data, expires_at=until, created_at=now
        )
        return shown

    return await kit.database.run(script)


async def verify(desk: Desk, caller: Caller, factor_id: str, asked: FactorProof, visit: Visit) -> dict[str, Any]:
    """The session, now `aal2`, with new tokens.

    Raises ChallengeNotFound, ChallengeExpired, FactorVerificationFailed, OverLimit, FactorNotFound.
    """
    if not asked.challenge_id:
        raise ValidationFailed("challenge_id must be given")
    kit, now = desk.kit, utc_now()
    t, key_answer = kit.database.tables, asked.webauthn
    if key_answer is not None:
        webauthn_keys.check_rp_id(kit.settings, key_answer.rp_id)
        await webauthn_keys.load()

    def prove(factor: Row, challenge: Row) -> Proof:
        if factor["factor_type"] == "webauthn":
            answer = key_answer.credential_response if key_answer is not None else None
            return Proof(webauthn_keys.check(kit.settings, factor, challenge["data"]["challenge"], answer) if answer else None)
        secret = totp.unseal(sealing_key(kit), factor["secret"] or "", factor_id)
        if secret is None:
            fact("auth.factor_unreadable", factor=factor_id, reason="sealed with another secret of the project")
            return Proof(None)
        counter = totp.counter_of(secret, asked.code or "", factor["last_counter"], now)
        return Proof(None if counter is None else {"last_counter": counter})

    def script() -> Script[tuple[Account, Opened, list[str]] | Exception]:
        account, session = yield from own_session_steps(t, caller)
        factor = yield from _factor_steps(t, account.id, factor_id)
        c = t.challenges
        mine = (c.c.id == str(asked.challenge_id)) & (c.c.factor_id == factor_id) & (c.c.session_id == session["id"])
        found = yield select(c).where(mine)
        if not found:
            return ChallengeNotFound()
        if found[0]["expires_at"] <= now:
            return ChallengeExpired()
        if factor["factor_type"] == "webauthn":  # one answer to one challenge: many passkeys do not count
            yield delete(c).where(c.c.id == str(asked.challenge_id))
        refused = yield from _prove_steps(t, factor, lambda row: prove(row, found[0]), now)
        if refused is not None:
            return refused
        yield delete(c).where(c.c.id == str(asked.challenge_id))
        ended = yield from _first_proof_steps(t, account, factor, session, now)
        opened = yield from sessions.raise_steps(kit, session, _METHOD_OF[factor["factor_type"]], now)
        yield audit.entry(t, "mfa_code_login", account.id, ip=visit.origin.ip, factor=factor_id, type=factor["factor_type"])
        changed = yield from users.load_steps(t, account.id)
        assert changed is not None
        return changed, opened, ended

    outcome = await kit.database.run(script)  # a refusal is returned: the count of tries must be kept
    if isinstance(outcome, Exception):
        fact("auth.factor_refused", user=caller.account.id, factor=factor_id, reason=str(outcome))
        raise outcome
    account, opened, ended = outcome
    sessions.revoke_here(kit, ended, now)
    fact("auth.factor_verified", user=account.id, factor=factor_id)
    return opened_json(kit, account, opened, now)


async def unenroll(kit: Kit, caller: Caller, factor_id: str, visit: Visit) -> dict[str, Any]:
    """Remove one's own factor. Raises FactorNotFound, InsufficientAal."""
    t, now = kit.database.tables, utc_now()

    def script() -> Script[None]:
        account, session = yield from own_session_steps(t, caller)
        factor = yield from _factor_steps(t, account.id, factor_id)
        if factor["verified"]:
            require_aal2(account, session, "AAL2 required to unenroll verified factor", 422)
        yield from remove_steps(t, factor, now)
        yield audit.entry(t, "factor_unenrolled", account.id, ip=visit.origin.ip, factor=factor_id)

    await kit.database.run(script)
    fact("auth.factor_removed", user=caller.account.id, factor=factor_id)
    return {"id": factor_id}


async def list_of(kit: Kit, user_id: str) -> list[dict[str, Any]]:
    """A user's factors as an admin sees them. Raises UserNotFound."""
    found = await users.find_account(kit, user_id)
    if found is None:
        raise UserNotFound()
    factors: list[dict[str, Any]] = found[0].user["factors"]
    return factors


async def remove(kit: Kit, user_id: str, factor_id: str) -> dict[str, Any]:
    """An admin removes a factor, as of a lost phone: sessions that were raised by it end. Raises UserNotFound, FactorNotFound."""
    t, now = kit.database.tables, utc_now()

    def script() -> Script[tuple[dict[str, Any], list[str]]]:
        account = yield from users.load_steps(t, user_id)
        if account is None:
            raise UserNotFound()
        factor = yield from _factor_steps(t, user_id, factor_id)
        s = t.sessions
        ended = (yield delete(s).where(s.c.user_id == user_id, s.c.aal == "aal2").returning(s.c.id)) if factor["verified"] else []
        yield from remove_steps(t, factor, now)
        yield audit.entry(t, "factor_deleted", user_id, actor="admin", factor=factor_id)
        return factor_json(factor), [row["id"] for row in ended]

    shown, ended = await kit.database.run(script)
    sessions.revoke_here(kit, ended, now)
    fact("auth.factor_removed", user=user_id, factor=factor_id, by="admin")
    return shown


def own_session_steps(t: Tables, caller: Caller) -> Script[tuple[Account, Row]]:
    """The caller's account, locked, and its session as it is now: a token may say more than is true by now. Raises SessionNotFound."""
    account = yield from users.load_steps(t, caller.account.id)
    found = (
        yield select(t.sessions).where(t.sessions.c.id == caller.session_id, t.sessions.c.user_id == caller.account.id).with_for_update()
    )
    if account is None or not found:
        raise SessionNotFound()
    return account, found[0]


def require_aal2(account: Account, session: Row, message: str, status: int = 403) -> None:
    """Raises InsufficientAal when the account has a second factor that the session has not proven."""
    if account.has_second_factor and session["aal"] != "aal2":
        raise InsufficientAal(message, status)


async def require_aal2_for_credentials(kit: Kit, caller: Caller) -> None:
    """The same before a change of address or password. Raises InsufficientAal."""
    if not caller.account.has_second_factor:
        return
    s = kit.database.tables.sessions
    found = await kit.database.query(select(s.c.aal).where(s.c.id == caller.session_id)) if caller.session_id else []
    if not found or found[0]["aal"] != "aal2":
        raise InsufficientAal("AAL2 session is required to update email or password when MFA is enabled.", 401)


def show_steps(t: Tables, user_id: str) -> Script[None]:
    """Write what clients see of a user's factors."""
    rows = yield select(t.factors).where(t.factors.c.user_id == user_id).order_by(t.factors.c.created_at, t.factors.c.id)
    yield update(t.users).where(t.users.c.id == user_id).values(factors=[factor_json(row) for row in rows])


def remove_steps(t: Tables, factor: Row, now: datetime) -> Script[None]:
    """Delete a factor. With the last verified one go the recovery codes and the `aal2` of the user's sessions."""
    user_id = factor["user_id"]
    yield delete(t.factors).where(t.factors.c.id == factor["id"])
    yield from show_steps(t, user_id)
    left = yield select(t.factors.c.id).where(t.factors.c.user_id == user_id, t.factors.c.verified)
    if factor["verified"] and not left:
        yield delete(t.recovery_codes).where(t.recovery_codes.c.user_id == user_id)
        yield from sessions.lower_steps(t, user_id, METHODS, now)


def factor_json(factor: Row) -> dict[str, Any]:
    """A `FactorView`."""
    named = {"friendly_name": factor["friendly_name"]} if factor["friendly_name"] else {}
    return {
        "id": factor["id"], **named, "factor_type": factor["factor_type"], "status": "verified" if factor["verified"] else "unverified",
        "created_at": moment(factor["created_at"]), "updated_at": moment(factor["updated_at"]),
    }  # fmt: skip


def sealing_key(kit: Kit) -> bytes:
    """What encrypts secrets at rest: 32 bytes that only this project has."""
    return kit.keys.derive("factor secrets")


def _factor_steps(t: Tables, user_id: str, factor_id: str) -> Script[Row]:
    found = yield select(t.factors).where(t.factors.c.id == factor_id, t.factors.c.user_id == user_id)
    if not found:
        raise FactorNotFound()
    factor: Row = found[0]
    return factor


def _make_room_steps(t: Tables, user_id: str, kind: str, name: str, now: datetime) -> Script[None]:
    """An enrolment that was given up does not stand in the way of the next one."""
    f = t.factors
    again = (f.c.factor_type == kind) & (f.c.friendly_name == name)
    yield delete(f).where(f.c.user_id == user_id, ~f.c.verified, again | (f.c.created_at <= now - STALE))
    rows = yield select(f.c.friendly_name).where(f.c.user_id == user_id)
    if len(rows) >= MOST_FACTORS:
        raise TooManyFactors()
    if name and any(row["friendly_name"] == name for row in rows):
        raise FactorNameConflict(f'A factor with the friendly name "{name}" for this user already exists')


def _prove_steps(t: Tables, factor: Row, prove: Callable[[Row], Proof], now: datetime) -> Script[Exception | None]:
    """Try a proof on a factor of a locked account; the refusal, if it is one. Wrong ones are counted, and let the factor rest."""
    f = t.factors
    if factor["locked_until"] is not None and factor["locked_until"] > now:
        return OverLimit(int((factor["locked_until"] - now).total_seconds()) + 1)
    changes = prove(factor).changes
    if changes is None:
        failures = factor["failures"] + 1
        rest = min(LONGEST_REST_SECONDS, REST_SECONDS * 2 ** min(failures - FREE_TRIES, 10)) if failures >= FREE_TRIES else 0
        until = now + timedelta(seconds=rest) if rest else None
        yield update(f).where(f.c.id == factor["id"]).values(failures=failures, locked_until=until)
        return FactorVerificationFailed("Invalid WebAuthn response" if factor["factor_type"] == "webauthn" else None)
    if "credential_id" in changes and (yield select(f.c.id).where(f.c.credential_id == changes["credential_id"])):
        return FactorVerificationFailed("This security key is in use already")
    yield update(f).where(f.c.id == factor["id"]).values(failures=0, locked_until=None, **changes)
    return None


def _first_proof_steps(t: Tables, account: Account, factor: Row, session: Row, now: datetime) -> Script[list[str]]:
    """A factor that is proven for the first time counts from now on; the sessions that ended for it.

    With the first factor of an account, its other sessions end: they were opened without one.
    """
    if factor["verified"]:
        return []
    yield update(t.factors).where(t.factors.c.id == factor["id"]).values(verified=True, updated_at=now)
    yield from show_steps(t, account.id)
    return [] if account.has_second_factor else (yield from sessions.end_sessions_steps(t, account.id, keep=session["id"]))
