"""Write docs/reference/errors.md from the error classes: one row per situation that a client may meet."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from pathlib import Path

import baaskit.app  # noqa: F401  # defines every subclass that there is
from baaskit.auth.disabled import _DISABLED
from baaskit.errors import BaasError
from baaskit.errors.auth import AuthError, FeatureDisabled
from baaskit.errors.functions import FunctionError, FunctionRefused
from baaskit.errors.realtime import JoinRefused
from baaskit.errors.rest import _BY_CLASS, _BY_STATE, SqlState
from baaskit.errors.storage import StorageError

ROOT = Path(__file__).parents[1]
OPEN = {FeatureDisabled, FunctionRefused, JoinRefused, SqlState}  # their codes are given where they are raised

HEAD = """# Errors

Written by `scripts/errors_page.py` from `baaskit/errors/`. Codes are append-only: a code never changes its meaning.

Each surface answers in the dialect of its client libraries:

| surface | body |
|---|---|
| `/rest/v1`, `/admin/v1`, everything else | `{"code", "details", "hint", "message"}` |
| `/auth/v1` | `{"code": status, "error_code", "msg"}`; with `X-Supabase-Api-Version: 2024-01-01` or later `{"code", "message"}` |
| `/storage/v1` | HTTP status 400, the true status in `{"statusCode", "code", "error", "message"}`; a bad range is 416 |
| `/functions/v1` | `{"code", "msg", "message"}`, with `details` and `id` where there are any; an unknown function is plain text |
| realtime | the join's reply: `{"status": "error", "response": {"reason": "Code: words"}}` |

An error that nobody foresaw is `XX000` with an `id`; the server's log has the trace under it. Error texts never hold a value
of a row or the name of a column that the caller may not read.
"""


def page() -> str:
    groups: dict[str, list[str]] = {name: [] for name in _TITLES}
    for kind in sorted(kinds(), key=_place):
        groups[_group(kind)].append(_row(kind))
    parts = [HEAD]
    for name, rows in groups.items():
        rows += _MORE.get(name, list)()
        parts.append(f"\n## {_TITLES[name]}\n\n| code | status | meaning |\n|---|---|---|\n" + "\n".join(rows) + "\n")
    parts.append(_states())
    return "".join(parts)


def kinds() -> Iterator[type[BaasError]]:
    """Every class with a code of its own."""
    waiting: list[type[BaasError]] = [BaasError]
    while waiting:
        kind = waiting.pop()
        waiting += kind.__subclasses__()
        if kind not in OPEN and kind.__module__.startswith("baaskit.") and kind not in _BASES and not issubclass(kind, SqlState):
            yield kind


_BASES = {BaasError, AuthError, StorageError, FunctionError}
_TITLES = {
    "rest": "Data API, and every surface",
    "auth": "Auth",
    "storage": "Storage",
    "functions": "Functions",
    "realtime": "Realtime",
    "console": "Console (`/admin/v1`)",
}


def _group(kind: type[BaasError]) -> str:
    for name in _TITLES:
        if f".{name}" in kind.__module__:
            return name
    return "rest"


def _place(kind: type[BaasError]) -> tuple[str, int, str]:
    status = getattr(kind, "true_status", kind.status)
    return (kind.code, status, kind.__name__) if _group(kind) == "rest" else ("", status, kind.code)


def _row(kind: type[BaasError]) -> str:
    words = inspect.getdoc(kind) or ""
    meaning = " ".join(words.split("\n\n")[0].split()).replace("|", "\\|")
    return f"| `{kind.code}` | {getattr(kind, 'true_status', kind.status)} | {meaning} |"


def _disabled() -> list[str]:
    found = {(code, status, message) for _, _, status, code, message in _DISABLED}
    return [f"| `{code}` | {status} | {message}. |" for code, status, message in sorted(found)]


def _joins() -> list[str]:
    """The codes that `JoinRefused` is raised with."""
    found: dict[str, str] = {}
    for file in sorted((ROOT / "baaskit/realtime").glob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "JoinRefused":
                for constant in ast.walk(node.args[0]):
                    if isinstance(constant, ast.Constant) and isinstance(constant.value, str):
                        found.setdefault(constant.value, _JOIN_WORDS.get(constant.value, ""))
    return [f"| `{code}` | join | {meaning} |" for code, meaning in sorted(found.items())]


_JOIN_WORDS = {
    "ChannelRateLimitReached": "The connection has too many channels.",
    "ClientJoinRateLimitReached": "Too many joins in a second.",
    "InvalidJWTToken": "The token has expired or was ended.",
    "JwtSignatureError": "The token is not signed by this project.",
    "MalformedJWT": "The token is not a JWT.",
    "TopicNameRequired": "The topic is empty.",
    "Unauthorized": "No policy of `realtime.messages` lets the caller into this private channel.",
    "UnknownErrorOnChannel": "The join is malformed, or its query cannot be kept.",
}
_MORE = {
    "auth": _disabled,
    "realtime": _joins,
    "functions": lambda: ["| your own | your own | `raise Refused(status, code, message)` in a function. |"],
}


def _states() -> str:
    rows = [f"| `{state}` | {status} |" for state, status in sorted(_BY_STATE.items())]
    rows += [f"| `{state}…` | {status} |" for state, status in sorted(_BY_CLASS.items())]
    return (
        "\n## Errors of the database\n\nThe code is PostgreSQL's SQLSTATE, on SQLite as well (`23505` unique, `23503` foreign key, `23514` check, "
        "`23502` not null,\n`22P02` a value that does not fit its type). Those not in the table are 400. `42501` (a policy or privilege refuses) is 401 "
        "for an\nanonymous caller and 403 for a known one. `PTxyz` answers with status xyz.\n\n| SQLSTATE | status |\n|---|---|\n"
        + "\n".join(rows)
        + "\n"
    )


if __name__ == "__main__":
    ROOT.joinpath("docs/reference/errors.md").write_text(page())
