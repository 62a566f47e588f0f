"""An object's bytes as an HTTP answer: ranges, validators, and headers that keep a stranger's file inert."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from baaskit.errors.storage import InvalidRange
from baaskit.storage.blobs import Blobs

# Shown in the page; everything else is a download, so that no upload runs in our origin (security F3).
_INLINE = re.compile(
    r"image/(png|jpeg|gif|webp|avif|bmp|x-icon|svg\+xml)|(audio|video)/[a-z0-9.+-]+|text/plain|text/csv|application/(json|pdf)",
    re.IGNORECASE,
)
# A sandbox without scripts: even an SVG or PDF opened directly can neither run nor read anything of this origin.
_INERT = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; media-src 'self'; sandbox",
    "X-Robots-Tag": "none",
    "Cross-Origin-Resource-Policy": "cross-origin",
}
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


def respond(request: Request, row: dict[str, Any], blobs: Blobs) -> Response:
    """The answer to GET or HEAD of the object in `row`."""
    meta = row["metadata"]
    size, etag = int(meta["size"]), meta["eTag"]
    headers = {
        **_INERT,
        "ETag": etag,
        "Last-Modified": format_datetime(_moment(row["updated_at"]), usegmt=True),
        "Cache-Control": meta.get("cacheControl") or "no-cache",
        "Accept-Ranges": "bytes",
        "Content-Type": _shown_type(meta["mimetype"]),
        "Content-Disposition": _disposition(request, row["name"], meta["mimetype"]),
    }
    if _matches(request.headers.get("if-none-match"), etag):
        return Response(status_code=304, headers={k: v for k, v in headers.items() if k not in ("Content-Type", "Content-Disposition")})
    start, end, status = 0, size, 200
    if (wanted := request.headers.get("range")) and _fresh(request, etag):
        start, end = _range(wanted, size)
        status = 206
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
    headers["Content-Length"] = str(end - start)
    if request.method == "HEAD":
        return Response(status_code=status, headers=headers)
    return StreamingResponse(blobs.read(row["version"], start, end), status, headers)


def _moment(value: datetime) -> datetime:
    return value.astimezone(UTC)


def _shown_type(mimetype: str) -> str:
    """Markup is served as text: a browser must never build a page from an upload."""
    bare = mimetype.split(";")[0].strip().lower()
    return "text/plain" if bare in ("text/html", "application/xhtml+xml", "text/xml", "application/xml") else mimetype


def _disposition(request: Request, name: str, mimetype: str) -> str:
    base = name.rsplit("/", 1)[-1]
    asked = request.query_params.get("download")
    if asked is None:
        kind = "inline" if _INLINE.fullmatch(mimetype.split(";")[0].strip()) else "attachment"
    else:
        kind, base = "attachment", asked or base
    return f"{kind}; filename*=UTF-8''{quote(base, safe='')}"


def _matches(header: str | None, etag: str) -> bool:
    if header is None:
        return False
    known = [part.strip().removeprefix("W/") for part in header.split(",")]
    return "*" in known or etag in known


def _fresh(request: Request, etag: str) -> bool:
    """Whether a Range may be honoured: If-Range names this version or is absent (RFC 9110 §13.1.5)."""
    condition = request.headers.get("if-range")
    return condition is None or condition == etag


def _range(header: str, size: int) -> tuple[int, int]:
    """(start, end) exclusive. One range only; several or malformed ones are refused. Raises InvalidRange."""
    found = _RANGE.fullmatch(header.strip())
    if not found or found.groups() == ("", ""):
        raise InvalidRange()
    first, last = found.groups()
    if first == "":
        start, end = max(0, size - int(last)), size
    else:
        start, end = int(first), min(size, int(last) + 1) if last else size
    if start >= end:
        raise InvalidRange(headers={"Content-Range": f"bytes */{size}"})
    return start, end
