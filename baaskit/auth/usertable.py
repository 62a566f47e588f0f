"""Accounts that stand for rows of the app's own table of users (`users_table`). The row decides who may sign in, and until when.

An account of ours holds their id as `subject` in its `app_metadata`, and has an id that follows from it, so none can be made to
pass for another. To clients and to policies (`sub`, `auth.uid()`) their id is the user's id. Names, addresses and passwords stay
in their table, which is only read.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid5

from sqlalchemy import BigInteger, Select, Text, column, select, table, update
from sqlalchemy.types import NullType, TypeEngine

from baaskit.errors import Fault, Faults
from baaskit.errors.auth import FeatureDisabled, UserNotFound
from baaskit.kernel.database import Row, Script
from baaskit.kernel.database.tables import Uid
from baaskit.kernel.kit import Kit
from baaskit.kernel.policy.scalars import uuid_text
from baaskit.kernel.schema import TableName, Type
from baaskit.settings import Settings

_SPACE = UUID("0d9d4d0e-7f0b-5c53-8d55-2a4ab1c7a9d4")
_ID_TYPES: dict[str, TypeEngine[Any]] = {"uuid": Uid(), "int8": BigInteger(), "text": Text()}


def account_of(subject: str) -> str:
    """The id of our account for their id, which has one spelling: `7` and `07` are two. Never the id itself, not even of a uuid: where
    people choose their ids, somebody would choose that of another's account."""
    return str(uuid5(_SPACE, subject))


def account_named(kit: Kit, text: str) -> str:
    """The id of the account that an admin names by the user's id. Raises UserNotFound for what is no id."""
    if kit.settings.users_table:
        return account_of(text)
    try:
        return str(UUID(text))
    except ValueError as problem:
        raise UserNotFound() from problem


def as_known(user: Row) -> Row:
    """An `auth.users` row as clients and policies know the user: under the id and with the address of their table."""
    known = user["raw_app_meta_data"] or {}
    subject = known.get("subject")
    if not isinstance(subject, str) or user["id"] != account_of(subject):
        return user
    return {**user, "id": subject, "email": known.get("email")}


def refuse_in_table(kit: Kit, *wanted: object) -> None:
    """Accounts, addresses and passwords are not ours to make. Raises FeatureDisabled if any of `wanted` is."""
    if kit.settings.users_table and any(wanted):
        name = kit.settings.users_table
        raise FeatureDisabled(422, "users_table", f"Users, addresses and passwords belong to the table {name}: change them there")


def theirs(settings: Settings) -> Select[Any]:
    """`id`, `login`, `hash`, `email`, `active` of the table; what is not configured is None."""
    schema, name = settings.users_table_place
    names = {
        "id": settings.users_id, "login": settings.users_login, "hash": settings.users_password, "email": settings.users_email,
        "active": settings.users_active,
    }  # fmt: skip
    # The flag's own type may be anything; what is not plainly true is false.
    types: dict[str, TypeEngine[Any]] = {"id": _ID_TYPES[settings.uid_type], "active": NullType()}
    columns = {part: column(own, types.get(part, Text())) for part, own in names.items() if own}
    source = table(name, *columns.values(), schema=schema if settings.dialect == "postgresql" else None)
    return select(*(source.c[given.name].label(part) for part, given in columns.items()))


def row_steps(kit: Kit, subject: str) -> Script[Row | None]:
    """Their row of this id, if it is active."""
    statement = theirs(kit.settings)
    key = statement.selected_columns["id"]
    value: Any = int(subject) if kit.settings.uid_type == "int8" else subject
    rows = yield statement.where(key.element == value)
    return rows[0] if len(rows) == 1 and is_active(rows[0]) else None


def is_active(row: Row) -> bool:
    return "active" not in row or row["active"] is True or (isinstance(row["active"], int) and row["active"] == 1)


def subject_of(row: Row, kind: str) -> str | None:
    """The text of their id, None for one that could be taken for another or is no id of the type."""
    value = row["id"]
    if kind == "int8":
        return str(value) if isinstance(value, int) and not isinstance(value, bool) else None
    if not isinstance(value, str) or not value or "\x00" in value:
        return None
    return value if kind == "text" or uuid_text(value) == value else None


def metadata(row: Row, subject: str) -> dict[str, Any]:
    """What an account keeps of their row."""
    email = row.get("email")
    return {"provider": "table", "providers": ["table"], "subject": subject, "email": email if isinstance(email, str) else None}


def admits_steps(kit: Kit, user_id: str) -> Script[bool]:
    """Whether this account may have a session now: its row is there and active. The address is taken over if it has changed."""
    if not kit.settings.users_table:
        return True
    t = kit.database.tables
    found = yield select(t.users.c.id, t.users.c.email, t.users.c.raw_app_meta_data).where(t.users.c.id == user_id)
    if not found:
        return False
    known = found[0]["raw_app_meta_data"]
    subject = known.get("subject")
    if not isinstance(subject, str) or account_of(subject) != found[0]["id"]:
        return False
    row = yield from row_steps(kit, subject)
    if row is None:
        return False
    now = known | metadata(row, subject)
    if now != known:
        yield update(t.users).where(t.users.c.id == user_id).values(raw_app_meta_data=now)
    return True


async def check(kit: Kit) -> None:
    """Raises Faults when the settings name what is not there, or ids that are not unique or of another type."""
    settings = kit.settings
    if not settings.users_table:
        return
    from baaskit.kernel.database.survey import columns_of  # only here: few projects have such a table

    name = TableName(*settings.users_table_place)
    found = await columns_of(settings.database_url, name)
    faults = []
    if not found:
        faults.append(Fault(f"users_table: there is no table {name}", line=0, hint="Name it as table or schema.table, without quotes."))
    for key in ("users_id", "users_login", "users_password", "users_email", "users_active"):
        own = getattr(settings, key)
        if found and own and own not in found:
            faults.append(Fault(f"{key}: {name} has no column {own}", line=0, hint=f"It has: {', '.join(found)}"))
    if not faults:
        kind, is_key = found[settings.users_id]
        family = Type.parse(kind).family
        if not is_key:
            faults.append(Fault(f"users_id: {name}.{settings.users_id} is not a key: two users could have the same id", line=0))
        if family != Type(settings.uid_type).family:
            faults.append(Fault(f"users_id: {name}.{settings.users_id} is {kind}, and uid_type is {settings.uid_type}", line=0))
    if faults:
        raise Faults(faults)
