"""The statements that lead from one shape of a database to another."""

from __future__ import annotations

from collections.abc import Iterator

from baaskit.kernel.database.shape import ColumnShape, Shape, TableShape, ident, names_in, table_sql
from baaskit.kernel.schema import TableName


def difference(have: Shape, want: Shape) -> list[str]:
    """Statements, in an order in which they can be run. What cannot be said in a migration is left out (`compare` finds it)."""
    return [
        text if text.startswith("--") else f"{text};"
        for part in (_take_away_first, _types, _tables, _columns, _put_in_place, _take_away_last, _on_top)
        for text in part(have, want)
    ]


def _changed(have: dict, want: dict, *, gone: bool = True) -> list:  # type: ignore[type-arg]
    """Keys of `have` whose value is another or (with `gone`) not there any more."""
    return [key for key, value in have.items() if (key in want and want[key] != value) or (gone and key not in want)]


def _both(have: Shape, want: Shape) -> Iterator[tuple[TableName, TableShape, TableShape]]:
    for name, table in have.tables.items():
        if name in want.tables:
            yield name, table, want.tables[name]


def _disturbed_views(have: Shape, want: Shape) -> list[TableName]:
    """Views to be taken away first: those that change, and those that stand in the way of a change of what they read."""
    moved = {name.name for name in _changed(have.views, want.views)} | {name.name for name in have.tables if name not in want.tables}
    for name, old, new in _both(have, want):
        if any(column not in new.columns or new.columns[column].type != shape.type for column, shape in old.columns.items()):
            moved.add(name.name)
    found: list[TableName] = []
    while True:
        more = [n for n, text in have.views.items() if n not in found and (n.name in moved or names_in(text, moved))]
        if not more:
            return [name for name in have.views if name in found]
        found += more
        moved |= {name.name for name in more}


def _take_away_first(have: Shape, want: Shape) -> Iterator[str]:
    for table, label in _changed(have.triggers, want.triggers):
        if table in want.tables or table in want.views:
            yield f"drop trigger {ident(label)} on {table_sql(table)}"
    for name in reversed(_disturbed_views(have, want)):
        yield f"drop {_kind(have.views[name])} {table_sql(name)}"
    for name, old, new in _both(have, want):
        if old.captured and not new.captured:
            yield f"alter publication realtime drop table {table_sql(name)}"
        for label in _changed(old.indexes, new.indexes):
            if label in new.indexes or not _falls(old.indexes[label], old, new):
                yield f"drop index {ident(label) if name.schema == 'public' else f'{ident(name.schema)}.{ident(label)}'}"
        for label in reversed(_changed(old.constraints, new.constraints)):
            if label in new.constraints or not _falls(old.constraints[label], old, new):
                yield f"alter table {table_sql(name)} drop constraint {ident(label)}"
    for name, circle in _creation(want, have):  # tables to be dropped that refer to one another
        for label in circle:
            yield f"alter table {table_sql(name)} drop constraint {ident(label)}"


def _kind(view: str) -> str:
    return "materialized view" if view.startswith("create materialized") else "view"


def _falls(text: str, old: TableShape, new: TableShape) -> bool:
    """True for what goes away by itself with a column that is dropped."""
    return names_in(text, [column for column in old.columns if column not in new.columns])


def _types(have: Shape, want: Shape) -> Iterator[str]:
    for schema in sorted(want.schemas - have.schemas):
        yield f"create schema {ident(schema)}"
    for name, labels in want.enums.items():
        if name not in have.enums:
            yield f"create type {table_sql(name)} as enum ({', '.join(map(_label, labels))})"
        elif have.enums[name] != labels:
            yield from _labels(name, have.enums[name], labels)
    for sequence in sorted(want.sequences - have.sequences):
        yield f"create sequence {table_sql(sequence)}"
    yield from _functions(have, want, before=True)


def _labels(name: TableName, old: tuple[str, ...], new: tuple[str, ...]) -> Iterator[str]:
    if tuple(label for label in new if label in old) != old:
        return  # values of an enum can only be added
    for place, label in enumerate(new):
        if label not in old:
            where = f" after {_label(new[place - 1])}" if place else f" before {_label(old[0])}"
            yield f"alter type {table_sql(name)} add value {_label(label)}{where}"


def _functions(have: Shape, want: Shape, *, before: bool) -> Iterator[str]:
    """Functions that name a new table come behind it, all others before the tables, whose defaults may call them."""
    new = [name.name for name in want.tables if name not in have.tables]
    for name, text in want.functions.items():
        if have.functions.get(name) != text and names_in(text, new) is not before:
            yield text.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION", 1)


def _creation(have: Shape, want: Shape) -> list[tuple[TableName, list[str]]]:
    """New tables in an order in which they can refer to one another, each with the references that must be added later (a circle)."""
    waiting = [name for name in want.tables if name not in have.tables]
    order = []
    while waiting:
        free = (name for name in waiting if not _refers(want.tables[name], [n for n in waiting if n != name]))
        name = next(free, waiting[0])
        waiting.remove(name)
        order.append((name, _refers(want.tables[name], waiting)))
    return order


