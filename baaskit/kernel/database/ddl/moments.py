"""Moments, dates and intervals: now(), arithmetic, parts. All in built-in SQLite functions."""

from __future__ import annotations

import re
from typing import Any

from sqlglot import exp

from baaskit.kernel.database.ddl import types as ty
from baaskit.kernel.database.ddl.casts import cast
from baaskit.kernel.database.ddl.expressions import NOW, Emitter, Sql, call, node
from baaskit.kernel.database.ddl.types import literal

_UNITS = {
    "year": "years", "yr": "years", "y": "years", "month": "months", "mon": "months", "week": "weeks", "w": "weeks", "day": "days",
    "d": "days", "hour": "hours", "hr": "hours", "h": "hours", "minute": "minutes", "min": "minutes", "m": "minutes", "second": "seconds",
    "sec": "seconds", "s": "seconds",
}  # fmt: skip
_MOMENTS = ("timestamptz", "timestamp", "date")


@node(exp.CurrentTimestamp, "this")
def _now(e: Emitter, n: Any) -> Sql:
    if e.now is not None:
        return Sql(literal(e.now), ty.TIMESTAMPTZ)
    e.only("default", "view", "run", what="now()", found=n)
    return Sql(f"({NOW})", ty.TIMESTAMPTZ)


call("now", "transaction_timestamp", "statement_timestamp", "clock_timestamp")(_now)


@node(exp.CurrentDate)
def _today(e: Emitter, n: exp.CurrentDate) -> Sql:
    return Sql(f"substr({_now(e, n).text}, 1, 10)", ty.DATE)


@node(exp.Localtimestamp, "this")
def _local(e: Emitter, n: Any) -> Sql:
    return Sql(f"replace({_now(e, n).text}, '+00:00', '')", ty.TIMESTAMP)


@node(exp.AtTimeZone, "this", "zone")
def _at_zone(e: Emitter, n: exp.AtTimeZone) -> Sql:
    inner, zone = e.emit(n.this), e.emit(n.args["zone"])
    if (zone.constant or zone.text.strip("'")).upper() not in ("UTC", "GMT", "Z"):
        raise e.fault("only at time zone 'utc' is supported on SQLite", n)
    target = ty.TIMESTAMP if inner.family == "timestamptz" else ty.TIMESTAMPTZ
    return Sql(e.convert(inner, target, n), target)


@call("timezone")
def _timezone(e: Emitter, n: exp.Anonymous) -> Sql:
    """`timezone('utc', now())`, the spelling that PostgreSQL's own dumps use."""
    zone, moment = n.expressions
    return _at_zone(e, exp.AtTimeZone(this=moment, zone=zone))


@node(exp.Interval, "this", "unit")
def _interval(e: Emitter, n: exp.Interval) -> Sql:
    text = e.emit(n.this).constant if n.this is not None else None
    if text is None:
        raise e.fault("an interval is written like interval '2 days'", n)
    unit = str(n.args["unit"].this) if n.args.get("unit") is not None else ""
    return _parsed(e, f"{text} {unit}", n)


def _parsed(e: Emitter, text: str, n: exp.Expression) -> Sql:
    parts = re.findall(r"([+-]?\s*\d+(?:\.\d+)?)\s*([a-z]+)", text.lower())
    if not parts or re.sub(r"([+-]?\s*\d+(?:\.\d+)?)\s*([a-z]+)|\s|ago", "", text.lower()):
        raise e.fault(f'invalid input syntax for type interval: "{text.strip()}"', n, "Write it like '1 day 2 hours'.")
    sign = "-" if text.lower().rstrip().endswith("ago") else ""
    return Sql(
        "", ty.INTERVAL, interval=tuple(_part(e, sign + amount.replace(" ", ""), unit, n) for amount, unit in parts if unit != "ago")
    )


def _part(e: Emitter, amount: str, unit: str, n: exp.Expression) -> tuple[str, str, bool]:
    word = _UNITS.get(unit.rstrip("s") if len(unit) > 1 else unit)
    if word is None:
        raise e.fault(
            f"interval unit {unit!r} is not supported on SQLite", n, "Units: years, months, weeks, days, hours, minutes, seconds."
        )
    if word == "weeks":
        return f"({amount} * 7)", "days", "." not in amount
    return amount, word, "." not in amount


@node(exp.MakeInterval, "year", "month", "week", "day", "hour", "minute", "second")
def _make_interval(e: Emitter, n: exp.MakeInterval) -> Sql:
    parts = []
    for unit in ("year", "month", "week", "day", "hour", "minute", "second"):
        given = n.args.get(unit)
        if given is not None:
            amount = e.emit(given.expression if isinstance(given, exp.Kwarg) else given)
            parts.append(
                (
                    f"({amount.text} * 7)" if unit == "week" else amount.text,
                    "days" if unit == "week" else f"{unit}s",
                    amount.family == "int",
                )
            )
    return Sql("", ty.INTERVAL, interval=tuple(parts))


@node(exp.Cast, "this", "to")
def _cast(e: Emitter, n: exp.Cast) -> Sql:
    kind = e.type_of(n.to)
    if kind.name != "interval":
        return Sql(cast(e, e.emit(n.this), kind, n, explicit=True), kind)
    inner = n.this
    while isinstance(inner, exp.Paren):
        inner = inner.this
    if isinstance(inner, exp.DPipe) and isinstance(inner.expression, exp.Literal):  # (n || ' days')::interval
        amount = e.emit(inner.this)
        text, unit, _ = _part(e, amount.text, str(inner.expression.this).strip().lower(), n)
        return Sql("", ty.INTERVAL, interval=((text, unit, amount.family == "int"),))
    constant = e.emit(inner).constant
    if constant is None:
        raise e.fault("only a constant or (number || ' unit') can be cast to interval on SQLite", n, "Write interval '1 day' * number.")
    return _parsed(e, constant, n)


