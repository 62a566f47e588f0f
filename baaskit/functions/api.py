"""What authors of functions import: decorators, the context of a call, and the way to refuse. Standard library only."""

from __future__ import annotations

import inspect
import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from baaskit.functions.manifest import OPERATIONS, Auth, Function, Kind

if TYPE_CHECKING:  # the SDK is an own distribution; a worker loads it when a function first uses its client
    from baaskit_client import AsyncClient, Client

F = TypeVar("F", bound=Callable[..., Any])
Operation = Literal["insert", "update", "delete"]
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD")


class Refused(Exception):
    """Raise to answer the caller with an error of your own: `raise Refused(409, "SOLD_OUT", "This pet is gone.")`.

    In a `before` function it refuses the write.
    """

    def __init__(self, status: int = 400, code: str = "REFUSED", message: str = "The request was refused.") -> None:
        if not 400 <= status <= 599:
            raise ValueError("Refused needs a status between 400 and 599")
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


@dataclass(frozen=True)
class Response:
    """An answer with its own status and headers: `Response(b"...", headers={"content-type": "image/png"})`.

    `content`: bytes, str, or anything JSON can hold.
    """

    content: Any = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Request:
    """The HTTP request as it arrived, without the caller's credentials. `path` is what follows the function's name."""

    method: str
    path: str
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]  # names in lower case
    body: bytes = b""

    def json(self) -> Any:
        """The body read as JSON. Raises Refused (400) if it is not."""
        try:
            return json.loads(self.body)
        except ValueError:
            raise Refused(400, "MALFORMED_BODY", "The request body is not valid JSON.") from None

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace")


@dataclass(frozen=True)
class Event:
    """A committed change. `id` is the same at every delivery; `old` is None for an insert, `new` for a delete."""

    id: str
    operation: Operation
    table: str
    new: dict[str, Any] | None
    old: dict[str, Any] | None
    at: str  # ISO 8601, UTC
    attempt: int = 1


@dataclass(frozen=True)
class Caller:
    """Who called: `role` is anon, authenticated or service_role; `uid` is None unless signed in."""

    role: str
    uid: str | None = None
    email: str | None = None
    jwt: Mapping[str, Any] = field(default_factory=dict)


@dataclass
class Context:
    """What a function receives first. Built anew for every call.

    `client` acts as the caller (the same policies hold); `admin` acts as the service role and must be declared in the
    decorator. In an `async` function both are `AsyncClient`, in a plain one `Client`.
    """

    id: str
    function: str
    caller: Caller
    request: Request
    deadline: float  # unix seconds; the process is killed then
    idempotency_key: str | None
    secrets: Mapping[str, str]
    log: logging.Logger
    event: Event | None = None
    connect: Callable[[str], Any] = field(repr=False, default=lambda identity: None)
    admin_declared: bool = False
    _clients: dict[str, Any] = field(default_factory=dict, repr=False)

    @property
    def client(self) -> AsyncClient | Any:
        """The SDK, acting as the caller."""
        return self._client("caller")

    @property
    def admin(self) -> AsyncClient | Any:
        """The SDK, acting as the service role. Raises PermissionError unless the decorator says `admin=True`."""
        if not self.admin_declared:
            raise PermissionError(f"function {self.function!r} uses ctx.admin without declaring it: add admin=True to its decorator")
        return self._client("admin")

    def _client(self, identity: str) -> AsyncClient | Client | Any:
        if identity not in self._clients:
            self._clients[identity] = self.connect(identity)
        return self._clients[identity]


@dataclass(frozen=True)
class Declared:
    """A function with what its decorator said; `spec.file` is filled in by the loader."""

    spec: Function
    call: Callable[..., Any]


declared: list[Declared] = []
"""Everything decorated in this process, in order. The zygote reads and empties it; nothing else does."""


def http(
    name: str | None = None,
    *,
    methods: list[str] | tuple[str, ...] = ("POST",),
    auth: Auth = "key",
    admin: bool = False,
    secrets: list[str] | tuple[str, ...] = (),
    timeout: float | None = None,
    memory: int | None = None,
    concurrency: int | None = None,
    min_instances: int = 0,
) -> Callable[[F], F]:
    """Serve the function at `/functions/v1/<name>`; arguments after `ctx` are validated from their type hints.

    `auth`: "anon" anyone · "key" any valid key or token (default) · "authenticated" signed-in users · "service" the
    service key only. `timeout` in seconds, `memory` in bytes, `concurrency` processes at a time.
    """
    methods = tuple(m.upper() for m in methods)
    _one_of("methods", methods, METHODS)
    _one_of("auth", (auth,), ("anon", "key", "authenticated", "service"))

    def declare(call: F) -> F:
        given = name or call.__name__.replace("_", "-")
        if not given.replace("-", "").replace("_", "").isalnum() or not given.isascii():
            raise ValueError(f"function name {given!r} may hold only letters, digits, - and _")
        return _declare(
            call, "http", given, f"http:{given}", methods=methods, auth=auth, admin=admin, secrets=tuple(secrets), timeout=timeout,
            memory=memory, concurrency=concurrency, min_instances=min_instances,
        )  # fmt: skip

    return declare


