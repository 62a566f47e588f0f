"""The composition root: one process, one ASGI app, made of a kernel and the features on it.

A raw ASGI dispatcher stands in front of FastAPI: table routes and WebSockets have dynamic shapes and are hot, so they skip
it; CORS and the last error handler are here, for every surface alike.
"""

from __future__ import annotations

import asyncio
import time
import traceback
import uuid
from collections.abc import Awaitable, Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import orjson
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from baaskit import __version__, auth, console, description, rest, storage
from baaskit.errors import BaasError, Internal, NotFound
from baaskit.functions.routes import routes as function_routes
from baaskit.functions.service import FunctionService
from baaskit.kernel.changes import ChangeFeed
from baaskit.kernel.database import Database
from baaskit.kernel.hooks import Hooks
from baaskit.kernel.keys import load_keys
from baaskit.kernel.kit import Kit
from baaskit.observe import fact
from baaskit.realtime.routes import routes as realtime_routes
from baaskit.realtime.socket import Realtime
from baaskit.settings import Settings
from baaskit.site import Site
from baaskit.wire import Cors, Message, Receive, Scope, Send, respond

if TYPE_CHECKING:
    from baaskit.kernel.database.attached import Watch
    from baaskit.kernel.database.polling import Poller

HOUSEKEEPING_SECONDS = 60
CATALOG_SECONDS = 0.5  # how often to look for policies and tables changed by another process
RESERVED = (
    "/admin/",
    "/auth/v1/",
    "/console",
    "/functions/v1/",
    "/realtime/v1/",
    "/storage/v1/",
    "/health",
    "/openapi.json",
    "/.well-known/",
)


