"""The console's page at `/console`: built assets from this package, under a strict content security policy."""

from __future__ import annotations

import gzip
import mimetypes
import secrets
from functools import lru_cache
from pathlib import Path

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from baaskit.errors import NotFound

STATIC = Path(__file__).parent / "static"
NONCE_PLACE = "__CSP_NONCE__"  # vite.config.ts puts it into index.html; the editor's own style sheets carry the nonce
_PACKED = {".js", ".css", ".svg", ".md", ".txt"}
_HASHED_CACHE = "public, max-age=31536000, immutable"
_TYPES = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml", ".woff2": "font/woff2"}

_SECURITY = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


def content_security_policy(nonce: str) -> str:
    """No foreign origin, no inline script, no eval, no frame around us, no string turned into markup."""
    return "; ".join(
        [
            "default-src 'self'",
            "script-src 'self'",
            f"style-src 'self' 'nonce-{nonce}'",
            "img-src 'self' data: blob:",
            "connect-src 'self'",
            "font-src 'self'",
            "object-src 'none'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
            "require-trusted-types-for 'script'",
        ]
    )


def page() -> APIRouter:
    """Routes of the single-page app: hashed assets for ever, anything else its index, never cached.

    Raises FileNotFoundError at start when the assets were not built, rather than answering 404 later.
    """
    index = (STATIC / "index.html").read_text(encoding="utf-8")
    files = _known_files()
    router = APIRouter(include_in_schema=False)

    @router.get("/console")
    async def without_slash() -> Response:
        return RedirectResponse("/console/", status_code=308, headers=_SECURITY)

    @router.get("/console/{path:path}")
    @router.head("/console/{path:path}")
    async def file_or_index(path: str, request: Request) -> Response:
        if path in files and path != "index.html":
            cache = _HASHED_CACHE if path.startswith("assets/") else "no-cache"
            packed = "gzip" in request.headers.get("accept-encoding", "") and files[path].suffix in _PACKED
            media_type, body = _read(files[path], packed)
            headers = {**_SECURITY, "Cache-Control": cache, "Vary": "Accept-Encoding"}
            return Response(body, media_type=media_type, headers=headers | ({"Content-Encoding": "gzip"} if packed else {}))
        if path.startswith("assets/") or "." in path.rsplit("/", 1)[-1]:
            raise NotFound()  # a stale page asks for an asset of another build: never answer it with markup
        nonce = secrets.token_urlsafe(16)
        headers = {**_SECURITY, "Cache-Control": "no-cache", "Content-Security-Policy": content_security_policy(nonce)}
        return Response(index.replace(NONCE_PLACE, nonce), media_type="text/html", headers=headers)

    return router


def _known_files() -> dict[str, Path]:
    """Relative path → file. Only these are ever opened, so no request path reaches the file system."""
    return {file.relative_to(STATIC).as_posix(): file for file in STATIC.rglob("*") if file.is_file()}


@lru_cache(maxsize=256)
def _read(file: Path, packed: bool) -> tuple[str, bytes]:
    kind = _TYPES.get(file.suffix) or mimetypes.guess_type(file.name)[0] or "application/octet-stream"
    body = file.read_bytes()
    return kind, gzip.compress(body, mtime=0) if packed else body
