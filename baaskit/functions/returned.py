"""What an `@rpc` function returns: its kind and columns from the type hint, and its JSON (runs in the zygote and the worker)."""

from __future__ import annotations

import dataclasses
import datetime
import types
import uuid
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from decimal import Decimal
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from pydantic import TypeAdapter
from typing_extensions import is_typeddict

from baaskit.functions.results import to_json

if TYPE_CHECKING:  # the zygote stays small
    from baaskit.kernel.procedures import Returns

_LISTS = (list, tuple, set, frozenset, Sequence, Iterable, Iterator, Generator, AbstractSet)
_SCALARS: dict[Any, str] = {
    bool: "bool", int: "int8", float: "float8", str: "text", Decimal: "numeric", datetime.datetime: "timestamptz", datetime.date: "date",
    datetime.time: "time", uuid.UUID: "uuid",
}  # fmt: skip


class Returned:
    """The result of one function. Without a hint it is whatever the value turns out to be."""

    returns: Returns
    columns: tuple[tuple[str, str], ...]

    def __init__(self, call: Callable[..., Any]) -> None:
        """Raises NameError, or pydantic's errors when a hint cannot be validated."""
        hint = get_type_hints(call, include_extras=True).get("return", Any)
        self.returns, self.columns = _read(hint, call.__name__)
        self._adapter: TypeAdapter[Any] | None = TypeAdapter(hint) if self.returns not in ("any", "void") else None

    def render(self, value: Any) -> bytes:
        """JSON of the result; nothing for void. What the hint does not have is not sent. Raises pydantic's ValidationError, TypeError."""
        if self.returns == "void":
            return b""
        if isinstance(value, types.GeneratorType):
            value = list(value)
        if self._adapter is not None:
            value = self._adapter.validate_python(value, from_attributes=True)
            value = list(value) if self.returns in ("rows", "values") else value
        return to_json(value, exact=True)


def _read(hint: Any, name: str) -> tuple[Returns, tuple[tuple[str, str], ...]]:
    hint = _plain(hint)
    if hint in (Any, object, list, tuple):
        return "any", ()
    if hint is type(None):
        return "void", ()
    if get_origin(hint) in _LISTS:
        item = _plain((get_args(hint) or (Any,))[0])
        if item in (Any, object):
            return "any", ()
        columns = _columns(item)
        return ("values", ((name, _type(item)),)) if columns is None else ("rows", columns)
    columns = _columns(hint)
    return ("value", ((name, _type(hint)),)) if columns is None else ("row", columns)


def _plain(hint: Any) -> Any:
    """The hint without notes and without None."""
    if get_origin(hint) is Annotated:
        return _plain(get_args(hint)[0])
    if get_origin(hint) in (Union, types.UnionType):
        kinds = [kind for kind in get_args(hint) if kind is not type(None)]
        return _plain(kinds[0]) if len(kinds) == 1 else hint
    return hint


def _columns(hint: Any) -> tuple[tuple[str, str], ...] | None:
    """The columns of a row type, () where it has none that are known; None for what is no row."""
    if hint in (dict, Mapping) or get_origin(hint) in (dict, Mapping):
        return ()
    if not isinstance(hint, type) or not (dataclasses.is_dataclass(hint) or is_typeddict(hint) or hasattr(hint, "model_fields")):
        return None
    hints = get_type_hints(hint, include_extras=True)
    names = [f.name for f in dataclasses.fields(hint)] if dataclasses.is_dataclass(hint) else getattr(hint, "model_fields", hints)
    return tuple((name, _type(hints[name])) for name in names)


def _type(hint: Any) -> str:
    """The PostgreSQL type that values of the hint are filtered and ordered as."""
    hint = _plain(hint)
    if hint in _SCALARS:
        return _SCALARS[hint]
    if get_origin(hint) is Literal and all(isinstance(word, str) for word in get_args(hint)):
        return "text"
    if isinstance(hint, type) and issubclass(hint, Enum) and all(isinstance(member.value, str) for member in hint):
        return "text"
    item = _plain((get_args(hint) or (None,))[0])
    if get_origin(hint) in (list, set, frozenset, Sequence) and item in _SCALARS:
        return _SCALARS[item] + "[]"
    return "jsonb"
