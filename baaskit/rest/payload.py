"""A request's body → records: the columns they set, and what the server fills in before the database does."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import orjson

from baaskit.errors.rest import InvalidBody, UnsupportedHere
from baaskit.kernel.claims import Claims
from baaskit.kernel.query import Preferences, Query
from baaskit.kernel.schema import Table

Record = dict[str, Any]
_CALLER = re.compile(r"^\(*\s*(?:select\s+)?auth\.(uid|role|email)\(\)\s*\)*(?:::\s*[a-z ]+)?\s*\)*$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Payload:
    """Records with the columns that the client set. `raw` is their JSON array as the client wrote it, if it is still true."""

    records: list[Record]
    columns: tuple[str, ...]
    raw: str | None = None


def insert_payload(body: Any, raw: bytes, query: Query, preferences: Preferences) -> Payload:
    """Records of an insert. Without `columns=` every object must have the keys of the first. Raises InvalidBody."""
    if isinstance(body, dict):
        records, text = [body], b"[" + raw + b"]"
    elif isinstance(body, list) and all(isinstance(entry, dict) for entry in body):
        records, text = body, raw
    else:
        raise InvalidBody("Empty or invalid json" if not isinstance(body, list) else "All object keys must match")
    if query.columns is not None:
        return Payload(_picked(records, query.columns, preferences.missing == "default"), query.columns)
    columns = tuple(records[0]) if records else ()
    if any(record.keys() != records[0].keys() for record in records):
        raise InvalidBody("All object keys must match")
    return Payload(
        [{name: record[name] for name in columns} for record in records] if len(records) > 1 else records, columns, text.decode()
    )


def _picked(records: list[Record], columns: tuple[str, ...], defaults: bool) -> list[Record]:
    """Only the named columns; a missing key is null, or left to the column's default."""
    if defaults:
        return [{name: record[name] for name in columns if name in record} for record in records]
    return [{name: record.get(name) for name in columns} for record in records]


def update_payload(body: Any, raw: bytes, query: Query, preferences: Preferences) -> Payload:
    """The one record of an update; an empty list is one that sets nothing. A column of `columns=` that it lacks becomes null."""
    if isinstance(body, list) and len(body) <= 1:
        body = body[0] if body else {}
        raw = orjson.dumps(body)
    if not isinstance(body, dict):
        raise InvalidBody("Empty or invalid json")
    if query.columns is None:
        return Payload([body], tuple(body), raw.decode())
    if preferences.missing == "default" and any(name not in body for name in query.columns):
        raise UnsupportedHere("missing=default is for inserts: name only columns that the body has.")
    return Payload([{name: body.get(name) for name in query.columns}], query.columns)


def caller_columns(table: Table) -> tuple[tuple[str, str], ...]:
    """Columns whose default is the caller (`auth.uid()`), with the claim's name."""
    found = [(column.name, _CALLER.match(column.default)) for column in table.columns if column.default]
    return tuple((name, match[1].lower()) for name, match in found if match)


def caller_values(columns: tuple[tuple[str, str], ...], claims: Claims) -> Record:
    """What the database would fill in if it knew who calls."""
    values = {name: getattr(claims, claim) for name, claim in columns}
    return {name: value for name, value in values.items() if value is not None}


def filled(payload: Payload, defaults: Record) -> Payload:
    """The payload with caller defaults where a record does not set the column."""
    if not defaults or not any(name not in record for record in payload.records for name in defaults):
        return payload
    records = [{**record, **{name: value for name, value in defaults.items() if name not in record}} for record in payload.records]
    return Payload(records, payload.columns)
