"""The project's tables as the console shows them: columns, keys, number of rows, policies and whom they reach."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import TableClause, func, literal, select, table

from baaskit.console.reach import reach_of, reach_of_policy, reads_user_metadata
from baaskit.errors import BaasError
from baaskit.kernel.database import Catalog
from baaskit.kernel.kit import Kit
from baaskit.kernel.policy import COMMANDS, Policy, PolicySet
from baaskit.kernel.schema import Table, TableName

_OURS = frozenset({TableName("storage", "objects"), TableName("storage", "buckets"), TableName("realtime", "messages")})
MOST_COUNTED = 50_000  # rows; beyond, the console shows "50K+", and counting stays cheap on any table


async def describe(kit: Kit) -> dict[str, Any]:
    """`{"version": n, "tables": […]}`: the tables of the exposed schemas by name, then ours that take policies."""
    catalog = kit.database.catalog
    tables = []
    for one in governed(catalog, kit.settings.exposed_schemas):
        exposed = one.name.schema in kit.settings.exposed_schemas
        rows = await _rows(kit, one) if exposed else 0
        tables.append(
            {
                "exposed": exposed,
                **_shape(one),
                **policies_json(catalog.policies, one.name),
                "rows": min(rows, MOST_COUNTED),
                "rows_capped": rows > MOST_COUNTED,
                "captured": one.name in catalog.schema.captured,
            }
        )
    return {"version": catalog.schema.version, "tables": tables}


def governed(catalog: Catalog, schemas: Iterable[str]) -> list[Table]:
    """Every table whose policies an admin writes: the project's own, files, messages, and any that has a policy."""
    exposed = catalog.schema.exposed(schemas)
    known = {one.name for one in exposed}
    ours = _OURS | {policy.table for policy in catalog.policies.policies}
    return exposed + [catalog.schema.tables[name] for name in sorted(ours - known) if name in catalog.schema.tables]


def policies_json(policies: PolicySet, name: TableName) -> dict[str, Any]:
    """What a set of policies means for one table: reach by command, and its policies in the order written."""
    return {
        "schema": name.schema,
        "name": name.name,
        "reach": {command: reach_of(policies, name, command) for command in COMMANDS},
        "policies": [_policy(policy) for policy in policies.policies if policy.table == name],
    }


def attention(catalog: Catalog, schemas: Iterable[str]) -> list[dict[str, Any]]:
    """What an admin should look at, worst first: summary, consequence, table and the way out."""
    policies = catalog.policies
    found: list[dict[str, Any]] = []
    if policies.closed_all:
        found.append(
            _item(
                "danger",
                "A policy cannot be read any more",
                "Every table is closed, because it cannot be told which one it is about.",
                "",
                "Open the policies",
            )
        )
    wanted = tuple(schemas)
    for one in governed(catalog, wanted):
        shown = str(one.name)
        closed = sorted(command for name, command in policies.closed_commands if name == one.name)
        if closed:
            commands = ", ".join(closed)
            found.append(
                _item(
                    "danger",
                    f"Policies of {shown} no longer fit the schema",
                    f"Closed until corrected: {commands}.",
                    shown,
                    "Correct the policies",
                )
            )
        public = [command for command in COMMANDS[1:] if reach_of(policies, one.name, command) == "public"]
        if public:
            commands = ", ".join(public)
            found.append(
                _item("danger", f"Anyone may {commands} in {shown}", "Strangers can write without signing in.", shown, "See the policies")
            )
        for policy in policies.policies:
            if policy.table == one.name and reads_user_metadata(policy):
                found.append(
                    _item(
                        "danger",
                        f"“{policy.name}” trusts user_metadata",
                        "Users can edit their own metadata, so they can grant this to themselves.",
                        shown,
                        "Use app_metadata instead",
                    )
                )
        if (
            one.name.schema in wanted
            and not one.view
            and not closed
            and not any(policy.table == one.name for policy in policies.policies)
            and not policies.closed_all
        ):
            found.append(_item("note", f"{shown} has no policies", "It is closed to everyone but the service key.", shown, "Add a policy"))
    return sorted(found, key=lambda item: ("danger", "warning", "note").index(item["level"]))


def _item(level: str, title: str, consequence: str, table_name: str, fix: str) -> dict[str, Any]:
    return {"level": level, "title": title, "consequence": consequence, "table": table_name, "fix": fix}


def _shape(one: Table) -> dict[str, Any]:
    return {
        "view": one.view,
        "comment": one.comment,
        "primary_key": list(one.primary_key),
        "columns": [
            {
                "name": column.name,
                "type": column.type.sql,
                "family": column.type.family,
                "array": column.type.array,
                "labels": list(column.type.labels),
                "nullable": column.nullable and column.name not in one.primary_key,
                "default": column.default,
                "generated": column.generated,
                "identity": column.identity,
                "comment": column.comment,
            }
            for column in one.columns
        ],
        "foreign_keys": [
            {
                "name": key.name,
                "columns": list(key.columns),
                "target": {"schema": key.target.schema, "name": key.target.name},
                "target_columns": list(key.target_columns),
            }
            for key in one.foreign_keys
        ],
    }


def _policy(policy: Policy) -> dict[str, Any]:
    """`check` null means the same as `using`."""
    return {
        "name": policy.name,
        "command": "all" if len(policy.commands) == len(COMMANDS) else min(policy.commands),
        "roles": sorted(policy.roles),
        "permissive": policy.permissive,
        "using": None if policy.using is None else str(policy.using),
        "check": None if policy.check is None else str(policy.check),
        "reach": reach_of_policy(policy),
        "line": policy.line,
    }


async def _rows(kit: Kit, one: Table) -> int:
    """Rows of a table, counted up to one more than `MOST_COUNTED`; 0 for a view that fails when it is read."""
    first = select(literal(1)).select_from(_from(one.name, kit.database.dialect)).limit(MOST_COUNTED + 1).subquery()
    try:
        [counted] = await kit.database.query(select(func.count().label("n")).select_from(first))
    except BaasError:
        if one.view:
            return 0
        raise
    return int(counted["n"])


def _from(name: TableName, dialect: str) -> TableClause:
    """The table under its physical name: SQLite has no schemas, so other than public ones are part of the name."""
    if dialect == "sqlite":
        return table(str(name))
    return table(name.name, schema=name.schema)