class App:
    """A project's server. `start` before the first request, `stop` after the last; uvicorn's lifespan does both."""

    def __init__(self, settings: Settings, *, functions: Path, public: Path | None = None) -> None:
        """`functions`: the folder of author modules; `public`: files served at `/`, if there is such a folder."""
        keys = load_keys(
            settings.state_dir / "keys.json",
            settings.jwt_secret.get_secret_value() if settings.jwt_secret else None,
            token_seconds=settings.access_token_seconds,
        )
        database = Database.of(settings)
        self.kit = Kit(settings, database, ChangeFeed(database, keep_seconds=settings.changes_keep_seconds), Hooks(), keys)
        self.functions = FunctionService(self.kit, functions)
        self.rest = rest.Rest(self.kit)
        self.auth = auth.Auth(self.kit)
        self.realtime = Realtime(self.kit)
        self.storage = storage.Storage(self.kit)
        self._site = Site(public) if public and public.is_dir() else None
        self._traffic = console.Traffic()
        self._fastapi = self._compose()
        self._outer = Cors(console.Gate(self._dispatch, self.kit, self._traffic), settings.cors_origins)
        self.functions.asgi_app = self
        self._housekeeper: asyncio.Task[None] | None = None
        self._watch: Watch | None = None
        self._poller: Poller | None = None
        self._running = False

    async def start(self, *, tolerate_faults: bool = False, prepare: Callable[[Database], Awaitable[object]] | None = None) -> None:
        """Bring everything up, kernel first. `prepare` runs when the database can be used and nothing else does yet (migrations).
        `tolerate_faults`: functions that do not load are reported, not fatal (dev)."""
        if self._running:
            return
        self._running = True
        await self.kit.database.start()
        try:
            if prepare is not None:
                await prepare(self.kit.database)
            await self.auth.check()
        except BaseException:
            self._running = False
            await self.kit.database.stop()
            raise
        await self.kit.changes.start()
        await self.auth.start()
        await self.storage.start()
        await self.functions.start(tolerate_faults=tolerate_faults)
        await self.realtime.start()
        if self.kit.database.attached:
            from baaskit.kernel.database import attached  # only here: most projects have a database of their own

            self._watch = attached.Watch(self.kit.database)
            await attached.settle_captures(self.kit.database)
        settings = self.kit.settings
        if "polling" in (settings.capture, *settings.capture_tables.values()):
            from baaskit.kernel.database.polling import Poller

            self._poller = Poller(self.kit.database, settings.polling_seconds, settings.polling_max_rows)
            self._poller.start()
        self._housekeeper = asyncio.create_task(self._keep_house(), name="housekeeping")

    async def stop(self) -> None:
        """Take everything down in the reverse order; requests under way have ended before."""
        if not self._running:
            return
        self._running = False
        if self._housekeeper:
            self._housekeeper.cancel()
            await asyncio.gather(self._housekeeper, return_exceptions=True)
        if self._poller:
            await self._poller.stop()
        await self.realtime.stop()
        await self.functions.stop()
        await self.storage.stop()
        await self.auth.stop()
        await self.kit.changes.stop()
        await self.kit.database.stop()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        else:
            await self._outer(scope, receive, send)

    async def _dispatch(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send a request to its surface. Whatever nobody handled becomes a 500 with an id that the log knows."""
        started = False

        async def noted(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            if scope["type"] == "websocket":
                await self.realtime(scope, receive, noted)
            elif scope["path"].startswith("/rest/v1"):
                await self.rest(scope, receive, noted)
            elif self._site is not None and not scope["path"].startswith(RESERVED) and self._site.has(scope):
                await self._site(scope, receive, noted)
            else:
                await self._fastapi(scope, receive, noted)
        except Exception as problem:
            await self._crashed(problem, scope, send, started)

    def _compose(self) -> FastAPI:
        app = FastAPI(title="baaskit", version=__version__, docs_url=None, redoc_url=None, openapi_url="/openapi.json")
        app.include_router(self.auth.routes())
        app.include_router(self.storage.routes())
        app.include_router(function_routes(self.kit, self.functions))
        app.include_router(realtime_routes(self.kit, self.realtime.hub))
        app.include_router(console.routes(self.kit, self._traffic))

        @app.get("/health", tags=["operations"])
        async def health() -> dict[str, str]:
            """Answers once the server can serve; for load balancers and scripts."""
            return {"status": "ok", "version": __version__}

        @app.get("/.well-known/baaskit.json", tags=["operations"])
        async def project() -> dict[str, str | None]:
            """What a page of this project needs to begin: its keys for strangers, which are public by nature."""
            return {"anon_key": self.kit.keys.anon_key, "publishable_key": self.kit.keys.publishable_key}

        async def answer(request: Request, problem: Exception) -> Response:
            return self._render(request, problem)

        for kind in (BaasError, RequestValidationError, HTTPException):
            app.add_exception_handler(kind, answer)
        app.add_exception_handler(Exception, _pass_on)
        app.openapi = cache(lambda: description.describe(app))  # type: ignore[method-assign]
        return app

    def _render(self, request: Request, problem: Exception) -> Response:
        """The one error handler of the fixed routes; each surface has its dialect."""
        if isinstance(problem, HTTPException):
            problem = NotFound() if problem.status_code == 404 else _plain(problem)
        path = request.url.path
        if path.startswith("/auth/v1"):
            return auth.render(problem, request)
        if path.startswith("/storage/v1"):
            return storage.render(problem, request)
        if isinstance(problem, RequestValidationError):
            problem = _invalid(problem)
        assert isinstance(problem, BaasError)
        return Response(orjson.dumps(problem.rest()), problem.status, problem.headers, "application/json")

    async def _crashed(self, problem: Exception, scope: Scope, send: Send, started: bool) -> None:
        """Log a fault and answer with its id. If the answer has `started`, raises: the connection is cut, so that half an
        answer is not taken for a whole one."""
        identifier = uuid.uuid4().hex[:12]
        fact("request.crashed", id=identifier, path=scope["path"], error=repr(problem), trace="".join(traceback.format_exception(problem)))
        if scope["type"] == "http":
            if started:
                raise problem
            error = Internal(
                f"Something failed inside the server (id {identifier}).", hint="The server's log has the details under this id."
            )
            await respond(send, error.status, orjson.dumps(error.rest()))
        else:
            await send({"type": "websocket.close", "code": 1011})

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                try:
                    await self.start()
                except Exception as problem:
                    await send({"type": "lifespan.startup.failed", "message": str(problem)})
                    raise
                await send({"type": "lifespan.startup.complete"})
            else:
                await self.stop()
                await send({"type": "lifespan.shutdown.complete"})
                return

    async def _keep_house(self) -> None:
        cleaned = time.monotonic()
        while True:
            await asyncio.sleep(CATALOG_SECONDS)
            try:
                await self.kit.database.refresh()
                if self._watch:
                    await self._watch.look()
            except Exception as problem:  # a database that is away for a moment must not end the care for all others
                fact("catalog.refresh.failed", error=repr(problem))
            try:
                if self.kit.keys.refresh():
                    fact("keys.changed", signing=[key.kid for key in self.kit.keys.signing])
            except (OSError, ValueError, KeyError) as problem:  # half-edited by hand, or away: the keys that are in force stay
                fact("keys.refresh.failed", error=repr(problem))
            if time.monotonic() - cleaned > HOUSEKEEPING_SECONDS:
                cleaned = time.monotonic()
                self.kit.keys.verifier.forget_expired(time.time())
                try:
                    await self.rest.forget_expired()
                except Exception as problem:
                    fact("housekeeping.failed", error=repr(problem))


async def _pass_on(request: Request, problem: Exception) -> Response:
    """The framework would answer a crash itself, as plain text and without an id: leave it to the dispatcher."""
    raise problem


def _plain(problem: HTTPException) -> BaasError:
    error = BaasError(str(problem.detail), headers=dict(problem.headers or {}))
    error.status, error.code = problem.status_code, f"BK{problem.status_code}"
    return error


def _invalid(problem: RequestValidationError) -> BaasError:
    first = problem.errors()[0]
    place = ".".join(str(part) for part in first["loc"] if part != "body")
    error = BaasError(f"{place}: {first['msg']}" if place else str(first["msg"]))
    error.status, error.code = 422, "BK422"
    return error
