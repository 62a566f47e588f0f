"""Accounts in the database: reading, creating, changing and deleting them. Functions named `…_steps` are parts of scripts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal, TypeVar
from uuid import uuid4

from sqlalchemy import ColumnElement, and_, delete, insert, null, select, update

from baaskit.auth.sessions import end_sessions_steps, revoke_here
from baaskit.errors import BaasError
from baaskit.errors.auth import EmailExists, PhoneExists, StillReferred, UserExists, UsernameExists, UserNotFound, ValidationFailed
from baaskit.kernel.database import Row, Script
from baaskit.kernel.database.tables import Tables
from baaskit.kernel.kit import Kit

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Account:
    """An `auth.users` row with its `auth.identities` rows, oldest first."""

    user: Row
    identities: list[Row]

    @property
    def id(self) -> str:
        return str(self.user["id"])

    @property
    def has_second_factor(self) -> bool:
        """Whether a session needs more than its sign-in to be `aal2`."""
        return any(factor["status"] == "verified" for factor in self.user["factors"])

    def is_banned(self, now: datetime) -> bool:
        until = self.user["banned_until"]
        return until is not None and until > now


@dataclass(frozen=True, slots=True)
class NewUser:
    """What a new account begins with. Addresses are normalised already; `hash` is a password's hash or None.

    `proves_email`: the person was seen to have the mailbox, or an admin or a provider says so; `confirmed` alone may mean that nobody asked.
    """

    email: str | None = None
    phone: str | None = None
    hash: str | None = None
    confirmed: bool = False
    proves_email: bool = False
    phone_confirmed: bool = False
    user_metadata: dict[str, Any] = field(default_factory=dict)
    app_metadata: dict[str, Any] = field(default_factory=dict)
    role: str = "authenticated"
    banned_until: datetime | None = None
    username: str | None = None
    id: str = field(default_factory=lambda: str(uuid4()))


@dataclass(frozen=True, slots=True)
class Change:
    """A change of an account; None leaves a thing as it is. Metadata is merged, and a key with None is removed."""

    email: str | None = None
    phone: str | None = None
    hash: str | None = None
    confirm_email: bool = False
    proves_email: bool = False  # as in NewUser
    confirm_phone: bool = False
    user_metadata: dict[str, Any] | None = None
    app_metadata: dict[str, Any] | None = None
    role: str | None = None
    ban: tuple[datetime | None] | None = None  # (until,), or (None,) to lift it
    username: str | None = None
    drop_password: bool = False
    new_email: tuple[str | None] | None = None  # (address,) that waits for its confirmation, or (None,) to end the waiting


def load_steps(t: Tables, user_id: str) -> Script[Account | None]:
    """The account, locked for this transaction."""
    users = yield select(t.users).where(t.users.c.id == user_id).with_for_update()
    if not users:
        return None
    identities = yield select(t.identities).where(t.identities.c.user_id == user_id).order_by(t.identities.c.created_at, t.identities.c.id)
    return Account(users[0], identities)


async def find_account(kit: Kit, user_id: str, session_id: str | None = None) -> tuple[Account, datetime | None] | None:
    """The account and, for a session, when it ends (None: no limit); None when there is no such account or session.

    One indexed read: it answers every `GET /user`.
    """
    t = kit.database.tables
    identities = [column.label(f"identity_{column.key}") for column in t.identities.c]
    joined = t.users.outerjoin(t.identities, t.identities.c.user_id == t.users.c.id)
    ends: ColumnElement[Any] = null()
    if session_id is not None:
        joined = joined.join(t.sessions, and_(t.sessions.c.user_id == t.users.c.id, t.sessions.c.id == session_id))
        ends = t.sessions.c.not_after
    statement = select(t.users, ends.label("session_ends"), *identities).select_from(joined)
    statement = statement.where(t.users.c.id == user_id, t.users.c.deleted_at.is_(None))
    rows = await kit.database.query(statement.order_by(t.identities.c.created_at, t.identities.c.id))
    if not rows:
        return None
    prefix = "identity_"
    found = [{k.removeprefix(prefix): v for k, v in row.items() if k.startswith(prefix)} for row in rows if row["identity_id"] is not None]
    return Account({column.key: rows[0][column.key] for column in t.users.c}, found), rows[0]["session_ends"]


async def by_name(kit: Kit, column: Literal["email", "phone", "username"], name: str) -> Row | None:
    """The live user with this (normalised) address, number or name."""
    users = kit.database.tables.users
    rows = await kit.database.query(select(users).where(users.c[column] == name, users.c.deleted_at.is_(None)))
    return rows[0] if rows else None


def create_steps(t: Tables, new: NewUser, now: datetime) -> Script[Account]:
    """Insert a user and the identities that follow from its addresses."""
    [user] = yield insert(t.users).values(**new_row(new, now)).returning(t.users)
    identities: list[Row] = []
    for provider, address in (("email", new.email), ("phone", new.phone), ("username", new.username)):
        if address and (provider != "username" or not identities):
            verified = new.confirmed if provider == "email" else new.phone_confirmed
            identities += (
                yield insert(t.identities).values(**new_identity(new.id, provider, address, now, verified)).returning(t.identities)
            )
    return Account(user, identities)


def new_row(new: NewUser, now: datetime) -> Row:
    """The columns of `auth.users` that a new account sets."""
    own = {**new.user_metadata, **({"email": new.email} if new.email else {})}
    if new.email or new.phone:
        own |= {"email_verified": new.confirmed, "phone_verified": new.phone_confirmed, "sub": new.id}
    return {
        "id": new.id, "email": new.email, "phone": new.phone, "encrypted_password": new.hash, "role": new.role,
        "email_confirmed_at": now if new.email and new.confirmed else None,
        "email_proven_at": now if new.email and new.proves_email else None,
        "phone_confirmed_at": now if new.phone and new.phone_confirmed else None,
        "raw_app_meta_data": {**_providers(new.email, new.phone, new.username), **new.app_metadata}, "raw_user_meta_data": own,
        "username": new.username, "is_anonymous": not (new.email or new.phone or new.username), "banned_until": new.banned_until, "created_at": now, "updated_at": now,
    }  # fmt: skip


def change_steps(t: Tables, user_id: str, change: Change, now: datetime) -> Script[Account]:
    """Apply `change`; the account as it is then. Raises UserNotFound."""
    account = yield from load_steps(t, user_id)
    if account is None or account.user["deleted_at"] is not None:
        raise UserNotFound()
    user = account.user
    values: dict[str, Any] = {"updated_at": now}
    own = _merged(user["raw_user_meta_data"], change.user_metadata)
    app = _merged(user["raw_app_meta_data"], change.app_metadata)
    for provider, address in (("email", change.email), ("phone", change.phone)):
        if address is not None and address != user[provider]:
            values[provider] = address
            values |= {"email_proven_at": None} if provider == "email" else {}
            own |= {provider: address, "sub": user_id}
            yield delete(t.identities).where(t.identities.c.user_id == user_id, t.identities.c.provider == provider)
            yield insert(t.identities).values(**new_identity(user_id, provider, address, now, False))
    email, phone = values.get("email", user["email"]), values.get("phone", user["phone"])
    username = change.username or user["username"]
    if change.username:
        values["username"] = username
    if "email" in values or "phone" in values or ("username" in values and not app.get("provider")):
        app = _merged(app, _providers(email, phone, username))
    for wanted, address, name in ((change.confirm_email, email, "email"), (change.confirm_phone, phone, "phone")):
        if wanted and address:
            values[f"{name}_confirmed_at"] = now if name in values else user[f"{name}_confirmed_at"] or now
            own |= {f"{name}_verified": True}
            yield from _verify_identity_steps(t, user_id, name, now)
    if change.proves_email and email:
        values["email_proven_at"] = now
    if change.hash is not None:
        values["encrypted_password"] = change.hash
    elif change.drop_password:
        values["encrypted_password"] = None
    if change.new_email is not None:
        values["new_email"] = change.new_email[0]
        if change.new_email[0]:
            values["email_change_sent_at"] = now
    if change.role is not None:
        values["role"] = change.role
    if change.ban is not None:
        values["banned_until"] = change.ban[0]
    values |= {
        "raw_user_meta_data": own,
        "raw_app_meta_data": app,
        "is_anonymous": user["is_anonymous"] and not (email or phone or username),
    }
    yield update(t.users).where(t.users.c.id == user_id).values(**values)
    changed = yield from load_steps(t, user_id)
    assert changed is not None
    return changed


async def delete_user(kit: Kit, user_id: str, *, soft: bool, now: datetime) -> None:
    """Remove a user and end its sessions. `soft` keeps the row's id, so that other rows may refer to it, and nothing that
    names the person. Raises UserNotFound, StillReferred."""
    t = kit.database.tables

    def script() -> Script[list[str]]:
        account = yield from load_steps(t, user_id)
        if account is None:
            raise UserNotFound()
        ended = yield from end_sessions_steps(t, user_id)
        yield insert(t.audit_log).values(action="user_deleted", user_id=user_id, actor="admin", details={"soft": soft})
        if not soft:
            yield delete(t.users).where(t.users.c.id == user_id)
            return ended
        yield delete(t.identities).where(t.identities.c.user_id == user_id)
        for table in (t.one_time_tokens, t.factors, t.recovery_codes):
            yield delete(table).where(table.c.user_id == user_id)
        gone = dict.fromkeys(("email", "phone", "encrypted_password", "new_email", "username"))
        yield (
            update(t.users)
            .where(t.users.c.id == user_id)
            .values(
                **gone,
                raw_user_meta_data={},
                raw_app_meta_data={},
                factors=[],
                deleted_at=account.user["deleted_at"] or now,
                updated_at=now,
            )
        )
        return ended

    revoke_here(kit, await run_unique(kit, script), now)


async def run_unique(kit: Kit, script: Callable[[], Script[T]]) -> T:
    """Run `script`; a violated constraint of the users table becomes the error of what was taken.

    The database decides, so of two who create the same address at once exactly one succeeds.
    """
    try:
        return await kit.database.run(script)
    except BaasError as problem:
        if problem.code == "23503":
            raise StillReferred() from problem
        if problem.code != "23505":
            raise
        columns = getattr(problem, "columns", ())
        taken = next((kind for name, kind in _TAKEN.items() if name in columns), UserExists)
        raise taken() from problem


def utc_now() -> datetime:
    return datetime.now(UTC)


def own_metadata(data: dict[str, Any] | None) -> dict[str, Any]:
    """What a user may say of itself: not the marks by which the server says what it has verified."""
    return {key: value for key, value in (data or {}).items() if key not in ("sub", "email_verified", "phone_verified")}


def checked_role(role: str | None) -> str | None:
    """`role` if an account may have it. Raises ValidationFailed."""
    if role in (None, ""):
        return None
    if role not in ("authenticated", "service_role"):
        raise ValidationFailed('role must be "authenticated" or "service_role"')
    return role


_TAKEN: dict[str, type[BaasError]] = {"email": EmailExists, "phone": PhoneExists, "username": UsernameExists}


def new_identity(user_id: str, provider: str, address: str, now: datetime, verified: bool) -> Row:
    """The columns of `auth.identities` of a way to sign in that follows from an address or a name."""
    data = {provider: address, "email_verified": False, "phone_verified": False, "sub": user_id}
    if provider in ("email", "phone"):
        data[f"{provider}_verified"] = verified
    return {
        "id": str(uuid4()), "user_id": user_id, "provider": provider, "provider_id": user_id, "identity_data": data,
        "email": address if provider == "email" else None, "last_sign_in_at": now, "created_at": now, "updated_at": now,
    }  # fmt: skip


def _verify_identity_steps(t: Tables, user_id: str, provider: str, now: datetime) -> Script[None]:
    mine = (t.identities.c.user_id == user_id) & (t.identities.c.provider == provider)
    for identity in (yield select(t.identities.c.id, t.identities.c.identity_data).where(mine)):
        data = {**identity["identity_data"], f"{provider}_verified": True}
        yield update(t.identities).where(t.identities.c.id == identity["id"]).values(identity_data=data, updated_at=now)


def _providers(email: str | None, phone: str | None, username: str | None) -> dict[str, Any]:
    names = [name for name, address in (("email", email), ("phone", phone)) if address] or (["username"] if username else [])
    return {"provider": names[0], "providers": names} if names else {}


def _merged(stored: dict[str, Any], changes: dict[str, Any] | None) -> dict[str, Any]:
    merged = {**stored, **(changes or {})}
    return {key: value for key, value in merged.items() if value is not None}
