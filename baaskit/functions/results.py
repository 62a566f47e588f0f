"""What a function returned → status, headers and bytes (runs in the worker)."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import orjson

from baaskit.functions.api import Response

Rendered = tuple[int, list[list[str]], bytes]
_OPTIONS = orjson.OPT_NON_STR_KEYS


def render(value: Any) -> Rendered:
    """bytes → octet-stream, str → plain text, `Response` as it says, everything else → JSON. Raises TypeError."""
    if isinstance(value, Response):
        media, body = _content(value.content)
        headers = [[name.lower(), str(text)] for name, text in value.headers.items()]
        if not any(name == "content-type" for name, _ in headers):
            headers.append(["content-type", media])
        return value.status, headers, body
    media, body = _content(value)
    return 200, [["content-type", media]], body


def to_json(value: Any, *, exact: bool = False) -> bytes:
    """JSON of dataclasses, pydantic models, dates, UUIDs, decimals (as text, with `exact` as numbers in their own digits),
    sets and mappings. Raises TypeError."""
    return orjson.dumps(value, default=_exact if exact else _plain, option=_OPTIONS)


def _exact(value: Any) -> Any:
    if hasattr(value, "model_dump"):
        return value.model_dump()
    if isinstance(value, Decimal) and value.is_finite():
        return orjson.Fragment(str(value))
    return _plain(value)


def _content(content: Any) -> tuple[str, bytes]:
    if isinstance(content, (bytes, bytearray, memoryview)):
        return "application/octet-stream", bytes(content)
    if isinstance(content, str):
        return "text/plain; charset=utf-8", content.encode()
    return "application/json", to_json(content)


def _plain(value: Any) -> Any:
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, (set, frozenset, tuple)):
        return list(value)
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"a {type(value).__name__} has no JSON form")
