"""What an admin does with accounts: list, create, change, ban, delete. Also used by the command line."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, func, or_, select

from baaskit.auth import audit, foreign, passwords, sessions, users
from baaskit.auth.addresses import email_address, phone_number
from baaskit.auth.requests import AdminUserChange, AdminUserCreate, duration
from baaskit.auth.tokens import issuer
from baaskit.auth.users import Account, Change, NewUser, utc_now
from baaskit.auth.usertable import refuse_in_table
from baaskit.auth.views import user_json
from baaskit.errors.auth import UserNotFound, ValidationFailed
from baaskit.kernel.database import Row, Script
from baaskit.kernel.kit import Kit
from baaskit.observe import fact

MOST_PER_PAGE = 1000
_SORTABLE = ("created_at", "updated_at", "last_sign_in_at", "email")


@dataclass(frozen=True, slots=True)
class Page:
    """`users` as clients see them; `headers` tell the total and where the next and last pages are."""

    users: list[dict[str, Any]]
    headers: dict[str, str]


async def create_user(
    kit: Kit,
    email: str,
    password: str,
    *,
    confirmed: bool = True,
    user_metadata: dict[str, Any] | None = None,
    app_metadata: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """A new user, as clients see it. Raises AuthError: ValidationFailed, WeakPassword, EmailExists."""
    asked = AdminUserCreate(email=email, password=password, email_confirm=confirmed, user_metadata=user_metadata, app_metadata=app_metadata)
    return await create(kit, asked)


async def create(kit: Kit, asked: AdminUserCreate) -> dict[str, Any]:
    """A new user as an admin describes it."""
    now = utc_now()
    email, phone, hashed = await _credentials(kit, asked)
    if not (email or phone):
        raise ValidationFailed("Cannot create a user without either an email or phone")
    ban = _ban(asked.ban_duration, now)
    new = NewUser(
        email=email, phone=phone, hash=hashed, confirmed=bool(asked.email_confirm), proves_email=bool(asked.email_confirm), phone_confirmed=bool(asked.phone_confirm),
        user_metadata=asked.user_metadata or {}, app_metadata=asked.app_metadata or {},
        role=users.checked_role(asked.role) or "authenticated", banned_until=ban[0] if ban else None,
        **({"id": str(asked.id)} if asked.id else {}),
    )  # fmt: skip
    t = kit.database.tables

    def script() -> Script[Account]:
        made: Account = yield from users.create_steps(t, new, now)
        yield audit.entry(t, "user_created", made.id, actor="admin")
        return made

    account = await users.run_unique(kit, script)
    fact("auth.user_created", user=account.id)
    return user_json(account.user, account.identities)


async def change(kit: Kit, user_id: str, asked: AdminUserChange) -> dict[str, Any]:
    """The user after an admin's change. A new password, role or ban ends all of the user's sessions."""
    now = utc_now()
    if await users.find_account(kit, user_id) is None:
        raise UserNotFound()  # before a hash is made for nobody
    email, phone, hashed = await _credentials(kit, asked)
    role, ban = users.checked_role(asked.role), _ban(asked.ban_duration, now)
    wanted = Change(
        email=email, phone=phone, hash=hashed, confirm_email=bool(asked.email_confirm), proves_email=bool(asked.email_confirm), confirm_phone=bool(asked.phone_confirm),
        user_metadata=asked.user_metadata, app_metadata=asked.app_metadata, role=role, ban=ban,
    )  # fmt: skip
    t = kit.database.tables

    def script() -> Script[tuple[Account, list[str]]]:
        before = yield from users.load_steps(t, user_id)
        account = yield from users.change_steps(t, user_id, wanted, now)
        yield audit.entry(t, "user_modified", user_id, actor="admin", changed=sorted(asked.model_dump(exclude_none=True)))
        ended: list[str] = []
        if hashed is not None or account.is_banned(now) or (before is not None and before.user["role"] != account.user["role"]):
            ended = yield from sessions.end_sessions_steps(t, user_id)
        return account, ended

    account, ended = await users.run_unique(kit, script)
    sessions.revoke_here(kit, ended, now)
    fact("auth.user_changed", user=user_id, sessions_ended=len(ended))
    return user_json(account.user, account.identities)


async def get(kit: Kit, user_id: str) -> dict[str, Any]:
    """One user. Raises UserNotFound."""
    found = await users.find_account(kit, user_id)
    if found is None:
        raise UserNotFound()
    return user_json(found[0].user, found[0].identities)


async def remove(kit: Kit, user_id: str, *, soft: bool) -> None:
    """Delete a user and end its sessions. Raises UserNotFound, StillReferred."""
    await users.delete_user(kit, user_id, soft=soft, now=utc_now())
    fact("auth.user_deleted", user=user_id, soft=soft)


async def page_of(kit: Kit, page: int, per_page: int, filter_text: str, sort: str) -> Page:
    """Live users, newest first unless `sort` (`"email asc"`) says otherwise; `filter_text` is part of an address or phone number."""
    t = kit.database.tables
    chosen: ColumnElement[bool] = t.users.c.deleted_at.is_(None)
    if filter_text:
        text = filter_text.strip().lower()
        chosen = chosen & or_(t.users.c.email.contains(text, autoescape=True), t.users.c.phone.contains(text, autoescape=True))
    order = _order(kit, sort)
    per_page = min(per_page, MOST_PER_PAGE)

    def script() -> Script[tuple[int, list[Row], list[Row]]]:
        counted = yield select(func.count().label("total")).select_from(t.users).where(chosen)
        found = yield select(t.users).where(chosen).order_by(*order).limit(per_page).offset((page - 1) * per_page)
        ids = [user["id"] for user in found]
        identities = (yield select(t.identities).where(t.identities.c.user_id.in_(ids)).order_by(t.identities.c.created_at)) if ids else []
        return counted[0]["total"], found, identities

    total, found, identities = await kit.database.read(script)
    shown = [user_json(user, [i for i in identities if i["user_id"] == user["id"]]) for user in found]
    return Page(shown, _page_headers(kit, page, per_page, total))


def _page_headers(kit: Kit, page: int, per_page: int, total: int) -> dict[str, str]:
    """`page` must be the first parameter: a client reads only that far."""
    last = max(1, math.ceil(total / per_page))
    shown = [(last, "last")] if page >= last else [(page + 1, "next"), (last, "last")]
    links = [f'<{issuer(kit)}/admin/users?page={number}&per_page={per_page}>; rel="{rel}"' for number, rel in shown]
    return {"X-Total-Count": str(total), "Link": ", ".join(links)}


def _order(kit: Kit, sort: str) -> list[Any]:
    c = kit.database.tables.users.c
    name, _, direction = (sort.strip() or "created_at desc").replace(":", " ").partition(" ")
    if name not in _SORTABLE or direction.lower() not in ("", "asc", "desc"):
        raise ValidationFailed(f"sort must be one of {', '.join(_SORTABLE)}, followed by asc or desc")
    column = c[name]
    return [column.desc() if direction.lower() == "desc" else column.asc(), c.id]


async def _credentials(kit: Kit, asked: AdminUserChange) -> tuple[str | None, str | None, str | None]:
    """Normalised e-mail and phone, and the hash to store."""
    refuse_in_table(kit, asked.email, asked.phone, asked.password, asked.password_hash)
    email = email_address(asked.email) if asked.email else None
    phone = phone_number(asked.phone) if asked.phone else None
    if asked.password and asked.password_hash:
        raise ValidationFailed("Only a password or a password hash should be provided")
    if asked.password_hash:
        return email, phone, foreign.checked(asked.password_hash)
    if not asked.password:
        return email, phone, None
    await passwords.check_policy(asked.password, kit.settings, email or "")
    return email, phone, await passwords.hash_password(asked.password)


def _ban(text: str | None, now: datetime) -> tuple[datetime | None] | None:
    if not text:
        return None
    try:
        length = duration(text)
    except ValueError as problem:
        raise ValidationFailed(str(problem)) from problem
    return (now + length if length is not None else None,)
