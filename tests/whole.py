"""The whole application over the pet store's project, on either database, driven by raw ASGI requests: what no client would send."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from baaskit.app import App
from baaskit.auth import create_user
from baaskit.kernel.database import Database
from baaskit.project import load_project
from baaskit.serving import bring_up_to_date
from baaskit.settings import load_settings
from tests.shop import Reply

PETSTORE = Path(__file__).parents[1] / "demo-petstore"
PASSWORD = "correct horse battery"


@dataclass
class Whole:
    """`sellers`: name → (id, access token)."""

    app: App
    folder: Path
    sellers: dict[str, tuple[str, str]] = field(default_factory=dict)

    @property
    def kit(self) -> Any:
        return self.app.kit

    async def __call__(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        who: str | None = None,
        headers: dict[str, str] | Iterable[tuple[bytes, bytes]] = (),
        query: str = "",
        cut: bool = False,
    ) -> Reply:
        """One request. `body`: bytes as they are, an async or plain iterator of pieces, anything else as JSON. `who`: a seller, "service"
        or a raw token. `cut`: the connection breaks after the last piece."""
        path, _, search = path.partition("?")
        given = [(k.lower().encode(), v.encode("latin-1")) for k, v in headers.items()] if isinstance(headers, dict) else list(headers)
        if not any(name == b"host" for name, _ in given):
            given.append((b"host", b"127.0.0.1:54321"))
        if who:
            given.append((b"authorization", b"Bearer " + self.token(who).encode()))
        if not isinstance(body, bytes) and not hasattr(body, "__aiter__") and body is not None:
            given.append((b"content-type", b"application/json"))
        pieces = _pieces(body)
        reply: dict[str, Any] = {"body": b""}

        whole_body = False

        async def receive() -> dict[str, Any]:
            nonlocal whole_body
            if whole_body:
                await asyncio.Event().wait()  # the client is still there, until the request is over
            try:
                return {"type": "http.request", "body": await anext(pieces), "more_body": True}
            except StopAsyncIteration:
                whole_body = not cut
                return {"type": "http.disconnect"} if cut else {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                assert "status" not in reply, "two answers to one request"
                reply.update(status=message["status"], headers=message.get("headers", []))
            else:
                reply["body"] += message.get("body", b"")

        scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "scheme": "http", "path": path,
            "raw_path": path.encode(), "query_string": (query or search).encode("latin-1"), "root_path": "", "headers": given,
            "client": ("127.0.0.1", 50000), "server": ("127.0.0.1", 54321), "state": {},
        }  # fmt: skip
        await self.app(scope, receive, send)
        for name, value in reply["headers"]:
            assert not any(bad in name + value for bad in (b"\r", b"\n", b"\0")), f"header that splits the answer: {name!r}: {value!r}"
        return Reply(reply["status"], {k.decode("latin-1").lower(): v.decode("latin-1") for k, v in reply["headers"]}, reply["body"])

    def token(self, who: str) -> str:
        if who in self.sellers:
            return self.sellers[who][1]
        return {"service": self.kit.keys.service_role_key, "anon": self.kit.keys.anon_key}.get(who, who)

    def id(self, who: str) -> str:
        return self.sellers[who][0]

    async def sign_up(self, name: str) -> None:
        await create_user(self.kit, f"{name}@example.com", PASSWORD)
        given = await self("POST", "/auth/v1/token?grant_type=password", {"email": f"{name}@example.com", "password": PASSWORD})
        self.sellers[name] = (given.json["user"]["id"], given.json["access_token"])


async def _pieces(body: Any) -> AsyncIterator[bytes]:
    if body is None:
        return
    if hasattr(body, "__aiter__"):
        async for piece in body:
            yield piece
    elif isinstance(body, bytes):
        yield body
    else:
        yield orjson.dumps(body)


@asynccontextmanager
async def open_whole(database_url: str, folder: Path, *, functions: Path | None = None, **settings: Any) -> AsyncIterator[Whole]:
    """The application with its migrations and policies applied and two sellers, `ann` and `bob`. `functions`: a folder of author
    modules; by default there are none."""
    project = folder / "project"
    project.mkdir()
    for name in ("migrations", "policies.sql", "baaskit.toml"):
        source = PETSTORE / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, project / name)
    (project / "public").mkdir()
    loaded = load_settings(project, {}, database_url=database_url, **settings)

    async def prepare(database: Database) -> None:
        await bring_up_to_date(load_project(project), database, lambda line: None)

    app = App(loaded, functions=functions or project / "functions", public=project / "public")
    await app.start(prepare=prepare)
    try:
        whole = Whole(app, project)
        for name in ("ann", "bob"):
            await whole.sign_up(name)
        yield whole
    finally:
        await app.stop()
