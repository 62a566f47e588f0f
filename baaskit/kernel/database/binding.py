"""A compiled statement of a plan: text for the driver and, per placeholder, where its value comes from at run time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, Executable, Text, bindparam
from sqlalchemy.engine.interfaces import Dialect

from baaskit.kernel.claims import Claims
from baaskit.kernel.database.compiled import make_dialect
from baaskit.kernel.policy.claims import CLAIM_BINDS, claim_binds, claim_value
from baaskit.kernel.query import Value

Extra = Mapping[str, Any]
Binder = Callable[[Sequence[Value], Claims, Extra], Any]
Convert = Callable[[Value], Any]

NO_EXTRA: Extra = {}
_CLAIMS = {bind: name for name, bind in CLAIM_BINDS.items()}
_DIALECTS = {name: make_dialect(name) for name in ("sqlite", "postgresql")}


@dataclass(frozen=True, slots=True)
class Statement:
    """`bind` gives positional parameters for `text`: values of the request, claims of its caller, `extra` by name.

    `timed`: a policy asks for now(), which is one instant in all of the statement; `extra` may set it, and the `topic`.
    """

    text: str
    binders: tuple[Binder, ...]
    timed: bool = False

    def bind(self, values: Sequence[Value], claims: Claims, extra: Extra = NO_EXTRA) -> list[Any]:
        if self.timed and "now" not in extra:
            extra = {**extra, "now": datetime.now(UTC)}
        return [binder(values, claims, extra) for binder in self.binders]


class Binds:
    """Collects the parameters of one statement while it is built."""

    def __init__(self) -> None:
        self._binders: dict[str, Binder] = {}

    def slot(self, slot: int, convert: Convert, type_: Any = Text) -> ColumnElement[Any]:
        """The value of a slot, converted when it is bound."""
        name = f"s{len(self._binders)}"
        self._binders[name] = lambda values, claims, extra: convert(values[slot])
        return bindparam(name, type_=type_())

    def constant(self, value: Any, type_: Any = Text) -> ColumnElement[Any]:
        name = f"s{len(self._binders)}"
        self._binders[name] = lambda values, claims, extra: value
        return bindparam(name, type_=type_())

    def given(self, key: str, type_: Any = Text) -> ColumnElement[Any]:
        """A value that the running script gives under `key`."""
        name = f"x_{key}"
        self._binders[name] = lambda values, claims, extra: extra[key]
        return bindparam(name, type_=type_())

    def compile(self, statement: Executable, dialect: str) -> Statement:
        """Text and binders of `statement`, whose parameters must all be ours or claims."""
        compiled = statement.compile(dialect=_dialect(dialect))  # type: ignore[attr-defined]
        order, constants = compiled.positiontup or (), compiled.params
        binders = tuple(self._binders.get(name) or _other(name, constants) for name in order)
        return Statement(compiled.string, binders, CLAIM_BINDS["now"] in order)


def _dialect(name: str) -> Dialect:
    return _DIALECTS[name]


def _other(bind: str, constants: Mapping[str, Any]) -> Binder:
    """A claim, or a constant that SQLAlchemy made a parameter of."""
    if bind in _CLAIMS:
        return _claim(bind)
    constant = constants[bind]
    if constant is None:
        raise LookupError(f"parameter {bind} has no source")
    return lambda values, claims, extra: constant


def _claim(bind: str) -> Binder:
    name = _CLAIMS[bind]
    if name == "jwt":
        return lambda values, claims, extra: claim_binds(claims, datetime.now(UTC))[bind]
    if name == "now":
        return lambda values, claims, extra: claim_value("now", claims, extra["now"])
    if name == "topic":
        return lambda values, claims, extra: claim_value("topic", claims, _NEVER, extra.get("topic"))
    if name == "uid_int":
        return lambda values, claims, extra: claim_binds(claims, _NEVER)[bind]
    return lambda values, claims, extra: claim_value(name, claims, _NEVER)


_NEVER = datetime(1970, 1, 1, tzinfo=UTC)
