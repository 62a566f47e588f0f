"""Operators and functions on numbers and texts, and aggregates."""

from __future__ import annotations

from typing import Any

from sqlglot import exp

from baaskit.kernel.database.ddl import types as ty
from baaskit.kernel.database.ddl.casts import as_text
from baaskit.kernel.database.ddl.expressions import CALLS, UUID4, Emitter, Handler, Sql, call, ident, node
from baaskit.kernel.database.ddl.moments import plus_moment
from baaskit.kernel.schema import Type


def _numbers(e: Emitter, n: Any) -> tuple[str, str, Type]:
    [left, right], kind = e.alike(n.this, n.expression)
    kind = kind or ty.NUMERIC
    if kind.array or kind.family not in ("int", "numeric", "float"):
        raise e.fault(f"this needs numbers, not {ty.long_name(kind)}", n)
    return left, right, kind if kind.family == "int" else Type(kind.name)


def _arithmetic(operator: str) -> Handler:
    def write(e: Emitter, n: Any) -> Sql:
        if operator in "+-*" and (moment := plus_moment(e, n, operator)) is not None:
            return moment
        left, right, kind = _numbers(e, n)
        return Sql(f"({left} {operator} {right})", kind)

    return write


for _kind, _operator in ((exp.Add, "+"), (exp.Sub, "-"), (exp.Mul, "*")):
    node(_kind, "this", "expression")(_arithmetic(_operator))


@node(exp.Div, "this", "expression", "typed", "safe")
def _divide(e: Emitter, n: exp.Div) -> Sql:
    left, right, kind = _numbers(e, n)
    # A NUMERIC column holds 10.00 as the integer 10: without the cast SQLite would divide integers.
    return Sql(f"({left} / {right})" if kind.family == "int" else f"(CAST({left} AS REAL) / {right})", kind)


@node(exp.Mod, "this", "expression")
def _modulo(e: Emitter, n: exp.Mod) -> Sql:
    left, right, kind = _numbers(e, n)
    return Sql(f"({left} % {right})" if kind.family == "int" else f"mod({left}, {right})", kind)


@node(exp.Pow, "this", "expression")
def _power(e: Emitter, n: exp.Pow) -> Sql:
    left, right, kind = _numbers(e, n)
    return Sql(f"pow({left}, {right})", kind if kind.family == "numeric" else ty.FLOAT)


@node(exp.Neg, "this")
def _minus(e: Emitter, n: exp.Neg) -> Sql:
    inner = e.emit(n.this)
    if inner.interval:
        return Sql("", ty.INTERVAL, interval=tuple((f"(-{amount})", unit, whole) for amount, unit, whole in inner.interval))
    if inner.family not in ("int", "numeric", "float"):
        raise e.fault("minus needs a number", n)
    return Sql(f"(-{inner.text})" if not inner.text[0].isdigit() else f"-{inner.text}", inner.type)


@node(exp.Abs, "this")
def _abs(e: Emitter, n: exp.Abs) -> Sql:
    inner = _number(e, n.this)
    return Sql(f"abs({inner.text})", inner.type)


def _number(e: Emitter, n: Any) -> Sql:
    inner = e.emit(n)
    if inner.family not in ("int", "numeric", "float"):
        raise e.fault("this function needs a number", n)
    return inner


@node(exp.Floor, "this")
@node(exp.Ceil, "this")
def _whole(e: Emitter, n: Any) -> Sql:
    inner = _number(e, n.this)
    name = "floor" if isinstance(n, exp.Floor) else "ceil"
    return Sql(f"{name}({inner.text})", ty.NUMERIC if inner.family == "numeric" else ty.FLOAT)


@node(exp.Round, "this", "decimals")
def _round(e: Emitter, n: exp.Round) -> Sql:
    inner = _number(e, n.this)
    digits = n.args.get("decimals")
    text = f"round({inner.text}, {e.value(digits, ty.INT)})" if digits is not None else f"round({inner.text})"
    return Sql(text, ty.NUMERIC if inner.family != "float" else ty.FLOAT)


@node(exp.Sign, "this")
@node(exp.Trunc, "this")
def _sign(e: Emitter, n: Any) -> Sql:
    inner = _number(e, n.this)
    return Sql(f"{'sign' if isinstance(n, exp.Sign) else 'trunc'}({inner.text})", inner.type)


