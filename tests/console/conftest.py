"""A project with two tables on each database, the console in front of it, and browsers that talk to it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from sqlalchemy import insert

from baaskit.console import Gate, Traffic, create_admin, routes
from baaskit.errors import BaasError
from baaskit.kernel.changes import ChangeFeed
from baaskit.kernel.database import Database, Sql
from baaskit.kernel.hooks import Hooks
from baaskit.kernel.keys import load_keys
from baaskit.kernel.kit import Kit
from baaskit.settings import load_settings

HERE = "http://127.0.0.1:54321"
PASSWORD = "correct horse battery"
TABLES = (
    "create table pets (id integer primary key, name text not null, status text, owner_id uuid)",
    "create table notes (id integer primary key, body text)",
)
POLICIES = 'create policy "anyone sees pets" on pets for select to anon, authenticated using (true);\n'


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@dataclass
class Console:
    """The admin API of one project."""

    kit: Kit
    app: Any
    traffic: Traffic

    def browser(self, base_url: str = HERE, **headers: str) -> httpx2.AsyncClient:
        """A browser with cookies of its own, whose page came from this server unless `headers` say otherwise."""
        transport = httpx2.ASGITransport(app=self.app, raise_app_exceptions=False)
        return httpx2.AsyncClient(transport=transport, base_url=base_url, headers={"origin": base_url, **headers})

    async def signed_in(self, role: Any = "owner") -> httpx2.AsyncClient:
        email = f"{role}-{uuid4().hex[:8]}@example.com"
        await create_admin(self.kit, email, PASSWORD, role)
        browser = self.browser()
        answer = await browser.post("/admin/v1/session", json={"email": email, "password": PASSWORD})
        assert answer.status_code == 200, answer.text
        return browser

    async def sql(self, text: str, *params: Any) -> list[Any]:
        def script() -> Any:
            return (yield Sql(text, params))

        return await self.kit.database.run(script)


def _surfaces(app: FastAPI) -> None:
    """Stand-ins for what lies behind the gate: they answer with what was asked, so that a test sees what got through."""

    @app.api_route("/rest/v1/{table}", methods=["GET", "POST", "PATCH", "DELETE"])
    @app.api_route("/auth/v1/admin/{table}", methods=["GET", "POST", "PUT", "DELETE"])
    @app.api_route("/functions/v1/{table}", methods=["GET", "POST"])
    async def through(table: str, request: Request) -> dict[str, str]:
        return {"reached": request.method}


@asynccontextmanager
async def open_console(folder: Path, url: str | None = None, **settings: Any) -> AsyncIterator[Console]:
    loaded = load_settings(folder, {}, **({"database_url": url} if url else {}), **settings)
    database = Database(loaded.database_url)
    await database.start()
    kit = Kit(loaded, database, ChangeFeed(database), Hooks(), load_keys(folder / "keys.json"))
    traffic = Traffic()
    app = FastAPI()
    app.include_router(routes(kit, traffic))
    _surfaces(app)

    @app.exception_handler(BaasError)
    async def render(request: Request, error: BaasError) -> JSONResponse:
        return JSONResponse(error.rest(), error.status, headers=error.headers)

    console = Console(kit, Gate(app, kit, traffic), traffic)
    for text in TABLES:
        await console.sql(text)
    if database.dialect == "sqlite":  # which has no uuid: migrations note what was declared
        noted = {"table_schema": "public", "table_name": "pets", "column_name": "owner_id", "pg_type": "uuid"}
        await database.execute(insert(database.tables.columns).values(**noted))
    await database.reload()
    await database.save_policies(POLICIES, "seed", "first")
    try:
        yield console
    finally:
        await database.stop()


@pytest.fixture(params=["sqlite", "postgresql"])
async def console(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Console]:
    if request.param == "sqlite":
        async with open_console(tmp_path) as opened:
            yield opened
        return
    make: Callable[[], str] = request.getfixturevalue("postgres")
    async with open_console(tmp_path, make()) as opened:
        yield opened


@pytest.fixture
async def small(tmp_path: Path) -> AsyncIterator[Console]:
    """On SQLite only: for what does not depend on the database."""
    async with open_console(tmp_path) as opened:
        yield opened
