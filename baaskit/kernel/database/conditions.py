"""One filter → one SQL condition, per database: what the operators of the REST dialect mean on SQLite and PostgreSQL.

On PostgreSQL every value is bound as text and cast in SQL, so its own words and codes refuse what does not fit. On SQLite
`values.py` does the refusing, and lists travel as one JSON text, so that no statement depends on a list's length.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import orjson
from sqlalchemy import Boolean, ColumnElement, case, cast, func, literal_column, select
from sqlalchemy.sql.elements import Grouping
from sqlalchemy.types import Text, UserDefinedType

from baaskit.errors.rest import SqlState, UnsupportedHere
from baaskit.kernel.database.binding import Binds
from baaskit.kernel.database.capture import literal, quote
from baaskit.kernel.database.rest_functions import compile_pattern, sort_key
from baaskit.kernel.database.textsearch import check_config, parse_query
from baaskit.kernel.database.values import coerce_text
from baaskit.kernel.plan import Place, Test
from baaskit.kernel.query import Step, Value
from baaskit.kernel.schema import Type

Sql = ColumnElement[Any]
_PLAIN_TYPE = re.compile(r"[a-z_][a-z0-9_]*( [a-z]+)*$")
_COMPARE = {"eq": "=", "neq": "<>", "gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
_ORDERED = frozenset({"gt", "gte", "lt", "lte"})
_RANGES = {"sl": "<<", "sr": ">>", "nxr": "&<", "nxl": "&>", "adj": "-|-"}
_SEARCH = {"fts": "to_tsquery", "plfts": "plainto_tsquery", "phfts": "phraseto_tsquery", "wfts": "websearch_to_tsquery"}
NOT_ON_SQLITE = "docs/reference/differences.md lists what each database can do."


class PgType(UserDefinedType[Any]):
    """A PostgreSQL type by its own spelling."""

    cache_ok = True

    def __init__(self, kind: Type, *, modifiers: bool = False) -> None:
        self.kind, self.modifiers = kind, modifiers

    def get_col_spec(self, **_: Any) -> str:
        name = self.kind.name if _PLAIN_TYPE.match(self.kind.name) and not self.kind.schema else quote(self.kind.name)
        name = f"{quote(self.kind.schema)}.{name}" if self.kind.schema else name
        given = f"({self.kind.modifiers})" if self.modifiers and re.fullmatch(r"\d+(,\d+)?", self.kind.modifiers) else ""
        return name + given + ("[]" if self.kind.array else "")


def infix(left: Sql, operator: str, right: Sql) -> Sql:
    """`(left operator right)`, exactly so: nothing of SQLAlchemy's rewriting of comparisons is relied on."""
    return Grouping(left.op(operator, return_type=Boolean())(right))


def negate(condition: Sql) -> Sql:
    return Grouping(literal_column("NOT").op(" ")(Grouping(condition)))


def joined(operator: str, conditions: list[Sql]) -> Sql:
    """`(a AND b AND …)`."""
    found = conditions[0]
    for condition in conditions[1:]:
        found = found.op(operator.upper(), return_type=Boolean())(condition)
    return Grouping(found)


def like_pattern(value: Value) -> str:
    """`*` is `%`. A pattern that ends in an escape is refused here: PostgreSQL refuses it only when some row gets that far."""
    pattern = str(value).replace("*", "%")
    if (len(pattern) - len(pattern.rstrip("\\"))) % 2:
        raise SqlState("22025", "LIKE pattern must not end with escape character")
    return pattern


def array_literal(values: Value) -> str:
    """`{"a","b"}`: PostgreSQL's text of an array; a JSON null has no form here, as in PostgREST."""
    assert isinstance(values, tuple)
    return "{" + ",".join('"' + v.replace("\\", "\\\\").replace('"', '\\"') + '"' for v in values) + "}"


def members(value: Sql, source: Any) -> Sql:
    """`(select value from source)`, for the right side of IN."""
    inner: Any = select(value).correlate_except(source).scalar_subquery().element
    return Grouping(inner)


