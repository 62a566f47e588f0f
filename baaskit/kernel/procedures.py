"""Functions outside the database that `/rest/v1/rpc/<name>` serves: what the data API must know to call one and to read its result."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from baaskit.kernel.claims import Claims
from baaskit.kernel.schema import Column

Returns = Literal["void", "value", "values", "row", "rows", "any"]


@dataclass(frozen=True, slots=True)
class Invoked:
    """One call: arguments as texts by name (GET, forms) or as the body's JSON object, `{}` and `b""` where they are the other."""

    claims: Claims
    method: str
    texts: Mapping[str, list[str]]
    body: bytes
    key: str | None = None  # the request's Idempotency-Key


@dataclass(frozen=True, slots=True)
class Procedure:
    """`parameters` is the JSON Schema of the arguments. `columns` are those of the rows, where the author said them.

    `returns`: "any" is whatever the JSON turns out to be. `call` answers JSON text (nothing for void) and raises BaasError.
    """

    name: str
    parameters: Mapping[str, Any]
    read_only: bool
    admits: Callable[[Claims], bool]
    returns: Returns
    columns: tuple[Column, ...]
    call: Callable[[Invoked], Awaitable[bytes]]
    summary: str = ""

    def takes(self, names: frozenset[str]) -> bool:
        """Whether these are arguments of it: all that are required and, unless it takes any, none that it does not know."""
        known = self.parameters.get("properties", {})
        closed = self.parameters.get("additionalProperties") is False
        return names >= set(self.parameters.get("required", ())) and (not closed or names <= set(known))


@dataclass(frozen=True, slots=True)
class Procedures:
    """All of a release. `version` changes when any of them does."""

    version: str = ""
    by_name: Mapping[str, Procedure] = field(default_factory=dict)
