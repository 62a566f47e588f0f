"""The record of sign-in: who did what to which account, written in the transaction that did it."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Insert, func, insert, select

from baaskit.auth.views import moment
from baaskit.kernel.database import Row, Script
from baaskit.kernel.database.tables import Tables
from baaskit.kernel.kit import Kit

MOST_PER_PAGE = 1000


def entry(t: Tables, action: str, user_id: str | None, *, actor: str = "user", ip: str | None = None, **details: Any) -> Insert:
    """The statement that records `action`. `actor` is `user`, `admin` or `system`; `details` never hold secrets."""
    return insert(t.audit_log).values(action=action, user_id=user_id, actor=actor, ip=ip, details=details)


async def page_of(kit: Kit, page: int, per_page: int, user_id: str | None, action: str | None) -> tuple[int, list[dict[str, Any]]]:
    """How many entries there are, and a page of them, newest first."""
    log = kit.database.tables.audit_log
    wanted = select(log)
    if user_id:
        wanted = wanted.where(log.c.user_id == user_id)
    if action:
        wanted = wanted.where(log.c.action == action)
    per_page = min(per_page, MOST_PER_PAGE)

    def script() -> Script[tuple[int, list[Row]]]:
        counted = yield select(func.count().label("total")).select_from(wanted.subquery())
        rows = yield wanted.order_by(log.c.at.desc(), log.c.id).limit(per_page).offset((page - 1) * per_page)
        return counted[0]["total"], rows

    total, rows = await kit.database.read(script)
    return total, [_json(row) for row in rows]


def _json(row: Row) -> dict[str, Any]:
    payload = {"action": row["action"], "actor_id": row["user_id"], "actor": row["actor"], "traits": row["details"]}
    return {"id": row["id"], "created_at": moment(row["at"]), "ip_address": row["ip"] or "", "payload": payload}
