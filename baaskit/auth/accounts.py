"""What a person does with an account: signing up, in and out, refreshing, changing it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import select, update

from baaskit.auth import audit, factors, flows, messages, passwords, pkce, redirects, sessions, table_sign_in, users
from baaskit.auth.addresses import email_address, phone_number, username
from baaskit.auth.caller import Caller
from baaskit.auth.codes import Kind
from baaskit.auth.desk import Desk, Visit, spend_message
from baaskit.auth.messages import Wish
from baaskit.auth.requests import Grant, SignUp, UserChange, captcha_of
from baaskit.auth.sessions import Opened
from baaskit.auth.users import Account, Change, NewUser, own_metadata, utc_now
from baaskit.auth.usertable import refuse_in_table
from baaskit.auth.views import opened_json, session_json, user_json
from baaskit.errors.auth import (
    AnonymousDisabled,
    EmailExists,
    EmailNotConfirmed,
    FeatureDisabled,
    PhoneExists,
    PhoneNotConfirmed,
    ReauthenticationInvalid,
    ReauthenticationNeeded,
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
RECENT = timedelta(hours=24)  # a session this young changes a password without a code


async def sign_up(desk: Desk, asked: SignUp, visit: Visit) -> dict[str, Any]:
    """A session, or the bare user when the address must be confirmed first.

    With confirmation on, a taken address gets a made-up user after the same work, so that nobody learns who is registered.
    """
    settings = desk.kit.settings
    await _admit(desk, asked, visit)
    if settings.disable_signup:
        raise SignupDisabled()
    if asked.phone and asked.email:
        raise ValidationFailed("Only an email address or phone number should be provided on signup.")
    if asked.phone and not settings.sms_provider:
        raise FeatureDisabled(400, "phone_provider_disabled", "Phone signups are disabled")
    if not (asked.email or asked.phone):
        return await _sign_up_anonymously(desk, asked, visit)
    if not asked.password:
        raise ValidationFailed("Signup requires a valid password")
    data = own_metadata(asked.data)
    new = _named(desk.kit, asked, data)
    await passwords.check_policy(asked.password, settings, new.email or "", new.username or "")
    challenge = pkce.challenge_of(asked.code_challenge, asked.code_challenge_method)
    unproven = bool(new.phone) or (bool(new.email) and settings.mail_confirm)
    sends = unproven and (bool(new.phone) or settings.sends_mail)
    if sends:
        await spend_message(desk, visit, new.phone or new.email or "", text=bool(new.phone))
    hashed = await passwords.hash_password(asked.password)
    new = NewUser(
        email=new.email, phone=new.phone, username=new.username, hash=hashed, confirmed=not settings.mail_confirm, user_metadata=data
    )
    wish = Wish.SMS_CONFIRMATION if new.phone else Wish.CONFIRMATION
    told = {"redirect_to": redirects.choose(settings, visit.redirect_to, visit.referer)}
    try:
        return await _create_and_open(desk, new, None if unproven else "password", visit, (wish, told, challenge) if sends else None)
    except (EmailExists, PhoneExists) as problem:
        if not unproven:
            raise UserAlreadyExists() from problem
        # The same work as for a new address. If the account there is not confirmed yet, its owner gets a letter, and this
        # password counts only if that very letter is followed: who signed up first may have been a stranger.
        again = {**told, "hash": hashed, "metadata": data}

        def script() -> Script[None]:
            if sends:
                yield from flows.wish_steps(desk, wish, new.phone or new.email or "", again, challenge)

        await desk.kit.database.run(script)
        desk.courier.wake()
        return _made_up(desk.kit, new, utc_now(), sends)


def _named(kit: Kit, asked: SignUp, data: dict[str, Any]) -> NewUser:
    """Address, number or name of a sign-up, normalised. Raises ValidationFailed."""
    if asked.phone:
        return NewUser(phone=phone_number(asked.phone))
    email, name = asked.email or "", data.get("username")
    if not kit.settings.usernames:
        return NewUser(email=email_address(email))
    if "@" not in email:
        return NewUser(username=username(email))
    return NewUser(email=email_address(email), username=username(name) if isinstance(name, str) and name else None)


async def _admit(desk: Desk, asked: SignUp | Grant, visit: Visit) -> None:
    """Whether a stranger's request is heard at all. Raises OverLimit, CaptchaFailed."""
    if visit.trusted:
        return
    await desk.limits.take("address", visit.client, desk.kit.settings.sign_in_limit_per_address)
    await desk.captcha.check(captcha_of(asked), visit.origin.ip)


async def _sign_up_anonymously(desk: Desk, asked: SignUp, visit: Visit) -> dict[str, Any]:
    if not desk.kit.settings.anonymous_users:
        raise AnonymousDisabled()
    return await _create_and_open(desk, NewUser(user_metadata=own_metadata(asked.data)), "anonymous", visit)


