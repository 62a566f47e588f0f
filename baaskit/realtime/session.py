"""The protocol's state machine of one connection: frames in, actions out. No I/O, no waiting; the clock is an argument.

    action = session.receive(message, now)      # Send, Join, Leave, Recast, Broadcast, Track, Close: carry them out in order
    session.accept(channel, ids) | session.refuse(channel, error)      # the answer to a Join, when it is known

A channel is joining until it is accepted; what is offered to it meanwhile is held back, so that the answer comes first.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol
from uuid import uuid4

from baaskit.errors import BaasError, ExpiredToken, InvalidToken
from baaskit.errors.realtime import JoinRefused
from baaskit.kernel.claims import Claims
from baaskit.realtime.config import JoinConfig, read_config
from baaskit.realtime.frames import BadFrame, Binary, Frame, Version, Wire, decode, encode
from baaskit.realtime.limits import DEFAULTS, Limits, Rate

PREFIX = "realtime:"
Verify = Callable[[str | None, float], Claims]


class Outbox(Protocol):
    """A connection's bounded queue."""

    def put(self, frame: Wire) -> bool:
        """Take a frame; False, and nothing is taken, when the queue is full."""

    def overflow(self) -> None:
        """End the connection: it cannot keep up."""

    def when_drained(self, told: Callable[[], None]) -> None:
        """Call `told` once, as soon as the queue is empty."""


@dataclass(frozen=True, slots=True)
class Rights:
    """What a member may do in its channel; everything in a public one."""

    read: bool = True
    broadcast: bool = True
    see_presence: bool = True
    track: bool = True


@dataclass(eq=False, slots=True)
class Channel:
    """One joined (or joining) topic of one connection. `name` is the topic without its prefix."""

    version: Version
    topic: str
    join_ref: str | None
    ref: str | None
    config: JoinConfig
    token: str | None
    claims: Claims
    outbox: Outbox
    state: Literal["joining", "joined", "closed"] = "joining"
    rights: Rights = Rights()
    presence_key: str = field(default_factory=lambda: str(uuid4()))
    held: list[Wire] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.topic.removeprefix(PREFIX)

    def offer(self, frame: Wire) -> bool:
        """Hand a frame to the connection's bounded queue; False when it is full and the frame is not taken."""
        if self.state == "joining":
            self.held.append(frame)
            return True
        return self.state == "joined" and self.outbox.put(frame)

    def must(self, frame: Wire) -> None:
        """Hand over a frame that cannot be told again later: where it does not fit, the connection ends (close code 1013)."""
        if not self.offer(frame) and self.state == "joined":
            self.outbox.overflow()

    def push(self, event: str, payload: Any) -> None:
        self.must(encode(self.version, self.topic, event, payload))

    def system(self, status: str, message: str, extension: str) -> None:
        self.push("system", {"channel": self.name, "extension": extension, "status": status, "message": message})


@dataclass(frozen=True, slots=True)
class Send:
    frame: Wire


@dataclass(frozen=True, slots=True)
class Join:
    """Find out whether the channel may be joined, make its subscriptions active, then `accept` or `refuse`."""

    channel: Channel


@dataclass(frozen=True, slots=True)
class Leave:
    """The channel is no longer there."""

    channel: Channel


@dataclass(frozen=True, slots=True)
class Recast:
    """The channel's caller has other claims now."""

    channel: Channel


@dataclass(frozen=True, slots=True)
class Broadcast:
    channel: Channel
    message: dict[str, Any] | Binary


@dataclass(frozen=True, slots=True)
class Track:
    """The channel's member is present with `state`, or no longer when it is None."""

    channel: Channel
    state: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Close:
    code: int
    reason: str


Action = Send | Join | Leave | Recast | Broadcast | Track | Close


