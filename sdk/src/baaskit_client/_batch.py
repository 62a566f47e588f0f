"""Several writes (and reads) that succeed or fail together, in one transaction on the server."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

from ._calls import Call
from ._errors import UnreadableAnswer
from ._json import decode, encode
from ._ports import Response
from ._query import Select, Write
from ._rpc import RpcCall

Requests = Select[Any, Any] | Write[Any, Any] | RpcCall[Any, Any]


@dataclass(frozen=True)
class Batch:
    """The requests of one transaction, carried out in order. The result is the list of their results."""

    requests: tuple[Requests, ...]
    idempotency_key: str | None = None

    def call(self) -> Call:
        body = encode({"operations": [_operation(request) for request in self.requests]})
        headers = {"content-type": "application/json"}
        if self.idempotency_key:
            headers["idempotency-key"] = self.idempotency_key
        return Call("POST", "/rest/v1/batch", headers, body, repeatable=self.idempotency_key is not None)

    def read(self, response: Response) -> list[Any]:
        results = (decode(response) or {}).get("results", [])
        if len(results) != len(self.requests):
            raise UnreadableAnswer("The answer has another number of results than the batch has requests", status=response.status)
        return [request.read(_part(result)) for request, result in zip(self.requests, results, strict=True)]


def _operation(request: Requests) -> dict[str, Any]:
    expected = request.expected if isinstance(request, Write) else None
    if isinstance(request, (Write, RpcCall)) and request.idempotency_key:
        raise ValueError("A batch is one write: give its key as client.batch(…, once=key)")
    call = (replace(request, expected=None) if isinstance(request, Write) else request).call()
    operation: dict[str, Any] = {"method": call.method, "path": call.path.removeprefix("/rest/v1/")}
    if call.body is not None:
        operation["body"] = json.loads(call.body)
    headers = {name: value for name, value in call.headers.items() if name != "content-type"}
    if prefer := headers.pop("prefer", None):
        operation["prefer"] = prefer
    if headers:
        operation["headers"] = headers
    if expected is not None:
        operation["expect"] = expected
    return operation


def _part(result: dict[str, Any]) -> Response:
    body = result.get("body")
    headers = {str(k).lower(): str(v) for k, v in (result.get("headers") or {}).items()}
    return Response(int(result.get("status", 200)), headers, b"" if body is None else encode(body))
