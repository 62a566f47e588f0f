"""Which account a provider's person is, and which ways to sign in an account has. Parts of scripts.

The rule against pre-hijacked accounts: an account belongs to whoever proved its address. A provider that vouches for an address opens
the account that has it. If nobody was seen to have that mailbox before, whoever made the account may be a stranger: everything by which
the account could be entered until then ends first. An address that the provider does not vouch for never becomes an account's.
"""

from __future__ import annotations

import base64
import os
from datetime import datetime
from typing import Any
from uuid import uuid4

import orjson
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import delete, insert, select, update

from baaskit.auth import audit, users
from baaskit.auth.providers import Person
from baaskit.auth.sessions import Origin, end_sessions_steps
from baaskit.auth.users import Account, NewUser
from baaskit.errors.auth import (
    EmailExists,
    FlowExpired,
    IdentityExists,
    IdentityNotFound,
    LastIdentity,
    SignupDisabled,
    UserBanned,
    UserNotFound,
)
from baaskit.kernel.database import Row, Script
from baaskit.kernel.database.tables import Tables
from baaskit.kernel.kit import Kit

_OWN = ("email", "phone", "username")  # identities that follow from the account itself


def sign_in_steps(t: Tables, person: Person, now: datetime, *, sign_up: bool) -> Script[tuple[Account, list[str]]]:
    """The person's account, made if need be, and the sessions that ended. `sign_up`: whether new accounts are admitted.

    Raises UserBanned, SignupDisabled; EmailExists and UserExists when another request made the account meanwhile: try again.
    """
    ended: list[str] = []
    identity = yield from _identity_steps(t, person)
    if identity is not None:
        account = yield from _live_steps(t, identity["user_id"], now)
        yield update(t.identities).where(t.identities.c.id == identity["id"]).values(
            identity_data=person.identity_data, email=person.email, last_sign_in_at=now, updated_at=now
        )  # fmt: skip
        return (yield from _adopt_steps(t, account, person, now)), ended
    owner = (yield select(t.users.c.id).where(t.users.c.email == person.proven_email)) if person.proven_email else []
    if not owner:
        if not sign_up:
            raise SignupDisabled()
        new = NewUser(
            email=person.proven_email, confirmed=True, proves_email=True, user_metadata=_metadata(person),
            app_metadata={"provider": person.provider, "providers": [person.provider]},
        )  # fmt: skip
        [user] = yield insert(t.users).values({**users.new_row(new, now), "is_anonymous": False}).returning(t.users)
        account = Account(user, [])
    else:
        account = yield from _live_steps(t, owner[0]["id"], now)
        if account.user["email"] != person.proven_email:
            raise EmailExists()  # it has just been changed: look again
        if account.user["email_proven_at"] is None:
            ended = yield from _hand_over_steps(t, account, now)
    yield insert(t.identities).values(**_row(account.id, person, now))
    return (yield from _adopt_steps(t, account, person, now)), ended


def link_steps(t: Tables, user_id: str, person: Person, now: datetime) -> Script[Account]:
    """The account with one more way to sign in. Raises IdentityExists, UserBanned, UserNotFound."""
    account = yield from _live_steps(t, user_id, now)
    taken = yield from _identity_steps(t, person)
    if taken is not None:
        raise IdentityExists("Identity is already linked" if taken["user_id"] == user_id else None)
    yield insert(t.identities).values(**_row(user_id, person, now))
    return (yield from _adopt_steps(t, account, person, now))


def unlink_steps(t: Tables, user_id: str, identity_id: str, now: datetime) -> Script[Account]:
    """The account without one of its ways to sign in; with `email` its password goes, too. Raises IdentityNotFound, LastIdentity."""
    account = yield from _live_steps(t, user_id, now)
    gone = next((identity for identity in account.identities if identity["id"] == identity_id), None)
    if gone is None:
        raise IdentityNotFound()
    if len(account.identities) < 2:
        raise LastIdentity()
    yield delete(t.identities).where(t.identities.c.id == identity_id)
    values: dict[str, Any] = {"encrypted_password": None} if gone["provider"] in _OWN else {}
    if gone["provider"] == "phone":
        values |= {"phone": None, "phone_confirmed_at": None}
    if values:
        yield update(t.users).where(t.users.c.id == user_id).values(**values)
    return (yield from _note_providers_steps(t, user_id, now))


def finish_steps(t: Tables, flow: Row, origin: Origin, now: datetime) -> Script[Account]:
    """Link what a flow brought back, now that the client that began it has shown its verifier. The session that asked must live.

    Raises FlowExpired and what `link_steps` does.
    """
    live = yield select(t.sessions.c.id).where(t.sessions.c.id == flow["data"]["session"], t.sessions.c.user_id == flow["user_id"])
    if not live:
        raise FlowExpired()
    person = Person(**flow["data"]["link"])
    account = yield from link_steps(t, flow["user_id"], person, now)
    yield audit.entry(t, "identity_linked", account.id, ip=origin.ip, provider=person.provider)
    return account


