"""Query string → Query: PostgREST's grammar (wire.md §1.2) by hand, in one pass. Pure; knows no schema.

Every refusal is PGRST100 with the place. Limits on length, depth and number keep a hostile request cheap.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal, NoReturn, cast

from baaskit.errors.rest import TooComplex, UnparsableQuery
from baaskit.kernel.query.types import (
    IS_WORDS,
    PLAIN_OPERATORS,
    QUANTIFIED,
    SEARCHES,
    Aggregate,
    Condition,
    Embed,
    Field,
    Filter,
    Item,
    Level,
    Logic,
    Order,
    Path,
    Query,
    Selected,
    Star,
    Step,
    Value,
)

MAX_DEPTH = 12  # of logic trees and of embeds
MAX_NODES = 500  # filters, selected items and order terms of one request
MAX_ITEMS = 300  # key=value pairs
MAX_LIST = 10_000  # elements of in.(…)
MAX_TEXT = 64 * 1024  # characters of one value

_OPERATORS = "operator (eq, gt, ...)"
_NAME = re.compile(r'"((?:[^"\\]|\\.)*)"|([^\s",.:()!>*\-=&{}|][^",.:()!>*=&{}|]*?)(?=\s*(?:->|[,.:()!*=&{}|"]|$))', re.S)
_WORD = re.compile(r"[a-z_]+")
_CAST = re.compile(r"::\s*([A-Za-z_][A-Za-z0-9_ ]*(?:\(\s*\d+(?:\s*,\s*\d+)?\s*\))?(?:\[\])?)")
_AGGREGATES = frozenset({"count", "sum", "avg", "min", "max"})
_RESERVED = frozenset({"select", "columns", "on_conflict"})


class _Reader:
    """A place in a text. `what` says which part of the request is read, for messages."""

    __slots__ = ("at", "text", "what")

    def __init__(self, text: str, what: str) -> None:
        if len(text) > MAX_TEXT:
            raise TooComplex(f"The {what} is longer than {MAX_TEXT} characters.")
        self.text, self.at, self.what = text, 0, what

    def fail(self, expected: str) -> NoReturn:
        raise UnparsableQuery(self.what, self.text[:500], self.at, expected)

    def skip(self) -> None:
        text, at = self.text, self.at
        while at < len(text) and text[at] in " \t\n\r":
            at += 1
        self.at = at

    def take(self, token: str) -> bool:
        if self.text.startswith(token, self.at):
            self.at += len(token)
            return True
        return False

    def need(self, token: str) -> None:
        if not self.take(token):
            self.fail(f'"{token}"')

    @property
    def done(self) -> bool:
        return self.at >= len(self.text)

    def name(self) -> str:
        """An identifier: quoted, or up to the next character with a meaning."""
        found = _NAME.match(self.text, self.at)
        if not found:
            self.fail("field name (* or [a..z0..9_$])")
        self.at = found.end()
        if found[2] is None:
            return _unescape(found[1])
        return found[2]


def _unescape(quoted: str) -> str:
    return re.sub(r"\\(.)", r"\1", quoted, flags=re.S)


class _Build:
    """What one parse collects: values by slot, conditions and order by level."""

    def __init__(self) -> None:
        self.values: list[Value] = []
        self.conditions: dict[Path, list[Condition]] = {}
        self.order: dict[Path, tuple[Order, ...]] = {}
        self.limits: dict[Path, dict[str, int]] = {}
        self.nodes = 0

    def slot(self, value: Value) -> int:
        self.values.append(value)
        return len(self.values) - 1

    def count(self) -> None:
        self.nodes += 1
        if self.nodes > MAX_NODES:
            raise TooComplex(f"The request has more than {MAX_NODES} filters, columns and order terms.")


def parse(items: Iterable[tuple[str, str]], *, ignore: frozenset[str] = frozenset()) -> Query:
    """Read the decoded `key=value` pairs of a query string. Raises UnparsableQuery, TooComplex.

    `ignore`: keys that belong to somebody else.
    """
    build = _Build()
    select: tuple[Selected, ...] = (Star(),)
    columns: tuple[str, ...] | None = None
    on_conflict: tuple[str, ...] | None = None
    slots: list[int] = []
    for key, value in items:
        if len(slots) >= MAX_ITEMS:
            raise TooComplex(f"The query string has more than {MAX_ITEMS} parameters.")
        before = len(build.values)
        if key == "select":
            select = _select(value, build)
        elif key == "columns":
            columns = _names(value, "columns parameter")
        elif key == "on_conflict":
            on_conflict = _names(value, "on_conflict parameter")
        elif key not in ignore:
            _parameter(key, value, build)
        slots.append(before if len(build.values) == before + 1 else -1)
    return Query(select, _levels(build), columns, on_conflict, tuple(build.values), tuple(slots))


def _levels(build: _Build) -> tuple[Level, ...]:
    paths = dict.fromkeys([*build.conditions, *build.order, *build.limits])
    return tuple(
        Level(
            path,
            tuple(build.conditions.get(path, ())),
            build.order.get(path, ()),
            build.limits.get(path, {}).get("limit", -1),
            build.limits.get(path, {}).get("offset", -1),
        )
        for path in paths
    )


def _parameter(key: str, value: str, build: _Build) -> None:
    """A filter, a logic tree, or `order`, `limit`, `offset`, each maybe below embeds (`messages.order`)."""
    if key == "order" or key.endswith(".order"):
        build.order[_path(key, 1)] = _order(value, build)
    elif key in ("limit", "offset") or key.endswith((".limit", ".offset")):
        path, word = _path(key, 1), key.rpartition(".")[2]
        build.limits.setdefault(path, {})[word] = build.slot(_integer(value, word))
    elif key in ("and", "or") or key.endswith((".and", ".or")):
        negated = key.startswith("not.") or ".not." in key
        path = _path(key, 2 if negated else 1)
        reader = _Reader(value, "logic tree")
        tree = _tree(reader, cast(Literal["and", "or"], key.rpartition(".")[2]), negated, build, 0)
        if not reader.done:
            reader.fail("end of input")
        build.conditions.setdefault(path, []).append(tree)
    else:
        path, field = _target(key)
        build.conditions.setdefault(path, []).append(_filter(field, value, build))


def _path(key: str, dropped: int) -> Path:
    path = tuple(key.split(".")[:-dropped])
    if len(path) > MAX_DEPTH:
        raise TooComplex(f"Embeds are nested more than {MAX_DEPTH} deep.")
    return path


def _target(key: str) -> tuple[Path, Field]:
    """`embed.embed.column->a->>b` → path and field."""
    reader = _Reader(key, "filter")
    names = [reader.name()]
    while reader.take("."):
        names.append(reader.name())
    steps = _steps(reader)
    if not reader.done:
        reader.fail('"." or "->" or end of input')
    if len(names) - 1 > MAX_DEPTH:
        raise TooComplex(f"Embeds are nested more than {MAX_DEPTH} deep.")
    return tuple(names[:-1]), Field(names[-1], steps)


def _integer(text: str, word: str) -> int:
    digits = text.strip()
    if not re.fullmatch(r"-?[0-9]{1,18}", digits):
        raise UnparsableQuery(word + " parameter", text[:100], 0, "digits")
    return int(digits)


def _names(text: str, what: str) -> tuple[str, ...]:
    reader = _Reader(text, what)
    found: list[str] = []
    while True:
        reader.skip()
        found.append(reader.name())
        reader.skip()
        if reader.done:
            return tuple(dict.fromkeys(found))
        reader.need(",")
        if len(found) > MAX_NODES:
            raise TooComplex(f"The {what} names more than {MAX_NODES} columns.")


# ---- filters ----------------------------------------------------------------------------------------------------------


def _filter(field: Field, text: str, build: _Build) -> Filter:
    reader = _Reader(text, "filter")
    filter_ = _operation(reader, field, build, inside=False)
    return filter_


def _operation(reader: _Reader, field: Field, build: _Build, inside: bool) -> Filter:
    """`[not.]op[(any|all)].value`; inside a logic tree a value ends at `,` or `)` and may be quoted."""
    build.count()
    negated = reader.take("not.")
    found = _WORD.match(reader.text, reader.at)
    operator = found[0] if found else ""
    if operator not in PLAIN_OPERATORS:
        reader.fail(_OPERATORS)
    reader.at += len(operator)
    quantifier: Literal["any", "all", ""] = ""
    word = ""
    if reader.text.startswith("(", reader.at):
        end = reader.text.find(")", reader.at)
        inner = reader.text[reader.at + 1 : end] if end > 0 else ""
        if operator in QUANTIFIED and inner in ("any", "all"):
            quantifier = cast(Literal["any", "all"], inner)
        elif operator in SEARCHES and re.fullmatch(r"[A-Za-z_0-9]{1,60}", inner):
            word = inner
        else:
            reader.fail(_OPERATORS)
        reader.at = end + 1
    if not reader.take("."):
        reader.fail(_OPERATORS if not quantifier and not word else '"."')
    if operator == "is":
        return Filter(field, operator, -1, negated, "", _is_word(reader, inside))
    value: Value
    if operator == "in":
        value = _list(reader, "(", ")")
        if not reader.done and not inside:
            reader.fail("end of input")
    elif quantifier:
        value = _list(reader, "{", "}")
        if not reader.done and not inside:
            reader.fail("end of input")
    else:
        value = _scalar(reader, inside)
    return Filter(field, operator, build.slot(value), negated, quantifier, word)


def _is_word(reader: _Reader, inside: bool) -> str:
    end = reader.at
    while end < len(reader.text) and not (inside and reader.text[end] in ",)"):
        end += 1
    word = reader.text[reader.at : end].strip().lower()
    if word not in IS_WORDS:
        reader.fail("isVal: (null, not_null, true, false, unknown)")
    reader.at = end
    return word


def _scalar(reader: _Reader, inside: bool) -> str:
    text = reader.text
    if not inside:
        value, reader.at = text[reader.at :], len(text)
        return value
    if text.startswith('"', reader.at):
        return _quoted(reader)
    start = reader.at
    if text.startswith("{", start):  # an array literal keeps its commas
        return text[start : _close_brace(reader)]
    while reader.at < len(text) and text[reader.at] not in ",)":
        reader.at += 1
    return text[start : reader.at]


def _close_brace(reader: _Reader) -> int:
    """Move past the `}` that closes the array literal at the reader; quotes inside hide braces."""
    text, depth, quoted = reader.text, 0, False
    while reader.at < len(text):
        sign = text[reader.at]
        if sign == "\\":
            reader.at += 1
        elif sign == '"':
            quoted = not quoted
        elif not quoted and sign in "{}":
            depth += 1 if sign == "{" else -1
        reader.at += 1
        if depth == 0 and not quoted:
            return reader.at
    return reader.fail('"}"')


def _quoted(reader: _Reader) -> str:
    """A text in double quotes with backslash escapes; the reader stands on the opening quote."""
    out: list[str] = []
    text, at = reader.text, reader.at + 1
    while at < len(text):
        sign = text[at]
        if sign == '"':
            reader.at = at + 1
            return "".join(out)
        if sign == "\\" and at + 1 < len(text):
            at += 1
            sign = text[at]
        out.append(sign)
        at += 1
    reader.at = at
    return reader.fail('closing double quote (")')


def _list(reader: _Reader, opening: str, closing: str) -> tuple[str, ...]:
    """`(a,b,"c,d")`; the empty list is legal."""
    reader.need(opening)
    if reader.take(closing):
        return ()
    found: list[str] = []
    text = reader.text
    stop = re.compile("[," + re.escape(closing) + "]")
    while True:
        if text.startswith('"', reader.at):
            found.append(_quoted(reader))
        else:
            end = stop.search(text, reader.at)
            if end is None:
                reader.at = len(text)
                reader.fail(f'"," or "{closing}"')
            found.append(text[reader.at : end.start()])
            reader.at = end.start()
        if reader.take(closing):
            return tuple(found)
        reader.need(",")
        if len(found) >= MAX_LIST:
            raise TooComplex(f"A list has more than {MAX_LIST} elements.")


def parse_list(text: str) -> tuple[str, ...]:
    """The value of `in.`: `(a,b,"c,d")`. Raises UnparsableQuery."""
    reader = _Reader(text, "filter")
    found = _list(reader, "(", ")")
    if not reader.done:
        reader.fail("end of input")
    return found


def _tree(reader: _Reader, operator: Literal["and", "or"], negated: bool, build: _Build, depth: int) -> Logic:
    if depth >= MAX_DEPTH:
        raise TooComplex(f"Logic is nested more than {MAX_DEPTH} deep.")
    build.count()
    reader.skip()
    reader.need("(")
    children: list[Condition] = []
    while True:
        reader.skip()
        children.append(_branch(reader, build, depth))
        reader.skip()
        if reader.take(")"):
            return Logic(operator, tuple(children), negated)
        reader.need(",")


_NESTED = re.compile(r"(not\.)?(and|or)(?=\s*\()")


def _branch(reader: _Reader, build: _Build, depth: int) -> Condition:
    nested = _NESTED.match(reader.text, reader.at)
    if nested:
        reader.at = nested.end()
        return _tree(reader, cast(Literal["and", "or"], nested[2]), bool(nested[1]), build, depth + 1)
    field = Field(reader.name(), _steps(reader))
    reader.need(".")
    return _operation(reader, field, build, inside=True)


# ---- fields, select, order --------------------------------------------------------------------------------------------


def _steps(reader: _Reader) -> tuple[Step, ...]:
    """`->a->0->>b`; nothing may follow a `->>` step."""
    steps: list[Step] = []
    while reader.text.startswith("->", reader.at):
        if len(steps) >= MAX_DEPTH * 2:
            raise TooComplex("The JSON path is too long.")
        reader.at += 2
        as_text = reader.take(">")
        index = re.compile(r"-?\d{1,9}(?=->|[,.:()]|\s|$)").match(reader.text, reader.at)
        if index:
            reader.at = index.end()
            steps.append(Step(int(index[0]), as_text))
        else:
            steps.append(Step(reader.name(), as_text))
    return tuple(steps)


def _select(text: str, build: _Build) -> tuple[Selected, ...]:
    reader = _Reader(text, "select parameter")
    reader.skip()
    if reader.done:
        return (Star(),)
    found = _items(reader, build, 0)
    if not reader.done:
        reader.fail('"," or end of input')
    return found


def _items(reader: _Reader, build: _Build, depth: int) -> tuple[Selected, ...]:
    if depth > MAX_DEPTH:
        raise TooComplex(f"Embeds are nested more than {MAX_DEPTH} deep.")
    found: list[Selected] = []
    while True:
        reader.skip()
        build.count()
        found.append(_item(reader, build, depth))
        reader.skip()
        if not reader.take(","):
            return tuple(found)


def _item(reader: _Reader, build: _Build, depth: int) -> Selected:
    if reader.take("*"):
        return Star()
    spread = reader.take("...")
    name = reader.name()
    reader.skip()
    alias = ""
    if reader.text.startswith(":", reader.at) and not reader.text.startswith("::", reader.at):
        reader.at += 1
        reader.skip()
        alias, name = name, reader.name()
        reader.skip()
    if name == "count" and reader.text.startswith("()", reader.at) and not spread:
        reader.at += 2
        return Item(None, alias, "", "count", _cast(reader))
    if spread or (not reader.done and reader.text[reader.at] in "!("):
        return _embed(reader, name, alias, spread, build, depth)
    field = Field(name, _steps(reader))
    kind = _cast(reader)
    if not reader.take("."):
        return Item(field, alias, kind)
    word = _WORD.match(reader.text, reader.at)
    if not word or word[0] not in _AGGREGATES:
        reader.fail("aggregate function (count, sum, avg, min, max)")
    reader.at = word.end()
    reader.need("()")
    return Item(field, alias, kind, cast(Aggregate, word[0]), _cast(reader))


def _cast(reader: _Reader) -> str:
    if not reader.text.startswith("::", reader.at):
        return ""
    found = _CAST.match(reader.text, reader.at)
    if not found:
        reader.at += 2
        reader.fail("type name")
    reader.at = found.end()
    return " ".join(found[1].split())


def _embed(reader: _Reader, target: str, alias: str, spread: bool, build: _Build, depth: int) -> Embed:
    hint, inner = "", False
    while reader.take("!"):
        word = reader.name()
        if word in ("inner", "left"):
            inner = word == "inner"
        elif hint:
            reader.fail('"inner" or "left" or "("')
        else:
            hint = word
    reader.skip()
    reader.need("(")
    reader.skip()
    if reader.take(")"):
        return Embed(target, (), alias, hint, inner, spread)
    items = _items(reader, build, depth + 1)
    reader.skip()
    reader.need(")")
    return Embed(target, items, alias, hint, inner, spread)


def _order(text: str, build: _Build) -> tuple[Order, ...]:
    reader = _Reader(text, "order")
    found: list[Order] = []
    while True:
        reader.skip()
        build.count()
        found.append(_term(reader))
        reader.skip()
        if reader.done:
            return tuple(found)
        reader.need(",")


_DIRECTION = re.compile(r"\.(asc|desc|nullsfirst|nullslast)(?=[.,\s]|$)")


def _term(reader: _Reader) -> Order:
    name, relation = reader.name(), ""
    if reader.take("("):
        relation, name = name, reader.name()
    field = Field(name, _steps(reader))
    if relation:
        reader.need(")")
    descending = False
    nulls: Literal["first", "last", ""] = ""
    seen = 0
    while reader.text.startswith(".", reader.at):
        found = _DIRECTION.match(reader.text, reader.at)
        if not found or (seen and found[1] in ("asc", "desc")) or nulls:
            reader.at += 1
            reader.fail("order direction (asc, desc, nullsfirst, nullslast)")
        seen += 1
        reader.at = found.end()
        if found[1] in ("asc", "desc"):
            descending = found[1] == "desc"
        else:
            nulls = "first" if found[1] == "nullsfirst" else "last"
    return Order(field, descending, nulls, relation)
