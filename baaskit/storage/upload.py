"""An upload: rights first, then bytes, then the row. No reader ever sees a row without bytes, and a failure keeps neither."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from starlette.requests import Request

from baaskit.errors.storage import EntityTooLarge
from baaskit.kernel.database import Row, Script
from baaskit.kernel.kit import Kit
from baaskit.storage.blobs import Blobs, Stored
from baaskit.storage.body import UploadBody
from baaskit.storage.rows import Caller, NewObject, bucket_to_fill, put_object
from baaskit.storage.rules import check_object, check_type


class _Rehearsed(Exception):
    """Ends a rehearsal: everything it did is rolled back."""


class Uploads:
    def __init__(self, kit: Kit, blobs: Blobs) -> None:
        self._database, self._blobs, self._limit = kit.database, blobs, kit.settings.max_upload_bytes

    async def store(self, request: Request, caller: Caller, bucket: str, name: str, *, upsert: bool) -> Row:
        """Store the request's file as `bucket/name`. Raises NoSuchBucket, AccessDenied, Duplicate before any byte is
        read, EntityTooLarge, InvalidMimeType."""
        rules = await self.rehearse(caller, bucket, name, upsert)
        limit = min(self._limit, rules["file_size_limit"] or self._limit)
        if int(request.headers.get("content-length") or 0) > limit + 64 * 1024:  # a form has some bytes around its file
            raise EntityTooLarge()
        body = UploadBody(request)
        stored = await self._blobs.put(_whole(body), limit)
        try:
            check_type(body.content_type, rules["allowed_mime_types"])
            return await self._finish(
                caller, NewObject(bucket, name, stored.key, _metadata(body, stored, caller), body.user_metadata), upsert
            )
        except BaseException:
            await self._blobs.delete([stored.key])
            raise

    async def rehearse(self, caller: Caller, bucket: str, name: str, upsert: bool) -> Row:
        """The bucket's row, once an upload of an empty file would be allowed."""

        def script() -> Script[None]:
            rules = yield from bucket_to_fill(caller, bucket)
            yield from put_object(caller, NewObject(bucket, name, "", {"size": 0, "mimetype": "", "eTag": ""}), upsert=upsert)
            raise _Rehearsed(rules)

        try:
            await self._database.run(script)
        except _Rehearsed as answer:
            rules: Row = answer.args[0]
        return rules

    async def copy(self, caller: Caller, source: Row, bucket: str, name: str, *, upsert: bool) -> Row:
        """The object `source`, which the caller may read, again as `bucket/name`."""
        check_object(await self.rehearse(caller, bucket, name, upsert), source)
        key = await self._blobs.copy(source["version"])
        try:
            return await self._finish(caller, NewObject(bucket, name, key, source["metadata"], source["user_metadata"]), upsert)
        except BaseException:
            await self._blobs.delete([key])
            raise

    async def _finish(self, caller: Caller, new: NewObject, upsert: bool) -> Row:
        row, replaced = await self._database.run(lambda: put_object(caller, new, upsert=upsert))
        if replaced:
            await self._blobs.delete([replaced])
        return row


async def _whole(body: UploadBody) -> AsyncIterator[bytes]:
    async for piece in body.pieces():
        yield piece


def _metadata(body: UploadBody, stored: Stored, caller: Caller) -> dict[str, Any]:
    """What listings and downloads show; the names are those of the clients."""
    modified = caller.now.strftime("%Y-%m-%dT%H:%M:%S.000Z")
    return {
        "eTag": stored.etag, "size": stored.size, "mimetype": body.content_type, "cacheControl": body.cache_control,
        "lastModified": modified, "contentLength": stored.size, "httpStatusCode": 200,
    }  # fmt: skip
