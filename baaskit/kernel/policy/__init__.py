"""The policy language: PostgreSQL's `create policy`, checked against a schema, compiled to SQL and to Python."""

from baaskit.kernel.policy.claims import CLAIM_BINDS, claim_binds
from baaskit.kernel.policy.expr import FALSE, TRUE, Expr, all_of, any_of, conjuncts, split_closed
from baaskit.kernel.policy.policyset import COMMANDS, UNLIMITED, Access, Command, Policy, PolicySet
from baaskit.kernel.policy.predicate import NotClosed, Predicate, to_predicate
from baaskit.kernel.policy.sql import to_sql
from baaskit.kernel.policy.sqlite_functions import register_functions
from baaskit.kernel.policy.statements import PolicyFaults, bind, parse_policies

__all__ = [
    "CLAIM_BINDS", "COMMANDS", "FALSE", "TRUE", "UNLIMITED", "Access", "Command", "Expr", "NotClosed", "Policy", "PolicyFaults", "PolicySet",
    "Predicate", "all_of", "any_of", "bind", "claim_binds", "conjuncts", "parse_policies", "register_functions", "split_closed",
    "to_predicate", "to_sql",
]  # fmt: skip
