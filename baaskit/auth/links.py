"""What an admin sends or hands out for a user: an invitation, a link of any kind, and a token to look at the app as the user sees it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from sqlalchemy import delete, insert, select, update

from baaskit.auth import audit, codes, flows, messages, passwords, redirects, users
from baaskit.auth.addresses import email_address
from baaskit.auth.codes import Kind
from baaskit.auth.desk import Desk, Visit
from baaskit.auth.requests import Impersonation, Invitation, LinkRequest
from baaskit.auth.tokens import access_token
from baaskit.auth.users import Account, NewUser, own_metadata, utc_now
from baaskit.auth.usertable import admits_steps, refuse_in_table
from baaskit.auth.views import user_json
from baaskit.errors.auth import EmailExists, ImpersonationRefused, UserBanned, UserNotFound, ValidationFailed
from baaskit.kernel.claims import Claims
from baaskit.kernel.database import Script
from baaskit.kernel.kit import Kit
from baaskit.observe import fact

IMPERSONATION_SECONDS = 600
_KINDS = {
    "signup": Kind.CONFIRMATION, "invite": Kind.INVITE, "magiclink": Kind.MAGIC_LINK, "recovery": Kind.RECOVERY,
    "email_change_current": Kind.EMAIL_CHANGE_CURRENT, "email_change_new": Kind.EMAIL_CHANGE_NEW,
}  # fmt: skip


async def invite(desk: Desk, asked: Invitation, visit: Visit) -> dict[str, Any]:
    """Create a user who has still to accept, and send the invitation. One who has not accepted yet is invited again."""
    flows.require_mail(desk)
    kit, now, email = desk.kit, utc_now(), email_address(asked.email or "")
    t = kit.database.tables
    told = {"redirect_to": redirects.choose(kit.settings, visit.redirect_to, visit.referer)}

    def script() -> Script[Account]:
        account = yield from _account_steps(kit, email, asked.data, now)
        if account.user["email_confirmed_at"] is not None:
            raise EmailExists()
        yield from messages.send_steps(t, kit, Kind.INVITE, account.id, email, now, told, token_data={"drop_password": True})
        yield audit.entry(t, "user_invited", account.id, actor="admin", ip=visit.origin.ip)
        invited = yield from users.load_steps(t, account.id)
        assert invited is not None
        return invited

    account = await users.run_unique(kit, script)
    desk.courier.wake()
    fact("auth.user_invited", user=account.id)
    return user_json(account.user, account.identities)


async def generate_link(desk: Desk, asked: LinkRequest, visit: Visit) -> dict[str, Any]:
    """A link and its code, sent to nobody. `signup`, `invite` and `magiclink` create the user when there is none."""
    if asked.type not in _KINDS:
        raise ValidationFailed(f"type must be one of {', '.join(_KINDS)}")
    kind = _KINDS[asked.type]
    kit, now, email = desk.kit, utc_now(), email_address(asked.email or "")
    t, message_id = kit.database.tables, str(uuid4())
    redirect_to = redirects.choose(kit.settings, asked.redirect_to or visit.redirect_to, visit.referer)
    hashed = None
    if kind is Kind.CONFIRMATION:
        if not asked.password:
            raise ValidationFailed("Signup requires a valid password")
        await passwords.check_policy(asked.password, kit.settings, email)
        hashed = await passwords.hash_password(asked.password)
    new_email = email_address(asked.new_email or "") if kind in (Kind.EMAIL_CHANGE_CURRENT, Kind.EMAIL_CHANGE_NEW) else None

    def script() -> Script[Account]:
        account = yield from _account_steps(
            kit, email, asked.data, now, create=kind not in (Kind.RECOVERY,) and new_email is None, hashed=hashed
        )
        confirmed = account.user["email_confirmed_at"] is not None
        if kind in (Kind.CONFIRMATION, Kind.INVITE) and confirmed:
            raise EmailExists()
        address, data = email, dict[str, Any]() if confirmed or kind is Kind.CONFIRMATION else {"drop_password": True}
        if hashed is not None:
            data = {"hash": hashed}
        if new_email is not None:
            if (yield select(t.users.c.id).where(t.users.c.email == new_email, t.users.c.id != account.id)):
                raise EmailExists()
            address = email if kind is Kind.EMAIL_CHANGE_CURRENT else new_email
            data = {"new_email": new_email, "other": kit.settings.mail_change_both and confirmed}
            yield update(t.users).where(t.users.c.id == account.id).values(new_email=new_email, email_change_sent_at=now)
        yield from codes.issue_steps(t, kit, message_id, account.id, kind, address, now, data=data)
        yield audit.entry(t, "link_generated", account.id, actor="admin", ip=visit.origin.ip, type=asked.type)
        made = yield from users.load_steps(t, account.id)
        assert made is not None
        return made

    account = await users.run_unique(kit, script)
    made = codes.secrets_of(kit, message_id)
    return user_json(account.user, account.identities) | {
        "action_link": messages.link_of(kit, kind, made.link, redirect_to), "email_otp": made.code, "hashed_token": made.link,
        "verification_type": asked.type, "redirect_to": redirect_to,
    }  # fmt: skip


def _account_steps(
    kit: Kit, email: str, data: dict[str, Any] | None, now: datetime, *, create: bool = True, hashed: str | None = None
) -> Script[Account]:
    """The account with this address, made if there is none. Raises UserNotFound when it may not be."""
    t = kit.database.tables
    found = yield select(t.users.c.id).where(t.users.c.email == email, t.users.c.deleted_at.is_(None))
    if found:
        account = yield from users.load_steps(t, found[0]["id"])
        assert account is not None
        return account
    refuse_in_table(kit, create)
    if not create:
        raise UserNotFound()
    made: Account = yield from users.create_steps(t, NewUser(email=email, hash=hashed, user_metadata=own_metadata(data)), now)
    return made


async def impersonate(desk: Desk, admin: Claims, user_id: str, asked: Impersonation, visit: Visit) -> dict[str, Any]:
    """A token with which an admin sees what `user_id` sees.

    It lives `IMPERSONATION_SECONDS`, has no refresh token, names who acts (`act`, RFC 8693 §4.1), cannot change the account, and
    cannot mint another one, as nobody is impersonated who could. It ends with the user's other sessions.
    """
    if admin.jwt.get("act"):
        raise ImpersonationRefused()
    kit, now = desk.kit, utc_now()
    t, seconds = kit.database.tables, min(IMPERSONATION_SECONDS, kit.settings.access_token_seconds)
    who = asked.actor or "service_role"

    def script() -> Script[tuple[Account, dict[str, Any]]]:
        account = yield from users.load_steps(t, user_id)
        if account is None or account.user["deleted_at"] is not None:
            raise UserNotFound()
        if account.is_banned(now):
            raise UserBanned()
        if account.user["role"] != "authenticated":
            raise ImpersonationRefused("An account with the service role cannot be impersonated")
        if not (yield from admits_steps(kit, user_id)):
            raise UserNotFound()
        yield delete(t.sessions).where(t.sessions.c.user_id == user_id, t.sessions.c.not_after <= now)
        [session] = yield insert(t.sessions).values(
            id=str(uuid4()), user_id=user_id, amr=[{"method": "impersonation", "timestamp": int(now.timestamp())}], ip=visit.origin.ip,
            not_after=now + timedelta(seconds=seconds), created_at=now, updated_at=now,
        ).returning(t.sessions)  # fmt: skip
        yield audit.entry(
            t, "user_impersonated", user_id, actor="admin", ip=visit.origin.ip, by=who, reason=asked.reason or "", session=session["id"]
        )
        return account, session

    account, session = await kit.database.run(script)
    fact("auth.user_impersonated", user=user_id, by=who, session=session["id"])
    moment = int(now.timestamp())
    return {
        "access_token": access_token(kit, account.user, session, moment, act={"sub": who}), "token_type": "bearer", "expires_in": seconds,
        "expires_at": moment + seconds, "user": user_json(account.user, account.identities),
    }  # fmt: skip
