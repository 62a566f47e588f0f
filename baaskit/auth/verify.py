"""Redeeming what a letter carried: a code typed in, a link's token, or the code that a redirect handed to a page (PKCE)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, delete, select, update

from baaskit.auth import audit, codes, linking, pkce, redirects, sessions, users
from baaskit.auth.addresses import email_address, phone_number
from baaskit.auth.codes import KINDS_OF_TYPE, Kind
from baaskit.auth.desk import Desk, Visit
from baaskit.auth.requests import Grant, Verification
from baaskit.auth.sessions import Opened
from baaskit.auth.tokens import digest
from baaskit.auth.users import Account, Change, utc_now
from baaskit.auth.views import opened_json
from baaskit.errors import BaasError
from baaskit.errors.auth import AuthError, FlowExpired, OtpExpired, UserBanned, ValidationFailed
from baaskit.kernel.database import Row, Script
from baaskit.kernel.database.tables import Tables
from baaskit.observe import fact

_METHODS = {
    Kind.CONFIRMATION: "email/signup", Kind.RECOVERY: "recovery", Kind.MAGIC_LINK: "magiclink", Kind.INVITE: "invite",
    Kind.EMAIL_CHANGE_CURRENT: "email_change", Kind.EMAIL_CHANGE_NEW: "email_change", Kind.SMS: "otp", Kind.PHONE_CHANGE: "otp",
}  # fmt: skip
_FIRST_HALF = "Confirmation link accepted. Please proceed to confirm link sent to the other email"
_SIBLING = {Kind.EMAIL_CHANGE_CURRENT: Kind.EMAIL_CHANGE_NEW, Kind.EMAIL_CHANGE_NEW: Kind.EMAIL_CHANGE_CURRENT}


@dataclass(frozen=True, slots=True)
class Redeemed:
    """`opened`: a session and its refresh token. `code`: what a page exchanges for one. Neither: the first half of a change of address."""

    kind: Kind
    account: Account
    opened: Opened | None = None
    code: str | None = None
    ended: tuple[str, ...] = ()  # sessions


async def verify(desk: Desk, asked: Verification, visit: Visit) -> dict[str, Any]:
    """A session for a code or a link's token; the words of the protocol after the first half of a change of address."""
    kinds = KINDS_OF_TYPE.get(asked.type or "")
    if kinds is None:
        raise ValidationFailed("Verify requires a verification type")
    address: str | None = None
    if asked.token_hash:
        if asked.email or asked.phone:
            raise ValidationFailed("Only the token_hash and type should be provided")
        secret = asked.token_hash
    elif asked.token:
        secret = asked.token
        if asked.phone and not asked.email:
            address = phone_number(asked.phone)
        elif asked.email and not asked.phone:
            address = email_address(asked.email)
        else:
            raise ValidationFailed("Only an email address or phone number should be provided on verify")
    else:
        raise ValidationFailed("Verify requires a token or a token hash")
    redeemed = await _redeem(desk, kinds, secret, address, visit, in_page=False)
    if redeemed.opened is None:
        return {"msg": _FIRST_HALF, "code": "200"}
    return opened_json(desk.kit, redeemed.account, redeemed.opened, utc_now())


async def follow(desk: Desk, type_: str, token: str, visit: Visit) -> str:
    """Where the reader of a mail is sent after following its link: with a session, a code, or the error. Never raises AuthError."""
    target = redirects.choose(desk.kit.settings, visit.redirect_to, visit.referer)
    try:
        kinds = KINDS_OF_TYPE.get(type_)
        if kinds is None or not token:
            raise ValidationFailed("Verify requires a token and a verification type")
        redeemed = await _redeem(desk, kinds, token, None, visit, in_page=True)
    except BaasError as problem:
        return refused(target, problem)
    if redeemed.code is not None:
        return redirects.with_query(target, code=redeemed.code)
    if redeemed.opened is None:
        return redirects.with_fragment(target, {"message": _FIRST_HALF, "sb": ""})
    shown = opened_json(desk.kit, redeemed.account, redeemed.opened, utc_now())
    names = ("access_token", "expires_at", "expires_in", "refresh_token", "token_type")
    return redirects.with_fragment(target, {**{name: str(shown[name]) for name in names}, "type": type_, "sb": ""})


def refused(target: str, problem: BaasError) -> str:
    """`target` with the error in query and fragment, as the protocol's redirects carry it."""
    code = problem.code if isinstance(problem, AuthError) else "unexpected_failure"
    words = "Email link is invalid or has expired" if isinstance(problem, OtpExpired) else problem.message
    told = {"error": "access_denied" if problem.status < 500 else "server_error", "error_code": code, "error_description": words}
    return redirects.with_fragment(redirects.with_query(target, **told), {**told, "sb": ""})


