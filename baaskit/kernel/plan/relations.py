"""Which rows of another table belong to a row: the foreign-key graph, and the choice among it that an embed makes.

Rules of wire.md §1.3. A relation through a column or junction that the role may not read does not exist for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from baaskit.errors.rest import AmbiguousRelation, NoRelation
from baaskit.kernel.plan.types import Relation
from baaskit.kernel.query import Embed
from baaskit.kernel.schema import ForeignKey, Schema, Table

Readable = Callable[[Table, tuple[str, ...]], bool]  # may the role read these columns?


def relations_of(schema: Schema, parent: Table, readable: Readable) -> Iterator[Relation]:
    """All relations from `parent` to tables of the same schema."""
    name = parent.name
    for key in (*parent.foreign_keys, *parent.inherited):
        target = schema.tables.get(key.target)
        if (
            target is not None
            and target.name.schema == name.schema
            and readable(parent, key.columns)
            and readable(target, key.target_columns)
        ):
            kind = "one-to-one" if _unique(parent, key.columns) else "many-to-one"
            yield Relation(kind, name, key.target, key.name, tuple(zip(key.columns, key.target_columns, strict=True)))  # type: ignore[arg-type]
    for other in schema.tables.values():
        if other.name.schema != name.schema:
            continue
        for key in (*other.foreign_keys, *other.inherited):
            if key.target == name and readable(other, key.columns) and readable(parent, key.target_columns):
                kind = "one-to-one" if _unique(other, key.columns) else "one-to-many"
                yield Relation(kind, name, other.name, key.name, tuple(zip(key.target_columns, key.columns, strict=True)))  # type: ignore[arg-type]
                yield from _through(schema, parent, other, key, readable)


def _through(schema: Schema, parent: Table, junction: Table, near: ForeignKey, readable: Readable) -> Iterator[Relation]:
    """Many-to-many: a junction's primary key holds both of its foreign keys."""
    primary = set(junction.primary_key)
    if not set(near.columns) <= primary:
        return
    for far in junction.foreign_keys:
        if far is near or not set(far.columns) <= primary:
            continue
        target = schema.tables.get(far.target)
        if target is None or target.name.schema != parent.name.schema:
            continue
        if readable(junction, far.columns) and readable(target, far.target_columns):
            yield Relation(
                "many-to-many", parent.name, far.target, near.name, tuple(zip(near.target_columns, near.columns, strict=True)),
                junction.name, far.name, tuple(zip(far.columns, far.target_columns, strict=True)),
            )  # fmt: skip


def _unique(table: Table, columns: tuple[str, ...]) -> bool:
    wanted = set(columns)
    return any(set(unique) <= wanted for unique in table.uniques if unique)


def find_relation(schema: Schema, parent: Table, embed: Embed, readable: Readable) -> Relation:
    """The one relation that `embed` means. Raises NoRelation, AmbiguousRelation."""
    everything = list(relations_of(schema, parent, readable))
    found = [relation for relation in everything if _means(relation, embed.target, embed.hint)]
    if len(found) > 1:  # the name of a key or of its column means the table, not the views of it
        found = [r for r in found if r.child.name == embed.target or not schema.tables[r.child].view] or found
    if not found:
        known = sorted({relation.child.name for relation in everything})
        raise NoRelation(parent.name.name, embed.target, parent.name.schema, embed.hint or None, known)
    if len(found) > 1:
        child = found[0].child.name
        raise AmbiguousRelation(
            parent.name.name,
            child,
            [_described(relation) for relation in found],
            [f"{child}!{relation.junction.name if relation.junction else relation.constraint}" for relation in found],
        )
    return found[0]


def _means(relation: Relation, target: str, hint: str) -> bool:
    near, far = _single(relation)
    itself = relation.parent == relation.child
    by_name = relation.child.name == target
    if not hint:
        if itself and not relation.junction:
            return (by_name and relation.kind != "many-to-one") or (
                relation.kind == "many-to-one" and target in (near, relation.constraint)
            )
        upwards = relation.kind in ("many-to-one", "one-to-one")
        return by_name or (
            not relation.junction and (target == relation.constraint or (upwards and target == near and target in _owned(relation)))
        )
    if not by_name:
        return relation.kind == "many-to-one" and target == near and hint == far
    if relation.junction:
        return hint in (relation.junction.name, relation.constraint, relation.far_constraint)
    if itself:
        return relation.kind != "many-to-one" and hint in (relation.constraint, far)
    return hint in (relation.constraint, near, far)


def _single(relation: Relation) -> tuple[str, str]:
    """Parent's and child's column of a relation of one column pair, else two empty texts."""
    return relation.pairs[0] if len(relation.pairs) == 1 else ("", "")


def _owned(relation: Relation) -> tuple[str, ...]:
    return tuple(pair[0] for pair in relation.pairs)


def _described(relation: Relation) -> dict[str, str]:
    ours = ", ".join(pair[0] for pair in relation.pairs)
    theirs = ", ".join(pair[1] for pair in relation.pairs)
    if relation.junction:
        far = ", ".join(pair[0] for pair in relation.far_pairs)
        via = f"{relation.junction.name} using {relation.constraint}({theirs}) and {relation.far_constraint}({far})"
    else:
        via = f"{relation.constraint} using {relation.parent.name}({ours}) and {relation.child.name}({theirs})"
    return {"cardinality": relation.kind, "embedding": f"{relation.parent.name} with {relation.child.name}", "relationship": via}
