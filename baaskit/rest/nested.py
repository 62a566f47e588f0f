"""Nested insert: rows of related tables inside the rows that they belong to, in one request and one transaction.

`{"total": 9, "order_items": [{"name": "ball"}]}`: a member that is no column but a relation holds the rows of that relation. Each
table's rows are one insert under that table's own policies and hooks; the keys that the database made flow down to them.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any

from baaskit.errors import BaasError
from baaskit.errors.rest import InvalidNesting, NoRelation, TooComplex
from baaskit.kernel.database import Sql
from baaskit.kernel.database.plans import Plans
from baaskit.kernel.database.transact import CompiledWrite
from baaskit.kernel.plan.read import Planner
from baaskit.kernel.plan.relations import find_relation
from baaskit.kernel.plan.types import Relation
from baaskit.kernel.query import Embed
from baaskit.kernel.schema import Table
from baaskit.rest.payload import Record
from baaskit.rest.request import Request

MAX_DEPTH = 5  # tables below the first


@dataclass(slots=True)
class Branch:
    """The rows of one relation, of all parents together. `owners[i]` is the number of the parent of record i."""

    name: str
    table: Table
    relation: Relation
    records: list[Record]
    owners: list[int]
    branches: list[Branch]
    write: CompiledWrite | None = None  # set when it is planned

    @property
    def linked(self) -> tuple[str, ...]:
        """Columns that the parent's key fills."""
        return tuple(child for _, child in self.relation.pairs)

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns that are set, by the client in any record or by the parent's key."""
        return tuple(dict.fromkeys([*(name for record in self.records for name in record), *self.linked]))


def split(plans: Plans, role: str, table: Table, records: list[Record], columns: Sequence[str]) -> tuple[list[Record], list[Branch]]:
    """The records without their nested rows, and those by relation. Raises InvalidNesting, AmbiguousRelation, TooComplex.

    A member that is neither a column nor a relation stays, to be refused as an unknown column.
    """
    planner = Planner(plans.database.catalog, role, plans.limits)
    return _split(planner, table, records, columns, 1)


def _split(planner: Planner, table: Table, records: list[Record], columns: Sequence[str], depth: int) -> tuple[list[Record], list[Branch]]:
    found = {name: relation for name in columns if name not in table.by_name and (relation := _relation(planner, table, name))}
    if not found:
        return records, []
    if depth > MAX_DEPTH:
        raise TooComplex(f"Rows are nested more than {MAX_DEPTH} deep.")
    planner.embeds += len(found)
    if planner.embeds > planner.limits.max_embeds:
        raise TooComplex(f"The request inserts into more than {planner.limits.max_embeds} tables.")
    branches = [_branch(planner, name, relation, records, depth) for name, relation in found.items()]
    return [{key: value for key, value in record.items() if key not in found} for record in records], branches


def _relation(planner: Planner, table: Table, name: str) -> Relation | None:
    target, _, hint = name.partition("!")
    try:
        relation = find_relation(planner.catalog.schema, table, Embed(target, (), hint=hint), planner.readable)
    except NoRelation:
        return None
    child = planner.catalog.schema.tables[relation.child]
    if relation.junction is not None:
        raise InvalidNesting(
            f"'{name}' is related through '{relation.junction.name}'",
            f"Nest rows of '{relation.junction.name}', with the other key in each.",
        )
    if relation.kind == "many-to-one" or not any(
        key.name == relation.constraint and key.target == table.name for key in child.foreign_keys
    ):
        raise InvalidNesting(
            f"'{table.name.name}' refers to '{name}', not the other way", "Insert that row first, or use a batch with a reference."
        )
    return relation


def _branch(planner: Planner, name: str, relation: Relation, parents: list[Record], depth: int) -> Branch:
    table = planner.catalog.schema.tables[relation.child]
    records: list[Record] = []
    owners: list[int] = []
    for number, parent in enumerate(parents):
        given = parent.get(name)
        rows = given if isinstance(given, list) else [] if given is None else [given]
        if not all(isinstance(row, dict) for row in rows):
            raise InvalidNesting(f"'{name}' is a relation: an object or a list of objects is expected")
        records += rows
        owners += [number] * len(rows)
    linked = {child for _, child in relation.pairs}
    if any(linked & record.keys() for record in records):
        raise InvalidNesting(f"{', '.join(sorted(linked))} of '{name}' is set by the row around it")
    columns = tuple(dict.fromkeys(key for record in records for key in record))
    plain, branches = _split(planner, table, records, columns, depth + 1)
    return Branch(name, table, relation, plain, owners, branches)


def insert_branches(
    parent: CompiledWrite, ids: Sequence[str], branches: Sequence[Branch], request: Request
) -> Generator[Sql, list[Any], None]:
    """The steps after the parents have been inserted with the identities `ids`, in the order of their records."""
    claims, known = request.claims, request.references
    for branch in branches:
        if not branch.records:
            continue
        assert branch.write is not None
        try:
            keys = yield from parent.values_of(ids, [name for name, _ in branch.relation.pairs], claims)
            records = [
                {**(known.record(record) if known else record), **dict(zip(branch.linked, keys[owner], strict=True))}
                for record, owner in zip(branch.records, branch.owners, strict=True)
            ]
            written = yield from branch.write.script(records, (), claims)
            if branch.branches and len(written.ids) != len(records):
                raise InvalidNesting("a trigger left out a row that others belong to")
            yield from insert_branches(branch.write, written.ids, branch.branches, request)
        except BaasError as problem:
            problem.hint = f"{problem.hint} (in {branch.name})" if problem.hint else f"in {branch.name}"
            raise
