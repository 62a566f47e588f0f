"""The `config` of a join, read from JSON into values. Pure; unknown keys are ignored, as clients grow them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, cast

from baaskit.errors.realtime import BadBinding

Event = Literal["*", "INSERT", "UPDATE", "DELETE"]
_EVENTS = ("*", "INSERT", "UPDATE", "DELETE")
MAX_BINDINGS = 100  # of one channel
MAX_LIVE = 20  # live queries of one channel


@dataclass(frozen=True, slots=True)
class Binding:
    """One entry of `postgres_changes`. `table` None means every table of the schema; `schema` "*" every schema."""

    event: Event
    schema: str
    table: str | None
    filter: str
    select: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class LiveRequest:
    """One entry of `live`. `since` is the cursor of what the client has already."""

    query: str
    since: str | None


@dataclass(frozen=True, slots=True)
class JoinConfig:
    """`echo` holds the entries of `postgres_changes` as they came: the answer repeats them."""

    bindings: tuple[Binding, ...] = ()
    echo: tuple[dict[str, Any], ...] = ()
    live: tuple[LiveRequest, ...] = ()
    ack: bool = False
    self_send: bool = False
    private: bool = False
    presence: bool = False
    presence_key: str = ""
    replication_ready: bool = field(default=False)


def read_config(payload: dict[str, Any]) -> JoinConfig:
    """The config of a join's payload. Raises BadBinding."""
    config = _object(payload.get("config"), "config")
    broadcast, presence = _object(config.get("broadcast"), "broadcast"), _object(config.get("presence"), "presence")
    echo, live = _objects(config.get("postgres_changes"), "postgres_changes", MAX_BINDINGS), _objects(config.get("live"), "live", MAX_LIVE)
    key = presence.get("key")
    return JoinConfig(
        bindings=tuple(_binding(entry) for entry in echo),
        echo=tuple(echo),
        live=tuple(_live(entry) for entry in live),
        ack=broadcast.get("ack") is True,
        self_send=broadcast.get("self") is True,
        private=config.get("private") is True,
        # Older clients say only the key and expect to be told who is there.
        presence=presence.get("enabled", bool(key)) is True,
        presence_key=key if isinstance(key, str) else "",
        replication_ready=broadcast.get("replication_ready") is True,
    )


def _object(value: Any, name: str) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise BadBinding(f"{name} must be an object.")
    return value


def _objects(value: Any, name: str, most: int) -> list[dict[str, Any]]:
    entries = [] if value is None else value
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise BadBinding(f"{name} must be a list of objects.")
    if len(entries) > most:
        raise BadBinding(f"{name} has more than {most} entries.")
    return entries


def _text(entry: dict[str, Any], name: str, default: str) -> str:
    value = entry.get(name)
    if value is None:
        return default
    if not isinstance(value, str):
        raise BadBinding(f"{name} must be text.")
    return value


def _binding(entry: dict[str, Any]) -> Binding:
    event = _text(entry, "event", "*").upper()
    if event not in _EVENTS:
        raise BadBinding(f"event must be one of {', '.join(_EVENTS)}.")
    table, select = _text(entry, "table", "*"), entry.get("select")
    if select is not None and not (isinstance(select, list) and all(isinstance(name, str) for name in select)):
        raise BadBinding("select must be a list of column names.")
    named = tuple(select) if select else None
    return Binding(cast(Event, event), _text(entry, "schema", "public"), None if table == "*" else table, _text(entry, "filter", ""), named)


def _live(entry: dict[str, Any]) -> LiveRequest:
    if not isinstance(entry.get("query"), str):
        raise BadBinding("query must be text.")
    return LiveRequest(entry["query"], _text(entry, "since", "") or None)