def rpc(
    name: str | None = None,
    *,
    read_only: bool = False,
    auth: Auth = "authenticated",
    admin: bool = False,
    secrets: list[str] | tuple[str, ...] = (),
    timeout: float | None = None,
    memory: int | None = None,
    concurrency: int | None = None,
    min_instances: int = 0,
) -> Callable[[F], F]:
    """Serve the function at `/rest/v1/rpc/<name>`, beside the database's own: `client.rpc(name, {...})`.

    Arguments after `ctx` are validated from their type hints. The hint of the result says what comes back: a value, a row
    (dataclass, TypedDict, pydantic model, dict), a list of either, or nothing. `read_only`: may be called by GET too, and its
    clients cannot write. `auth` as for `http`; without it callers must be signed in.
    """
    _one_of("auth", (auth,), ("anon", "key", "authenticated", "service"))

    def declare(call: F) -> F:
        given = name or call.__name__
        if not given.replace("_", "").replace("-", "").isalnum() or not given.isascii():
            raise ValueError(f"function name {given!r} may hold only letters, digits, - and _")
        return _declare(
            call, "rpc", given, f"rpc:{given}", read_only=read_only, auth=auth, admin=admin, secrets=tuple(secrets), timeout=timeout,
            memory=memory, concurrency=concurrency, min_instances=min_instances,
            summary=(inspect.getdoc(call) or "").partition("\n")[0],
        )  # fmt: skip

    return declare


def before(
    operation: Operation,
    table: str,
    *,
    admin: bool = False,
    secrets: list[str] | tuple[str, ...] = (),
    timeout: float = 2.0,
    memory: int | None = None,
    concurrency: int | None = None,
) -> Callable[[F], F]:
    """Run `f(ctx, row)` before rows are written: change `row`, return another, or raise `Refused`. `row` is None for a delete.

    No transaction is open meanwhile. If the function fails, the write is refused.
    """
    _one_of("operation", (operation,), OPERATIONS)

    def declare(call: F) -> F:
        shown = _qualified(call)
        return _declare(
            call, "before", shown, f"before:{operation}:{table}:{shown}", operation=operation, table=table, admin=admin,
            secrets=tuple(secrets), timeout=timeout, memory=memory, concurrency=concurrency,
        )  # fmt: skip

    return declare


def after(
    operation: Operation,
    table: str,
    *,
    admin: bool = False,
    secrets: list[str] | tuple[str, ...] = (),
    timeout: float | None = None,
    memory: int | None = None,
    concurrency: int | None = None,
    attempts: int = 5,
) -> Callable[[F], F]:
    """Run `f(ctx, event)` after a change has been committed: at least once, in order per row, retried with back-off.

    After `attempts` failures the event is parked in `baaskit.dead_letters`. `event.id` is stable: use it as a key for effects.
    """
    _one_of("operation", (operation,), OPERATIONS)
    if attempts < 1:
        raise ValueError("attempts must be at least 1")

    def declare(call: F) -> F:
        shown = _qualified(call)
        return _declare(
            call, "after", shown, f"after:{operation}:{table}:{shown}", operation=operation, table=table, admin=admin,
            secrets=tuple(secrets), timeout=timeout, memory=memory, concurrency=concurrency, attempts=attempts,
        )  # fmt: skip

    return declare


def _declare(call: F, kind: Kind, name: str, key: str, **spec: Any) -> F:
    if not inspect.isfunction(call):
        raise TypeError(f"@{kind} belongs on a function")
    if not any(
        p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD, p.VAR_POSITIONAL) for p in inspect.signature(call).parameters.values()
    ):
        raise TypeError(f"{call.__name__}() must take the context as its first parameter: def {call.__name__}(ctx, ...)")
    for limit in ("timeout", "memory", "concurrency"):
        if spec.get(limit) is not None and spec[limit] <= 0:
            raise ValueError(f"{limit} must be greater than 0")
    code = call.__code__
    declared.append(Declared(Function(key=key, name=name, kind=kind, file=code.co_filename, line=code.co_firstlineno, **spec), call))
    return call


def _qualified(call: Callable[..., Any]) -> str:
    return f"{call.__module__}.{call.__name__}"


def _one_of(what: str, given: tuple[str, ...], known: tuple[str, ...]) -> None:
    wrong = [value for value in given if value not in known]
    if wrong or not given:
        raise ValueError(f"{what} must be of {', '.join(known)}" + (f", not {wrong[0]!r}" if wrong else ""))
