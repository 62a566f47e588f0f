"""What a person does with an account: signing up, in and out, refreshing, changing it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import update

from baaskit.auth import passwords, sessions, users
from baaskit.auth.addresses import email_address
from baaskit.auth.caller import Caller
from baaskit.auth.limits import Limits
from baaskit.auth.requests import Grant, SignUp, UserChange
from baaskit.auth.sessions import Origin
from baaskit.auth.users import Account, Change, NewUser, utc_now
from baaskit.auth.views import session_json, user_json
from baaskit.errors.auth import (
    AnonymousDisabled,
    EmailExists,
    EmailNotConfirmed,
    FeatureDisabled,
    RefreshTokenNotFound,
    SamePassword,
    SignupDisabled,
    UserAlreadyExists,
    UserBanned,
    ValidationFailed,
    WrongCredentials,
)
from baaskit.kernel.database import Row, Script
from baaskit.kernel.kit import Kit
from baaskit.observe import fact

Scope = Literal["global", "local", "others"]
Opened = tuple[Row, str]  # a session's row and its refresh token


@dataclass(frozen=True, slots=True)
class Visit:
    """What of a request matters here: who is counted by limits, and where a session comes from."""

    client: str
    origin: Origin


async def sign_up(kit: Kit, limits: Limits, asked: SignUp, visit: Visit) -> dict[str, Any]:
    """A session, or the bare user when the address must be confirmed first.

    With confirmation on, a taken address gets a made-up user after the same work, so that nobody learns who is registered.
    """
    limits.take("address", visit.client, kit.settings.sign_in_limit_per_address, time.monotonic())
    if kit.settings.disable_signup:
        raise SignupDisabled()
    if asked.phone and asked.email:
        raise ValidationFailed("Only an email address or phone number should be provided on signup.")
    if asked.phone:
        raise FeatureDisabled(400, "phone_provider_disabled", "Phone signups are disabled")
    if not asked.email:
        return await _sign_up_anonymously(kit, asked, visit)
    if not asked.password:
        raise ValidationFailed("Signup requires a valid password")
    email = email_address(asked.email)
    passwords.check_policy(asked.password, kit.settings.password_min_length)
    hashed = await passwords.hash_password(asked.password)
    confirmed, now = not kit.settings.mail_confirm, utc_now()
    new = NewUser(email=email, hash=hashed, confirmed=confirmed, user_metadata=_own(asked.data))
    try:
        return await _create_and_open(kit, new, "password" if confirmed else None, visit, now)
    except EmailExists as problem:
        if confirmed:
            raise UserAlreadyExists() from problem
        return _made_up(kit, new, now)


async def _sign_up_anonymously(kit: Kit, asked: SignUp, visit: Visit) -> dict[str, Any]:
    if not kit.settings.anonymous_users:
        raise AnonymousDisabled()
    return await _create_and_open(kit, NewUser(user_metadata=_own(asked.data)), "anonymous", visit, utc_now())


async def _create_and_open(kit: Kit, new: NewUser, method: str | None, visit: Visit, now: datetime) -> dict[str, Any]:
    t = kit.database.tables

    def script() -> Script[tuple[Account, Opened | None]]:
        account = yield from users.create_steps(t, new, now)
        if method is None:
            return account, None
        return account, (yield from sessions.open_session_steps(t, account.id, method, visit.origin, now))

    account, opened = await users.run_unique(kit, script)
    fact("auth.signed_up", user=new.id, method=method or "unconfirmed")
    return user_json(account.user, account.identities) if opened is None else _signed_in(kit, account, opened, now)


def _made_up(kit: Kit, new: NewUser, now: datetime) -> dict[str, Any]:
    """What `_create_and_open` would have answered, of nobody; the empty identities are the protocol's mark."""
    empty = dict.fromkeys(column.key for column in kit.database.tables.users.c)
    return user_json({**empty, "aud": "authenticated", **users.new_row(new, now)}, [])


async def sign_in(kit: Kit, limits: Limits, asked: Grant, visit: Visit) -> dict[str, Any]:
    """A session for an address and its password. An unknown address costs the same time and gets the same answer."""
    if asked.phone:
        raise FeatureDisabled(422, "phone_provider_disabled", "Phone logins are disabled")
    if not asked.email:
        raise ValidationFailed("missing email or phone")
    try:
        email = email_address(asked.email)
    except ValidationFailed:
        email = ""  # nobody's
    started = time.monotonic()
    limits.take("address", visit.client, kit.settings.sign_in_limit_per_address, started)
    if email:
        limits.take("account", email, kit.settings.sign_in_limit_per_account, started)  # before the hash: parallel guesses count too
    user = await users.by_email(kit, email)
    stored = user["encrypted_password"] if user else None
    matches, better = await passwords.verify_password(asked.password or "", stored)
    if not matches or user is None:
        raise WrongCredentials()
    limits.give_back("account", email)
    if user["banned_until"] is not None and user["banned_until"] > utc_now():
        raise UserBanned()
    if user["email_confirmed_at"] is None:
        raise EmailNotConfirmed()
    return await _open(kit, user["id"], stored, better, visit)


