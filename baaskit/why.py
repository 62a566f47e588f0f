"""`baaskit explain` and `baaskit try`: put a question to the data API, of a folder or a running server, and say the answer in words."""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.request
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, unquote

from baaskit.errors import BaasError
from baaskit.kernel.kit import Kit

PREFIX = "/rest/v1/"
EXIT = {"allowed": 0, "denied": 3, "partial": 4, "failed": 5}  # by decision
_REPLY_SECONDS = 60
_ROWS = 3  # rows that are told in full
_SAFE = "=&%*(),.:!>\"'+-{}|<[]@$;?/~`^\\"  # of a query string as a person types it: what stays as it is
Report = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Question:
    """A request of somebody. `tool` is `Explain` or `Try`; `principal` as in `X-Baaskit-As`; `path` as a client writes it."""

    tool: str
    method: str
    path: str
    principal: str
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def address(self) -> tuple[str, str]:
        """Name below `/rest/v1/`, and query string; both percent-encoded."""
        name, _, query = self.path.partition("?")
        name = name.removeprefix("/").removeprefix(PREFIX.removeprefix("/"))
        return quote(name, safe="/%"), quote(query, safe=_SAFE)

    def all_headers(self, key: str) -> dict[str, str]:
        return {**self.headers, "X-Baaskit-As": self.principal, f"X-Baaskit-{self.tool}": "1", "Authorization": f"Bearer {key}"}


async def ask_folder(kit: Kit, question: Question) -> Report:
    """The report of the data API on `kit`'s database, in this process. Raises BaasError when the question itself is refused."""
    from baaskit.rest import Rest

    name, query = question.address
    reply: dict[str, Any] = {}

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": question.body, "more_body": False}

    async def send(message: Mapping[str, Any]) -> None:
        reply.update(message)

    headers = question.all_headers(kit.keys.service_role_key)
    scope = {
        "type": "http", "method": question.method, "path": PREFIX + unquote(name), "query_string": query.encode(),
        "headers": [(key.lower().encode(), value.encode()) for key, value in headers.items()],
    }  # fmt: skip
    await Rest(kit)(scope, receive, send)
    return _report(reply["status"], reply["body"])


def ask_server(url: str, key: str, question: Question) -> Report:
    """The report of the server at `url`, whose service key is `key`. Raises BaasError, OSError when it cannot be reached."""
    if not url.startswith(("http://", "https://")):
        raise BaasError(f"{url!r} is not the address of a server.", hint="It begins with http:// or https://.")
    name, query = question.address
    headers = {key: value.encode().decode("latin-1") for key, value in question.all_headers(key).items()}
    asked = urllib.request.Request(  # noqa: S310  (the scheme is one of two)
        url.rstrip("/") + PREFIX + name + (f"?{query}" if query else ""), question.body or None, headers, method=question.method
    )
    asked.add_unredirected_header("Content-Type", headers.get("Content-Type", "application/json"))
    try:
        with urllib.request.build_opener(_Stay).open(asked, timeout=_REPLY_SECONDS) as reply:
            return _report(reply.status, reply.read())
    except urllib.error.HTTPError as refusal:
        return _report(refusal.code, refusal.read())
    except urllib.error.URLError as problem:
        raise OSError(f"no answer from {url}: {problem.reason}") from problem


class _Stay(urllib.request.HTTPRedirectHandler):
    """Follows nobody: the request carries the service key."""

    def redirect_request(self, *_: Any) -> None:
        return None


def _report(status: int, body: bytes) -> Report:
    try:
        found = json.loads(body)
    except ValueError:
        found = None
    if status == 200 and isinstance(found, dict) and "as" in found:
        return found
    if isinstance(found, dict) and "message" in found:
        raise BaasError(f"{found['message']} ({found.get('code')})", hint=found.get("hint"))
    raise BaasError(
        f"The server answered {status} without a report.", hint="The service key of this project is needed, and the server's own address."
    )


# ---- a decision out of the log --------------------------------------------------------------------------------------

# What stands before it is the log collector's. The name was chosen by a client and comes first of what may hold spaces, so
# that it is read from the end.
_DENIED = re.compile(
    r"(?:^|\]: |\| )policy\.denied id=(?P<id>\w+) table=(?P<table>.*) command=(?P<command>\S+) role=(?P<role>\S+) "
    r"uid=(?P<uid>\S+) code=(?P<code>\S+)\s*$"
)


