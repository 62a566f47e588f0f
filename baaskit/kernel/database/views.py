"""Where the columns of views come from, so that a view can be embedded by the foreign keys of what it shows."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

import apsw
from sqlalchemy import Connection, text

from baaskit.kernel.schema import ForeignKey, Table, TableName

Place = tuple[TableName, str]  # a table and one of its columns
Origins = Mapping[Place, Place]  # a view's column → the column that it shows as it is

# The parse trees of views, with the relations' and columns' numbers that they use.
_TREES = """
SELECT n.nspname, c.relname, r.ev_action::text FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('v', 'm') AND r.rulename = '_RETURN' AND n.nspname = ANY(string_to_array(:schemas, ','))"""
_COLUMNS = """
SELECT c.oid::bigint, a.attnum::int, n.nspname, c.relname, a.attname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
JOIN pg_namespace n ON n.oid = c.relnamespace WHERE a.attnum > 0 AND NOT a.attisdropped AND n.nspname = ANY(string_to_array(:schemas, ','))"""
_TOKEN = re.compile(r"\\.|[^\\(){}]+|[(){}]", re.S)
_ENTRY = re.compile(r":resno (\d+) .*?:resorigtbl (\d+) :resorigcol (\d+)", re.S)


def postgres_origins(connection: Connection, schemas: Iterable[str]) -> Origins:
    """Read from the parse trees that PostgreSQL keeps of its views."""
    given = {"schemas": ",".join(schemas)}
    trees = connection.execute(text(_TREES), given).fetchall()
    if not trees:
        return {}
    numbers = {(oid, number): (TableName(s, t), name) for oid, number, s, t, name in connection.execute(text(_COLUMNS), given)}
    places = {(table, number): (table, name) for (_, number), (table, name) in numbers.items()}
    found: dict[Place, Place] = {}
    for schema, name, tree in trees:
        for own, oid, column in _targets(tree):
            place, origin = places.get((TableName(schema, name), own)), numbers.get((oid, column))
            if place is not None and origin is not None:
                found[place] = origin
    return found


def _targets(tree: str) -> Iterator[tuple[int, int, int]]:
    """Column number, relation and its column number of each entry of the outermost target list."""
    depth, inside = 0, False
    entry: list[str] = []
    for part in _TOKEN.findall(tree):
        if part in "({":
            depth += 1
        elif part in ")}":
            depth -= 1
            if inside and depth == 3:
                found = _ENTRY.search("".join(entry))
                entry.clear()
                if found and int(found[2]):
                    yield int(found[1]), int(found[2]), int(found[3])
            elif depth == 2:
                inside = False
        elif depth == 2:
            inside = part.endswith(":targetList ")
        elif depth == 4 and inside:
            entry.append(part)


def sqlite_origins(link: apsw.Connection, views: Iterable[tuple[TableName, str]]) -> Origins:
    """As SQLite tells of a prepared statement. `views` are logical and physical names."""
    found: dict[Place, Place] = {}
    for view, physical in views:
        seen: list[Any] = []

        def stop(cursor: Any, sql: str, bindings: Any, seen: list[Any] = seen) -> bool:
            seen.extend(cursor.description_full or ())
            return False  # never runs it

        cursor = link.cursor()
        cursor.exec_trace = stop
        with suppress(apsw.ExecTraceAbort, apsw.SQLError):  # stopped, or a view of a table that is gone
            cursor.execute('SELECT * FROM "' + physical.replace('"', '""') + '"')
        for name, _, _, table, column in seen:
            if table and column:
                found[view, name] = (TableName("public", table), column)
    return found


def leave_out(tables: dict[TableName, Table], origins: Origins, secret: Place) -> None:
    """Take a column away, and the columns of views that show it as it is."""
    for place in (secret, *origins):
        origin = place
        while origin in origins:
            origin = origins[origin]
        if origin == secret and place[0] in tables:
            table = tables[place[0]]
            tables[place[0]] = replace(
                table,
                columns=tuple(c for c in table.columns if c.name != place[1]),
                uniques=tuple(u for u in table.uniques if place[1] not in u),
            )


def inherit(tables: dict[TableName, Table], origins: Origins) -> None:
    """Give views the foreign keys and unique sets of the columns that they show, and their tables keys that lead to them."""
    shown: dict[TableName, dict[TableName, dict[str, str]]] = {}  # table → view → the table's column → the view's
    for (view, name), origin in origins.items():
        while origin in origins:  # a view of a view
            origin = origins[origin]
        if view in tables and tables[view].view:
            shown.setdefault(origin[0], {}).setdefault(view, {}).setdefault(origin[1], name)
    added: dict[TableName, list[ForeignKey]] = {}
    for table in [t for t in tables.values() if not t.view]:
        for view, columns in shown.get(table.name, {}).items():
            uniques = tuple(tuple(columns[c] for c in unique) for unique in table.uniques if set(unique) <= columns.keys())
            tables[view] = replace(tables[view], uniques=(*tables[view].uniques, *uniques))
        for key in table.foreign_keys:
            sources = [(table.name, {c: c for c in key.columns}), *shown.get(table.name, {}).items()]
            targets = [(key.target, {c: c for c in key.target_columns}), *shown.get(key.target, {}).items()]
            for source, ours in sources:
                for target, theirs in targets:
                    if (
                        (source, target) != (table.name, key.target)
                        and set(key.columns) <= ours.keys()
                        and set(key.target_columns) <= theirs.keys()
                    ):
                        inherited = replace(
                            key, columns=tuple(ours[c] for c in key.columns), target=target,
                            target_columns=tuple(theirs[c] for c in key.target_columns),
                        )  # fmt: skip
                        added.setdefault(source, []).append(inherited)
    for source, keys in added.items():
        if source in tables:
            tables[source] = replace(tables[source], inherited=tuple(keys))
