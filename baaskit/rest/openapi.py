"""The description of the data API at its root, for one role: only what policies and grants let that role reach.

In PostgREST's shape, Swagger 2.0 with `<pk/>` and `<fk …/>` notes, because the type generators and consoles that read
PostgREST's description know that one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

import orjson

from baaskit import __version__
from baaskit.errors.rest import NotAcceptable
from baaskit.kernel.plan import Catalog, pg_name
from baaskit.kernel.policy import Access
from baaskit.kernel.procedures import Procedure
from baaskit.kernel.schema import Column, Table, TableName
from baaskit.rest.openapi_rpc import ERROR, OTHERWISE, TYPES, json_schema, pointer, procedure_path, routine_paths

CONTENT_TYPE = b"application/openapi+json; charset=utf-8"
_KINDS = frozenset({"application/openapi+json", "application/json", "application/*", "*/*", ""})
_FORMS = ["application/json", "application/vnd.pgrst.object+json;nulls=stripped", "application/vnd.pgrst.object+json", "text/csv"]
_LITERAL = re.compile(r"'((?:[^']|'')*)'(?:::.*)?$")


@dataclass(frozen=True, slots=True)
class Reach:
    """What a role may do with one table: the columns it may read, insert and update (None: not at all), and delete."""

    table: Table
    read: frozenset[str] | None
    insert: frozenset[str] | None
    update: frozenset[str] | None
    delete: bool

    @property
    def columns(self) -> tuple[Column, ...]:
        known = frozenset[str]().union(*(part for part in (self.read, self.insert, self.update) if part is not None))
        return tuple(column for column in self.table.columns if column.name in known)


def accept_openapi(accept: str) -> None:
    """Raises NotAcceptable when `Accept` takes no description."""
    if not any(part.split(";")[0].strip().lower() in _KINDS for part in accept.split(",")):
        raise NotAcceptable(accept)


def describe(catalog: Catalog, role: str, schema: str, url: str, procedures: Iterable[Procedure] = ()) -> bytes:
    """The description for `role` of the tables and functions of `schema`; `procedures` are those besides the database's own.

    `url` is the server's public one."""
    reached = [found for table in catalog.schema.exposed([schema]) if (found := _reach(catalog, table, role)) is not None]
    by_name = {reach.table.name: reach for reach in reached}
    address = urlsplit(url)
    root = _operation("Introspection", "OpenAPI description (this document)", [], {"200": _ok()})
    paths: dict[str, Any] = {"/": {"get": {**root, "produces": ["application/openapi+json", "application/json"]}}}
    parameters = dict(_SHARED)
    for reach in reached:
        paths["/" + quote(reach.table.name.name, safe="")] = _path(reach)
        parameters |= _parameters(reach)
    paths.setdefault("/batch", {"post": _BATCH})
    paths |= routine_paths(catalog, role, schema, set(by_name))
    paths |= {f"/rpc/{quote(p.name, safe='')}": procedure_path(p) for p in procedures}
    return orjson.dumps({
        "swagger": "2.0",
        "info": {"title": "Data API", "description": f"The schema {schema} as {role} may use it", "version": __version__},
        "host": address.netloc,
        "basePath": address.path.rstrip("/") + "/rest/v1",
        "schemes": [address.scheme],
        "consumes": [*_FORMS, "application/x-www-form-urlencoded"],
        "produces": _FORMS,
        "paths": paths,
        "definitions": {reach.table.name.name: _definition(reach, by_name) for reach in reached},
        "parameters": parameters,
        "responses": {"Error": ERROR},
        "securityDefinitions": {
            "JWT": {"type": "apiKey", "in": "header", "name": "Authorization", "description": 'Prefix "Bearer " before the token'},
            "apikey": {"type": "apiKey", "in": "header", "name": "apikey"},
        },
        "security": [{"JWT": []}, {"apikey": []}],
    })  # fmt: skip


def _reach(catalog: Catalog, table: Table, role: str) -> Reach | None:
    """None when the role may do nothing with the table: then it is not even named."""
    access = catalog.policies.access

    def columns(found: Access) -> frozenset[str] | None:
        if found.denied:
            return None
        return frozenset(table.by_name) if found.columns is None else found.columns

    read = columns(access(table.name, "select", role))
    if table.view:
        return Reach(table, read, None, None, False) if read is not None else None
    insert, update = columns(access(table.name, "insert", role)), columns(access(table.name, "update", role))
    delete = not access(table.name, "delete", role).denied
    if read is None and insert is None and update is None and not delete:
        return None
    return Reach(table, read, insert, update, delete)


# ---- paths and parameters -----------------------------------------------------------------------------------------------


def _path(reach: Reach) -> dict[str, Any]:
    """The verbs that the role may use."""
    name = reach.table.name.name
    filters = [f"rowFilter.{name}.{column.name}" for column in reach.columns if reach.read is not None and column.name in reach.read]
    rows = {"type": "array", "items": {"$ref": f"#/definitions/{pointer(name)}"}}
    found: dict[str, Any] = {}
    if reach.read is not None:
        shown = [*filters, "select", "order", "range", "rangeUnit", "offset", "limit", "preferCount"]
        answers = {"200": {**_ok(), "schema": rows}, "206": {"description": "Partial Content", "schema": rows}}
        found["get"] = _operation(name, reach.table.comment, shown, answers)
    if reach.insert is not None:
        taken = [f"body.{name}", "select", "columns", "on_conflict", "preferPost"]
        found["post"] = _operation(name, reach.table.comment, taken, {"200": _ok(), "201": {"description": "Created"}})
    changed = {"200": {**_ok(), "schema": rows}, "204": {"description": "No Content"}}
    if reach.delete:
        found["delete"] = _operation(name, reach.table.comment, [*filters, "preferReturn"], changed)
    if reach.update is not None:
        taken = [*filters, f"body.{name}", "preferReturn"]
        found["patch"] = _operation(name, reach.table.comment, taken, changed)
    return found


