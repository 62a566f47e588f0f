"""The local result of a live query: snapshot and deltas in, ordered rows and changes out. No waiting, no network."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

from ._calls import Row
from ._errors import UnreadableAnswer

R = TypeVar("R")


@dataclass(frozen=True)
class Change(Generic[R]):
    """What happened to one row of a live query.

    `enter`: it is now part of the result, `old` is None. `change`: it has new values. `leave`: it is no longer part of
    the result (deleted, no longer matching, no longer to be seen), `row` is None. `key`: its primary key.
    """

    kind: Literal["enter", "change", "leave"]
    key: Row
    row: R | None
    old: R | None


class LiveRows:
    """Rows by primary key, in the query's order. `orders` are the terms of the query (`"price.desc"`).

    A change is told by comparing with what is already here, so what arrives twice is told once.
    """

    def __init__(self, orders: Sequence[str] = ()) -> None:
        self.cursor: str | None = None
        self._key: tuple[str, ...] = ()
        self._rows: dict[str, Row] = {}
        self._terms = [_term(text) for part in orders for text in part.split(",")]

    @property
    def rows(self) -> list[Row]:
        return list(self._rows.values())

    def checkpoint(self) -> dict[str, Any]:
        """All of it as plain JSON values, for `restore` in a later run."""
        return {"cursor": self.cursor, "key": list(self._key), "rows": self.rows}

    def restore(self, checkpoint: dict[str, Any]) -> None:
        self.cursor, self._key = checkpoint["cursor"], tuple(checkpoint["key"])
        self._rows = {self._identity(row): row for row in checkpoint["rows"]}

    def snapshot(self, payload: dict[str, Any]) -> list[Change[Row]]:
        """Replace everything; tells how it differs from what was here."""
        before = self._rows
        self._key = tuple(payload.get("key") or self._key)
        if not self._key:
            raise UnreadableAnswer("A live query needs a table with a primary key")
        self._rows = {self._identity(row): row for row in payload["rows"]}
        self.cursor = payload["cursor"]
        left = [Change[Row]("leave", self._key_of(old), None, old) for key, old in before.items() if key not in self._rows]
        return left + [change for key, row in self._rows.items() if (change := self._compared(row, before.get(key)))]

    def delta(self, payload: dict[str, Any]) -> list[Change[Row]]:
        """Apply what one transaction did: first what left, then what changed and what came."""
        if payload["cursor"] == self.cursor:
            return []
        told: list[Change[Row]] = []
        for key in payload.get("leave") or ():
            if old := self._rows.pop(self._identity(key), None):
                told.append(Change("leave", self._key_of(old), None, old))
        arrived = [*(payload.get("change") or ()), *(payload.get("enter") or ())]
        for row in arrived:
            identity = self._identity(row)
            if change := self._compared(row, self._rows.get(identity)):
                told.append(change)
            self._rows[identity] = row
        self._arrange(payload.get("order"), bool(arrived))
        self.cursor = payload["cursor"]
        return told

    def _compared(self, row: Row, old: Row | None) -> Change[Row] | None:
        if old is None:
            return Change("enter", self._key_of(row), row, None)
        return Change("change", self._key_of(row), row, old) if row != old else None

    def _arrange(self, order: list[Row] | None, arrived: bool) -> None:
        """`order` holds all keys in order; empty: what arrived stays last; None: the query's terms decide, here."""
        if order is not None:
            place = {self._identity(key): at for at, key in enumerate(order)}
            self._rows = dict(sorted(self._rows.items(), key=lambda item: place.get(item[0], len(place))))
        elif arrived and self._terms:
            rows = list(self._rows.items())
            for column, desc, null_rank in reversed(self._terms):  # stable sorts, the most important one last
                rows.sort(key=lambda item: _rank(item[1].get(column), null_rank), reverse=desc)
            self._rows = dict(rows)

    def _key_of(self, row: Row) -> Row:
        return {name: row[name] for name in self._key}

    def _identity(self, row: Row) -> str:
        try:
            return json.dumps([row[name] for name in self._key])
        except KeyError as exc:
            raise UnreadableAnswer(f"A live row lacks its key column {exc}", hint="Select the primary key columns, too.") from exc


def _term(text: str) -> tuple[str, bool, int]:
    """A sort term as (column, descending, rank of null); rank 1 against 0 for values, before `reverse` is applied."""
    column, *how = text.split(".")
    desc = "desc" in how
    nulls_first = "nullsfirst" in how or (desc and "nullslast" not in how)
    return column, desc, 1 if nulls_first == desc else -1


def _rank(value: Any, null_rank: int) -> tuple[int, Any]:
    if value is None:
        return null_rank, 0
    return 0, value if isinstance(value, (int, float, str)) else json.dumps(value, sort_keys=True)