class PostgresWords:
    """Conditions for PostgreSQL."""

    dialect = "postgresql"

    def __init__(self, binds: Binds) -> None:
        self.binds = binds
        self.fallible: dict[Any, Sql] = {}  # expressions over the request's values alone, which not every value passes

    def value(self, place: Place, reference: Sql) -> Sql:
        """The value at a place, for filters and order."""
        if not place.steps:
            return reference
        found: Sql = func.to_jsonb(reference) if place.column.type.array else cast(reference, PgType(Type("jsonb")))
        for step in place.steps:
            found = Grouping(found.op("->>" if step.as_text else "->")(_key(step)))
        return found

    def order_value(self, place: Place, reference: Sql) -> Sql:
        return self.value(place, reference)

    def test(self, test: Test, reference: Sql) -> Sql:
        left, kind, operator = self.value(test.place, reference), test.place.type, test.operator
        if operator == "is":
            return _is(left, test.word)
        if operator == "in":
            return self._any(left, "=", "any", test.slot, kind, array_literal)
        if test.quantifier:
            words = {"like": "LIKE", "ilike": "ILIKE", "match": "~", "imatch": "~*"}
            convert: Callable[[Value], str] = array_literal
            if operator in ("like", "ilike"):
                convert = _pattern_array
            return self._any(left, words.get(operator) or _COMPARE[operator], test.quantifier, test.slot, kind, convert)
        if operator in _COMPARE:
            return infix(left, _COMPARE[operator], self._typed(test.slot, kind))
        if operator == "isdistinct":
            return infix(left, "IS DISTINCT FROM", self._typed(test.slot, kind))
        if operator in ("like", "ilike"):
            return infix(left, operator.upper(), cast(self.binds.slot(test.slot, like_pattern), Text))
        if operator in ("match", "imatch"):
            return infix(left, "~" if operator == "match" else "~*", cast(self.binds.slot(test.slot, str), Text))
        if operator in _SEARCH:
            return self._search(left, kind, test)
        symbol = _RANGES.get(operator) or {"cs": "@>", "cd": "<@", "ov": "&&"}[operator]
        if kind.name == "json" and not kind.array:
            left, kind = cast(left, PgType(Type("jsonb"))), Type("jsonb")
        return infix(left, symbol, self._typed(test.slot, kind))

    def _typed(self, slot: int, kind: Type) -> Sql:
        bound: Sql = cast(self.binds.slot(slot, str), Text)
        return bound if kind == Type("text") else self.fallible.setdefault((slot, kind), cast(bound, PgType(kind)))

    def _any(self, left: Sql, symbol: str, quantifier: str, slot: int, kind: Type, convert: Callable[[Value], str]) -> Sql:
        if kind.array:
            raise UnsupportedHere("Lists of arrays cannot be compared.")
        listed = cast(cast(self.binds.slot(slot, convert), Text), PgType(Type(kind.name, array=True)))
        self.fallible[slot] = listed
        return infix(left, symbol, func.any(listed) if quantifier == "any" else func.all(listed))

    def _search(self, left: Sql, kind: Type, test: Test) -> Sql:
        words = [cast(literal_column(literal(test.word)), PgType(Type("regconfig")))] if test.word else []
        if kind.family != "tsvector":
            left = func.to_tsvector(*words, cast(left, Text) if kind.family != "json" else left)
        function = getattr(func, _SEARCH[test.operator])
        query = self.fallible[test.slot] = function(*words, cast(self.binds.slot(test.slot, str), Text))
        return infix(left, "@@", query)


def _pattern_array(values: Value) -> str:
    assert isinstance(values, tuple)
    return array_literal(tuple(like_pattern(v) for v in values))


def _key(step: Step) -> Sql:
    return literal_column(str(step.key)) if isinstance(step.key, int) else literal_column(literal(step.key))


def _is(left: Sql, word: str) -> Sql:
    spelled = {"null": "IS NULL", "not_null": "IS NOT NULL", "true": "IS TRUE", "false": "IS FALSE", "unknown": "IS NULL"}[word]
    return infix(left, spelled, literal_column(""))


