"""Query + payload columns + catalogue + role → WritePlan: the policies of both sides of every write attached. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from baaskit.errors.rest import (
    NotEmbedded,
    NotWritable,
    PermissionDenied,
    SqlState,
    UnknownPayloadColumn,
    UnorderedLimit,
    violates_policy,
)
from baaskit.kernel.plan.read import Planner, find_table
from baaskit.kernel.plan.types import DEFAULT_LIMITS, Catalog, Limits, ReadPlan, WritePlan
from baaskit.kernel.policy import Access
from baaskit.kernel.query import Level, Query
from baaskit.kernel.schema import Table, TableName

Resolution = Literal["merge-duplicates", "ignore-duplicates", ""]


def plan_insert(
    query: Query,
    catalog: Catalog,
    name: TableName,
    role: str,
    columns: Sequence[str],
    *,
    added: Sequence[str] = (),
    resolution: Resolution = "",
    returning: bool = False,
    limits: Limits = DEFAULT_LIMITS,
) -> WritePlan:
    """The plan of inserting rows that set `columns`; with `resolution` an upsert on `on_conflict` or the primary key.

    `added` are columns that the server's own code sets beside them: they need no privilege of the role.
    """
    planner = Planner(catalog, role, limits)
    table = _writable(find_table(catalog, name), "insert into")
    insert = catalog.policies.access(name, "insert", role)
    if insert.denied:
        raise violates_policy(name.name)
    _check_columns(planner, table, columns, insert, "insert")
    conflict = _conflict(planner, table, query, resolution)
    update = None
    if conflict is not None and resolution == "merge-duplicates":
        update = catalog.policies.access(name, "update", role)
        _check_columns(planner, table, [c for c in columns if c not in conflict], update, "update")
    return WritePlan(
        table, "insert", (*columns, *_known(planner, table, added)), planner.select_access(name), insert=insert, update=update, conflict=conflict,
        resolution=resolution if conflict is not None else "", returning=_returning(planner, table, query, returning),
    )  # fmt: skip


def plan_update(
    query: Query,
    catalog: Catalog,
    name: TableName,
    role: str,
    columns: Sequence[str],
    *,
    added: Sequence[str] = (),
    returning: bool = False,
    limits: Limits = DEFAULT_LIMITS,
) -> WritePlan:
    """The plan of setting `columns` on the rows that the filters choose. Without a filter: 21000. `added` as in `plan_insert`."""
    planner = Planner(catalog, role, limits)
    table = _writable(find_table(catalog, name), "update")
    access = catalog.policies.access(name, "update", role)
    _check_columns(planner, table, columns, access, "update")
    chosen = _chosen(planner, table, query, "UPDATE")
    columns = (*columns, *_known(planner, table, added))
    return WritePlan(
        table, "update", columns, planner.select_access(name), update=access, where=chosen.where, children=chosen.children,
        window=_window(chosen), returning=_shown(chosen) if returning else None,
    )  # fmt: skip


def plan_delete(
    query: Query, catalog: Catalog, name: TableName, role: str, *, returning: bool = False, limits: Limits = DEFAULT_LIMITS
) -> WritePlan:
    """The plan of deleting the rows that the filters choose. Without a filter: 21000."""
    planner = Planner(catalog, role, limits)
    table = _writable(find_table(catalog, name), "delete from")
    access = catalog.policies.access(name, "delete", role)
    chosen = _chosen(planner, table, query, "DELETE")
    return WritePlan(
        table, "delete", (), planner.select_access(name), delete=access, where=chosen.where, children=chosen.children,
        window=_window(chosen), returning=_shown(chosen) if returning else None,
    )  # fmt: skip


def _writable(table: Table, verb: str) -> Table:
    if table.view:
        raise NotWritable(verb, table.name.name)
    return table


def _known(planner: Planner, table: Table, added: Sequence[str]) -> Sequence[str]:
    for name in added:
        if name not in table.by_name:
            raise UnknownPayloadColumn(table.name.name, name, [c.name for c in planner.visible(table)])
    return added


def _check_columns(planner: Planner, table: Table, columns: Sequence[str], access: Access, command: str) -> None:
    allowed = access.columns
    for name in columns:
        column = table.by_name.get(name)
        writable = allowed is None or name in allowed
        if column is None or not (writable or planner.readable(table, (name,))):
            raise UnknownPayloadColumn(table.name.name, name, [c.name for c in planner.visible(table)])
        if not writable:
            raise PermissionDenied(f'permission denied for column "{name}" of table "{table.name.name}"')
        if column.generated or (column.identity == "always"):
            verb = (
                f'cannot insert a non-DEFAULT value into column "{name}"'
                if command == "insert"
                else f'column "{name}" can only be updated to DEFAULT'
            )
            raise SqlState("428C9", verb)


def _conflict(planner: Planner, table: Table, query: Query, resolution: Resolution) -> tuple[str, ...] | None:
    """The columns of the unique set that an upsert resolves on; None when nothing is resolved."""
    if not resolution:
        return None
    wanted = query.on_conflict if query.on_conflict is not None else table.primary_key
    if not wanted:
        return None  # no key, so nothing can conflict: a plain insert, as PostgREST has it
    for name in wanted:
        planner.column(table, name)
    if not any(set(unique) == set(wanted) for unique in table.uniques):
        raise SqlState("42P10", "there is no unique or exclusion constraint matching the ON CONFLICT specification")
    return tuple(wanted)


def _chosen(planner: Planner, table: Table, query: Query, command: str) -> ReadPlan:
    """The read whose rows will be written: conditions of the root, the embeds they may name, order and limit."""
    levels = {level.path: level for level in query.levels}
    plan = planner.level(table, query.select, (), levels)
    if levels:
        raise NotEmbedded(next(iter(levels))[0])
    if not plan.where:
        raise SqlState("21000", f"{command} requires a WHERE clause", hint="Add a filter, for instance id=not.is.null to mean every row.")
    return plan


def _window(chosen: ReadPlan) -> ReadPlan | None:
    """The read again when it has a limit or an offset, which without an order would choose rows at random. Raises UnorderedLimit."""
    if chosen.limit < 0 and chosen.offset < 0:
        return None
    if not chosen.order:
        raise UnorderedLimit()
    return replace(chosen, max_rows=None)


def _returning(planner: Planner, table: Table, query: Query, returning: bool) -> ReadPlan | None:
    """What an insert shows. Filters have no meaning on an insert; those on embeds keep theirs."""
    if not returning:
        return None
    levels = {level.path: level for level in query.levels}
    root = levels.pop((), None)
    if root is not None and root.conditions:
        for condition in root.conditions:
            planner.where(table, condition, [])  # refuses what it would refuse in a read
    plan = planner.level(table, query.select, (), {**levels, (): Level(())})
    return _shown(plan)


def _shown(plan: ReadPlan) -> ReadPlan:
    """The written rows, all of them: filters and limits have chosen what to write, not what to show of it."""
    if plan.aggregates:
        raise SqlState("0A000", "aggregate functions are not available in the answer to a write", hint="Read the rows afterwards.")
    return ReadPlan(plan.table, plan.access, plan.outputs, (), plan.order, children=plan.children)
