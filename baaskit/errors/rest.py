"""Errors of the data API: PostgREST's `PGRST…` codes, PostgreSQL's SQLSTATEs, and `BK…` for what only we have.

Codes are append-only. Bodies are always `code, details, hint, message` (wire.md §1.5); statuses follow wire.md §1.6.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from baaskit.errors import BaasError, nearest

# ---- the request itself (PGRST1xx) ----------------------------------------------------------------------------------


class UnparsableQuery(BaasError):
    """The query string does not follow the grammar; `message` names the part and `details` the place."""

    status, code = 400, "PGRST100"

    def __init__(self, what: str, text: str, position: int, expected: str) -> None:
        """`position` counts from 0 within `text`, as the client wrote it (percent-decoded)."""
        found = f'unexpected "{text[position]}"' if position < len(text) else "unexpected end of input"
        super().__init__(f'"failed to parse {what} ({text})" (line 1, column {position + 1})', details=f"{found} expecting {expected}")


class InvalidBody(BaasError):
    """Empty or invalid json"""

    status, code = 400, "PGRST102"


class RangeNotSatisfiable(BaasError):
    """Requested range not satisfiable"""

    status, code = 416, "PGRST103"


class InvalidPut(BaasError):
    """Filters must include all and only primary key columns with 'eq' operators"""

    status, code = 405, "PGRST105"


class UnknownSchema(BaasError):
    """The profile header names a schema that is not exposed."""

    status, code = 406, "PGRST106"

    def __init__(self, schema: str, exposed: tuple[str, ...]) -> None:
        super().__init__(f"Invalid schema: {schema}", hint="Only the following schemas are exposed: " + ", ".join(exposed))


class NotAcceptable(BaasError):
    """No media type of the Accept header can be produced."""

    status, code = 406, "PGRST107"

    def __init__(self, accept: str) -> None:
        super().__init__(f"None of these media types are available: {accept}")


class NotEmbedded(BaasError):
    """A filter, order or limit names an embed that `select` does not have."""

    status, code = 400, "PGRST108"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"'{name}' is not an embedded resource in this request",
            hint=f"Verify that '{name}' is included in the 'select' query parameter.",
        )


class UnorderedLimit(BaasError):
    """A 'limit' was applied without an explicit 'order'"""

    status, code = 400, "PGRST109"

    def __init__(self) -> None:
        super().__init__(None, hint="Apply an 'order' using unique column(s)")


class NotWritable(BaasError):
    """A view is read only."""

    status, code = 405, "55000"

    def __init__(self, verb: str, name: str) -> None:
        super().__init__(f'cannot {verb} view "{name}"', hint="Write to the tables that the view reads.")


class LimitedPut(BaasError):
    """limit/offset querystring parameters are not allowed for PUT"""

    status, code = 400, "PGRST114"


class PutMismatch(BaasError):
    """Payload values do not match URL in primary key column(s)"""

    status, code = 400, "PGRST115"


class NotSingular(BaasError):
    """An object was asked for, and the result is not exactly one row."""

    status, code = 406, "PGRST116"

    def __init__(self, rows: int) -> None:
        super().__init__("Cannot coerce the result to a single JSON object", details=f"The result contains {rows} rows")


class UnsupportedMethod(BaasError):
    """The verb means nothing at this address."""

    status, code = 405, "PGRST117"

    def __init__(self, method: str) -> None:
        super().__init__(f"Unsupported HTTP method: {method}")


class NotToOne(BaasError):
    """Ordering by a related column needs a to-one relation."""

    status, code = 400, "PGRST118"

    def __init__(self, parent: str, child: str) -> None:
        super().__init__(
            f"A related order on '{child}' is not possible",
            details=f"'{parent}' and '{child}' do not form a many-to-one or one-to-one relationship",
        )


class EmbedFilterNotNull(BaasError):
    """An embed itself can only be compared with null."""

    status, code = 400, "PGRST120"

    def __init__(self, name: str) -> None:
        super().__init__(
            "Bad operator on the '" + name + "' embedded resource",
            hint="Only is null or not is null filters are allowed on embedded resources",
        )


class InvalidPreference(BaasError):
    """Invalid preferences given with handling=strict"""

    status, code = 400, "PGRST122"

    def __init__(self, unknown: list[str]) -> None:
        super().__init__(None, details="Invalid preferences: " + ", ".join(unknown))


class AggregatesOff(BaasError):
    """Use of aggregate functions is not allowed"""

    status, code = 400, "PGRST123"


class MaxAffected(BaasError):
    """Query result exceeds max-affected preference constraint"""

    status, code = 400, "PGRST124"

    def __init__(self, rows: int) -> None:
        super().__init__(None, details=f"The query affects {rows} rows")


class UnknownAddress(BaasError):
    """Invalid path specified in request URL"""

    status, code = 404, "PGRST125"


# ---- names (PGRST2xx) and the two that PostgreSQL speaks of itself ----------------------------------------------------


class NoRelation(BaasError):
    """An embed names a table that has no foreign key to or from its parent."""

    status, code = 400, "PGRST200"

    def __init__(self, parent: str, child: str, schema: str, hint: str | None, known: list[str]) -> None:
        near = nearest(child, known)
        looked = f"between '{parent}' and '{child}'" + (f" using the hint '{hint}'" if hint else "")
        super().__init__(
            f"Could not find a relationship between '{parent}' and '{child}' in the schema cache",
            details=f"Searched for a foreign key relationship {looked} in the schema '{schema}', but no matches were found.",
            hint=f"Perhaps you meant '{near}' instead of '{child}'." if near and near != child else None,
        )


class AmbiguousRelation(BaasError):
    """More than one foreign key fits an embed; `details` lists them."""

    status, code = 300, "PGRST201"

    def __init__(self, parent: str, child: str, found: list[dict[str, str]], choices: list[str]) -> None:
        listed = ", ".join(f"'{choice}'" for choice in choices)
        super().__init__(
            f"Could not embed because more than one relationship was found for '{parent}' and '{child}'",
            details=found,
            hint=f"Try changing '{child}' to one of the following: {listed}. Find the desired relationship in the 'details' key.",
        )


class UnknownFunction(BaasError):
    """There is no such function."""

    status, code = 404, "PGRST202"

    def __init__(self, schema: str, name: str, arguments: list[str], known: Iterable[str] = ()) -> None:
        """`known`: the functions that the caller may call."""
        near = nearest(name, known)
        given = ", ".join(arguments)
        with_words = (f"with parameter{'s' if len(arguments) > 1 else ''} {given} or " if arguments else "without parameters or ") + (
            "with a single unnamed json/jsonb parameter"
        )
        super().__init__(
            f"Could not find the function {schema}.{name}"
            + (f"({given})" if arguments else " without parameters")
            + " in the schema cache",
            details=f"Searched for the function {schema}.{name} {with_words}, but no matches were found in the schema cache.",
            hint=f"Perhaps you meant to call the function {schema}.{near}" if near else None,
        )


class AmbiguousFunction(BaasError):
    """The arguments of a call fit more than one function of the name."""

    status, code = 300, "PGRST203"

    def __init__(self, candidates: list[str]) -> None:
        super().__init__(
            "Could not choose the best candidate function between: " + ", ".join(candidates),
            hint="Try renaming the parameters or the function itself in the database so function overloading can be resolved",
        )


class NoRowsToCount(BaasError):
    """Function must return SETOF or TABLE when max-affected preference is used with handling=strict"""

    status, code = 400, "PGRST128"


class UnknownPayloadColumn(BaasError):
    """The body or `columns` names a column that the table does not have, or that the caller may not know of."""

    status, code = 400, "PGRST204"

    def __init__(self, table: str, column: str, known: list[str]) -> None:
        near = nearest(column, known)
        super().__init__(
            f"Could not find the '{column}' column of '{table}' in the schema cache", hint=f"Perhaps you meant '{near}'." if near else None
        )


class UnknownTable(BaasError):
    """There is no such table, or it is not exposed."""

    status, code = 404, "PGRST205"

    def __init__(self, schema: str, name: str, known: list[str]) -> None:
        near = nearest(name, known)
        super().__init__(
            f"Could not find the table '{schema}.{name}' in the schema cache",
            hint=f"Perhaps you meant the table '{schema}.{near}'" if near else None,
        )


class UnknownColumn(BaasError):
    """The query names a column that the table does not have, or that the caller has no privilege on."""

    status, code = 400, "42703"

    def __init__(self, table: str, column: str, known: list[str]) -> None:
        near = nearest(column, known)
        super().__init__(
            f"column {table}.{column} does not exist", hint=f'Perhaps you meant to reference the column "{table}.{near}".' if near else None
        )


# ---- errors of a database, by SQLSTATE --------------------------------------------------------------------------------

_BY_STATE: dict[str, int] = {
    "23503": 409, "23505": 409, "42501": 403, "42883": 404, "42P01": 404, "42P17": 500, "25006": 405, "21000": 400, "53400": 500,
    "57P01": 503, "P0001": 400, "22023": 400,
}  # fmt: skip
_BY_CLASS: dict[str, int] = {
    "08": 503, "28": 403, "0L": 403, "0P": 403, "09": 500, "2D": 500, "38": 500, "39": 500, "3B": 500, "40": 500, "53": 503,
    "54": 500, "55": 500, "57": 500, "58": 500, "F0": 500, "HV": 500, "P0": 500, "XX": 500,
}  # fmt: skip


class SqlState(BaasError):
    """A database refused; `code` is PostgreSQL's SQLSTATE on both databases, and so are the words."""

    def __init__(self, state: str, message: str, *, details: Any = None, hint: str | None = None) -> None:
        super().__init__(message, details=details, hint=hint)
        self.code = state
        self.status = status_of(state)


