"""Files: `client.storage("photos")` is a bucket."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from mimetypes import guess_type
from typing import Any
from urllib.parse import quote, urlencode

from ._account import Account
from ._calls import Call
from ._flow import D, Driven, Flow, operation
from ._json import decode, encode
from ._ports import Progress

JSON = {"content-type": "application/json"}


@dataclass(frozen=True)
class StoredFile:
    """A file or, with `id` None, a folder in a listing. `size` in bytes; `name` is relative to the listed folder."""

    name: str
    id: str | None
    size: int
    content_type: str | None
    etag: str | None
    updated_at: str | None


class Bucket(Driven[D]):
    """The files of one bucket. Paths have no leading slash: `"seller-1/rex.jpg"`."""

    def __init__(self, driver: D, account: Account, name: str) -> None:
        super().__init__(driver)
        self._account = account
        self.name = name

    @operation
    def upload(
        self,
        path: str,
        source: Any,
        *,
        content_type: str | None = None,
        upsert: bool = False,
        cache_seconds: int = 3600,
        on_progress: Progress | None = None,
    ) -> Flow[str]:
        """Store a file; the result is its path. An existing one raises `Conflict`, unless `upsert`.

        `source`: bytes, a `pathlib.Path`, an open binary file; in the browser also a `File` or `Blob`, which is sent
        without being copied into Python. `on_progress(bytes_sent, bytes_in_all)` is called now and then and at the end.
        """
        headers = {
            "content-type": content_type or _guess(path, source),
            "cache-control": f"max-age={cache_seconds}",
            "x-upsert": "true" if upsert else "false",
        }
        call = Call("POST", self._object(path), headers, source=source, on_progress=on_progress, repeatable=upsert)
        yield from self._account.send(call)
        return path

    @operation
    def download(self, path: str) -> Flow[bytes]:
        """The bytes of a file. Raises `NotFound` also when the caller may not see it."""
        return (yield from self._account.send(Call("GET", self._object(path), repeatable=True))).body

    @operation
    def list(self, folder: str = "", *, limit: int = 100, offset: int = 0, search: str = "") -> Flow[list[StoredFile]]:
        """The files and folders directly in `folder`, by name."""
        body = {"prefix": folder, "limit": limit, "offset": offset, "search": search, "sortBy": {"column": "name", "order": "asc"}}
        call = Call("POST", f"/storage/v1/object/list/{quote(self.name, safe='')}", JSON, encode(body), repeatable=True)
        return [_listed(entry) for entry in decode((yield from self._account.send(call)))]

    @operation
    def remove(self, paths: Sequence[str]) -> Flow[Sequence[str]]:
        """Delete files; the result is the paths that were really deleted."""
        call = Call("DELETE", f"/storage/v1/object/{quote(self.name, safe='')}", JSON, encode({"prefixes": [*paths]}), repeatable=True)
        return [str(entry["name"]) for entry in decode((yield from self._account.send(call)))]

    @operation
    def signed_url(self, path: str, seconds: int) -> Flow[str]:
        """An address at which anyone can read the file for so many seconds."""
        call = Call("POST", self._object(path, "sign/"), JSON, encode({"expiresIn": seconds}), repeatable=True)
        answer = decode((yield from self._account.send(call)))
        # The server's address is relative to its storage service.
        return f"{self._account.url}/storage/v1{answer['signedURL']}"

    def public_url(self, path: str, *, download: str | None = None) -> str:
        """The address of a file in a public bucket. `download`: offer it for saving under this name. Asks no server."""
        tail = f"?{urlencode({'download': download})}" if download is not None else ""
        return f"{self._account.url}{self._object(path, 'public/')}{tail}"

    def _object(self, path: str, kind: str = "") -> str:
        return f"/storage/v1/object/{kind}{quote(self.name, safe='')}/{quote(path)}"


def _guess(path: str, source: Any) -> str:
    # A browser's File knows its own type.
    told = getattr(source, "type", None)
    return (told if isinstance(told, str) and told else None) or guess_type(path)[0] or "application/octet-stream"


def _listed(entry: dict[str, Any]) -> StoredFile:
    about = entry.get("metadata") or {}
    return StoredFile(
        entry["name"], entry.get("id"), int(about.get("size") or 0), about.get("mimetype"), about.get("eTag"), entry.get("updated_at")
    )
