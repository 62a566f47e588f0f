"""S9 on the whole application: what ends a session ends REST, storage, functions and realtime within a second."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.whole import PASSWORD, Whole, open_whole

pytestmark = pytest.mark.anyio

FUNCTION = """
from baaskit.functions import Context, http

@http("me", methods=["GET"], auth="authenticated")
async def me(ctx: Context) -> dict[str, str]:
    return {"ok": "yes"}
"""
BOUND = 1.5  # seconds: the promised one, and what a busy test machine adds
_numbers = itertools.count()

Act = Callable[[Whole, str, str, str], Awaitable[Any]]  # the application, the user's id and address, another session's token

ACTS: dict[str, Act] = {
    "sign-out": lambda app, user, email, other: app("POST", "/auth/v1/logout?scope=global", who=other),
    "new-password": lambda app, user, email, other: app("PUT", "/auth/v1/user", {"password": "a new password"}, who=other),
    "ban": lambda app, user, email, other: app("PUT", f"/auth/v1/admin/users/{user}", {"ban_duration": "1h"}, who="service"),
    "deletion": lambda app, user, email, other: app("DELETE", f"/auth/v1/admin/users/{user}", {}, who="service"),
    "new-role": lambda app, user, email, other: app("PUT", f"/auth/v1/admin/users/{user}", {"role": "service_role"}, who="service"),
    "ended-by-an-admin": lambda app, user, email, other: app("DELETE", f"/auth/v1/admin/users/{user}/sessions", who="service"),
}


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
async def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Whole]:
    folder: Path = tmp_path_factory.mktemp("s9")
    (folder / "functions").mkdir()
    (folder / "functions" / "me.py").write_text(FUNCTION)
    url = f"sqlite:///{folder / 'data.db'}" if request.param == "sqlite" else request.getfixturevalue("postgres")()
    async with open_whole(url, folder, functions=folder / "functions") as opened:
        yield opened


class Socket:
    """A realtime connection of the application, without a network."""

    def __init__(self, whole: Whole) -> None:
        self._whole = whole
        self._sent: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.frames: asyncio.Queue[Any] = asyncio.Queue()
        query = f"apikey={whole.kit.keys.anon_key}&vsn=1.0.0".encode()
        scope = {
            "type": "websocket", "asgi": {"version": "3.0"}, "scheme": "ws", "path": "/realtime/v1/websocket", "query_string": query, "headers": [],
            "client": ("127.0.0.1", 50001), "subprotocols": [], "state": {},
        }  # fmt: skip
        self._sent.put_nowait({"type": "websocket.connect"})
        self._task = asyncio.create_task(whole.app(scope, self._sent.get, self._take))

    async def _take(self, message: Any) -> None:
        text = message.get("text")
        self.frames.put_nowait(orjson.loads(text) if text else {"event": message["type"]})

    def say(self, event: str, payload: Any) -> None:
        frame = {"topic": "realtime:room", "event": event, "payload": payload, "ref": "1", "join_ref": "1"}
        self._sent.put_nowait({"type": "websocket.receive", "text": orjson.dumps(frame).decode()})

    async def until(self, event: str) -> Any:
        async with asyncio.timeout(10):
            while (frame := await self.frames.get())["event"] != event:
                pass
        return frame

    async def close(self) -> None:
        self._sent.put_nowait({"type": "websocket.disconnect", "code": 1000})
        await self._task


@pytest.mark.parametrize("act", ACTS)
async def test_s9_every_surface_refuses_a_session_that_has_ended(served: Whole, act: str) -> None:
    email = f"user{next(_numbers)}@example.com"
    made = await served("POST", "/auth/v1/admin/users", {"email": email, "password": PASSWORD, "email_confirm": True}, who="service")
    body = {"email": email, "password": PASSWORD}
    token, other = [(await served("POST", "/auth/v1/token?grant_type=password", body)).json["access_token"] for _ in range(2)]
    asks = [("GET", "/rest/v1/pets?select=id"), ("GET", "/functions/v1/me"), ("GET", "/storage/v1/bucket"), ("GET", "/auth/v1/user")]
    before = [(await served(method, path, who=token)).status for method, path in asks]
    assert before == [200] * len(asks)
    socket = Socket(served)
    socket.say("phx_join", {"config": {}, "access_token": token})
    assert (await socket.until("phx_reply"))["payload"]["status"] == "ok"

    began = time.monotonic()
    assert (await ACTS[act](served, made.json["id"], email, other)).status < 300
    for method, path in asks:
        answer = await served(method, path, who=token)
        assert answer.status in (400, 401, 403), (path, answer.body)
        if answer.status == 400:  # storage says the true status in the body
            assert answer.json["statusCode"] in ("401", "403"), answer.body
    await socket.until("phx_close")
    assert time.monotonic() - began < BOUND
    await socket.close()
