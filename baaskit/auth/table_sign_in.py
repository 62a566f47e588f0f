"""Sign-in by the password column of the app's own table of users, which is read and never written (`users_table`)."""

from __future__ import annotations

import hmac
from typing import Any

from sqlalchemy import insert, or_, update

from baaskit.auth import audit, foreign, passwords, sessions, users, usertable
from baaskit.auth.desk import Desk, Visit
from baaskit.auth.requests import Grant
from baaskit.auth.sessions import Opened
from baaskit.auth.users import Account, utc_now
from baaskit.auth.views import opened_json
from baaskit.errors.auth import UserBanned, ValidationFailed, WrongCredentials
from baaskit.kernel.database import Row, Script
from baaskit.kernel.kit import Kit
from baaskit.observe import fact

_SAMPLES = 64  # hashes of their table that stand in for those of users who do not exist


async def sign_in(desk: Desk, asked: Grant, visit: Visit) -> dict[str, Any]:
    """A session for a name (sent as `email`) and its password. Who is not there, is not active, or has a hash that cannot be
    checked costs the same work as a wrong password, and gets the same answer."""
    kit, settings = desk.kit, desk.kit.settings
    name = (asked.email or "").strip()
    counted, both = name.lower(), f"{name.lower()} {visit.client}"
    await desk.limits.take("account and address", both, settings.sign_in_limit_per_account_and_address)
    await desk.limits.take("account", counted, settings.sign_in_limit_per_account)
    row, stand_in = await _find(kit, name)
    own = usable(row["hash"]) if row is not None and usertable.is_active(row) else None
    matches, _ = await passwords.verify_password(asked.password or "", own or stand_in)
    subject = usertable.subject_of(row, settings.uid_type) if row is not None else None
    if not matches or own is None or row is None or subject is None:
        raise WrongCredentials()
    await desk.limits.give_back("account", counted, settings.sign_in_limit_per_account)
    await desk.limits.give_back("account and address", both, settings.sign_in_limit_per_account_and_address)
    return await _open(kit, subject, row["hash"], visit)


async def _find(kit: Kit, name: str) -> tuple[Row | None, str | None]:
    """Their row of this login name, and a hash as their table has them, always the same for a name."""
    statement = usertable.theirs(kit.settings)
    login, key, hashed = (statement.selected_columns[part].element for part in ("login", "id", "hash"))
    spelled = "" if "\x00" in name else name  # PostgreSQL's text has no such character
    rows = await kit.database.query(statement.where(or_(login == spelled, login == spelled.lower())).limit(3))
    exact = [row for row in rows if row["login"] == spelled] or rows
    samples = await kit.database.query(statement.where(hashed.is_not(None)).order_by(key).limit(_SAMPLES))
    usables = [text for row in samples if (text := usable(row["hash"]))]
    number = int.from_bytes(hmac.digest(kit.keys.derive("sign-in of nobody"), name.lower().encode("utf-8", "replace"), "sha256"))
    return exact[0] if len(exact) == 1 and spelled else None, usables[number % len(usables)] if usables else None


def usable(stored: object) -> str | None:
    """A hash in the spelling that `passwords` checks, None if it is none that can be checked. Django puts its own name before others'."""
    if not isinstance(stored, str):
        return None
    for name in ("argon2", "bcrypt$"):
        if stored.startswith(f"{name}$"):
            stored = stored.removeprefix(name)
            break
    try:
        return foreign.checked(stored)
    except ValidationFailed:
        return None


async def _open(kit: Kit, subject: str, verified: str, visit: Visit) -> dict[str, Any]:
    t, now, user_id = kit.database.tables, utc_now(), usertable.account_of(subject)

    def script() -> Script[tuple[Account, Opened]]:
        row = yield from usertable.row_steps(kit, subject)
        if row is None or row["hash"] != verified:  # changed while the hash was checked
            raise WrongCredentials()
        known = usertable.metadata(row, subject)
        account = yield from users.load_steps(t, user_id)
        if account is None:
            fresh = {
                "id": user_id,
                "role": "authenticated",
                "is_anonymous": False,
                "raw_user_meta_data": {},
                "created_at": now,
                "updated_at": now,
            }
            yield insert(t.users).values(**fresh, raw_app_meta_data=known)
        elif account.user["deleted_at"] is not None:
            raise WrongCredentials()
        elif account.is_banned(now):
            raise UserBanned()
        else:
            yield update(t.users).where(t.users.c.id == user_id).values(raw_app_meta_data=account.user["raw_app_meta_data"] | known)
        yield audit.entry(t, "login", user_id, ip=visit.origin.ip, method="password")
        opened = yield from sessions.open_session_steps(kit, user_id, "password", visit.origin, now)
        account = yield from users.load_steps(t, user_id)
        assert account is not None
        return account, opened

    account, opened = await users.run_unique(kit, script)
    fact("auth.signed_in", user=user_id, method="password")
    return opened_json(kit, account, opened, now)
