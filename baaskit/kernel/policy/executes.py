"""`grant execute on function f(integer, text) to authenticated`: who may call which function of the database.

Without a grant nobody may, unlike in PostgreSQL itself, where everybody may by default.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from baaskit.errors import nearest
from baaskit.kernel.policy.policyset import Signature
from baaskit.kernel.policy.source import Source
from baaskit.kernel.policy.syntax import Parser
from baaskit.kernel.schema import Routine, Schema, TableName, Type

_MODE = re.compile(r"(in|inout|variadic)\s+", re.IGNORECASE)
_NAMED = re.compile(r'(?:"[^"]*"|[a-z_][\w$]*)\s+(?=\S)', re.IGNORECASE)


@dataclass
class Callables:
    """Roles by function, while a policy file is read. A fault closes the functions that its statement may have meant."""

    roles: dict[Signature, frozenset[str]] = field(default_factory=dict)
    about: TableName | None = None  # the function of the statement at hand, once its name is read
    closed: set[TableName] = field(default_factory=set)
    closed_all: bool = False

    def change(self, routine: Routine, roles: frozenset[str], grant: bool) -> None:
        key = (routine.name, routine.signature)
        known = self.roles.get(key, frozenset())
        self.roles[key] = known | roles if grant else known - roles

    def close(self, grant: bool) -> None:
        """After a fault: a grant without a name has granted nothing, a revoke without one may have meant any function."""
        if self.about is not None:
            self.closed.add(self.about)
        elif not grant:
            self.closed_all = True

    def live(self) -> dict[Signature, frozenset[str]]:
        return {} if self.closed_all else {key: roles for key, roles in self.roles.items() if key[0] not in self.closed}


def read_execute(parser: Parser, source: Source, schema: Schema, callables: Callables) -> Routine:
    """`on function [schema.]name[(types)]`, one function of the schema. Raises Fault."""
    parser.expect("on")
    if parser.at("all"):
        parser.refuse("functions are opened one by one: grant execute on function name(types) to role")
    parser.expect("function", "routine")
    start = parser.token.span
    first = parser.name("a function")
    name = TableName(first.text, parser.name("a function").text) if parser.accept(".") else TableName("public", first.text)
    callables.about = name
    overloads = schema.functions.get(name, ())
    if not overloads:
        near = nearest(str(name), [str(known) for known in schema.functions])
        hint = f"did you mean '{near}'?" if near else None
        if not schema.functions:
            hint = "only PostgreSQL has functions of its own; a function in Python says in its decorator who may call it: @rpc(auth=…)"
        raise source.fault(f"unknown function '{name}'", start, hint)
    types = _types(parser, source)
    fitting = [r for r in overloads if types is None or _fits(r, types)]
    if len(fitting) != 1:
        what = f"there are {len(fitting)} functions '{name}'" if fitting else f"no function '{name}' takes ({', '.join(types or ())})"
        raise source.fault(what, start, "name one of " + ", ".join(str(r) for r in overloads))
    return fitting[0]


def _types(parser: Parser, source: Source) -> list[str] | None:
    """The texts between the brackets; None without brackets."""
    if not parser.accept("("):
        return None
    found: list[str] = []
    depth, start = 1, parser.token.span.start
    while depth:
        token = parser.token
        if token.kind == "end":
            parser.refuse("a bracket is not closed")
        depth += {"(": 1, ")": -1}.get(token.text, 0) if token.kind == "symbol" else 0
        if depth == 0 or (depth == 1 and token.kind == "symbol" and token.text == ","):
            found.append(source.text[start : token.span.start].strip())
            start = token.span.end
        parser.advance()
    return [] if found == [""] else found


def _fits(routine: Routine, types: list[str]) -> bool:
    signature = routine.signature
    return len(types) == len(signature) and all(_is(text, kind) for text, kind in zip(types, signature, strict=True))


def _is(text: str, kind: Type) -> bool:
    """Whether `text` writes the type, maybe after a mode and a name as PostgreSQL allows."""
    plain = _MODE.sub("", text)
    spelled = {_parsed(plain), _parsed(_NAMED.sub("", plain, count=1))}
    return (kind.name, kind.array) in spelled


def _parsed(text: str) -> tuple[str, bool]:
    """Name and array of a type's text, without schema and modifiers."""
    word = text.rpartition(".")[2] if '"' not in text else text.replace('"', "").rpartition(".")[2]
    if '"' in text:
        return word.removesuffix("[]"), word.endswith("[]")
    parsed = Type.parse(word)
    return parsed.name, parsed.array