def _refers(table: TableShape, targets: list[TableName]) -> list[str]:
    """Constraints that refer to one of the tables."""
    return [label for label, text in table.constraints.items() if is_reference(text) and names_in(text, [t.name for t in targets])]


def is_reference(constraint: str) -> bool:
    return constraint[:11].lower() == "foreign key"


def _tables(have: Shape, want: Shape) -> Iterator[str]:
    for name, later in _creation(have, want):
        table = want.tables[name]
        items = [f"{ident(column)} {shape.words}" for column, shape in table.columns.items()]
        items += [f"constraint {ident(label)} {text}" for label, text in table.constraints.items() if label not in later]
        yield f"create table {table_sql(name)} (\n  " + ",\n  ".join(items) + "\n)"
    yield from _functions(have, want, before=False)


def _columns(have: Shape, want: Shape) -> Iterator[str]:
    for name, old, new in _both(have, want):
        alter = f"alter table {table_sql(name)}"
        added = [column for column in new.columns if column not in old.columns]
        dropped = [column for column in old.columns if column not in new.columns]
        if added and dropped:
            yield f"-- If {dropped[0]} was renamed:  {alter} rename column {ident(dropped[0])} to {ident(added[0])};  (the two lines below lose its values)"
        for column in added:
            yield f"{alter} add column {ident(column)} {new.columns[column].words}"
        for column, shape in old.columns.items():
            if column in new.columns and new.columns[column] != shape:
                for action in _altered(shape, new.columns[column], ident(column)):
                    yield f"{alter} {action}"
        for column in dropped:
            yield f"{alter} drop column {ident(column)}"


def _altered(old: ColumnShape, new: ColumnShape, column: str) -> Iterator[str]:
    if (old.generated, old.identity, old.serial) != (new.generated, new.identity, new.serial):
        if not old.generated and not new.generated and not old.serial and not new.serial:
            if old.identity:
                yield f"alter column {column} drop identity"
            if new.identity:
                yield f"alter column {column} add generated {new.identity} as identity"
        else:
            yield f"drop column {column}"
            yield f"add column {column} {new.words}"
            return
    if old.type != new.type:
        if old.default is not None:
            yield f"alter column {column} drop default"
        yield f"alter column {column} type {new.type} using {column}::{new.type}"
    if new.default is None:
        if old.default is not None and old.type == new.type:
            yield f"alter column {column} drop default"
    elif old.default != new.default or old.type != new.type:
        yield f"alter column {column} set default {new.default}"
    if old.nullable != new.nullable:
        yield f"alter column {column} {'drop' if new.nullable else 'set'} not null"


def _put_in_place(have: Shape, want: Shape) -> Iterator[str]:
    references: list[str] = []
    later = dict(_creation(have, want))
    for name, table in want.tables.items():
        old = have.tables.get(name, TableShape(constraints={k: v for k, v in table.constraints.items() if k not in later.get(name, ())}))
        for label, text in table.constraints.items():
            if old.constraints.get(label) != text:
                line = f"alter table {table_sql(name)} add constraint {ident(label)} {text}"
                references.append(line) if is_reference(text) else (yield line)
        for label, text in table.indexes.items():
            if old.indexes.get(label) != text:
                yield text
    yield from references  # what they refer to is unique by now


def _take_away_last(have: Shape, want: Shape) -> Iterator[str]:
    for name, _ in reversed(_creation(want, have)):
        yield f"drop table {table_sql(name)}"
    for label in have.functions:
        if label not in want.functions:
            yield f"drop {'procedure' if 'CREATE OR REPLACE PROCEDURE' in have.functions[label] else 'function'} {label}"
    for sequence in sorted(have.sequences - want.sequences):
        yield f"drop sequence {table_sql(sequence)}"
    for name in have.enums:
        if name not in want.enums:
            yield f"drop type {table_sql(name)}"
    for schema in sorted(have.schemas - want.schemas):
        yield f"drop schema {ident(schema)}"


def _on_top(have: Shape, want: Shape) -> Iterator[str]:
    disturbed = _disturbed_views(have, want)
    for name in _readable_order(want, [n for n in want.views if n not in have.views or n in disturbed]):
        yield want.views[name]
    for (table, label), text in want.triggers.items():
        if have.triggers.get((table, label)) != text:
            yield text
    for name, new in want.tables.items():
        old = have.tables.get(name, TableShape())
        if old.comment != new.comment:
            yield f"comment on table {table_sql(name)} is {_comment(new.comment)}"
        for column in {**old.comments, **new.comments}:
            if column in new.columns and old.comments.get(column) != new.comments.get(column):
                yield f"comment on column {table_sql(name)}.{ident(column)} is {_comment(new.comments.get(column, ''))}"
        if new.captured and not old.captured:
            yield f"alter publication realtime add table {table_sql(name)}"


def _readable_order(want: Shape, views: list[TableName]) -> list[TableName]:
    """A view behind those that it reads."""
    order: list[TableName] = []
    while len(order) < len(views):
        left = [name for name in views if name not in order]
        free = (n for n in left if not names_in(want.views[n].partition(" as")[2], [o.name for o in left if o != n]))
        order.append(next(free, left[0]))
    return order


def _label(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _comment(text: str) -> str:
    return _label(text) if text else "null"
