"""`value::type` on SQLite: PostgreSQL's explicit casts between stored forms, with its refusals. Not for the casts that SQL itself can do."""

from __future__ import annotations

import json
from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal
from functools import lru_cache
from typing import Any

import orjson

from baaskit.errors.rest import SqlState, UnsupportedHere
from baaskit.kernel.database.values import coerce_text
from baaskit.kernel.plan import pg_name
from baaskit.kernel.schema import Family, Type

_NUMBERS: frozenset[Family] = frozenset(["int", "float", "numeric"])
_TARGETS: frozenset[Family] = _NUMBERS | {"text", "bool", "uuid", "timestamptz", "timestamp", "date", "time", "json", "bytea"}
# What PostgreSQL casts besides to and from text, and within a family.
_PAIRS: dict[Family, frozenset[Family]] = {
    "int": _NUMBERS, "float": _NUMBERS, "numeric": _NUMBERS,
    "timestamptz": frozenset(["timestamp", "date", "time"]), "timestamp": frozenset(["timestamptz", "date", "time"]),
    "date": frozenset(["timestamp", "timestamptz"]), "json": _NUMBERS | {"bool"},
}  # fmt: skip
_ELEMENTS = ' "{}\\,'


def check_cast(source: Type, target: Type) -> None:
    """Raises SqlState (42846) for a cast that PostgreSQL refuses too, UnsupportedHere for one that is not available here."""
    if target.family not in _TARGETS:
        raise UnsupportedHere(f"A cast to {target.sql} is not available on SQLite.")
    if not _castable(source, target):
        raise SqlState("42846", f"cannot cast type {pg_name(source)} to {pg_name(target)}")


def _castable(source: Type, target: Type) -> bool:
    if source.array and target.array:
        return source.family == target.family or "text" in (source.family, target.family)
    if source.array or target.array:
        return target == Type("text") or source.family == "text"
    named = (source.name, target.name)
    by_family = target.family in _PAIRS.get(source.family, ()) or named in (("bool", "int4"), ("int4", "bool"))
    return by_family or target.family in ("text", source.family) or source.family == "text"


@lru_cache(maxsize=512)
def _type(text: str) -> Type:
    return Type.parse(text)


def cast_value(value: Any, source: str, target: str) -> Any:
    """The SQL function: a stored value of type `source` in the stored form of `target`. Raises SqlState when it does not fit."""
    if value is None:
        return None
    return _cast(value, _type(source), _type(target))


def _cast(value: Any, source: Type, target: Type) -> Any:
    if target.array:
        return coerce_text(target, text_of(source, value))
    if source.family == "json" and target.family in _NUMBERS | {"bool"}:
        return _from_json(value, target)
    if target.family == "int" and source.family in ("float", "numeric"):
        rounding = ROUND_HALF_EVEN if source.family == "float" else ROUND_HALF_UP
        number = Decimal(repr(value) if isinstance(value, float) else value).quantize(Decimal(1), rounding)
        return _fitting(target, int(number))
    if target.family == "int" and source.family == "int":
        return _fitting(target, int(value))
    if (source.family, target.family) == ("int", "bool"):
        return int(value != 0)
    if (source.family, target.family) == ("bool", "int"):
        return int(value)
    text = text_of(source, value)
    if target.family == "time":
        text = text.rpartition(" ")[2]
    if target.family == "text" and target.modifiers.isdigit():
        text = text[: int(target.modifiers)]
    return coerce_text(target, text)


def _fitting(target: Type, number: int) -> int:
    bits = {"int2": 15, "int4": 31}.get(target.name, 63)
    if not -(1 << bits) <= number < (1 << bits):
        raise SqlState("22003", f"{pg_name(target)} out of range")
    return number


def _from_json(text: str, target: Type) -> Any:
    value = json.loads(text, parse_float=Decimal)
    if value is None:
        return None
    if isinstance(value, bool) is not (target.family == "bool") or not isinstance(value, bool | int | Decimal):
        kinds = {dict: "object", list: "array", str: "string", bool: "boolean"}
        raise SqlState("22023", f"cannot cast jsonb {kinds.get(type(value), 'numeric')} to type {pg_name(target)}")
    if isinstance(value, bool):
        return int(value)
    if target.family == "int":
        return _fitting(target, int(Decimal(value).quantize(Decimal(1), ROUND_HALF_UP)))
    return coerce_text(target, str(value))


def text_of(kind: Type, value: Any) -> str:
    """`value::text` of a stored value."""
    if kind.array:
        return _array_text(orjson.loads(value), kind)
    if kind.family == "json":
        return json.dumps(jsonb_order(json.loads(value)), ensure_ascii=False) if kind.name == "jsonb" else str(value)
    if kind.family == "bool":
        return "true" if value else "false"
    if isinstance(value, bytes):
        return "\\x" + value.hex()
    if kind.family in ("timestamptz", "timestamp"):
        return str(value).replace("T", " ").replace("+00:00", "+00")
    if kind.family == "numeric" and "," in kind.modifiers:
        return f"{Decimal(str(value)):.{int(kind.modifiers.split(',')[1])}f}"
    return _float_text(value) if isinstance(value, float) else str(value)


def jsonb_order(value: Any) -> Any:
    """Keys in jsonb's order: by length, then by bytes."""
    if isinstance(value, dict):
        return {key: jsonb_order(value[key]) for key in sorted(value, key=lambda name: (len(name.encode()), name.encode()))}
    return [jsonb_order(inner) for inner in value] if isinstance(value, list) else value


def _float_text(value: float) -> str:
    """As PostgreSQL prints a double: shortest digits, an exponent from 1e+15 on."""
    text = repr(value).removesuffix(".0")
    if "e" not in text and abs(value) >= 1e15:
        digits = text.lstrip("-")
        shown = digits[0] + ("." + digits[1:].rstrip("0") if digits[1:].rstrip("0") else "")
        return f"{'-' if value < 0 else ''}{shown}e+{len(digits) - 1}"
    return text


def _array_text(values: Any, kind: Type) -> str:
    if isinstance(values, list):
        return "{" + ",".join(_array_text(value, kind) for value in values) + "}"
    if values is None:
        return "NULL"
    if isinstance(values, bool):
        return "t" if values else "f"
    element = Type(kind.name, modifiers=kind.modifiers, labels=kind.labels)
    text = text_of(element, json.dumps(values) if kind.family == "json" else values)
    if text and text.upper() != "NULL" and not any(sign in _ELEMENTS or sign.isspace() for sign in text):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
