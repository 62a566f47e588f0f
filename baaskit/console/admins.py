"""Admins: the people who run a project. Their accounts, their sessions, and the link that makes the first one."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, get_args
from uuid import uuid4

import anyio
from passlib.context import CryptContext
from sqlalchemy import delete, func, insert, select, update

from baaskit.console.audit import entry
from baaskit.errors import BaasError
from baaskit.errors.console import InvalidAdmin, NotSignedIn, SetupRefused, WrongAdminCredentials
from baaskit.kernel.kit import Kit

Role = Literal["owner", "developer", "viewer"]
PASSWORD_MIN_LENGTH = 10  # characters; an admin's password opens every row
PASSWORD_MAX_LENGTH = 512  # characters; argon2 of a longer one costs us and gains nobody
SESSION_LIFE = timedelta(hours=12)
SETUP_KEY = "console_setup"  # row of our state table that holds the hash of the setup token

_passwords = CryptContext(schemes=["argon2"])
# Verified for unknown addresses, so that they cost the same time: the hash of a password that nobody kept. A test holds its cost to ours.
DECOY = "$argon2id$v=19$m=65536,t=3,p=4$o1RqzXlPydk7xxgjhDAGwA$LtJdgampwlGrVIrC5WfDKo+JsnqZRRwg8azC3Eay36A"
_hashing = anyio.CapacityLimiter(2)  # argon2 takes 19 MiB a run


@dataclass(frozen=True, slots=True)
class Admin:
    id: str
    email: str
    role: Role

    @property
    def may_write(self) -> bool:
        return self.role != "viewer"

    def json(self) -> dict[str, str]:
        return {"id": self.id, "email": self.email, "role": self.role}


@dataclass(frozen=True, slots=True)
class AdminSession:
    """A signed-in browser. `ends` is aware UTC."""

    id: str
    admin: Admin
    ends: datetime


async def create_admin(kit: Kit, email: str, password: str, role: Role = "owner") -> Admin:
    """Store a new admin. Raises InvalidAdmin when the address, password or role will not do, or the address is taken."""
    email = _checked(email, password, role)
    hashed = await _hash(password)
    admin, now = Admin(str(uuid4()), email, role), datetime.now(UTC)

    def script() -> Any:
        yield from _store(kit, admin, hashed, now, actor="cli")

    await _run_unique(kit, script)
    return admin


async def ensure_setup_token(kit: Kit) -> str | None:
    """A fresh token for `/console/#setup=TOKEN` while there is no admin, else None. Earlier tokens stop working.

    Only its hash is stored, so it can be shown once: when the server starts.
    """
    t = kit.database.tables
    token = secrets.token_urlsafe(24)

    def script() -> Any:
        if (yield select(t.admins.c.id).limit(1)):
            yield delete(t.state).where(t.state.c.key == SETUP_KEY)
            return None
        yield delete(t.state).where(t.state.c.key == SETUP_KEY)
        yield insert(t.state).values(key=SETUP_KEY, value={"sha256": _digest(token)})
        return token

    made: str | None = await kit.database.run(script)
    return made


async def needs_setup(kit: Kit) -> bool:
    """True while nobody can sign in."""
    return not await kit.database.query(select(kit.database.tables.admins.c.id).limit(1))


async def set_up(kit: Kit, setup_token: str, email: str, password: str) -> Admin:
    """Make the first admin, an owner, with the token that the server printed; it works once. Raises SetupRefused, InvalidAdmin."""
    email = _checked(email, password, "owner")
    t = kit.database.tables
    offered = _digest(setup_token)
    if not await kit.database.query(select(t.state.c.key).where(t.state.c.key == SETUP_KEY)):
        raise SetupRefused()  # before argon2, so that strangers cannot make us hash
    hashed = await _hash(password)
    admin, now = Admin(str(uuid4()), email, "owner"), datetime.now(UTC)

    def script() -> Any:
        stored = yield select(t.state.c.value).where(t.state.c.key == SETUP_KEY)
        if not stored or not hmac.compare_digest(stored[0]["value"]["sha256"], offered) or (yield select(t.admins.c.id).limit(1)):
            raise SetupRefused()
        yield delete(t.state).where(t.state.c.key == SETUP_KEY)
        yield from _store(kit, admin, hashed, now, actor=email)

    await _run_unique(kit, script)
    return admin


async def authenticate(kit: Kit, email: str, password: str) -> Admin:
    """The admin with this address and password; an unknown address costs the same time. Raises WrongAdminCredentials."""
    admins = kit.database.tables.admins
    rows = await kit.database.query(select(admins).where(admins.c.email == _normal(email)))
    stored = rows[0]["password_hash"] if rows else DECOY
    matches, better = await anyio.to_thread.run_sync(_verify, password, stored, limiter=_hashing)
    if not matches or not rows:
        raise WrongAdminCredentials()
    if better:
        await kit.database.execute(update(admins).where(admins.c.id == rows[0]["id"]).values(password_hash=better))
    return _admin(rows[0])


async def open_session(kit: Kit, admin: Admin) -> tuple[AdminSession, str]:
    """A new session and the secret for its cookie, of which only the hash is stored. Sessions that ended are swept."""
    sessions = kit.database.tables.admin_sessions
    secret, now = secrets.token_urlsafe(32), datetime.now(UTC)
    session = AdminSession(str(uuid4()), admin, now + SESSION_LIFE)

    def script() -> Any:
        yield delete(sessions).where(sessions.c.expires_at < now)
        yield insert(sessions).values(id=session.id, admin_id=admin.id, token_hash=_digest(secret), created_at=now, expires_at=session.ends)
        yield entry(kit, admin.email, "session.open", admin.email)

    await kit.database.run(script)
    return session, secret


async def session_of(kit: Kit, secret: str) -> AdminSession:
    """The live session behind a cookie's secret. Raises NotSignedIn."""
    t = kit.database.tables
    joined = select(t.admins.c.id, t.admins.c.email, t.admins.c.role, t.admin_sessions.c.id.label("session"), t.admin_sessions.c.expires_at)
    rows = await kit.database.query(
        joined.join(t.admin_sessions, t.admin_sessions.c.admin_id == t.admins.c.id).where(t.admin_sessions.c.token_hash == _digest(secret))
    )
    if not rows or rows[0]["expires_at"] <= datetime.now(UTC):
        raise NotSignedIn()
    return AdminSession(str(rows[0]["session"]), _admin(rows[0]), rows[0]["expires_at"])


