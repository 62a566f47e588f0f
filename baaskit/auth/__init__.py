"""Sign-in and accounts: `/auth/v1`, and what the command line and the app need of it."""

from __future__ import annotations

from functools import partial

from fastapi import APIRouter

from baaskit.auth import messages, usertable
from baaskit.auth.admin import create_user
from baaskit.auth.captcha import Captcha
from baaskit.auth.desk import Desk
from baaskit.auth.limits import Limits
from baaskit.auth.outbox import Courier
from baaskit.auth.render import render
from baaskit.auth.revocation import start_revocation
from baaskit.auth.routes import routes
from baaskit.kernel.kit import Kit

__all__ = ["Auth", "create_user", "render", "start_revocation"]


class Auth:
    """The feature as the app holds it. `start` before requests, after the database."""

    def __init__(self, kit: Kit) -> None:
        self._kit = kit
        self.courier = Courier(kit, partial(messages.prepare, kit), partial(messages.write, kit), messages.is_text)
        self._desk = Desk(kit, Limits(kit.settings.limits_url), self.courier, Captcha(kit.settings))

    def routes(self) -> APIRouter:
        """`/auth/v1`; the app renders what it raises with `render`."""
        return routes(self._desk)

    async def check(self) -> None:
        """Raises Faults when the settings do not fit the database."""
        await usertable.check(self._kit)

    async def start(self) -> None:
        await start_revocation(self._kit)
        self.courier.start()

    async def stop(self) -> None:
        await self.courier.stop()
