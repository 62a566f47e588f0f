"""What clients see of users and sessions (wire.md §2.2): models for the API's description, and the functions that fill them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, ConfigDict

from baaskit.auth.sessions import Opened
from baaskit.auth.tokens import access_token, life_of
from baaskit.auth.users import Account
from baaskit.auth.usertable import as_known
from baaskit.kernel.database import Row
from baaskit.kernel.kit import Kit


class IdentityView(BaseModel):
    """A way to sign in that belongs to a user; `id` is the provider's name for the person."""

    model_config = ConfigDict(extra="forbid")

    identity_id: str
    id: str
    user_id: str
    identity_data: dict[str, Any]
    provider: str
    email: str | None = None
    last_sign_in_at: datetime | None = None
    created_at: datetime
    updated_at: datetime


class FactorView(BaseModel):
    """A second factor: `totp` or `webauthn`, `verified` or `unverified`."""

    model_config = ConfigDict(extra="forbid")

    id: str
    friendly_name: str | None = None
    factor_type: str
    status: str
    created_at: datetime
    updated_at: datetime


class UserView(BaseModel):
    """A user. Moments that have not happened are left out; an address that is not set is empty text."""

    model_config = ConfigDict(extra="forbid")

    id: str
    aud: str
    role: str
    email: str
    phone: str
    email_confirmed_at: datetime | None = None
    phone_confirmed_at: datetime | None = None
    confirmed_at: datetime | None = None
    invited_at: datetime | None = None
    confirmation_sent_at: datetime | None = None
    recovery_sent_at: datetime | None = None
    email_change_sent_at: datetime | None = None
    new_email: str | None = None
    last_sign_in_at: datetime | None = None
    banned_until: datetime | None = None
    deleted_at: datetime | None = None
    app_metadata: dict[str, Any]
    user_metadata: dict[str, Any]
    identities: list[IdentityView]
    factors: list[FactorView] | None = None
    created_at: datetime
    updated_at: datetime
    is_anonymous: bool


class SessionView(BaseModel):
    """A session's tokens. `expires_in` in seconds, `expires_at` in unix seconds."""

    model_config = ConfigDict(extra="forbid")

    access_token: str
    token_type: str
    expires_in: int
    expires_at: int
    refresh_token: str
    user: UserView


class UserPage(BaseModel):
    """A page of users."""

    users: list[UserView]
    aud: str


_MOMENTS = (
    "email_confirmed_at", "phone_confirmed_at", "invited_at", "confirmation_sent_at", "recovery_sent_at", "email_change_sent_at",
    "last_sign_in_at", "banned_until", "deleted_at",
)  # fmt: skip


def moment(value: datetime) -> str:
    """RFC 3339 in UTC with `Z` and at most six decimals."""
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")


def user_json(user: Row, identities: list[Row]) -> dict[str, Any]:
    """A `UserView` of an `auth.users` row and its `auth.identities` rows."""
    user = as_known(user)
    shown: dict[str, Any] = {
        "id": user["id"], "aud": user["aud"], "role": user["role"], "email": user["email"] or "", "phone": user["phone"] or "",
    }  # fmt: skip
    shown |= {name: moment(user[name]) for name in _MOMENTS if user[name] is not None}
    confirmed = [user[name] for name in ("email_confirmed_at", "phone_confirmed_at") if user[name] is not None]
    if confirmed:
        shown["confirmed_at"] = moment(min(confirmed))
    if user["new_email"]:
        shown["new_email"] = user["new_email"]
    return shown | {
        "app_metadata": user["raw_app_meta_data"], "user_metadata": user["raw_user_meta_data"],
        "identities": [_identity_json(identity) for identity in identities],
        **({"factors": user["factors"]} if user["factors"] else {}),
        "created_at": moment(user["created_at"]), "updated_at": moment(user["updated_at"]), "is_anonymous": user["is_anonymous"],
    }  # fmt: skip


def live_session_json(session: Row, current: str | None = None) -> dict[str, Any]:
    """A session as its owner sees it in the list; `current` is the id of the one that asks."""
    moments = ("created_at", "updated_at", "refreshed_at", "not_after")
    return {
        "id": session["id"], "aal": session["aal"], "amr": session["amr"], "ip": session["ip"], "user_agent": session["user_agent"],
        **{name: moment(session[name]) for name in moments if session[name] is not None}, "is_current": session["id"] == current,
    }  # fmt: skip


def _identity_json(identity: Row) -> dict[str, Any]:
    shown = {
        "identity_id": identity["id"], "id": identity["provider_id"], "user_id": identity["user_id"],
        "identity_data": identity["identity_data"], "provider": identity["provider"],
        "created_at": moment(identity["created_at"]), "updated_at": moment(identity["updated_at"]),
    }  # fmt: skip
    if identity["last_sign_in_at"] is not None:
        shown["last_sign_in_at"] = moment(identity["last_sign_in_at"])
    if identity["email"]:
        shown["email"] = identity["email"]
    return shown


def opened_json(kit: Kit, account: Account, opened: Opened, now: datetime) -> dict[str, Any]:
    """A `SessionView` of a session that has just been opened."""
    session, token = opened
    return session_json(kit, {**account.user, "last_sign_in_at": now}, account.identities, session, token, int(now.timestamp()))


def session_json(kit: Kit, user: Row, identities: list[Row], session: Row, refresh_token: str, now: int) -> dict[str, Any]:
    """A `SessionView` with a fresh access token; `now` in unix seconds."""
    life = life_of(kit, session, now)
    return {
        "access_token": access_token(kit, user, session, now), "token_type": "bearer", "expires_in": life, "expires_at": now + life,
        "refresh_token": refresh_token, "user": user_json(user, identities),
    }  # fmt: skip
