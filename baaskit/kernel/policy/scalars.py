"""Canonical values: the one form in which literals, claims, rows in memory and rows on SQLite are compared.

uuid: lower case with dashes. timestamptz: UTC, `2026-01-01T10:00:00.12+00:00`, trailing zeros cut, so that text order
is time order; timestamp the same without offset; date ISO. Numbers are numbers, enums their label.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Any

from baaskit.kernel.schema import Type

SPACE = " \t\n\r\v\f"  # what PostgreSQL trims around numbers
_INT = re.compile(r"[+-]?[0-9]{1,18}\Z")
_NUMBER = re.compile(r"[+-]?([0-9]{1,30}(\.[0-9]{0,30})?|\.[0-9]{1,30})([eE][+-]?[0-9]{1,2})?\Z")
_UUID = re.compile(r"[0-9a-fA-F]{8}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{12}\Z")
_UUID_CANONICAL = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\Z")
_TRUE, _FALSE = {"t", "tr", "tru", "true", "y", "ye", "yes", "on", "1"}, {"f", "fa", "fal", "fals", "false", "n", "no", "of", "off", "0"}
_CANONICAL = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{0,5}[1-9])?\+00:00\Z")


def uuid_text(value: str) -> str | None:
    """The canonical text of a uuid, or None when it is not one."""
    if _UUID_CANONICAL.match(value):
        return value
    return str(uuid.UUID(value)) if _UUID.match(value) else None


def timestamptz_text(value: str | datetime) -> str:
    """Canonical text of a time; one without offset is UTC. Raises ValueError."""
    if isinstance(value, str):
        if _CANONICAL.match(value):
            return value
        if value in ("infinity", "-infinity"):
            return value
        value = datetime.fromisoformat(value)
    if value.tzinfo is None:
        value = value.replace(tzinfo=UTC)
    return _cut(value.astimezone(UTC).replace(tzinfo=None)) + "+00:00"


def timestamp_text(value: str) -> str:
    if value in ("infinity", "-infinity"):
        return value
    found = datetime.fromisoformat(value)
    if found.tzinfo is not None:
        raise ValueError("a timestamp has no offset")
    return _cut(found)


def date_text(value: str) -> str:
    return value if value in ("infinity", "-infinity") else date.fromisoformat(value).isoformat()


def _cut(value: datetime) -> str:
    text = value.isoformat()
    return text.rstrip("0") if "." in text else text


def from_text(text: str, type: Type) -> Any:
    """What `text::type` is, or None when the text does not fit (PostgreSQL would raise)."""
    bare = text.strip(SPACE)
    match type.family:
        case "int":
            return int(bare) if _INT.match(bare) else None
        case "numeric":
            return Decimal(bare) if _NUMBER.match(bare) else None
        case "float":
            return float(bare) if _NUMBER.match(bare) else None
        case "bool":
            return True if bare.lower() in _TRUE else False if bare.lower() in _FALSE else None
        case "uuid":
            return uuid_text(text)
        case "text":
            return text
        case _:
            return None


def literal(text: str, type: Type) -> Any:
    """The canonical value of a string literal that stands where `type` is wanted. Raises ValueError when it is none."""
    match type.family:
        case "timestamptz":
            return timestamptz_text(_iso(text))
        case "timestamp":
            return timestamp_text(_iso(text))
        case "date":
            return date_text(text.strip())
        case "enum":
            if text not in type.labels:
                raise ValueError(text)
            return text
        case _:
            found = from_text(text, type)
            if found is None:
                raise ValueError(text)
            return found


def _iso(text: str) -> str:
    """PostgreSQL's `2026-01-01 10:00:00+02` as ISO; only ISO forms are accepted."""
    return re.sub(r"([+-]\d\d)\Z", r"\1:00", text.strip().replace(" ", "T", 1)) if len(text.strip()) > 10 else text.strip()


def _number(value: Any) -> int | Decimal:
    """A numeric is exact: JSON's 0.1 is read as the decimal that it shows, not as the nearest double."""
    return value if isinstance(value, int) else Decimal(repr(value) if isinstance(value, float) else value)


def _integer(value: Any) -> int:
    return int(value)


def _json(value: Any) -> Any:
    return value


def _uuid(value: Any) -> str:
    found = uuid_text(value)
    if found is None:
        raise ValueError("not a uuid")
    return found


def _bool(value: Any) -> bool:
    if value is True or value is False:
        return bool(value)
    raise ValueError("not a boolean")


_LOADERS: Mapping[str, Callable[[Any], Any]] = {
    "int": _integer, "float": float, "numeric": _number, "bool": _bool, "uuid": _uuid, "timestamptz": timestamptz_text,
    "timestamp": timestamp_text, "date": date_text, "json": _json, "text": str, "enum": str,
}  # fmt: skip


def loader(type: Type) -> Callable[[Any], Any] | None:
    """How a value of a REST row becomes canonical; the row's NULL is never passed. None: the value may be used as it is."""
    if type.array:
        element = loader(Type(type.name, False, type.modifiers, type.labels))
        return None if element is None else lambda values: [None if v is None else element(v) for v in values]
    if type.name == "bpchar":
        return lambda value: value.rstrip(" ")
    return None if type.family in ("text", "enum") else _LOADERS.get(type.family)


