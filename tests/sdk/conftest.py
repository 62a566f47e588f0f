"""A client over a fake server in memory; pauses between attempts cost no time and are noted."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from baaskit_client import AsyncClient, MemoryStore, Response
from baaskit_client.testing import Asked, FakeTransport, answer

NOW = 1_800_000_000.0


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@dataclass
class Rig:
    """The client under test, what it asked, and how long it paused."""

    client: AsyncClient
    transport: FakeTransport
    store: MemoryStore
    pauses: list[float] = field(default_factory=list)
    events: list[str] = field(default_factory=list)
    now: float = NOW

    def asked(self, path: str) -> list[Asked]:
        return [asked for asked in self.transport.asked if asked.path.startswith(path)]


@pytest.fixture
def make_rig() -> Callable[..., Rig]:
    def make(server: Callable[[Asked], Any] = lambda asked: answer(404), stored: dict[str, Any] | None = None) -> Rig:
        transport, store = FakeTransport(server), MemoryStore()
        if stored:
            store.save(json.dumps(stored))
        rig = Rig(AsyncClient("http://test", "the-key", transport, store), transport, store)

        async def pause(seconds: float) -> None:
            rig.pauses.append(seconds)
            rig.now += seconds

        rig.client._driver._sleep = pause
        rig.client._account.now = lambda: rig.now
        rig.client.auth.on_change(lambda event, session: rig.events.append(event))
        return rig

    return make


def session(number: int = 1, *, ends: float = NOW + 3600) -> dict[str, Any]:
    """A session as a store keeps it."""
    return {"access_token": f"token-{number}", "refresh_token": f"refresh-{number}", "expires_at": ends, "user": {"id": "ann"}}


def granted(number: int) -> Response:
    """A session as the auth service answers it."""
    body = {"access_token": f"token-{number}", "refresh_token": f"refresh-{number}", "expires_in": 3600, "token_type": "bearer"}
    return answer(200, {**body, "user": {"id": "ann", "email": "ann@example.com"}})
