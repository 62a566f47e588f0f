"""The functions of a PostgreSQL database as `Routine`s: those of the exposed schemas that a request can call at all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import orjson

from baaskit.kernel.schema import Column, Parameter, Routine, Schema, TableName, Type

# New and dropped functions. One that is replaced is noticed by its `stamp` when it is called.
STAMP = "SELECT count(*), max(oid::bigint) FROM pg_catalog.pg_proc WHERE oid >= 16384"

# A type: its name for statements, element name (without the schema), whether it is an array, and its kind (p: pseudo-type).
_TYPE = """(SELECT json_build_array(quote_ident(tn.nspname) || '.' || quote_ident(t.typname), coalesce(e.typname, t.typname),
  e.oid IS NOT NULL, t.typtype) FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace tn ON tn.oid = t.typnamespace
  LEFT JOIN pg_catalog.pg_type e ON e.oid = t.typelem AND t.typcategory = 'A' WHERE t.oid = {})"""

REFLECT = f"""
SELECT p.oid::bigint, p.xmin::text, n.nspname::text, p.proname::text, p.provolatile::text, p.proretset, p.pronargdefaults::int,
  coalesce(p.proargnames, '{{}}'), p.proargmodes::text[],
  (SELECT json_agg({_TYPE.format("a.type")} ORDER BY a.place)::text
    FROM unnest(coalesce(p.proallargtypes, p.proargtypes::oid[])) WITH ORDINALITY AS a(type, place)),
  {_TYPE.format("p.prorettype")}::text, rn.nspname::text, rc.relname::text, rc.relkind::text,
  (SELECT json_agg(json_build_array(att.attname, {_TYPE.format("att.atttypid")}) ORDER BY att.attnum)::text
    FROM pg_catalog.pg_attribute att WHERE att.attrelid = rc.oid AND att.attnum > 0 AND NOT att.attisdropped),
  coalesce(pg_catalog.obj_description(p.oid, 'pg_proc'), '')
FROM pg_catalog.pg_proc p
JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
JOIN pg_catalog.pg_type rt ON rt.oid = p.prorettype
LEFT JOIN pg_catalog.pg_class rc ON rc.oid = rt.typrelid AND rt.typtype = 'c'
LEFT JOIN pg_catalog.pg_namespace rn ON rn.oid = rc.relnamespace
WHERE n.nspname = ANY($1::text[]) AND p.prokind = 'f'
ORDER BY n.nspname, p.proname, p.oid"""


def read(rows: Iterable[Sequence[Any]], schema: Schema) -> Mapping[TableName, tuple[Routine, ...]]:
    """Rows of REFLECT → routines by name. Left out: triggers, and whatever takes or gives a type that no request can hold."""
    found: dict[TableName, tuple[Routine, ...]] = {}
    for row in rows:
        routine = _routine(row, schema)
        if routine is not None:
            found[routine.name] = (*found.get(routine.name, ()), routine)
    return found


def _routine(row: Sequence[Any], schema: Schema) -> Routine | None:
    oid, stamp, namespace, name, volatility, many, defaults, names, modes, types, returns, *rest = row
    relation_schema, relation, relation_kind, attributes, comment = rest
    types, returns, attributes = (orjson.loads(part or "[]") for part in (types, returns, attributes))
    modes = modes or ["i"] * len(types)
    names = [*names, *[""] * (len(types) - len(names))]
    inputs = [(n, t, m) for n, t, m in zip(names, types, modes, strict=True) if m in "ibv"]
    outputs = [(n, t) for n, t, m in zip(names, types, modes, strict=True) if m in "bot"]
    if any(kind == "p" for _, (_, _, _, kind), _ in inputs) or any(kind == "p" for _, (_, _, _, kind) in outputs):
        return None
    parameters = tuple(Parameter(n, _type(t), t[0], place < len(inputs) - defaults, m == "v") for place, (n, t, m) in enumerate(inputs))
    kind: Literal["void", "scalar", "row"] = "scalar"
    table, columns = None, tuple[Column, ...]()
    if returns[1] == "void" and returns[3] == "p":
        kind = "void"
    elif outputs:
        kind, columns = "row", tuple(Column(n or f"column{place + 1}", _type(t)) for place, (n, t) in enumerate(outputs))
    elif relation is not None:
        known = TableName(relation_schema, relation)
        kind, columns = "row", tuple(Column(n, _type(t)) for n, t in attributes)
        table = known if known in schema.tables else None
        if table is None and relation_kind != "c" and relation_schema in {t.schema for t in schema.tables}:
            return None  # a table that policies could speak of, if we knew it: its rows are not given away
    elif returns[3] == "p":  # a trigger, or a record whose columns only the caller's SQL could say
        return None
    return Routine(
        TableName(namespace, name), parameters, kind, many, _type(returns), table, columns, volatility in "is", comment, oid, stamp
    )  # fmt: skip


def _type(described: Sequence[Any]) -> Type:
    return Type(described[1], array=described[2])
