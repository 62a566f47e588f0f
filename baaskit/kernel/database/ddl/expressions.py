"""PostgreSQL expressions → SQLite, typed: every node and argument is allowed by name, everything else is a fault.

The parser library's own SQLite generator is never used: it passes on what it does not know (docs/reference/sql.md).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from sqlglot import exp

from baaskit.errors import Fault, nearest
from baaskit.kernel.database.ddl import types as ty
from baaskit.kernel.database.ddl.casts import cast
from baaskit.kernel.database.ddl.text import Source
from baaskit.kernel.database.ddl.types import literal, quote
from baaskit.kernel.schema import Type

# Where the result lives decides what it may use: `default` any built-in; `fixed` (checks, generated columns, indexes) only
# what depends on the row alone; `view` any built-in and sub-selects; `run` a statement that is executed once, now.
Place = Literal["default", "fixed", "view", "run"]
Columns = Mapping[str, Type | None]

NOW = "rtrim(rtrim(strftime('%Y-%m-%dT%H:%M:%f','now'),'0'),'.')||'+00:00'"
UUID4 = (
    "lower(hex(randomblob(4))||'-'||hex(randomblob(2))||'-4'||substr(hex(randomblob(2)),2)||'-'||"
    "substr('89ab',1+(random()&3),1)||substr(hex(randomblob(2)),2)||'-'||hex(randomblob(6)))"
)


@dataclass(frozen=True, slots=True)
class Sql:
    """SQLite text and the PostgreSQL type it stands for; `type` None is a literal or NULL whose type is still open."""

    text: str
    type: Type | None
    constant: str | None = None  # the text of a string literal of open type
    interval: tuple[tuple[str, str, bool], ...] = ()  # (amount, unit, amount is whole) of an interval

    @property
    def family(self) -> str:
        return "array" if self.type and self.type.array else self.type.family if self.type else "open"


@dataclass(frozen=True)
class Scope:
    """Names a query can see: alias → columns; `parent` is the query around it."""

    tables: Mapping[str, Columns] = field(default_factory=dict)
    parent: Scope | None = None
    bare: bool = False  # columns are written without their table (checks, defaults, indexes)

    def find(self, column: str, table: str | None) -> tuple[str, Type | None] | None:
        """(alias, type) of a column, or None. Raises LookupError when it is ambiguous."""
        hits = [(alias, columns[column]) for alias, columns in self.tables.items() if column in columns and table in (None, alias)]
        if len(hits) > 1 and table is None:
            raise LookupError(column)
        return hits[0] if hits else self.parent.find(column, table) if self.parent else None

    def columns(self) -> list[str]:
        own = [name for columns in self.tables.values() for name in columns]
        return own + (self.parent.columns() if self.parent else [])


Handler = Callable[["Emitter", Any], Sql]
HANDLERS: dict[type[exp.Expression], tuple[Handler, frozenset[str]]] = {}
CALLS: dict[str, Handler] = {}


def node(kind: type[exp.Expression], *arguments: str) -> Callable[[Handler], Handler]:
    """Register how a node is written; any other argument that is set on it is refused."""

    def register(handler: Handler) -> Handler:
        HANDLERS[kind] = (handler, frozenset(arguments))
        return handler

    return register


def call(*names: str) -> Callable[[Handler], Handler]:
    """Register a function that the parser has no node for; the handler gets the call with its `expressions`."""

    def register(handler: Handler) -> Handler:
        CALLS.update(dict.fromkeys(names, handler))
        return handler

    return register


@dataclass(frozen=True)
class Emitter:
    """Writes expressions of one place and scope. `now` is the moment of the whole migration, as canonical text."""

    source: Source
    place: Place
    scope: Scope
    enums: Callable[[str], Type | None]
    select: Callable[[exp.Expression, Scope], tuple[str, list[tuple[str, Type | None]]]] | None = None
    now: str | None = None
    at: int = 0

    def fault(self, message: str, where: exp.Expression | None = None, hint: str | None = None) -> Fault:
        places = [n.meta["start"] for n in where.walk() if "start" in n.meta] if where is not None else []
        return self.source.fault(message, min(places, default=self.at), hint)

    def emit(self, found: Any) -> Sql:
        """The SQLite text of one node."""
        handler, allowed = HANDLERS.get(type(found), (None, frozenset()))
        if handler is None:
            raise self.refuse(found)
        for key, value in found.args.items():
            if key not in allowed and value not in (None, False, []):
                raise self.refuse(found, key)
        return handler(self, found)

    def refuse(self, found: exp.Expression, key: str = "") -> Fault:
        word = found.sql_name().lower() + "()" if isinstance(found, exp.Func) else type(found).__name__
        return self.fault(
            f"{word}{f' with {key}' if key else ''} is not supported on SQLite", found, "docs/reference/sql.md lists what is."
        )

    def value(self, found: Any, kind: Type, what: str = "") -> str:
        """The node as a value of `kind`, as an assignment or a typed operand needs it."""
        return self.convert(self.emit(found), kind, found, what)

    def convert(self, sql: Sql, kind: Type, found: exp.Expression | None = None, what: str = "") -> str:
        """PostgreSQL's implicit and assignment casts. Raises Fault where PostgreSQL would refuse."""
        return cast(self, sql, kind, found, explicit=False, what=what)

    def truth(self, found: Any) -> str:
        """The node as a condition."""
        sql = self.emit(found)
        if sql.family not in ("bool", "open"):
            raise self.fault(f"a condition must be boolean, not {ty.long_name(sql.type or ty.TEXT)}", found)
        return self.convert(sql, ty.BOOL, found)

    def alike(self, *found: Any) -> tuple[list[str], Type | None]:
        """Several nodes as values of one common type (operands of =, arms of case, arguments of coalesce)."""
        sqls = [self.emit(f) for f in found]
        known = [s.type for s in sqls if s.type is not None]
        if not known:
            return [s.text for s in sqls], ty.TEXT if any(s.constant is not None for s in sqls) else None
        kind = known[0]
        for other in known[1:]:
            kind = self.common(kind, other, found[0])
        plain = Type(kind.name, kind.array, "", kind.labels)  # an operand is not rounded or cut to the other's size
        return [self.convert(s, plain, f) for s, f in zip(sqls, found, strict=True)], kind if all(k == kind for k in known) else plain

    def common(self, left: Type, right: Type, found: exp.Expression) -> Type:
        if left.family == right.family and left.array == right.array:
            return left if left.labels or left.name == right.name else Type(max(left.name, right.name, key=_WIDTH.find))
        ranks = (("int", "numeric", "float"), ("date", "timestamp", "timestamptz"))
        for rank in ranks:
            if left.family in rank and right.family in rank and not left.array and not right.array:
                return max(left, right, key=lambda k: rank.index(k.family))
        raise self.fault(
            f"{ty.long_name(left)} and {ty.long_name(right)} cannot be compared or combined", found, "Cast one of them: value::type."
        )

    def only(self, *places: Place, what: str, found: exp.Expression) -> None:
        if self.place not in places:
            where = {"default": "a default", "fixed": "a check, generated column or index", "view": "a view", "run": "a statement"}[
                self.place
            ]
            raise self.fault(f"{what} cannot be used in {where} on SQLite", found, "Compute it in a function or in the query instead.")

    def type_of(self, kind: exp.DataType) -> Type:
        """A type named in a cast."""
        word = kind.sql("postgres").lower().replace('"', "")
        parsed = Type.parse(word.removeprefix("public."))
        enum = self.enums(parsed.name)
        if enum is not None:
            parsed = Type(parsed.name, parsed.array, "", enum.labels)
        if not ty.supported(parsed) and parsed.name != "interval":
            raise self.fault(f"type {word} is not supported on SQLite", kind, "docs/reference/sql.md lists the types.")
        return parsed


