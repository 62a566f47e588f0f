"""`/auth/v1`: the routes. Each says who may call, what is sent and what comes back; the work is in the sibling modules."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from pydantic import BeforeValidator
from starlette.requests import Request
from starlette.responses import Response

from baaskit import __version__
from baaskit.auth import accounts, admin, audit, flows, links, oauth, sessions, verify
from baaskit.auth.body import SmallBodyRoute
from baaskit.auth.caller import Caller, require_admin, signed_in, visit_of
from baaskit.auth.desk import Desk
from baaskit.auth.disabled import add_disabled
from baaskit.auth.factor_routes import add_factors
from baaskit.auth.mailbox import add_mailbox
from baaskit.auth.oauth import Elsewhere
from baaskit.auth.oauth_routes import add_providers
from baaskit.auth.render import answer
from baaskit.auth.requests import (
    AdminUserChange,
    AdminUserCreate,
    Grant,
    Impersonation,
    Invitation,
    LinkRequest,
    OneTimePassword,
    Recovery,
    Resend,
    SignUp,
    UserChange,
    UserDelete,
    Verification,
)
from baaskit.auth.users import utc_now
from baaskit.auth.usertable import account_named
from baaskit.auth.views import SessionView, UserPage, UserView, live_session_json, user_json
from baaskit.errors.auth import ImpersonationRefused, OtherSessionNotFound, UnsupportedGrant, ValidationFailed
from baaskit.kernel.kit import Kit

PREFIX = "/auth/v1"
_PROVIDERS = (
    "apple", "azure", "bitbucket", "discord", "facebook", "figma", "github", "gitlab", "google", "keycloak", "kakao", "linkedin_oidc",
    "notion", "slack", "slack_oidc", "spotify", "twitch", "twitter", "workos", "zoom",
)  # fmt: skip
# A client that is not asked for a page sends `page=&per_page=`.
PageNumber = Annotated[int, BeforeValidator(lambda given: given or 1), Query(ge=1, le=1_000_000)]
PageSize = Annotated[int, BeforeValidator(lambda given: given or 50), Query(ge=1)]
_USER: dict[int | str, dict[str, Any]] = {200: {"model": UserView}}
_SESSION: dict[int | str, dict[str, Any]] = {200: {"model": SessionView}}


def routes(desk: Desk) -> APIRouter:
    """The whole surface. Errors are rendered by `baaskit.auth.render.render`, which the app registers."""
    router, kit = APIRouter(prefix=PREFIX, tags=["auth"], route_class=SmallBodyRoute), desk.kit
    elsewhere = Elsewhere(desk)
    _about(kit, router)
    _signing_in(desk, router, elsewhere)
    _without_password(desk, router)
    _own_account(desk, router)
    _own_sessions(desk, router)
    _admin(kit, router)
    _admin_help(desk, router)
    add_factors(desk, router)
    add_mailbox(kit, router)
    add_providers(elsewhere, router, Depends(_owner(kit)))
    add_disabled(router)
    return router


def _about(kit: Kit, router: APIRouter) -> None:
    @router.get("/settings")
    async def settings() -> Response:
        """Which ways to sign in are on."""
        s = kit.settings
        external = {
            "anonymous_users": s.anonymous_users,
            "email": True,
            "phone": bool(s.sms_provider),
            **dict.fromkeys(_PROVIDERS, False),
            **dict.fromkeys(s.providers, True),
        }
        shown = {
            "external": external, "disable_signup": s.disable_signup, "mailer_autoconfirm": not s.mail_confirm, "phone_autoconfirm": False,
            "sms_provider": s.sms_provider, "saml_enabled": False, "saml_private_key_next_configured": False, "passkeys_enabled": False,
        }  # fmt: skip
        return answer(shown)

    @router.get("/health")
    async def health() -> Response:
        return answer({"version": f"v{__version__}", "name": "GoTrue", "description": "Sign-in and accounts of baaskit"})

    @router.get("/.well-known/jwks.json")
    async def jwks() -> Response:
        """Public keys that verify access tokens."""
        return answer(kit.keys.jwks(), headers={"Cache-Control": "public, max-age=600"})


def _signing_in(desk: Desk, router: APIRouter, elsewhere: Elsewhere) -> None:
    kit = desk.kit
    owner = _owner(kit)
    current: Any = Depends(_current(kit))

    @router.post("/signup", responses=_SESSION)
    async def sign_up(request: Request, asked: SignUp) -> Response:
        """A session; the bare user when its address must be confirmed first."""
        return answer(await accounts.sign_up(desk, asked, visit_of(kit, request)))

    @router.post("/token", responses=_SESSION)
    async def token(
        request: Request, asked: Grant, grant_type: str = Query("", description="password, refresh_token, pkce or id_token")
    ) -> Response:
        """Exchange a password, a refresh token, a flow's code or a provider's ID token for a session."""
        if grant_type == "password":
            return answer(await accounts.sign_in(desk, asked, visit_of(kit, request)))
        if grant_type == "pkce":
            return answer(await verify.exchange(desk, asked, visit_of(kit, request)))
        if grant_type == "id_token":
            caller = await owner(request) if asked.link_identity else None
            return answer(await oauth.by_id_token(elsewhere, asked, visit_of(kit, request), caller))
        if grant_type == "refresh_token":
            return answer(await accounts.refresh(kit, asked))
        raise UnsupportedGrant()

    @router.post("/logout", status_code=204)
    async def logout(request: Request, scope: str = "global", caller: Caller = current) -> Response:
        """End this session (`local`), the others, or all (`global`)."""
        if scope not in ("global", "local", "others"):
            raise ValidationFailed(f'Unsupported logout scope "{scope}"')
        if scope != "local" and caller.is_impersonated:
            raise ImpersonationRefused()
        chosen: Literal["global", "local", "others"] = scope  # type: ignore[assignment]
        await accounts.sign_out(kit, caller, chosen, visit_of(kit, request))
        return Response(status_code=204)


def _without_password(desk: Desk, router: APIRouter) -> None:
    kit = desk.kit

    @router.post("/otp")
    async def otp(request: Request, asked: OneTimePassword) -> Response:
        """Send a link and a code to sign in with. The answer is the same whoever has the address."""
        return answer(await flows.one_time_password(desk, asked, visit_of(kit, request)))

    @router.post("/magiclink", include_in_schema=False)
    async def magic_link(request: Request, asked: OneTimePassword) -> Response:
        return answer(await flows.one_time_password(desk, asked, visit_of(kit, request)))

    @router.post("/recover")
    async def recover(request: Request, asked: Recovery) -> Response:
        """Send a link with which a new password can be chosen. The answer is the same whoever has the address."""
        return answer(await flows.recover(desk, asked, visit_of(kit, request)))

    @router.post("/resend")
    async def resend(request: Request, asked: Resend) -> Response:
        """Send once more what a sign-up or a change of address sent."""
        return answer(await flows.resend(desk, asked, visit_of(kit, request)))

    @router.post("/verify", responses=_SESSION)
    async def verify_code(request: Request, asked: Verification) -> Response:
        """A session for a code, or for the token of a link."""
        return answer(await verify.verify(desk, asked, visit_of(kit, request)))

    @router.get("/verify", status_code=303, response_class=Response)
    async def follow_link(request: Request, token: str = "", token_hash: str = "", type: str = "") -> Response:
        """A mail's link: leads on to `redirect_to` with a session in the fragment, a code in the query (PKCE), or an error in both."""
        target = await verify.follow(desk, type, token or token_hash, visit_of(kit, request))
        # The address that led here must not travel on: it held the token.
        return Response(status_code=303, headers={"Location": target, "Cache-Control": "no-store", "Referrer-Policy": "no-referrer"})


