"""Audiences found by the owner of a changed row: a change costs by those whom it can concern, not by all who listen. Pure."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from datetime import datetime
from typing import Generic, NamedTuple, TypeVar

from baaskit.kernel.changes import Change
from baaskit.kernel.claims import Claims
from baaskit.kernel.policy import Expr, conjuncts
from baaskit.kernel.policy.claims import claim_value
from baaskit.kernel.policy.expr import ROW, Claim, ClaimName, Column, Compare

T = TypeVar("T")
_FAMILIES: dict[ClaimName, str] = {"uid": "uuid", "uid_int": "int", "uid_text": "text"}  # `auth.uid()` by its type → that of the column
_NEVER = datetime.min  # ids do not depend on the moment


class Owner(NamedTuple):
    """The audience sees only rows whose `column` is the caller's id, given coarsely by `key`; none at all when that is None."""

    column: str
    key: str | None


def owner_of(condition: Expr | None, claims: Claims) -> Owner | None:
    """What `column = auth.uid()`, demanded by the policy beside whatever else, says of a caller; None: no such demand."""
    for part in () if condition is None else conjuncts(condition):
        if isinstance(part, Compare) and part.op == "=":
            sides = (part.left, part.right)
            names = [s.name for s in sides if isinstance(s, Claim) and s.name in _FAMILIES]
            family = _FAMILIES[names[0]] if names else None
            columns = [s.name for s in sides if isinstance(s, Column) and s.source == ROW and s.type.family == family and not s.type.array]
            if columns:
                return Owner(columns[0], _key(claim_value(names[0], claims, _NEVER)))
    return None


def _key(value: object) -> str | None:
    """Equal for whatever a database calls equal (spellings of a uuid; text under a collation that ignores case or trailing blanks)
    and for a little more, which costs a second look and loses nothing."""
    return None if value is None else str(value).replace("-", "").rstrip().casefold()


class ByOwner(Generic[T]):
    """Audiences of one table by their keys."""

    def __init__(self) -> None:
        self._all: dict[Hashable, tuple[T, Owner | None]] = {}
        self._unowned: dict[Hashable, T] = {}
        self._owned: dict[str, dict[str | None, dict[Hashable, T]]] = {}

    def __len__(self) -> int:
        return len(self._all)

    def __iter__(self) -> Iterator[T]:
        return iter([audience for audience, _ in self._all.values()])

    def get(self, key: Hashable) -> T | None:
        found = self._all.get(key)
        return None if found is None else found[0]

    def add(self, key: Hashable, audience: T, owner: Owner | None) -> None:
        self._all[key] = (audience, owner)
        if owner is None:
            self._unowned[key] = audience
        else:
            self._owned.setdefault(owner.column, {}).setdefault(owner.key, {})[key] = audience

    def remove(self, key: Hashable) -> None:
        _, owner = self._all.pop(key, (None, None))
        if owner is None:
            self._unowned.pop(key, None)
            return
        people = self._owned[owner.column]
        people[owner.key].pop(key, None)
        if not people[owner.key]:
            del people[owner.key]

    def concerned(self, changes: Iterable[Change]) -> list[T]:
        """The audiences that may see a row of these changes, before or after. A truncate concerns all."""
        found, changes = dict(self._unowned), list(changes)
        if any(change.op == "truncate" for change in changes):
            return list(self)
        for column, people in self._owned.items():
            values = {row.get(column) for change in changes for row in (change.before, change.after) if row is not None}
            for value in values:
                found |= people.get(_key(value), {}) if value is not None else {}
        return list(found.values())
