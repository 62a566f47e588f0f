"""Sessions: opening them, refreshing with rotation and reuse detection, ending them everywhere at once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from sqlalchemy import delete, insert, select, update

from baaskit.auth.tokens import digest, new_refresh_token, refresh_key, successor
from baaskit.auth.usertable import admits_steps
from baaskit.errors.auth import AuthError, RefreshTokenAlreadyUsed, RefreshTokenNotFound, SessionExpired, SignInRefused, UserBanned
from baaskit.kernel.claims import LEEWAY_SECONDS
from baaskit.kernel.database import Row, Script
from baaskit.kernel.database.tables import Tables
from baaskit.kernel.kit import Kit
from baaskit.observe import fact

_LONGEST_CHAIN = 64  # tokens; more refreshes than this inside the reuse window are no honest race
_AGENT_LIMIT = 512  # characters kept of a User-Agent


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a session was opened from, for the list that its owner sees."""

    ip: str | None = None
    user_agent: str | None = None


Opened = tuple[Row, str]  # a session's row and its refresh token


def open_session_steps(kit: Kit, user_id: str, method: str, origin: Origin, now: datetime) -> Script[Opened]:
    """A new session and its refresh token. `method` is the first entry of `amr`."""
    t = kit.database.tables
    if not (yield from admits_steps(kit, user_id)):
        raise SignInRefused()
    token = new_refresh_token()
    timebox = kit.settings.session_timebox_seconds
    if kit.settings.session_single:
        yield delete(t.sessions).where(t.sessions.c.user_id == user_id)  # the change log tells every process, this one too
    [session] = yield insert(t.sessions).values(
        id=str(uuid4()), user_id=user_id, amr=[{"method": method, "timestamp": int(now.timestamp())}], ip=origin.ip,
        user_agent=(origin.user_agent or "")[:_AGENT_LIMIT] or None, created_at=now, updated_at=now,
        not_after=now + timedelta(seconds=timebox) if timebox else None,
    ).returning(t.sessions)  # fmt: skip
    yield insert(t.refresh_tokens).values(token_hash=digest(token), session_id=session["id"], created_at=now)
    yield update(t.users).where(t.users.c.id == user_id).values(last_sign_in_at=now)
    return session, token


@dataclass(frozen=True, slots=True)
class Refreshed:
    user_id: str
    session: Row
    token: str


@dataclass(frozen=True, slots=True)
class Ended:
    """A session that a refresh found to be over, and why."""

    session_id: str
    error: AuthError


async def refresh(kit: Kit, token: str, now: datetime) -> Refreshed:
    """Exchange a refresh token for the one that follows it.

    A token that was used already gives the family's active token when it was used within `refresh_reuse_seconds`
    or is the parent of that token (so the client never saw the answer). Otherwise it was stolen, from the client or
    by it: the whole session ends. Raises RefreshTokenNotFound, RefreshTokenAlreadyUsed, UserBanned.
    """
    key = refresh_key(kit)

    def script() -> Script[Refreshed | Ended]:
        return (yield from _refresh_steps(kit, key, token, now))

    outcome = await kit.database.run(script)
    if isinstance(outcome, Ended):
        revoke_here(kit, [outcome.session_id], now)
        fact("auth.refresh_refused", session=outcome.session_id, reason=outcome.error.message)
        raise outcome.error
    return outcome


def _refresh_steps(kit: Kit, key: bytes, token: str, now: datetime) -> Script[Refreshed | Ended]:
    """The outcome, or the session that had to be ended (which an exception would roll back)."""
    t = kit.database.tables
    window = timedelta(seconds=kit.settings.refresh_reuse_seconds)
    # The session's row is the lock: refreshes of one session queue on it, then each reads what the one before it wrote.
    owner = yield select(t.refresh_tokens.c.session_id).where(t.refresh_tokens.c.token_hash == digest(token))
    if not owner:
        raise RefreshTokenNotFound()
    sessions = yield select(t.sessions).where(t.sessions.c.id == owner[0]["session_id"]).with_for_update()
    given = yield from _token_steps(t, token)
    if not sessions or given is None:
        raise RefreshTokenNotFound()
    session = sessions[0]
    [user] = yield select(t.users.c.banned_until, t.users.c.deleted_at).where(t.users.c.id == session["user_id"])
    if user["deleted_at"] is not None:
        raise RefreshTokenNotFound()
    if not (yield from admits_steps(kit, session["user_id"])):
        yield delete(t.sessions).where(t.sessions.c.user_id == session["user_id"])
        return Ended(str(session["id"]), RefreshTokenNotFound())
    if late := _is_over(kit, session, now):
        yield delete(t.sessions).where(t.sessions.c.id == session["id"])
        return Ended(str(session["id"]), late)
    if user["banned_until"] is not None and user["banned_until"] > now:
        raise UserBanned("Invalid Refresh Token: User Banned")
    if given["used_at"] is not None:
        active, distance = yield from _active_steps(t, key, token)
        recent = given["used_at"] + window >= now
        if active is not None and (recent or distance == 1):
            return Refreshed(session["user_id"], session, active)
        yield delete(t.sessions).where(t.sessions.c.id == session["id"])
        return Ended(str(session["id"]), RefreshTokenAlreadyUsed())
    following = successor(key, digest(token))
    yield insert(t.refresh_tokens).values(token_hash=digest(following), parent_id=given["id"], session_id=session["id"], created_at=now)
    yield update(t.refresh_tokens).where(t.refresh_tokens.c.id == given["id"]).values(used_at=now)
    yield update(t.sessions).where(t.sessions.c.id == session["id"]).values(refreshed_at=now, updated_at=now)
    return Refreshed(session["user_id"], session, following)


