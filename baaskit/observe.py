"""One place that turns facts (events) into logs; metrics and traces read the same facts. Code emits facts, never log lines."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from typing import Any

import orjson

_log = logging.getLogger("baaskit")
_readers: list[Callable[[str, dict[str, Any]], None]] = []


def fact(name: str, /, **fields: Any) -> None:
    """Something happened. `name` is `area.event`; fields are plain values and never hold secrets or tokens."""
    for reader in _readers:
        reader(name, fields)


def add_reader(reader: Callable[[str, dict[str, Any]], None]) -> None:
    """Also tell `reader` of every fact."""
    _readers.append(reader)


def _one_line(value: Any) -> str:
    """A value that cannot begin a line of its own: what a client sent must not look like a fact of ours."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in str(value))


_LOUD = ("failed", "error", "refused", "crashed", "warning")


def log_to_stderr(*, as_json: bool, level: str = "info") -> None:
    """Write facts of at least `level` to standard error, one line each: text for people, JSON for collectors."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(message)s"))
    _log.handlers[:] = [handler]
    _log.setLevel(level.upper())
    _log.propagate = False

    def write(name: str, fields: dict[str, Any]) -> None:
        weight = logging.WARNING if name.rsplit(".", 1)[-1] in _LOUD else logging.INFO
        if as_json:
            line = orjson.dumps({"event": name, **fields}, default=str).decode()
        else:
            line = f"{name} " + " ".join(f"{key}={_one_line(value)}" for key, value in fields.items())
        _log.log(weight, line)

    add_reader(write)
