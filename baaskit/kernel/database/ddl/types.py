"""PostgreSQL's types on SQLite: how a column is declared, which values it admits, and text turned into stored values."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any
from uuid import UUID

from baaskit.kernel.schema import Family, Type

TEXT, INT, BIGINT, FLOAT, NUMERIC, BOOL = Type("text"), Type("int4"), Type("int8"), Type("float8"), Type("numeric"), Type("bool")
UUID_, TIMESTAMPTZ, TIMESTAMP, DATE, TIME = Type("uuid"), Type("timestamptz"), Type("timestamp"), Type("date"), Type("time")
JSONB, JSON_, BYTEA, INTERVAL = Type("jsonb"), Type("json"), Type("bytea"), Type("interval")

_DECLARED: dict[Family, str] = {
    "int": "INTEGER", "float": "REAL", "numeric": "NUMERIC", "text": "TEXT", "bool": "BOOLEAN", "uuid": "TEXT", "timestamptz": "TEXT",
    "timestamp": "TEXT", "date": "TEXT", "time": "TEXT", "json": "TEXT", "bytea": "BLOB", "enum": "TEXT",
}  # fmt: skip
_RANGES = {"int2": 2**15, "int4": 2**31, "int8": 2**63}
LONG_NAMES = {
    "int2": "smallint", "int4": "integer", "int8": "bigint", "float4": "real", "float8": "double precision", "bool": "boolean",
    "varchar": "character varying", "bpchar": "character", "timestamptz": "timestamp with time zone",
    "timestamp": "timestamp without time zone", "time": "time without time zone", "timetz": "time with time zone",
}  # fmt: skip


def quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def literal(value: str | int | float | bytes | None) -> str:
    """A Python value as SQLite writes it."""
    if value is None:
        return "NULL"
    if isinstance(value, bytes):
        return f"x'{value.hex()}'"
    if isinstance(value, str):
        if "\0" in value:
            raise ValueError("a text cannot hold a zero byte")
        return "'" + value.replace("'", "''") + "'"
    return repr(value)


def supported(kind: Type) -> bool:
    return (kind.family in _DECLARED) and kind.name not in ("timetz", "inet", "citext", "oid", "name")


def declared(kind: Type) -> str:
    """The type in CREATE TABLE; it only sets the affinity, the checks do the rest."""
    return "TEXT" if kind.array else _DECLARED[kind.family]


def check(kind: Type, column: str) -> str | None:
    """What a stored value must satisfy, in built-in SQLite; None when the affinity says it all. Cheap by intent."""
    # `IS NULL OR`: before SQLite 3.41 json_valid(NULL) was 0, and another program's SQLite may be as old.
    if kind.array:
        return f"{column} IS NULL OR json_valid({column}) AND json_type({column}) = 'array'"
    family, limits = kind.family, [int(m) for m in kind.modifiers.split(",") if m.strip().isdigit()]
    if family == "enum":
        return f"{column} IN ({', '.join(literal(label) for label in kind.labels)})"
    if family == "int":
        bound = _RANGES[kind.name]
        if kind.name == "int8":
            return f"typeof({column}) IN ('integer', 'null')"
        return f"typeof({column}) IN ('integer', 'null') AND {column} BETWEEN {-bound} AND {bound - 1}"
    if family == "text":
        return f"length({column}) <= {limits[0]}" if limits else None
    if family == "numeric":
        whole = f" AND abs({column}) < 1e{limits[0] - (limits[1] if len(limits) > 1 else 0)}" if limits else ""
        return f"typeof({column}) IN ('integer', 'real', 'null'){whole}"
    shapes = {"timestamptz": "????-??-??T??:??:??*+00:00", "timestamp": "????-??-??T??:??:??*", "date": "????-??-??", "time": "??:??:??*"}
    if family in shapes:
        return f"{column} GLOB '{shapes[family]}'"
    plain = {
        "float": f"typeof({column}) IN ('real', 'null')", "bool": f"{column} IN (0, 1)", "uuid": f"length({column}) = 36",
        "json": f"{column} IS NULL OR json_valid({column})", "bytea": f"typeof({column}) IN ('blob', 'null')",
    }  # fmt: skip
    return plain.get(family)


def long_name(kind: Type) -> str:
    """PostgreSQL's word for a type in its messages."""
    return LONG_NAMES.get(kind.name, kind.name) + (f"({kind.modifiers})" if kind.modifiers else "") + ("[]" if kind.array else "")


