"""What a bucket accepts: the size and the type of files. Asked of uploads, and of objects that come from another bucket."""

from __future__ import annotations

import re

from baaskit.errors.storage import EntityTooLarge, InvalidMimeType
from baaskit.kernel.database import Row

_TYPE = re.compile(r"[a-z0-9!#$&^_.+-]+/[a-z0-9!#$&^_.+-]+")


def check_type(content_type: str, allowed: list[str] | None) -> None:
    """Raises InvalidMimeType unless `allowed` (None: everything) has the type or its family (`image/*`)."""
    bare = content_type.split(";")[0].strip().lower()
    if not _TYPE.fullmatch(bare):
        raise InvalidMimeType(f"mime type {content_type[:100]!a} is not supported")
    if allowed and not any(bare == a.lower() or (a.endswith("/*") and bare.startswith(a[:-1].lower())) for a in allowed):
        raise InvalidMimeType(f"mime type {bare} is not supported")


def check_object(bucket: Row, row: Row) -> None:
    """Raises EntityTooLarge or InvalidMimeType if `bucket` would not have taken the stored object as an upload."""
    if bucket["file_size_limit"] is not None and row["metadata"]["size"] > bucket["file_size_limit"]:
        raise EntityTooLarge()
    check_type(row["metadata"]["mimetype"], bucket["allowed_mime_types"])
