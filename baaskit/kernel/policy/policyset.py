"""All policies of a project with PostgreSQL's semantics: who may do what with which rows and columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from baaskit.errors import Fault
from baaskit.kernel.policy.expr import FALSE, TRUE, Expr, all_of, any_of
from baaskit.kernel.schema import Routine, TableName, Type

Command = Literal["select", "insert", "update", "delete"]
COMMANDS: tuple[Command, ...] = ("select", "insert", "update", "delete")
Signature = tuple[TableName, tuple[Type, ...]]  # of a database function: its name and the types of its inputs
CLIENT_ROLES = frozenset({"anon", "authenticated"})  # what `public` means here; service_role bypasses policies


@dataclass(frozen=True, slots=True)
class Policy:
    """One `create policy`. `using` and `check` are as written; `check` None means the same as `using`."""

    name: str
    table: TableName
    permissive: bool
    commands: frozenset[Command]
    roles: frozenset[str]
    using: Expr | None
    check: Expr | None
    line: int = 1

    def condition(self, command: Command, stored: bool) -> Expr | None:
        """What the policy asks of a row seen or touched, or (`stored`) of the row as it will be stored."""
        if command == "insert" or (command == "update" and stored):
            return self.check if self.check is not None else self.using
        return self.using


@dataclass(frozen=True, slots=True)
class Access:
    """What one role may do with one table by one command.

    `using`: condition on stored rows seen or touched; None when all (service_role). For update and delete it already
    holds what select demands, since those statements read the rows they change. `check`: condition on the row as
    stored; for update it holds select's condition too, and may read `old.column`; None on select and delete, and for
    service_role. `returning`: what an insert's stored row must satisfy beyond `check` when the statement returns rows
    (select's condition; nothing of the statement may be kept when it fails); None where nothing more is asked.
    `columns`: what may be named; None when all. `denied`: nothing at all is allowed; conditions are then false, and columns
    without privilege stay unknown.
    """

    using: Expr | None
    check: Expr | None
    columns: frozenset[str] | None = None
    denied: bool = False
    returning: Expr | None = None


UNLIMITED = Access(None, None)
DENIED = Access(FALSE, FALSE, None, True, FALSE)


@dataclass(frozen=True)
class PolicySet:
    """The live policies, bound to one schema. Immutable; `access` is remembered per question.

    `privileges` holds only what grants and revokes have changed: (table, command, role) → columns.
    `callable` are the roles that may call a database function: none without a grant.
    `closed` are the faults of policies that no longer fit; `closed_commands` what they closed, `closed_all` everything.
    `warnings` point at policies that are probably not meant.
    """

    text: str = ""
    version: int = 0
    policies: tuple[Policy, ...] = ()
    privileges: Mapping[tuple[TableName, Command, str], frozenset[str]] = field(default_factory=dict)
    callable: Mapping[Signature, frozenset[str]] = field(default_factory=dict)
    closed: tuple[Fault, ...] = ()
    closed_commands: frozenset[tuple[TableName, Command]] = frozenset()
    closed_all: bool = False
    warnings: tuple[Fault, ...] = ()
    _known: dict[tuple[TableName, Command, str], Access] = field(default_factory=dict, repr=False, compare=False)

    def access(self, table: TableName, command: Command, role: str) -> Access:
        """What `role` may do. A table without a policy for the command is denied; an unknown role is denied."""
        if role == "service_role":
            return UNLIMITED
        key = (table, command, role)
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = self._access(table, command, role)
        return found

    def may_call(self, routine: Routine, role: str) -> bool:
        """Whether `role` may call a function of the database."""
        return role == "service_role" or role in self.callable.get((routine.name, routine.signature), ())

    def applying(self, table: TableName, command: Command, role: str) -> list[Policy]:
        """The policies that speak about this table, command and role, in the order written."""
        return [p for p in self.policies if p.table == table and command in p.commands and role in p.roles]

    def _access(self, table: TableName, command: Command, role: str) -> Access:
        if role not in CLIENT_ROLES or self._is_closed(table, command):
            return DENIED
        columns = self.privileges.get((table, command, role))
        if columns is not None and not columns:
            return DENIED
        denied = replace(DENIED, columns=columns)
        using, check = self._conditions(table, command, role, False), self._conditions(table, command, role, True)
        if command == "select":
            return denied if using == FALSE else Access(using, None, columns)
        seen = self.access(table, "select", role).using or TRUE
        if command == "insert":
            return denied if check == FALSE else Access(None, check, columns, False, seen)
        using, check = all_of((using, seen)), all_of((check, seen))
        if using == FALSE or (command == "update" and check == FALSE):
            return denied
        return Access(using, check if command == "update" else None, columns)

    def _is_closed(self, table: TableName, command: Command) -> bool:
        return self.closed_all or (table, command) in self.closed_commands

    def _conditions(self, table: TableName, command: Command, role: str, stored: bool) -> Expr:
        """Permissive policies OR together, restrictive ones AND; without a permissive one it is false."""
        speaking = self.applying(table, command, role)
        grants = [c for p in speaking if p.permissive and (c := p.condition(command, stored)) is not None]
        limits = [c for p in speaking if not p.permissive and (c := p.condition(command, stored)) is not None]
        return all_of((any_of(tuple(grants)), *limits))

    def with_version(self, version: int) -> PolicySet:
        return replace(self, version=version, _known={})