class BadValue(ValueError):
    """A text that is no value of a type, in PostgreSQL's words."""

    def __init__(self, kind: Type, text: str, message: str | None = None) -> None:
        word = "enum " + kind.name if kind.labels else "json" if kind.family == "json" else long_name(Type(kind.name))
        super().__init__(message or f'invalid input syntax for type {word}: "{text[:100]}"')


def from_text(text: str, kind: Type) -> str | int | float | bytes:
    """The stored form of a PostgreSQL literal: `('2026-01-01', timestamptz)` → `2026-01-01T00:00:00+00:00`. Raises BadValue."""
    if kind.array:
        return json.dumps(_array(text, kind), separators=(",", ":"), ensure_ascii=False)
    try:
        return _READERS[kind.family](text, kind)
    except (ValueError, ArithmeticError, KeyError) as error:
        raise error if isinstance(error, BadValue) else BadValue(kind, text) from None


def _integer(text: str, kind: Type) -> int:
    if not re.fullmatch(r"\s*[+-]?\d+\s*", text):
        raise BadValue(kind, text)
    return in_range(int(text), kind)


def in_range(value: int, kind: Type) -> int:
    bound = _RANGES[kind.name]
    if not -bound <= value < bound:
        raise BadValue(kind, "", f"value {value} is out of range for type {long_name(Type(kind.name))}")
    return value


def _float(text: str, kind: Type) -> float:
    value = float(text)
    if math.isnan(value) or math.isinf(value):
        raise BadValue(kind, text, f"{text} cannot be stored on SQLite")
    return value


def _numeric(text: str, kind: Type) -> int | float:
    try:
        value = Decimal(text.strip())
    except InvalidOperation:
        raise BadValue(kind, text) from None
    if not value.is_finite():
        raise BadValue(kind, text, f"{text} cannot be stored on SQLite")
    if kind.modifiers:
        precision, _, scale = kind.modifiers.partition(",")
        value = value.quantize(Decimal(1).scaleb(-int(scale or 0)), rounding="ROUND_HALF_UP")
        if abs(value) >= Decimal(10) ** (int(precision) - int(scale or 0)):
            raise BadValue(kind, text, "numeric field overflow")
    return int(value) if value == value.to_integral_value() else float(value)


def _text(text: str, kind: Type) -> str:
    limit = kind.modifiers
    if limit and len(text) > int(limit):
        if text[int(limit) :].strip(" "):
            raise BadValue(kind, text, f"value too long for type {long_name(kind)}")
        text = text[: int(limit)]
    return text


def _bool(text: str, kind: Type) -> int:
    word = text.strip().lower()
    for value, names in ((1, ("true", "yes", "on", "1")), (0, ("false", "no", "off", "0"))):
        if word and any(name.startswith(word) for name in names) and word != "o":
            return value
    raise BadValue(kind, text)


def _uuid(text: str, kind: Type) -> str:
    if not re.fullmatch(r"\{?[0-9a-fA-F]{4}(-?[0-9a-fA-F]{4}){7}\}?", text.strip()):
        raise BadValue(kind, text)
    return str(UUID(text.strip()))


