"""Errors of the admin API, in the REST dialect's shape; codes `BKC…` are ours."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from baaskit.errors import BaasError, Fault


class WrongAdminCredentials(BaasError):
    """The e-mail or the password is wrong."""

    status, code = 401, "BKC401"


class NotSignedIn(BaasError):
    """Sign in to the console first."""

    status, code = 401, "BKC402"


class ForeignOrigin(BaasError):
    """This request came from another site or under an unknown host name."""

    status, code = 403, "BKC403"


class NotPermitted(BaasError):
    """Your role may look, but not change anything."""

    status, code = 403, "BKC404"


class SetupRefused(BaasError):
    """The setup link is wrong, was used before, or an admin exists already."""

    status, code = 403, "BKC405"


class UnknownVersion(BaasError):
    """There is no such version of the policies."""

    status, code = 404, "BKC406"


class InvalidAdmin(BaasError):
    """The admin cannot be created like this."""

    status, code = 422, "BKC422"


class PoliciesRefused(BaasError):
    """The policies were not saved: they have faults."""

    status, code = 422, "BKC423"

    def __init__(self, faults: Iterable[Fault]) -> None:
        found = [fault_json(fault) for fault in faults]
        first = f" First: {found[0]['message']} (line {found[0]['line']})." if found else ""
        many = f"{len(found)} faults" if len(found) != 1 else "a fault"
        super().__init__(f"The policies were not saved: they have {many}.{first}", details={"faults": found})


class TooManyAttempts(BaasError):
    """Too many attempts to sign in. Wait before the next."""

    status, code = 429, "BKC429"

    def __init__(self, wait_seconds: int) -> None:
        super().__init__(f"Too many attempts to sign in. Try again in {wait_seconds} seconds.", headers={"Retry-After": str(wait_seconds)})


def fault_json(fault: Fault) -> dict[str, Any]:
    """A fault as the console shows it: `line` and `column` start at 1."""
    return {"message": fault.message, "line": fault.line, "column": fault.column, "excerpt": fault.excerpt, "hint": fault.hint}
