"""The typed tree → a Python closure over one row in memory, three-valued: may this caller see this row?"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import product
from operator import eq, ge, gt, le, lt, ne
from typing import Any, assert_never

from baaskit.kernel.claims import Claims
from baaskit.kernel.policy import expr as e
from baaskit.kernel.policy import scalars
from baaskit.kernel.policy.claims import claim_value
from baaskit.kernel.policy.expr import OLD, ROW, Expr, Source
from baaskit.kernel.schema import TableName, Type

Row = Mapping[str, Any]  # as REST shows it: JSON values
Rows = Callable[[TableName], Iterable[Row]]
Predicate = Callable[..., bool | None]


class NotClosed(ValueError):
    """The expression has a sub-select, and no rows of other tables were offered."""


@dataclass(slots=True)
class _Env:
    """What one evaluation looks at."""

    rows: dict[Source, Row]
    claims: Claims
    now: datetime
    topic: str | None = None
    known: dict[str, Any] = field(default_factory=dict)


_Run = Callable[[_Env], Any]
_FAILURES = (ArithmeticError, AttributeError, KeyError, TypeError, ValueError, RecursionError)
_COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {"=": eq, "<>": ne, "<": lt, "<=": le, ">": gt, ">=": ge}


def to_evaluator(expr: Expr, resolve_rows: Rows | None = None) -> Callable[..., Any]:
    """Like `to_predicate`, for an expression of any type; gives its canonical value."""
    run = _Builder(resolve_rows).build(expr)

    def evaluate(row: Row, old: Row | None, claims: Claims, now: datetime, topic: str | None = None) -> Any:
        try:
            return run(_Env({ROW: row} if old is None else {ROW: row, OLD: old}, claims, now, topic))
        except _FAILURES:  # a value that cannot be read refuses, whatever stands around it
            return None

    return evaluate


def to_predicate(expr: Expr, resolve_rows: Rows | None = None) -> Predicate:
    """`(row, old, claims, now[, topic]) → True | False | None`; only True admits. Rows are as REST shows them.

    `resolve_rows` gives all rows of a table of a sub-select; without it such an expression raises NotClosed, here and
    not later. A row that lacks a column, or has a value of another kind, gives None.
    """
    return to_evaluator(expr, resolve_rows)


@dataclass(frozen=True)
class _Builder:
    resolve_rows: Rows | None

    def build(self, expr: Expr) -> _Run:
        match expr:
            case e.Literal(value=value):
                constant = float(value) if expr.type.family == "float" and value is not None else value
                return lambda env: constant
            case e.Column(source=source, name=name):
                return _column(source, name, expr.type)
            case e.Claim(name=name):
                return _claim(name)
            case e.Not(operand=operand):
                return _not(self.build(operand))
            case e.And(operands=operands):
                return _every([self.build(o) for o in operands], False)
            case e.Or(operands=operands):
                return _every([self.build(o) for o in operands], True)
            case e.Compare(op=op, left=left, right=right):
                return _strict(_COMPARE[op], self.build(left), self.build(right))
            case e.Distinct(left=left, right=right, negated=negated):
                return _distinct(self.build(left), self.build(right), negated)
            case e.Is(operand=operand, value=value, negated=negated):
                return _is(self.build(operand), value, negated)
            case e.InList(operand=operand, items=items):
                return _in(self.build(operand), [self.build(i) for i in items])
            case e.AnyOf(operand=operand, array=array):
                return _any(self.build(operand), self.build(array))
            case e.Like(operand=operand, pattern=pattern, insensitive=insensitive):
                return _like(self.build(operand), pattern, insensitive)
            case e.Arith(op=op, left=left, right=right):
                compute = scalars.float_arithmetic if expr.type.family == "float" else scalars.arithmetic
                return _strict(lambda one, two: compute(op, one, two), self.build(left), self.build(right))
            case e.Concat(left=left, right=right):
                return _strict(lambda one, two: one + two, self.build(left), self.build(right))
            case e.Case(whens=whens, default=default):
                return _case([(self.build(w), self.build(t)) for w, t in whens], self.build(default))
            case e.Coalesce(operands=operands):
                return _coalesce([self.build(o) for o in operands])
            case e.Call(function=function, operand=operand):
                return _lifted(_FUNCTIONS[function], self.build(operand))
            case e.JsonGet(operand=operand, key=key):
                return _json(self.build(operand), key, expr.type == e.TEXT)
            case e.Element(operand=operand, index=index):
                return _lifted(lambda values: values[index - 1] if 1 <= index <= len(values) else None, self.build(operand))
            case e.Cast(operand=operand):
                given, wanted = operand.type, expr.type
                return _lifted(lambda value: scalars.cast(value, given, wanted), self.build(operand))
            case e.Exists(query=query):
                return self._exists(query)
            case e.InQuery(operand=operand, query=query):
                return self._in_query(self.build(operand), query)
            case _:
                assert_never(expr)

    def _outputs(self, query: e.Query) -> Callable[[_Env], Iterable[_Env]]:
        """The environments in which the sub-select's condition is true: one per row that it returns."""
        if self.resolve_rows is None:
            raise NotClosed("this condition has a sub-select: it needs the database, or the rows of other tables")
        rows, where = self.resolve_rows, None if query.where is None else self.build(query.where)

        def run(env: _Env) -> Iterable[_Env]:
            tables = [list(rows(s.table)) for s in query.sources if s.table is not None]
            for found in product(*tables):
                inner = _Env({**env.rows, **dict(zip(query.sources, found, strict=True))}, env.claims, env.now, env.topic, env.known)
                if where is None or where(inner) is True:
                    yield inner

        return run

    def _exists(self, query: e.Query) -> _Run:
        outputs = self._outputs(query)
        return lambda env: any(True for _ in outputs(env))

    def _in_query(self, operand: _Run, query: e.Query) -> _Run:
        assert query.output is not None
        outputs, output = self._outputs(query), self.build(query.output)
        return lambda env: _among(operand(env), [output(inner) for inner in outputs(env)])