def _moment(text: str) -> datetime:
    """ISO 8601 and the forms close to it that PostgreSQL prints and people write."""
    found = re.fullmatch(
        r"\s*(\d{4})-(\d{1,2})-(\d{1,2})(?:[T ]\s*(\d{1,2}):(\d{2})(?::(\d{2})(\.\d{1,9})?)?)?\s*(z|utc|[+-]\d{1,2}(?::?\d{2})?)?\s*",
        text.lower().replace("t", "T"), re.IGNORECASE,
    )  # fmt: skip
    if text.strip().lower() == "epoch":
        return datetime(1970, 1, 1, tzinfo=UTC)
    if not found:
        raise ValueError(text)
    year, month, day, hour, minute, second = (int(part or 0) for part in found.groups()[:6])
    micros = round(float(found[7] or 0) * 1_000_000)
    zone, offset = found[8] or "", timedelta()
    if zone[:1] in "+-" and zone:
        digits = zone[1:].replace(":", "")
        offset = timedelta(hours=int(digits[:2]), minutes=int(digits[2:] or 0)) * (-1 if zone[0] == "-" else 1)
    days = timedelta(days=1) if hour == 24 and minute == second == 0 else timedelta()
    value = datetime(year, month, day, 0 if days else hour, minute, second) + days + timedelta(microseconds=micros)
    return (value - offset).replace(tzinfo=UTC)


def moment_text(value: datetime) -> str:
    """`2026-01-01T10:00:00.12`, without offset."""
    fraction = f".{value.microsecond:06d}".rstrip("0").rstrip(".")
    return value.strftime("%Y-%m-%dT%H:%M:%S").rjust(19, "0") + fraction


def _timestamp(text: str, kind: Type) -> str:
    without_zone = re.sub(r"(?<=[\d:.])\s*(z|utc|[+-]\d{1,2}(:?\d{2})?)\s*$", "", text, flags=re.IGNORECASE) if ":" in text else text
    return moment_text(_moment(without_zone))


def _time(text: str, kind: Type) -> str:
    value = time.fromisoformat(text.strip().zfill(5) if text.strip().count(":") else text.strip())
    fraction = f".{value.microsecond:06d}".rstrip("0").rstrip(".")
    return value.strftime("%H:%M:%S") + fraction


def _json(text: str, kind: Type) -> str:
    value = json.loads(text, parse_constant=_no_constant)
    return text if kind.name == "json" else json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _no_constant(word: str) -> Any:
    raise ValueError(word)


def _bytea(text: str, kind: Type) -> bytes:
    return bytes.fromhex(text[2:]) if text.startswith("\\x") else text.encode()


def _enum(text: str, kind: Type) -> str:
    if text not in kind.labels:
        raise BadValue(kind, text, f'invalid input value for enum {kind.name}: "{text[:100]}"')
    return text


_READERS: dict[str, Callable[[str, Type], str | int | float | bytes]] = {
    "int": _integer, "float": _float, "numeric": _numeric, "text": _text, "bool": _bool, "uuid": _uuid,
    "timestamptz": lambda text, kind: moment_text(_moment(text)) + "+00:00", "timestamp": _timestamp,
    "date": lambda text, kind: date.isoformat(_moment(text).date()), "time": _time, "json": _json, "bytea": _bytea, "enum": _enum,
}  # fmt: skip


def _array(text: str, kind: Type) -> list[Any]:
    """`{a,"b c",NULL,{1,2}}` → Python lists of JSON values."""
    tokens = re.findall(r'\s*(?:"((?:[^"\\]|\\.)*)"|([{},])|((?:[^{},"\\]|\\.)+))', text, flags=re.DOTALL)
    if "".join(text.split()) == "{}":
        return []
    stack: list[list[Any]] = [[]]
    for quoted, mark, bare in tokens:
        if mark == "{":
            stack.append([])
        elif mark == "}":
            if len(stack) < 2:
                raise BadValue(kind, text, f'malformed array literal: "{text[:100]}"')
            done = stack.pop()
            stack[-1].append(done)
        elif mark != ",":
            stack[-1].append(
                None if not quoted and bare.strip().upper() == "NULL" else _element(re.sub(r"\\(.)", r"\1", quoted or bare.strip()), kind)
            )
    if len(stack) != 1 or len(stack[0]) != 1 or not isinstance(stack[0][0], list):
        raise BadValue(kind, text, f'malformed array literal: "{text[:100]}"')
    return stack[0][0]


def _element(text: str, kind: Type) -> Any:
    element = Type(kind.name, False, kind.modifiers, kind.labels)
    stored = from_text(text, element)
    if element.family == "bool":
        return bool(stored)
    if element.family == "json":
        return json.loads(str(stored))
    return f"\\x{stored.hex()}" if isinstance(stored, bytes) else stored