async def _redeem(desk: Desk, kinds: tuple[Kind, ...], secret: str, address: str | None, visit: Visit, *, in_page: bool) -> Redeemed:
    """Use up the secret and do what it was for. Raises OtpExpired, UserBanned, EmailExists, FlowExpired, OverLimit."""
    kit, now = desk.kit, utc_now()
    t = kit.database.tables
    await desk.limits.take("verify", visit.client, kit.settings.verify_limit_per_address)

    def script() -> Script[Redeemed | None]:
        o = t.one_time_tokens
        whose: ColumnElement[bool] = o.c.token_hash == digest(secret) if address is None else o.c.relates_to == address
        # The account's row is the lock: both halves of a change of address, and all tries of one code, come one after another.
        yield select(t.users.c.id).where(t.users.c.id.in_(select(o.c.user_id).where(whose))).order_by(t.users.c.id).with_for_update()
        if address is None:
            token = yield from codes.take_by_link_steps(t, secret, kinds, now)
        else:
            token = yield from codes.take_by_code_steps(t, kit, address, secret, kinds, now)
        if token is None:
            return None  # not raised: the count of a wrong code stays
        return (yield from _apply_steps(desk, t, token, visit, now, in_page=in_page, by_code=address is not None))

    redeemed = await users.run_unique(kit, script)
    if redeemed is None:
        raise OtpExpired("Token has expired or is invalid" if address is not None else "Email link is invalid or has expired")
    sessions.revoke_here(kit, list(redeemed.ended), now)
    fact("auth.verified", user=redeemed.account.id, kind=redeemed.kind.value)
    return redeemed


def _apply_steps(desk: Desk, t: Tables, token: Row, visit: Visit, now: datetime, *, in_page: bool, by_code: bool) -> Script[Redeemed]:
    kind = Kind(token["kind"])
    account = yield from users.load_steps(t, token["user_id"])
    if account is None or account.user["deleted_at"] is not None:
        raise OtpExpired()
    if account.is_banned(now):
        raise UserBanned()
    change = _change_of(account, kind, token)
    if change is None:
        yield from _note_half_steps(t, kind, token)
        return Redeemed(kind, account)
    ended: list[str] = []
    if change.drop_password:
        ended = yield from sessions.end_sessions_steps(t, account.id)
    account = yield from users.change_steps(t, account.id, change, now)
    yield delete(t.one_time_tokens).where(t.one_time_tokens.c.user_id == account.id, t.one_time_tokens.c.kind == kind.value)
    yield audit.entry(t, "login", account.id, ip=visit.origin.ip, method=_METHODS[kind])
    if in_page and token["flow_id"] is not None:
        code = yield from pkce.code_steps(t, token["flow_id"], account.id, now, _METHODS[kind])
        if code is None:
            raise FlowExpired()
        return Redeemed(kind, account, code=code, ended=tuple(ended))
    opened = yield from sessions.open_session_steps(desk.kit, account.id, "otp" if by_code else _METHODS[kind], visit.origin, now)
    return Redeemed(kind, account, opened=opened, ended=tuple(ended))


def _change_of(account: Account, kind: Kind, token: Row) -> Change | None:
    """What the token does to its account; None: it is the first half of a change of address. Raises OtpExpired when the
    account has gone another way since."""
    user, data = account.user, token["data"]
    if kind in _SIBLING:
        if user["new_email"] != data.get("new_email"):
            raise OtpExpired()
        return None if data.get("other") else Change(email=data["new_email"], confirm_email=True, proves_email=True, new_email=(None,))
    if kind is Kind.PHONE_CHANGE:
        return Change(phone=token["relates_to"], confirm_phone=True)
    column = "phone" if kind is Kind.SMS else "email"
    if user[column] != token["relates_to"]:
        raise OtpExpired()
    unproven = user[f"{column}_confirmed_at"] is None
    return Change(
        confirm_email=column == "email", proves_email=column == "email", confirm_phone=column == "phone", hash=data.get("hash") if unproven else None,
        user_metadata=data.get("metadata") if unproven else None, drop_password=unproven and bool(data.get("drop_password")),
    )  # fmt: skip


def _note_half_steps(t: Tables, kind: Kind, token: Row) -> Script[None]:
    """Tell the other half that it will be the last."""
    o = t.one_time_tokens
    others = yield select(o.c.id, o.c.data).where(o.c.user_id == token["user_id"], o.c.kind == _SIBLING[kind].value)
    for other in others:
        if other["data"].get("new_email") == token["data"]["new_email"]:
            yield update(o).where(o.c.id == other["id"]).values(data={**other["data"], "other": False})


async def exchange(desk: Desk, asked: Grant, visit: Visit) -> dict[str, Any]:
    """A session for the code of a redirect and the verifier that only the client who began the flow has."""
    if not asked.auth_code or not asked.code_verifier:
        raise ValidationFailed("invalid request: both auth code and code verifier should be non-empty")
    kit, now = desk.kit, utc_now()
    t, code, verifier = kit.database.tables, asked.auth_code, asked.code_verifier
    told: dict[str, str] = {}  # the provider's own tokens
    await desk.limits.take("verify", visit.client, kit.settings.verify_limit_per_address)

    def script() -> Script[tuple[Account, Opened] | Exception]:
        flow = yield from pkce.redeem_steps(t, code, verifier, now)
        if isinstance(flow, Exception):
            return flow
        account = yield from users.load_steps(t, flow["user_id"])
        if account is None or account.user["deleted_at"] is not None:
            return FlowExpired()
        if account.is_banned(now):
            return UserBanned()
        if "link" in flow["data"]:
            try:
                account = yield from linking.finish_steps(t, flow, visit.origin, now)
            except AuthError as problem:
                return problem
        told.update(linking.unsealed(kit, flow["data"]))
        return account, (yield from sessions.open_session_steps(kit, account.id, flow["method"], visit.origin, now))

    outcome = await users.run_unique(kit, script)
    if isinstance(outcome, Exception):
        raise outcome
    account, opened = outcome
    fact("auth.signed_in", user=account.id, method="pkce")
    return {**opened_json(kit, account, opened, now), **told}
