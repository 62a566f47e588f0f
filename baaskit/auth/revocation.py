"""Ended sessions of every process: deletions in the change log become revocations in this process's verifier."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import select

from baaskit.auth.sessions import revoke_here
from baaskit.auth.users import utc_now
from baaskit.kernel.changes import Change
from baaskit.kernel.kit import Kit
from baaskit.kernel.schema import TableName

SESSIONS = TableName("auth", "sessions")


async def start_revocation(kit: Kit) -> None:
    """Follow ended sessions from now on, and refuse again what ended before this process started.

    Call once, before requests are served.
    """
    await kit.database.capture(SESSIONS)

    async def follow(changes: list[Change]) -> None:
        ended = [str(c.before["id"]) for c in changes if c.table == SESSIONS and c.op == "delete" and c.before is not None]
        revoke_here(kit, ended, utc_now())

    kit.changes.add_sink(follow)
    await _remember(kit)


async def _remember(kit: Kit) -> None:
    """A restart must not bring ended sessions back: their access tokens may still be within their time."""
    log, now = kit.database.tables.changes, utc_now()
    since = now - timedelta(seconds=kit.settings.access_token_seconds)
    ended = select(log.c.before).where(
        log.c.at >= since, log.c.table_schema == SESSIONS.schema, log.c.table_name == SESSIONS.name, log.c.op == "delete"
    )
    revoke_here(kit, [str(row["before"]["id"]) for row in await kit.database.query(ended)], now)
