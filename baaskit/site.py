"""Static hosting of a project's `public/` folder at `/`: the app beside its backend, one process to run.

Files are looked up once at start and again when the folder changes; no request path ever reaches the file system. A file
with a `.br` or `.gz` twin is sent compressed to clients that accept it.
"""

from __future__ import annotations

import hashlib
import mimetypes
from dataclasses import dataclass
from pathlib import Path

from baaskit.wire import Receive, Scope, Send

_TYPES = {
    ".wasm": "application/wasm",
    ".mjs": "text/javascript; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".svg": "image/svg+xml",
    ".webmanifest": "application/manifest+json",
    ".py": "text/x-python; charset=utf-8",
    ".whl": "application/octet-stream",
}
_PIECE = 1 << 20  # bytes sent at a time
_SECURITY = [(b"x-content-type-options", b"nosniff"), (b"referrer-policy", b"strict-origin-when-cross-origin")]


@dataclass(frozen=True, slots=True)
class _File:
    path: Path
    etag: bytes
    kind: bytes
    encoded: tuple[tuple[bytes, Path], ...]  # (content-encoding, file), best first


class Site:
    """Serves one folder. `index.html` stands for its folder. Paths under `vendor/<name>-<version>/` are immutable."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()
        self._files: dict[Path, _File] = {}
        self._seen: dict[Path, tuple[int, int]] = {}

    def has(self, scope: Scope) -> bool:
        """Whether the request is for a file of this site."""
        return scope["method"] in ("GET", "HEAD") and self._find(scope["path"]) is not None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        file = self._find(scope["path"])
        assert file is not None  # `has` said so
        wanted = dict(scope["headers"])
        path, headers = file.path, [(b"content-type", file.kind), (b"etag", file.etag), (b"vary", b"accept-encoding"), *_SECURITY]
        headers.append((b"cache-control", b"public, max-age=31536000, immutable" if "/vendor/" in scope["path"] else b"no-cache"))
        if wanted.get(b"if-none-match") == file.etag:
            await send({"type": "http.response.start", "status": 304, "headers": headers})
            await send({"type": "http.response.body", "body": b""})
            return
        accepted = wanted.get(b"accept-encoding", b"")
        for encoding, twin in file.encoded:
            if encoding in accepted:
                path = twin
                headers.append((b"content-encoding", encoding))
                break
        headers.append((b"content-length", b"%d" % path.stat().st_size))
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        if scope["method"] == "HEAD":
            await send({"type": "http.response.body", "body": b""})
            return
        with path.open("rb") as stream:
            while piece := stream.read(_PIECE):
                await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    def _find(self, path: str) -> _File | None:
        """The file of a request path. Only names inside the folder can match: the path is resolved and compared."""
        relative = path.lstrip("/")
        if relative == "" or relative.endswith("/"):
            relative += "index.html"
        if "\0" in relative or any(part in ("..", ".") or part.startswith(".") for part in relative.split("/")):
            return None
        try:
            target = (self._folder / relative).resolve()
            if not target.is_relative_to(self._folder) or not target.is_file():
                return None
            state = target.stat()
        except (OSError, RuntimeError, ValueError):  # a name too long, links in a circle, text that no file name can hold
            return None
        stamp = (state.st_mtime_ns, state.st_size)
        if self._seen.get(target) != stamp:
            self._files[target], self._seen[target] = _describe(target, stamp), stamp
        return self._files[target]  # by file: of one file there are many spellings


def _describe(target: Path, stamp: tuple[int, int]) -> _File:
    kind = _TYPES.get(target.suffix) or mimetypes.guess_type(target.name)[0] or "application/octet-stream"
    tag = hashlib.sha256(repr((target.name, stamp)).encode()).hexdigest()[:20]
    twins: list[tuple[bytes, Path]] = []
    for encoding, suffix in ((b"br", ".br"), (b"gzip", ".gz")):
        twin = target.with_name(target.name + suffix)
        if twin.is_file() and twin.stat().st_mtime_ns >= stamp[0]:
            twins.append((encoding, twin))
    return _File(target, f'"{tag}"'.encode(), kind.encode(), tuple(twins))