class SqliteWords:
    """Conditions for SQLite. JSON paths and case folding use the functions of `policy.sqlite_functions`."""

    dialect = "sqlite"
    fallible: Mapping[Any, Sql] = {}  # values are read before the statement runs

    def __init__(self, binds: Binds) -> None:
        self.binds = binds

    def value(self, place: Place, reference: Sql) -> Sql:
        found = reference
        for step in place.steps:
            key = _key(step)
            found = func.baas_json_text(found, key) if step.as_text else func.baas_json_get(found, key)
        return found

    def order_value(self, place: Place, reference: Sql) -> Sql:
        """An enum sorts by the order of its labels, JSON and arrays by their values."""
        kind = place.type
        if kind.array or kind.family == "json":
            return sort_key_of(self.value(place, reference), kind)
        if kind.labels and not kind.array:
            return self._ranked(self.value(place, reference), kind)
        return self.value(place, reference)

    def test(self, test: Test, reference: Sql) -> Sql:
        left, kind, operator = self.value(test.place, reference), test.place.type, test.operator
        if operator == "is":
            return _is(left, test.word)
        if operator in _SEARCH:
            return self._search(left, kind, test)
        if operator in ("cs", "cd", "ov"):
            return self._contains(left, kind, test)
        if operator in _RANGES:
            raise UnsupportedHere(f"The operator {operator} is not available on SQLite: it has no ranges.", hint=NOT_ON_SQLITE)
        if kind.array or kind.family == "json":
            return self._by_key(left, kind, test)
        if operator == "in":
            return self._in(left, kind, test.slot)
        if test.quantifier:
            return self._quantified(left, kind, test)
        if operator in ("match", "imatch"):
            return _matches(left, self.binds.slot(test.slot, _pattern(operator)), operator)
        if operator in ("like", "ilike"):
            return _like(left, self.binds.slot(test.slot, like_pattern), operator)
        right = self.binds.slot(test.slot, _stored(kind), _Raw)
        if kind.labels and operator in _ORDERED:
            left, right = self._ranked(left, kind), self._ranked(right, kind)
        return infix(left, "IS NOT" if operator == "isdistinct" else _COMPARE[operator], right)

    def _by_key(self, left: Sql, kind: Type, test: Test) -> Sql:
        """JSON and arrays compare by a key that is the same for every spelling of a value."""
        stored, is_array = _stored(kind), int(kind.array)
        left = sort_key_of(left, kind)
        if test.operator == "in" or test.quantifier:

            def listed(values: Value) -> str:
                assert isinstance(values, tuple)
                return orjson.dumps([(sort_key(stored(value), is_array) or b"").hex() for value in values]).decode()

            each = func.json_each(self.binds.slot(test.slot, listed)).table_valued("value").alias(self._name())
            if test.operator == "in":
                return infix(func.lower(func.hex(left)), "IN", members(each.c.value, each))
            return _any_of(left, infix(func.lower(func.hex(left)), _COMPARE[test.operator], each.c.value), each, test.quantifier)
        right = self.binds.slot(test.slot, lambda value: sort_key(stored(value), is_array), _Raw)
        return infix(left, "IS NOT" if test.operator == "isdistinct" else _COMPARE[test.operator], right)

    def _search(self, left: Sql, kind: Type, test: Test) -> Sql:
        config, operator = check_config(test.word), test.operator

        def checked(value: Value) -> str:
            parse_query(operator, config, str(value))  # refused even where no row would be looked at
            return str(value)

        words: list[Sql] = [
            literal_column(str(int(kind.family == "json"))),
            literal_column(literal(config)),
            literal_column(literal(operator)),
        ]
        return infix(func.baas_search(left, *words, self.binds.slot(test.slot, checked)), "=", literal_column("1"))

    def _in(self, left: Sql, kind: Type, slot: int) -> Sql:
        stored = _stored(kind)
        if kind.family == "bytea":
            left = func.hex(left)

        def listed(values: Value) -> str:
            assert isinstance(values, tuple)
            found = [stored(value) for value in values]
            return orjson.dumps([v.hex().upper() if isinstance(v, bytes) else v for v in found]).decode()

        each = func.json_each(self.binds.slot(slot, listed)).table_valued("value").alias(self._name())
        return infix(left, "IN", members(each.c.value, each))

    def _quantified(self, left: Sql, kind: Type, test: Test) -> Sql:
        operator = test.operator
        convert = (
            like_pattern if operator in ("like", "ilike") else _pattern(operator) if operator in ("match", "imatch") else _stored(kind)
        )

        def listed(values: Value) -> str:
            assert isinstance(values, tuple)
            return orjson.dumps([convert(value) for value in values]).decode()

        each = func.json_each(self.binds.slot(test.slot, listed)).table_valued("value").alias(self._name())
        right: Sql = each.c.value
        if operator in ("like", "ilike"):
            one = _like(left, right, operator)
        elif operator in ("match", "imatch"):
            one = _matches(left, right, operator)
        else:
            if kind.labels and operator in _ORDERED:
                left, right = self._ranked(left, kind), self._ranked(right, kind)
            one = infix(left, _COMPARE[operator], right)
        return _any_of(left, one, each, test.quantifier)

    def _contains(self, left: Sql, kind: Type, test: Test) -> Sql:
        """Arrays as sets of elements, where null is never the same as null; JSON as PostgreSQL's jsonb."""
        if not kind.array:
            right = self.binds.slot(test.slot, _stored(kind))
            both = (left, right) if test.operator == "cs" else (right, left)
            return infix(func.baas_json_contains(*both), "=", literal_column("1"))
        given = func.json_each(self.binds.slot(test.slot, _stored(kind))).table_valued("value").alias(self._name())
        have = func.json_each(left).table_valued("value").alias(self._name())
        inner, outer = {"cs": (given, have), "cd": (have, given), "ov": (given, have)}[test.operator]
        member = infix(inner.c.value, "IN", members(outer.c.value, outer))
        wanted = member if test.operator == "ov" else infix(member, "IS NOT TRUE", literal_column(""))
        found: Sql = select(literal_column("1")).select_from(inner).where(wanted).correlate_except(inner).exists()
        return case((left.is_not(None), found if test.operator == "ov" else negate(found)))

    def _ranked(self, value: Sql, kind: Type) -> Sql:
        return case(
            *[(infix(value, "=", literal_column(literal(label))), literal_column(str(rank))) for rank, label in enumerate(kind.labels)]
        )

    def _name(self) -> str:
        self._each = getattr(self, "_each", 0) + 1
        return f"each{self._each}"


