"""Accounts from another system: read from a file, checked row by row, added in batches; passwords keep working.

A row is CSV with a header, an element of a JSON array, a line of JSON, or a user of Firebase's export (`{"users": […]}`). Columns:
`id email phone username password_hash password email_confirmed phone_confirmed user_metadata app_metadata created_at`.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4, uuid5

from sqlalchemy import or_, select

from baaskit.auth import audit, foreign, passwords, users
from baaskit.auth.addresses import email_address, phone_number, username
from baaskit.auth.requests import plain_metadata
from baaskit.auth.users import NewUser, utc_now
from baaskit.auth.usertable import refuse_in_table
from baaskit.errors import BaasError, Fault, Faults
from baaskit.errors.auth import ValidationFailed
from baaskit.kernel.database import Script
from baaskit.kernel.kit import Kit

BATCH = 200  # accounts in one transaction
_OTHER_IDS = UUID("6b0b5a0e-5a0a-4c8e-9b1d-0b6f1f0f6d11")  # ids of another system that are no UUIDs become UUIDs in this space
_YES = frozenset({"1", "true", "t", "yes", "y"})

Place = tuple[int, Mapping[str, Any]]  # number of a row (from 1) and what it says


@dataclass(slots=True)
class Imported:
    """`refused`: row and reason. `skipped`: rows whose address, number, name or id is taken already."""

    created: int = 0
    skipped: list[int] = field(default_factory=list)
    refused: list[tuple[int, str]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class FirebaseHash:
    """The parameters under "Password hash parameters" of a Firebase project."""

    signer_key: str
    salt_separator: str
    rounds: int
    memory_cost: int


def read_firebase_parameters(path: Path) -> FirebaseHash:
    """From a JSON file with `base64_signer_key`, `base64_salt_separator`, `rounds`, `mem_cost`. Raises Faults."""
    try:
        found = json.loads(path.read_text(encoding="utf-8-sig"))
        return FirebaseHash(found["base64_signer_key"], found["base64_salt_separator"], int(found["rounds"]), int(found["mem_cost"]))
    except (ValueError, KeyError, TypeError) as problem:
        hint = "It has base64_signer_key, base64_salt_separator, rounds and mem_cost."
        raise Faults([Fault(f"not Firebase's hash parameters: {problem!r}", file=str(path), line=0, hint=hint)]) from None


def read_rows(path: Path) -> list[Place]:
    """All rows of a file. Raises Faults when it is neither CSV nor JSON."""
    text = path.read_text(encoding="utf-8-sig")
    try:
        if path.suffix.lower() == ".csv":
            table = csv.DictReader(io.StringIO(text, newline=""))
            return [(number, {name: value for name, value in row.items() if name and value}) for number, row in enumerate(table, 1)]
        found = _json(text)
    except ValueError as problem:
        raise Faults([Fault(f"not readable as {path.suffix or 'JSON'}: {problem}", file=str(path), line=0)]) from None
    if isinstance(found, dict):
        found = found.get("users", [found])
    if not isinstance(found, list) or not all(isinstance(row, dict) for row in found):
        raise Faults([Fault("the file must hold a list of users", file=str(path), line=0)])
    return list(enumerate(found, 1))


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        if "\n{" not in text.strip():
            raise
        return [json.loads(line) for line in text.splitlines() if line.strip()]  # a value on each line


async def import_users(
    kit: Kit,
    rows: list[Place],
    *,
    firebase: FirebaseHash | None = None,
    dry_run: bool = False,
    progress: Callable[[int], None] = lambda done: None,
) -> Imported:
    """Add the accounts of `rows`; `progress` hears how many rows are done. A row that cannot be an account is refused alone."""
    refuse_in_table(kit, rows)
    result = Imported()
    for start in range(0, len(rows), BATCH):
        batch = []
        for number, row in rows[start : start + BATCH]:
            try:
                batch.append((number, *await _account(kit, row, firebase)))
            except (BaasError, ValueError, TypeError, KeyError) as problem:
                result.refused.append((number, problem.message if isinstance(problem, BaasError) else str(problem)))
        await _add(kit, batch, result, dry_run=dry_run)
        progress(min(start + BATCH, len(rows)))
    return result


async def _add(kit: Kit, batch: list[tuple[int, NewUser, datetime]], result: Imported, *, dry_run: bool) -> None:
    t = kit.database.tables
    names = ("id", "email", "phone", "username")

    def script() -> Script[tuple[int, list[int]]]:
        taken: set[tuple[str, str]] = set()
        wanted = {name: [getattr(new, name) for _, new, _ in batch if getattr(new, name)] for name in names}
        known = or_(*(t.users.c[name].in_(values) for name, values in wanted.items() if values))
        for user in (yield select(*(t.users.c[name] for name in names)).where(known)):
            taken |= {(name, str(user[name])) for name in names if user[name]}
        created, skipped = 0, []
        for number, new, since in batch:
            own = {(name, getattr(new, name)) for name in names if getattr(new, name)}
            if own & taken:
                skipped.append(number)
                continue
            taken |= own
            created += 1
            if not dry_run:
                yield from users.create_steps(t, new, since)
        if created and not dry_run:
            yield audit.entry(t, "users_imported", None, actor="admin", count=created)
        return created, skipped

    if batch:
        created, skipped = await users.run_unique(kit, script)
        result.created += created
        result.skipped += skipped


async def _account(kit: Kit, row: Mapping[str, Any], firebase: FirebaseHash | None) -> tuple[NewUser, datetime]:
    """A row as an account and when it began. Raises ValidationFailed, ValueError."""
    if "localId" in row:
        row = _of_firebase(row, firebase)
    email, phone, name = row.get("email"), row.get("phone"), row.get("username")
    if not (email or phone or name):
        raise ValidationFailed("there is no email, phone or username")
    hashed = foreign.checked(str(row["password_hash"])) if row.get("password_hash") else None
    if hashed is None and row.get("password"):
        hashed = await passwords.hash_password(str(row["password"]))
    new = NewUser(
        id=_id(str(row["id"])) if row.get("id") else str(uuid4()),
        email=email_address(str(email)) if email else None, phone=phone_number(str(phone)) if phone else None,
        username=username(str(name)) if name else None, hash=hashed, confirmed=_flag(row.get("email_confirmed")), proves_email=_flag(row.get("email_confirmed")),
        phone_confirmed=_flag(row.get("phone_confirmed")), user_metadata=users.own_metadata(_object(row.get("user_metadata"))),
        app_metadata=_object(row.get("app_metadata")),
    )  # fmt: skip
    return new, _moment(row.get("created_at"))


def _of_firebase(row: Mapping[str, Any], firebase: FirebaseHash | None) -> dict[str, Any]:
    found: dict[str, Any] = {
        "id": row["localId"], "email": row.get("email"), "phone": row.get("phoneNumber"), "email_confirmed": row.get("emailVerified"),
        "phone_confirmed": bool(row.get("phoneNumber")), "created_at": row.get("createdAt"), "app_metadata": {"firebase_id": row["localId"]},
        "user_metadata": {name: row[key] for name, key in (("name", "displayName"), ("avatar_url", "photoUrl")) if row.get(key)},
    }  # fmt: skip
    if row.get("disabled") in (True, "true"):
        raise ValidationFailed("disabled in Firebase")
    if row.get("passwordHash"):
        if firebase is None:
            raise ValidationFailed("has a password of Firebase: give its parameters with --firebase-hash FILE")
        found["password_hash"] = foreign.firebase_hash(
            str(row.get("salt", "")), str(row["passwordHash"]), signer_key=firebase.signer_key, salt_separator=firebase.salt_separator,
            rounds=firebase.rounds, memory_cost=firebase.memory_cost,
        )  # fmt: skip
    return found


def _id(text: str) -> str:
    try:
        return str(UUID(text))
    except ValueError:
        return str(uuid5(_OTHER_IDS, text))  # the same at every import, so a second run skips it


def _flag(value: Any) -> bool:
    return value is True or (not isinstance(value, bool) and str(value or "").strip().lower() in _YES)


def _object(value: Any) -> dict[str, Any]:
    found = json.loads(value) if isinstance(value, str) and value.strip() else value
    if found in (None, ""):
        return {}
    if not isinstance(found, dict):
        raise ValidationFailed("metadata must be an object")
    return plain_metadata(found)


def _moment(value: Any) -> datetime:
    """ISO 8601, or milliseconds as Firebase writes them; now without one."""
    if value in (None, ""):
        return utc_now()
    if isinstance(value, (int, float)) or str(value).isdigit():
        return datetime.fromtimestamp(int(value) / 1000, UTC)
    found = datetime.fromisoformat(str(value))
    return found if found.tzinfo else found.replace(tzinfo=UTC)
