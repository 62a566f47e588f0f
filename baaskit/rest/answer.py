"""What goes back: status, headers and bytes of an answer; errors in the dialect's four keys."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

import orjson

from baaskit.errors import BaasError
from baaskit.kernel.claims import Claims

Header = tuple[bytes, bytes]
Send = Callable[[dict[str, object]], Awaitable[None]]

JSON = (b"content-type", b"application/json; charset=utf-8")


class Answer(NamedTuple):
    """`headers` is a fresh list without `content-length`; `body` is empty where the status or the verb has none."""

    status: int
    headers: list[Header]
    body: bytes = b""


async def send_answer(send: Send, answer: Answer, *, head: bool) -> None:
    """Send it; to HEAD without the body."""
    status, headers, body = answer
    if status != 204:
        headers.append((b"content-length", b"%d" % len(body)))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if head else body})


def failure(problem: BaasError, claims: Claims | None) -> Answer:
    """The answer of an error. 42501 is 401 for a caller who could sign in, 403 for one who has."""
    status = problem.status
    if problem.code == "42501" and status == 403 and (claims is None or claims.role == "anon"):
        status = 401
    headers = [JSON, (b"proxy-status", b"baaskit; error=" + problem.code.encode())]
    if status == 401 and "WWW-Authenticate" not in problem.headers:
        headers.append((b"www-authenticate", b"Bearer"))
    headers += [(name.lower().encode("latin-1"), value.encode("latin-1", "replace")) for name, value in problem.headers.items()]
    return Answer(status, headers, orjson.dumps(problem.rest()))


def content_range(first: int, rows: int, total: int | None) -> bytes:
    """`0-49/1234`; `*/1234` without rows; `*` for an unknown total."""
    end = b"*" if total is None else b"%d" % total
    if rows == 0:
        return b"*/" + end
    return b"%d-%d/%b" % (first, first + rows - 1, end)


def array(rows: Sequence[str]) -> bytes:
    """JSON texts → one JSON array."""
    return ("[" + ",".join(rows) + "]").encode()


def without_nulls(text: bytes) -> bytes:
    """The same JSON without keys that are null, at every depth."""
    return orjson.dumps(_stripped(orjson.loads(text)))


def _stripped(value: object) -> object:
    if isinstance(value, dict):
        return {key: _stripped(inner) for key, inner in value.items() if inner is not None}
    if isinstance(value, list):
        return [_stripped(inner) for inner in value]
    return value
