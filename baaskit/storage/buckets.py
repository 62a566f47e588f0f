"""Buckets: rows of `storage.buckets` under their policies; the service key manages them all."""

from __future__ import annotations

import re
from typing import Any

from sqlalchemy import delete, func, insert, select, update

from baaskit.errors.storage import AccessDenied, BucketNotEmpty, Duplicate, InvalidRequest, NoSuchBucket
from baaskit.kernel.database import Row, Script
from baaskit.storage.names import check_bucket
from baaskit.storage.rows import BUCKETS, Caller, visible

_MOST_BYTES = 2**53
_SIZE = re.compile(r"(\d{1,16})\s*(B|KB|MB|GB|TB)?", re.IGNORECASE)
_UNITS = {"": 1, "B": 1, "KB": 1000, "MB": 1000**2, "GB": 1000**3, "TB": 1000**4}
SORTABLE = ("id", "name", "created_at", "updated_at")


def size_limit(value: int | str | None) -> int | None:
    """Bytes of `file_size_limit`, which may be a number or `"20MB"`. Raises InvalidRequest."""
    if value is None:
        return None
    if isinstance(value, str):
        found = _SIZE.fullmatch(value.strip())
        if not found:
            raise InvalidRequest("file_size_limit must be a number of bytes or a size such as 20MB.")
        value = int(found[1]) * _UNITS[(found[2] or "").upper()]
    if not 0 <= value <= _MOST_BYTES:
        raise InvalidRequest(f"file_size_limit must be between 0 and {_MOST_BYTES} bytes.")
    return value


def create_bucket(caller: Caller, values: dict[str, Any]) -> Script[Row]:
    """Raises Duplicate, AccessDenied, InvalidBucketName."""
    t, access = caller.database.tables.buckets, caller.access(BUCKETS, "insert")
    check_bucket(values["id"])
    if access.denied:
        raise AccessDenied()
    if (yield select(t.c.id).where((t.c.id == values["id"]) | (t.c.name == values["name"]))):
        admitted = yield from caller.would_admit(t, {**values, "owner_id": caller.claims.uid}, access.check)
        raise Duplicate() if admitted else AccessDenied()  # who may not create it does not learn that it is there
    [row] = yield insert(t).values(owner_id=caller.claims.uid, **values).returning(t)
    yield from caller.admit(t, t.c.id == row["id"], [access.check])
    created: Row = row
    return created


def read_buckets(caller: Caller, *, limit: int | None, offset: int, column: str, descending: bool, search: str) -> Script[list[Row]]:
    t = caller.database.tables.buckets
    if column not in SORTABLE:
        raise InvalidRequest(f"Sort by one of: {', '.join(SORTABLE)}.")
    statement = (
        visible(caller, t, BUCKETS)
        .order_by(t.c[column].desc() if descending else t.c[column])
        .offset(offset)
        .limit(1000 if limit is None else limit)
    )
    if search:
        statement = statement.where(func.lower(t.c.name).contains(search.lower(), autoescape=True))
    rows: list[Row] = yield caller.step(statement)
    return rows


def read_bucket(caller: Caller, bucket: str) -> Script[Row]:
    """Raises NoSuchBucket, also for one that may not be seen."""
    found = yield caller.step(visible(caller, caller.database.tables.buckets, BUCKETS).where(caller.database.tables.buckets.c.id == bucket))
    if not found:
        raise NoSuchBucket()
    row: Row = found[0]
    return row


def update_bucket(caller: Caller, bucket: str, values: dict[str, Any]) -> Script[None]:
    t, access = caller.database.tables.buckets, caller.access(BUCKETS, "update")
    old = yield from read_bucket(caller, bucket)
    if access.denied:
        raise AccessDenied()
    yield from caller.admit(t, t.c.id == bucket, [access.using])
    yield update(t).where(t.c.id == bucket).values(updated_at=caller.now, **values)
    yield from caller.admit(t, t.c.id == bucket, [access.check], old)


def delete_bucket(caller: Caller, bucket: str) -> Script[None]:
    """Raises BucketNotEmpty: objects are never deleted by accident."""
    t, o = caller.database.tables.buckets, caller.database.tables.objects
    yield from _deletable(caller, bucket)
    if (yield select(o.c.id).where(o.c.bucket_id == bucket).limit(1)):
        raise BucketNotEmpty()
    yield delete(t).where(t.c.id == bucket)


def empty_bucket(caller: Caller, bucket: str) -> Script[list[str]]:
    """Delete all objects of a bucket; returns the keys of their bytes."""
    o = caller.database.tables.objects
    yield from _deletable(caller, bucket)
    gone = yield delete(o).where(o.c.bucket_id == bucket).returning(o.c.version)
    return [row["version"] for row in gone]


def _deletable(caller: Caller, bucket: str) -> Script[None]:
    t, access = caller.database.tables.buckets, caller.access(BUCKETS, "delete")
    yield from read_bucket(caller, bucket)
    if access.denied:
        raise AccessDenied()
    yield from caller.admit(t, t.c.id == bucket, [access.using])