def _column(source: Source, name: str, type: Type) -> _Run:
    load = scalars.loader(type)
    if load is None:
        return lambda env: env.rows[source][name]

    def run(env: _Env) -> Any:
        value = env.rows[source][name]
        return None if value is None else load(value)

    return run


def _claim(name: e.ClaimName) -> _Run:
    def run(env: _Env) -> Any:
        if name not in env.known:
            env.known[name] = claim_value(name, env.claims, env.now, env.topic)
        return env.known[name]

    return run


def _not(operand: _Run) -> _Run:
    def run(env: _Env) -> bool | None:
        value = operand(env)
        return None if value is None else not value

    return run


def _every(operands: list[_Run], decisive: bool) -> _Run:
    """AND (decisive False) or OR (decisive True): one decisive value settles it, else one NULL leaves it open."""

    def run(env: _Env) -> bool | None:
        unknown = False
        for operand in operands:
            value = operand(env)
            if value is decisive:
                return decisive  # type: ignore[no-any-return]
            unknown = unknown or value is None
        return None if unknown else not decisive

    return run


def _strict(compute: Callable[[Any, Any], Any], left: _Run, right: _Run) -> _Run:
    def run(env: _Env) -> Any:
        one, two = left(env), right(env)
        return None if one is None or two is None else compute(one, two)

    return run


def _distinct(left: _Run, right: _Run, negated: bool) -> _Run:
    return lambda env: (left(env) == right(env)) is negated


def _is(operand: _Run, value: bool | None, negated: bool) -> _Run:
    return lambda env: (operand(env) is value) is not negated


def _among(value: Any, items: Iterable[Any]) -> bool | None:
    """SQL's `in`: of nothing it is false, even for NULL."""
    items = list(items)
    if not items:
        return False
    if value is None:
        return None
    return True if any(i is not None and i == value for i in items) else None if None in items else False


def _in(operand: _Run, items: list[_Run]) -> _Run:
    return lambda env: _among(operand(env), [item(env) for item in items])


def _any(operand: _Run, array: _Run) -> _Run:
    def run(env: _Env) -> bool | None:
        values = array(env)
        return None if values is None else _among(operand(env), values)

    return run


def _case(whens: list[tuple[_Run, _Run]], default: _Run) -> _Run:
    def run(env: _Env) -> Any:
        for condition, result in whens:
            if condition(env) is True:
                return result(env)
        return default(env)

    return run


def _coalesce(operands: list[_Run]) -> _Run:
    def run(env: _Env) -> Any:
        for operand in operands:
            value = operand(env)
            if value is not None:
                return value
        return None

    return run


def _lifted(compute: Callable[[Any], Any], operand: _Run) -> _Run:
    def run(env: _Env) -> Any:
        value = operand(env)
        return None if value is None else compute(value)

    return run


def _json(operand: _Run, key: str | int, as_text: bool) -> _Run:
    """A JSON null inside a document is a value (`is null` is false), SQL NULL only where nothing is found."""

    def run(env: _Env) -> Any:
        value = operand(env)
        if value is None:
            return None
        found, inner = scalars.json_get(None if value is _JSON_NULL else value, key)
        if not found:
            return None
        if as_text:
            return scalars.json_text(inner)
        return _JSON_NULL if inner is None else inner

    return run


_JSON_NULL = object()
_FUNCTIONS: Mapping[e.Function, Callable[[Any], Any]] = {
    "lower": scalars.lower, "upper": scalars.upper, "length": len, "array_length": lambda values: len(values) or None,
    "storage.foldername": scalars.folders, "storage.filename": scalars.filename, "storage.extension": scalars.extension,
}  # fmt: skip


def _like(operand: _Run, pattern: str, insensitive: bool) -> _Run:
    matches = like_matcher(scalars.lower(pattern) if insensitive else pattern)
    if insensitive:
        return _lifted(lambda text: matches(scalars.lower(text)), operand)
    return _lifted(matches, operand)


def like_matcher(pattern: str) -> Callable[[str], bool]:
    """LIKE with `\\` as escape. The pieces between `%` are searched from left to right, so no pattern can be slow."""
    pieces, escaped = [""], False
    for character in pattern:
        if escaped or character not in "\\%_":
            pieces[-1] += re.escape(character)
            escaped = False
        elif character == "\\":
            escaped = True
        elif character == "%":
            pieces.append("")
        else:
            pieces[-1] += "."
    if len(pieces) == 1:
        whole = re.compile(pieces[0], re.S)
        return lambda text: whole.fullmatch(text) is not None
    first, last = re.compile(pieces[0], re.S), re.compile(pieces[-1] + r"\Z", re.S)
    middle = [re.compile(piece, re.S) for piece in pieces[1:-1] if piece]
    tail = len(re.sub(r"\\(.)", r"\1", pieces[-1], flags=re.S))

    def matches(text: str) -> bool:
        found = first.match(text)
        for piece in middle:
            if found is None:
                return False
            found = piece.search(text, found.end())
        if found is None:
            return False
        start = len(text) - tail
        return start >= found.end() and last.match(text, start) is not None

    return matches
