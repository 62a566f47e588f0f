"""Sign-in and accounts: `/auth/v1`, and what the command line and the app need of it."""

from __future__ import annotations

from fastapi import APIRouter

from baaskit.auth.admin import create_user
from baaskit.auth.render import render
from baaskit.auth.revocation import start_revocation
from baaskit.auth.routes import routes
from baaskit.kernel.kit import Kit

__all__ = ["Auth", "create_user", "render", "routes", "start_revocation"]


class Auth:
    """The feature as the app holds it. `start` before requests, after the database."""

    def __init__(self, kit: Kit) -> None:
        self._kit = kit

    def routes(self) -> APIRouter:
        """`/auth/v1`; the app renders what it raises with `render`."""
        return routes(self._kit)

    async def start(self) -> None:
        await start_revocation(self._kit)

    async def stop(self) -> None:
        """Nothing to take down: the change feed ends with the kernel."""
