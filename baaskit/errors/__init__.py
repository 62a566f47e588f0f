"""Every error a client may see: status, code, message and hint on one class; rendered per wire dialect.

One class per situation. Codes are append-only and never reused. The REST dialect's codes are PostgREST's and
PostgreSQL's (`docs/reference/errors.md`); the other surfaces keep theirs in the sibling modules.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any


class BaasError(Exception):
    """Base of all client-visible errors; a subclass fixes `status` and `code`.

    `details` and `hint` are optional words for the developer. None of the three ever holds a value of a row or
    a column that the caller may not read. `stale`: the database did not know a table, column or function that the catalogue has,
    so most likely another process has migrated; what was asked may be planned anew.
    """

    status: int = 500
    code: str = "XX000"
    stale: bool = False

    def __init__(
        self,
        message: str | None = None,
        *,
        details: Any = None,
        hint: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message or (type(self).__doc__ or "").split("\n")[0])
        self.details = details
        self.hint = hint
        self.headers = headers or {}

    @property
    def message(self) -> str:
        return str(self.args[0])

    def rest(self) -> dict[str, Any]:
        """The body in the REST dialect: always these four keys."""
        return {"code": self.code, "details": self.details, "hint": self.hint, "message": self.message}


class Internal(BaasError):
    """Something failed inside the server; the log has the trace under this request's id."""

    status, code = 500, "XX000"


class Overloaded(BaasError):
    """The server is at its limit; try again shortly."""

    status, code = 503, "53300"


class BodyTooLarge(BaasError):
    """The request body is larger than this server accepts."""

    status, code = 413, "BK413"


class NotFound(BaasError):
    """There is nothing at this address."""

    status, code = 404, "PGRST125"


class InvalidToken(BaasError):
    """A token is malformed, wrongly signed or not for this project."""

    status, code = 401, "PGRST301"

    def __init__(self, message: str, **kw: Any) -> None:
        super().__init__(message, **kw)
        self.headers["WWW-Authenticate"] = f'Bearer error="invalid_token", error_description="{message}"'


class ExpiredToken(InvalidToken):
    """A token is past its time."""

    status, code = 401, "PGRST303"


class EndedSession(InvalidToken):
    """A token's session was ended: signed out, banned, deleted, or its password changed."""

    status, code = 401, "PGRST301"


class Fault(Exception):
    """A fault in a file that a person wrote (policy, migration, setting), with its place.

    `line` and `column` start at 1; line 0 means no place (an environment variable). `excerpt` is the line itself; `str(fault)` draws a caret under the place.
    """

    def __init__(self, message: str, *, file: str = "", line: int = 1, column: int = 1, excerpt: str = "", hint: str | None = None) -> None:
        super().__init__(message)
        self.message, self.file, self.line, self.column = message, file, line, column
        self.excerpt, self.hint = excerpt, hint

    def __str__(self) -> str:
        place = f"{self.line}:{self.column}: " if self.line else ""
        where = f"{self.file}:{place or ' '}" if self.file else place
        drawn = f"\n  {self.excerpt}\n  {' ' * (self.column - 1)}^" if self.excerpt else ""
        return f"{where}{self.message}{drawn}" + (f"\n  hint: {self.hint}" if self.hint else "")


class Faults(Exception):
    """All faults of a file (or several) at once."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = list(faults)
        super().__init__("\n".join(str(fault) for fault in self.faults))


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name most like `name`, or None when nothing is close."""
    found = get_close_matches(name, list(known), n=1, cutoff=0.6)
    return found[0] if found else None
