"""Raw query string → template and values, without parsing: the short cut for a request like one seen before.

`id=eq.7&limit=5` → (`id=eq.`, `limit=`) and (`7`, `5`). Only forms whose value is everything after the operator are
taken out, so equal templates always parse to equal queries.
"""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import unquote_plus

_WHOLE_VALUE = frozenset({"eq", "neq", "gt", "gte", "lt", "lte", "like", "ilike", "isdistinct"})
_VERBATIM = frozenset({"select", "order", "columns", "on_conflict"})
MAX_RAW = 4096  # bytes of a query string worth remembering


class Template(NamedTuple):
    """`key` identifies the form; `values[i]` is the text of part i, or None where the part is fixed by the key."""

    key: tuple[str, ...]
    values: tuple[str | None, ...]


_EMPTY = Template((), ())


def split_template(raw: str) -> Template | None:
    """The template of a raw (still encoded) query string; None when it holds a form that must be parsed."""
    if not raw:
        return _EMPTY
    if len(raw) > MAX_RAW:
        return None
    key: list[str] = []
    values: list[str | None] = []
    for part in raw.split("&"):
        name, _, value = part.partition("=")
        if name in _VERBATIM:
            key.append(part)
            values.append(None)
            continue
        operator, dot, text = value.partition(".")
        if operator == "not":
            operator, dot, text = text.partition(".")
            head = f"{name}=not.{operator}"
        else:
            head = f"{name}={operator}"
        if dot and operator in _WHOLE_VALUE:
            key.append(head)
            values.append(unquote_plus(text) if "%" in text or "+" in text else text)
        elif name in ("limit", "offset") and value.isascii() and value.isdigit() and len(value) < 18:
            key.append(name)
            values.append(value)
        elif operator == "is":
            key.append(part)
            values.append(None)
        else:
            return None
    return Template(tuple(key), tuple(values))