def status_of(state: str) -> int:
    """The HTTP status of a SQLSTATE (wire.md §1.6); 42501 is 401 instead for an anonymous caller, which the edge knows."""
    if state.startswith("PT") and state[2:].isdigit():
        return int(state[2:])
    return _BY_STATE.get(state) or _BY_CLASS.get(state[:2]) or 400


class VolatileFunction(SqlState):
    """A function that may write cannot be called by GET or HEAD."""

    def __init__(self, name: str, hint: str) -> None:
        super().__init__("25006", f"cannot execute {name} in a read-only transaction", hint=hint)
        self.headers["Allow"] = "OPTIONS, POST"


class InvalidArgument(SqlState):
    """An argument of a function is missing or of the wrong type; `details` names them."""

    def __init__(self, message: str, details: str | None = None) -> None:
        super().__init__("22023", message, details=details)


class StatementTimeout(SqlState):
    """A statement ran longer than the server allows and was cancelled: 57014, answered 503."""

    def __init__(self, message: str = "canceling statement due to statement timeout") -> None:
        hint = "Ask for less: add a filter on an indexed column or a lower limit. The operator can raise statement_timeout_seconds"
        super().__init__("57014", message, hint=hint + " or, for aggregates, aggregate_timeout_seconds.")
        self.status = 503


