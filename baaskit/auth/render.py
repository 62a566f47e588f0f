"""Any exception under `/auth/v1` → the answer in the protocol's shape, in the dialect that the client asked for."""

from __future__ import annotations

from typing import Any

import orjson
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from baaskit.errors import BaasError
from baaskit.errors.auth import AuthError, BadJson, ValidationFailed, auth_body

VERSION_HEADER = "X-Supabase-Api-Version"
DATED = "2024-01-01"  # the version whose errors are {"code": word, "message"}

_WORDS = {404: "The requested path was not found", 405: "Method not allowed"}


def render(error: Exception, request: Request) -> Response:
    """The app registers this for every exception raised under the prefix, validation errors of FastAPI included."""
    dated = request.headers.get(VERSION_HEADER, "") >= DATED
    if isinstance(error, RequestValidationError):
        error = _invalid(error)
    if isinstance(error, HTTPException) and error.status_code == 400:
        error = BadJson()
    headers: dict[str, str] = {}
    if isinstance(error, AuthError):
        status, code, body = error.status, error.code, error.auth(dated=dated)
        headers |= error.headers
    elif isinstance(error, BaasError):
        status, code = error.status, _code(error.status)
        body = auth_body(status, code, error.message if status < 500 or status == 503 else AuthError().message, dated=dated)
        headers |= error.headers
    elif isinstance(error, HTTPException):
        status, code = error.status_code, _code(error.status_code)
        body = auth_body(status, code, _WORDS.get(status, str(error.detail)), dated=dated)
        headers |= dict(error.headers or {})
    else:
        failure = AuthError("Unexpected failure, please check server logs for more information")
        status, code, body = failure.status, failure.code, failure.auth(dated=dated)
    headers["x-sb-error-code"] = code
    if dated:
        headers[VERSION_HEADER] = DATED
    return answer(body, status, headers)


def _code(status: int) -> str:
    return "validation_failed" if status < 500 else "unexpected_failure"


def answer(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A JSON answer that no cache keeps: it is about one person, or holds tokens."""
    return Response(orjson.dumps(body), status, {"Cache-Control": "no-store", **(headers or {})}, "application/json")


def _invalid(error: RequestValidationError) -> AuthError:
    """Names the first wrong field; what was sent is not repeated, as it may be a password."""
    first: dict[str, Any] = error.errors()[0] if error.errors() else {}
    if first.get("type") == "json_invalid":
        return BadJson()
    place = ".".join(str(part) for part in first.get("loc", ())[1:])
    words = str(first.get("msg", "invalid")).removeprefix("Value error, ")
    return ValidationFailed(f"{place}: {words}" if place else f"The request body is not valid: {words}")
