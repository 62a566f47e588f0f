"""The filter of a `postgres_changes` binding: `col=op.value,col=op.value` → a predicate over a row in memory."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from baaskit.errors.realtime import BadBinding
from baaskit.kernel.plan import Catalog, Limits, Test, plan_read
from baaskit.kernel.plan.live import comparable
from baaskit.kernel.policy.predicate import like_matcher
from baaskit.kernel.query import Value, parse
from baaskit.kernel.schema import TableName

Row = Mapping[str, Any]
Filter = Callable[[Row], bool]
Answer = Callable[[Row], "bool | None"]
MAX_CONDITIONS = 20
MAX_IN = 100
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "eq": lambda a, b: a == b, "neq": lambda a, b: a != b, "gt": lambda a, b: a > b, "gte": lambda a, b: a >= b, "lt": lambda a, b: a < b,
    "lte": lambda a, b: a <= b, "isdistinct": lambda a, b: a != b,
}  # fmt: skip


def split_conditions(text: str) -> list[tuple[str, str]]:
    """`a=eq.1,b=in.(x,y)` → [("a", "eq.1"), ("b", "in.(x,y)")]: commas inside quotes and brackets do not part."""
    parts, depth, quoted, start, at = [], 0, False, 0, 0
    while at < len(text):
        sign = text[at]
        if sign == "\\":
            at += 1
        elif sign == '"':
            quoted = not quoted
        elif not quoted and sign in "({":
            depth += 1
        elif not quoted and sign in ")}":
            depth -= 1
        # A comma parts only where another condition begins, so that a value may hold one, as clients send it.
        elif sign == "," and not quoted and depth <= 0 and re.match(r"\s*[^,=.()\"]+=(not\.)?[a-z]+\.", text[at + 1 :]):
            parts.append(text[start:at])
            start = at + 1
        at += 1
    parts.append(text[start:])
    pairs = [part.strip().partition("=") for part in parts]
    if len(pairs) > MAX_CONDITIONS or not all(name and found for name, found, _ in pairs):
        raise BadBinding("The filter must look like column=operator.value.")
    return [(name, _unquoted(value)) for name, _, value in pairs]


def _unquoted(value: str) -> str:
    """`eq."a,b"` → `eq.a,b`: clients quote a value that holds what has a meaning here."""
    found = re.fullmatch(r'((?:not\.)?[a-z]+\.)"((?:[^"\\]|\\.)*)"', value, re.S)
    return found[1] + re.sub(r"\\(.)", r"\1", found[2], flags=re.S) if found else value


def read_filter(text: str, catalog: Catalog, table: TableName, role: str) -> Filter | None:
    """The predicate of a filter as `role` may ask it; None when there is none. Raises BaasError for a bad one.

    A column that the role may not read is refused like one that does not exist.
    """
    if not text.strip():
        return None
    items = split_conditions(text)
    if any(name in ("select", "order", "limit", "offset", "or", "and", "columns", "on_conflict") for name, _ in items):
        raise BadBinding("The filter must look like column=operator.value.")
    query = parse(items)
    plan = plan_read(query, catalog, table, role, Limits(None))
    answers = [_answer(condition, query.values) for condition in plan.where]
    return lambda row: all(answer(row) is True for answer in answers)


def _answer(condition: Any, values: tuple[Value, ...]) -> Answer:
    if not isinstance(condition, Test) or condition.place.steps or condition.quantifier or condition.place.type.array:
        raise BadBinding("This filter is not available for subscriptions.")
    answer = _test(condition, values)
    if not condition.negated:
        return answer

    def turned(row: Row) -> bool | None:
        found = answer(row)
        return None if found is None else not found

    return turned


def _test(test: Test, values: tuple[Value, ...]) -> Answer:
    name, kind, operator = test.place.column.name, test.place.column.type, test.operator
    if operator == "is":
        wanted = {"true": True, "false": False}.get(test.word)
        if test.word == "not_null":
            return lambda row: row.get(name) is not None
        return lambda row: row.get(name) is wanted
    value = values[test.slot]
    if operator in ("like", "ilike", "match", "imatch"):
        return _nullable(name, _pattern(operator, str(value)))
    if operator == "in":
        texts = value if isinstance(value, tuple) else (str(value),)
        if len(texts) > MAX_IN:
            raise BadBinding(f"in has more than {MAX_IN} values.")
        wanted_values = [comparable(kind, text) for text in texts]
        return _nullable(name, lambda have: comparable(kind, have) in wanted_values)
    compare = _COMPARE.get(operator)
    if compare is None:
        raise BadBinding(f"The operator {operator} is not available for subscriptions.")
    first = comparable(kind, str(value))
    if first is None and not (operator == "isdistinct" and str(value).lower() == "null"):
        raise BadBinding(f"The filter's value does not fit the type of {name}.")
    if operator == "isdistinct":
        return lambda row: (None if row.get(name) is None else comparable(kind, row[name])) != first
    return _nullable(name, lambda have: compare(comparable(kind, have), first))


def _nullable(name: str, test: Callable[[Any], bool]) -> Answer:
    def answer(row: Row) -> bool | None:
        have = row.get(name)
        return None if have is None else test(have)

    return answer


def _pattern(operator: str, text: str) -> Callable[[Any], bool]:
    if operator in ("like", "ilike"):
        pattern = text.replace("*", "%")
        if operator == "like":
            matches = like_matcher(pattern)
            return lambda have: matches(str(have))
        lowered = like_matcher(pattern.lower())
        return lambda have: lowered(str(have).lower())
    # A regular expression from a stranger can be made to run for hours; realtime has no time limit for one.
    raise BadBinding("Regular expressions are not available for subscriptions; use like or ilike.")
