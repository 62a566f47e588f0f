"""Why: tables, policies and rows behind one request of one principal, asked of the database itself."""

from __future__ import annotations

import re
from collections.abc import Generator, Sequence
from dataclasses import asdict, replace
from typing import Any

from baaskit.errors import BaasError
from baaskit.kernel.claims import Claims
from baaskit.kernel.database import Sql
from baaskit.kernel.database.plans import Plans
from baaskit.kernel.database.statements import compile_count
from baaskit.kernel.database.trial import Image, Judge, Touched, Trial, TrialPlans, images, key_of
from baaskit.kernel.hooks import Hooks
from baaskit.kernel.kit import Kit
from baaskit.kernel.plan import Limits, ReadPlan, find_table, plan_read
from baaskit.kernel.policy import Command, Expr, PolicySet
from baaskit.kernel.policy.explain import Explanation, asked, clauses, explain
from baaskit.kernel.query import parse, parse_preferences
from baaskit.kernel.schema import Table, TableName
from baaskit.rest.request import FOREIGN_KEYS, Request, with_range
from baaskit.rest.writes import plan_write

Report = dict[str, Any]
_EMBEDDED = "the row itself may be seen, but none of the rows of an embedded table that the request demands of it"
_KEPT_PREFERENCES = re.compile(r"\b(?:resolution|missing)=[a-z-]+")


async def explain_read(kit: Kit, plans: TrialPlans, name: TableName, request: Request, problem: BaasError | None) -> Report:
    """`problem` is what the request ended with as its principal. Raises UnknownTable."""
    catalog, claims = plans.database.catalog, request.claims
    table = find_table(catalog, name)
    query = None
    try:
        query = parse(with_range(request.items(), request.headers), ignore=FOREIGN_KEYS)
        everything = plan_read(query, catalog, name, "service_role")
    except BaasError as fault:  # the request is wrong in itself
        return _report(kit, name, "select", claims, problem or fault, fault, {}, [_about(catalog.policies, table, "select", claims)], [])
    own = None
    if problem is None or problem.status < 500:
        try:
            own = plans.read(name, query, claims.role)
            plans.statements.append(Sql(own.statement.text, own.statement.bind(query.values, claims)))
        except BaasError:  # the same as `problem`
            own = None
    values = query.values
    asks = clauses(catalog.policies, name, claims.role, asked("select"))[False]

    def look() -> Generator[Sql, list[Any], tuple[int, int, list[Image], set[str]]]:
        existing = yield from _count(plans, everything, values, claims)
        visible = (yield from _count(plans, own.plan, values, claims)) if own is not None else 0
        if table.view:
            return visible, existing, [], set()
        dialect, schema = plans.database.dialect, catalog.schema
        chosen = Judge(dialect, schema, table).sample(everything)
        ids = [entry for (entry,) in (yield Sql(chosen.text, chosen.bind(values, claims)))]
        found = yield from images(dialect, schema, table, ids, asks, claims, plans.now)
        returned: set[str] = set()
        if own is not None and ids:
            kept = Judge(dialect, schema, table).among(own.plan)
            given = {"ids": "[" + ",".join(ids) + "]", "now": plans.now}
            returned = {key_of(entry) for (entry,) in (yield Sql(kept.text, kept.bind(values, claims, given)))}
        return visible, existing, found, returned

    visible, existing, found, returned = await plans.database.read(look)
    sample = []
    for image in found:
        told = _explained(catalog.policies, name, "select", claims, plans, image.row, None, _answers(image, None))
        if told.allowed and own is not None and image.key not in returned:
            told = replace(told, reason=_EMBEDDED)
        sample.append({**_judged(table, image.row, None, told), "returned": image.key in returned})
    rows = {"visible": visible, "existing": existing}
    tables = _tables(catalog.policies, everything, claims)
    return _report(kit, name, "select", claims, problem, None, rows, tables, sample)