def _is_over(kit: Kit, session: Row, now: datetime) -> SessionExpired | None:
    idle = kit.settings.session_inactivity_seconds
    if session["not_after"] is not None and session["not_after"] <= now:
        return SessionExpired()
    if idle is not None and (session["refreshed_at"] or session["created_at"]) + timedelta(seconds=idle) <= now:
        return SessionExpired("Invalid Refresh Token: Session Expired (Inactivity)")
    return None


def _token_steps(t: Tables, token: str) -> Script[Row | None]:
    columns = (t.refresh_tokens.c.id, t.refresh_tokens.c.used_at)
    rows = yield select(*columns).where(t.refresh_tokens.c.token_hash == digest(token), ~t.refresh_tokens.c.revoked)
    return rows[0] if rows else None


def _active_steps(t: Tables, key: bytes, token: str) -> Script[tuple[str | None, int]]:
    """The unused token at the end of the chain that begins with `token`, and how many steps away it is."""
    for distance in range(1, _LONGEST_CHAIN + 1):
        token = successor(key, digest(token))
        row = yield from _token_steps(t, token)
        if row is None:
            break
        if row["used_at"] is None:
            return token, distance
    return None, 0


async def list_sessions(kit: Kit, user_id: str, now: datetime) -> list[Row]:
    """A user's live sessions, newest first."""
    s = kit.database.tables.sessions
    live = (s.c.user_id == user_id) & (s.c.not_after.is_(None) | (s.c.not_after > now))
    return await kit.database.query(select(s).where(live).order_by(s.c.created_at.desc(), s.c.id))


async def end_session(kit: Kit, user_id: str, session_id: str | None, now: datetime) -> list[str]:
    """End one session of a user, or all (`session_id` None); the ids that ended."""
    t = kit.database.tables
    ended = await kit.database.run(lambda: end_sessions_steps(t, user_id, only=session_id))
    revoke_here(kit, ended, now)
    return ended


def raise_steps(kit: Kit, session: Row, method: str, now: datetime) -> Script[Opened]:
    """The session after a second factor (`method` for `amr`) was proven: `aal2`, and the token that follows its active one, so that
    another tab which refreshes meanwhile with the old one is not signed out."""
    t = kit.database.tables
    r = t.refresh_tokens
    amr = [entry for entry in session["amr"] if entry["method"] != method] + [{"method": method, "timestamp": int(now.timestamp())}]
    [raised] = (
        yield update(t.sessions).where(t.sessions.c.id == session["id"]).values(aal="aal2", amr=amr, updated_at=now).returning(t.sessions)
    )
    live = (r.c.session_id == session["id"]) & r.c.used_at.is_(None) & ~r.c.revoked
    active = yield select(r.c.id, r.c.token_hash).where(live).order_by(r.c.id.desc()).limit(1)
    token = successor(refresh_key(kit), active[0]["token_hash"]) if active else new_refresh_token()
    parent = active[0]["id"] if active else None
    yield update(r).where(r.c.id == parent).values(used_at=now)
    yield insert(r).values(token_hash=digest(token), parent_id=parent, session_id=session["id"], created_at=now)
    return raised, token


def lower_steps(t: Tables, user_id: str, methods: frozenset[str], now: datetime) -> Script[None]:
    """The user's sessions fall back to `aal1`, and forget `methods`. Access tokens that exist say `aal2` until they expire."""
    rows = yield select(t.sessions.c.id, t.sessions.c.amr).where(t.sessions.c.user_id == user_id, t.sessions.c.aal == "aal2")
    for row in rows:
        amr = [entry for entry in row["amr"] if entry["method"] not in methods]
        yield update(t.sessions).where(t.sessions.c.id == row["id"]).values(aal="aal1", amr=amr, updated_at=now)


def end_sessions_steps(t: Tables, user_id: str, *, only: str | None = None, keep: str | None = None) -> Script[list[str]]:
    """Delete sessions of a user (all, `only` one, or all but `keep`), their refresh tokens with them; the ids that ended."""
    statement = delete(t.sessions).where(t.sessions.c.user_id == user_id)
    if only is not None:
        statement = statement.where(t.sessions.c.id == only)
    if keep is not None:
        statement = statement.where(t.sessions.c.id != keep)
    rows: list[dict[str, Any]] = yield statement.returning(t.sessions.c.id)
    return [str(row["id"]) for row in rows]


def revoke_here(kit: Kit, session_ids: list[str], now: datetime) -> None:
    """Refuse the access tokens of ended sessions in this process at once; the change log tells the others."""
    until = now.timestamp() + kit.settings.access_token_seconds + LEEWAY_SECONDS
    for session_id in session_ids:
        kit.keys.verifier.revoke(session_id, until)