def _own_account(desk: Desk, router: APIRouter) -> None:
    kit = desk.kit
    current: Any = Depends(_current(kit))

    owner: Any = Depends(_owner(kit))

    @router.get("/reauthenticate")
    async def reauthenticate(request: Request, caller: Caller = owner) -> Response:
        """Send the caller a code (`nonce`) that a change of password may ask for."""
        return answer(await flows.reauthenticate(desk, caller, visit_of(kit, request)))

    @router.get("/user", responses=_USER)
    async def get_user(caller: Caller = current) -> Response:
        """The calling user."""
        return answer(user_json(caller.account.user, caller.account.identities))

    @router.put("/user", responses=_USER)
    async def put_user(request: Request, asked: UserChange, caller: Caller = owner) -> Response:
        """Change the calling user."""
        return answer(await accounts.change_user(desk, caller, asked, visit_of(kit, request)))


def _own_sessions(desk: Desk, router: APIRouter) -> None:
    kit = desk.kit
    current: Any = Depends(_current(kit))
    owner: Any = Depends(_owner(kit))

    @router.get("/sessions")
    async def own_sessions(caller: Caller = current) -> Response:
        """The caller's sessions, newest first."""
        rows = await sessions.list_sessions(kit, caller.account.id, utc_now())
        return answer([live_session_json(row, caller.session_id) for row in rows])

    @router.delete("/sessions/{session_id}", status_code=204)
    async def end_own_session(session_id: str, caller: Caller = owner) -> Response:
        """End one of the caller's sessions."""
        if not await sessions.end_session(kit, caller.account.id, _session_id(session_id), utc_now()):
            raise OtherSessionNotFound()
        return Response(status_code=204)