class _Raw(UserDefinedType[Any]):
    """A parameter whose Python value goes to SQLite as it is."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "ANY"


def _stored(kind: Type) -> Callable[[Value], Any]:
    if kind == Type("text"):
        return _plain
    return lambda value: coerce_text(kind, str(value))


def _plain(value: Value) -> str:
    text = str(value)
    if "\x00" in text:
        raise SqlState("22021", 'invalid byte sequence for encoding "UTF8": 0x00')
    return text


def _like(left: Sql, pattern: Sql, operator: str) -> Sql:
    if operator == "ilike":
        left, pattern = func.lower(left), func.lower(pattern)
    return infix(left, "LIKE", pattern.op("ESCAPE", precedence=100)(literal_column("'\\'")))


def _pattern(operator: str) -> Callable[[Value], str]:
    def checked(value: Value) -> str:
        compile_pattern(str(value), operator == "imatch")  # refused even where no row would be looked at
        return str(value)

    return checked


def _matches(left: Sql, pattern: Sql, operator: str) -> Sql:
    return infix(func.baas_match(left, pattern, literal_column(str(int(operator == "imatch")))), "=", literal_column("1"))


def _any_of(left: Sql, one: Sql, each: Any, quantifier: str) -> Sql:
    """Whether `one`, a condition over the rows of `each`, holds for any or for all of them; null when `left` is."""
    wanted = one if quantifier == "any" else negate(one)
    found: Sql = select(literal_column("1")).select_from(each).where(wanted).correlate_except(each).exists()
    return case((left.is_not(None), found if quantifier == "any" else negate(found)))


def sort_key_of(value: Sql, kind: Type) -> Sql:
    return func.baas_sort_key(value, literal_column(str(int(kind.array))))


Words = PostgresWords | SqliteWords


def words_for(dialect: str, binds: Binds) -> Words:
    return SqliteWords(binds) if dialect == "sqlite" else PostgresWords(binds)