_WIDTH = "int2 int4 int8 float4 float8 bpchar varchar text json jsonb"


def _column(e: Emitter, n: exp.Column) -> Sql:
    if isinstance(n.this, exp.Star):
        raise e.fault("* is not a value", n)
    name, table = ident(n.this), ident(n.args["table"]) if n.args.get("table") else None
    try:
        hit = e.scope.find(name, table)
    except LookupError:
        raise e.fault(f"column {name!r} is ambiguous", n, f"Write table.{name}.") from None
    if hit is None:
        near = nearest(name, e.scope.columns())
        shown = f"{table}.{name}" if table else name
        raise e.fault(f"there is no column {shown!r}", n, f"Perhaps you meant {near!r}." if near else None)
    return Sql(quote(name) if e.scope.bare else f"{quote(hit[0])}.{quote(name)}", hit[1])


def ident(found: Any) -> str:
    """The name in an Identifier, folded unless quoted."""
    return str(found.this) if found.args.get("quoted") else str(found.this).lower()


node(exp.Column, "this", "table", "db")(_column)


@node(exp.Literal, "this", "is_string")
def _literal(e: Emitter, n: exp.Literal) -> Sql:
    if n.is_string:
        return text_constant(e, str(n.this), n)
    word = str(n.this)
    if word.isdigit():
        kind = ty.INT if int(word) < 2**31 else ty.BIGINT if int(word) < 2**63 else ty.NUMERIC
        return Sql(word, kind)
    return Sql(word, ty.NUMERIC)


