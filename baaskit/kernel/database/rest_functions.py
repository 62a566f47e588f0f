"""SQLite functions behind the operators of the REST dialect that SQLite has no words for: what PostgreSQL does, row by row.

Registered on every connection; none is used by triggers or stored expressions. Statements that call one of `SLOW` leave the event
loop at once: the step counter that moves long reads to a thread does not see what Python does inside a step.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from decimal import Decimal
from functools import lru_cache
from typing import Any, Protocol

from baaskit.errors.rest import SqlState
from baaskit.kernel.database.casts import cast_value
from baaskit.kernel.database.textsearch import search

SLOW = ("baas_search(", "baas_match(")


class Connection(Protocol):
    """The part of `apsw.Connection` that is needed."""

    def create_scalar_function(
        self, name: str, callable: Callable[..., Any] | None, numargs: int = -1, *, deterministic: bool = False
    ) -> None: ...


# ---- regular expressions ----------------------------------------------------------------------------------------------


_CLASSES = {  # RE2's own know ASCII only
    "[:upper:]": r"\p{Lu}", "[:lower:]": r"\p{Ll}", "[:alpha:]": r"\p{L}", "[:digit:]": r"\p{Nd}", "[:alnum:]": r"\p{L}\p{Nd}",
    r"\y": r"\b", r"\m": r"\b", r"\M": r"\b",
}  # fmt: skip
_REPLACED = re.compile(r"\\[ymM]|\[:[a-z]+:\]|\\.", re.S)


@lru_cache(maxsize=256)
def compile_pattern(pattern: str, fold: bool) -> Any:
    """A regular expression that is matched in linear time (RE2), with the options of PostgreSQL's `~`. Raises SqlState (2201B)."""
    import re2  # loaded by the first regular expression

    options = re2.Options()
    options.case_sensitive, options.dot_nl, options.log_errors, options.max_mem = not fold, True, False, 8 << 20
    try:
        return re2.compile(_REPLACED.sub(lambda found: _CLASSES.get(found[0], found[0]), pattern), options)
    except re2.error as problem:
        words = problem.args[0].decode("utf-8", "replace") if isinstance(problem.args[0], bytes) else str(problem)
        raise SqlState("2201B", f"invalid regular expression: {words}") from None


def _match(text: Any, pattern: str, fold: int) -> int | None:
    return None if text is None else int(compile_pattern(pattern, bool(fold)).search(str(text)) is not None)


# ---- JSON -------------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=256)
def _parsed(text: str) -> Any:
    """The JSON value; what another program left broken is its text, so that no row can make a filter fail."""
    try:
        return json.loads(text, parse_float=Decimal)
    except ValueError:
        return text


def _contains(outer: str | None, inner: str | None) -> int | None:
    """`outer @> inner` of jsonb."""
    if outer is None or inner is None:
        return None
    have, wanted = _parsed(outer), _parsed(inner)
    if isinstance(have, list) and not isinstance(wanted, list | dict):
        return int(any(_same(entry, wanted) for entry in have))  # PostgreSQL's exception: an array contains a scalar
    return int(_within(have, wanted))


def _within(have: Any, wanted: Any) -> bool:
    if isinstance(wanted, dict):
        return isinstance(have, dict) and all(key in have and _within(have[key], value) for key, value in wanted.items())
    if isinstance(wanted, list):
        return isinstance(have, list) and all(any(_within(entry, value) for entry in have) for value in wanted)
    return _same(have, wanted)


def _same(left: Any, right: Any) -> bool:
    return isinstance(left, bool) == isinstance(right, bool) and left == right and not isinstance(left, list | dict)


def sort_key(text: str | None, array: int) -> bytes | None:
    """Bytes that compare as PostgreSQL compares jsonb (or, with `array`, arrays): equal for equal values, whatever the spelling."""
    if text is None:
        return None
    value = _parsed(text)
    return b"".join(_array_key(value) if array and isinstance(value, list) else _json_key(value))


def _array_key(value: Any) -> Iterator[bytes]:
    """Element by element; a shorter array before a longer one that begins like it; null after everything."""
    if isinstance(value, list):
        for entry in value:
            yield b"\x02"
            yield from _array_key(entry)
        yield b"\x01"
    elif value is None:
        yield b"\xff"
    else:
        yield from _json_key(value)


def _json_key(value: Any) -> Iterator[bytes]:
    """Objects over arrays over booleans over numbers over strings over null; an empty array is least of all."""
    if isinstance(value, dict):
        yield b"\x09" + len(value).to_bytes(4, "big")
        for key in sorted(value, key=lambda name: (len(name.encode()), name.encode())):
            yield from _json_key(key)
            yield from _json_key(value[key])
    elif isinstance(value, list):
        yield b"\x08" + len(value).to_bytes(4, "big") if value else b"\x00"
        for entry in value:
            yield from _json_key(entry)
    elif isinstance(value, bool):
        yield b"\x07" if value else b"\x06"
    elif isinstance(value, int | Decimal):
        yield b"\x05"
        yield _number_key(Decimal(value))
    elif value is None:
        yield b"\x03"
    else:
        yield b"\x04" + str(value).encode("utf-8", "surrogatepass").replace(b"\x00", b"\x00\xff") + b"\x00"


def _number_key(number: Decimal) -> bytes:
    if not number:
        return b"\x80"
    digits = "".join(map(str, number.as_tuple().digits)).rstrip("0")
    key = (number.adjusted() + (1 << 30)).to_bytes(4, "big") + digits.encode() + b"\x00"
    return b"\x81" + key if number > 0 else b"\x7f" + bytes(255 - byte for byte in key)


FUNCTIONS: dict[str, tuple[Callable[..., Any], int]] = {
    "baas_search": (search, 5), "baas_match": (_match, 3), "baas_json_contains": (_contains, 2), "baas_sort_key": (sort_key, 2),
    "baas_as": (cast_value, 3),
}  # fmt: skip


def register_rest_functions(connection: Connection) -> None:
    for name, (function, count) in FUNCTIONS.items():
        connection.create_scalar_function(name, function, count, deterministic=True)


def is_slow(text: str) -> bool:
    """Whether a statement calls what is too slow for the event loop."""
    return any(name in text for name in SLOW)