def _admin_only(kit: Kit) -> list[Any]:
    """Only the service key passes, and whoever else asks learns nothing about the body it sent."""

    async def admin_only(request: Request) -> None:
        require_admin(kit, request)

    return [Depends(admin_only)]


def _admin_help(desk: Desk, router: APIRouter) -> None:
    """Invitations, links, sessions, the record, impersonation."""
    kit, _id = desk.kit, partial(account_named, desk.kit)
    guarded = _admin_only(kit)

    @router.post("/invite", responses=_USER, dependencies=guarded)
    async def invite(request: Request, asked: Invitation) -> Response:
        return answer(await links.invite(desk, asked, visit_of(kit, request)))

    @router.post("/admin/generate_link", responses=_USER, dependencies=guarded)
    async def generate_link(request: Request, asked: LinkRequest) -> Response:
        """A link and its code, sent to nobody."""
        return answer(await links.generate_link(desk, asked, visit_of(kit, request)))

    @router.post("/admin/users/{user_id}/impersonate", dependencies=guarded)
    async def impersonate(user_id: str, request: Request, asked: Impersonation) -> Response:
        """A short token to look at the app as this user sees it."""
        return answer(await links.impersonate(desk, require_admin(kit, request), _id(user_id), asked, visit_of(kit, request)))

    @router.get("/admin/users/{user_id}/sessions", dependencies=guarded)
    async def list_sessions(user_id: str) -> Response:
        await admin.get(kit, _id(user_id))
        return answer([live_session_json(row) for row in await sessions.list_sessions(kit, _id(user_id), utc_now())])

    @router.delete("/admin/users/{user_id}/sessions", status_code=204, dependencies=guarded)
    async def end_sessions(user_id: str) -> Response:
        await admin.get(kit, _id(user_id))
        await sessions.end_session(kit, _id(user_id), None, utc_now())
        return Response(status_code=204)

    @router.delete("/admin/users/{user_id}/sessions/{session_id}", status_code=204, dependencies=guarded)
    async def end_session(user_id: str, session_id: str) -> Response:
        if not await sessions.end_session(kit, _id(user_id), _session_id(session_id), utc_now()):
            raise OtherSessionNotFound()
        return Response(status_code=204)

    @router.get("/admin/audit", dependencies=guarded)
    async def record(page: PageNumber = 1, per_page: PageSize = 50, user_id: str | None = None, action: str | None = None) -> Response:
        """What happened to accounts, newest first."""
        total, entries = await audit.page_of(kit, page, per_page, user_id, action)
        return answer(entries, headers={"X-Total-Count": str(total)})


def _admin(kit: Kit, router: APIRouter) -> None:
    guarded, _id = _admin_only(kit), partial(account_named, kit)

    @router.get("/admin/users", responses={200: {"model": UserPage}}, dependencies=guarded)
    async def list_users(
        page: PageNumber = 1,
        per_page: PageSize = 50,
        filter: str = Query("", max_length=255),
        sort: str = Query("", max_length=64),
    ) -> Response:
        found = await admin.page_of(kit, page, per_page, filter, sort)
        return answer({"users": found.users, "aud": "authenticated"}, headers=found.headers)

    @router.post("/admin/users", responses=_USER, dependencies=guarded)
    async def create_user(asked: AdminUserCreate) -> Response:
        return answer(await admin.create(kit, asked))

    @router.get("/admin/users/{user_id}", responses=_USER, dependencies=guarded)
    async def get_user_by_id(user_id: str) -> Response:
        return answer(await admin.get(kit, _id(user_id)))

    @router.put("/admin/users/{user_id}", responses=_USER, dependencies=guarded)
    async def change_user(user_id: str, asked: AdminUserChange) -> Response:
        return answer(await admin.change(kit, _id(user_id), asked))

    @router.delete("/admin/users/{user_id}", dependencies=guarded)
    async def delete_user(user_id: str, asked: UserDelete | None = None) -> Response:
        await admin.remove(kit, _id(user_id), soft=bool(asked and asked.should_soft_delete))
        return answer({})


def _current(kit: Kit) -> Callable[[Request], Awaitable[Caller]]:
    async def current(request: Request) -> Caller:
        return await signed_in(kit, request)

    return current


def _owner(kit: Kit) -> Callable[[Request], Awaitable[Caller]]:
    """The calling user itself, not an admin who looks over its shoulder."""

    async def owner(request: Request) -> Caller:
        caller = await signed_in(kit, request)
        if caller.is_impersonated:
            raise ImpersonationRefused()
        return caller

    return owner


def _session_id(text: str) -> str:
    try:
        return str(UUID(text))
    except ValueError as problem:
        raise OtherSessionNotFound() from problem
