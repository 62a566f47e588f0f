"""Every error this library raises.

BaasError                    base; carries `code`, `hint`, `status` (0 when the server did not answer)
├── ConnectionFailed         no answer: refused, dropped, unreachable
│   └── TimedOut             no answer in time
├── Refused                  the server answered with an error; also `details`, `retry_after`
│   ├── BadRequest           400, 405, 413, 415, 416, 422: the request is wrong and would be wrong again
│   ├── NotSignedIn          401: no session, or a token that is no longer good
│   │   └── SessionEnded     the session cannot be refreshed; sign in again
│   ├── Forbidden            403: a policy says no
│   ├── NotFound             404, or a single row was asked for and none is there
│   ├── Conflict             409: a constraint or a concurrent change says no
│   ├── TooManyRequests      429: later, see `retry_after`
│   └── ServerFailed         5xx
├── UnreadableAnswer         the answer is not what the protocol promises
└── ChangesLost              a live query's changes were not read for too long; its rows are right
"""

from __future__ import annotations

import json
from email.utils import parsedate_to_datetime
from typing import Any

from ._ports import Response


class BaasError(Exception):
    """Base of all errors of this library."""

    def __init__(self, message: str, *, code: str = "", hint: str | None = None, status: int = 0) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.hint = hint
        self.status = status

    def __str__(self) -> str:
        words = f"{self.message} [{self.code}]" if self.code else self.message
        return f"{words} ({self.hint})" if self.hint else words


class ConnectionFailed(BaasError):
    """The server did not answer."""


class TimedOut(ConnectionFailed):
    """The server did not answer in time."""


class Refused(BaasError):
    """The server answered with an error."""

    def __init__(
        self,
        message: str,
        *,
        code: str = "",
        hint: str | None = None,
        status: int = 0,
        details: Any = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message, code=code, hint=hint, status=status)
        self.details = details
        self.retry_after = retry_after  # seconds


class BadRequest(Refused):
    """The request is wrong and would be wrong again."""


class NotSignedIn(Refused):
    """There is no session, or its token is no longer good."""


class SessionEnded(NotSignedIn):
    """The session cannot be refreshed; the user must sign in again."""


class Forbidden(Refused):
    """A policy does not allow this."""


class NotFound(Refused):
    """It does not exist, or this caller may not see it."""


class Conflict(Refused):
    """A constraint or a concurrent change does not allow this."""


class TooManyRequests(Refused):
    """A limit is reached; try again after `retry_after` seconds."""


class ServerFailed(Refused):
    """The server failed or is overloaded."""


class UnreadableAnswer(BaasError):
    """The answer is not what the protocol promises; something between client and server may have changed it."""


class ChangesLost(BaasError):
    """A live query's changes were not read for too long and some were let go; its rows are right."""


_BY_STATUS: dict[int, type[Refused]] = {
    401: NotSignedIn,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    429: TooManyRequests,
}


def retry_after_seconds(value: str | None, now: float) -> float | None:
    """Read a Retry-After header: seconds or an HTTP date (`now` in seconds since 1970); None when absent or unreadable."""
    if not value:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - now)
    except (TypeError, ValueError):
        return None


def error_of(response: Response, now: float) -> Refused:
    """The error that an answer of status >= 400 stands for; understands the shapes of data, auth, storage and functions."""
    try:
        body = json.loads(response.body)
    except ValueError:
        body = None
    body = body if isinstance(body, dict) else {"message": response.body.decode("utf-8", "replace")[:500]}
    inner = body.get("error")
    if isinstance(inner, dict):
        body = inner
    status = response.status
    # Storage answers 400 to every handled fault and puts the status it means into the body.
    if status == 400 and str(body.get("statusCode", "")).isdigit():
        status = int(body["statusCode"])
    message = next((str(body[k]) for k in ("message", "msg", "error_description", "error") if body.get(k)), f"HTTP status {status}")
    code = str(body.get("error_code") or body.get("code") or body.get("error") or "")
    kind = _BY_STATUS.get(status) or (ServerFailed if status >= 500 else BadRequest)
    details = body.get("details") if body.get("details") is not None else body.get("weak_password")
    if code == "PGRST116" and "0 rows" in str(details):
        kind = NotFound
    return kind(
        message,
        code=code,
        hint=body.get("hint"),
        status=status,
        details=details,
        retry_after=retry_after_seconds(response.headers.get("retry-after"), now),
    )
