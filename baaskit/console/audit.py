"""The audit log: who changed what about policies and admins, written in the transaction of the change where there is one."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from sqlalchemy import insert, select
from sqlalchemy.sql.dml import Insert

from baaskit.kernel.kit import Kit


def entry(kit: Kit, actor: str, action: str, target: str, details: Mapping[str, Any] | None = None) -> Insert:
    """The statement that records one act. `actor` is an admin's address, or `cli`; `details` never holds a secret."""
    return insert(kit.database.tables.audit).values(
        id=str(uuid4()), at=datetime.now(UTC), actor=actor, action=action, target=target, details=dict(details or {})
    )


async def recent(kit: Kit, limit: int) -> list[dict[str, Any]]:
    """The last `limit` entries, newest first."""
    audit = kit.database.tables.audit
    rows = await kit.database.query(select(audit).order_by(audit.c.at.desc()).limit(limit))
    return [
        {"at": row["at"].isoformat(), "actor": row["actor"], "action": row["action"], "target": row["target"], "details": row["details"]}
        for row in rows
    ]
