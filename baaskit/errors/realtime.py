"""Refusals of the realtime service. A join's answer is `Code: words` in the dialect of the official clients."""

from __future__ import annotations

from baaskit.errors import BaasError


class JoinRefused(BaasError):
    """A join is refused; `code` is a word that clients know (wire.md §4.2)."""

    status = 400

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class NotCaptured(BaasError):
    """The changes of this table are not captured."""

    status, code = 400, "BK420"

    def __init__(self, table: str) -> None:
        super().__init__(
            f'The changes of "{table}" are not captured.',
            hint=f"In a migration: alter publication realtime add table {table};  (attached project: capture_tables in baaskit.toml)",
        )


class NoLiveKey(BaasError):
    """A live query must show what tells its rows apart."""

    status, code = 400, "BK421"

    def __init__(self, table: str, columns: tuple[str, ...]) -> None:
        if not columns:
            super().__init__(
                f'"{table}" has no primary key, so its rows cannot be followed.', hint="Add a primary key, or read it through REST."
            )
        else:
            names = ", ".join(columns)
            super().__init__(
                f'A live query of "{table}" must select its primary key under its own name: {names}.', hint=f"Add {names} to select."
            )


class BadBinding(BaasError):
    """The config of a join is malformed."""

    status, code = 400, "BK422"
