"""Signing in with an account elsewhere: from the app to the provider and back, and by an ID token that an app has already.

A flow is a row that its `state` finds once. It belongs to the browser that began it (a cookie) and, with PKCE, to the client that has
the verifier. What the provider sees besides `state` (nonce, verifier) is derived from it, so nothing secret is stored.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import importlib
import re
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from sqlalchemy import delete, insert, select

from baaskit.auth import audit, linking, pkce, providers, redirects, sessions, users
from baaskit.auth.accounts import RECENT
from baaskit.auth.caller import Caller
from baaskit.auth.desk import Desk, Visit
from baaskit.auth.providers import Begun, Person, Provider
from baaskit.auth.requests import Grant
from baaskit.auth.sessions import Opened
from baaskit.auth.tokens import digest, issuer
from baaskit.auth.users import Account, utc_now
from baaskit.auth.verify import refused
from baaskit.auth.views import opened_json, user_json
from baaskit.errors import BaasError
from baaskit.errors.auth import (
    BadIdToken,
    BadOAuthCallback,
    BadOAuthState,
    EmailExists,
    LinkingNeedsPkce,
    NotRecent,
    UnsupportedProvider,
    UserExists,
    ValidationFailed,
)
from baaskit.kernel.database import Row, Script
from baaskit.kernel.database.tables import Tables
from baaskit.kernel.kit import Kit
from baaskit.observe import fact

if TYPE_CHECKING:
    from baaskit.auth.oidc import Directory

FLOW_SECONDS = 600  # to sign in at the provider
TICKET_SECONDS = 120  # from asking for the address of a linking to opening it
# What an app may pass on to the provider; nothing that decides who is asked, for whom, or where the answer goes.
_PASSED_ON = (
    "access_type",
    "prompt",
    "login_hint",
    "hd",
    "domain_hint",
    "display",
    "ui_locales",
    "include_granted_scopes",
    "acr_values",
    "max_age",
)
_SCOPES = re.compile(r"[\x21\x23-\x5b\x5d-\x7e ]{0,1000}")  # RFC 6749 §3.3
_NAME = "baaskit_flow_"


@dataclass(frozen=True, slots=True)
class Departure:
    """Where the browser goes, and the cookie that it keeps until it is back."""

    url: str
    cookie: tuple[str, str]


class Elsewhere:
    """The feature's live part: what is known of the providers, loaded at the first use."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self._directory: Directory | None = None

    async def directory(self) -> Directory:
        if self._directory is None:
            # The libraries take a second to load: not on the event loop.
            module = await asyncio.to_thread(importlib.import_module, "baaskit.auth.oidc")
            self._directory = self._directory or module.Directory()
        return self._directory


def is_on(kit: Kit) -> bool:
    return bool(kit.settings.providers)


async def depart(elsewhere: Elsewhere, query: Mapping[str, str], visit: Visit) -> Departure:
    """Begin a flow. With `ticket` it links what it brings to the account that asked for the ticket.

    Raises UnsupportedProvider, ValidationFailed, BadOAuthState, OverLimit, ProviderUnavailable.
    """
    kit, now = elsewhere.desk.kit, utc_now()
    await elsewhere.desk.limits.take("address", visit.client, kit.settings.sign_in_limit_per_address)
    wanted: dict[str, Any]
    if ticket := query.get("ticket"):
        row = await kit.database.run(lambda: _take_steps(kit.database.tables, "ticket", ticket, now))
        if row is None:
            raise BadOAuthState()
        wanted, challenge, user_id = row["data"], (row["challenge"], row["challenge_method"]), row["user_id"]
    else:
        wanted, user_id = _wanted(kit, query, visit), None
        challenge = pkce.challenge_of(query.get("code_challenge"), query.get("code_challenge_method")) or ("", "")
    provider = providers.find(kit.settings, wanted["provider"])
    state, browser = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
    url = await (await elsewhere.directory()).authorize_url(provider, _begun(kit, state), wanted["scopes"], wanted["more"])
    data = {"provider": provider.name, "redirect_to": wanted["redirect_to"], "session": wanted.get("session"), "browser": digest(browser)}

    def script() -> Script[None]:
        yield from _put_steps(kit.database.tables, "state", state, now, FLOW_SECONDS, challenge, data, user_id)

    await kit.database.run(script)
    return Departure(url, (cookie_of(state), browser))


