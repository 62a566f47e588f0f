"""The caller as a policy sees it: the values behind `auth.uid()` and its kin, and their bind parameters in SQL."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any

from baaskit.kernel.claims import Claims
from baaskit.kernel.policy import scalars
from baaskit.kernel.policy.expr import ClaimName

CLAIM_BINDS: Mapping[ClaimName, str] = {
    name: f"claims_{name}" for name in ("uid", "uid_int", "uid_text", "role", "email", "jwt", "topic", "now")
}


def claim_value(name: ClaimName, claims: Claims, now: datetime, topic: str | None = None) -> Any:
    """The canonical value of one claim. A subject that is not of the type of `auth.uid()` is NULL: it can own no row."""
    match name:
        case "uid":
            return scalars.uuid_text(claims.uid) if claims.uid else None
        case "uid_int":
            return _integer(claims.uid) if claims.uid else None
        case "uid_text":
            return claims.uid if claims.uid and _clean(claims.uid) == claims.uid else None
        case "role":
            return claims.role
        case "email":
            return _clean(claims.email) if claims.email else None
        case "jwt":
            return claims.jwt
        case "topic":
            return topic
        case "now":
            return _now_text(now)


def claim_binds(claims: Claims, now: datetime, topic: str | None = None) -> dict[str, Any]:
    """Values for the bind parameters of `to_sql`, all text or None, the same on both databases."""
    values: dict[str, Any] = {bind: claim_value(name, claims, now, topic) for name, bind in CLAIM_BINDS.items()}
    values["claims_jwt"] = json_bind(claims.jwt)
    if values["claims_uid_int"] is not None:
        values["claims_uid_int"] = str(values["claims_uid_int"])
    return values


_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,18}")


def _integer(text: str) -> int | None:
    """The 64-bit integer that is written so, in this one way: two subjects are never one user."""
    return number if _INTEGER.fullmatch(text) and -(2**63) <= (number := int(text)) < 2**63 else None


def json_bind(value: Any) -> str:
    """JSON text that both databases take: a NUL or half a surrogate pair, which PostgreSQL refuses, becomes `�`."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)
    if "\\u0000" in text or not text.isascii():
        text = json.dumps(_clean(value), ensure_ascii=False, separators=(",", ":"), default=str)
    return text


def _clean(value: Any) -> Any:
    match value:
        case str():
            return value.replace("\x00", "\ufffd").encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        case Mapping():
            return {_clean(k): _clean(v) for k, v in value.items()}
        case list():
            return [_clean(v) for v in value]
        case _:
            return value


@lru_cache(maxsize=64)
def _now_text(now: datetime) -> str:
    return scalars.timestamptz_text(now)  # one `now` serves all rows of a request or a batch of changes