async def _create_and_open(
    desk: Desk, new: NewUser, method: str | None, visit: Visit, letter: tuple[Wish, dict[str, Any], tuple[str, str] | None] | None = None
) -> dict[str, Any]:
    kit, now = desk.kit, utc_now()
    t = kit.database.tables

    def script() -> Script[tuple[Account, Opened | None]]:
        account = yield from users.create_steps(t, new, now)
        yield audit.entry(t, "user_signedup", account.id, ip=visit.origin.ip, method=method or "unconfirmed")
        if method is not None:
            return account, (yield from sessions.open_session_steps(kit, account.id, method, visit.origin, now))
        if letter is not None:
            yield from flows.wish_steps(desk, letter[0], new.phone or new.email or "", letter[1], letter[2])
            yield update(t.users).where(t.users.c.id == account.id).values(confirmation_sent_at=now)
            account = Account({**account.user, "confirmation_sent_at": now}, account.identities)
        return account, None

    account, opened = await users.run_unique(kit, script)
    desk.courier.wake()
    fact("auth.signed_up", user=new.id, method=method or "unconfirmed")
    return user_json(account.user, account.identities) if opened is None else opened_json(kit, account, opened, now)


def _made_up(kit: Kit, new: NewUser, now: datetime, sent: bool) -> dict[str, Any]:
    """What `_create_and_open` would have answered, of nobody."""
    empty = dict.fromkeys(column.key for column in kit.database.tables.users.c)
    provider = "phone" if new.phone else "email"
    identity = users.new_identity(new.id, provider, new.phone or new.email or "", now, False)
    told = {"confirmation_sent_at": now} if sent else {}
    return user_json({**empty, "aud": "authenticated", **users.new_row(new, now), **told}, [identity])


async def sign_in(desk: Desk, asked: Grant, visit: Visit) -> dict[str, Any]:
    """A session for an address and its password. An unknown address costs the same time and gets the same answer."""
    kit, settings = desk.kit, desk.kit.settings
    if asked.phone and not settings.sms_provider:
        raise FeatureDisabled(422, "phone_provider_disabled", "Phone logins are disabled")
    if not (asked.email or asked.phone):
        raise ValidationFailed("missing email or phone")
    await _admit(desk, asked, visit)
    if settings.users_table:
        return await table_sign_in.sign_in(desk, asked, visit)
    column, name = _sought(kit, asked)
    counted = f"{name} {visit.client}"
    if name:  # before the hash: parallel guesses count too
        await desk.limits.take("account and address", counted, settings.sign_in_limit_per_account_and_address)
        await desk.limits.take("account", name, settings.sign_in_limit_per_account)
    user = await users.by_name(kit, column, name)
    stored = user["encrypted_password"] if user else None
    matches, better = await passwords.verify_password(asked.password or "", stored)
    if not matches or user is None:
        raise WrongCredentials()
    await desk.limits.give_back("account", name, settings.sign_in_limit_per_account)
    await desk.limits.give_back("account and address", counted, settings.sign_in_limit_per_account_and_address)
    if user["banned_until"] is not None and user["banned_until"] > utc_now():
        raise UserBanned()
    if column == "phone" and user["phone_confirmed_at"] is None:
        raise PhoneNotConfirmed()
    if user["email"] and user["email_confirmed_at"] is None and user["phone_confirmed_at"] is None:
        raise EmailNotConfirmed()
    return await _open(kit, user["id"], stored, better, visit)


def _sought(kit: Kit, asked: Grant) -> tuple[Literal["email", "phone", "username"], str]:
    """Column and normalised value of whom a sign-in names; an empty value is nobody's."""
    try:
        if asked.phone:
            return "phone", phone_number(asked.phone)
        if kit.settings.usernames and "@" not in (asked.email or ""):
            return "username", username(asked.email or "")
        return "email", email_address(asked.email or "")
    except ValidationFailed:
        return "email", ""


async def _open(kit: Kit, user_id: str, verified: str | None, better: str | None, visit: Visit) -> dict[str, Any]:
    t, now = kit.database.tables, utc_now()

    def script() -> Script[tuple[Account, Opened]]:
        account = yield from users.load_steps(t, user_id)
        # While the hash was checked, the password may have changed, or the user been banned or deleted.
        if account is None or account.user["encrypted_password"] != verified or account.is_banned(now):
            raise WrongCredentials()
        if better is not None:
            yield update(t.users).where(t.users.c.id == user_id).values(encrypted_password=better)
        yield audit.entry(t, "login", user_id, ip=visit.origin.ip, method="password")
        return account, (yield from sessions.open_session_steps(kit, user_id, "password", visit.origin, now))

    account, opened = await kit.database.run(script)
    fact("auth.signed_in", user=user_id, method="password")
    return opened_json(kit, account, opened, now)


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