async def ticket(elsewhere: Elsewhere, caller: Caller, query: Mapping[str, str], visit: Visit) -> dict[str, str]:
    """The address at which the caller's browser links an account elsewhere to its own.

    It names no token: a ticket that is good once and for two minutes. Raises UnsupportedProvider, LinkingNeedsPkce, NotRecent, ValidationFailed.
    """
    kit, now = elsewhere.desk.kit, utc_now()
    wanted = _wanted(kit, query, visit)
    challenge = pkce.challenge_of(query.get("code_challenge"), query.get("code_challenge_method"))
    if challenge is None:
        raise LinkingNeedsPkce()
    await require_recent(kit, caller, now)
    secret = secrets.token_urlsafe(32)
    data = {**wanted, "session": caller.session_id}

    def script() -> Script[None]:
        yield from _put_steps(kit.database.tables, "ticket", secret, now, TICKET_SECONDS, challenge, data, caller.account.id)

    await kit.database.run(script)
    return {"url": f"{issuer(kit)}/authorize?{urlencode({'ticket': secret})}", "provider": wanted["provider"]}


async def arrive(elsewhere: Elsewhere, query: Mapping[str, str], cookies: Mapping[str, str], visit: Visit) -> str:
    """Where a browser that comes back from a provider is sent: with a session, a code, or the error. Never raises."""
    kit, now = elsewhere.desk.kit, utc_now()
    target = kit.settings.site_url
    try:
        await elsewhere.desk.limits.take("address", visit.client, kit.settings.sign_in_limit_per_address)
        state = query.get("state", "")
        flow = await kit.database.run(lambda: _take_steps(kit.database.tables, "state", state, now))
        browser = cookies.get(cookie_of(state), "")
        if flow is None or not hmac.compare_digest(digest(browser), flow["data"]["browser"]):
            raise BadOAuthState()
        target = flow["data"]["redirect_to"]
        provider = providers.find(kit.settings, flow["data"]["provider"])
        if "code" not in query:
            words = query.get("error_description") or query.get("error") or "The provider gave no code"
            raise BadOAuthCallback(words[:300])
        begun = _begun(kit, state)
        signed = await (await elsewhere.directory()).finish(provider, begun, query["code"], query.get("iss"))
        tokens = {"provider_token": signed.access_token, "provider_refresh_token": signed.refresh_token}
        tokens = {name: value for name, value in tokens.items() if value}
        if not flow["challenge"]:
            account, opened = await _sign_in(elsewhere.desk, signed.person, visit, utc_now())
            return _with_session(kit, target, account, opened, tokens)
        return redirects.with_query(target, code=await _code(elsewhere.desk, flow, signed.person, tokens, visit))
    except BaasError as problem:
        return refused(target, problem)
    except Exception as problem:
        fact("auth.callback_failed", error=repr(problem))
        return refused(target, BaasError("Unexpected failure, please check server logs for more information"))


