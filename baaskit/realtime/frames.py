"""Frames of the channel protocol, versions 1 (objects) and 2 (arrays, and binary broadcasts): bytes to values and back. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import orjson

Version = Literal[1, 2]
Wire = str | bytes  # what a WebSocket message holds: text or binary
RAW, JSON = 0, 1  # encodings of a binary broadcast's payload
_MAX_PIECE = 255  # the length of each piece of a binary frame is one byte


class BadFrame(ValueError):
    """The message is no frame of the protocol."""


@dataclass(frozen=True, slots=True)
class Binary:
    """The payload of a broadcast that came, or goes, as a binary frame. `meta` is JSON text or empty."""

    event: str
    encoding: int
    body: bytes
    meta: bytes = b""


@dataclass(frozen=True, slots=True)
class Frame:
    """One message of a client. `payload` is an object, or `Binary` for a binary broadcast."""

    join_ref: str | None
    ref: str | None
    topic: str
    event: str
    payload: dict[str, Any] | Binary


def decode(version: Version, data: Wire) -> Frame:
    """Read one message of a client. Raises BadFrame."""
    if isinstance(data, bytes):
        return _decode_binary(version, data)
    try:
        found = orjson.loads(data)
    except ValueError as problem:
        raise BadFrame("not JSON") from problem
    if version == 2 and isinstance(found, list) and len(found) == 5:
        join_ref, ref, topic, event, payload = found
    elif isinstance(found, dict):
        join_ref, ref, topic, event, payload = (found.get(name) for name in ("join_ref", "ref", "topic", "event", "payload"))
    else:
        raise BadFrame("not a frame")
    if not isinstance(topic, str) or not isinstance(event, str) or not isinstance(payload, dict | None):
        raise BadFrame("topic and event must be text, payload an object")
    return Frame(_ref(join_ref), _ref(ref), topic, event, payload or {})


def _ref(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise BadFrame("a ref must be text")


def _decode_binary(version: Version, data: bytes) -> Frame:
    """03 | joinRefLen refLen topicLen eventLen metaLen | encoding | joinRef ref topic event meta payload"""
    if version != 2 or len(data) < 7 or data[0] != 3 or data[6] not in (RAW, JSON):
        raise BadFrame("not a binary broadcast")
    pieces, at = [], 7
    for length in data[1:6]:
        pieces.append(data[at : at + length])
        at += length
    if at > len(data):
        raise BadFrame("the binary frame is cut short")
    try:
        join_ref, ref, topic, event = (piece.decode() for piece in pieces[:4])
    except UnicodeDecodeError as problem:
        raise BadFrame("names must be UTF-8") from problem
    body = data[at:]
    if data[6] == JSON:
        try:
            orjson.loads(body)
        except ValueError as problem:
            raise BadFrame("the payload is not JSON") from problem
    return Frame(join_ref or None, ref or None, topic, "broadcast", Binary(event, data[6], body))


def dump(value: Any) -> str:
    return orjson.dumps(value).decode()


def encode(version: Version, topic: str, event: str, payload: Any, *, join_ref: str | None = None, ref: str | None = None) -> str:
    """A text frame of the server."""
    return encode_json(version, dump(topic), event, dump(payload), dump(join_ref), dump(ref))


def encode_json(version: Version, topic: str, event: str, payload: str, join_ref: str = "null", ref: str = "null") -> str:
    """The same of parts that are JSON already (but for `event`, a word of ours): what many receivers share is encoded once."""
    if version == 2:
        return f'[{join_ref},{ref},{topic},"{event}",{payload}]'
    return f'{{"topic":{topic},"event":"{event}","payload":{payload},"ref":{ref},"join_ref":{join_ref}}}'


def encode_broadcast(version: Version, topic: str, message: dict[str, Any] | Binary) -> Wire | None:
    """A broadcast as a receiver of `version` gets it; None when it cannot (a raw payload on version 1)."""
    if not isinstance(message, Binary):
        return encode(version, topic, "broadcast", message)
    names = [topic.encode(), message.event.encode(), message.meta]
    if version == 2 and all(len(name) <= _MAX_PIECE for name in names):
        return bytes([4, *map(len, names), message.encoding]) + b"".join(names) + message.body
    if message.encoding == RAW:
        return None
    shown = {"type": "broadcast", "event": message.event, "payload": orjson.Fragment(message.body)}
    return encode(version, topic, "broadcast", shown)
