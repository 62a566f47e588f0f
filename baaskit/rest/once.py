"""`Idempotency-Key`: a write that is sent again is not done again; its answer is given again (draft-ietf-httpapi-idempotency-key-header).

The answer is stored in the transaction of the write, so there is never one without the other. A refused write stores nothing.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
from sqlalchemy import delete, select, update
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from baaskit.errors.rest import AnswerWithheld, InvalidKey, KeyReused
from baaskit.kernel.database import Database, Script
from baaskit.rest.answer import Answer
from baaskit.rest.request import Request

MAX_KEY = 255  # characters
REPLAYED = (b"idempotency-replayed", b"true")
_SAYS_MORE = (b"content-type", b"content-profile", b"accept", b"prefer")  # headers that make it another request
_PASSING = frozenset({"exp", "iat", "nbf", "jti", "iss", "aud", "amr", "session_id"})  # claims that change from token to token

Plan = Callable[[], Awaitable[Callable[[], Script[Answer]]]]


@dataclass(frozen=True, slots=True)
class Key:
    """Hashes: `name` of caller, address and key; `request` of what was sent; `rights` of what the caller may depend on."""

    name: str
    request: str
    rights: str


def key_of(request: Request, address: str, body: bytes, policies: int) -> Key:
    """The key of a write to `address` under version `policies` of the policies. Raises InvalidKey.

    Two callers never share a key, nor do two roles of one; callers without an account share what is known of their role.
    """
    given = request.headers[b"idempotency-key"].decode("latin-1").strip()
    if len(given) > 1 and given[0] == given[-1] == '"':  # the draft's form: a quoted string
        given = given[1:-1]
    if not 1 <= len(given) <= MAX_KEY:
        raise InvalidKey()
    claims = request.claims
    query = "&".join(part for part in request.raw_query.split("&") if not part.startswith("apikey="))
    sent = [request.method, query, *(request.headers.get(name, b"").decode("latin-1") for name in _SAYS_MORE)]
    lasting = {name: value for name, value in claims.jwt.items() if name not in _PASSING}
    return Key(
        _hash(orjson.dumps([claims.role, claims.uid, address, given])),
        _hash(orjson.dumps(sent), body),
        _hash(orjson.dumps([policies, lasting], option=orjson.OPT_SORT_KEYS)),
    )


def _hash(*parts: bytes) -> str:
    return hashlib.sha256(b"\x00".join(parts)).hexdigest()


@dataclass(slots=True)
class Running:
    """The keys whose writes are running in this process: a second request waits for the first without holding a connection.

    Across processes it waits in the database, for the row of the key.
    """

    _locks: dict[str, tuple[asyncio.Lock, int]] = field(default_factory=dict)

    @asynccontextmanager
    async def _alone(self, name: str) -> AsyncIterator[None]:
        lock, waiting = self._locks.get(name) or (asyncio.Lock(), 0)
        self._locks[name] = lock, waiting + 1
        try:
            async with lock:
                yield
        finally:
            lock, waiting = self._locks[name]
            if waiting > 1:
                self._locks[name] = lock, waiting - 1
            else:
                del self._locks[name]

    async def once(self, database: Database, key: Key, keep_seconds: int, plan: Plan) -> Answer:
        """The answer of `plan`'s script, run now or before. Raises KeyReused, AnswerWithheld and what the write raises.

        A write that was done before is not planned again, so its `before` functions do not run again.
        """
        async with self._alone(key.name):
            t = database.tables.idempotency
            known = await database.query(select(t).where(t.c.key == key.name, t.c.expires_at > datetime.now(UTC)))
            if known:
                return _again(known[0], key)
            script = await plan()

            def kept() -> Script[Answer]:
                row = yield from _claim(database, key, datetime.now(UTC), keep_seconds)
                if row is not None:  # another process was faster
                    return _again(row, key)
                answer = yield from script()
                headers = [[name.decode(), value.decode("latin-1")] for name, value in answer.headers]
                yield update(t).where(t.c.key == key.name).values(status=answer.status, headers=headers, body=answer.body)
                return answer

            return await database.run(kept)


def _claim(database: Database, key: Key, now: datetime, keep_seconds: int) -> Script[Mapping[str, Any] | None]:
    """Take the key for this transaction, waiting for one that has it; its row, if that one carried the write out."""
    t = database.tables.idempotency
    values = {"fingerprint": key.request, "rights": key.rights, "expires_at": now + timedelta(seconds=keep_seconds)}
    statement: Any = (sqlite_insert if database.dialect == "sqlite" else pg_insert)(t).values(key=key.name, **values)
    taken = yield statement.on_conflict_do_update(index_elements=["key"], set_=values, where=t.c.expires_at <= now).returning(t.c.key)
    if taken:
        return None
    [row] = yield select(t).where(t.c.key == key.name)
    return row  # type: ignore[no-any-return]


def _again(row: Mapping[str, Any], key: Key) -> Answer:
    if row["fingerprint"] != key.request:
        raise KeyReused()
    if row["body"] and row["rights"] != key.rights:
        raise AnswerWithheld()
    headers = [(str(name).encode(), str(value).encode("latin-1")) for name, value in row["headers"]]
    return Answer(row["status"], [*headers, REPLAYED], bytes(row["body"]))


async def forget_answers(database: Database) -> None:
    """Delete the answers that have expired."""
    t = database.tables.idempotency

    def script() -> Script[None]:
        yield delete(t).where(t.c.expires_at <= datetime.now(UTC))

    await database.run(script)