def text_constant(e: Emitter, text: str, n: exp.Expression) -> Sql:
    try:
        return Sql(literal(text), None, constant=text)
    except ValueError as error:
        raise e.fault(str(error), n) from None


@node(exp.RawString, "this")
@node(exp.National, "this")
@node(exp.ByteString, "this")
def _raw(e: Emitter, n: Any) -> Sql:
    return text_constant(e, str(n.this), n)


@node(exp.Boolean, "this")
def _boolean(e: Emitter, n: exp.Boolean) -> Sql:
    return Sql("1" if n.this else "0", ty.BOOL)


@node(exp.Null)
def _null(e: Emitter, n: exp.Null) -> Sql:
    return Sql("NULL", None)


@node(exp.Paren, "this")
def _paren(e: Emitter, n: exp.Paren) -> Sql:
    return e.emit(n.this)  # every operator below writes its own brackets


def _connect(word: str) -> Handler:
    return lambda e, n: Sql(f"({e.truth(n.this)} {word} {e.truth(n.expression)})", ty.BOOL)


node(exp.And, "this", "expression")(_connect("AND"))
node(exp.Or, "this", "expression")(_connect("OR"))


@node(exp.Not, "this")
def _not(e: Emitter, n: exp.Not) -> Sql:
    return Sql(f"(NOT {e.truth(n.this)})", ty.BOOL)


def _compare(operator: str) -> Handler:
    def write(e: Emitter, n: Any) -> Sql:
        if isinstance(n.expression, (exp.Any, exp.All)):
            return _any(e, n, operator)
        [left, right], _ = e.alike(n.this, n.expression)
        return Sql(f"({left} {operator} {right})", ty.BOOL)

    return write


for _kind, _operator in (
    (exp.EQ, "="), (exp.NEQ, "<>"), (exp.LT, "<"), (exp.LTE, "<="), (exp.GT, ">"), (exp.GTE, ">="),
    (exp.NullSafeEQ, "IS"), (exp.NullSafeNEQ, "IS NOT"),
):  # fmt: skip
    node(_kind, "this", "expression")(_compare(_operator))


def _any(e: Emitter, n: Any, operator: str) -> Sql:
    """`x = any(array)`; only equality, over a constant list or an array column."""
    if operator != "=" or not isinstance(n.expression, exp.Any):
        raise e.fault("only = any(…) is supported on SQLite", n, "Write in (…) or not in (…).")
    inner = n.expression.this
    while isinstance(inner, exp.Paren):
        inner = inner.this
    if isinstance(inner, exp.Array):
        values, _ = e.alike(n.this, *inner.expressions)
        return Sql(f"({values[0]} IN ({', '.join(values[1:])}))", ty.BOOL)
    array = e.emit(inner)
    if array.family != "array" or array.type is None:
        raise e.fault("any(…) needs an array", n)
    e.only("view", "run", what="= any(array column)", found=n)
    value = e.value(n.this, Type(array.type.name, labels=array.type.labels))
    return Sql(f"EXISTS (SELECT 1 FROM json_each({array.text}) WHERE json_each.value = {value})", ty.BOOL)


