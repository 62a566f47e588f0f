"""Who stands behind an admin request: cookie, same origin, known host; and the short-lived token for the other APIs."""

from __future__ import annotations

import ipaddress
import time
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from fastapi import Request, Response

from baaskit.console.admins import Admin, AdminSession, session_of
from baaskit.errors.console import ForeignOrigin, NotPermitted, NotSignedIn
from baaskit.kernel.kit import Kit

COOKIE = "baaskit_admin"
COOKIE_PATH = "/admin/v1"
TOKEN_SECONDS = 600
AUDIENCE = "baaskit:console"


async def admin_session(kit: Kit, request: Request) -> AdminSession:
    """The session of the request's cookie. Raises ForeignOrigin, NotSignedIn."""
    check_origin(kit, request)
    secret = request.cookies.get(COOKIE)
    if not secret:
        raise NotSignedIn()
    return await session_of(kit, secret)


async def writer(kit: Kit, request: Request) -> Admin:
    """The admin behind a request that changes something. Raises NotPermitted for viewers."""
    session = await admin_session(kit, request)
    if not session.admin.may_write:
        raise NotPermitted()
    return session.admin


def check_origin(kit: Kit, request: Request) -> None:
    """Refuse what another site's page may have sent, and names that were re-bound to a loopback server."""
    host = request.headers.get("host", "").lower()
    if not _host_known(kit, host):
        raise ForeignOrigin(hint="Open the console under the server's own address, or set public_url.")
    origin = request.headers.get("origin")
    site = request.headers.get("sec-fetch-site")
    if origin is not None:
        if _netloc(origin) not in {host, _public_host(kit)} - {""}:
            raise ForeignOrigin()
    elif site not in (None, "same-origin", "none"):
        raise ForeignOrigin()
    elif site is None and request.method not in ("GET", "HEAD"):
        raise ForeignOrigin(hint="Send an Origin header with the address of this server.")


def service_token(kit: Kit, session: AdminSession) -> dict[str, Any]:
    """A token with which the console's page calls the data and auth APIs; the page keeps it in memory only.

    `{"token": …, "expires_at": unix seconds}`. It ends with the session and at the latest after `TOKEN_SECONDS`.
    """
    now = int(time.time())
    expires = min(now + TOKEN_SECONDS, int(session.ends.timestamp()))
    claims = {
        "iss": "baaskit",
        "aud": AUDIENCE,
        "role": "service_role",
        "admin": {"id": session.admin.id, "role": session.admin.role},
        "session_id": session.id,
        "iat": now,
        "exp": expires,
    }
    return {"token": kit.keys.sign(claims), "expires_at": expires}


def set_cookie(request: Request, response: Response, session: AdminSession, secret: str) -> None:
    seconds = int((session.ends - datetime.now(UTC)).total_seconds())
    response.set_cookie(COOKIE, secret, max_age=seconds, path=COOKIE_PATH, httponly=True, samesite="strict", secure=_is_https(request))


def clear_cookie(request: Request, response: Response) -> None:
    response.delete_cookie(COOKIE, path=COOKIE_PATH, httponly=True, samesite="strict", secure=_is_https(request))


def _is_https(request: Request) -> bool:
    """A proxy that ends TLS is believed only to raise the protection, so anyone may send the header."""
    origin = request.headers.get("origin", "")
    return request.url.scheme == "https" or origin.startswith("https://")


def _host_known(kit: Kit, host: str) -> bool:
    """A loopback server answers to loopback names and its public address; one on the network to any name."""
    if not _is_loopback(kit.settings.host):
        return bool(host)
    return bool(host) and (host == _public_host(kit) or _is_loopback(_name_of(host)))


def _public_host(kit: Kit) -> str:
    return _netloc(kit.settings.public_url or "")


def _netloc(address: str) -> str:
    """Host and port of an address as somebody sent it; empty if it is none."""
    try:
        return urlsplit(address).netloc.lower()
    except ValueError:
        return ""


def _name_of(host: str) -> str:
    """The name in a Host header without its port; empty if it is none."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _is_loopback(name: str) -> bool:
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return False
