"""Whom a command reaches at most: anyone, anyone signed in, an owner or role, or nobody. Errs towards more people."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal

from baaskit.kernel.claims import ANONYMOUS, Claims
from baaskit.kernel.policy import Command, Expr, Policy, PolicySet, to_predicate
from baaskit.kernel.policy import expr as e
from baaskit.kernel.schema import TableName

Reach = Literal["public", "signed-in", "owner", "nobody"]

_UID = "00000000-0000-4000-8000-000000000001"
_PLAIN_USER = Claims("authenticated", _UID, {"sub": _UID, "role": "authenticated", "email": "someone@example.com"})
_MOMENT = datetime(2026, 1, 1, tzinfo=UTC)
_CALLERS: tuple[tuple[Reach, Claims], ...] = (("public", ANONYMOUS), ("signed-in", _PLAIN_USER))


def reach_of(policies: PolicySet, table: TableName, command: Command) -> Reach:
    """The widest group for which some row may be touched by `command`, all policies of the table together."""
    accesses = [(reach, claims, policies.access(table, command, claims.role)) for reach, claims in _CALLERS]
    for reach, claims, access in accesses:
        conditions = [condition for condition in (access.using, access.check) if condition is not None]
        if not access.denied and all(_is_open(condition, claims) for condition in conditions):
            return reach
    return "nobody" if all(access.denied for _, _, access in accesses) else "owner"


def reach_of_policy(policy: Policy) -> Reach:
    """The widest group that one permissive policy would let in by itself. A restrictive one lets nobody in."""
    if not policy.permissive:
        return "nobody"
    conditions = [condition for condition in (policy.using, policy.check) if condition is not None]
    callers = [(reach, claims) for reach, claims in _CALLERS if claims.role in policy.roles]
    for reach, claims in callers:
        if all(_is_open(condition, claims) for condition in conditions):
            return reach
    return "nobody" if not callers or e.FALSE in conditions else "owner"


def _is_open(condition: Expr, caller: Claims) -> bool:
    """Whether `condition` may hold for a caller of whom nothing but the role is known.

    A condition on the row alone is open: it narrows rows, not people. One that compares the row with who is calling,
    as an equality or by a look-up, is not. Any other use of a claim (`owner_id <> auth.uid()`) counts as open.
    """
    match condition:
        case e.Or(operands=operands):
            return any(_is_open(operand, caller) for operand in operands)
        case e.And(operands=operands):
            return all(_is_open(operand, caller) for operand in operands)
        case e.Is(operand=operand, value=True, negated=False):
            return _is_open(operand, caller)
        case e.Literal(value=value):
            return value is True
    if not condition.claims - {"now", "topic"}:
        return True
    if condition.is_closed and not condition.columns and not condition.old_columns:
        return to_predicate(condition)({}, None, caller, _MOMENT) is True
    match condition:
        case e.Compare(op="=") | e.InList() | e.AnyOf() | e.Exists() | e.InQuery():
            return False
        case e.Distinct(negated=True):
            return caller.uid is None  # to a stranger, a row without owner is not distinct from nobody
    return True


def reads_user_metadata(policy: Policy) -> bool:
    """Whether the policy trusts a claim that users may write themselves."""
    conditions = (condition for condition in (policy.using, policy.check) if condition is not None)
    return any(isinstance(node, e.JsonGet) and node.key == "user_metadata" for condition in conditions for node in condition.walk())
