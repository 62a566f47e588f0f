"""What the courier does with a row of the outbox: find out what it comes to, and write the letter.

A row begins with what was asked for (`Wish`) or, when the account is known, with the kind of its letter already.
"""

from __future__ import annotations

import asyncio
from datetime import datetime
from enum import StrEnum
from typing import Any
from urllib.parse import urlencode

from sqlalchemy import select, update

from baaskit.auth import codes, letters, outbox, users
from baaskit.auth.codes import TYPE_OF_KIND, Kind
from baaskit.auth.delivery import Parcel
from baaskit.auth.tokens import issuer
from baaskit.auth.users import NewUser, utc_now
from baaskit.kernel.database import Row, Script
from baaskit.kernel.database.tables import Tables
from baaskit.kernel.kit import Kit


class Wish(StrEnum):
    """What somebody asked for, of whom we do not yet look whether there is such an account."""

    SIGN_IN = "wish_sign_in"
    RECOVERY = "wish_recovery"
    CONFIRMATION = "wish_confirmation"
    EMAIL_CHANGE = "wish_email_change"
    SMS_SIGN_IN = "wish_sms_sign_in"
    SMS_CONFIRMATION = "wish_sms_confirmation"
    PHONE_CHANGE = "wish_phone_change"


_BY_PHONE = (Wish.SMS_SIGN_IN, Wish.SMS_CONFIRMATION, Wish.PHONE_CHANGE)
_SENT_AT = {
    Kind.CONFIRMATION: "confirmation_sent_at", Kind.SMS: "confirmation_sent_at", Kind.RECOVERY: "recovery_sent_at",
    Kind.MAGIC_LINK: "recovery_sent_at", Kind.EMAIL_CHANGE_NEW: "email_change_sent_at", Kind.INVITE: "invited_at",
}  # fmt: skip


def is_text(kind: str) -> bool:
    """Whether a row of this kind goes to a phone."""
    return kind in letters.TEXT_MESSAGES or kind in _BY_PHONE


def send_steps(
    t: Tables, kit: Kit, kind: Kind, user_id: str, address: str, now: datetime, data: dict[str, Any],
    *, flow_id: str | None = None, token_data: dict[str, Any] | None = None, row_id: str | None = None,
) -> Script[None]:  # fmt: skip
    """Issue a token and put its letter into the outbox (with `row_id`: it is there already). Wake the courier after the commit."""
    data = {**data, **({"flow_id": flow_id} if flow_id else {})}
    if row_id is None:
        row_id = yield from outbox.put_steps(t, kind.value, address, now, data, user_id=user_id, prepared=True)
    else:
        changed = {"kind": kind.value, "address": address, "user_id": user_id, "prepared": True, "data": data}
        yield update(t.outbox).where(t.outbox.c.id == row_id).values(**changed)
    yield from codes.issue_steps(t, kit, row_id, user_id, kind, address, now, data=token_data, flow_id=flow_id)
    if column := _SENT_AT.get(kind):
        yield update(t.users).where(t.users.c.id == user_id).values({column: now})


def change_email_steps(
    t: Tables, kit: Kit, user: Row, new: str, now: datetime, data: dict[str, Any], flow_id: str | None, row_id: str | None = None
) -> Script[None]:
    """The letters of a change of address: to the new one and, when there is a confirmed old one and the project wants both, to that."""
    both = kit.settings.mail_change_both and bool(user["email"]) and user["email_confirmed_at"] is not None
    told = {**data, "new_email": new}
    taken = yield select(t.users.c.id).where(t.users.c.email == new, t.users.c.id != user["id"])
    waits = {"new_email": new, "other": both}
    if both:
        yield from send_steps(t, kit, Kind.EMAIL_CHANGE_CURRENT, user["id"], user["email"], now, told, flow_id=flow_id, token_data=waits)
    if not taken:  # nobody is written to about an account that is not theirs, and the asker is not told
        yield from send_steps(t, kit, Kind.EMAIL_CHANGE_NEW, user["id"], new, now, told, flow_id=flow_id, token_data=waits, row_id=row_id)


async def prepare(kit: Kit, row: Row) -> Row | None:
    """What a wish comes to: the row with the kind of its letter; None when there is nothing to send."""
    t = kit.database.tables

    def script() -> Script[Row | None]:
        yield from _prepare_steps(t, kit, row)
        rows = yield select(t.outbox).where(t.outbox.c.id == row["id"], t.outbox.c.prepared)
        return rows[0] if rows else None

    return await users.run_unique(kit, script)