async def by_id_token(elsewhere: Elsewhere, asked: Grant, visit: Visit, caller: Caller | None) -> dict[str, Any]:
    """A session for an ID token that the app got from the provider itself; with a `caller` the identity is linked to it.

    A token is good once. Raises UnsupportedProvider, BadIdToken, ProviderUnavailable and what signing in or linking does.
    """
    kit, now = elsewhere.desk.kit, utc_now()
    t = kit.database.tables
    await elsewhere.desk.limits.take("address", visit.client, kit.settings.sign_in_limit_per_address)
    if not asked.id_token or not asked.provider:
        raise ValidationFailed("id_token and provider are required")
    provider = providers.find(kit.settings, asked.provider)
    if not provider.issuer:
        raise UnsupportedProvider(f"{provider.name} makes no ID tokens")
    if caller is not None:
        await require_recent(kit, caller, now)
    claims = await (await elsewhere.directory()).claims_of(provider, asked.id_token)
    if bool(claims.get("nonce")) != bool(asked.nonce):
        raise BadIdToken("Passed nonce and nonce in id_token should either both exist or not.")
    if asked.nonce and claims["nonce"] != hashlib.sha256(asked.nonce.encode()).hexdigest():
        raise BadIdToken("Nonces mismatch")
    person = providers.from_claims(provider, claims)
    signed, until = asked.id_token.rpartition(".")[0], datetime.fromtimestamp(claims["exp"], UTC) + timedelta(minutes=2)

    def once() -> Script[bool]:
        f = t.flow_states
        yield delete(f).where(f.c.expires_at <= now)
        if (yield select(f.c.id).where(f.c.code_hash == _key("id_token", signed))):
            return False
        yield from _put_steps(t, "id_token", signed, now, int((until - now).total_seconds()), ("", ""), {}, None)
        return True

    try:
        fresh = await users.run_unique(kit, once)
    except UserExists:  # another request used it at the same moment
        fresh = False
    if not fresh:
        raise BadIdToken("The ID token was used already")
    if caller is None:
        account, opened = await _sign_in(elsewhere.desk, person, visit, now)
        return opened_json(kit, account, opened, now)

    def link() -> Script[tuple[Account, Opened]]:
        account = yield from linking.link_steps(t, caller.account.id, person, now)
        yield audit.entry(t, "identity_linked", account.id, ip=visit.origin.ip, provider=person.provider)
        return account, (yield from sessions.open_session_steps(kit, account.id, "oauth", visit.origin, now))

    account, opened = await users.run_unique(kit, link)
    return opened_json(kit, account, opened, now)


async def unlink(desk: Desk, caller: Caller, identity_id: str, visit: Visit) -> dict[str, Any]:
    """The user without one of its identities. Raises IdentityNotFound, LastIdentity, NotRecent."""
    kit, now = desk.kit, utc_now()
    t = kit.database.tables
    await require_recent(kit, caller, now)

    def script() -> Script[Account]:
        account = yield from linking.unlink_steps(t, caller.account.id, identity_id, now)
        yield audit.entry(t, "identity_unlinked", account.id, ip=visit.origin.ip, identity=identity_id)
        return account

    account = await kit.database.run(script)
    return user_json(account.user, account.identities)


async def require_recent(kit: Kit, caller: Caller, now: datetime) -> None:
    """Ways to sign in change only in a session that began in the last 24 hours: a forgotten one is not enough. Raises NotRecent."""
    s = kit.database.tables.sessions
    found = await kit.database.query(select(s.c.created_at).where(s.c.id == caller.session_id)) if caller.session_id else []
    if not found or found[0]["created_at"] + RECENT < now:
        raise NotRecent()


def cookie_of(state: str) -> str:
    """Each flow has a cookie of its own, so several tabs can sign in at once."""
    return _NAME + digest(f"cookie {state}")[:24]


async def _sign_in(desk: Desk, person: Person, visit: Visit, now: datetime) -> tuple[Account, Opened]:
    kit = desk.kit

    def script() -> Script[tuple[Account, Opened, list[str]]]:
        account, ended = yield from _enter_steps(kit, person, visit, now)
        return account, (yield from sessions.open_session_steps(kit, account.id, "oauth", visit.origin, now)), ended

    account, opened, ended = await _twice(kit, script)
    sessions.revoke_here(kit, ended, now)
    fact("auth.signed_in", user=account.id, method="oauth", provider=person.provider)
    return account, opened


