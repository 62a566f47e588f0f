"""Who is present in a channel: joins and leaves by key, one entry per connection. Pure."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from itertools import count
from typing import Any

_refs = count(1)
Metas = dict[str, dict[str, Any]]


def _shown(metas: dict[str, list[dict[str, Any]]]) -> Metas:
    return {key: {"metas": found} for key, found in metas.items() if found}


@dataclass
class Presence:
    """The members of one channel that track a state. A member (`who`) has at most one entry, under its key."""

    _entries: dict[Hashable, tuple[str, dict[str, Any]]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self._entries)

    def state(self) -> Metas:
        """`{key: {"metas": [{"phx_ref": …, …}]}}`"""
        found: dict[str, list[dict[str, Any]]] = {}
        for key, meta in self._entries.values():
            found.setdefault(key, []).append(meta)
        return _shown(found)

    def track(self, who: Hashable, key: str, state: dict[str, Any]) -> dict[str, Metas]:
        """The diff that `who` now being here with `state` makes."""
        before = self._entries.get(who)
        meta = {**state, "phx_ref": f"F{next(_refs):x}"}
        self._entries[who] = (key, meta)
        return {"joins": _shown({key: [meta]}), "leaves": _shown({before[0]: [before[1]]}) if before else {}}

    def untrack(self, who: Hashable) -> dict[str, Metas] | None:
        """The diff of `who` leaving; None if it was not here."""
        before = self._entries.pop(who, None)
        return None if before is None else {"joins": {}, "leaves": _shown({before[0]: [before[1]]})}