def _prepare_steps(t: Tables, kit: Kit, row: Row) -> Script[None]:
    wish, address, data, now = Wish(row["kind"]), row["address"], dict(row["data"]), utc_now()
    column = "phone" if wish in _BY_PHONE else "email"
    found = yield select(t.users).where(t.users.c[column] == address, t.users.c.deleted_at.is_(None)).with_for_update()
    user: Row | None = found[0] if found else None
    if user is None and data.get("create") and wish in (Wish.SIGN_IN, Wish.SMS_SIGN_IN):
        new = NewUser(**{column: address}, user_metadata=data.get("metadata") or {})
        user = (yield from users.create_steps(t, new, now)).user
        kind = Kind.SMS if column == "phone" else Kind.CONFIRMATION
        yield from send_steps(t, kit, kind, user["id"], address, now, _link(data), flow_id=data.get("flow_id"), row_id=row["id"])
        return
    if user is None or (user["banned_until"] is not None and user["banned_until"] > now):
        return
    confirmed = user[f"{column}_confirmed_at"] is not None
    if wish is Wish.EMAIL_CHANGE:
        if user["new_email"]:
            yield from change_email_steps(t, kit, user, user["new_email"], now, _link(data), data.get("flow_id"), row["id"])
        return
    kinds = {Wish.SIGN_IN: Kind.MAGIC_LINK, Wish.RECOVERY: Kind.RECOVERY, Wish.SMS_SIGN_IN: Kind.SMS}
    if not confirmed:
        kinds |= {Wish.CONFIRMATION: Kind.CONFIRMATION, Wish.SMS_CONFIRMATION: Kind.SMS}
    if wish not in kinds:
        return
    own: dict[str, Any] = {}
    if wish in (Wish.CONFIRMATION, Wish.SMS_CONFIRMATION):
        own = {name: data[name] for name in ("hash", "metadata") if data.get(name) is not None}
    elif not confirmed:  # whoever set this password has not shown that the address is theirs; who follows the link has
        own = {"drop_password": True}
    yield from send_steps(
        t, kit, kinds[wish], user["id"], address, now, _link(data), flow_id=data.get("flow_id"), token_data=own, row_id=row["id"]
    )


def _link(data: dict[str, Any]) -> dict[str, Any]:
    """What of a wish its letter needs; a password's hash is not kept longer than the wish."""
    return {name: data[name] for name in ("redirect_to",) if data.get(name)}


def link_of(kit: Kit, kind: Kind, token: str, redirect_to: str | None) -> str:
    """The address that a letter's button leads to."""
    asked = {"token": token, "type": TYPE_OF_KIND[kind], **({"redirect_to": redirect_to} if redirect_to else {})}
    return f"{issuer(kit)}/verify?{urlencode(asked)}"


async def write(kit: Kit, row: Row) -> Parcel | None:
    """The letter of a prepared row; None when its account is gone."""
    t, settings, kind, data = kit.database.tables, kit.settings, Kind(row["kind"]), row["data"]
    rows = await kit.database.query(select(t.users).where(t.users.c.id == row["user_id"], t.users.c.deleted_at.is_(None)))
    if not rows:
        return None
    made = codes.secrets_of(kit, row["id"], pkce="flow_id" in data)
    redirect_to = data.get("redirect_to") or settings.site_url
    values = {
        "confirmation_url": link_of(kit, kind, made.link, redirect_to) if kind in TYPE_OF_KIND else "",
        "token": made.code, "token_hash": made.link, "email": rows[0]["email"] or row["address"], "new_email": data.get("new_email", ""),
        "site_url": settings.site_url, "redirect_to": redirect_to, "data": rows[0]["raw_user_meta_data"],
        "brand": settings.brand, "brand_color": settings.mail_brand_color, "brand_logo": settings.mail_brand_logo,
        "minutes": max(1, settings.otp_seconds // 60),
    }  # fmt: skip
    # In a thread: the first letter loads the template engine, and a project's template may be slow.
    letter = await asyncio.to_thread(letters.write, settings, kind, values)
    return Parcel(row["id"], row["address"], letter, made.code)
