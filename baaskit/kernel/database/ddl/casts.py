"""PostgreSQL's casts on SQLite: implicit (assignment) and explicit (`::`)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sqlglot import exp

from baaskit.kernel.database.ddl import types as ty
from baaskit.kernel.database.ddl.types import literal
from baaskit.kernel.schema import Type

if TYPE_CHECKING:
    from baaskit.kernel.database.ddl.expressions import Emitter, Sql

_ASSIGNABLE = {  # from → to, without a cast being written
    "int": {"numeric", "float", "text"}, "numeric": {"int", "float", "text"}, "float": {"int", "numeric", "text"}, "bool": {"text"},
    "date": {"timestamp", "timestamptz", "text"}, "timestamp": {"timestamptz", "date", "time", "text"},
    "timestamptz": {"timestamp", "date", "time", "text"}, "enum": {"text"}, "uuid": {"text"}, "json": {"text"}, "time": {"text"},
}  # fmt: skip
_EXPLICIT = {"int": {"bool"}, "bool": {"int"}}


def cast(e: Emitter, sql: Sql, kind: Type, found: exp.Expression | None, *, explicit: bool, what: str = "") -> str:
    """`sql` as a value of `kind`. `what` names the column that is assigned, for the message."""
    if sql.interval:
        raise e.fault("an interval cannot be stored on SQLite", found, "Add it to a moment, or store a number of seconds.")
    if sql.constant is not None:
        return _constant(e, sql.constant, kind, found, what, explicit)
    if sql.type is None or sql.type == kind:
        return sql.text
    if kind.family == "numeric" and not kind.array and re.fullmatch(r"-?\d+(\.\d+)?", sql.text):
        return _constant(e, sql.text, kind, found, what, explicit)  # rounded as decimal, not as binary
    if sql.type.array or kind.array:
        return _array(e, sql, kind, found, explicit, what)
    source, target = sql.type.family, kind.family
    if source == target and (source != "enum" or sql.type.name == kind.name):
        return _same(e, sql, kind, found, explicit)
    if source == "text" and explicit:
        return _from_text(e, sql.text, kind, found)
    if target in _ASSIGNABLE.get(source, ()) or (explicit and target in _EXPLICIT.get(source, ())):
        return _different(e, sql, kind, found, explicit)
    place = f" column {what!r} is {ty.long_name(kind)} but" if what else ""
    raise e.fault(
        f"{place or 'an'} expression is of type {ty.long_name(sql.type)}" + ("" if what else f", not {ty.long_name(kind)}"),
        found, "" if explicit else f"Cast it: (…)::{ty.long_name(kind)}.",
    )  # fmt: skip


def _constant(e: Emitter, text: str, kind: Type, found: exp.Expression | None, what: str, explicit: bool) -> str:
    if explicit and kind.family == "text" and kind.modifiers and not kind.array:
        text = text[: int(kind.modifiers)]
    try:
        return literal(ty.from_text(text, kind))
    except ValueError as error:
        raise e.fault(f"{error}{f' (column {what!r})' if what else ''}", found) from None


def _same(e: Emitter, sql: Sql, kind: Type, found: exp.Expression | None, explicit: bool) -> str:
    assert sql.type is not None
    if kind.family == "numeric" and "," in kind.modifiers:
        return f"round({sql.text}, {kind.modifiers.split(',')[1]})"
    if kind.family == "numeric" and kind.modifiers:
        return f"round({sql.text})"
    if kind.family == "text" and kind.modifiers and explicit:
        return f"substr({sql.text}, 1, {kind.modifiers})"
    if kind.family == "int" and sql.text.isdigit() and kind.name in ("int2", "int4"):
        try:
            ty.in_range(int(sql.text), kind)
        except ValueError as error:
            raise e.fault(str(error), found) from None
    return sql.text


def _different(e: Emitter, sql: Sql, kind: Type, found: exp.Expression | None, explicit: bool) -> str:
    assert sql.type is not None
    source, target, text = sql.type.family, kind.family, sql.text
    if target == "text":
        written = as_text(e, sql, found)
        return f"substr({written}, 1, {kind.modifiers})" if explicit and kind.modifiers else written
    if target == "float":
        return f"CAST({text} AS REAL)"
    if target == "numeric":
        return f"round({text}, {kind.modifiers.partition(',')[2] or 0})" if kind.modifiers else text
    if target == "int":
        return f"CAST({text} AS INTEGER)" if source == "bool" else f"CAST(round({text}) AS INTEGER)"
    if target == "bool":
        return f"({text} <> 0)"
    moments = {
        ("date", "timestamp"): f"({text} || 'T00:00:00')", ("date", "timestamptz"): f"({text} || 'T00:00:00+00:00')",
        ("timestamp", "timestamptz"): f"({text} || '+00:00')", ("timestamptz", "timestamp"): f"replace({text}, '+00:00', '')",
        ("timestamp", "date"): f"substr({text}, 1, 10)", ("timestamptz", "date"): f"substr({text}, 1, 10)",
        ("timestamp", "time"): f"substr({text}, 12)", ("timestamptz", "time"): f"replace(substr({text}, 12), '+00:00', '')",
    }  # fmt: skip
    return moments[(source, target)]


def as_text(e: Emitter, sql: Sql, found: exp.Expression | None = None) -> str:
    """A value as PostgreSQL prints it."""
    text = sql.text
    match sql.family:
        case "text" | "open" | "uuid" | "enum" | "date" | "time":
            return text
        case "int":
            return f"CAST({text} AS TEXT)"
        case "bool":
            return f"(CASE {text} WHEN 1 THEN 'true' WHEN 0 THEN 'false' END)"
        case "timestamp":
            return f"replace({text}, 'T', ' ')"
        case "timestamptz":
            return f"replace(replace({text}, 'T', ' '), '+00:00', '+00')"
        case "numeric":
            scale = sql.type.modifiers.partition(",")[2] if sql.type else ""
            return f"(CASE WHEN {text} IS NOT NULL THEN printf('%.{scale}f', {text}) END)" if scale else f"CAST({text} AS TEXT)"
        case "json" if sql.type and sql.type.name == "json":
            return text
        case "float":
            # 2.0 is printed as 2 by PostgreSQL
            return f"(CASE WHEN {text} = CAST({text} AS INTEGER) THEN CAST(CAST({text} AS INTEGER) AS TEXT) ELSE CAST({text} AS TEXT) END)"
    raise e.fault(f"{sql.family} cannot be turned into text on SQLite", found)


def _from_text(e: Emitter, text: str, kind: Type, found: exp.Expression | None) -> str:
    """A text that is only known when the statement runs. `run` checks it with PostgreSQL's rules; elsewhere a number that is none is NULL."""
    if e.place == "run":
        return f"baaskit_cast({text}, {literal(kind.sql)}, {literal(chr(10).join(kind.labels))})"
    if kind.family == "int":
        return f"(CASE WHEN trim({text}, ' +-0123456789') = '' THEN CAST({text} AS INTEGER) END)"
    if kind.family in ("numeric", "float"):
        return f"(CASE WHEN trim({text}, ' +-.eE0123456789') = '' THEN CAST({text} AS REAL) END)"
    if kind.family == "uuid":
        return f"lower({text})"
    if kind.family == "bool":
        return (
            f"(CASE WHEN lower({text}) IN ('true','t','yes','on','1') THEN 1 WHEN lower({text}) IN ('false','f','no','off','0') THEN 0 END)"
        )
    if kind.family == "json":
        return f"(CASE WHEN json_valid({text}) THEN {text} END)"
    raise e.fault(f"a text cannot be cast to {ty.long_name(kind)} here on SQLite", found, "Give the column that type instead.")


def _array(e: Emitter, sql: Sql, kind: Type, found: exp.Expression | None, explicit: bool, what: str) -> str:
    assert sql.type is not None
    if sql.type.array and kind.array:
        same = sql.type.family == kind.family or {sql.type.family, kind.family} <= {"int", "numeric", "float"} or kind.family == "text"
        if same or (sql.type.family == "text" and explicit):
            return sql.text
    if explicit and kind.array and sql.type.family == "text" and e.place == "run":
        return f"baaskit_cast({sql.text}, {literal(kind.sql)}, {literal(chr(10).join(kind.labels))})"
    raise e.fault(f"{ty.long_name(sql.type)} cannot become {ty.long_name(kind)}{f' (column {what!r})' if what else ''}", found)
