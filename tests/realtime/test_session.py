"""The protocol's state machine alone: frames in, actions out."""

from __future__ import annotations

import json
from typing import Any

import pytest

from baaskit.errors import ExpiredToken, InvalidToken
from baaskit.errors.realtime import JoinRefused
from baaskit.kernel.claims import Claims
from baaskit.realtime.frames import JSON, RAW, Binary, decode, encode_broadcast
from baaskit.realtime.limits import Limits
from baaskit.realtime.session import Broadcast, Close, Join, Leave, Recast, Rights, Send, Session, Track

NOW = 1000.0


class Box:
    def __init__(self) -> None:
        self.frames: list[Any] = []

    def put(self, frame: Any) -> bool:
        self.frames.append(frame)
        return True

    def overflow(self) -> None:
        raise AssertionError("overflow")

    def when_drained(self, told: Any) -> None:
        raise AssertionError("drained")


def verify(token: str | None, now: float) -> Claims:
    if token == "a.b.old":
        raise ExpiredToken("JWT expired")
    if token == "a.b.bad":
        raise InvalidToken("JWT could not be verified: Signature")
    if token == "nonsense":
        raise InvalidToken("JWT could not be verified: Not enough segments")
    return Claims("authenticated", "u", {"exp": NOW + 60} if token == "a.b.short" else {}, token)


def make(version: Any = 2, **limits: Any) -> Session:
    return Session(version, "key", verify, Box(), Limits(**limits))


def say(
    session: Session,
    event: str,
    payload: Any = None,
    *,
    topic: str = "realtime:room",
    ref: str | None = "2",
    join_ref: str | None = "1",
    now: float = NOW,
) -> list[Any]:
    return list(session.receive(json.dumps([join_ref, ref, topic, event, payload if payload is not None else {}]), now))


def joined(session: Session, config: dict[str, Any] | None = None, **payload: Any) -> Any:
    [join] = say(session, "phx_join", {"config": config or {}, **payload}, ref="1")
    assert isinstance(join, Join)
    session.accept(join.channel, {"postgres_changes": []})
    return join.channel


def sent(action: Any) -> list[Any]:
    assert isinstance(action, Send)
    return list(json.loads(action.frame))


def test_a_heartbeat_is_answered() -> None:
    [answer] = say(make(), "heartbeat", topic="phoenix", join_ref=None)
    assert sent(answer) == [None, "2", "phoenix", "phx_reply", {"status": "ok", "response": {}}]


def test_version_1_speaks_in_objects() -> None:
    [answer] = make(1).receive('{"topic":"phoenix","event":"heartbeat","payload":{},"ref":"7"}', NOW)
    assert json.loads(answer.frame) == {
        "topic": "phoenix",
        "event": "phx_reply",
        "payload": {"status": "ok", "response": {}},
        "ref": "7",
        "join_ref": None,
    }  # type: ignore[union-attr]


def test_the_answer_to_a_join_comes_before_what_was_held_back() -> None:
    session = make()
    [join] = say(session, "phx_join", {"config": {}}, ref="1")
    join.channel.push("presence_state", {})
    reply, held = session.accept(join.channel, {"postgres_changes": []})
    assert sent(reply) == ["1", "1", "realtime:room", "phx_reply", {"status": "ok", "response": {"postgres_changes": []}}]
    assert sent(held) == [None, None, "realtime:room", "presence_state", {}]


def test_a_refused_join_says_code_and_words_and_is_forgotten() -> None:
    session = make()
    [join] = say(session, "phx_join", {}, ref="1")
    reply, leave = session.refuse(join.channel, JoinRefused("Unauthorized", "You do not have permissions"))
    assert sent(reply)[4] == {"status": "error", "response": {"reason": "Unauthorized: You do not have permissions"}}
    assert isinstance(leave, Leave) and not session.channels


@pytest.mark.parametrize(
    ("token", "code"), [("a.b.old", "InvalidJWTToken"), ("a.b.bad", "JwtSignatureError"), ("nonsense", "MalformedJWT")]
)
def test_a_bad_token_refuses_the_join_with_the_word_that_clients_know(token: str, code: str) -> None:
    [answer] = say(make(), "phx_join", {"access_token": token}, ref="1")
    assert sent(answer)[4]["response"]["reason"].startswith(code + ": ")


def test_an_opaque_key_as_access_token_means_the_key_of_the_connection() -> None:
    assert joined(make(), access_token="sb_publishable_x").token == "key"


@pytest.mark.parametrize("topic", ["realtime:", "room", ""])
def test_a_topic_needs_a_name(topic: str) -> None:
    [answer] = say(make(), "phx_join", topic=topic)
    assert sent(answer)[4]["response"]["reason"].startswith("TopicNameRequired: ")


def test_leaving_is_answered_and_closed() -> None:
    session = make()
    joined(session)
    reply, leave, close = say(session, "phx_leave", ref="4")
    assert sent(reply)[:4] == ["1", "4", "realtime:room", "phx_reply"] and isinstance(leave, Leave)
    assert sent(close)[0] == "1" and sent(close)[3] == "phx_close"


def test_joining_again_replaces_the_former_join() -> None:
    session = make()
    first = joined(session)
    leave, close, join = say(session, "phx_join", {}, ref="5", join_ref="5")
    assert leave == Leave(first) and sent(close)[0] == "1" and isinstance(join, Join) and first.state == "closed"