def _operation(tag: str, summary: str, parameters: Iterable[str], answers: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {"tags": [tag], "responses": {**answers, **OTHERWISE}}
    if summary:
        found["summary"] = summary
    if listed := [{"$ref": f"#/parameters/{pointer(name)}"} for name in parameters]:
        found["parameters"] = listed
    return found


def _parameters(reach: Reach) -> dict[str, Any]:
    name = reach.table.name.name
    found: dict[str, Any] = {
        f"rowFilter.{name}.{column.name}": {"name": column.name, "in": "query", "required": False, "type": "string"}
        for column in reach.columns
        if reach.read is not None and column.name in reach.read
    }
    if reach.insert is not None or reach.update is not None:
        body = {"$ref": f"#/definitions/{pointer(name)}"}
        found[f"body.{name}"] = {"name": name, "in": "body", "required": False, "description": name, "schema": body}
    return found


def _ok() -> dict[str, Any]:
    return {"description": "OK"}


def _query(name: str, description: str) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "type": "string", "description": description}


def _header(name: str, description: str, words: Sequence[str] = (), default: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {"name": name, "in": "header", "required": False, "type": "string", "description": description}
    if words:
        found["enum"] = list(words)
    if default:
        found["default"] = default
    return found


_RETURN = ("return=representation", "return=minimal", "return=headers-only")
_SHARED: dict[str, Any] = {
    "select": _query("select", "Columns and embeds"),
    "order": _query("order", "Order"),
    "limit": _query("limit", "Most rows"),
    "offset": _query("offset", "Rows to skip"),
    "columns": _query("columns", "Members of the body that are taken"),
    "on_conflict": _query("on_conflict", "Columns of the unique set that an upsert resolves on"),
    "range": _header("Range", "Rows from-to"),
    "rangeUnit": _header("Range-Unit", "Unit of Range", default="items"),
    "preferReturn": _header("Prefer", "What a write answers", _RETURN),
    "preferCount": _header("Prefer", "The total", ("count=exact", "count=planned", "count=estimated")),
    "preferPost": _header("Prefer", "What a write answers, and upsert", (*_RETURN, "resolution=merge-duplicates", "resolution=ignore-duplicates")),
}  # fmt: skip
_BATCH: dict[str, Any] = {
    "tags": ["batch"],
    "summary": "Many operations in one transaction",
    "parameters": [{
        "name": "batch", "in": "body", "required": True,
        "schema": {
            "type": "object", "required": ["operations"],
            "properties": {"operations": {"type": "array", "items": {
                "type": "object", "required": ["method", "path"],
                "properties": {
                    "method": {"type": "string", "enum": ["GET", "POST", "PATCH", "PUT", "DELETE"]}, "path": {"type": "string"}, "id": {"type": "string"},
                    "body": {}, "prefer": {"type": "string"}, "headers": {"type": "object"}, "expect": {"type": "integer"},
                },
            }}},
        },
    }],
    "responses": {"200": _ok(), **OTHERWISE},
}  # fmt: skip


# ---- definitions ----------------------------------------------------------------------------------------------------------


def _definition(reach: Reach, known: dict[TableName, Reach]) -> dict[str, Any]:
    table = reach.table
    found: dict[str, Any] = {"type": "object", "properties": {c.name: _property(table, c, known) for c in reach.columns}}
    if table.comment:
        found["description"] = table.comment
    if required := [column.name for column in reach.columns if not column.nullable]:
        found["required"] = required
    return found


def _property(table: Table, column: Column, known: dict[TableName, Reach]) -> dict[str, Any]:
    found: dict[str, Any] = {"format": pg_name(column.type), **json_schema(column.type), **_default(column)}
    if column.nullable:
        found["x-nullable"] = True  # Swagger 2.0 has no word of its own for null
    notes = [column.comment] if column.comment else []
    if column.name in table.primary_key:
        notes.append("Note:\nThis is a Primary Key.<pk/>")
    for key in table.foreign_keys:
        target = known.get(key.target)
        if key.columns == (column.name,) and target is not None and key.target_columns[0] in {c.name for c in target.columns}:
            name, other = key.target.name, key.target_columns[0]
            notes.append(f"Note:\nThis is a Foreign Key to `{name}.{other}`.<fk table='{name}' column='{other}'/>")
    if notes:
        found["description"] = "\n\n".join(notes)
    if column.generated or column.identity == "always":
        found["readOnly"] = True
    return found


def _default(column: Column) -> dict[str, Any]:
    """A literal default as its value. An expression is left out: it is no value of the column's type."""
    literal = _LITERAL.fullmatch(column.default or "")
    text = literal[1].replace("''", "'") if literal else column.default or ""
    if column.type.family in TYPES and not column.type.array:
        try:
            return {"default": orjson.loads(text)}
        except orjson.JSONDecodeError:
            return {}
    plain = literal is not None and column.type.family in ("text", "enum") and not column.type.array
    return {"default": text} if plain else {}
