"""Reading, checking, saving and rolling back the project's policies, with who did it in the audit log."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from baaskit.console import schema
from baaskit.console.audit import entry
from baaskit.errors.console import PoliciesRefused, UnknownVersion, fault_json
from baaskit.kernel.database import StaleVersion
from baaskit.kernel.kit import Kit
from baaskit.kernel.policy import PolicyFaults, PolicySet, parse_policies


def summary(policies: PolicySet) -> dict[str, int]:
    return {"version": policies.version, "count": len(policies.policies), "closed": len(policies.closed)}


async def live(kit: Kit) -> dict[str, Any]:
    """The live text with its version, author, note, moment and faults; version 0 when nothing was saved yet."""
    current = kit.database.catalog.policies
    t = kit.database.tables.policies
    rows = await kit.database.query(select(t).where(t.c.version == current.version))
    about = (
        {"author": rows[0]["author"], "note": rows[0]["note"], "at": rows[0]["created_at"].isoformat()}
        if rows
        else {"author": "", "note": "", "at": None}
    )
    return {
        "text": current.text,
        "version": current.version,
        **about,
        "closed": [fault_json(fault) for fault in current.closed],
        "warnings": [fault_json(fault) for fault in current.warnings],
    }


def check(kit: Kit, text: str) -> dict[str, Any]:
    """`faults` and `warnings` of a text; without faults also what it would mean for every table."""
    catalog = kit.database.catalog
    try:
        policies = parse_policies(text, catalog.schema)
    except PolicyFaults as refused:
        return {"faults": [fault_json(fault) for fault in refused.faults], "warnings": [], "tables": None}
    tables = [schema.policies_json(policies, one.name) for one in schema.governed(catalog, kit.settings.exposed_schemas)]
    return {"faults": [], "warnings": [fault_json(fault) for fault in policies.warnings], "tables": tables}


async def save(kit: Kit, text: str, author: str, note: str, base_version: int) -> dict[str, Any]:
    """Make `text` the live version. Raises PoliciesRefused, or StaleVersion when `base_version` is not the live one."""
    before = kit.database.catalog.policies.version
    version = await _store(kit, text, author, note, base_version)
    if version != before:
        await kit.database.execute(entry(kit, author, "policies.save", f"version {version}", {"note": note, "from": before}))
    return await live(kit)


async def rollback(kit: Kit, wanted: int, author: str, base_version: int) -> dict[str, Any]:
    """Save the text of version `wanted` again, as a new version. Raises UnknownVersion, PoliciesRefused, StaleVersion."""
    text = (await version(kit, wanted))["text"]
    stored = await _store(kit, text, author, f"Back to version {wanted}", base_version)
    await kit.database.execute(entry(kit, author, "policies.rollback", f"to version {wanted}", {"version": stored, "from": base_version}))
    return await live(kit)


async def history(kit: Kit) -> list[dict[str, Any]]:
    """All versions, newest first, without their texts."""
    current = kit.database.catalog.policies.version
    t = kit.database.tables.policies
    rows = await kit.database.query(select(t.c.version, t.c.author, t.c.note, t.c.created_at).order_by(t.c.version.desc()))
    return [_about(row, current) for row in rows]


async def version(kit: Kit, number: int) -> dict[str, Any]:
    """One version with its text. Raises UnknownVersion."""
    t = kit.database.tables.policies
    rows = await kit.database.query(select(t).where(t.c.version == number))
    if not rows:
        raise UnknownVersion(f"There is no version {number} of the policies.")
    return {**_about(rows[0], kit.database.catalog.policies.version), "text": rows[0]["text"]}


async def _store(kit: Kit, text: str, author: str, note: str, base_version: int) -> int:
    try:
        return await kit.database.save_policies(text, author, note, base_version)
    except PolicyFaults as refused:
        raise PoliciesRefused(refused.faults) from refused
    except StaleVersion:
        # Another process may have saved: read what is live, so that the page can show the difference.
        await kit.database.reload()
        raise


def _about(row: dict[str, Any], current: int) -> dict[str, Any]:
    return {
        "version": row["version"],
        "author": row["author"],
        "note": row["note"],
        "at": row["created_at"].isoformat(),
        "live": row["version"] == current,
    }
