"""The admin API at `/admin/v1`: admin sessions, overview, schema, policies with their history, audit log."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, Field
from sqlalchemy import func, select

from baaskit.console import admins, audit, guard, policies, schema
from baaskit.console.limits import Attempts
from baaskit.console.site import page
from baaskit.console.traffic import Traffic
from baaskit.kernel.kit import Kit

TEXT_LIMIT = 1_000_000  # characters of a policies text


def never_store(response: Response) -> None:
    """Answers name people and hold tokens: no cache may keep them."""
    response.headers["Cache-Control"] = "no-store"


class Credentials(BaseModel):
    email: str = Field(max_length=320)
    password: str = Field(max_length=1024)


class Setup(Credentials):
    setup_token: str = Field(max_length=200)


class PolicyText(BaseModel):
    text: str = Field(max_length=TEXT_LIMIT)


class PolicySave(PolicyText):
    note: str = Field("", max_length=500)
    base_version: int = Field(description="The version that the text was made from; another live version → 409.")


class Rollback(BaseModel):
    base_version: int = Field(description="The version that the admin saw as live; another → 409.")


def routes(kit: Kit, traffic: Traffic | None = None) -> APIRouter:
    """Every route of the console: the admin API and the page. `traffic` is what a `Gate` in front of the app counts."""
    api = APIRouter(prefix="/admin/v1", tags=["admin"], dependencies=[Depends(never_store)])
    _session_routes(api, kit)
    _project_routes(api, kit, traffic or Traffic())
    _policy_routes(api, kit)
    both = APIRouter()
    both.include_router(api)
    both.include_router(page())
    return both


def _session_routes(api: APIRouter, kit: Kit) -> None:
    attempts = Attempts()

    async def signed_in(request: Request, response: Response, admin: admins.Admin) -> dict[str, Any]:
        session, secret = await admins.open_session(kit, admin)
        guard.set_cookie(request, response, session, secret)
        return _session_json(kit, session)

    @api.get("/session")
    async def read_session(request: Request) -> dict[str, Any]:
        """Who is signed in, with a fresh token. Without a session: 401, and whether the first admin is still to be made."""
        return _session_json(kit, await guard.admin_session(kit, request))

    @api.get("/setup")
    async def read_setup(request: Request) -> dict[str, bool]:
        guard.check_origin(kit, request)
        return {"needed": await admins.needs_setup(kit)}

    @api.post("/session")
    async def sign_in(request: Request, response: Response, given: Credentials) -> dict[str, Any]:
        guard.check_origin(kit, request)
        address, now = _address(request), time.monotonic()
        attempts.check(address, given.email, now)
        attempts.started(address, given.email, now)
        admin = await admins.authenticate(kit, given.email, given.password)
        attempts.succeeded(address, given.email)
        return await signed_in(request, response, admin)

    @api.post("/setup")
    async def set_up(request: Request, response: Response, given: Setup) -> dict[str, Any]:
        """Make the first admin with the token of the link that the server printed."""
        guard.check_origin(kit, request)
        address, now = _address(request), time.monotonic()
        attempts.check(address, "", now)
        attempts.started(address, "", now)
        admin = await admins.set_up(kit, given.setup_token, given.email, given.password)
        attempts.succeeded(address, "")
        return await signed_in(request, response, admin)

    @api.delete("/session", status_code=204)
    async def sign_out(request: Request, response: Response) -> None:
        session = await guard.admin_session(kit, request)
        await admins.close_session(kit, session)
        guard.clear_cookie(request, response)


def _project_routes(api: APIRouter, kit: Kit, traffic: Traffic) -> None:
    @api.get("/overview")
    async def overview(request: Request) -> dict[str, Any]:
        """Health and counts for the home room."""
        await guard.admin_session(kit, request)
        started = time.perf_counter()
        users = kit.database.tables.users
        [counted] = await kit.database.query(select(func.count().label("n")).select_from(users))
        catalog = kit.database.catalog
        return {
            "database": {"dialect": kit.database.dialect, "milliseconds": round((time.perf_counter() - started) * 1000, 2)},
            "url": kit.settings.url,
            "users": counted["n"],
            "tables": len(catalog.schema.exposed(kit.settings.exposed_schemas)),
            "policies": policies.summary(catalog.policies),
            "attention": schema.attention(catalog, kit.settings.exposed_schemas),
            "traffic": traffic.json(time.time()),
            "now": datetime.now(UTC).isoformat(),
        }

    @api.get("/schema")
    async def read_schema(request: Request) -> dict[str, Any]:
        await guard.admin_session(kit, request)
        return await schema.describe(kit)

    @api.get("/audit")
    async def read_audit(request: Request, limit: int = Query(50, ge=1, le=500)) -> dict[str, Any]:
        await guard.admin_session(kit, request)
        return {"entries": await audit.recent(kit, limit)}


def _policy_routes(api: APIRouter, kit: Kit) -> None:
    @api.get("/policies")
    async def read(request: Request) -> dict[str, Any]:
        """The live text, its version, and which commands are closed because a policy no longer fits the schema."""
        await guard.admin_session(kit, request)
        return await policies.live(kit)

    @api.post("/policies/check")
    async def check(request: Request, given: PolicyText) -> dict[str, Any]:
        """What is wrong with a text, without saving it."""
        await guard.admin_session(kit, request)
        return await asyncio.to_thread(policies.check, kit, given.text)  # a long text takes a while, and others are waiting

    @api.put("/policies")
    async def save(request: Request, given: PolicySave) -> dict[str, Any]:
        """Save a text as the new live version; 422 with its faults, 409 when `base_version` is not the live one."""
        admin = await guard.writer(kit, request)
        return await policies.save(kit, given.text, admin.email, given.note.strip(), given.base_version)

    @api.get("/policies/history")
    async def history(request: Request) -> dict[str, Any]:
        await guard.admin_session(kit, request)
        return {"versions": await policies.history(kit)}

    @api.get("/policies/history/{version}")
    async def one_version(request: Request, version: int) -> dict[str, Any]:
        await guard.admin_session(kit, request)
        return await policies.version(kit, version)

    @api.post("/policies/history/{version}/rollback")
    async def rollback(request: Request, version: int, given: Rollback) -> dict[str, Any]:
        """Make the text of an earlier version live again, as a new version."""
        admin = await guard.writer(kit, request)
        return await policies.rollback(kit, version, admin.email, given.base_version)


def _session_json(kit: Kit, session: admins.AdminSession) -> dict[str, Any]:
    return {"admin": session.admin.json(), "session_expires_at": int(session.ends.timestamp()), **guard.service_token(kit, session)}


def _address(request: Request) -> str:
    """The peer as the server knows it: uvicorn has already decided which proxies to believe."""
    return request.client.host if request.client else ""
