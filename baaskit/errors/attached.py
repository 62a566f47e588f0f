"""Refusals that come from working on a database that belongs to others (`baaskit attach`)."""

from __future__ import annotations

from baaskit.errors import BaasError


class NotOurs(BaasError):
    """This project is attached to a database that belongs to others: baaskit changes no table there."""

    status, code = 409, "BK430"

    def __init__(self) -> None:
        super().__init__(
            hint="Change it with the tools that made it; baaskit notices. Files in migrations/ are not applied; `baaskit migrate` applies policies.sql."
        )


class CaptureOff(BaasError):
    """The changes of this table are not captured, because the settings say so."""

    status, code = 409, "BK431"

    def __init__(self, table: str) -> None:
        super().__init__(
            f'The changes of "{table}" are not captured: capture is off for it.',
            hint=f'In baaskit.toml: capture_tables = {{ "{table}" = "polling" }}, or "triggers" where adding triggers is allowed.',
        )


class CannotAttach(BaasError):
    """This database cannot be attached."""

    status, code = 409, "BK432"