def stored(value: Any, type: Type) -> Any:
    """A value of a REST row as SQLite keeps it (booleans 0/1, JSON and arrays as text)."""
    if value is None:
        return None
    load = loader(type)
    found = value if load is None else load(value)
    if type.array or type.family == "json":
        return json.dumps(found, ensure_ascii=False, default=str)
    if type.family == "bool":
        return int(found)
    return float(found) if isinstance(found, Decimal) else found


# Casts an author may write: from family → to families. Anything else is refused.
CASTS: Mapping[str, frozenset[str]] = {
    "text": frozenset({"text", "int", "numeric", "float", "bool", "uuid"}),
    "int": frozenset({"int", "numeric", "float", "text"}),
    "numeric": frozenset({"numeric", "float"}),
    "float": frozenset({"float"}),
    "bool": frozenset({"bool", "text"}),
    "uuid": frozenset({"uuid", "text"}),
    "enum": frozenset({"enum", "text"}),
    "date": frozenset({"date", "text", "timestamp", "timestamptz"}),
    "timestamp": frozenset({"timestamp", "timestamptz", "date"}),
    "timestamptz": frozenset({"timestamptz", "timestamp", "date"}),
    "json": frozenset({"json"}),
}


def cast(value: Any, source: Type, target: Type) -> Any:
    """A canonical, non-NULL value as another type. Times are cut in UTC."""
    match (source.family, target.family):
        case ("text", _):
            return from_text(value, target)
        case ("bool", "text"):
            return "true" if value else "false"
        case (_, "float"):
            return float(value)
        case ("int", "text"):
            return str(value)
        case ("timestamptz", "timestamp"):
            return value.removesuffix("+00:00")
        case ("timestamp", "timestamptz"):
            return value if value.endswith("infinity") else value + "+00:00"
        case ("date", "timestamp"):
            return value if value.endswith("infinity") else value + "T00:00:00"
        case ("date", "timestamptz"):
            return value if value.endswith("infinity") else value + "T00:00:00+00:00"
        case ("timestamptz" | "timestamp", "date"):
            return value if value.endswith("infinity") else value[:10]
        case _:
            return value


_EXACT = Context(prec=400, rounding=ROUND_HALF_UP)  # wide enough for every product the size cap of a policy allows


def arithmetic(op: str, left: Any, right: Any) -> Any:
    """Exact on ints and Decimals (floats from JSON are read by their shortest text); `/` and `%` only on ints, by zero None."""
    if isinstance(left, int) and isinstance(right, int):
        return _integer_arithmetic(op, left, right)
    one, two = (Decimal(repr(x)) if isinstance(x, float) else Decimal(x) for x in (left, right))
    return _EXACT.add(one, two) if op == "+" else _EXACT.subtract(one, two) if op == "-" else _EXACT.multiply(one, two)


def _integer_arithmetic(op: str, left: int, right: int) -> int | None:
    if op in "+-*":
        return left + right if op == "+" else left - right if op == "-" else left * right
    if right == 0:
        return None
    quotient = abs(left) // abs(right)
    quotient = quotient if (left < 0) == (right < 0) else -quotient
    return quotient if op == "/" else left - quotient * right


def float_arithmetic(op: str, left: float, right: float) -> float | None:
    """IEEE doubles; what PostgreSQL refuses (division by zero, overflow) is None."""
    if op == "/":
        found = left / right if right != 0 else float("inf")
    else:
        found = left + right if op == "+" else left - right if op == "-" else left * right
    return found if abs(found) != float("inf") and found == found else None


def lower(text: str) -> str:
    """Lower case, one character for one, as PostgreSQL's libc and builtin locales do."""
    return text.lower() if text.isascii() else "".join(low if len(low := c.lower()) == 1 else c for c in text)


def upper(text: str) -> str:
    return text.upper() if text.isascii() else "".join(up if len(up := c.upper()) == 1 else c for c in text)


def json_text(value: Any) -> str | None:
    """A JSON value as `->>` gives it: strings bare, the rest as PostgreSQL's jsonb prints it."""
    return value if value is None or isinstance(value, str) else json_printed(value)


def json_printed(value: Any) -> str:
    """A JSON value as jsonb prints it."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case float():
            return _plain(Decimal(repr(value)))
        case Decimal():
            return _plain(value)
        case str():
            return json.dumps(value, ensure_ascii=False)
        case list():
            return "[" + ", ".join(json_printed(v) for v in value) + "]"
        case _:
            keys = sorted(value, key=lambda k: (len(k.encode()), k.encode()))  # jsonb's order of keys
            return "{" + ", ".join(f"{json_printed(k)}: {json_printed(value[k])}" for k in keys) + "}"


def _plain(value: Decimal) -> str:
    return format(value, "f") if value == value else "NaN"


def json_get(value: Any, key: str | int) -> tuple[bool, Any]:
    """(found, value) of `value -> key`; a wrong kind of container finds nothing.

    A scalar counts as an array of one, as PostgreSQL's jsonb has it.
    """
    if isinstance(key, str) or isinstance(value, Mapping):
        return (key in value, value.get(key)) if isinstance(key, str) and isinstance(value, Mapping) else (False, None)
    items = value if isinstance(value, list) else [value]
    return (True, items[key]) if -len(items) <= key < len(items) else (False, None)


def folders(name: str) -> list[str] | None:
    return None if name == "" else name.split("/")[:-1]


def filename(name: str) -> str | None:
    return None if name == "" else name.split("/")[-1]


def extension(name: str) -> str | None:
    last = filename(name)
    return None if last is None else last.split(".")[-1]