class Session:
    """One connection. `key` is what it was opened with; `outbox` takes frames for the client."""

    def __init__(self, version: Version, key: str, verify: Verify, outbox: Outbox, limits: Limits = DEFAULTS) -> None:
        self.version, self.limits = version, limits
        self.channels: dict[str, Channel] = {}
        self.last_frame: float | None = None
        self._key, self._verify, self._outbox = key, verify, outbox
        self._joins, self._frames = Rate(limits.joins_per_second), Rate(limits.frames_per_second)

    # ---- from the client ------------------------------------------------------------------------------------------

    def receive(self, data: Wire, now: float) -> list[Action]:
        """What one message of the client asks for. `now` in unix seconds. Never raises."""
        self.last_frame = now
        if not self._frames.take(now):
            return [Close(1008, "too many messages")]
        try:
            frame = decode(self.version, data)
        except (BadFrame, RecursionError) as problem:
            return [Close(1007 if isinstance(data, str) else 1003, str(problem)[:100])]
        if len(data) > self.limits.payload_bytes:
            return self._oversized(frame)
        if frame.topic == "phoenix":
            return [self._reply(frame, "ok", {})] if frame.event == "heartbeat" else []
        if frame.event == "phx_join":
            return self._join(frame, now)
        channel = self.channels.get(frame.topic)
        if channel is None or (channel.state != "joined" and frame.event not in ("phx_leave", "access_token")):
            return [self._reply(frame, "error", {"reason": "unmatched topic"})] if frame.ref is not None else []
        if frame.join_ref is not None and channel.join_ref is not None and frame.join_ref != channel.join_ref:
            return []  # meant for a join that was replaced
        return self._event(channel, frame, now)

    def _event(self, channel: Channel, frame: Frame, now: float) -> list[Action]:
        match frame.event:
            case "phx_leave":
                return [self._reply(frame, "ok", {}), *self._drop(channel)]
            case "access_token":
                return self._access_token(channel, frame, now)
            case "broadcast":
                return self._broadcast(channel, frame)
            case "presence":
                return self._presence(channel, frame)
            case _:
                return [self._reply(frame, "error", {"reason": "unknown event"})] if frame.ref is not None else []

    def _join(self, frame: Frame, now: float) -> list[Action]:
        before = self.channels.get(frame.topic)
        actions = self._drop(before) if before else []
        try:
            channel = self._read_join(frame, now)
        except BaasError as problem:
            return [*actions, self._reply(frame, "error", refusal(problem))]
        self.channels[frame.topic] = channel
        return [*actions, Join(channel)]

    def _read_join(self, frame: Frame, now: float) -> Channel:
        if not self._joins.take(now):
            raise JoinRefused("ClientJoinRateLimitReached", "Too many joins per second")
        if not frame.topic.startswith(PREFIX) or len(frame.topic) == len(PREFIX) or len(frame.topic) > 1000:
            raise JoinRefused("TopicNameRequired", "You must provide a topic name")
        if len(self.channels) >= self.limits.channels:
            raise JoinRefused("ChannelRateLimitReached", "Too many channels")
        if isinstance(frame.payload, Binary):
            raise JoinRefused("UnknownErrorOnChannel", "A join has a JSON payload")
        config = read_config(frame.payload)
        given = frame.payload.get("access_token") or frame.payload.get("user_token")
        token = self._key if not isinstance(given, str) or given.startswith("sb_") else given
        claims = self._claims(token, now)
        channel = Channel(self.version, frame.topic, frame.join_ref, frame.ref, config, token, claims, self._outbox)
        if config.presence_key:
            channel.presence_key = config.presence_key
        return channel

    def _claims(self, token: str, now: float) -> Claims:
        """The caller that `token` names. Raises JoinRefused with the word that clients react to."""
        try:
            claims = self._verify(token, now)
        except ExpiredToken as problem:
            raise JoinRefused("InvalidJWTToken", "Token has expired") from problem
        except InvalidToken as problem:
            if token.count(".") != 2:
                raise JoinRefused("MalformedJWT", "The token provided is not a valid JWT") from problem
            wrong_signature = "could not be verified" in problem.message or "suitable key" in problem.message
            raise JoinRefused("JwtSignatureError" if wrong_signature else "InvalidJWTToken", problem.message) from problem
        if claims.expires <= now:  # without leeway: a stream that must end in the next moment is not begun
            raise JoinRefused("InvalidJWTToken", f"Token has expired {int(now - claims.expires)} seconds ago")
        return claims

    def _access_token(self, channel: Channel, frame: Frame, now: float) -> list[Action]:
        payload = frame.payload
        given = payload.get("access_token") if isinstance(payload, dict) else None
        token = self._key if not isinstance(given, str) or given.startswith("sb_") else given
        if token == channel.token:
            return []
        try:
            claims = self._claims(token, now)
        except JoinRefused as problem:
            return self.close(channel, problem.message)
        channel.token, channel.claims = token, claims
        return [Recast(channel)]

    def _broadcast(self, channel: Channel, frame: Frame) -> list[Action]:
        if not channel.rights.broadcast or channel.claims.is_viewer:
            return []  # and no acknowledgement (wire.md §4.6)
        actions: list[Action] = [Broadcast(channel, frame.payload)]
        return [*actions, self._reply(frame, "ok", {})] if channel.config.ack else actions

    def _presence(self, channel: Channel, frame: Frame) -> list[Action]:
        payload = frame.payload if isinstance(frame.payload, dict) else {}
        operation, state = str(payload.get("event", "")).lower(), payload.get("payload", {})
        if not channel.rights.track or channel.claims.is_viewer:
            return [self._reply(frame, "error", {"reason": "You do not have permissions to track presence on this channel"})]
        if operation == "untrack":
            return [Track(channel, None), self._reply(frame, "ok", {})]
        if operation != "track" or not isinstance(state, dict):
            return [self._reply(frame, "error", {"reason": "Presence track payload must be a map"})]
        return [Track(channel, state), self._reply(frame, "ok", {})]

    def _oversized(self, frame: Frame) -> list[Action]:
        if frame.event != "broadcast":
            return [Close(1009, "message too big")]
        return [self._reply(frame, "error", {"reason": "Payload size exceeds the maximum"})] if frame.ref is not None else []

    # ---- from the server ------------------------------------------------------------------------------------------

    def accept(self, channel: Channel, response: dict[str, Any]) -> list[Action]:
        """The join succeeded: the answer, then what was held back. Nothing if the channel is gone meanwhile."""
        if channel.state != "joining":
            return []
        channel.state = "joined"
        held, channel.held = channel.held, []
        reply = self._answer(channel, "ok", response)
        return [reply, *(Send(frame) for frame in held)]

    def refuse(self, channel: Channel, problem: BaasError) -> list[Action]:
        """The join failed. The channel is forgotten."""
        if channel.state != "joining":
            return []
        self._forget(channel)
        return [self._answer(channel, "error", refusal(problem)), Leave(channel)]

    def close(self, channel: Channel, message: str, extension: str = "system") -> list[Action]:
        """End a channel from our side, telling why."""
        if channel.state == "closed":
            return []
        told = {"channel": channel.name, "extension": extension, "status": "error", "message": message}
        if channel.state == "joining":
            return self.refuse(channel, JoinRefused("UnknownErrorOnChannel", message))
        return [Send(encode(self.version, channel.topic, "system", told)), *self._drop(channel)]

    def sweep(self, now: float) -> list[Action]:
        """End the channels whose token has expired or been revoked; the connection, when the client has long been silent."""
        if self.last_frame is not None and now - self.last_frame > self.limits.idle_seconds:
            return [Close(1001, "no heartbeat")]
        actions: list[Action] = []
        for channel in list(self.channels.values()):
            try:
                self._claims(channel.token or self._key, now)
            except JoinRefused as problem:
                actions += self.close(channel, problem.message)
        return actions

    def end(self) -> list[Leave]:
        """The connection is gone."""
        channels = list(self.channels.values())
        for channel in channels:
            self._forget(channel)
        return [Leave(channel) for channel in channels]

    def _drop(self, channel: Channel) -> list[Action]:
        self._forget(channel)
        closed = encode(self.version, channel.topic, "phx_close", {}, join_ref=channel.join_ref, ref=channel.join_ref)
        return [Leave(channel), Send(closed)]

    def _forget(self, channel: Channel) -> None:
        channel.state = "closed"
        channel.held.clear()
        if self.channels.get(channel.topic) is channel:
            del self.channels[channel.topic]

    def _reply(self, frame: Frame, status: str, response: dict[str, Any]) -> Send:
        payload = {"status": status, "response": response}
        return Send(encode(self.version, frame.topic, "phx_reply", payload, join_ref=frame.join_ref, ref=frame.ref))

    def _answer(self, channel: Channel, status: str, response: dict[str, Any]) -> Send:
        payload = {"status": status, "response": response}
        return Send(encode(self.version, channel.topic, "phx_reply", payload, join_ref=channel.join_ref, ref=channel.ref))


def refusal(problem: BaasError) -> dict[str, Any]:
    """The response of a refused join: `Code: words` for the protocol's own refusals, code and hint beside the words for ours."""
    if isinstance(problem, JoinRefused):
        return {"reason": f"{problem.code}: {problem.message}"}
    return {"reason": problem.message, "code": problem.code, "hint": problem.hint}