@node(exp.Sqrt, "this")
def _sqrt(e: Emitter, n: exp.Sqrt) -> Sql:
    return Sql(f"sqrt({_number(e, n.this).text})", ty.FLOAT)


@node(exp.Rand)
def _random(e: Emitter, n: exp.Rand) -> Sql:
    e.only("default", "view", "run", what="random()", found=n)
    return Sql("((random() & 9007199254740991) / 9007199254740992.0)", ty.FLOAT)


@node(exp.Uuid, "name", "is_string")
def _uuid(e: Emitter, n: exp.Uuid) -> Sql:
    e.only("default", "view", "run", what="gen_random_uuid()", found=n)
    return Sql(f"({UUID4})", ty.UUID_)


call("gen_random_uuid", "uuid_generate_v4")(_uuid)


@node(exp.Coalesce, "this", "expressions", "is_nvl", "is_null")
def _coalesce(e: Emitter, n: exp.Coalesce) -> Sql:
    values, kind = e.alike(n.this, *n.expressions)
    return Sql(f"coalesce({', '.join(values)})" if len(values) > 1 else values[0], kind)


@node(exp.Nullif, "this", "expression")
def _nullif(e: Emitter, n: exp.Nullif) -> Sql:
    [left, right], kind = e.alike(n.this, n.expression)
    return Sql(f"nullif({left}, {right})", kind)


@node(exp.Greatest, "this", "expressions", "ignore_nulls")
@node(exp.Least, "this", "expressions", "ignore_nulls")
def _extreme(e: Emitter, n: Any) -> Sql:
    """PostgreSQL passes over NULLs; SQLite's max() and min() of several values do not."""
    values, kind = e.alike(n.this, *n.expressions)
    name = "max" if isinstance(n, exp.Greatest) else "min"
    if len(values) == 1:
        return Sql(values[0], kind)
    filled = [f"coalesce({', '.join([v, *values[:i], *values[i + 1 :]])})" for i, v in enumerate(values)]
    return Sql(f"{name}({', '.join(filled)})", kind)


# -- texts -------------------------------------------------------------------------------------------------------------


@node(exp.DPipe, "this", "expression", "safe")
def _join(e: Emitter, n: exp.DPipe) -> Sql:
    left, right = e.emit(n.this), e.emit(n.expression)
    if "array" in (left.family, right.family) or "json" in (left.family, right.family):
        e.only("run", what="|| of arrays or json", found=n)
        kind = left.type if left.family in ("array", "json") else right.type
        assert kind is not None
        if left.type and right.type and left.family == "array" and right.family != "array":
            raise e.fault("|| needs an array on both sides", n, "Write array_append(array, value).")
        return Sql(f"baaskit_concat({e.convert(left, kind, n.this)}, {e.convert(right, kind, n.expression)})", kind)
    return Sql(f"({as_text(e, left, n.this)} || {as_text(e, right, n.expression)})", ty.TEXT)


@node(exp.Concat, "expressions", "safe", "coalesce")
def _concat(e: Emitter, n: exp.Concat) -> Sql:
    parts = [f"coalesce({_printed(e, part)}, '')" for part in n.expressions]
    return Sql(f"({' || '.join(parts)})", ty.TEXT)


@node(exp.ConcatWs, "expressions", "safe", "coalesce")
def _concat_ws(e: Emitter, n: exp.ConcatWs) -> Sql:
    return Sql(f"concat_ws({', '.join(_printed(e, part) for part in n.expressions)})", ty.TEXT)


def _printed(e: Emitter, n: Any) -> str:
    """concat() prints booleans as t and f, unlike a cast."""
    sql = e.emit(n)
    return f"(CASE {sql.text} WHEN 1 THEN 't' WHEN 0 THEN 'f' END)" if sql.family == "bool" else as_text(e, sql, n)


def _text_function(name: str, *arguments: str, result: Type = ty.TEXT) -> Handler:
    def write(e: Emitter, n: Any) -> Sql:
        values = [e.value(n.args[a], ty.TEXT) for a in arguments if n.args.get(a) is not None]
        return Sql(f"{name}({', '.join(values)})", result)

    return write


