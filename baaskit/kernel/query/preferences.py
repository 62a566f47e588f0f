"""The `Prefer` header (RFC 7240, PostgREST's preferences) → Preferences."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from baaskit.errors.rest import InvalidPreference
from baaskit.kernel.query.types import Preferences

_FIELDS: dict[str, tuple[str, frozenset[str]]] = {
    "return": ("answer", frozenset({"minimal", "representation", "headers-only"})),
    "count": ("count", frozenset({"exact", "planned", "estimated"})),
    "resolution": ("resolution", frozenset({"merge-duplicates", "ignore-duplicates"})),
    "params": ("params", frozenset({"single-object"})),
    "missing": ("missing", frozenset({"default", "null"})),
}
NONE = Preferences()


@lru_cache(maxsize=512)
def parse_preferences(header: str) -> Preferences:
    """Read `Prefer` (several header lines joined by commas). The first of two preferences of one name counts.

    Unknown preferences are ignored, or with `handling=strict` refused (PGRST122).
    """
    found: dict[str, Any] = {}
    applied: list[str] = []
    unknown: list[str] = []
    for part in header.split(","):
        word = part.strip()
        name, _, value = word.partition("=")
        name, value = name.strip().lower(), value.strip().strip('"')
        if not word or _known(name, value, found, applied):
            continue
        unknown.append(word)
    if found.get("strict") and unknown:
        raise InvalidPreference(unknown)
    if found.get("max_affected") is not None and not found.get("strict"):
        found.pop("max_affected")  # PostgREST honours it only with handling=strict
        applied = [word for word in applied if not word.startswith("max-affected=")]
    return Preferences(**found, applied=tuple(applied))


def _known(name: str, value: str, found: dict[str, Any], applied: list[str]) -> bool:
    key, kept = name, value
    chosen: Any = None
    if name in _FIELDS and value in _FIELDS[name][1]:
        key, chosen = _FIELDS[name][0], value
    elif name == "handling" and value in ("strict", "lenient"):
        key, chosen = "strict", value == "strict"
    elif name == "tx" and value in ("commit", "rollback"):
        key, chosen = "rollback", value == "rollback"
    elif name == "max-affected" and value.isdigit() and len(value) < 10:
        key, chosen = "max_affected", int(value)
    else:
        return False
    if key not in found:
        found[key] = chosen
        applied.append(f"{name}={kept}")
    return True
