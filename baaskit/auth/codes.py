"""Links and codes that prove an address: made for one purpose, kept as hashes, good for one use.

Both secrets of a message are derived from its id with a key of the project, so that a message which must be sent again
says the same, and neither the outbox nor a copy of the database holds anything that signs in.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, delete, insert, update

from baaskit.auth.tokens import digest
from baaskit.kernel.database import Row, Script
from baaskit.kernel.database.tables import Tables
from baaskit.kernel.kit import Kit

MOST_ATTEMPTS = 10  # wrong codes per token; a guesser of 6 digits wins once in 100 000 mails
PKCE_MARK = "pkce_"  # prefix of the token in a link whose sign-in ends with a code (wire.md §2.6)


class Kind(StrEnum):
    """What a token is for; no other purpose accepts it."""

    CONFIRMATION = "confirmation"
    RECOVERY = "recovery"
    MAGIC_LINK = "magic_link"
    INVITE = "invite"
    EMAIL_CHANGE_CURRENT = "email_change_current"
    EMAIL_CHANGE_NEW = "email_change_new"
    REAUTHENTICATION = "reauthentication"
    REAUTHENTICATION_SMS = "reauthentication_sms"
    SMS = "sms"
    PHONE_CHANGE = "phone_change"


# The protocol's `type` of a verification → the purposes that it may be.
KINDS_OF_TYPE: dict[str, tuple[Kind, ...]] = {
    "signup": (Kind.CONFIRMATION,),
    "email": (Kind.CONFIRMATION, Kind.MAGIC_LINK, Kind.INVITE),
    "magiclink": (Kind.MAGIC_LINK,),
    "recovery": (Kind.RECOVERY,),
    "invite": (Kind.INVITE,),
    "email_change": (Kind.EMAIL_CHANGE_CURRENT, Kind.EMAIL_CHANGE_NEW),
    "sms": (Kind.SMS,),
    "phone_change": (Kind.PHONE_CHANGE,),
}
TYPE_OF_KIND = {
    Kind.CONFIRMATION: "signup", Kind.MAGIC_LINK: "magiclink", Kind.RECOVERY: "recovery", Kind.INVITE: "invite",
    Kind.EMAIL_CHANGE_CURRENT: "email_change", Kind.EMAIL_CHANGE_NEW: "email_change",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Secrets:
    """What a message tells its reader: the token of its link, and the digits to type."""

    link: str
    code: str


def secrets_of(kit: Kit, message_id: str, *, pkce: bool = False) -> Secrets:
    """The secrets of a message, the same each time they are asked for."""
    key = kit.keys.derive("one-time tokens")
    link = base64.urlsafe_b64encode(hmac.digest(key, f"link {message_id}".encode(), "sha256")).rstrip(b"=").decode()
    digits = kit.settings.otp_digits
    number = int.from_bytes(hmac.digest(key, f"code {message_id}".encode(), "sha256")) % 10**digits
    return Secrets((PKCE_MARK if pkce else "") + link, f"{number:0{digits}d}")


def issue_steps(
    t: Tables, kit: Kit, message_id: str, user_id: str, kind: Kind, address: str, now: datetime,
    *, data: dict[str, Any] | None = None, flow_id: str | None = None,
) -> Script[Secrets]:  # fmt: skip
    """Make the token of a message. It replaces the user's earlier one of the kind, except of confirmations: with each the
    password of its own sign-up counts, so a stranger's second sign-up must not void the owner's link."""
    o = t.one_time_tokens
    stale: ColumnElement[bool] = o.c.expires_at <= now
    if kind is not Kind.CONFIRMATION:
        stale = stale | (o.c.kind == kind.value)
    yield delete(o).where(o.c.user_id == user_id, stale)
    made = secrets_of(kit, message_id, pkce=flow_id is not None)
    yield insert(o).values(
        id=message_id, user_id=user_id, kind=kind.value, relates_to=address, token_hash=digest(made.link),
        code_hash=_code_hash(kit, kind, address, made.code), data=data or {}, flow_id=flow_id,
        expires_at=now + timedelta(seconds=kit.settings.otp_seconds), created_at=now,
    )  # fmt: skip
    return made


def take_by_link_steps(t: Tables, token: str, kinds: Iterable[Kind], now: datetime) -> Script[Row | None]:
    """Use up the token of a link. One statement, so of any number who try at once exactly one gets it."""
    o = t.one_time_tokens
    chosen = (o.c.token_hash == digest(token)) & o.c.kind.in_([kind.value for kind in kinds]) & (o.c.expires_at > now)
    rows: list[Row] = yield delete(o).where(chosen).returning(o)
    return rows[0] if rows else None


def take_by_code_steps(t: Tables, kit: Kit, address: str, code: str, kinds: Iterable[Kind], now: datetime) -> Script[Row | None]:
    """Use up the token whose digits are `code`. A wrong code counts against every token it was tried on, so do not raise
    in this script after a None: the count must be kept."""
    o = t.one_time_tokens
    live = (o.c.relates_to == address) & o.c.kind.in_([kind.value for kind in kinds]) & (o.c.expires_at > now)
    # Counting comes first and locks the rows: guesses made at once are counted one after another.
    tried: list[Row] = yield update(o).where(live, o.c.attempts < MOST_ATTEMPTS).values(attempts=o.c.attempts + 1).returning(o)
    for row in tried:
        if hmac.compare_digest(row["code_hash"] or "", _code_hash(kit, Kind(row["kind"]), address, code)):
            yield delete(o).where(o.c.id == row["id"])
            return row
    return None


def _code_hash(kit: Kit, kind: Kind, address: str, code: str) -> str:
    """Keyed, as a million codes are soon tried; bound to what it is for."""
    return hmac.digest(kit.keys.derive("one-time codes"), f"{kind.value} {address} {code}".encode(), "sha256").hex()