async def sign_out(kit: Kit, caller: Caller, scope: Scope, visit: Visit) -> None:
    """End this session, all of the user's, or all but this one."""
    t, now = kit.database.tables, utc_now()
    only = caller.session_id if scope == "local" else None
    keep = caller.session_id if scope == "others" else None
    if scope == "local" and only is None:
        return  # a token outside of any session: nothing to end

    def script() -> Script[list[str]]:
        yield audit.entry(t, "logout", caller.account.id, ip=visit.origin.ip, scope=scope)
        return (yield from sessions.end_sessions_steps(t, caller.account.id, only=only, keep=keep))

    sessions.revoke_here(kit, await kit.database.run(script), now)
    fact("auth.signed_out", user=caller.account.id, scope=scope)


async def change_user(desk: Desk, caller: Caller, asked: UserChange, visit: Visit) -> dict[str, Any]:
    """The user after its own change. A new password ends the user's other sessions; a new address that must be confirmed
    first waits in `new_email`."""
    kit, settings, account, now = desk.kit, desk.kit.settings, caller.account, utc_now()
    refuse_in_table(kit, asked.email, asked.phone, asked.password is not None)
    t, keep, data = kit.database.tables, caller.session_id, own_metadata(asked.data)
    email = email_address(asked.email) if asked.email else None
    phone = phone_number(asked.phone) if asked.phone else None
    challenge = pkce.challenge_of(asked.code_challenge, asked.code_challenge_method)
    new_email, new_phone = email not in (None, account.user["email"]), phone not in (None, account.user["phone"])
    if new_phone and not settings.sms_provider:
        raise FeatureDisabled(422, "phone_provider_disabled", "Phone numbers cannot be confirmed: this server sends no text messages")
    asks = new_email and settings.mail_confirm
    if asks and not settings.sends_mail:
        raise FeatureDisabled(422, "email_provider_disabled", "Addresses cannot be confirmed: this server sends no mail")
    if asked.password or new_email or new_phone:
        await factors.require_aal2_for_credentials(kit, caller)
    hashed = await _new_password(desk, caller, asked, email) if asked.password is not None else None
    if asks:
        await spend_message(desk, visit, email or "")
    if new_phone:
        await spend_message(desk, visit, phone or "", text=True)
    name = data.get("username")
    change = Change(
        email=None if asks else email, hash=hashed, confirm_email=new_email and not asks,
        user_metadata=data if asked.data is not None else None, new_email=(email,) if asks else None,
        username=username(name) if settings.usernames and isinstance(name, str) and name else None,
    )  # fmt: skip
    told = {"redirect_to": redirects.choose(settings, visit.redirect_to, visit.referer)}

    def script() -> Script[tuple[Account, list[str]]]:
        changed = yield from users.change_steps(t, account.id, change, now)
        if asks:
            flow_id = None
            if challenge is not None:
                flow_id = yield from pkce.begin_steps(t, challenge, "email_change", now, settings.otp_seconds)
            yield from messages.change_email_steps(t, kit, changed.user, email or "", now, told, flow_id)
        if new_phone:
            taken = yield select(t.users.c.id).where(t.users.c.phone == phone)
            if not taken:
                yield from messages.send_steps(t, kit, Kind.PHONE_CHANGE, account.id, phone or "", now, {})
        action = "user_updated_password" if hashed is not None else "user_modified"
        yield audit.entry(t, action, account.id, ip=visit.origin.ip)
        return changed, (yield from sessions.end_sessions_steps(t, account.id, keep=keep)) if hashed is not None else []

    changed, ended = await users.run_unique(kit, script)
    sessions.revoke_here(kit, ended, now)
    desk.courier.wake()
    return user_json(changed.user, changed.identities)


async def _new_password(desk: Desk, caller: Caller, asked: UserChange, email: str | None) -> str:
    settings, account = desk.kit.settings, caller.account
    password, stored = asked.password or "", account.user["encrypted_password"]
    if not (email or account.user["email"] or account.user["phone"] or account.user["username"]):
        raise ValidationFailed("Updating password of an anonymous user without an email or phone is not allowed")
    await passwords.check_policy(password, settings, account.user["email"] or "", account.user["username"] or "")
    await desk.limits.take("account", account.id, settings.sign_in_limit_per_account)  # the checks below answer guesses
    if asked.current_password and not (await passwords.verify_password(asked.current_password, stored))[0]:
        raise WrongCredentials()
    if asked.nonce:
        if not await flows.take_nonce(desk, caller, asked.nonce):
            raise ReauthenticationInvalid()
    elif settings.secure_password_change and not asked.current_password and not await _is_recent(desk.kit, caller):
        raise ReauthenticationNeeded()
    if stored is not None and (await passwords.verify_password(password, stored))[0]:
        raise SamePassword()
    return await passwords.hash_password(password)


async def _is_recent(kit: Kit, caller: Caller) -> bool:
    s = kit.database.tables.sessions
    found: list[Row] = await kit.database.query(select(s.c.created_at).where(s.c.id == caller.session_id)) if caller.session_id else []
    return bool(found) and found[0]["created_at"] > utc_now() - RECENT
