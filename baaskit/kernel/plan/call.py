"""Which function a call means, and the plan of reading what it returns. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from baaskit.errors.rest import AmbiguousFunction, PermissionDenied, UnknownFunction
from baaskit.kernel.plan.read import Planner, check_levels, pg_name
from baaskit.kernel.plan.types import DEFAULT_LIMITS, Catalog, Limits, ReadPlan
from baaskit.kernel.policy import UNLIMITED
from baaskit.kernel.query import PLAIN_OPERATORS, Query
from baaskit.kernel.schema import Column, Routine, Table, TableName

_RESERVED = frozenset({"select", "order", "limit", "offset", "and", "or", "not.and", "not.or", "columns", "on_conflict", "apikey"})
_RAW_TYPES = {"application/json": ("json", "jsonb"), "text/plain": ("text",), "text/xml": ("xml",), "application/octet-stream": ("bytea",)}


@dataclass(frozen=True, slots=True)
class Given:
    """What a call brings: the names of its arguments, or (`raw`) a body that may be one unnamed argument of these types."""

    names: frozenset[str]
    raw: tuple[str, ...] = ()
    single: bool = False  # `Prefer: params=single-object`: the body is the one json argument, whatever its name


def raw_types(content_type: str) -> tuple[str, ...]:
    """The types that a single unnamed parameter may have to take a whole body of this content type."""
    return _RAW_TYPES.get(content_type, ())


def split_arguments(items: Iterable[tuple[str, str]]) -> tuple[dict[str, list[str]], list[tuple[str, str]]]:
    """The query string of a call by GET → arguments and the rest. A value that begins with an operator is a filter."""
    arguments: dict[str, list[str]] = {}
    rest: list[tuple[str, str]] = []
    for key, value in items:
        word = value.removeprefix("not.").partition(".")[0].partition("(")[0]
        if key in _RESERVED or "." in key or (word in PLAIN_OPERATORS and ("." in value or "(" in value)):
            rest.append((key, value))
        else:
            arguments.setdefault(key, []).append(value)
    return arguments, rest


def choose(catalog: Catalog, name: TableName, given: Given, role: str) -> tuple[Routine, bool]:
    """The overload that the arguments mean, and whether it takes the whole body as its one argument.

    PostgREST's rules: every parameter without a default must be given, and nothing that is no parameter; a function
    with one unnamed parameter comes last. What the role may not call is not looked at while something else fits.
    Raises UnknownFunction, AmbiguousFunction, PermissionDenied.
    """
    overloads = catalog.schema.functions.get(name, ())
    allowed = [routine for routine in overloads if catalog.policies.may_call(routine, role)]
    found, whole = _fitting(allowed, given)
    if len(found) > 1:
        raise AmbiguousFunction([_candidate(routine) for routine in found])
    if found:
        return found[0], whole
    if _fitting(overloads, given)[0]:
        raise PermissionDenied(
            f"permission denied for function {name.name}", hint="policies.sql opens a function: grant execute on function … to …"
        )
    known = {r.name.name for rs in catalog.schema.functions.values() for r in rs if catalog.policies.may_call(r, role)}
    raise UnknownFunction(name.schema, name.name, sorted(given.names)[:50], known)


def _candidate(routine: Routine) -> str:
    parameters = ", ".join(f"{p.name} => {pg_name(p.type)}" if p.name else pg_name(p.type) for p in routine.parameters)
    return f"{routine.name.schema}.{routine.name.name}({parameters})"


def _fitting(routines: Sequence[Routine], given: Given) -> tuple[list[Routine], bool]:
    if given.single:
        return [r for r in routines if len(r.parameters) == 1 and r.parameters[0].type.name in ("json", "jsonb")], True
    named = [r for r in routines if _takes(r, given.names)]
    if named:
        return named, False
    return [r for r in routines if len(r.parameters) == 1 and not r.parameters[0].name and r.parameters[0].type.name in given.raw], True


def _takes(routine: Routine, names: Collection[str]) -> bool:
    known = {p.name for p in routine.parameters}
    required = {p.name for p in routine.parameters if p.required}
    return "" not in known and required <= set(names) <= known


def plan_call(query: Query, catalog: Catalog, returned: Table, role: str, limits: Limits = DEFAULT_LIMITS) -> ReadPlan:
    """The plan of reading rows of `returned`: a table that we know, whose policies apply, or the shape of a result.

    Raises as `plan_read` does.
    """
    planner = Planner(catalog, role, limits)
    if returned.name.schema == "":
        planner.opened(returned.name, UNLIMITED)
    levels = {level.path: level for level in query.levels}
    plan = planner.level(returned, query.select, (), levels)
    check_levels(levels, plan)
    return plan


def shape(name: str, columns: Iterable[Column]) -> Table:
    """The result of a function as a table that is none: no schema, so that it has no policies, no keys and no relations."""
    return Table(TableName("", name), tuple(columns))