@node(exp.Is, "this", "expression", "negate")
def _is(e: Emitter, n: exp.Is) -> Sql:
    word = "IS NOT" if n.args.get("negate") else "IS"
    if isinstance(n.expression, exp.Null):
        return Sql(f"({e.emit(n.this).text} {word} NULL)", ty.BOOL)
    if isinstance(n.expression, exp.Boolean):
        return Sql(f"({e.truth(n.this)} {word} {int(n.expression.this)})", ty.BOOL)
    raise e.refuse(n)


@node(exp.In, "this", "expressions", "query")
def _in(e: Emitter, n: exp.In) -> Sql:
    if n.args.get("query"):
        text, columns = e_select(e, n.args["query"])
        left = e.emit(n.this)
        kind = columns[0][1]
        return Sql(f"({e.convert(left, kind, n.this) if kind else left.text} IN ({text}))", ty.BOOL)
    values, _ = e.alike(n.this, *n.expressions)
    return Sql(f"({values[0]} IN ({', '.join(values[1:])}))", ty.BOOL)


@node(exp.Between, "this", "low", "high")
def _between(e: Emitter, n: exp.Between) -> Sql:
    [value, low, high], _ = e.alike(n.this, n.args["low"], n.args["high"])
    return Sql(f"({value} BETWEEN {low} AND {high})", ty.BOOL)


@node(exp.Like, "this", "expression", "negate")
@node(exp.ILike, "this", "expression", "negate")
def _like(e: Emitter, n: Any) -> Sql:
    """A constant pattern becomes GLOB, which is case-sensitive whatever the connection's pragmas say."""
    value, pattern = e.value(n.this, ty.TEXT), e.emit(n.expression)
    lower = isinstance(n, exp.ILike)
    if lower:
        value = f"lower({value})"
    negate = "NOT " if n.args.get("negate") else ""
    if pattern.constant is not None:
        text = pattern.constant.lower() if lower else pattern.constant
        return Sql(f"({value} {negate}GLOB {literal(glob(text))})", ty.BOOL)
    e.only("run", what="like with a pattern that is not constant", found=n)
    right = e.convert(pattern, ty.TEXT, n)
    return Sql(f"({value} {negate}LIKE {f'lower({right})' if lower else right} ESCAPE '\\')", ty.BOOL)


def glob(pattern: str) -> str:
    """A LIKE pattern as GLOB: `a\\_b%` → `a_b*`."""
    written, escaped = [], False
    for char in pattern:
        if not escaped and char == "\\":
            escaped = True
            continue
        wild = {"%": "*", "_": "?"}.get(char) if not escaped else None
        written.append(wild or (f"[{char}]" if char in "*?[" else char))
        escaped = False
    return "".join(written)


@node(exp.Case, "this", "ifs", "default")
def _case(e: Emitter, n: exp.Case) -> Sql:
    arms = [arm.args["true"] for arm in n.args["ifs"]]
    if n.args.get("default") is not None:
        arms.append(n.args["default"])
    values, kind = e.alike(*arms)
    if n.this is not None:
        tests, _ = e.alike(n.this, *[arm.this for arm in n.args["ifs"]])
        head, conditions = f" {tests[0]}", tests[1:]
    else:
        head, conditions = "", [e.truth(arm.this) for arm in n.args["ifs"]]
    body = " ".join(f"WHEN {c} THEN {v}" for c, v in zip(conditions, values, strict=False))
    tail = f" ELSE {values[-1]}" if n.args.get("default") is not None else ""
    return Sql(f"(CASE{head} {body}{tail} END)", kind)


@node(exp.Exists, "this")
def _exists(e: Emitter, n: exp.Exists) -> Sql:
    return Sql(f"EXISTS ({e_select(e, n.this)[0]})", ty.BOOL)


@node(exp.Subquery, "this")
def _subquery(e: Emitter, n: exp.Subquery) -> Sql:
    text, columns = e_select(e, n.this)
    return Sql(f"({text})", columns[0][1])


def e_select(e: Emitter, query: exp.Expression) -> tuple[str, list[tuple[str, Type | None]]]:
    """A sub-select that may refer to this query's columns."""
    if e.select is None or e.place in ("default", "fixed"):
        raise e.fault("a sub-select cannot be used here", query)
    return e.select(query.this if isinstance(query, exp.Subquery) else query, e.scope)
