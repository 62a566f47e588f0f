"""Functions in the description of the data API, and the words for types that it shares with tables."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from typing import Any
from urllib.parse import quote

from baaskit.kernel.plan import Catalog, pg_name
from baaskit.kernel.procedures import Procedure
from baaskit.kernel.schema import Column, Routine, TableName, Type

TYPES = {"int": "integer", "float": "number", "numeric": "number", "bool": "boolean"}
_SIMPLE = frozenset({"integer", "number", "boolean", "string"})
_RESULT = ("select", "order", "limit", "offset")  # of a list: what can be asked of it

_TEXT = {"type": "string", "x-nullable": True}
ERROR: dict[str, Any] = {
    "description": "Refused, or failed",
    "schema": {
        "type": "object",
        "required": ["code", "message", "details", "hint"],
        "properties": {"code": {"type": "string"}, "message": {"type": "string"}, "details": {"x-nullable": True}, "hint": _TEXT},
    },
}
OTHERWISE = {"default": {"$ref": "#/responses/Error"}}


def routine_paths(catalog: Catalog, role: str, schema: str, known: Collection[TableName]) -> dict[str, Any]:
    """The functions of the database that `role` may call. `known` are the tables that are described."""
    found: dict[str, Any] = {}
    for name, overloads in sorted(catalog.schema.functions.items()):
        allowed = [r for r in overloads if catalog.policies.may_call(r, role)]
        if name.schema == schema and allowed:
            found[f"/rpc/{quote(name.name, safe='')}"] = _routine(allowed, known)
    return found


def _routine(overloads: list[Routine], known: Collection[TableName]) -> dict[str, Any]:
    """One path; of overloads, whose parameters differ, the first that reads and the first."""
    reads = next((r for r in overloads if r.read_only), None)
    first = overloads[0]
    found: dict[str, Any] = {}
    if reads is not None:
        listed = [_argument(p.name, json_schema(p.type), p.required) for p in reads.parameters if p.name]
        found["get"] = _operation(reads.name.name, reads.comment, listed, _result(reads, known), reads.many)
    named = [p for p in first.parameters if p.name]
    whole = not named and len(first.parameters) == 1
    body: dict[str, Any] = {} if whole else {
        "type": "object",
        "properties": {p.name: {"format": pg_name(p.type), **json_schema(p.type)} for p in named},
        "required": [p.name for p in named if p.required],
    }  # fmt: skip
    found["post"] = _operation(first.name.name, first.comment, [_body(body)], _result(first, known), first.many)
    return found


def _result(routine: Routine, known: Collection[TableName]) -> dict[str, Any] | None:
    if routine.kind == "void":
        return None
    one = json_schema(routine.type)
    if routine.table is not None:
        one = {"$ref": f"#/definitions/{pointer(routine.table.name)}"} if routine.table in known else {"type": "object"}
    elif routine.kind == "row":
        one = _row(routine.columns)
    return {"type": "array", "items": one} if routine.many else one


def procedure_path(procedure: Procedure) -> dict[str, Any]:
    """A function in Python. Its body has the JSON Schema of its arguments."""
    properties, required = procedure.parameters.get("properties", {}), procedure.parameters.get("required", ())
    many = procedure.returns in ("rows", "values", "any")
    result = _procedure_result(procedure)
    found: dict[str, Any] = {}
    if procedure.read_only:
        listed = [_argument(name, schema, name in required) for name, schema in properties.items()]
        found["get"] = _operation(procedure.name, procedure.summary, listed, result, many)
    body = _body(_without_definitions(procedure.parameters))
    found["post"] = _operation(procedure.name, procedure.summary, [body], result, many)
    return found


def _procedure_result(procedure: Procedure) -> dict[str, Any] | None:
    if procedure.returns == "void":
        return None
    if procedure.returns == "any":
        return {}
    single = procedure.returns in ("value", "values")
    one = json_schema(procedure.columns[0].type) if single else _row(procedure.columns)
    return {"type": "array", "items": one} if procedure.returns in ("values", "rows") else one


def _row(columns: Iterable[Column]) -> dict[str, Any]:
    return {"type": "object", "properties": {c.name: {"format": pg_name(c.type), **json_schema(c.type)} for c in columns}}


def _operation(name: str, summary: str, parameters: list[dict[str, Any]], result: dict[str, Any] | None, many: bool) -> dict[str, Any]:
    more = [{"$ref": f"#/parameters/{word}"} for word in (*_RESULT, "preferCount")] if many else []
    answers: dict[str, Any] = {"204": {"description": "No Content"}} if result is None else {"200": {"description": "OK", "schema": result}}
    found: dict[str, Any] = {"tags": [f"(rpc) {name}"], "parameters": [*parameters, *more], "responses": {**answers, **OTHERWISE}}
    return {**found, "summary": summary} if summary else found


def _argument(name: str, schema: Any, required: bool) -> dict[str, Any]:
    """A parameter of the query string. Swagger 2.0 knows only simple types there; everything else is a text."""
    kind = schema.get("type") if isinstance(schema, dict) else None
    return {"name": name, "in": "query", "required": required, "type": kind if kind in _SIMPLE else "string"}


def _body(schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": "args", "in": "body", "required": bool(schema.get("required")), "schema": schema}


def _without_definitions(schema: Any) -> Any:
    """Swagger 2.0 has one place for definitions, at the root: here they are put where they are named, recursion left open."""

    def resolved(node: Any, above: tuple[str, ...]) -> Any:
        if isinstance(node, list):
            return [resolved(item, above) for item in node]
        if not isinstance(node, dict):
            return node
        name = str(node.get("$ref", "")).removeprefix("#/$defs/")
        if "$ref" in node:
            return {} if name in above else resolved(definitions.get(name, {}), (*above, name))
        return {key: resolved(value, above) for key, value in node.items() if key != "$defs"}

    definitions = schema.get("$defs", {})
    return resolved(schema, ())


def pointer(name: str) -> str:
    """A name inside a JSON pointer of a URL."""
    return re.sub(
        r"[^\w.-]", lambda found: "".join(f"%{byte:02X}" for byte in found[0].encode()), name.replace("~", "~0").replace("/", "~1")
    )


def json_schema(kind: Type) -> dict[str, Any]:
    if kind.array:
        return {"type": "array", "items": json_schema(Type(kind.name, modifiers=kind.modifiers, labels=kind.labels))}
    if kind.family == "json":
        return {}
    found: dict[str, Any] = {"type": TYPES.get(kind.family, "string")}
    if kind.labels:
        found["enum"] = list(kind.labels)
    if kind.name in ("varchar", "bpchar") and kind.modifiers.isdigit():
        found["maxLength"] = int(kind.modifiers)
    return found
