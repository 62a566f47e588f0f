"""`/functions/v1/<name>[/sub/path]`: who calls, which function, run it, answer."""

from __future__ import annotations

import time
from typing import Any

import orjson
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from baaskit.errors import BaasError, InvalidToken
from baaskit.errors.functions import (
    FunctionError,
    FunctionNotFound,
    FunctionNotReady,
    InvalidFunctionToken,
    MethodNotAllowed,
    MissingAuthorization,
    NotAllowed,
    PayloadTooLarge,
)
from baaskit.functions.frames import Result
from baaskit.functions.manifest import Function
from baaskit.functions.service import FunctionService
from baaskit.kernel.claims import ANONYMOUS, Claims
from baaskit.kernel.kit import Kit

_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]
_CREDENTIALS = frozenset({"authorization", "apikey", "proxy-authorization"})
_BODILESS = frozenset({204, 205, 304})  # a body after these would be read as the beginning of the next answer
_OUR_COOKIES = "baaskit"  # a function must not be able to give an admin's browser a session of its choice
_NOT_FORWARDED = frozenset({"connection", "content-length", "transfer-encoding", "keep-alive", "upgrade", "date", "server", "trailer"})


def routes(kit: Kit, service: FunctionService) -> APIRouter:
    """The functions surface; CORS and OPTIONS are the app's."""
    router = APIRouter()

    async def call(request: Request) -> Response:
        try:
            return await _respond(kit, service, request)
        except FunctionNotFound as problem:
            return PlainTextResponse(problem.message, 404)
        except FunctionError as problem:
            return Response(orjson.dumps(problem.body()), problem.status, problem.headers, "application/json")
        except BaasError as problem:
            body = {"code": problem.code, "msg": problem.message, "message": problem.message}
            return Response(orjson.dumps(body), problem.status, problem.headers, "application/json")

    for path in ("/functions/v1/{name}", "/functions/v1/{name}/{path:path}"):
        router.add_route(path, call, methods=_METHODS, include_in_schema=False)
    return router


async def _respond(kit: Kit, service: FunctionService, request: Request) -> Response:
    if not service.ready:
        raise FunctionNotReady
    function = service.manifest.http(request.path_params["name"])
    if function is None:
        raise FunctionNotFound
    claims, kept = _caller(kit, function, request)
    method = "GET" if request.method == "HEAD" and "HEAD" not in function.methods else request.method
    if method not in function.methods:
        raise MethodNotAllowed(
            f"Function {function.name} answers to {', '.join(function.methods)}.", headers={"Allow": ", ".join(function.methods)}
        )
    body = await _body(request, kit.settings.max_body_bytes)
    seen = {
        "method": method,
        "path": request.path_params.get("path", ""),
        "query": _query(request),
        "headers": {name: value for name, value in request.headers.items() if name not in _CREDENTIALS or name == kept},
    }
    key = request.headers.get("idempotency-key")
    return _response(await service.invoke(function, claims, body=body, trigger="http", request=seen, key=key))


def _caller(kit: Kit, function: Function, request: Request) -> tuple[Claims, str]:
    """Who calls, and the name of a credentials header that is meant for the function and not for us ("" if none).

    A function that anyone may call can have its own scheme (a webhook's secret); a token of ours is checked even there.
    """
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    token = given.strip() if scheme.lower() == "bearer" else ""
    if function.auth == "anon" and (scheme and (not token or token.count(".") != 2)):
        return ANONYMOUS, "authorization"
    token = token or request.headers.get("apikey", "")
    if not token and function.auth != "anon":
        raise MissingAuthorization
    try:
        claims = kit.keys.verifier.verify(token, time.time())
    except InvalidToken as problem:
        raise InvalidFunctionToken(details=problem.message) from problem
    if function.auth == "authenticated" and claims.role == "anon":
        raise NotAllowed
    if function.auth == "service" and not claims.is_service:
        raise NotAllowed("This function needs the service key.")
    return claims, ""


async def _body(request: Request, limit: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > limit:
            raise PayloadTooLarge(f"The request body is larger than {limit} bytes.")
        parts.append(part)
    return b"".join(parts)


def _query(request: Request) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in request.query_params.multi_items():
        if name == "apikey":  # a credential, as in the headers: some clients put it here
            continue
        found.setdefault(name, []).append(value)
    return found


def _response(result: Result) -> Response:
    """What the worker rendered, checked: it is not trusted to keep to HTTP."""
    if not 200 <= result.status <= 599:
        raise FunctionError("The function answered with a status that does not exist.")
    response = Response(b"" if result.status in _BODILESS else result.body, result.status)
    for pair in result.headers:
        name, value = _header(pair)
        if name == "set-cookie" and value.lstrip().lower().startswith(_OUR_COOKIES):
            raise FunctionError("The function answered with a cookie whose name is reserved.")
        if name not in _NOT_FORWARDED:
            response.headers.append(name, value)
    return response


def _header(pair: Any) -> tuple[str, str]:
    if not isinstance(pair, list) or len(pair) != 2 or not all(isinstance(part, str) for part in pair):
        raise FunctionError("The function answered with a malformed header.")
    name, value = pair[0].lower(), pair[1]
    if not name.replace("-", "").replace("_", "").isalnum() or not name.isascii() or any(c in value for c in "\r\n\0"):
        raise FunctionError("The function answered with a malformed header.")
    try:
        value.encode("latin-1")
    except UnicodeEncodeError:
        raise FunctionError("The function answered with a malformed header.") from None
    return name, value
