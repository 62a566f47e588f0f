"""Requests of the protocol whose feature this server does not have switched on: each gets the protocol's own error."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from fastapi import APIRouter
from starlette.responses import Response

from baaskit.errors.auth import FeatureDisabled

_NO_PASSKEYS = (404, "mfa_webauthn_enroll_not_enabled", "Passkeys are disabled")
_NO_SAML = (404, "saml_provider_disabled", "SAML 2.0 is disabled")

# (methods, path, status, code, message)
_DISABLED = (
    ("GET POST PATCH DELETE", "/passkeys{rest:path}", *_NO_PASSKEYS),
    ("POST", "/sso", *_NO_SAML),
)


def add_disabled(router: APIRouter) -> None:
    """Answer all of them on `router`; they are not part of the API's description."""
    for methods, path, status, code, message in _DISABLED:
        router.add_api_route(path, _refusal(status, code, message), methods=methods.split(), include_in_schema=False)


def _refusal(status: int, code: str, message: str) -> Callable[[], Awaitable[Response]]:
    async def refuse() -> Response:
        raise FeatureDisabled(status, code, message)

    return refuse