async def _open(kit: Kit, user_id: str, verified: str | None, better: str | None, visit: Visit) -> dict[str, Any]:
    t, now = kit.database.tables, utc_now()

    def script() -> Script[tuple[Account, Opened]]:
        account = yield from users.load_steps(t, user_id)
        # While the hash was checked, the password may have changed, or the user been banned or deleted.
        if account is None or account.user["encrypted_password"] != verified or account.is_banned(now):
            raise WrongCredentials()
        if better is not None:
            yield update(t.users).where(t.users.c.id == user_id).values(encrypted_password=better)
        return account, (yield from sessions.open_session_steps(t, user_id, "password", visit.origin, now))

    account, opened = await kit.database.run(script)
    fact("auth.signed_in", user=user_id, method="password")
    return _signed_in(kit, account, opened, now)


def _signed_in(kit: Kit, account: Account, opened: Opened, now: datetime) -> dict[str, Any]:
    session, token = opened
    return session_json(kit, {**account.user, "last_sign_in_at": now}, account.identities, session, token, int(now.timestamp()))


async def refresh(kit: Kit, asked: Grant) -> dict[str, Any]:
    """A session's next tokens, with the user as it is now."""
    if not asked.refresh_token:
        raise ValidationFailed("refresh_token required")
    now = utc_now()
    refreshed = await sessions.refresh(kit, asked.refresh_token, now)
    found = await users.find_account(kit, refreshed.user_id, refreshed.session["id"])
    if found is None:
        raise RefreshTokenNotFound()
    return session_json(kit, found[0].user, found[0].identities, refreshed.session, refreshed.token, int(now.timestamp()))


async def sign_out(kit: Kit, caller: Caller, scope: Scope) -> None:
    """End this session, all of the user's, or all but this one."""
    t, now = kit.database.tables, utc_now()
    only = caller.session_id if scope == "local" else None
    keep = caller.session_id if scope == "others" else None
    if scope == "local" and only is None:
        return  # a token outside of any session: nothing to end

    def script() -> Script[list[str]]:
        return (yield from sessions.end_sessions_steps(t, caller.account.id, only=only, keep=keep))

    sessions.revoke_here(kit, await kit.database.run(script), now)
    fact("auth.signed_out", user=caller.account.id, scope=scope)


async def change_user(kit: Kit, limits: Limits, caller: Caller, asked: UserChange) -> dict[str, Any]:
    """The user after its own change. A new password ends the user's other sessions."""
    account, now = caller.account, utc_now()
    email = email_address(asked.email) if asked.email else None
    changes_email = email is not None and email != account.user["email"]
    if asked.phone and asked.phone != account.user["phone"]:
        raise FeatureDisabled(422, "phone_provider_disabled", "Phone numbers cannot be confirmed: this server sends no text messages")
    if changes_email and kit.settings.mail_confirm:
        raise FeatureDisabled(422, "email_provider_disabled", "Addresses cannot be confirmed: this server sends no mail")
    hashed = await _new_password(kit, limits, account, asked, email) if asked.password is not None else None
    change = Change(
        email=email, hash=hashed, confirm_email=changes_email, user_metadata=_own(asked.data) if asked.data is not None else None
    )
    t, keep = kit.database.tables, caller.session_id

    def script() -> Script[tuple[Account, list[str]]]:
        changed = yield from users.change_steps(t, account.id, change, now)
        ended: list[str] = []
        if hashed is not None:
            ended = yield from sessions.end_sessions_steps(t, account.id, keep=keep)
        return changed, ended

    changed, ended = await users.run_unique(kit, script)
    sessions.revoke_here(kit, ended, now)
    return user_json(changed.user, changed.identities)


async def _new_password(kit: Kit, limits: Limits, account: Account, asked: UserChange, email: str | None) -> str:
    password, stored = asked.password or "", account.user["encrypted_password"]
    if not (email or account.user["email"] or account.user["phone"]):
        raise ValidationFailed("Updating password of an anonymous user without an email or phone is not allowed")
    passwords.check_policy(password, kit.settings.password_min_length)
    limits.take("account", account.id, kit.settings.sign_in_limit_per_account, time.monotonic())  # the checks below answer guesses
    if asked.current_password and not (await passwords.verify_password(asked.current_password, stored))[0]:
        raise WrongCredentials()
    if stored is not None and (await passwords.verify_password(password, stored))[0]:
        raise SamePassword()
    return await passwords.hash_password(password)


def _own(data: dict[str, Any] | None) -> dict[str, Any]:
    """What a user may say of itself: not the marks by which the server says what it has verified."""
    return {key: value for key, value in (data or {}).items() if key not in ("sub", "email_verified", "phone_verified")}
