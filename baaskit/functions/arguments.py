"""A function's arguments: read from query and body, validated by its type hints (runs in the worker)."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, NotRequired, get_args, get_origin, get_type_hints
from urllib.parse import parse_qs

import orjson
from pydantic import ConfigDict, TypeAdapter, ValidationError, with_config
from typing_extensions import TypedDict

from baaskit.functions.api import Request

_REPEATABLE = (list, set, frozenset, tuple)
_RELAY_PARAMETERS = frozenset({"forceFunctionRegion"})  # added by official clients, meant for a gateway


class Invalid(Exception):
    """The arguments do not fit. `details` is a list of `{"field", "message"}`."""

    def __init__(self, details: list[dict[str, str]]) -> None:
        super().__init__("; ".join(f"{d['field']}: {d['message']}" if d["field"] else d["message"] for d in details))
        self.details = details


class Malformed(Exception):
    """The body says it is JSON and is not."""


class Arguments:
    """The parameters after the context. A function without any never has its body read here."""

    def __init__(self, call: Callable[..., Any]) -> None:
        """Raises NameError or pydantic's errors when a hint cannot be resolved or validated."""
        parameters = list(inspect.signature(call).parameters.values())[1:]
        hints = get_type_hints(call, include_extras=True)
        named = [p for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
        self.open = any(p.kind is p.VAR_KEYWORD for p in parameters)
        self.wanted = bool(named) or self.open
        self._lists = {p.name for p in named if _is_repeatable(hints.get(p.name))}
        shape = {p.name: hints.get(p.name, Any) if p.default is p.empty else NotRequired[hints.get(p.name, Any)] for p in named}
        made: Any = TypedDict("Arguments", shape)  # type: ignore[misc]  # only known when the author's module is loaded
        config = ConfigDict(extra="allow" if self.open else "forbid", regex_engine="python-re")
        shaped: Any = with_config(config)(made)
        self._adapter: TypeAdapter[dict[str, Any]] = TypeAdapter(shaped)

    def schema(self) -> dict[str, Any]:
        """JSON Schema of the arguments, for the manifest."""
        try:
            return self._adapter.json_schema()
        except Exception:  # a hint that validates but has no JSON form: only documentation is lost
            return {}

    def read(self, request: Request) -> dict[str, Any]:
        """Keyword arguments for the call. Raises Invalid or Malformed."""
        if not self.wanted:
            return {}
        given = {**self._from_fields(request.query), **self._from_body(request)}
        try:
            return self._adapter.validate_python(given)
        except ValidationError as problem:
            raise Invalid([_detail(error) for error in problem.errors(include_url=False, include_input=False)]) from None

    def _from_fields(self, fields: Mapping[str, list[str]]) -> dict[str, Any]:
        return {
            name: values if name in self._lists or len(values) > 1 else values[0]
            for name, values in fields.items()
            if name not in _RELAY_PARAMETERS
        }

    def _from_body(self, request: Request) -> dict[str, Any]:
        if not request.body or request.method in ("GET", "HEAD"):
            return {}
        media = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
        if media == "application/x-www-form-urlencoded":
            return self._from_fields(parse_qs(request.body.decode("utf-8", "replace"), keep_blank_values=True))
        if media != "application/json" and not media.endswith("+json"):
            return {}
        try:
            body = orjson.loads(request.body)
        except orjson.JSONDecodeError as problem:
            raise Malformed(str(problem)) from None
        if not isinstance(body, dict):
            raise Invalid([{"field": "", "message": "the body must be a JSON object that holds the arguments by name"}])
        return body


def _is_repeatable(hint: Any) -> bool:
    """Whether repeated query parameters make one argument: `list[str]`, `set[int] | None`."""
    if hint in _REPEATABLE or get_origin(hint) in _REPEATABLE:
        return True
    return any(_is_repeatable(part) for part in get_args(hint)) if get_origin(hint) is not dict else False


def _detail(error: Any) -> dict[str, str]:
    message = "unexpected argument" if error["type"] == "extra_forbidden" else str(error["msg"])
    return {"field": ".".join(str(part) for part in error["loc"]), "message": message}