class PermissionDenied(SqlState):
    """The caller may not do this: 42501, answered 401 to an anonymous caller and 403 to a known one."""

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__("42501", message, hint=hint)


def violates_policy(table: str, *, using: bool = False) -> PermissionDenied:
    """PostgreSQL's words for a row that a policy refuses; `using`: an upsert met a row that it may not update."""
    which = " (USING expression)" if using else ""
    return PermissionDenied(f'new row violates row-level security policy{which} for table "{table}"')


# ---- limits and additions of our own (BKxxx) ------------------------------------------------------------------------


class TooComplex(BaasError):
    """The request is larger or deeper than the server's limits allow."""

    status, code = 400, "BK400"


class InvalidPrincipal(BaasError):
    """`X-Baaskit-As` names nobody that a request can be run as."""

    status, code = 400, "BK414"


class InvalidKey(BaasError):
    """An Idempotency-Key is a text of 1 to 255 characters."""

    status, code = 400, "BK415"


class KeyReused(BaasError):
    """This Idempotency-Key was used for another request; nothing was done."""

    status, code = 422, "BK416"

    def __init__(self) -> None:
        super().__init__(None, hint="Make a new key for each new write; send the same key only with the very same request.")


class AnswerWithheld(BaasError):
    """The write of this Idempotency-Key was carried out before; its answer was for other rights than the caller's of now."""

    status, code = 409, "BK417"

    def __init__(self) -> None:
        super().__init__(None, hint="Nothing was done again. Read the rows to see what is there.")


class InvalidCursor(BaasError):
    """This is not a cursor of this query."""

    status, code = 400, "BK418"


class InvalidNesting(BaasError):
    """Rows are nested in a way that cannot be inserted; nothing was."""

    status, code = 400, "BK419"

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)


class InvalidReference(BaasError):
    """A reference between operations of a batch leads nowhere; nothing of the batch was kept."""

    status, code = 400, "BK425"

    def __init__(self, reference: str, why: str, hint: str | None = None) -> None:
        super().__init__(f"reference {reference!r}: {why}", hint=hint)


class UnsupportedHere(BaasError):
    """This database cannot do what the request asks; docs/reference lists the differences."""

    status, code = 400, "0A000"


class BatchConflict(BaasError):
    """An operation of a batch did not affect as many rows as expected; nothing of the batch was kept."""

    status, code = 409, "BK409"

    def __init__(self, index: int, expected: int, affected: int) -> None:
        super().__init__(
            f"operation {index} affected {affected} rows, expected {expected}",
            details={"index": index, "expected": expected, "affected": affected},
        )
