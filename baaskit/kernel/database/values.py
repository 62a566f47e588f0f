"""What a client writes → what SQLite stores, by declared type, refused in PostgreSQL's words and codes.

Storage forms are those of docs/architecture.md ("Values on SQLite"). On PostgreSQL the database does this itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta, timezone
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any

import orjson

from baaskit.errors.rest import SqlState, UnsupportedHere
from baaskit.kernel.database.tables import moment_text
from baaskit.kernel.database.violations import translate_postgres_error, translate_sqlite_error
from baaskit.kernel.plan import pg_name
from baaskit.kernel.schema import Type

__all__ = ["coerce_json", "coerce_text", "translate_postgres_error", "translate_sqlite_error"]

_INT_BITS = {"int2": 15, "int4": 31, "int8": 63, "oid": 32}
_UUID = re.compile(r"\{?([0-9a-fA-F]{4}-?){7}[0-9a-fA-F]{4}\}?")
_TRUE = frozenset({"t", "tr", "tru", "true", "y", "ye", "yes", "on", "1"})
_FALSE = frozenset({"f", "fa", "fal", "fals", "false", "n", "no", "of", "off", "0"})
_OFFSET = re.compile(r"\s*(Z|z|UTC|GMT|[+-]\d{1,2}(?::?\d{2})?(?::?\d{2})?)$")
_MOMENT = re.compile(r"(\d{4,6})-(\d{1,2})-(\d{1,2})(?:[T ]+(\d{1,2}):(\d{2})(?::(\d{2})(?:\.(\d{1,9}))?)?)?")
_CLOCK = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2})(?:\.(\d{1,9}))?)?")


def invalid(kind: Type, text: str) -> SqlState:
    return SqlState("22P02", f'invalid input syntax for type {pg_name(kind)}: "{text}"')


def coerce_text(kind: Type, text: str) -> Any:
    """The stored form of a value written as text (a filter's value, a JSON string). Raises SqlState (22P02 and its kin)."""
    if kind.array:
        return _array(kind, _array_literal(kind, text))
    return _PARSERS.get(kind.family, _as_text)(kind, text)


def coerce_json(kind: Type, value: Any) -> Any:
    """The stored form of a JSON value in a payload; None stays None. Raises SqlState."""
    if value is None:
        return None
    if kind.array:
        return _array(kind, value if isinstance(value, list) else _array_literal(kind, _text_of(value)))
    family = kind.family
    if family == "json":
        return orjson.dumps(value).decode()
    if type(value) is str:
        return _PARSERS.get(family, _as_text)(kind, value)
    if type(value) is bool and family == "bool":
        return int(value)
    if type(value) is float and family == "float":
        return value
    return _PARSERS.get(family, _as_text)(kind, _text_of(value))


def _text_of(value: Any) -> str:
    if isinstance(value, str):
        return value
    return orjson.dumps(value).decode()


def _as_text(kind: Type, text: str) -> str:
    if "\x00" in text:
        raise SqlState("22021", 'invalid byte sequence for encoding "UTF8": 0x00')
    if kind.name in ("varchar", "bpchar") and kind.modifiers.isdigit():
        width = int(kind.modifiers)
        if len(text) > width:
            if text[width:].strip(" "):
                raise SqlState("22001", f"value too long for type {pg_name(kind)}({width})")
            text = text[:width]
        if kind.name == "bpchar":
            text = text.ljust(width)
    return text


def _int(kind: Type, text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        raise invalid(kind, text) from None
    if "_" in text and not re.fullmatch(r"\s*[+-]?\d+(_\d+)*\s*", text):
        raise invalid(kind, text)
    bits = _INT_BITS.get(kind.name, 63)
    if not -(1 << bits) <= number < (1 << bits):
        raise SqlState("22003", f'value "{text}" is out of range for type {pg_name(kind)}')
    return number


def _float(kind: Type, text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        raise invalid(kind, text) from None
    if number != number or number in (float("inf"), float("-inf")):
        if text.strip().lower().lstrip("+-") in ("nan", "infinity", "inf"):
            raise UnsupportedHere(f'"{text.strip()}" cannot be stored on SQLite.')
        raise SqlState("22003", f'"{text}" is out of range for type {pg_name(kind)}')
    return number


def _numeric(kind: Type, text: str) -> int | float:
    try:
        number = Decimal(text.strip())
    except InvalidOperation:
        raise invalid(kind, text) from None
    if not number.is_finite():
        raise UnsupportedHere(f'"{text.strip()}" cannot be stored on SQLite.')
    if number and not -400 < number.adjusted() < 400:
        raise SqlState("22003", "value overflows numeric format")
    if kind.modifiers:
        precision, _, scale = kind.modifiers.partition(",")
        places = int(scale or 0)
        number = number.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP) if number.as_tuple().exponent < -places else number  # type: ignore[operator]
        if number and number.adjusted() >= int(precision) - places:
            raise SqlState(
                "22003", "numeric field overflow",
                details=f"A field with precision {precision}, scale {places} must round to an absolute value less than 10^{int(precision) - places}.",
            )  # fmt: skip
    if number == number.to_integral_value() and abs(number) < 1 << 63:
        return int(number)
    return float(number)


def _bool(kind: Type, text: str) -> int:
    word = text.strip().lower()
    if word in _TRUE:
        return 1
    if word in _FALSE:
        return 0
    raise invalid(kind, text)


def _uuid(kind: Type, text: str) -> str:
    if len(text) == 36 and _PLAIN_UUID.fullmatch(text):
        return text.lower()
    found = text.strip()
    if not _UUID.fullmatch(found) or found.startswith("{") != found.endswith("}"):
        raise invalid(kind, text)
    digits = found.strip("{}").replace("-", "").lower()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


_PLAIN_UUID = re.compile(r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}")


def _enum(kind: Type, text: str) -> str:
    if text not in kind.labels:
        raise SqlState("22P02", f'invalid input value for enum {kind.name}: "{text}"')
    return text


def _json(kind: Type, text: str) -> str:
    try:
        return orjson.dumps(orjson.loads(text)).decode()
    except orjson.JSONDecodeError:
        raise SqlState("22P02", f"invalid input syntax for type {pg_name(kind)}") from None


def _bytes(kind: Type, text: str) -> bytes:
    if text.startswith("\\x"):
        try:
            return bytes.fromhex(text[2:])
        except ValueError:
            raise SqlState("22023", "invalid hexadecimal data") from None
    out, at, raw = bytearray(), 0, text.encode()
    while at < len(raw):
        if raw[at] != 0x5C:
            out.append(raw[at])
            at += 1
        elif raw[at + 1 : at + 2] == b"\\":
            out.append(0x5C)
            at += 2
        elif re.fullmatch(rb"[0-3][0-7]{2}", raw[at + 1 : at + 4]):
            out.append(int(raw[at + 1 : at + 4], 8))
            at += 4
        else:
            raise invalid(kind, text)
    return bytes(out)


# ---- dates and times --------------------------------------------------------------------------------------------------


def _moment(kind: Type, text: str) -> str:
    """timestamptz: text in UTC; timestamp: without an offset (one that was given is ignored, as PostgreSQL does)."""
    aware = kind.family == "timestamptz"
    word = text.strip()
    special = _special(word.lower())
    if special is None:
        special = _written(kind, word, text)
    if aware:
        return moment_text(special)
    return moment_text(special.replace(tzinfo=UTC)).removesuffix("+00:00")


def _special(word: str) -> datetime | None:
    """PostgreSQL's words for moments: relative to the clock, by their nature."""
    if word not in ("now", "today", "tomorrow", "yesterday", "epoch", "now()"):
        return None
    if word == "epoch":
        return datetime(1970, 1, 1, tzinfo=UTC)
    now = datetime.now(UTC)
    if word in ("now", "now()"):
        return now
    day = now.replace(hour=0, minute=0, second=0, microsecond=0)
    return day + timedelta(days={"today": 0, "tomorrow": 1, "yesterday": -1}[word])


def _written(kind: Type, word: str, text: str) -> datetime:
    offset, zone = _OFFSET.search(word), UTC
    found = _MOMENT.fullmatch(word)
    if found is None and offset is not None:
        found, zone = _MOMENT.fullmatch(word[: offset.start()]), _zone(kind, offset[1], text)
    if found is None:
        raise SqlState("22007", f'invalid input syntax for type {pg_name(kind)}: "{text}"')
    try:
        year, month, day, hour, minute = (int(part or 0) for part in found.groups()[:5])
        moment = datetime(year, month, day, hour % 24, minute, int(found[6] or 0), tzinfo=zone)
        moment += timedelta(days=hour // 24, microseconds=round(float(f"0.{found[7] or 0}") * 1e6))
        return moment if kind.family == "timestamp" else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise SqlState("22008", f'date/time field value out of range: "{text}"') from None


def _zone(kind: Type, sign: str, text: str) -> timezone:
    if sign[0] not in "+-":
        return UTC
    digits = sign[1:].replace(":", "")
    hours, minutes = (
        (int(digits), 0)
        if len(digits) <= 2
        else (int(digits[:-2]), int(digits[-2:]))
        if len(digits) <= 4
        else (int(digits[:2]), int(digits[2:4]))
    )
    shift = timedelta(hours=hours, minutes=minutes)
    if shift >= timedelta(hours=16):
        raise SqlState("22009", f'time zone displacement out of range: "{text}"')
    return timezone(-shift if sign[0] == "-" else shift)


def _date(kind: Type, text: str) -> str:
    special = _special(text.strip().lower())
    found = special or _written(Type("timestamp"), text.strip(), text)
    return found.date().isoformat()


def _time(kind: Type, text: str) -> str:
    found = _CLOCK.fullmatch(_OFFSET.sub("", text.strip()) if kind.name == "time" else text.strip())
    if found is None:
        raise SqlState("22007", f'invalid input syntax for type {pg_name(kind)}: "{text}"')
    try:
        clock = time(int(found[1]), int(found[2]), int(found[3] or 0), round(float(f"0.{found[4] or 0}") * 1e6) % 1_000_000)
    except ValueError:
        raise SqlState("22008", f'date/time field value out of range: "{text}"') from None
    return clock.isoformat(timespec="microseconds").rstrip("0").rstrip(".") if clock.microsecond else clock.isoformat()


# ---- arrays -----------------------------------------------------------------------------------------------------------


def _array(kind: Type, items: list[Any]) -> str:
    """JSON text of an array whose elements are in their JSON form."""
    element = Type(kind.name, False, kind.modifiers, kind.labels)
    return orjson.dumps([_element(element, item) for item in items]).decode()


def _element(kind: Type, item: Any) -> Any:
    if item is None:
        return None
    if isinstance(item, list):
        return [_element(kind, inner) for inner in item]
    stored = coerce_json(kind, item)
    if kind.family == "bool":
        return bool(stored)
    if kind.family == "json":
        return orjson.loads(stored)
    return "\\x" + stored.hex() if isinstance(stored, bytes) else stored


def _array_literal(kind: Type, text: str) -> list[Any]:
    """`{a,"b c",NULL,{…}}` → nested list of texts and None."""
    found, at = _braces(text.strip(), 0, text)
    if at != len(text.strip()):
        raise _malformed(text, "Junk after closing right brace.")
    return found


def _malformed(text: str, details: str) -> SqlState:
    return SqlState("22P02", f'malformed array literal: "{text}"', details=details)


def _braces(text: str, at: int, whole: str) -> tuple[list[Any], int]:
    if at >= len(text) or text[at] != "{":
        raise _malformed(whole, 'Array value must start with "{" or dimension information.')
    out: list[Any] = []
    at += 1
    if text[at : at + 1] == "}":
        return out, at + 1
    while True:
        item, at = _brace_item(text, at, whole)
        out.append(item)
        sign = text[at : at + 1]
        if sign == "}":
            return out, at + 1
        if sign != ",":
            raise _malformed(whole, "Unexpected end of input.")
        at += 1


def _brace_item(text: str, at: int, whole: str) -> tuple[Any, int]:
    if text[at : at + 1] == "{":
        return _braces(text, at, whole)
    if text[at : at + 1] == '"':
        end, out = at + 1, []
        while end < len(text) and text[end] != '"':
            end += text[end] == "\\"
            out.append(text[end : end + 1])
            end += 1
        if end >= len(text):
            raise _malformed(whole, "Unexpected end of input.")
        return "".join(out), end + 1
    end = at
    while end < len(text) and text[end] not in ",{}":
        end += 1
    word = text[at:end].strip()
    if not word:
        raise _malformed(whole, "Unexpected array element.")
    return (None if word.upper() == "NULL" else word), end


_PARSERS: dict[str, Callable[[Type, str], Any]] = {
    "int": _int, "float": _float, "numeric": _numeric, "text": _as_text, "bool": _bool, "uuid": _uuid, "timestamptz": _moment,
    "timestamp": _moment, "date": _date, "time": _time, "json": _json, "bytea": _bytes, "enum": _enum,
}  # fmt: skip
