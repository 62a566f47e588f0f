"""Errors of `/functions/v1` and of triggers, in the shape that function clients read: `{"code", "msg", "message"}`."""

from __future__ import annotations

from typing import Any

from baaskit.errors import BaasError


class FunctionError(BaasError):
    """Base of the errors around a function call. `body()` is what the functions surface sends."""

    status, code = 500, "WORKER_ERROR"

    def __init__(self, message: str | None = None, *, id: str | None = None, **kw: Any) -> None:
        super().__init__(message, **kw)
        self.id = id

    def body(self) -> dict[str, Any]:
        """`msg` is what the Python client shows, `message` what the hosted service writes; `id` finds the log entry."""
        shown: dict[str, Any] = {"code": self.code, "msg": self.message, "message": self.message}
        if self.details is not None:
            shown["details"] = self.details
        if self.hint is not None:
            shown["hint"] = self.hint
        if self.id is not None:
            shown["id"] = self.id
        return shown


class MissingAuthorization(FunctionError):
    """Error: Missing authorization header"""

    status, code = 401, "UNAUTHORIZED"


class InvalidFunctionToken(FunctionError):
    """Invalid JWT"""

    status, code = 401, "UNAUTHORIZED"


class NotAllowed(FunctionError):
    """This function needs a signed-in caller."""

    status, code = 403, "FORBIDDEN"


class FunctionNotFound(FunctionError):
    """Function not found"""

    status, code = 404, "NOT_FOUND"


class MethodNotAllowed(FunctionError):
    """The function does not answer to this method."""

    status, code = 405, "METHOD_NOT_ALLOWED"


class PayloadTooLarge(FunctionError):
    """The request body is larger than functions accept."""

    status, code = 413, "PAYLOAD_TOO_LARGE"


class MalformedBody(FunctionError):
    """The request body is not valid JSON."""

    status, code = 400, "MALFORMED_BODY"


class InvalidArguments(FunctionError):
    """An argument is missing or of the wrong type; `details` lists `{"field", "message"}`."""

    status, code = 422, "INVALID_ARGUMENTS"


class FunctionBusy(FunctionError):
    """The function is at its limit and its queue is full; try again shortly."""

    status, code = 429, "TOO_MANY_REQUESTS"


class FunctionCrashed(FunctionError):
    """The function failed; the log has the trace under this id."""

    status, code = 500, "WORKER_ERROR"


class FunctionNotReady(FunctionError):
    """Worker failed to boot (please check logs)"""

    status, code = 503, "BOOT_ERROR"


class FunctionTimedOut(FunctionError):
    """The function ran longer than it may and was stopped."""

    status, code = 504, "WORKER_TIMEOUT"


class TooDeep(FunctionError):
    """Functions have called one another too many times in a row."""

    status, code = 508, "RECURSION_LIMIT"


class OverLimit(FunctionError):
    """The function went over its memory or result limit and was stopped."""

    status, code = 546, "WORKER_LIMIT"


class FunctionRefused(FunctionError):
    """A function refused with its own status, code and words."""

    def __init__(self, status: int, code: str, message: str, **kw: Any) -> None:
        super().__init__(message, **kw)
        self.status, self.code = status, code