async def explain_write(
    kit: Kit, limits: Limits, plans: TrialPlans, name: TableName, request: Request, body: bytes, problem: BaasError | None
) -> Report:
    """The write is run again as service_role, on a trial of its own, so that rows which a policy refuses can be looked at."""
    catalog, claims = plans.database.catalog, request.claims
    policies, table = catalog.policies, find_table(catalog, name)
    shown = parse_preferences(request.prefer).answer == "representation"

    def asks(written: TableName, command: str) -> dict[bool, tuple[Expr, ...]]:
        found: dict[bool, dict[Expr, None]] = {False: {}, True: {}}
        for kind, merged in ((command, False), ("update", True)) if command == "insert" else ((command, False),):
            for after, exprs in clauses(policies, written, claims.role, asked(kind, shown=shown, merged=merged)).items():  # type: ignore[arg-type]
                found[after].update(dict.fromkeys(exprs))
        return {after: tuple(exprs) for after, exprs in found.items()}

    second = TrialPlans(Trial(kit.database), limits, claims, asks)
    prefer = ",".join(_KEPT_PREFERENCES.findall(request.prefer)).encode()
    headers = {**{k: v for k, v in request.headers.items() if k not in (b"prefer", b"accept")}, **({b"prefer": prefer} if prefer else {})}
    service = Claims("service_role", claims.uid, {**claims.jwt, "role": "service_role"})  # whose defaults are the principal's
    fault: BaasError | None = None
    try:
        planned = await plan_write(second, Hooks(), name, replace(request, headers=headers, claims=service), body)
        await second.trial.run(planned.steps)
    except BaasError as found:
        fault = found
    command: Command = {"PATCH": "update", "DELETE": "delete"}.get(request.method, "insert")  # type: ignore[assignment]
    sample = [entry for t in second.touched for entry in _pairs(policies, table, t, claims, second, shown)]
    own = next(iter(plans.touched), None)
    looked = next(iter(second.touched), None)
    existing = (looked.written if looked.finished or command == "insert" else looked.matched) if looked else 0
    done = (own.written if command == "insert" else own.matched) if own else 0
    commands: tuple[Command, ...] = (command,)
    if any(before is not None for t in second.touched for before, _ in t.pairs) and command == "insert":
        commands = ("insert", "update")
    needs_select = command != "insert" or shown
    tables = [_about(policies, table, c, claims) for c in (*commands, *(("select",) if needs_select else ()))]
    report = _report(kit, name, command, claims, problem, fault, {"affected": done, "existing": existing}, tables, sample)
    return {**report, "rows": {"affected": 0, "existing": existing}} if problem is not None else report


def _pairs(policies: PolicySet, table: Table, touched: Touched, claims: Claims, plans: TrialPlans, shown: bool) -> list[Report]:
    found = []
    for before, after in touched.pairs:
        merged = touched.command == "insert" and before is not None
        command: Command = "update" if merged else touched.command  # type: ignore[assignment]
        row = after.row if after is not None else before.row if before is not None else {}
        if after is None and command in ("insert", "update"):
            continue  # refused by the database: there is no stored row to judge
        old = before.row if before is not None and command == "update" else None
        told = _explained(policies, touched.table, command, claims, plans, row, old, _answers(before, after), shown=shown, merged=merged)
        found.append(_judged(table, row, old, told))
    return found


def _answers(before: Image | None, after: Image | None) -> dict[tuple[bool, Expr], bool | None]:
    return {(is_after, e): a for is_after, image in ((False, before), (True, after)) if image for e, a in image.answers.items()}


def _explained(
    policies: PolicySet, name: TableName, command: Command, claims: Claims, plans: TrialPlans, row: dict[str, Any],
    old: dict[str, Any] | None, answers: dict[tuple[bool, Expr], bool | None], *, shown: bool = False, merged: bool = False,
) -> Explanation:  # fmt: skip
    return explain(policies, name, command, claims, row, now=plans.now, old=old, answers=answers, shown=shown, merged=merged)


def _judged(table: Table, row: dict[str, Any], old: dict[str, Any] | None, told: Explanation) -> Report:
    key = {name: row.get(name) for name in table.primary_key}
    before = {"before": old} if old is not None else {}
    questions = [asdict(question) for question in told.questions]
    for verdict in (v for q in questions for v in q["verdicts"]):
        for clause in verdict["clauses"]:
            clause["values"] = dict(clause["values"])
    return {"key": key, "row": row, **before, "allowed": told.allowed, "reason": told.reason, "questions": questions}