def plus_moment(e: Emitter, n: Any, operator: str) -> Sql | None:
    """`moment ± interval`, `date ± days`, `date - date`, `interval * number`; None when it is plain arithmetic."""
    left, right = e.emit(n.this), e.emit(n.expression)
    if operator == "*":
        if left.interval or right.interval:
            number, parts = (right, left.interval) if left.interval else (left, right.interval)
            whole = number.family == "int"
            return Sql("", ty.INTERVAL, interval=tuple((f"({a} * {number.text})", u, w and whole) for a, u, w in parts))
        return None
    if left.interval and right.interval:
        return Sql("", ty.INTERVAL, interval=left.interval + _signed(right.interval, operator))
    if left.interval and operator == "+":
        left, right = right, left
    if right.interval and left.family in _MOMENTS:
        return _shift(left, _signed(right.interval, operator))
    if left.family == right.family == "date" and operator == "-":
        return Sql(f"CAST(julianday({left.text}) - julianday({right.text}) AS INTEGER)", ty.INT)
    if left.family == "date" and right.family == "int":
        return Sql(f"date({left.text}, ({operator}{right.text}) || ' days')", ty.DATE)
    if left.family in _MOMENTS:
        raise e.fault(
            "this arithmetic with moments is not supported on SQLite", n, "extract(epoch from a) - extract(epoch from b) gives seconds."
        )
    return None


def _signed(parts: tuple[tuple[str, str, bool], ...], operator: str) -> tuple[tuple[str, str, bool], ...]:
    return parts if operator == "+" else tuple((f"(-{amount})", unit, whole) for amount, unit, whole in parts)


def _shift(moment: Sql, parts: tuple[tuple[str, str, bool], ...]) -> Sql:
    """Whole amounts keep the fraction of the second as it is; others are exact to the millisecond. A month's end is clamped as in PostgreSQL."""
    kind = ty.TIMESTAMP if moment.family == "date" else moment.type
    text = f"({moment.text} || 'T00:00:00')" if moment.family == "date" else moment.text
    changes = []
    for amount, unit, _ in parts:
        changes.append(f"({amount}) || ' {unit}'" + (", 'floor'" if unit in ("months", "years") else ""))
    if all(whole for _, _, whole in parts):
        return Sql(f"(strftime('%Y-%m-%dT%H:%M:%S', substr({text}, 1, 19), {', '.join(changes)}) || substr({text}, 20))", kind)
    offset = " || '+00:00'" if moment.family == "timestamptz" else ""
    return Sql(f"(rtrim(rtrim(strftime('%Y-%m-%dT%H:%M:%f', {text}, {', '.join(changes)}), '0'), '.'){offset})", kind)


@node(exp.TimestampTrunc, "this", "unit")
def _trunc(e: Emitter, n: exp.TimestampTrunc) -> Sql:
    inner = e.emit(n.this)
    if inner.family not in _MOMENTS:
        raise e.fault("date_trunc needs a moment", n)
    kind = ty.TIMESTAMPTZ if inner.family == "timestamptz" else ty.TIMESTAMP
    text = e.convert(inner, kind, n)
    unit = str(n.args["unit"].this).lower()
    cuts = {"year": (4, "-01-01T00:00:00"), "month": (7, "-01T00:00:00"), "day": (10, "T00:00:00"), "hour": (13, ":00:00"),
            "minute": (16, ":00"), "second": (19, "")}  # fmt: skip
    if unit not in cuts:
        raise e.fault(f"date_trunc('{unit}', …) is not supported on SQLite", n, f"Units: {', '.join(cuts)}.")
    size, tail = cuts[unit]
    end = "+00:00" if kind is ty.TIMESTAMPTZ else ""
    return Sql(f"(substr({text}, 1, {size}) || '{tail}{end}')", kind)


@node(exp.Extract, "this", "expression")
def _extract(e: Emitter, n: exp.Extract) -> Sql:
    unit = str(n.this.this).lower()
    inner = n.expression
    while isinstance(inner, exp.Paren):
        inner = inner.this
    if unit == "epoch" and isinstance(inner, exp.Sub):
        return Sql(f"({_epoch(e, inner.this)} - {_epoch(e, inner.expression)})", ty.NUMERIC)
    if unit == "epoch":
        return Sql(_epoch(e, inner), ty.NUMERIC)
    moment = e.emit(inner)
    if moment.family not in _MOMENTS:
        raise e.fault("extract needs a moment", n)
    starts = {"year": (1, 4), "month": (6, 2), "day": (9, 2), "hour": (12, 2), "minute": (15, 2)}
    if unit in starts:
        return Sql(f"CAST(substr({moment.text}, {starts[unit][0]}, {starts[unit][1]}) AS INTEGER)", ty.NUMERIC)
    words = {"dow": "%w", "doy": "%j", "isodow": "%u"}
    if unit in words:
        return Sql(f"CAST(strftime('{words[unit]}', {moment.text}) AS INTEGER)", ty.NUMERIC)
    raise e.fault(f"extract({unit} from …) is not supported on SQLite", n)


def _epoch(e: Emitter, n: exp.Expression) -> str:
    moment = e.emit(n)
    if moment.family not in _MOMENTS:
        raise e.fault("extract(epoch …) needs a moment", n)
    return f"unixepoch({moment.text}, 'subsec')"