async def close_session(kit: Kit, session: AdminSession) -> None:
    """End a session now; its access tokens stop working in this process at once, elsewhere within their ten minutes."""
    sessions = kit.database.tables.admin_sessions
    await kit.database.execute(delete(sessions).where(sessions.c.id == session.id))
    kit.keys.verifier.revoke(session.id, session.ends.timestamp())


def _store(kit: Kit, admin: Admin, hashed: str, now: datetime, *, actor: str) -> Any:
    admins = kit.database.tables.admins
    if (yield select(func.count().label("n")).select_from(admins).where(admins.c.email == admin.email))[0]["n"]:
        raise InvalidAdmin(f"There is an admin with the address {admin.email} already.")
    yield insert(admins).values(id=admin.id, email=admin.email, password_hash=hashed, role=admin.role, created_at=now)
    yield entry(kit, actor, "admin.create", admin.email, {"role": admin.role})


async def _run_unique(kit: Kit, script: Any) -> None:
    """Two who create the same address at once: the database decides, and the loser reads plain words."""
    try:
        await kit.database.run(script)
    except BaasError as error:
        if error.code == "23505":
            raise InvalidAdmin("There is an admin with this address already.") from error
        raise


def _checked(email: str, password: str, role: str) -> str:
    email = _normal(email)
    if not re.fullmatch(r"[^@\s]{1,64}@[^@\s]{1,250}", email):
        raise InvalidAdmin(f"{email!r} is not an e-mail address.")
    if len(password) < PASSWORD_MIN_LENGTH:
        raise InvalidAdmin(f"The password needs at least {PASSWORD_MIN_LENGTH} characters.")
    if len(password) > PASSWORD_MAX_LENGTH:
        raise InvalidAdmin(f"The password may have at most {PASSWORD_MAX_LENGTH} characters.")
    if role not in get_args(Role):
        raise InvalidAdmin(f"There is no role {role!r}.", hint=f"Roles are {', '.join(get_args(Role))}.")
    return email


def _admin(row: dict[str, Any]) -> Admin:
    return Admin(str(row["id"]), row["email"], row["role"])


def _normal(email: str) -> str:
    return email.strip().lower()


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()  # the secrets are random, so a fast hash is enough


def _verify(password: str, stored: str) -> tuple[bool, str | None]:
    matches, better = _passwords.verify_and_update(password[: PASSWORD_MAX_LENGTH + 1], stored)
    return bool(matches), better


async def _hash(password: str) -> str:
    hashed: str = await anyio.to_thread.run_sync(_passwords.hash, password, limiter=_hashing)
    return hashed
