"""The shop's behaviour on CPython: the package that the page's worker runs, over the SDK's fake transport."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from baaskit_client import AsyncClient, MemoryStore, Response
from baaskit_client.testing import Asked, FakeSocket, FakeTransport, answer

from tests.journeys.conftest import ROOT

sys.path.insert(0, str(ROOT / "demo-petstore"))
from petstore import PetStore

UID = "11111111-1111-4111-8111-111111111111"


def pet(number: int, **values: Any) -> dict[str, Any]:
    row = {"id": number, "seller_id": "s-1", "name": f"Pet {number}", "species": "dog", "breed": "Corgi", "age_months": 7}
    more = {"price": 10.0 + number, "stock": 5, "status": "available", "description": "", "photo": "art/dog-1.svg", "tags": []}
    return {**row, **more, "created_at": f"2026-01-01T00:{number % 60:02}:00+00:00", **values}


@dataclass
class Backend:
    """As much of a server as the shop asks: pets, orders and a list of purchases. `answers`: path → what is answered instead."""

    pets: dict[int, dict[str, Any]] = field(default_factory=lambda: {n: pet(n) for n in range(1, 31)})
    orders: list[dict[str, Any]] = field(default_factory=list)
    bought: dict[str, dict[str, Any]] = field(default_factory=dict)
    answers: dict[str, Callable[[Asked], Any]] = field(default_factory=dict)

    async def __call__(self, asked: Asked) -> Response:
        path = urlsplit(asked.path).path
        for start, instead in self.answers.items():
            if path.startswith(start):
                found = instead(asked)
                found = await found if asyncio.iscoroutine(found) else found
                if found is not None:
                    return found
        if path == "/rest/v1/pets" and asked.method == "GET":
            return self._pets(parse_qs(urlsplit(asked.path).query))
        if path == "/rest/v1/pets" and asked.method == "POST":
            return answer(201, {**pet(77), **asked.json, "id": 77, "seller_id": UID})
        if path == "/rest/v1/orders":
            return answer(200, self.orders)
        if path == "/rest/v1/profiles":
            return answer(200, [asked.json] if asked.method == "POST" else [])
        if path == "/functions/v1/purchase":
            return answer(200, self.bought.setdefault(asked.json["key"], {"id": "o-1", "total": 1, "items": [], "status": "placed"}))
        if path in ("/auth/v1/signup", "/auth/v1/token"):
            user = {"id": UID, "email": asked.json["email"]}
            return answer(200, {"access_token": "t", "refresh_token": "r", "expires_in": 3600, "user": user})
        return answer(200, [])

    def _pets(self, query: dict[str, list[str]]) -> Response:
        rows = list(self.pets.values())
        for condition in query.get("id", []):
            wanted = {int(number) for number in re.findall(r"\d+", unquote(condition))}
            rows = [row for row in rows if row["id"] in wanted]
        first = rows[: int(query.get("limit", ["1000"])[0])]
        return answer(200, first, content_range=f"0-{len(first)}/{len(rows)}")


@dataclass
class Rig:
    """A shop, its fake server, and what it last drew."""

    store: PetStore
    backend: Backend
    transport: FakeTransport
    shelf: MemoryStore
    drawn: list[dict[str, Any]]

    @property
    def state(self) -> dict[str, Any]:
        return self.drawn[-1]

    def act(self, name: str, *arguments: Any) -> None:
        self.store.act(name, list(arguments))

    async def until(self, holds: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
        """Wait for a drawn state for which this holds."""
        async with asyncio.timeout(10):
            while not (self.drawn and holds(self.state)):
                await asyncio.sleep(0)
        return self.state

    def asked(self, path: str) -> list[Asked]:
        return [asked for asked in self.transport.asked if asked.path.startswith(path)]

    async def signed_in(self) -> None:
        self.act("sign_in", "ann@example.com", "right")
        await self.until(lambda state: state["user"] and not state["dialog"])

    async def live(self, query: str) -> Live:
        """The server's end of the live query whose text starts so, once the shop has joined it."""
        async with asyncio.timeout(10):
            socket = await self.transport.sockets.get()
            while True:
                _, ref, topic, event, payload = await socket.sent()
                if event == "phx_join" and unquote(payload["config"]["live"][0]["query"]).startswith(query):
                    socket.push([ref, ref, topic, "phx_reply", {"status": "ok", "response": {"live": [{"id": 1}]}}])
                    return Live(socket, ref, topic)


@dataclass
class Live:
    socket: FakeSocket
    ref: str
    topic: str
    cursor: int = 0

    def tell(self, event: str, **payload: Any) -> None:
        self.cursor += 1
        self.socket.push([self.ref, None, self.topic, event, {"id": 1, "cursor": str(self.cursor), **payload}])


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def make_shop() -> AsyncIterator[Callable[..., Rig]]:
    """`make_shop()`: a visitor's shop. With `shelf` of a former one: the same browser on a later day."""
    made: list[PetStore] = []

    def make(shelf: MemoryStore | None = None, backend: Backend | None = None, key: str = "key-000") -> Rig:
        backend, shelf, drawn = backend or Backend(), shelf or MemoryStore(), []
        transport = FakeTransport(backend)
        client = AsyncClient("http://test", "anon", transport, MemoryStore())

        async def pause(seconds: float) -> None:
            """Pauses between attempts cost no time."""

        client._driver._sleep = pause
        keys = (f"{key}{n}" for n in range(1, 100))

        def show(state: dict[str, Any]) -> None:
            drawn.append(json.loads(json.dumps(state)))  # as it crosses to the page: plain values only

        store = PetStore(client, shelf, show, pause=0, new_key=lambda: next(keys))
        made.append(store)
        store.desk.start("start", store.start())
        return Rig(store, backend, transport, shelf, drawn)

    yield make
    for store in made:
        await store.stop()
