"""What a release contains, as plain data: the zygote writes it, the server reads it and never imports author code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Kind = Literal["http", "rpc", "before", "after"]
Auth = Literal["anon", "key", "authenticated", "service"]
OPERATIONS = ("insert", "update", "delete")


@dataclass(frozen=True, slots=True)
class Function:
    """One declared function. `key` is unique in a release; `name` is what logs, bills and addresses show.

    None in a limit means the setting's value. `timeout` is in seconds, `memory` in bytes.
    """

    key: str
    name: str
    kind: Kind
    file: str
    line: int
    auth: Auth = "key"
    methods: tuple[str, ...] = ()
    operation: str = ""
    table: str = ""
    admin: bool = False
    secrets: tuple[str, ...] = ()
    timeout: float | None = None
    memory: int | None = None
    concurrency: int | None = None
    min_instances: int = 0
    attempts: int = 5
    parameters: Mapping[str, Any] = field(default_factory=dict)  # JSON Schema of the arguments
    read_only: bool = False  # rpc: may be called by GET, and its clients cannot write
    returns: str = ""  # rpc: what comes back, one of kernel.procedures.Returns
    columns: tuple[tuple[str, str], ...] = ()  # rpc: name and PostgreSQL type of each column of its rows
    summary: str = ""  # the first line of the docstring


@dataclass(frozen=True, slots=True)
class Manifest:
    """All functions of one release by key. `release` is the hash of its files."""

    release: str = ""
    functions: Mapping[str, Function] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    def http(self, name: str) -> Function | None:
        return self.functions.get(f"http:{name}")

    def of_kind(self, kind: Kind) -> list[Function]:
        return [f for f in self.functions.values() if f.kind == kind]


def to_json(function: Function) -> dict[str, Any]:
    return asdict(function)


def from_json(data: Mapping[str, Any]) -> Function:
    """Raises TypeError on unknown fields."""
    listed = {name: tuple(data[name]) for name in ("methods", "secrets")}
    return Function(**{**data, **listed, "columns": tuple((name, kind) for name, kind in data["columns"])})
