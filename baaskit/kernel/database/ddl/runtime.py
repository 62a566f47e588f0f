"""SQL functions in Python that the statements of a migration may use; they exist on the migration's connection only."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from typing import Any

import apsw

from baaskit.kernel.database.ddl.types import from_text
from baaskit.kernel.schema import Type


def register(link: apsw.Connection) -> None:
    """Add them to a connection."""
    for name, function in _FUNCTIONS.items():
        link.create_scalar_function(f"baaskit_{name}", _null_in_null_out(function), -1, deterministic=True)


def _null_in_null_out(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *values: None if any(v is None for v in values) else function(*values)


def _cast(text: str, kind: str, labels: str) -> Any:
    return from_text(str(text), Type.parse(kind, tuple(labels.split("\n")) if labels else ()))


def _pad(text: str, size: int, fill: str = " ", *, left: bool) -> str:
    missing = size - len(text)
    if missing <= 0:
        return text[: max(size, 0)]
    padding = (fill * missing)[:missing] if fill else ""
    return padding + text if left else text + padding


def _split_part(text: str, delimiter: str, part: int) -> str:
    parts = text.split(delimiter) if delimiter else [text]
    index = part - 1 if part > 0 else len(parts) + part
    return parts[index] if 0 <= index < len(parts) else ""


def _concat(left: str, right: str) -> str:
    one, two = json.loads(left), json.loads(right)
    joined = (
        {**one, **two}
        if isinstance(one, dict) and isinstance(two, dict)
        else (one if isinstance(one, list) else [one]) + (two if isinstance(two, list) else [two])
    )
    return json.dumps(joined, separators=(",", ":"), ensure_ascii=False)


def _contains(left: str, right: str) -> int:
    return int(contains(json.loads(left), json.loads(right)))


def contains(left: Any, right: Any) -> bool:
    """PostgreSQL's `@>`: every part of `right` is found in `left`."""
    if isinstance(left, dict) and isinstance(right, dict):
        return all(key in left and contains(left[key], value) for key, value in right.items())
    if isinstance(left, list):
        return all(any(contains(mine, other) for mine in left) for other in (right if isinstance(right, list) else [right]))
    return type(left) is type(right) and bool(left == right)


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "cast": _cast, "concat": _concat, "contains": _contains, "split_part": _split_part,
    "lpad": lambda text, size, fill=" ": _pad(text, size, fill, left=True), "rpad": lambda text, size, fill=" ": _pad(text, size, fill, left=False),
    "initcap": lambda text: re.sub(r"\w+", lambda m: m[0][:1].upper() + m[0][1:].lower(), text.replace("_", "_ ")).replace("_ ", "_"),
    "md5": lambda text: hashlib.md5(text.encode(), usedforsecurity=False).hexdigest(), "repeat": lambda text, times: text * max(times, 0),
    "reverse": lambda text: text[::-1], "regex": lambda text, pattern, flag: int(bool(re.search(pattern, text, re.IGNORECASE if flag else 0))),
}  # fmt: skip
