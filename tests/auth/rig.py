"""A server's auth surface without the server: a real database, the change feed, the router, and clients of it."""

from __future__ import annotations

import asyncio
import contextlib
import traceback
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from sqlalchemy import select
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from baaskit.auth import Auth, render
from baaskit.errors import BaasError
from baaskit.kernel.changes import ChangeFeed
from baaskit.kernel.database import Database
from baaskit.kernel.hooks import Hooks
from baaskit.kernel.keys import Keys, load_keys
from baaskit.kernel.kit import Kit
from baaskit.settings import load_settings

PASSWORD = "correct horse"
DATED = {"X-Supabase-Api-Version": "2024-01-01"}
UNSET: Any = object()


def app_of(auth: Auth) -> FastAPI:
    """The router with its error handling, as the whole application mounts it."""
    app = FastAPI()
    app.include_router(auth.routes())

    async def handle(request: Request, error: Exception) -> Response:
        if not isinstance(error, (BaasError, RequestValidationError, HTTPException)):
            traceback.print_exception(error)  # pytest shows it with the failure
        return render(error, request)

    for kind in (BaasError, RequestValidationError, HTTPException, Exception):
        app.add_exception_handler(kind, handle)
    return app


@dataclass
class Rig:
    """One process of a project."""

    kit: Kit
    http: httpx2.AsyncClient
    auth: Auth

    async def ask(self, method: str, path: str, token: str | None = None, json: Any = UNSET, **given: Any) -> httpx2.Response:
        """A request in the newer dialect; `token` defaults to the anon key."""
        headers = {
            "apikey": self.kit.keys.anon_key,
            "authorization": f"Bearer {token or self.kit.keys.anon_key}",
            **DATED,
            **given.pop("headers", {}),
        }
        if json is not UNSET:
            given["json"] = json
        return await self.http.request(method, f"/auth/v1{path}", headers=headers, **given)

    async def admin(self, method: str, path: str, json: Any = UNSET) -> httpx2.Response:
        return await self.ask(method, f"/admin{path}", self.kit.keys.service_role_key, json)

    async def mails(self, count: int = 1) -> list[dict[str, Any]]:
        """What the mailbox has, newest first, once there are `count`; the rig needs `mail_mailbox`."""
        async with asyncio.timeout(20):
            while True:
                answer = await self.http.get("http://127.0.0.1/auth/v1/mailbox", headers={"accept": "application/json"})
                found: list[dict[str, Any]] = answer.json()["messages"]
                if len(found) >= count:
                    return found
                await asyncio.sleep(0.01)

    async def nothing_under_way(self) -> None:
        """Wait until the courier has seen to every row."""
        o = self.kit.database.tables.outbox
        async with asyncio.timeout(20):
            while await self.kit.database.query(select(o.c.id).where(o.c.due_at.is_not(None))):
                await asyncio.sleep(0.01)

    async def sign_up(self, email: str, password: str = PASSWORD, **more: Any) -> dict[str, Any]:
        answer = await self.ask("POST", "/signup", json={"email": email, "password": password, **more})
        assert answer.status_code == 200, answer.text
        return answer.json()  # type: ignore[no-any-return]

    async def sign_in(self, email: str, password: str = PASSWORD) -> httpx2.Response:
        return await self.ask("POST", "/token?grant_type=password", json={"email": email, "password": password})

    async def refresh(self, token: Any) -> httpx2.Response:
        return await self.ask("POST", "/token?grant_type=refresh_token", json={"refresh_token": token})


def refusal(answer: httpx2.Response) -> tuple[int, str]:
    """Status and code of an error in the newer dialect, whose headers must agree with it."""
    body = answer.json()
    assert set(body) - {"weak_password"} == {"code", "message"}, body
    assert answer.headers["x-sb-error-code"] == body["code"]
    assert answer.headers["x-supabase-api-version"] == "2024-01-01"
    return answer.status_code, body["code"]


@contextlib.asynccontextmanager
async def open_rig(url: str, folder: Path, keys: Keys | None = None, **settings: Any) -> AsyncIterator[Rig]:
    """A process over the database at `url`. With the `keys` of another rig it is a second process of the same project."""
    loaded = load_settings(folder, {}, **settings)
    database = Database(url, synchronous="NORMAL")
    await database.start()
    keys = keys or load_keys(folder / "keys.json")
    kit = Kit(loaded, database, ChangeFeed(database), Hooks(), keys)
    await kit.changes.start()
    auth = Auth(kit)
    await auth.start()
    transport = httpx2.ASGITransport(app=app_of(auth), raise_app_exceptions=False)
    try:
        async with httpx2.AsyncClient(transport=transport, base_url="http://test", timeout=60) as http:
            yield Rig(kit, http, auth)
    finally:
        await auth.stop()
        await kit.changes.stop()
        await database.stop()
