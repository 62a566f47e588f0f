"""CSV in and out: a header line, then one line per row, with the values as PostgreSQL writes them in a record.

Out: null is an empty field; a field that is empty, or holds a comma, quote, backslash, bracket or white space, is quoted.
In: the word `NULL` is null, everything else is text for the column's type to read (PostgREST's rule).
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from baaskit.errors.rest import InvalidBody
from baaskit.kernel.database.casts import jsonb_order
from baaskit.kernel.plan import ColumnOut, EmbedOut, ReadPlan
from baaskit.kernel.schema import Type

csv.field_size_limit(1 << 30)  # the body as a whole has a limit already

_QUOTED = re.compile(r'[\s"\\(),]', re.ASCII)
_QUOTED_ELEMENT = re.compile(r'[\s"\\{},]|^null$', re.ASCII | re.IGNORECASE)
_MOMENT = re.compile(r"^(\d+-\d\d-\d\d)T([\d:.]+)(?:([+-]\d\d)(?::00)?(:\d\d)?)?(.*)$")
_PLAIN = Type("text")  # where only the JSON value itself tells


class _Digits(float):
    """A number that remembers how it was written: no digit of a `numeric` is lost on the way."""

    text: str

    @classmethod
    def read(cls, text: str) -> _Digits:
        number = cls(text)
        number.text = text
        return number


def csv_of(rows: Sequence[str], plan: ReadPlan) -> bytes:
    """JSON texts of a plan's rows → CSV. The header line is there also when no row is."""
    types = dict(_types(plan))
    parsed = [json.loads(row, parse_float=_Digits.read) for row in rows]
    names = list(parsed[0]) if parsed else list(types)
    lines = [",".join(_field(name) for name in names)]
    lines += [",".join(_cell(row[name], types.get(name, _PLAIN)) for name in names) for row in parsed]
    return "\n".join(lines).encode()


def _types(plan: ReadPlan) -> Iterable[tuple[str, Type]]:
    """Name and type of each output, where the type decides how a value is written."""
    for out in plan.outputs:
        if isinstance(out, EmbedOut) and out.spread:
            child = plan.children[out.child]
            to_one = child.relation is not None and child.relation.to_one
            yield from ((name, kind if to_one else _PLAIN) for name, kind in _types(child))
        elif isinstance(out, ColumnOut):
            yield out.name, out.cast or out.place.type
        else:
            yield out.name, _PLAIN


def _cell(value: Any, kind: Type) -> str:
    return "" if value is None else _field(_text(value, kind))


def _field(text: str) -> str:
    if text and not _QUOTED.search(text):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '""') + '"'


def _text(value: Any, kind: Type) -> str:
    """A JSON value as PostgreSQL's text of its type."""
    if kind.array and isinstance(value, list):
        return "{" + ",".join(_member(item, kind) for item in value) + "}"
    if kind.family == "json":
        return _json_text(jsonb_order(value) if kind.name == "jsonb" else value)
    if isinstance(value, bool):
        return "t" if value else "f"
    if isinstance(value, str):
        return _moment(value) if kind.family in ("timestamptz", "timestamp") else value
    return _json_text(value)


def _member(item: Any, kind: Type) -> str:
    if item is None:
        return "NULL"
    if isinstance(item, list) and kind.family != "json":
        return _text(item, kind)
    text = _text(item, Type(kind.name, modifiers=kind.modifiers, labels=kind.labels))
    if text and not _QUOTED_ELEMENT.search(text):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _moment(text: str) -> str:
    """`2026-01-01T10:00:00+00:00` → `2026-01-01 10:00:00+00`"""
    found = _MOMENT.match(text)
    return f"{found[1]} {found[2]}{found[3] or ''}{found[4] or ''}{found[5]}" if found else text


def _json_text(value: Any) -> str:
    """JSON spaced as PostgreSQL spaces jsonb, numbers in their own digits."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key, ensure_ascii=False)}: {_json_text(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_json_text(inner) for inner in value) + "]"
    return value.text if isinstance(value, _Digits) else json.dumps(value, ensure_ascii=False)


def records_of(body: bytes) -> list[dict[str, str | None]]:
    """CSV with a header line → records. Raises InvalidBody."""
    try:
        lines = [line for line in csv.reader(io.StringIO(body.decode("utf-8-sig"), newline=""), strict=True) if line]
    except (csv.Error, UnicodeDecodeError) as problem:
        raise InvalidBody(f"Invalid CSV: {problem}") from None
    if not lines:
        raise InvalidBody("Empty or invalid csv")
    names, *rest = lines
    if len(set(names)) != len(names):
        raise InvalidBody("A column is named twice in the header line of the CSV.")
    if any(len(line) != len(names) for line in rest):
        raise InvalidBody("All lines must have same number of fields")
    read: Callable[[str], str | None] = lambda text: None if text == "NULL" else text  # noqa: E731
    return [{name: read(text) for name, text in zip(names, line, strict=True)} for line in rest]
