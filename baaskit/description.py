"""`/openapi.json`: what FastAPI writes of the fixed routes, with the errors that each surface has in place of the framework's."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

_TEXT = {"type": "string"}
_SURFACES: tuple[tuple[str, str, dict[str, Any], list[str]], ...] = (  # beginning of the path, name, members, those that are always there
    ("/auth/v1/", "AuthError", {"code": {"type": ["integer", "string"]}, "error_code": _TEXT, "msg": _TEXT, "message": _TEXT}, ["code"]),
    (
        "/storage/v1/",
        "StorageError",
        {"statusCode": _TEXT, "code": _TEXT, "error": _TEXT, "message": _TEXT},
        ["statusCode", "code", "error", "message"],
    ),
    ("/", "Error", {"code": _TEXT, "message": _TEXT, "details": {}, "hint": {"type": ["string", "null"]}}, ["code", "message"]),
)


def describe(app: FastAPI) -> dict[str, Any]:
    """The document. Successes are listed one by one; whatever else an operation answers is its surface's error."""
    document: dict[str, Any] = get_openapi(title=app.title, version=app.version, routes=app.routes)
    for path, operations in document["paths"].items():
        name = next(name for prefix, name, _, _ in _SURFACES if path.startswith(prefix))
        error = {"application/json": {"schema": {"$ref": f"#/components/schemas/{name}"}}}
        for operation in operations.values():
            successes = {status: answer for status, answer in operation["responses"].items() if int(status) < 400}
            operation["responses"] = {**successes, "default": {"description": "Refused, or failed", "content": error}}
    schemas = document["components"]["schemas"]
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    for _, name, members, always in _SURFACES:
        schemas[name] = {"type": "object", "properties": members, "required": always}
    return document
