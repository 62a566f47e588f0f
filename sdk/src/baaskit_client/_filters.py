"""Conditions on rows, written in the data API's query grammar.

>>> eq("status", "available").parameter()
('status', 'eq.available')
>>> or_(lt("age", 2), and_(gte("age", 9), in_("kind", ["cat", "dog, small"]))).parameter()
('or', '(age.lt.2,and(age.gte.9,kind.in.(cat,"dog, small")))')
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any, Literal

from ._json import plain

_RESERVED = set(',()"\\:{} ')


def literal(value: Any) -> str:
    """A value as the grammar writes it. Raises `ValueError` for None, which no comparison can match."""
    if value is None:
        raise ValueError("Nothing equals null: use is_(column, None)")
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Enum):
        return literal(value.value)
    if isinstance(value, (str, int, float)):
        return str(value)
    if isinstance(value, (list, tuple, set, frozenset)):
        return "{" + ",".join(_quoted(item) for item in value) + "}"
    return str(plain(value))


def _quoted(value: Any) -> str:
    text = literal(value)
    if text and not _RESERVED.intersection(text) and text.lower() != "null":
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


@dataclass(frozen=True)
class Filter:
    """One comparison of a column with a value. `operand` is the value as written; `listed`: it is an in-list already quoted."""

    column: str
    operator: str
    operand: str
    listed: bool = False
    negated: bool = False

    def parameter(self) -> tuple[str, str]:
        return self.column, f"{'not.' if self.negated else ''}{self.operator}.{self.operand}"

    def inside(self) -> str:
        """This condition inside `and(…)` or `or(…)`, where commas and brackets must be quoted."""
        operand = self.operand if self.listed else _quoted(self.operand)
        return f"{self.column}.{'not.' if self.negated else ''}{self.operator}.{operand}"

    def opposite(self) -> Filter:
        return replace(self, negated=not self.negated)


@dataclass(frozen=True)
class Group:
    """Several conditions of which all (`and`) or at least one (`or`) must hold."""

    kind: Literal["and", "or"]
    parts: tuple[Condition, ...]
    negated: bool = False

    def parameter(self) -> tuple[str, str]:
        return f"{'not.' if self.negated else ''}{self.kind}", f"({','.join(part.inside() for part in self.parts)})"

    def inside(self) -> str:
        return "".join(self.parameter())

    def opposite(self) -> Group:
        return replace(self, negated=not self.negated)


Condition = Filter | Group


def eq(column: str, value: Any) -> Filter:
    """`column = value`"""
    return Filter(column, "eq", literal(value))


def neq(column: str, value: Any) -> Filter:
    """`column <> value`; as in SQL, rows where the column is null do not match."""
    return Filter(column, "neq", literal(value))


def gt(column: str, value: Any) -> Filter:
    """`column > value`"""
    return Filter(column, "gt", literal(value))


def gte(column: str, value: Any) -> Filter:
    """`column >= value`"""
    return Filter(column, "gte", literal(value))


def lt(column: str, value: Any) -> Filter:
    """`column < value`"""
    return Filter(column, "lt", literal(value))


def lte(column: str, value: Any) -> Filter:
    """`column <= value`"""
    return Filter(column, "lte", literal(value))


def like(column: str, pattern: str) -> Filter:
    """`column like pattern`: `%` or `*` stands for any text, `_` for one character; case matters."""
    return Filter(column, "like", pattern)


def ilike(column: str, pattern: str) -> Filter:
    """As `like`, upper and lower case being equal."""
    return Filter(column, "ilike", pattern)


def is_(column: str, value: Literal["null", "not_null", "true", "false", "unknown"] | bool | None) -> Filter:
    """`column is null | true | false | unknown`; None means null."""
    return Filter(column, "is", "null" if value is None else literal(value))


def in_(column: str, values: Iterable[Any]) -> Filter:
    """`column in (values)`; an empty list matches nothing."""
    return Filter(column, "in", f"({','.join(_quoted(value) for value in values)})", listed=True)


def and_(*parts: Condition) -> Group:
    """All of them hold."""
    return Group("and", parts)


def or_(*parts: Condition) -> Group:
    """At least one of them holds."""
    return Group("or", parts)


def not_(part: Condition) -> Condition:
    """It does not hold (and is not unknown because of a null)."""
    return part.opposite()
