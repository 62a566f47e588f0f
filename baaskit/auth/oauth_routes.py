"""`/auth/v1`: the routes of sign-in with accounts elsewhere. The work is in `oauth`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from baaskit.auth import oauth, providers, redirects
from baaskit.auth.caller import Caller, client_key, origin_of
from baaskit.auth.desk import Visit
from baaskit.auth.oauth import Elsewhere
from baaskit.auth.render import answer
from baaskit.auth.tokens import issuer
from baaskit.errors.auth import FeatureDisabled, UnsupportedProvider

_MOVED = "moved"  # marks an address to which a browser was led already


def add_providers(elsewhere: Elsewhere, router: APIRouter, owner: Any) -> None:
    """`owner`: the dependency that gives the signed-in caller itself."""
    kit = elsewhere.desk.kit
    secure = kit.settings.url.startswith("https:")

    def require_on() -> None:
        if not oauth.is_on(kit):
            raise FeatureDisabled(404, "manual_linking_disabled", "Manual linking is disabled")

    @router.get("/authorize", status_code=302, response_class=Response)
    async def authorize(
        request: Request, provider: str = "", redirect_to: str = "", scopes: str = "", code_challenge: str = "", code_challenge_method: str = "",
        skip_http_redirect: str = "", ticket: str = Query("", description="Of /user/identities/authorize."),
    ) -> Response:  # fmt: skip
        """Leads a browser to a provider and back: to `redirect_to` with a session in the fragment, with a challenge `?code=`."""
        query = dict(request.query_params)
        if "ticket" not in query:
            providers.find(kit.settings, query.get("provider"))
        asks_address = query.pop("skip_http_redirect", "") == "true"
        # The cookie must be on the host to which the provider leads back. Once only: a proxy may hide the host.
        if asks_address or (request.headers.get("host") != urlsplit(kit.settings.url).netloc and _MOVED not in query):
            target = redirects.choose(kit.settings, query.get("redirect_to"), request.headers.get("referer"))
            url = f"{issuer(kit)}/authorize?{urlencode({**query, 'redirect_to': target, _MOVED: '1'})}"
            return answer({"url": url}) if asks_address else _lead(url)
        departure = await oauth.depart(elsewhere, query, _visit(request, query))
        response = _lead(departure.url)
        name, value = departure.cookie
        response.set_cookie(name, value, oauth.FLOW_SECONDS, path="/auth/v1/callback", secure=secure, httponly=True, samesite="lax")
        return response

    @router.get("/callback", status_code=302, response_class=Response)
    async def callback(request: Request) -> Response:
        """Where providers lead back to: register `PUBLIC_URL/auth/v1/callback` there."""
        if not oauth.is_on(kit):
            raise FeatureDisabled(400, "provider_disabled", UnsupportedProvider().message)
        query = dict(request.query_params)
        target = await oauth.arrive(elsewhere, query, request.cookies, Visit(client_key(request), origin_of(request)))
        response = _lead(target)
        response.delete_cookie(
            oauth.cookie_of(query.get("state", "")), path="/auth/v1/callback", secure=secure, httponly=True, samesite="lax"
        )
        return response

    @router.post("/callback", status_code=303, response_class=Response, include_in_schema=False)
    async def posted_callback(request: Request) -> Response:
        """Apple answers by a form of its own site, with which a browser sends no cookie of ours: it comes again by GET."""
        fields = parse_qsl((await request.body()).decode("latin-1"), max_num_fields=20)
        kept = {name: value for name, value in fields if name in ("state", "code", "iss", "error", "error_description")}
        return _lead(f"{issuer(kit)}/callback?{urlencode(kept, encoding='latin-1')}", 303)

    @router.get("/user/identities/authorize")
    async def authorize_linking(request: Request, caller: Caller = owner) -> Response:
        """The address at which the caller's browser links an account elsewhere to its own (PKCE only)."""
        require_on()
        query = dict(request.query_params)
        made = await oauth.ticket(elsewhere, caller, query, _visit(request, query))
        return answer(made) if query.get("skip_http_redirect") == "true" else _lead(made["url"])

    @router.delete("/user/identities/{identity_id}")
    async def unlink(identity_id: str, request: Request, caller: Caller = owner) -> Response:
        """Take a way to sign in from the caller's account; the last one stays."""
        require_on()
        await oauth.unlink(elsewhere.desk, caller, identity_id.lower(), _visit(request, {}))
        return answer({})


def _visit(request: Request, query: Mapping[str, str]) -> Visit:
    return Visit(client_key(request), origin_of(request), query.get("redirect_to"), request.headers.get("referer"))


def _lead(url: str, status: int = 302) -> Response:
    # The address that led here must not travel on: it may hold a code.
    return Response(status_code=status, headers={"Location": url, "Cache-Control": "no-store", "Referrer-Policy": "no-referrer"})