def _count(plans: Plans, plan: ReadPlan, values: Sequence[Any], claims: Claims) -> Generator[Sql, list[Any], int]:
    """Rows of the table itself that the filters and the plan's policies leave, whatever is grouped or limited."""
    statement = compile_count(replace(plan, outputs=()), plans.database.dialect, plans.database.catalog.schema)
    [(number,)] = yield Sql(statement.text, statement.bind(values, claims))
    return int(number)


def _tables(policies: PolicySet, plan: ReadPlan, claims: Claims) -> list[Report]:
    """Every table that a read touches, the addressed one first; each once."""
    found: dict[TableName, Report] = {}

    def visit(level: ReadPlan) -> None:
        for table in [level.table, *([level.junction[0]] if level.junction else [])]:
            found.setdefault(table.name, _about(policies, table, "select", claims))
        for child in level.children:
            visit(child)

    visit(plan)
    return list(found.values())


def _about(policies: PolicySet, table: Table, command: Command, claims: Claims) -> Report:
    """The policies of one table for one command as the role has them, their conjunction, and its column privileges."""
    access = policies.access(table.name, command, claims.role)
    applying = [] if claims.is_service else policies.applying(table.name, command, claims.role)
    exprs = [e for e in (access.using, access.check) if e is not None]
    withheld = [] if access.columns is None else [c.name for c in table.columns if c.name not in access.columns]
    return {
        "table": str(table.name), "command": command, "denied": access.denied,
        "policies": [
            {
                "name": p.name, "permissive": p.permissive, "line": p.line, "commands": sorted(p.commands), "roles": sorted(p.roles),
                "using": None if p.using is None else str(p.using), "check": None if p.check is None else str(p.check),
            }
            for p in applying
        ],
        "conjunction": {
            "using": None if access.using is None else str(access.using), "check": None if access.check is None else str(access.check),
        },
        "columns": {"allowed": None if access.columns is None else sorted(access.columns), "withheld": withheld},
        "reads": sorted({str(name) for e in exprs for name in e.tables}),
    }  # fmt: skip


def _report(
    kit: Kit, name: TableName, command: Command, claims: Claims, problem: BaasError | None, fault: BaasError | None,
    rows: dict[str, int], tables: list[Report], sample: list[Report],
) -> Report:  # fmt: skip
    """`problem` ended the request as its principal, `fault` would end it for anybody."""
    decision, reason = _decision(kit, name, command, claims, problem, fault, rows)
    error = None if problem is None else {"status": problem.status, **problem.rest()}
    return {"decision": decision, "reason": reason, "error": error, "rows": rows, "tables": tables, "sample": sample}


def _decision(
    kit: Kit, name: TableName, command: Command, claims: Claims, problem: BaasError | None, fault: BaasError | None, rows: dict[str, int]
) -> tuple[str, str]:
    """`allowed`, `partial` (of the rows only some), `denied` by policies or privileges, or `failed` for anybody."""
    done, existing = rows.get("visible", rows.get("affected", 0)), rows.get("existing", 0)
    if problem is not None and fault is not None and problem.code == fault.code:
        return "failed", f"the request fails for anybody: {problem.message}"
    access = kit.database.catalog.policies.access(name, command, claims.role)
    if problem is not None:
        if problem.code in ("42703", "PGRST204") and fault is None:
            return "denied", f"{claims.role} has no privilege on a column that the request names: {problem.message}"
        if problem.code != "42501" and (fault is not None or done >= existing or problem.status >= 500):  # policies took no row away
            return "failed", f"the request fails for anybody: {problem.message}"
        return "denied", problem.message
    if access.denied:
        return "denied", f"no policy lets {claims.role} {command} on {name}"
    if existing > done:
        kind = "visible" if command == "select" else "within reach"
        return ("partial" if done else "denied"), f"{done} of {existing} rows are {kind}"
    if claims.is_service:
        return "allowed", "service_role is not bound by policies"
    if not existing:
        return "allowed", "no such row is there, for anybody: policies took nothing away"
    return "allowed", f"{done} of {existing} rows"
