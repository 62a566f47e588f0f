"""Which names buckets and objects may have. Names never become file names: bytes are kept under random keys."""

from __future__ import annotations

import re

from baaskit.errors.storage import InvalidBucketName, InvalidKey

_KEY = re.compile(r"[A-Za-z0-9_/!\-.*'()&$@=;:+,? ]{1,1024}")
_BUCKET = re.compile(r"[A-Za-z0-9_!\-.*'()&$@=;:+,? ]{1,100}")


def check_key(name: str) -> str:
    """`name` if it may be an object's. Raises InvalidKey for `..`, empty segments and characters outside the set."""
    if not _KEY.fullmatch(name) or any(part in ("", ".", "..") for part in name.split("/")):
        raise InvalidKey(f"Invalid key: {name[:200]!a}")
    return name


def check_bucket(name: str) -> str:
    """`name` if it may be a bucket's. Raises InvalidBucketName."""
    if not _BUCKET.fullmatch(name) or name.strip() != name or set(name) <= {"."}:
        raise InvalidBucketName()
    return name
