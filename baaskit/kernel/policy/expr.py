"""The typed tree of a policy's expression: what every compiler reads, and all that a policy can mean.

Every node has a type and a place in the text (`span`, not part of equality). Values are in the canonical form of
`scalars`. A new node fails type checking until both compilers, `sql` and `predicate`, know it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from decimal import Decimal
from typing import Literal as OneOf
from typing import TypeAlias, assert_never

from baaskit.kernel.policy.source import Span
from baaskit.kernel.schema import TableName, Type

BOOL, TEXT, UUID, INT8, NUMERIC, FLOAT8 = Type("bool"), Type("text"), Type("uuid"), Type("int8"), Type("numeric"), Type("float8")
JSONB, TIMESTAMPTZ, TEXTS = Type("jsonb"), Type("timestamptz"), Type("text", array=True)
_NOWHERE = Span(0, 0)

Value: TypeAlias = str | int | Decimal | bool | None
ClaimName = OneOf["uid", "uid_int", "uid_text", "role", "email", "jwt", "topic", "now"]
CompareOp = OneOf["=", "<>", "<", "<=", ">", ">="]
Function = OneOf["lower", "upper", "length", "array_length", "storage.foldername", "storage.filename", "storage.extension"]


@dataclass(frozen=True, slots=True)
class Source:
    """Where a column comes from: the row itself (`ROW`), the row before (`OLD`), or a table of a sub-select.

    `number` tells apart two uses of one alias; it is unique inside an expression. The alias is only for display.
    """

    alias: str = field(compare=False)
    number: int
    table: TableName | None = None


ROW, OLD = Source("", 0), Source("old", -1)


class Node:
    """What all nodes offer. `str(node)` is PostgreSQL text, fully parenthesised."""

    __slots__ = ()
    type: Type
    span: Span

    def __str__(self) -> str:
        return _text(self, False)  # type: ignore[arg-type]

    def walk(self) -> Iterator[Expr]:
        """This node and all below it, sub-selects included, outermost first."""
        waiting: list[object] = [self]
        while waiting:
            thing = waiting.pop()
            if isinstance(thing, Query):
                waiting.extend(x for x in (thing.where, thing.output) if x is not None)
            elif isinstance(thing, tuple):
                waiting.extend(thing)
            elif isinstance(thing, Node):
                yield thing  # type: ignore[misc]
                waiting.extend(getattr(thing, f.name) for f in reversed(fields(thing)))  # type: ignore[arg-type]

    @property
    def is_closed(self) -> bool:
        """Whether row and claims decide: no sub-select inside."""
        return not any(isinstance(n, (Exists, InQuery)) for n in self.walk())

    @property
    def columns(self) -> frozenset[str]:
        """Columns of the row itself that are read."""
        return frozenset(n.name for n in self.walk() if isinstance(n, Column) and n.source == ROW)

    @property
    def old_columns(self) -> frozenset[str]:
        return frozenset(n.name for n in self.walk() if isinstance(n, Column) and n.source == OLD)

    @property
    def claims(self) -> frozenset[ClaimName]:
        return frozenset(n.name for n in self.walk() if isinstance(n, Claim))

    @property
    def tables(self) -> frozenset[TableName]:
        """Tables read by sub-selects: a change in them can change the answer for an unchanged row."""
        queries = [n.query for n in self.walk() if isinstance(n, (Exists, InQuery))]
        return frozenset(s.table for q in queries for s in q.sources if s.table is not None)


@dataclass(frozen=True, slots=True)
class Literal(Node):
    value: Value
    type: Type
    span: Span = field(default=_NOWHERE, compare=False, repr=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class Column(Node):
    source: Source
    name: str
    type: Type
    span: Span = field(default=_NOWHERE, compare=False, repr=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class Claim(Node):
    """`auth.uid()`, `auth.role()`, `auth.email()`, `auth.jwt()`, `realtime.topic()`, `now()`: constants of a request."""

    name: ClaimName
    type: Type
    span: Span = field(default=_NOWHERE, compare=False, repr=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class Not(Node):
    operand: Expr
    type: Type = BOOL
    span: Span = field(default=_NOWHERE, compare=False, repr=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class And(Node):
    operands: tuple[Expr, ...]
    type: Type = BOOL
    span: Span = field(default=_NOWHERE, compare=False, repr=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class Or(Node):
    operands: tuple[Expr, ...]
    type: Type = BOOL
    span: Span = field(default=_NOWHERE, compare=False, repr=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class Compare(Node):
    """Both sides have one family; NULL on either side gives NULL."""

    op: CompareOp
    left: Expr
    right: Expr
    type: Type = BOOL
    span: Span = field(default=_NOWHERE, compare=False, repr=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class Distinct(Node):
    """`is distinct from`, or `is not distinct from` when negated; never NULL."""

    left: Expr
    right: Expr
    negated: bool
    type: Type = BOOL
    span: Span = field(default=_NOWHERE, compare=False, repr=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class Is(Node):
    """`is [not] null|true|false`; never NULL. `value` None means null."""

    operand: Expr
    value: bool | None
    negated: bool
    type: Type = BOOL
    span: Span = field(default=_NOWHERE, compare=False, repr=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class InList(Node):
    operand: Expr
    items: tuple[Expr, ...]
    type: Type = BOOL
    span: Span = field(default=_NOWHERE, compare=False, repr=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class AnyOf(Node):
    """`operand = any (array)`."""

    operand: Expr
    array: Expr
    type: Type = BOOL
    span: Span = field(default=_NOWHERE, compare=False, repr=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class Like(Node):
    """`pattern` uses `\\` as its escape; case is ignored when `insensitive` (both sides lowered, one character each)."""

    operand: Expr
    pattern: str
    insensitive: bool
    type: Type = BOOL
    span: Span = field(default=_NOWHERE, compare=False, repr=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class Arith(Node):
    """Integers and numerics are computed exactly, floats as IEEE doubles; division by zero gives NULL."""

    op: OneOf["+", "-", "*", "/", "%"]
    left: Expr
    right: Expr
    type: Type
    span: Span = field(default=_NOWHERE, compare=False, repr=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class Concat(Node):
    left: Expr
    right: Expr
    type: Type = TEXT
    span: Span = field(default=_NOWHERE, compare=False, repr=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class Case(Node):
    """`whens` are (condition, result) pairs; `default` is a NULL literal when there was no else."""

    whens: tuple[tuple[Expr, Expr], ...]
    default: Expr
    type: Type
    span: Span = field(default=_NOWHERE, compare=False, repr=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class Coalesce(Node):
    operands: tuple[Expr, ...]
    type: Type
    span: Span = field(default=_NOWHERE, compare=False, repr=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class Call(Node):
    function: Function
    operand: Expr
    type: Type
    span: Span = field(default=_NOWHERE, compare=False, repr=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class JsonGet(Node):
    """`operand -> key` (jsonb) or `operand ->> key` (text)."""

    operand: Expr
    key: str | int
    type: Type
    span: Span = field(default=_NOWHERE, compare=False, repr=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class Element(Node):
    """`operand[index]`, counted from 1; NULL outside the array."""

    operand: Expr
    index: int
    type: Type
    span: Span = field(default=_NOWHERE, compare=False, repr=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class Cast(Node):
    """Only between the pairs of `scalars.CASTS`; a text that does not fit gives NULL, where PostgreSQL raises."""

    operand: Expr
    type: Type
    span: Span = field(default=_NOWHERE, compare=False, repr=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class Query:
    """A sub-select: inner joins of `sources`, all conditions in `where`. It sees all rows of these tables."""

    sources: tuple[Source, ...]
    where: Expr | None
    output: Expr | None = None


@dataclass(frozen=True, slots=True)
class Exists(Node):
    query: Query
    type: Type = BOOL
    span: Span = field(default=_NOWHERE, compare=False, repr=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class InQuery(Node):
    operand: Expr
    query: Query
    type: Type = BOOL
    span: Span = field(default=_NOWHERE, compare=False, repr=False, kw_only=True)


Expr: TypeAlias = (
    Literal | Column | Claim | Not | And | Or | Compare | Distinct | Is | InList | AnyOf | Like | Arith | Concat | Case | Coalesce
    | Call | JsonGet | Element | Cast | Exists | InQuery
)  # fmt: skip

TRUE, FALSE = Literal(True, BOOL), Literal(False, BOOL)


def conjuncts(expr: Expr) -> tuple[Expr, ...]:
    """The clauses that must all hold: `a and b and c` → (a, b, c)."""
    return tuple(c for o in expr.operands for c in conjuncts(o)) if isinstance(expr, And) else (expr,)


def all_of(parts: tuple[Expr, ...]) -> Expr:
    """AND, without needless or repeated clauses; of nothing it is true."""
    kept = tuple(dict.fromkeys(c for p in parts for c in conjuncts(p) if c != TRUE))
    if FALSE in kept:
        return FALSE
    return TRUE if not kept else kept[0] if len(kept) == 1 else And(kept)


def any_of(parts: tuple[Expr, ...]) -> Expr:
    """OR, without needless or repeated parts; of nothing it is false."""
    kept = tuple(dict.fromkeys(p for p in parts if p != FALSE))
    if TRUE in kept:
        return TRUE
    return FALSE if not kept else kept[0] if len(kept) == 1 else Or(kept)


def split_closed(expr: Expr) -> tuple[Expr, Expr]:
    """(clauses that row and claims decide, the rest): their AND is `expr`. Ask the first before paying for the second."""
    parts = conjuncts(expr)
    return all_of(tuple(p for p in parts if p.is_closed)), all_of(tuple(p for p in parts if not p.is_closed))


_CLAIM_TEXT: dict[ClaimName, str] = {
    "uid": "auth.uid()", "uid_int": "auth.uid()", "uid_text": "auth.uid()", "role": "auth.role()", "email": "auth.email()",
    "jwt": "auth.jwt()", "topic": "realtime.topic()", "now": "now()",
}  # fmt: skip


def quote(name: str) -> str:
    """A name as PostgreSQL reads it back: bare when it can be."""
    return name if name.isascii() and name.isidentifier() and name == name.lower() else '"' + name.replace('"', '""') + '"'


def quote_text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _text(expr: Expr, nested: bool) -> str:
    """The expression in PostgreSQL's syntax; operands are parenthesised unless they are atoms.

    Inside a sub-select (`nested`) columns of the row are qualified, so that the text reads back the same.
    """
    match expr:
        case Literal(value=value):
            return _literal_text(expr)
        case Column(source=source, name=name):
            return quote(name) if source == ROW and not nested else f"{quote(source.alias)}.{quote(name)}"
        case Claim(name=name):
            return _CLAIM_TEXT[name]
        case Not(operand=operand):
            return f"not {_atom(operand, nested)}"
        case And(operands=operands):
            return " and ".join(_atom(o, nested) for o in operands)
        case Or(operands=operands):
            return " or ".join(_atom(o, nested) for o in operands)
        case Compare(op=op, left=left, right=right) | Arith(op=op, left=left, right=right):
            return f"{_atom(left, nested)} {op} {_atom(right, nested)}"
        case Distinct(left=left, right=right, negated=negated):
            return f"{_atom(left, nested)} is {'not ' if negated else ''}distinct from {_atom(right, nested)}"
        case Is(operand=operand, value=value, negated=negated):
            return f"{_atom(operand, nested)} is {'not ' if negated else ''}{ {None: 'null', True: 'true', False: 'false'}[value] }"
        case InList(operand=operand, items=items):
            return f"{_atom(operand, nested)} in ({', '.join(_text(x, nested) for x in items)})"
        case AnyOf(operand=operand, array=array):
            return f"{_atom(operand, nested)} = any ({_text(array, nested)})"
        case Like(operand=operand, pattern=pattern, insensitive=insensitive):
            return f"{_atom(operand, nested)} {'ilike' if insensitive else 'like'} {quote_text(pattern)}"
        case Concat(left=left, right=right):
            return f"{_atom(left, nested)} || {_atom(right, nested)}"
        case Case(whens=whens, default=default):
            return (
                "case "
                + " ".join(f"when {_text(w, nested)} then {_text(t, nested)}" for w, t in whens)
                + f" else {_text(default, nested)} end"
            )
        case Coalesce(operands=operands):
            return f"coalesce({', '.join(_text(x, nested) for x in operands)})"
        case Call(function=function, operand=operand):
            return f"{function}({_text(operand, nested)}{', 1' if function == 'array_length' else ''})"
        case JsonGet(operand=operand, key=key, type=type):
            arrow = "->>" if type == TEXT else "->"
            return f"{_atom(operand, nested)} {arrow} {quote_text(key) if isinstance(key, str) else key}"
        case Element(operand=operand, index=index):
            return f"({_text(operand, nested)})[{index}]"
        case Cast(operand=operand, type=type):
            return f"({_text(operand, nested)})::{type.sql}"
        case Exists(query=query):
            return f"exists ({_query_text(query)})"
        case InQuery(operand=operand, query=query):
            return f"{_atom(operand, nested)} in ({_query_text(query)})"
        case _:
            assert_never(expr)


def _literal_text(literal: Literal) -> str:
    match literal.value:
        case None:
            return "null"
        case bool():
            return "true" if literal.value else "false"
        case str():
            return quote_text(literal.value) + ("" if literal.type.family in ("text", "enum") else f"::{literal.type.sql}")
        case _:
            return str(literal.value)


def _atom(expr: Expr, nested: bool) -> str:
    text = _text(expr, nested)
    return text if isinstance(expr, (Literal, Column, Claim, Coalesce, Call, Exists, Element, Cast)) else f"({text})"


def _query_text(query: Query) -> str:
    names = ", ".join(f"{s.table} {quote(s.alias)}" if s.table and s.table.name != s.alias else str(s.table) for s in query.sources)
    where = f" where {_text(query.where, True)}" if query.where is not None else ""
    return f"select {'1' if query.output is None else _text(query.output, True)} from {names}{where}"