node(exp.Lower, "this")(_text_function("lower", "this"))
node(exp.Upper, "this")(_text_function("upper", "this"))
node(exp.Length, "this")(_text_function("length", "this", result=ty.INT))
node(exp.StrPosition, "this", "substr")(_text_function("instr", "this", "substr", result=ty.INT))
node(exp.Replace, "this", "expression", "replacement")(_text_function("replace", "this", "expression", "replacement"))
call("strpos")(lambda e, n: Sql(f"instr({', '.join(e.value(x, ty.TEXT) for x in n.expressions)})", ty.INT))


@node(exp.Trim, "this", "expression", "position")
def _trim(e: Emitter, n: exp.Trim) -> Sql:
    name = {"LEADING": "ltrim", "TRAILING": "rtrim"}.get(str(n.args.get("position") or ""), "trim")
    values = [e.value(n.args[a], ty.TEXT) for a in ("this", "expression") if n.args.get(a) is not None]
    return Sql(f"{name}({', '.join(values)})", ty.TEXT)


@node(exp.Substring, "this", "start", "length")
def _substring(e: Emitter, n: exp.Substring) -> Sql:
    values = [e.value(n.this, ty.TEXT), *[e.value(n.args[a], ty.INT) for a in ("start", "length") if n.args.get(a) is not None]]
    if not all(v.isdigit() and v != "0" for v in values[1:2]):
        e.only("run", "view", "fixed", "default", what="substr", found=n)
    return Sql(f"substr({', '.join(values)})", ty.TEXT)


@node(exp.Left, "this", "expression")
def _left(e: Emitter, n: exp.Left) -> Sql:
    return Sql(f"substr({e.value(n.this, ty.TEXT)}, 1, max(0, {e.value(n.expression, ty.INT)}))", ty.TEXT)


@node(exp.Right, "this", "expression")
def _right(e: Emitter, n: exp.Right) -> Sql:
    text, size = e.value(n.this, ty.TEXT), e.value(n.expression, ty.INT)
    return Sql(f"substr({text}, max(1, length({text}) - max(0, {size}) + 1))", ty.TEXT)


def _run_only(name: str, *kinds: Type, result: Type = ty.TEXT) -> Handler:
    """A function that only statements may use: it is written in Python and lives on the migration's connection."""

    def write(e: Emitter, n: Any) -> Sql:
        e.only("run", what=f"{name}()", found=n)
        arguments = (
            n.expressions if isinstance(n, exp.Anonymous) else [n.args[a] for a in _RUN_ARGUMENTS[type(n)] if n.args.get(a) is not None]
        )
        if len(arguments) > len(kinds):
            raise e.fault(f"{name}() takes {len(kinds)} arguments", n)
        return Sql(f"baaskit_{name}({', '.join(e.value(a, k) for a, k in zip(arguments, kinds, strict=False))})", result)

    return write


_RUN_ARGUMENTS: dict[type[exp.Expression], tuple[str, ...]] = {
    exp.Pad: ("this", "expression", "fill_pattern"), exp.SplitPart: ("this", "delimiter", "part_index"), exp.Initcap: ("this",),
    exp.MD5: ("this",), exp.Repeat: ("this", "times"), exp.Reverse: ("this",),
}  # fmt: skip
node(exp.SplitPart, "this", "delimiter", "part_index")(_run_only("split_part", ty.TEXT, ty.TEXT, ty.INT))
node(exp.Initcap, "this", "expression")(_run_only("initcap", ty.TEXT))
node(exp.MD5, "this")(_run_only("md5", ty.TEXT))
node(exp.Repeat, "this", "times")(_run_only("repeat", ty.TEXT, ty.INT))
node(exp.Reverse, "this")(_run_only("reverse", ty.TEXT))


@node(exp.Pad, "this", "expression", "fill_pattern", "is_left")
def _pad(e: Emitter, n: exp.Pad) -> Sql:
    return _run_only("lpad" if n.args.get("is_left") else "rpad", ty.TEXT, ty.INT, ty.TEXT)(e, n)


@node(exp.RegexpLike, "this", "expression")
@node(exp.RegexpILike, "this", "expression")
def _regex(e: Emitter, n: Any) -> Sql:
    e.only("run", what="a regular expression", found=n)
    flag = int(isinstance(n, exp.RegexpILike))
    return Sql(f"baaskit_regex({e.value(n.this, ty.TEXT)}, {e.value(n.expression, ty.TEXT)}, {flag})", ty.BOOL)


# -- aggregates and windows --------------------------------------------------------------------------------------------


