"""A real database, real zygotes and workers; the API behind a function's client is a small app that says who asked."""

from __future__ import annotations

import contextlib
import textwrap
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI, Request

from baaskit.functions import sandbox
from baaskit.functions.routes import routes
from baaskit.functions.service import FunctionService
from baaskit.kernel.changes import ChangeFeed
from baaskit.kernel.database import Database, Sql
from baaskit.kernel.hooks import Hooks
from baaskit.kernel.keys import load_keys
from baaskit.kernel.kit import Kit
from baaskit.settings import load_settings


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def box() -> sandbox.Sandbox:
    """The best sandbox of this machine, found once."""
    return sandbox.choose()


@dataclass
class Rig:
    """A server's functions, without the server."""

    kit: Kit
    service: FunctionService
    http: httpx2.AsyncClient
    folder: Path
    asked: list[dict[str, Any]] = field(default_factory=list)

    def write(self, **modules: str) -> None:
        """Save modules by name in the functions folder."""
        for name, source in modules.items():
            (self.folder / f"{name}.py").write_text(textwrap.dedent(source))

    def token(self, uid: str, **claims: Any) -> str:
        return self.kit.keys.sign({"role": "authenticated", "sub": uid, "exp": 4102444800, **claims})

    async def call(self, name: str, *, method: str = "POST", token: str | None = None, **given: Any) -> httpx2.Response:
        """Call a function, with the anon key unless a token is given."""
        headers = {"authorization": f"Bearer {token or self.kit.keys.anon_key}", **given.pop("headers", {})}
        return await self.http.request(method, f"/functions/v1/{name}", headers=headers, **given)

    async def sql(self, text: str, *params: Any) -> list[Any]:
        def script() -> Any:
            rows = yield Sql(text, params)
            return rows

        return await self.kit.database.run(script)


def _app(rig: Rig) -> FastAPI:
    app = FastAPI()
    app.include_router(routes(rig.kit, rig.service))

    @app.api_route("/rest/v1/{table}", methods=["GET", "POST", "PATCH", "DELETE"])
    async def who_asks(table: str, request: Request) -> list[dict[str, Any]]:
        seen = {
            "table": table, "method": request.method, "query": str(request.query_params), "body": (await request.body()).decode(),
            "authorization": request.headers.get("authorization"), "apikey": request.headers.get("apikey"),
        }  # fmt: skip
        rig.asked.append(seen)
        return [seen]

    return app


@contextlib.asynccontextmanager
async def open_rig(folder: Path, box: sandbox.Sandbox, modules: dict[str, str], start: bool = True, **settings: Any) -> AsyncIterator[Rig]:
    functions = folder / "functions"
    functions.mkdir()
    loaded = load_settings(folder, {}, **settings)
    database = Database(f"sqlite:///{folder / 'data.db'}")
    await database.start()
    kit = Kit(loaded, database, ChangeFeed(database), Hooks(), load_keys(folder / "keys.json"))
    service = FunctionService(kit, functions, box=box)
    rig = Rig(kit, service, None, functions)  # type: ignore[arg-type]
    app = _app(rig)
    service.asgi_app = app  # type: ignore[assignment]
    rig.write(**modules)
    rig.http = httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://test", timeout=60)
    await rig.sql("create table orders (id integer primary key, item text, price int)")
    await database.reload()
    await kit.changes.start()
    try:
        if start:
            await service.start()
        yield rig
    finally:
        await rig.http.aclose()
        await service.stop()
        await kit.changes.stop()
        await database.stop()


@pytest.fixture
async def make_rig(tmp_path: Path, box: sandbox.Sandbox) -> AsyncIterator[Callable[..., Any]]:
    """`rig = await make_rig(shop="source", **settings)`: a started service over a folder with these modules."""
    async with contextlib.AsyncExitStack() as stack:

        async def make(*, start: bool = True, settings: dict[str, Any] | None = None, **modules: str) -> Rig:
            return await stack.enter_async_context(open_rig(tmp_path, box, modules, start, **(settings or {})))

        yield make
