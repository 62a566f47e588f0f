"""Values to JSON and back: what columns hold beyond JSON's own types is written as the data API reads it."""

from __future__ import annotations

import dataclasses
import json
from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

from ._errors import UnreadableAnswer
from ._ports import Response


def plain(value: Any) -> Any:
    """A JSON value for what `json` cannot write. Raises `TypeError` for what has no agreed form."""
    match value:
        case Enum():
            return value.value
        case datetime() | date() | time():
            return value.isoformat()
        case UUID() | Decimal():
            return str(value)  # a number in a string keeps every digit; the server reads it by the column's type
        case bytes() | bytearray():
            return "\\x" + value.hex()
        case set() | frozenset():
            return list(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    # pydantic models, where the user brings pydantic
    if callable(dump := getattr(value, "model_dump", None)):
        return dump(mode="json")
    raise TypeError(f"{type(value).__name__} has no JSON form")


def encode(value: Any) -> bytes:
    """Compact UTF-8 JSON. NaN and infinities are refused with `ValueError`: they are not JSON."""
    return json.dumps(value, default=plain, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


def decode(response: Response) -> Any:
    """The JSON of an answer; None when it has no body. Raises `UnreadableAnswer`."""
    if not response.body:
        return None
    try:
        return json.loads(response.body)
    except ValueError as exc:
        raise UnreadableAnswer(f"The answer is not JSON: {response.body[:80]!r}", status=response.status) from exc