async def _code(desk: Desk, flow: Row, person: Person, tokens: dict[str, str], visit: Visit) -> str:
    """The code that the client exchanges. A linking waits for that: only the client that began it can do it."""
    kit, now = desk.kit, utc_now()
    t = kit.database.tables
    data: dict[str, Any] = linking.sealed(kit, tokens)
    if flow["user_id"] is not None:
        data |= {"link": asdict(person), "session": flow["data"]["session"]}

    def script() -> Script[tuple[str, list[str]]]:
        ended: list[str] = []
        user_id = flow["user_id"]
        if user_id is None:
            account, ended = yield from _enter_steps(kit, person, visit, now)
            user_id = account.id
        flow_id = yield from pkce.begin_steps(t, (flow["challenge"], flow["challenge_method"]), "oauth", now, pkce.CODE_SECONDS, data)
        code = yield from pkce.code_steps(t, flow_id, user_id, now, "oauth")
        assert code is not None
        return code, ended

    made: tuple[str, list[str]] = await _twice(kit, script)
    sessions.revoke_here(kit, made[1], now)
    return made[0]


def _enter_steps(kit: Kit, person: Person, visit: Visit, now: datetime) -> Script[tuple[Account, list[str]]]:
    t = kit.database.tables
    account, ended = yield from linking.sign_in_steps(t, person, now, sign_up=not kit.settings.disable_signup)
    yield audit.entry(t, "login", account.id, ip=visit.origin.ip, method="oauth", provider=person.provider)
    return account, ended


async def _twice(kit: Kit, script: Any) -> Any:
    """Of two who come for the first time at once, the later finds what the earlier made."""
    try:
        return await users.run_unique(kit, script)
    except (EmailExists, UserExists):
        return await users.run_unique(kit, script)


def _with_session(kit: Kit, target: str, account: Account, opened: Opened, tokens: dict[str, str]) -> str:
    shown = opened_json(kit, account, opened, utc_now())
    names = ("access_token", "expires_at", "expires_in", "refresh_token", "token_type")
    return redirects.with_fragment(target, {**{name: str(shown[name]) for name in names}, **tokens, "sb": ""})


def _wanted(kit: Kit, query: Mapping[str, str], visit: Visit) -> dict[str, Any]:
    provider: Provider = providers.find(kit.settings, query.get("provider"))
    scopes = query.get("scopes") or ""
    if not _SCOPES.fullmatch(scopes):
        raise ValidationFailed("scopes: names separated by spaces")
    more = {name: query[name] for name in _PASSED_ON if 0 < len(query.get(name, "")) <= 500}
    target = redirects.choose(kit.settings, visit.redirect_to, visit.referer)
    return {"provider": provider.name, "redirect_to": target, "scopes": scopes, "more": more}


def _begun(kit: Kit, state: str) -> Begun:
    def derived(purpose: str) -> str:
        made = hmac.digest(kit.keys.derive("provider flows"), f"{purpose} {state}".encode(), "sha256")
        return base64.urlsafe_b64encode(made).rstrip(b"=").decode()

    return Begun(state, derived("nonce"), derived("verifier"), f"{issuer(kit)}/callback")


def _put_steps(
    t: Tables, purpose: str, secret: str, now: datetime, seconds: int, challenge: tuple[str, str], data: dict[str, Any], user_id: str | None
) -> Script[None]:
    """A row that only `_take_steps` finds, by the same purpose and secret."""
    yield delete(t.flow_states).where(t.flow_states.c.expires_at <= now)
    yield insert(t.flow_states).values(
        user_id=user_id, method="oauth", code_hash=_key(purpose, secret), challenge=challenge[0], challenge_method=challenge[1],
        data=data, created_at=now, expires_at=now + timedelta(seconds=seconds),
    )  # fmt: skip


def _key(purpose: str, secret: str) -> str:
    """Of another form than the hash of a client's code, so that no code finds the row."""
    return f"{purpose} {digest(secret)}"


def _take_steps(t: Tables, purpose: str, secret: str, now: datetime) -> Script[Row | None]:
    """Use up a row: of any number who try at once exactly one gets it."""
    f = t.flow_states
    rows: list[Row] = yield delete(f).where(f.c.code_hash == _key(purpose, secret)).returning(f)
    return rows[0] if rows and rows[0]["expires_at"] > now else None
