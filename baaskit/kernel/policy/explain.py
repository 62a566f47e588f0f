"""Why: every policy that speaks about a request, clause by clause, with the values that decided. For admins only."""

from __future__ import annotations

from collections.abc import Mapping
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


@dataclass(frozen=True, slots=True)
class Asked:
    """A question of a request about one of its rows: the policies of `command` are asked, in their half for rows to be
    `stored` or for rows seen and touched. `after`: about the row as it is after the write."""

    text: str
    command: Command
    stored: bool
    after: bool


def asked(command: Command, *, shown: bool = False, merged: bool = False) -> tuple[Asked, ...]:
    """What `PolicySet.access` joins, one by one. `shown`: an insert that returns rows; `merged`: an upsert's row that was there."""
    found = [] if command == "insert" else [Asked("the row may be seen", "select", False, False)]
    if command in ("update", "delete"):
        found.append(Asked(f"{command} may touch the row", command, False, False))
    if command in ("insert", "update"):
        found.append(Asked("the row may be stored", command, True, True))
    if merged:
        found.append(Asked("the row may be inserted", "insert", True, True))
    if command == "update" or (command == "insert" and shown):
        found.append(Asked("the stored row may be seen", "select", False, True))
    return tuple(found)


Answers = Mapping[tuple[bool, Expr], bool | None]  # (after the write, clause) → what a database said of it


def clauses(policies: PolicySet, table: TableName, role: str, questions: tuple[Asked, ...]) -> dict[bool, tuple[Expr, ...]]:
    """The clauses that `questions` ask of the row before the write (False) and after it (True): for a database to answer."""
    found: dict[bool, dict[Expr, None]] = {False: {}, True: {}}
    for question in questions:
        for policy in policies.applying(table, question.command, role):
            condition = policy.condition(question.command, question.stored)
            if condition is not None:
                found[question.after].update(dict.fromkeys(conjuncts(condition)))
    return {after: tuple(exprs) for after, exprs in found.items()}


def explain(
    policies: PolicySet, table: TableName, command: Command, claims: Claims, row: Row, *, now: datetime,
    old: Row | None = None, resolve_rows: Rows | None = None, topic: str | None = None,
    answers: Answers | None = None, shown: bool = False, merged: bool = False,
) -> Explanation:  # fmt: skip
    """Answer for one row what `PolicySet.access` decides, and say why.

    `row` is the stored row for select and delete, the row as it will be stored for insert and update; `old` the row before an
    update. `answers` are a database's, for the clauses that `clauses` lists; without them clauses are computed here, and
    NotClosed is raised when one has a sub-select and `resolve_rows` is missing. `shown` and `merged` as in `asked`.
    """
    if claims.is_service:
        return Explanation(True, (), "service_role is not bound by policies")
    access = policies.access(table, command, claims.role)
    reader = _Reader(policies, table, claims, now, resolve_rows, topic, answers)
    before = old if command == "update" and old is not None else row
    questions = tuple(
        reader.question(question, row if question.after else before, old if question.stored and question.command == "update" else None)
        for question in asked(command, shown=shown, merged=merged)
    )
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
    answers: Answers | None

    def question(self, asked: Asked, row: Row, old: Row | None) -> Question:
        speaking = self.policies.applying(self.table, asked.command, self.claims.role)
        conditions = [(p, condition) for p in speaking if (condition := p.condition(asked.command, asked.stored)) is not None]
        verdicts = tuple(self._verdict(policy, condition, row, old, asked.after) for policy, condition in conditions)
        granted = any(v.answer is True for v in verdicts if v.permissive)
        limited = all(v.answer is True for v in verdicts if not v.permissive)
        return Question(asked.text, granted and limited, verdicts)

    def _verdict(self, policy: Policy, condition: Expr, row: Row, old: Row | None, after: bool) -> Verdict:
        clauses = tuple(self._clause(c, row, old, after) for c in conjuncts(condition))
        answers = [c.answer for c in clauses]
        answer = False if False in answers else None if None in answers else True
        return Verdict(policy.name, policy.permissive, policy.line, answer, clauses)

    def _clause(self, clause: Expr, row: Row, old: Row | None, after: bool) -> Clause:
        leaves = {str(n): n for n in _outside_queries(clause) if isinstance(n, (e.Column, e.Claim))}
        values = tuple((text, self._value(node, row, old)) for text, node in sorted(leaves.items()))
        answer = self._value(clause, row, old) if self.answers is None else self.answers.get((after, clause))
        return Clause(str(clause), answer, values)

    def _value(self, expr: Expr, row: Row, old: Row | None) -> Any:
        return to_evaluator(expr, self.resolve_rows)(row, old, self.claims, self.now, self.topic)


def _outside_queries(expr: Expr) -> list[Expr]:
    """The nodes whose value is known from row and claims: columns of a sub-select's tables have many."""
    return [n for n in expr.walk() if not (isinstance(n, e.Column) and n.source.number > 0)]
