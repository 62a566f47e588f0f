"""The `@rpc` functions of the live release as procedures of the data API: who may call them, and their errors in its dialect."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import orjson

from baaskit.errors.functions import FunctionError, InvalidArguments, MalformedBody
from baaskit.errors.rest import InvalidArgument, InvalidBody
from baaskit.functions.manifest import Auth, Function, Manifest
from baaskit.kernel.claims import Claims
from baaskit.kernel.database.values import coerce_text
from baaskit.kernel.procedures import Invoked, Procedure, Procedures, Returns
from baaskit.kernel.schema import Column, Type

if TYPE_CHECKING:
    from baaskit.functions.service import FunctionService


_TEXTS = Type("text", array=True)


def procedures_of(service: FunctionService, manifest: Manifest) -> Procedures:
    """All of one release."""
    return Procedures(manifest.release, {function.name: _procedure(service, function) for function in manifest.of_kind("rpc")})


def admits(auth: Auth, claims: Claims) -> bool:
    """Whether the caller is one that `auth=` lets in."""
    if auth == "anon" or claims.is_service:
        return True
    return claims.token is not None if auth == "key" else auth == "authenticated" and claims.role == "authenticated"


def _procedure(service: FunctionService, function: Function) -> Procedure:
    async def call(invoked: Invoked) -> bytes:
        return await _call(service, function, invoked)

    return Procedure(
        name=function.name,
        parameters=function.parameters,
        read_only=function.read_only,
        admits=lambda claims: admits(function.auth, claims),
        returns=cast(Returns, function.returns),
        columns=tuple(Column(name, Type.parse(kind)) for name, kind in function.columns),
        call=call,
        summary=function.summary,
    )


async def _call(service: FunctionService, function: Function, invoked: Invoked) -> bytes:
    query = {name: _elements(values, function.parameters.get("properties", {}).get(name)) for name, values in invoked.texts.items()}
    headers = {"content-type": "application/json"}
    request = {"method": invoked.method, "path": "", "query": query, "headers": headers}
    try:
        return (await service.invoke(function, invoked.claims, body=invoked.body, trigger="rpc", request=request, key=invoked.key)).body
    except InvalidArguments as problem:
        raise InvalidArgument(f"The arguments of {function.name} do not fit.", problem.message) from problem
    except MalformedBody as problem:
        raise InvalidBody() from problem
    except FunctionError as problem:
        if problem.id is not None and problem.details is None:
            problem.details = f"The log has the details under the id {problem.id}."
        raise


def _elements(values: list[str], schema: Any) -> list[str]:
    """The texts of one argument. A list may be written as PostgreSQL writes arrays: clients send `{a,b}`."""
    if len(values) != 1 or not (values[0].startswith("{") and values[0].endswith("}")) or not _is_list(schema):
        return values
    return [str(item) for item in orjson.loads(coerce_text(_TEXTS, values[0]))]


def _is_list(schema: Any) -> bool:
    kinds = [schema, *schema.get("anyOf", ())] if isinstance(schema, dict) else []
    return any(kind.get("type") == "array" for kind in kinds)
