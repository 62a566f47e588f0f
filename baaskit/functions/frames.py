"""The wire format between the server and its function processes: length-prefixed messages, without any I/O.

    u32 length of the rest · u32 length of the head · head (JSON object, "t" names the message) · body (raw bytes)

A worker is not trusted: `Decoder` refuses what is too large, not JSON, unknown, or wrongly typed, with `BadFrame`.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, get_args, get_origin, get_type_hints

import orjson

_PREFIX = struct.Struct("!II")
MAX_HEAD = 1 << 20  # bytes; heads carry headers, claims and a traceback, never payloads


class BadFrame(ValueError):
    """The bytes are not a message of this protocol; the connection is of no further use."""


@dataclass(frozen=True, slots=True)
class Hello:
    """Worker → server, once: it is ready for calls. `pid` is in its own namespace."""

    tag: ClassVar[str] = "hello"
    pid: int


@dataclass(frozen=True, slots=True)
class Call:
    """Server → worker: run the function once. `context` as in `worker.context_of`; `body`: the payload of its kind."""

    tag: ClassVar[str] = "call"
    id: str
    context: dict[str, Any]
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Result:
    """Worker → server: the call has ended well. For triggers only the body counts."""

    tag: ClassVar[str] = "result"
    id: str
    status: int = 200
    headers: list[Any] = field(default_factory=list)  # of [name, value]
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Failure:
    """Worker → server: the call has ended badly. `kind`: refused, invalid, malformed, error, memory, result."""

    tag: ClassVar[str] = "failure"
    id: str
    kind: str
    message: str
    status: int = 500
    code: str = ""
    details: list[Any] = field(default_factory=list)
    trace: str = ""


@dataclass(frozen=True, slots=True)
class Log:
    """Worker → server: one entry of the function's log."""

    tag: ClassVar[str] = "log"
    id: str
    level: str
    message: str


@dataclass(frozen=True, slots=True)
class Ask:
    """Worker → server: an HTTP request to the API, as the `caller` or as `admin`. `number` pairs it with its Answer."""

    tag: ClassVar[str] = "ask"
    id: str
    number: int
    identity: str
    method: str
    url: str
    headers: dict[str, Any] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Answer:
    """Server → worker: the response to an Ask. Status 0: it was not performed, `body` says why."""

    tag: ClassVar[str] = "answer"
    number: int
    status: int
    headers: dict[str, Any] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Control:
    """Between server and zygote, both ways: `word` says what (fork, forked, exited, manifest, …)."""

    tag: ClassVar[str] = "control"
    word: str
    data: dict[str, Any] = field(default_factory=dict)


Message = Hello | Call | Result | Failure | Log | Ask | Answer | Control


def _classes(hint: Any) -> tuple[type, ...]:
    return tuple(get_origin(h) or h for h in (get_args(hint) if get_origin(hint) not in (list, dict) else ()) or (hint,))


_KINDS: dict[str, type[Any]] = {c.tag: c for c in get_args(Message)}
_FIELDS: dict[str, dict[str, tuple[type, ...]]] = {
    tag: {f.name: _classes(get_type_hints(c)[f.name]) for f in fields(c) if f.name != "body"} for tag, c in _KINDS.items()
}


def encode(message: Message) -> bytes:
    """The bytes of one message. Raises ValueError if its head holds what JSON cannot."""
    try:
        head = orjson.dumps({"t": message.tag, **{name: getattr(message, name) for name in _FIELDS[message.tag]}})
    except TypeError as problem:
        raise ValueError(str(problem)) from None
    body: bytes = getattr(message, "body", b"")
    return b"".join((_PREFIX.pack(4 + len(head) + len(body), len(head)), head, body))


class Decoder:
    """Bytes in, messages out. `limit`: the largest message accepted, in bytes."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._buffer = bytearray()

    def feed(self, data: bytes | bytearray | memoryview) -> Iterator[Message]:
        """The messages that `data` completes. Raises BadFrame; the decoder is spent then."""
        self._buffer += data
        while len(self._buffer) >= _PREFIX.size:
            size, head_size = _PREFIX.unpack_from(self._buffer)
            if size > self._limit or head_size > min(size - 4, MAX_HEAD):
                raise BadFrame(f"a message of {size} bytes (head {head_size}) is over the limit of {self._limit}")
            end = 4 + size
            if len(self._buffer) < end:
                return
            split = _PREFIX.size + head_size
            head, body = bytes(self._buffer[_PREFIX.size : split]), bytes(self._buffer[split:end])
            del self._buffer[:end]
            yield _read(head, body)


def _read(head: bytes, body: bytes) -> Message:
    try:
        given = orjson.loads(head)
        tag = given.pop("t")
        wanted = _FIELDS[tag]
        if any(not isinstance(value, wanted[name]) for name, value in given.items()):
            raise BadFrame(f"a field of a {tag} message has the wrong type")
        if "body" in _KINDS[tag].__dataclass_fields__:
            given["body"] = body
        message: Message = _KINDS[tag](**given)
        return message
    except (KeyError, TypeError, AttributeError, orjson.JSONDecodeError) as problem:
        raise BadFrame(f"not a message: {problem}") from None
