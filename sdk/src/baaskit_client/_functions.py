"""Calls of server functions as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote

from ._calls import Call
from ._json import decode, encode
from ._ports import Response


@dataclass(frozen=True)
class FunctionCall:
    """A call of a function with named arguments. The result is parsed JSON, text, or bytes, as the answer's type says."""

    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    idempotency_key: str | None = None

    def once(self, idempotency_key: str) -> FunctionCall:
        """Give the function a key by which it knows a call that is sent again; so it is also tried again by itself.

        Only for functions that heed `ctx.idempotency_key`: it is theirs to do nothing twice.
        """
        return replace(self, idempotency_key=idempotency_key)

    def call(self) -> Call:
        headers = {"content-type": "application/json"}
        if self.idempotency_key:
            headers["idempotency-key"] = self.idempotency_key
        path = f"/functions/v1/{quote(self.name)}"
        return Call("POST", path, headers, encode(self.arguments), repeatable=self.idempotency_key is not None)

    def read(self, response: Response) -> Any:
        kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind == "application/json" or kind.endswith("+json"):
            return decode(response)
        if kind.startswith("text/"):
            return response.body.decode("utf-8", "replace")
        return response.body or None


def function(name: str, /, **arguments: Any) -> FunctionCall:
    """A call of the server function `name`.

    >>> function("search", q="dog").call().body
    b'{"q":"dog"}'
    """
    return FunctionCall(name, arguments)