@dataclass(frozen=True, slots=True)
class Refusal:
    """What the log tells of a decision id."""

    table: str
    command: str
    role: str
    uid: str | None
    code: str

    @property
    def principal(self) -> str:
        return self.uid or self.role

    def question(self) -> Question:
        """A request that asks the same policies; which rows and values it was about, no log tells."""
        method = {"select": "GET", "insert": "POST", "update": "PATCH", "delete": "DELETE"}.get(self.command, "GET")
        return Question("Explain", method, quote(self.table), self.principal, b"{}" if method in ("POST", "PATCH") else b"")


def find_refusal(lines: Iterable[str], identifier: str) -> Refusal:
    """The line of a log, as text or JSON, that tells of the decision. Raises BaasError."""
    for line in lines:
        if identifier not in line:
            continue
        told: Mapping[str, Any] | None = None
        if (found := _DENIED.search(line.rstrip("\n"))) is not None:
            told = found.groupdict()
        elif (start := line.find('{"event":"policy.denied"')) >= 0:
            try:
                told = json.loads(line[start:])
            except ValueError:
                continue
        if told is not None and told["id"] == identifier:
            uid = told["uid"] if told["uid"] not in (None, "None") else None
            return Refusal(told["table"], told["command"], told["role"], uid, told["code"])
    raise BaasError(f"The log has no decision {identifier!r}.", hint="It is in the log of the server that answered, at level info.")


def refusal_lines(refusal: Refusal, report: Report) -> list[str]:
    """In words: what was refused, and what the policies asked of it."""
    uid = f" {refusal.uid}" if refusal.uid else ""
    lines = [f"{refusal.command} on {refusal.table} was refused to {refusal.role}{uid} ({refusal.code})", ""]
    lines += _tables(report)
    if not report["tables"][0]["policies"]:  # then no request of the kind is allowed, whatever it holds
        return lines
    method, name = report["request"]["method"], refusal.table
    lines += [
        "",
        "The log keeps no values. To see which clause refused, ask with the request itself:",
        f"  baaskit explain {method} '{name}' --as {refusal.principal}" + (" --body '{…}'" if method in ("POST", "PATCH") else ""),
    ]
    return lines


# ---- words ----------------------------------------------------------------------------------------------------------


def explained_lines(report: Report) -> list[str]:
    """An explanation for a person: the decision, then every row that was refused, clause by clause."""
    lines = [_headline(report), "", f"{report['decision'].upper()}: {report['reason']}"]
    if report["error"]:
        error = report["error"]
        said = "" if error["message"] in report["reason"] else f": {error['message']}"
        lines.append(f"  the client gets {error['status']} {error['code']}{said}")
        if error.get("hint"):
            lines.append(f"  hint: {error['hint']}")
    rows = report["sample"]
    refused = [row for row in rows if not row["allowed"] or row["reason"]]
    allowed = [row for row in rows if row["allowed"] and not row["reason"]]
    shown = (refused or allowed)[:_ROWS]
    for row in shown:
        lines += ["", *_row(row)]
    if refused and allowed:
        lines += ["", f"Allowed: {', '.join(_key(row) for row in allowed)}"]
    if len(refused or allowed) > len(shown):
        lines += ["", f"… and {len(refused or allowed) - len(shown)} more like these (--json has them)"]
    if not rows and report["decision"] != "failed" and report["as"]["role"] != "service_role":
        lines += ["", *_tables(report)]
    lines += _withheld(report)
    lines += ["", *(f"note: {note}" for note in report["notes"])] if report["notes"] else []
    for step in report.get("sql", ()):
        lines += ["", step["text"], f"  with {json.dumps(step['params'], ensure_ascii=False, default=str)}"]
    return lines


def tried_lines(report: Report, question: Question) -> list[str]:
    """What a request would have done, for a person."""
    who = _who(report["as"])
    lines = [f"{question.method} {question.path}  as {who}", "", f"The client would get {report['status']}"]
    body = report["body"]
    if isinstance(body, list):
        lines[-1] += f" with {len(body)} row{'' if len(body) == 1 else 's'}"
        lines += [f"  {_json(row)}" for row in body[:_ROWS]] + (["  …"] if len(body) > _ROWS else [])
    elif isinstance(body, dict) and "message" in body:
        lines[-1] += f" {body.get('code')}: {body['message']}"
    elif body is not None:
        lines += [f"  {body if isinstance(body, str) else _json(body)}"]
    for row in report["rows"]:
        lines.append(f"would {row['command']} {row['table']} {_difference(row['before'], row['after'])}")
    if report["would_emit"]:
        told = {f"{event['op']} {event['table']}" for event in report["would_emit"]}
        lines.append(f"subscribers and functions would be told: {', '.join(sorted(told))} ({len(report['would_emit'])} changes)")
    for entry in report["hooks"] or ():
        for when in ("before", "after"):
            if entry.get(when):
                lines.append(f"functions {when} {entry['command']} of {entry['table']}: {', '.join(entry[when])}")
    if report["hooks"] is None and report["rows"]:
        lines.append("functions are not loaded here; a running server (--url) names those that would be called")
    return [*lines, *(f"note: {note}" for note in report["notes"]), "", "Nothing of this was kept."]


