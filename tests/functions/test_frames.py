"""The wire format: what is written is read again, whatever the pieces; what is not a message is refused."""

from __future__ import annotations

import struct
from contextlib import suppress

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from baaskit.functions.frames import Answer, Ask, BadFrame, Call, Control, Decoder, Failure, Hello, Log, Message, Result, encode

MESSAGES: list[Message] = [
    Hello(7),
    Call("c1", {"caller": {"role": "anon"}}, b'{"a":1}'),
    Result("c1", 201, [["content-type", "text/plain"]], b"\x00\xff"),
    Failure("c1", "refused", "no", 409, "GONE", [{"field": "a", "message": "b"}], "trace"),
    Log("c1", "info", "größe"),
    Ask("c1", 3, "caller", "GET", "http://h/p", {"accept": "x"}, b""),
    Answer(3, 200, {"etag": '"1"'}, b"body"),
    Control("fork", {"number": 1}),
]


@given(st.lists(st.sampled_from(MESSAGES), max_size=6), st.integers(1, 50))
def test_messages_arrive_as_sent_however_the_bytes_are_cut(messages: list[Message], piece: int) -> None:
    stream = b"".join(encode(message) for message in messages)
    decoder = Decoder(1 << 20)
    arrived = [m for at in range(0, len(stream), piece) for m in decoder.feed(stream[at : at + piece])]
    assert arrived == messages


def _frame(head: bytes, body: bytes = b"") -> bytes:
    return struct.pack("!II", 4 + len(head) + len(body), len(head)) + head + body


@pytest.mark.parametrize(
    "data",
    [
        struct.pack("!II", 1 << 30, 10),
        struct.pack("!II", 10, 500),
        _frame(b"not json"),
        _frame(b"[]"),
        _frame(b'{"t":"no such"}'),
        _frame(b'{"t":"hello"}'),
        _frame(b'{"t":"hello","pid":"7"}'),
        _frame(b'{"t":"hello","pid":7,"more":1}'),
        _frame(b'{"t":"result","id":"c1","status":"200"}'),
        _frame(orjson.dumps({"t": "log", "id": 1, "level": "info", "message": "m"})),
    ],
)
def test_what_is_not_a_message_is_refused(data: bytes) -> None:
    with pytest.raises(BadFrame):
        list(Decoder(1 << 16).feed(data))


@given(st.binary(max_size=200))
def test_random_bytes_never_raise_anything_else(data: bytes) -> None:
    with suppress(BadFrame):
        list(Decoder(1 << 16).feed(data))
