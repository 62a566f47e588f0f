"""Why: every policy that speaks about a request, clause by clause, with the values that decided. For admins only."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from baaskit.kernel.claims import Claims
from baaskit.kernel.policy import expr as e
from baaskit.kernel.policy.expr import Expr, conjuncts
from baaskit.kernel.policy.policyset import Command, Policy, PolicySet
from baaskit.kernel.policy.predicate import Row, Rows, to_evaluator
from baaskit.kernel.schema import TableName


@dataclass(frozen=True, slots=True)
class Clause:
    """One condition that must hold. `values` are what its columns and claims were, by their text."""

    text: str
    answer: bool | None
    values: tuple[tuple[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Verdict:
    """One policy's answer: the three-valued AND of its clauses."""

    policy: str
    permissive: bool
    line: int
    answer: bool | None
    clauses: tuple[Clause, ...]


@dataclass(frozen=True, slots=True)
class Question:
    """One thing that had to be so: `asked` is "the row may be seen", …; true when a permissive and no restrictive says otherwise."""

    asked: str
    answer: bool
    verdicts: tuple[Verdict, ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """`allowed` is the AND of the questions. `reason` is a sentence where no policy was asked."""

    allowed: bool
    questions: tuple[Question, ...]
    reason: str = ""


def explain(
    policies: PolicySet, table: TableName, command: Command, claims: Claims, row: Row, *, now: datetime,
    old: Row | None = None, resolve_rows: Rows | None = None, topic: str | None = None,
) -> Explanation:  # fmt: skip
    """Answer for one row what `PolicySet.access` decides, and say why.

    `row` is the stored row for select and delete, the row as it will be stored for insert and update; `old` the row before an
    update. Raises NotClosed when a condition has a sub-select and `resolve_rows` is missing.
    """
    if claims.is_service:
        return Explanation(True, (), "service_role is not bound by policies")
    access = policies.access(table, command, claims.role)
    reader = _Reader(policies, table, claims, now, resolve_rows, topic)
    questions = reader.questions(command, row, old)
    if access.denied:
        return Explanation(False, questions, _denial(policies, table, command, claims.role))
    return Explanation(all(q.answer for q in questions), questions)


def _denial(policies: PolicySet, table: TableName, command: Command, role: str) -> str:
    if policies.closed_all or (table, command) in policies.closed_commands:
        return f"{table} is closed for {command}: a policy does not fit the schema"
    if policies.privileges.get((table, command, role)) == frozenset():
        return f"{role} has no privilege to {command} on {table}"
    if not any(p.permissive for p in policies.applying(table, command, role)):
        return f"no policy lets {role} {command} on {table}"
    return f"the policies for {role} never allow {command} on {table}"


@dataclass(frozen=True)
class _Reader:
    policies: PolicySet
    table: TableName
    claims: Claims
    now: datetime
    resolve_rows: Rows | None
    topic: str | None

    def questions(self, command: Command, row: Row, old: Row | None) -> tuple[Question, ...]:
        """The conditions that `PolicySet.access` joins, each on the row that it is asked of."""
        before = old if command == "update" and old is not None else row
        asked: list[Question] = []
        if command != "insert":
            asked.append(self._question("the row may be seen", "select", False, before, None))
        if command in ("update", "delete"):
            asked.append(self._question(f"{command} may touch the row", command, False, before, None))
        if command in ("insert", "update"):
            asked.append(self._question("the row may be stored", command, True, row, old))
        if command == "update":
            asked.append(self._question("the stored row may be seen", "select", False, row, None))
        return tuple(asked)

    def _question(self, asked: str, command: Command, stored: bool, row: Row, old: Row | None) -> Question:
        speaking = self.policies.applying(self.table, command, self.claims.role)
        verdicts = tuple(self._verdict(p, condition, row, old) for p in speaking if (condition := p.condition(command, stored)) is not None)
        granted = any(v.answer is True for v in verdicts if v.permissive)
        limited = all(v.answer is True for v in verdicts if not v.permissive)
        return Question(asked, granted and limited, verdicts)

    def _verdict(self, policy: Policy, condition: Expr, row: Row, old: Row | None) -> Verdict:
        clauses = tuple(self._clause(c, row, old) for c in conjuncts(condition))
        answers = [c.answer for c in clauses]
        answer = False if False in answers else None if None in answers else True
        return Verdict(policy.name, policy.permissive, policy.line, answer, clauses)

    def _clause(self, clause: Expr, row: Row, old: Row | None) -> Clause:
        leaves = {str(n): n for n in _outside_queries(clause) if isinstance(n, (e.Column, e.Claim))}
        values = tuple((text, self._value(node, row, old)) for text, node in sorted(leaves.items()))
        return Clause(str(clause), self._value(clause, row, old), values)

    def _value(self, expr: Expr, row: Row, old: Row | None) -> Any:
        return to_evaluator(expr, self.resolve_rows)(row, old, self.claims, self.now, self.topic)


def _outside_queries(expr: Expr) -> list[Expr]:
    """The nodes whose value is known from row and claims: columns of a sub-select's tables have many."""
    return [n for n in expr.walk() if not (isinstance(n, e.Column) and n.source.number > 0)]
