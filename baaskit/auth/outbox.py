"""The outbox: what is to be sent is first a row, written in the transaction that decided it; a courier sends it afterwards.

Nothing is lost when the process is killed. A row holds no secret: the letter's link and code are derived from its id when it is
written (`codes.secrets_of`), so a letter that is sent twice says the same.

A request that must not show whether an address is known (recovery, magic link, resend) only adds a row, in either case the
same; who has the address, and whether there is anything to send, the courier finds out later (`prepare`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from sqlalchemy import delete, insert, select, update

from baaskit.auth.delivery import Carrier, Parcel, Undeliverable, mail_carrier, sms_carrier
from baaskit.auth.users import utc_now
from baaskit.kernel.database import Row, Script
from baaskit.kernel.database.tables import Tables
from baaskit.kernel.kit import Kit
from baaskit.observe import fact

IDLE_SECONDS = 15.0  # between looks for what another process left behind
LEASE_SECONDS = 120  # a row taken by a courier is nobody else's for so long
RETRY_SECONDS = (5, 30, 120, 600, 1800, 3600, 7200, 14_400)  # after each failure; then it is given up
_AT_ONCE = 8
_MOST_KEPT = 200  # rows of the mailbox

Prepare = Callable[[Row], Awaitable[Row | None]]  # a row that was asked for → the row to send, or None: nothing
Write = Callable[[Row], Awaitable[Parcel | None]]  # a prepared row → the letter; None when what it was about is gone


def put_steps(
    t: Tables, kind: str, address: str, now: datetime, data: dict[str, Any],
    *, user_id: str | None = None, prepared: bool = False, row_id: str | None = None,
) -> Script[str]:  # fmt: skip
    """Add a row; its id. Wake the courier after the commit."""
    made = row_id or str(uuid4())
    yield insert(t.outbox).values(
        id=made, user_id=user_id, kind=kind, address=address, data=data, prepared=prepared, due_at=now, created_at=now
    )
    return made


class Courier:
    """Sends what is in the outbox. `start` after the database; `stop` leaves what is under way to the next start."""

    def __init__(self, kit: Kit, prepare: Prepare, write: Write, is_text: Callable[[str], bool]) -> None:
        self._kit, self._prepare, self._write, self._is_text = kit, prepare, write, is_text
        self._mail: Carrier | None = mail_carrier(kit.settings)
        self._sms: Carrier | None = sms_carrier(kit.settings)
        self._work = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Does nothing when there is no way to send."""
        if self._kit.settings.sends_mail or self._kit.settings.sms_provider:
            self._task = asyncio.create_task(self._run(), name="outbox")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    def wake(self) -> None:
        """There is a new row."""
        self._work.set()

    async def _run(self) -> None:
        while True:
            self._work.clear()
            try:
                busy = await self.send_due(utc_now())
            except Exception as problem:  # the database may be away; mail must go on when it is back
                fact("outbox.failed", error=repr(problem))
                busy = False
            if not busy:
                alarm = asyncio.get_running_loop().call_later(IDLE_SECONDS, self._work.set)
                await self._work.wait()
                alarm.cancel()

    async def send_due(self, now: datetime) -> bool:
        """Send what is due; whether there was anything."""
        rows = await self._claim(now)
        for start in range(0, len(rows), _AT_ONCE):
            await asyncio.gather(*(self._send(row) for row in rows[start : start + _AT_ONCE]))
        return bool(rows)

    async def _claim(self, now: datetime) -> list[Row]:
        o = self._kit.database.tables.outbox
        waiting = await self._kit.database.query(select(o.c.id).where(o.c.due_at <= now).limit(1))
        if not waiting:
            return []  # the usual case takes no write transaction
        chosen = select(o.c.id).where(o.c.due_at <= now).order_by(o.c.due_at).limit(50).with_for_update(skip_locked=True)
        # The condition stands on the update too: of two couriers that chose the same row the second no longer finds it due.
        return await self._kit.database.execute(
            update(o)
            .where(o.c.id.in_(chosen), o.c.due_at <= now)
            .values(due_at=now + timedelta(seconds=LEASE_SECONDS), attempts=o.c.attempts + 1)
            .returning(o)
        )

    async def _send(self, row: Row) -> None:
        try:
            ready = row if row["prepared"] else await self._prepare(row)
            parcel = await self._write(ready) if ready is not None else None
            if ready is None or parcel is None:
                await self._forget(row)
                return
            carrier = self._sms if self._is_text(ready["kind"]) else self._mail
            if carrier is None:
                await self._keep(row)
                return
            await carrier(parcel)
            await self._forget(row)
            fact("outbox.sent", kind=ready["kind"], id=row["id"])
        except Undeliverable as problem:
            await self._give_up(row, str(problem))
        except Exception as problem:
            if row["attempts"] > len(RETRY_SECONDS):
                await self._give_up(row, repr(problem))
            else:
                await self._postpone(row, repr(problem))

    async def _forget(self, row: Row) -> None:
        o = self._kit.database.tables.outbox
        await self._kit.database.execute(delete(o).where(o.c.id == row["id"]))

    async def _keep(self, row: Row) -> None:
        """The mailbox holds the newest."""
        o = self._kit.database.tables.outbox

        def script() -> Script[None]:
            yield update(o).where(o.c.id == row["id"]).values(due_at=None, sent_at=utc_now())
            newest = select(o.c.id).where(o.c.sent_at.is_not(None)).order_by(o.c.sent_at.desc()).limit(_MOST_KEPT)
            yield delete(o).where(o.c.sent_at.is_not(None), o.c.id.not_in(newest))

        await self._kit.database.run(script)

    async def _postpone(self, row: Row, error: str) -> None:
        wait = RETRY_SECONDS[row["attempts"] - 1]
        fact("outbox.postponed", kind=row["kind"], id=row["id"], attempts=row["attempts"], seconds=wait, error=error)
        await self._note(row, utc_now() + timedelta(seconds=wait), error)

    async def _give_up(self, row: Row, error: str) -> None:
        fact("outbox.undelivered", kind=row["kind"], id=row["id"], attempts=row["attempts"], error=error)
        await self._note(row, None, error)

    async def _note(self, row: Row, due: datetime | None, error: str) -> None:
        o = self._kit.database.tables.outbox
        await self._kit.database.execute(update(o).where(o.c.id == row["id"]).values(due_at=due, error=error[:500]))