def _headline(report: Report) -> str:
    return f"{report['request']['method']} {report['request']['path']}  as {_who(report['as'])}"


def _who(principal: Mapping[str, Any]) -> str:
    told = [principal["uid"], principal["claims"].get("email")]
    return f"{principal['role']} {' '.join(str(t) for t in told if t)}".strip()


def _row(row: Report) -> list[str]:
    lines = [f"{_mark(row['allowed'])} row {_key(row)}" + (f": {row['reason']}" if row["reason"] else "")]
    for question in row["questions"]:
        grants = [repr(v["policy"]) for v in question["verdicts"] if v["permissive"] and v["answer"] is True]
        by = f": policy {', '.join(grants)}" if question["answer"] and grants else ""
        lines.append(f"    {_mark(question['answer'])} {question['asked']}{by}")
        if question["answer"]:
            continue
        for verdict in question["verdicts"]:
            kind = "" if verdict["permissive"] else "restrictive "
            lines.append(f"        {_mark(verdict['answer'])} {kind}policy {verdict['policy']!r} (line {verdict['line']})")
            for clause in verdict["clauses"]:
                lines.append(f"            {_mark(clause['answer'])} {clause['text']}")
                if clause["answer"] is not True and clause["values"]:
                    lines.append(f"              where {', '.join(f'{k} = {_json(v)}' for k, v in clause['values'].items())}")
        lines += [f"        needed: {needed}" for needed in _needed(question["verdicts"])]
    return lines


def _needed(verdicts: list[Report]) -> list[str]:
    """What would have to be true for a question to be answered yes; one entry per thing that is needed."""
    granting = [v for v in verdicts if v["permissive"]]
    found = []
    if not any(v["answer"] is True for v in granting):
        ways = [" and ".join(f"({clause})" for clause in _failing(v)) for v in granting]
        found.append("  or  ".join(ways) if ways else "a permissive policy for this command and role: there is none")
    found += [f"({clause})" for v in verdicts if not v["permissive"] for clause in _failing(v)]
    return found


def _failing(verdict: Report) -> list[str]:
    return [
        f"{c['text']}{' — it is unknown, because of a null' if c['answer'] is None else ''}"
        for c in verdict["clauses"]
        if c["answer"] is not True
    ]


def _tables(report: Report) -> list[str]:
    lines = []
    for table in report["tables"]:
        lines.append(f"policies on {table['table']} for {table['command']} that speak to {report['as']['role']}:")
        for policy in table["policies"]:
            kind = "" if policy["permissive"] else "restrictive "
            lines.append(f"    {kind}policy {policy['name']!r} (line {policy['line']})")
            lines += [f"        {word} ({policy[key]})" for key, word in (("using", "using"), ("check", "with check")) if policy[key]]
        if not table["policies"]:
            lines.append("    none: nothing is allowed. A permissive policy for this command and role is needed.")
        elif table["denied"]:
            lines.append("    together they can never be true, or the role has no privilege for the command")
    return lines


def _withheld(report: Report) -> list[str]:
    """Column privileges, where they decided."""
    if not report["error"] or report["error"]["code"] not in ("42703", "PGRST204") or report["decision"] != "denied":
        return []
    lines = []
    for table in report["tables"]:
        if table["columns"]["withheld"]:
            names = ", ".join(table["columns"]["withheld"])
            lines.append(f"withheld from {report['as']['role']} for {table['command']} on {table['table']}: {names}")
    return ["", *lines] if lines else []


def _difference(before: Report | None, after: Report | None) -> str:
    if before is None or after is None:
        return _json(after if before is None else before)
    changed = {name: value for name, value in after.items() if before.get(name) != value}
    return ", ".join(f"{name}: {_json(before.get(name))} → {_json(value)}" for name, value in changed.items()) or "(no change)"


def _key(row: Report) -> str:
    return " ".join(f"{name}={value}" for name, value in row["key"].items()) or _json(row["row"])


def _mark(answer: bool | None) -> str:
    return {True: "✓", False: "✗", None: "?"}[answer]


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)