def _aggregate(name: str, kind: Any) -> Handler:
    def write(e: Emitter, n: Any) -> Sql:
        e.only("view", "run", what=f"{name}()", found=n)
        inner, distinct = n.this, ""
        if isinstance(inner, exp.Distinct):
            [inner], distinct = inner.expressions, "DISTINCT "
        value = e.emit(inner)
        return Sql(f"{name}({distinct}{value.text})", kind(value.type or ty.TEXT) if callable(kind) else kind)

    return write


node(exp.Sum, "this")(_aggregate("sum", lambda kind: ty.BIGINT if kind.family == "int" else Type(kind.name)))
node(exp.Avg, "this")(_aggregate("avg", ty.NUMERIC))
node(exp.Min, "this")(_aggregate("min", lambda kind: kind))
node(exp.Max, "this")(_aggregate("max", lambda kind: kind))
node(exp.LogicalAnd, "this")(_aggregate("min", ty.BOOL))
node(exp.LogicalOr, "this")(_aggregate("max", ty.BOOL))


@node(exp.Count, "this", "big_int")
def _count(e: Emitter, n: exp.Count) -> Sql:
    if isinstance(n.this, exp.Star):
        e.only("view", "run", what="count()", found=n)
        return Sql("count(*)", ty.BIGINT)
    return _aggregate("count", ty.BIGINT)(e, n)


@node(exp.GroupConcat, "this", "separator")
def _string_agg(e: Emitter, n: exp.GroupConcat) -> Sql:
    e.only("view", "run", what="string_agg()", found=n)
    return Sql(f"group_concat({e.value(n.this, ty.TEXT)}, {e.value(n.args['separator'], ty.TEXT)})", ty.TEXT)


@node(exp.Filter, "this", "expression")
def _filter(e: Emitter, n: exp.Filter) -> Sql:
    inner = e.emit(n.this)
    return Sql(f"{inner.text} FILTER (WHERE {e.truth(n.expression.this)})", inner.type)


@node(exp.RowNumber)
def _row_number(e: Emitter, n: exp.RowNumber) -> Sql:
    return Sql("row_number()", ty.BIGINT)


@node(exp.Window, "this", "partition_by", "order", "over")
def _window(e: Emitter, n: exp.Window) -> Sql:
    e.only("view", "run", what="a window function", found=n)
    inner = e.emit(n.this)
    parts = []
    if n.args.get("partition_by"):
        parts.append("PARTITION BY " + ", ".join(e.emit(p).text for p in n.args["partition_by"]))
    if n.args.get("order"):
        parts.append("ORDER BY " + ", ".join(ordered(e, o) for o in n.args["order"].expressions))
    return Sql(f"{inner.text} OVER ({' '.join(parts)})", inner.type)


def ordered(e: Emitter, n: exp.Expression) -> str:
    """One item of ORDER BY, with NULLs where PostgreSQL has them: last, or first when descending."""
    if not isinstance(n, exp.Ordered):
        return f"{e.emit(n).text} ASC NULLS LAST"
    inner = n.this
    text = str(inner.this) if isinstance(inner, exp.Literal) and not inner.is_string else e.emit(inner).text
    down = bool(n.args.get("desc"))
    first = bool(n.args.get("nulls_first"))
    return f"{text} {'DESC' if down else 'ASC'} NULLS {'FIRST' if first else 'LAST'}"


# -- calls by name -----------------------------------------------------------------------------------------------------


@node(exp.Anonymous, "this", "expressions")
def _call(e: Emitter, n: exp.Anonymous) -> Sql:
    name = str(n.this).lower()
    handler = CALLS.get(name)
    if handler is None:
        raise e.fault(f"function {name}() is not supported on SQLite", n, "docs/reference/sql.md lists what is.")
    return handler(e, n)


@node(exp.Dot, "this", "expression")
def _dotted(e: Emitter, n: exp.Dot) -> Sql:
    """`extensions.uuid_generate_v4()`, `auth.uid()`."""
    if isinstance(n.this, exp.Identifier) and isinstance(n.expression, exp.Func):
        schema = ident(n.this)
        if schema == "auth":
            raise e.fault(f"{n.sql('postgres')} has no value here: nobody is calling", n, "It may stand alone as the default of a column.")
        if schema in ("public", "extensions", "pg_catalog"):
            return e.emit(n.expression)
    raise e.refuse(n)