def sealed(kit: Kit, tokens: dict[str, str]) -> dict[str, str]:
    """The provider's tokens as a flow keeps them until its client fetches them."""
    nonce = os.urandom(12)
    box = AESGCM(kit.keys.derive("provider tokens")).encrypt(nonce, orjson.dumps(tokens), None)
    return {"tokens": base64.b64encode(nonce + box).decode()}


def unsealed(kit: Kit, data: dict[str, Any]) -> dict[str, str]:
    """What `sealed` was given; empty when the flow has none."""
    if "tokens" not in data:
        return {}
    box = base64.b64decode(data["tokens"])
    found: dict[str, str] = orjson.loads(AESGCM(kit.keys.derive("provider tokens")).decrypt(box[:12], box[12:], None))
    return found


def _identity_steps(t: Tables, person: Person) -> Script[Row | None]:
    found = yield select(t.identities).where(t.identities.c.provider == person.provider, t.identities.c.provider_id == person.subject)
    return found[0] if found else None


def _live_steps(t: Tables, user_id: str, now: datetime) -> Script[Account]:
    account = yield from users.load_steps(t, user_id)
    if account is None or account.user["deleted_at"] is not None:
        raise UserNotFound()
    if account.is_banned(now):
        raise UserBanned()
    return account


def _hand_over_steps(t: Tables, account: Account, now: datetime) -> Script[list[str]]:
    """The account goes to the owner of its address: the ended sessions.

    Passwords, other identities, phone, factors, codes and links under way: whatever table of ours refers to the user.
    """
    ended = yield from end_sessions_steps(t, account.id)
    for table in t.metadata.sorted_tables:
        column = table.c.get("user_id")
        if column is not None and any(key.column is t.users.c.id for key in column.foreign_keys):
            yield delete(table).where(column == account.id)
    gone = dict.fromkeys(("encrypted_password", "phone", "phone_confirmed_at", "username", "new_email"))
    own = {key: value for key, value in account.user["raw_user_meta_data"].items() if key not in ("phone", "username")}
    yield update(t.users).where(t.users.c.id == account.id).values(**gone, raw_user_meta_data=own)
    return ended


def _adopt_steps(t: Tables, account: Account, person: Person, now: datetime) -> Script[Account]:
    """Take over what the provider vouches for and the account lacks: its address (if nobody else has it), names, a picture."""
    user, address = account.user, person.proven_email
    if address and user["email"] is None:
        taken = yield select(t.users.c.id).where(t.users.c.email == address)
        address = None if taken else address
    mine = address if address and user["email"] in (None, address) else None
    own, shown = user["raw_user_meta_data"], _metadata(person)
    if mine:
        yield update(t.users).where(t.users.c.id == account.id).values(
            email=mine, email_confirmed_at=user["email_confirmed_at"] or now, email_proven_at=user["email_proven_at"] or now
        )  # fmt: skip
        shown |= {"email": mine, "email_verified": True}
    values = {"raw_user_meta_data": {**shown, **own, **({"email_verified": True} if mine else {})}, "is_anonymous": False}
    yield update(t.users).where(t.users.c.id == account.id).values(**values)
    return (yield from _note_providers_steps(t, account.id, now))


def _note_providers_steps(t: Tables, user_id: str, now: datetime) -> Script[Account]:
    """`app_metadata` names the ways to sign in, oldest first."""
    account = yield from users.load_steps(t, user_id)
    assert account is not None
    names = list(dict.fromkeys(identity["provider"] for identity in account.identities))
    app = {**account.user["raw_app_meta_data"], "provider": names[0], "providers": names}
    yield update(t.users).where(t.users.c.id == user_id).values(raw_app_meta_data=app, updated_at=now)
    return Account({**account.user, "raw_app_meta_data": app, "updated_at": now}, account.identities)


def _metadata(person: Person) -> dict[str, Any]:
    """What goes into the user's own metadata: it travels in every token, and the user may change it."""
    told = person.identity_data
    names = ("name", "full_name", "user_name", "preferred_username", "avatar_url", "picture", "iss", "sub", "provider_id")
    return {name: told[name] for name in names if name in told}


def _row(user_id: str, person: Person, now: datetime) -> Row:
    return {
        "id": str(uuid4()), "user_id": user_id, "provider": person.provider, "provider_id": person.subject,
        "identity_data": person.identity_data, "email": person.email, "last_sign_in_at": now, "created_at": now, "updated_at": now,
    }  # fmt: skip
