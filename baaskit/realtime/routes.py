"""Broadcast over HTTP: `POST /realtime/v1/api/broadcast`, and one event by path, as the clients' `httpSend` uses it."""

from __future__ import annotations

from time import time
from typing import Any

import orjson
from fastapi import APIRouter, Request, Response

from baaskit.errors import BaasError, BodyTooLarge
from baaskit.kernel.claims import Claims
from baaskit.kernel.kit import Kit
from baaskit.realtime.frames import RAW, Binary
from baaskit.realtime.hub import Hub
from baaskit.realtime.limits import DEFAULTS

MAX_MESSAGES = 100  # of one request


class BadBroadcast(BaasError):
    """The broadcast is malformed."""

    status, code = 422, "BK423"


def routes(kit: Kit, hub: Hub) -> APIRouter:
    """The routes; 202 says that the messages were handed to everyone who is connected and may receive them."""
    router = APIRouter(prefix="/realtime/v1/api", tags=["realtime"])

    @router.post("/broadcast", status_code=202)
    async def broadcast(request: Request) -> Response:
        """Send messages to channels. Of private channels only those that the caller may write to."""
        claims = _caller(request, kit)
        body = _json(await _body(request))
        messages = body.get("messages") if isinstance(body, dict) else None
        if not isinstance(messages, list) or not messages or len(messages) > MAX_MESSAGES:
            raise BadBroadcast(f"messages must be a list of 1 to {MAX_MESSAGES} objects.")
        for message in [_checked(entry) for entry in messages]:
            await _send(hub, claims, message["topic"], message["private"], _shown(message["event"], message["payload"]))
        return Response(status_code=202)

    @router.post("/broadcast/{topic}/events/{event}", status_code=202)
    async def broadcast_event(topic: str, event: str, request: Request, private: bool = False) -> Response:
        """Send one event whose payload is the body: JSON, or bytes for clients of version 2."""
        claims, body = _caller(request, kit), await _body(request)
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind == "application/octet-stream":
            await _send(hub, claims, topic, private, Binary(event, RAW, body))
        elif kind in ("application/json", ""):
            await _send(hub, claims, topic, private, _shown(event, _json(body)))
        else:
            return Response(orjson.dumps({"error": f"Unsupported content type {kind}"}), 415, media_type="application/json")
        return Response(status_code=202)

    return router


def _shown(event: str, payload: Any) -> dict[str, Any]:
    return {"type": "broadcast", "event": event, "payload": payload}


async def _send(hub: Hub, claims: Claims, topic: str, private: bool, message: dict[str, Any] | Binary) -> None:
    """Without a right to write the message is dropped in silence, as on a socket: the answer tells nothing of the channel."""
    if not claims.is_viewer and (not private or (await hub.rights(claims, topic)).broadcast):
        hub.broadcast(topic, private, message)


def _checked(entry: Any) -> dict[str, Any]:
    if not isinstance(entry, dict) or not isinstance(entry.get("topic"), str) or not isinstance(entry.get("event"), str):
        raise BadBroadcast("A message needs a topic and an event.")
    if not entry["topic"] or not isinstance(entry.get("payload", {}), dict):
        raise BadBroadcast("topic must not be empty, payload must be an object.")
    return {"topic": entry["topic"], "event": entry["event"], "payload": entry.get("payload", {}), "private": entry.get("private") is True}


def _caller(request: Request, kit: Kit) -> Claims:
    """The bearer's claims, else the key's. Raises InvalidToken; nobody at all is refused, too."""
    scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
    token = bearer.strip() if scheme.lower() == "bearer" else ""
    token = token or request.headers.get("apikey", "") or request.query_params.get("apikey", "")
    if not token:
        raise NoKey()
    return kit.keys.verifier.verify(token, time())


class NoKey(BaasError):
    """No API key found in request"""

    status, code = 401, "BK424"


async def _body(request: Request) -> bytes:
    found = bytearray()
    async for piece in request.stream():
        found += piece
        if len(found) > DEFAULTS.payload_bytes:
            raise BodyTooLarge()
    return bytes(found)


def _json(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except ValueError as problem:
        raise BadBroadcast("The body is not JSON.") from problem
