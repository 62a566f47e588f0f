"""JSON and arrays, both kept as JSON text."""

from __future__ import annotations

from typing import Any

from sqlglot import exp

from baaskit.kernel.database.ddl import types as ty
from baaskit.kernel.database.ddl.casts import as_text
from baaskit.kernel.database.ddl.expressions import Emitter, Sql, call, node
from baaskit.kernel.database.ddl.types import literal
from baaskit.kernel.schema import Type


def as_json(e: Emitter, n: Any) -> str:
    """A value as an argument of json_object or json_array."""
    sql = e.emit(n)
    if sql.family in ("json", "array"):
        return f"json({sql.text})"
    if sql.family == "bool":
        return f"json(CASE {sql.text} WHEN 1 THEN 'true' WHEN 0 THEN 'false' END)"
    return sql.text


@node(exp.Array, "expressions", "bracket_notation")
def _array(e: Emitter, n: exp.Array) -> Sql:
    if any(isinstance(x, exp.Select) for x in n.expressions):
        raise e.fault("array(select …) is not supported on SQLite", n)
    values, kind = e.alike(*n.expressions) if n.expressions else ([], ty.TEXT)
    kind = kind or ty.TEXT
    if kind.array or kind.family == "json":
        values = [f"json({v})" for v in values]
    elif kind.family == "bool":
        values = [f"json(CASE {v} WHEN 1 THEN 'true' WHEN 0 THEN 'false' END)" for v in values]
    return Sql(f"json_array({', '.join(values)})", Type(kind.name, True, "", kind.labels))


@node(exp.Bracket, "this", "expressions")
def _element(e: Emitter, n: exp.Bracket) -> Sql:
    array = e.emit(n.this)
    if array.family != "array" or len(n.expressions) != 1 or array.type is None:
        raise e.fault("[…] needs an array and one number", n)
    index = e.value(n.expressions[0], ty.INT)
    element = Type(array.type.name, False, array.type.modifiers, array.type.labels)
    return Sql(f"json_extract({array.text}, '$[' || ({index} - 1) || ']')", element)


def _path(e: Emitter, n: Any) -> str:
    if isinstance(n, exp.JSONPath):
        steps = [s for s in n.expressions if not isinstance(s, exp.JSONPathRoot)]
        if len(steps) == 1 and isinstance(steps[0], exp.JSONPathKey) and isinstance(steps[0].this, str):
            return _key(str(steps[0].this))
        if len(steps) == 1 and isinstance(steps[0], exp.JSONPathSubscript) and isinstance(steps[0].this, int):
            return _index(steps[0].this)
    raise e.fault("this json path is not supported on SQLite", n, "Use constant keys: column -> 'key' ->> 'key'.")


def _key(key: str) -> str:
    return literal('$."' + key.replace("\\", "\\\\").replace('"', '\\"') + '"')


def _index(index: int) -> str:
    return literal(f"$[{index}]" if index >= 0 else f"$[#{index}]")


@node(exp.JSONExtract, "this", "expression", "only_json_types")
def _arrow(e: Emitter, n: exp.JSONExtract) -> Sql:
    return Sql(f"({_document(e, n.this)} -> {_path(e, n.expression)})", ty.JSONB)


@node(exp.JSONExtractScalar, "this", "expression", "only_json_types")
def _arrow_text(e: Emitter, n: exp.JSONExtractScalar) -> Sql:
    """SQLite's ->> shows true as 1, PostgreSQL's as 'true'."""
    text, path = _document(e, n.this), _path(e, n.expression)
    return Sql(
        f"(CASE json_type({text}, {path}) WHEN 'true' THEN 'true' WHEN 'false' THEN 'false' ELSE CAST({text} ->> {path} AS TEXT) END)",
        ty.TEXT,
    )


def _document(e: Emitter, n: Any) -> str:
    sql = e.emit(n)
    if sql.family != "json":
        raise e.fault("-> needs json", n, "Cast it: value::jsonb.")
    return sql.text


@node(exp.ArrayContainsAll, "this", "expression")
@node(exp.JSONBContains, "this", "expression")
def _contains(e: Emitter, n: Any) -> Sql:
    e.only("run", what="@>", found=n)
    [left, right], kind = e.alike(n.this, n.expression)
    if kind is None or not (kind.array or kind.family == "json"):
        raise e.fault("@> needs arrays or jsonb", n)
    return Sql(f"baaskit_contains({left}, {right})", ty.BOOL)


@call("jsonb_build_object", "json_build_object")
def _object(e: Emitter, n: exp.Anonymous) -> Sql:
    if len(n.expressions) % 2:
        raise e.fault("an object needs pairs of key and value", n)
    pairs = [as_text(e, e.emit(x), x) if i % 2 == 0 else as_json(e, x) for i, x in enumerate(n.expressions)]
    return Sql(f"json_object({', '.join(pairs)})", ty.JSONB)


@call("jsonb_build_array", "json_build_array")
def _build_array(e: Emitter, n: exp.Anonymous) -> Sql:
    return Sql(f"json_array({', '.join(as_json(e, x) for x in n.expressions)})", ty.JSONB)


@call("to_jsonb", "to_json")
def _to_json(e: Emitter, n: exp.Anonymous) -> Sql:
    [value] = n.expressions
    sql = e.emit(value)
    if sql.family in ("json", "array"):
        return Sql(sql.text, ty.JSONB)
    return Sql(f"(json_array({as_json(e, value)}) -> '$[0]')", ty.JSONB)


@call("jsonb_array_length", "json_array_length", "cardinality")
def _size(e: Emitter, n: exp.Anonymous) -> Sql:
    return Sql(f"json_array_length({e.emit(n.expressions[0]).text})", ty.INT)


@node(exp.ArraySize, "this", "expression")
def _array_length(e: Emitter, n: exp.ArraySize) -> Sql:
    array = e.emit(n.this)
    return Sql(f"nullif(json_array_length({array.text}), 0)", ty.INT)


@node(exp.ArrayAppend, "this", "expression")
def _append(e: Emitter, n: exp.ArrayAppend) -> Sql:
    array = e.emit(n.this)
    if array.family != "array" or array.type is None:
        raise e.fault("array_append needs an array", n)
    return Sql(f"json_insert({array.text}, '$[#]', {e.value(n.expression, Type(array.type.name, labels=array.type.labels))})", array.type)
