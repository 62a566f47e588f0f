"""References between the operations of a batch: `{"$ref": "order.id"}` as a column's value, `{{order.id}}` as a filter's value.

They mean a column of a row that an earlier operation of the batch answered: nothing that the caller has not been shown. What they
stand for takes the place of a value and is read as one; it is never read as an operator, a column or another reference.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from baaskit.errors.rest import InvalidReference, TooComplex
from baaskit.kernel.query import Value
from baaskit.kernel.query.parser import MAX_TEXT

MAX_VALUES = 1 << 20  # bytes that the references of a batch may stand for: a short body must not grow to a huge one
_NAME = r"([A-Za-z0-9_-]{1,60})(?:\.([0-9]{1,6}))?\.([^.{}]{1,63})"
_REFERENCE = re.compile(_NAME)
_IN_FILTER = re.compile(r"\{\{" + _NAME + r"\}\}")
ID = re.compile(r"(?![0-9]+$)[A-Za-z0-9_-]{1,60}")  # of an operation; numbers are their places

Record = Mapping[str, Any]
_Found = re.Match[str]


def _reference_in(value: Any) -> _Found | None:
    """The reference that a column's value is. Deeper inside nothing is one: in JSON `$ref` has meanings of its own."""
    if isinstance(value, dict) and len(value) == 1 and isinstance(text := value.get("$ref"), str):
        return _REFERENCE.fullmatch(text)
    return None


@dataclass(slots=True)
class Answers:
    """The bodies that the operations of a batch have answered so far, in order."""

    bodies: list[bytes] = field(default_factory=list)
    _rows: dict[int, list[Any]] = field(default_factory=dict)
    _size: int = 0

    def begin(self) -> None:
        """Forget everything: the transaction begins, perhaps again."""
        self.bodies.clear()
        self._rows.clear()
        self._size = 0

    def rows(self, number: int) -> list[Any]:
        """The rows of an answer; none where it is not JSON."""
        found = self._rows.get(number)
        if found is None:
            body = self.bodies[number]
            parsed = orjson.loads(body) if body[:1] in (b"[", b"{") else []
            found = self._rows[number] = parsed if isinstance(parsed, list) else [parsed]
        return found

    def spend(self, value: Any) -> None:
        """Note that a value was put in. Raises TooComplex."""
        self._size += len(value) if isinstance(value, str) else len(orjson.dumps(value))
        if self._size > MAX_VALUES:
            raise TooComplex(f"The references of the batch stand for more than {MAX_VALUES} bytes.")


@dataclass(frozen=True, slots=True)
class References:
    """Puts values in place of the references of one operation. `names`: the operations before it, by number and by `id`."""

    names: Mapping[str, int]
    answers: Answers

    def record(self, record: Record) -> dict[str, Any]:
        """The record with values. Raises InvalidReference."""
        return {name: self._value(found) if (found := _reference_in(value)) else value for name, value in record.items()}

    def values(self, values: Sequence[Value]) -> tuple[Value, ...]:
        """The same for the values of filters. Raises InvalidReference."""
        return tuple(tuple(map(self._text, value)) if isinstance(value, tuple) else self._text(value) for value in values)

    def refuse(self, records: Sequence[Record]) -> None:
        """Raise InvalidReference when one is in the records: for who must see the values before the transaction begins."""
        for record in records:
            for value in record.values():
                if found := _reference_in(value):
                    raise InvalidReference(
                        found[0], "a function runs before this write and must see its values", "Send this write by itself, after the batch."
                    )

    def _text(self, value: Any) -> Any:
        """A filter's value is a text, and only a whole one can be a reference."""
        found = _IN_FILTER.search(value) if isinstance(value, str) else None
        if found is None:
            return value
        if found[0] != value:
            raise InvalidReference(found[0], "there is other text around it; a reference is the whole value")
        known = self._value(found)
        if known is None or isinstance(known, (dict, list)):
            raise InvalidReference(found[0], "it is null, a list or an object, which no filter compares with")
        text = known if isinstance(known, str) else orjson.dumps(known).decode()
        if len(text) > MAX_TEXT:
            raise TooComplex(f"A value of a filter may have {MAX_TEXT} characters; that of {found[0]} has {len(text)}.")
        return text

    def _value(self, found: _Found) -> Any:
        name, place, column = found.groups()
        number = self.names.get(name)
        if number is None:
            raise InvalidReference(found[0], f"no operation before this one is called {name!r}")
        rows = self.answers.rows(number)
        if place is None and len(rows) != 1:
            hint = (
                f'"{name}.0.{column}" is of the first row.' if rows else 'A write answers its rows with "prefer": "return=representation".'
            )
            raise InvalidReference(found[0], f"the operation answered {len(rows)} rows, not one", hint)
        row = rows[int(place or 0)] if int(place or 0) < len(rows) else None
        if not isinstance(row, dict) or column not in row:
            raise InvalidReference(found[0], "the operation answered no such row or column")
        self.answers.spend(row[column])
        return row[column]