def test_an_event_of_a_replaced_join_is_ignored() -> None:
    session = make()
    joined(session)
    say(session, "phx_join", {}, ref="5", join_ref="5")
    assert say(session, "phx_leave", join_ref="1") == []


def test_an_event_on_a_topic_that_is_not_joined_is_answered_with_an_error() -> None:
    [answer] = say(make(), "broadcast", {"event": "x"})
    assert sent(answer)[4] == {"status": "error", "response": {"reason": "unmatched topic"}}


def test_a_broadcast_is_acknowledged_only_when_asked_for() -> None:
    session = make()
    joined(session)
    assert [type(a) for a in say(session, "broadcast", {"event": "e"})] == [Broadcast]
    session = make()
    joined(session, {"broadcast": {"ack": True}})
    assert [type(a) for a in say(session, "broadcast", {"event": "e"})] == [Broadcast, Send]


def test_a_broadcast_without_the_right_to_write_is_dropped_and_not_acknowledged() -> None:
    session = make()
    joined(session, {"broadcast": {"ack": True}}).rights = Rights(True, False, True, False)
    assert say(session, "broadcast", {"event": "e"}) == []
    [refused] = say(session, "presence", {"event": "track", "payload": {}})
    assert sent(refused)[4]["status"] == "error"


def test_presence_must_be_an_object() -> None:
    session = make()
    joined(session)
    [answer] = say(session, "presence", {"event": "track", "payload": "x"})
    assert sent(answer)[4]["status"] == "error"
    track, reply = say(session, "presence", {"event": "track", "payload": {"a": 1}})
    assert isinstance(track, Track) and sent(reply)[4]["status"] == "ok"


def test_a_new_token_changes_the_claims_and_the_same_one_nothing() -> None:
    session = make()
    channel = joined(session)
    assert say(session, "access_token", {"access_token": "a.b.short"}) == [Recast(channel)]
    assert channel.claims.expires == NOW + 60
    assert say(session, "access_token", {"access_token": "a.b.short"}) == []


def test_a_token_that_ends_ends_its_channel() -> None:
    session = make()
    joined(session, access_token="a.b.short")
    assert session.sweep(NOW + 59) == []
    system, leave, close = session.sweep(NOW + 61)
    assert sent(system)[4]["status"] == "error" and "Token has expired" in sent(system)[4]["message"]
    assert isinstance(leave, Leave) and sent(close)[3] == "phx_close"


def test_a_silent_client_is_disconnected() -> None:
    session = make(idle_seconds=90)
    say(session, "heartbeat", topic="phoenix")
    assert session.sweep(NOW + 89) == []
    assert session.sweep(NOW + 91) == [Close(1001, "no heartbeat")]


def test_channels_and_joins_are_limited() -> None:
    session = make(channels=1)
    joined(session)
    [answer] = say(session, "phx_join", topic="realtime:other")
    assert sent(answer)[4]["response"]["reason"].startswith("ChannelRateLimitReached: ")
    session = make(joins_per_second=2)
    answers = [say(session, "phx_join", topic=f"realtime:{n}")[-1] for n in range(3)]
    assert [type(a) for a in answers] == [Join, Join, Send]


@pytest.mark.parametrize(
    "data",
    [
        "",
        "[]",
        "{",
        "null",
        "[1,2,3,4,5]",
        '["1","1",null,"phx_join",{}]',
        '["1","1","t","e",[]]',
        "[" * 100_000,
        b"",
        b"\x03",
        b"\xff" * 50,
        b"\x03\xff\xff\xff\xff\xff\x01abc",
    ],
)
def test_what_is_no_frame_closes_the_connection_and_nothing_else(data: Any) -> None:
    [action] = make().receive(data, NOW)
    assert isinstance(action, Close)


def test_too_many_frames_close_the_connection() -> None:
    session = make(frames_per_second=5)
    actions = [say(session, "heartbeat", topic="phoenix")[0] for _ in range(6)]
    assert isinstance(actions[-1], Close) and isinstance(actions[4], Send)


def test_an_oversized_broadcast_is_refused_and_the_connection_stays() -> None:
    session = make(payload_bytes=200)
    joined(session)
    [answer] = say(session, "broadcast", {"x": "y" * 300})
    assert sent(answer)[4]["status"] == "error"
    assert isinstance(say(session, "phx_join", {"x": "y" * 300})[0], Close)


def binary(encoding: int, body: bytes, event: bytes = b"ping", topic: bytes = b"realtime:room") -> bytes:
    return bytes([3, 1, 1, len(topic), len(event), 0, encoding]) + b"1" + b"9" + topic + event + body


def test_binary_broadcasts_are_read_and_written() -> None:
    frame = decode(2, binary(JSON, b'{"a":1}'))
    assert (frame.join_ref, frame.ref, frame.topic, frame.event) == ("1", "9", "realtime:room", "broadcast")
    assert frame.payload == Binary("ping", JSON, b'{"a":1}')
    out = encode_broadcast(2, "realtime:room", frame.payload)
    assert out == b"\x04\x0d\x04\x00\x01realtime:roomping" + b'{"a":1}'
    shown = encode_broadcast(1, "realtime:room", frame.payload)
    assert isinstance(shown, str) and json.loads(shown)["payload"] == {"type": "broadcast", "event": "ping", "payload": {"a": 1}}
    assert encode_broadcast(1, "realtime:room", Binary("ping", RAW, b"\x00")) is None
