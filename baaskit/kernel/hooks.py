"""Every extension point on one page: named, typed, ordered lists of callables. A new one needs a real user."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeVar

from baaskit.kernel.claims import Claims
from baaskit.kernel.procedures import Procedures
from baaskit.kernel.schema import TableName

T = TypeVar("T")


class Hook(Generic[T]):
    """A point where others may step in. Handlers run in the order added; each may replace the value."""

    def __init__(self) -> None:
        self._handlers: list[tuple[Callable[[T], Awaitable[T]], Callable[..., bool]]] = []

    def add(self, handler: Callable[[T], Awaitable[T]], wants: Callable[..., bool] = lambda *what: True) -> Callable[[T], Awaitable[T]]:
        """`wants(…)` tells from little (`before_write`: table and command) whether the handler needs to be asked."""
        self._handlers.append((handler, wants))
        return handler

    def wanted(self, *what: Any) -> bool:
        """Whether some handler wants to see it: else `run` need not be called."""
        return any(wants(*what) for _, wants in self._handlers)

    async def run(self, value: T) -> T:
        for handler, _ in self._handlers:
            value = await handler(value)
        return value


@dataclass(frozen=True, slots=True)
class Write:
    """A write that is about to happen. `rows` are what the client sent (one dict for update, [] for delete)."""

    table: TableName
    command: Literal["insert", "update", "delete"]
    rows: list[dict[str, Any]]
    claims: Claims


Concerned = Callable[[TableName, str], Mapping[str, list[str]]]  # table, command → names of functions: {"before": […], "after": […]}


@dataclass(frozen=True, slots=True)
class Hooks:
    """`before_write`: no transaction is open, user code never holds the writer lock; raise BaasError to refuse.

    `concerned` tell which functions a write would call, without calling them: for trials, which run nobody's code.
    `procedures` give the functions that `/rest/v1/rpc` serves besides the database's own; the first that knows a name serves it.
    """

    before_write: Hook[Write] = field(default_factory=Hook)
    concerned: list[Concerned] = field(default_factory=list)
    procedures: list[Callable[[], Procedures]] = field(default_factory=list)
