"""A small server on a real socket for the conformance suite: only what the client's transports must cope with."""

from __future__ import annotations

import asyncio
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect


class Shop:
    """Pets, one user whose first token is refused, files, and live queries that are told of each insert."""

    def __init__(self) -> None:
        self.pets: list[dict[str, Any]] = [{"id": 1, "name": "Rex"}]
        self.refreshes = 0
        self.aborted = 0
        self.files: dict[str, bytes] = {}
        self.log: list[dict[str, Any]] = []
        self.sockets: dict[WebSocket, tuple[str, int]] = {}

    async def pets_route(self, request: Request) -> Response:
        if request.headers["authorization"] == "Bearer old":
            return JSONResponse({"code": "PGRST303", "message": "JWT expired"}, 401)
        if request.method == "PATCH":
            return JSONResponse([{**self.pets[0], **await request.json()}])
        if request.method == "GET":
            return JSONResponse(self.pets, headers={"content-range": f"0-{len(self.pets) - 1}/{len(self.pets)}"})
        pet = {"id": len(self.pets) + 1, **await request.json()}
        self.pets.append(pet)
        self.log.append({"cursor": f"c{len(self.log) + 1}", "enter": [pet], "change": [], "leave": []})
        for socket, (topic, number) in list(self.sockets.items()):
            await socket.send_json([None, None, topic, "live_delta", {"id": number, **self.log[-1]}])
        return JSONResponse([pet], 201)

    async def batch_route(self, request: Request) -> Response:
        operations = (await request.json())["operations"]
        return JSONResponse({"results": [{"status": 200, "body": [{"id": 1}]} for _ in operations]})

    async def search_route(self, request: Request) -> Response:
        return JSONResponse(self.pets)

    async def add_route(self, request: Request) -> Response:
        given = await request.json()
        return JSONResponse(given["a"] + given["b"])

    async def buy_route(self, request: Request) -> Response:
        return Response(status_code=204)

    async def logout_route(self, request: Request) -> Response:
        return Response(status_code=204)

    async def token_route(self, request: Request) -> Response:
        if request.query_params["grant_type"] == "refresh_token":
            self.refreshes += 1
            await asyncio.sleep(0)
        elif (await request.json())["password"] != "right":
            return JSONResponse({"code": "invalid_credentials", "message": "Invalid login credentials"}, 400)
        token = "new" if request.query_params["grant_type"] == "refresh_token" else "old"
        return JSONResponse({"access_token": token, "refresh_token": "r", "expires_in": 3600, "user": {"id": "ann"}})

    async def file_route(self, request: Request) -> Response:
        path = request.path_params["path"]
        if request.method == "POST":
            self.files[path] = await request.body()
            return JSONResponse({"Key": path})
        return Response(self.files[path], media_type="image/png")

    async def hang_route(self, request: Request) -> Response:
        while not await request.is_disconnected():
            await asyncio.sleep(0.01)
        self.aborted += 1
        return Response()

    async def state_route(self, request: Request) -> Response:
        sums = {path: hashlib.sha256(body).hexdigest() for path, body in self.files.items()}
        return JSONResponse({"refreshes": self.refreshes, "aborted": self.aborted, "files": sums})

    async def drop_route(self, request: Request) -> Response:
        for socket in list(self.sockets):
            await socket.close(1012)
        return JSONResponse({})

    async def socket_route(self, socket: WebSocket) -> None:
        await socket.accept()
        try:
            while True:
                join_ref, ref, topic, event, payload = json.loads(await socket.receive_text())
                reply = {"status": "ok", "response": {"live": [{"id": 7}]} if event == "phx_join" else {}}
                await socket.send_json([join_ref, ref, topic, "phx_reply", reply])
                if event == "phx_join":
                    self.sockets[socket] = (topic, 7)
                    await self.catch_up(socket, topic, payload["config"]["live"][0]["since"])
        except WebSocketDisconnect:
            pass
        finally:
            self.sockets.pop(socket, None)

    async def catch_up(self, socket: WebSocket, topic: str, since: str | None) -> None:
        if since is None:
            snapshot = {"id": 7, "key": ["id"], "rows": self.pets, "cursor": f"c{len(self.log)}"}
            await socket.send_json([None, None, topic, "live_snapshot", snapshot])
            return
        for delta in self.log[int(since[1:]) :]:
            await socket.send_json([None, None, topic, "live_delta", {"id": 7, **delta}])

    def app(self, extra: list[Any]) -> Any:
        routes = [
            Route("/rest/v1/pets", self.pets_route, methods=["GET", "POST", "PATCH"]),
            Route("/rest/v1/batch", self.batch_route, methods=["POST"]),
            Route("/rest/v1/rpc/search", self.search_route, methods=["POST"]),
            Route("/rest/v1/rpc/add", self.add_route, methods=["POST"]),
            Route("/rest/v1/rpc/buy", self.buy_route, methods=["POST"]),
            Route("/functions/v1/search", self.search_route, methods=["POST"]),
            Route("/functions/v1/purchase", self.search_route, methods=["POST"]),
            Route("/auth/v1/logout", self.logout_route, methods=["POST"]),
            Route("/auth/v1/token", self.token_route, methods=["POST"]),
            Route("/storage/v1/object/{path:path}", self.file_route, methods=["GET", "POST"]),
            Route("/functions/v1/hang", self.hang_route, methods=["POST"]),
            Route("/functions/v1/state", self.state_route, methods=["POST"]),
            Route("/functions/v1/drop", self.drop_route, methods=["POST"]),
            WebSocketRoute("/realtime/v1/websocket", self.socket_route),
            *extra,
        ]
        return CORSMiddleware(Starlette(routes=routes), allow_origins=["*"], allow_methods=["*"], allow_headers=["*"], expose_headers=["*"])


@contextmanager
def running(extra: list[Any] = []) -> Iterator[str]:  # noqa: B006  (never changed)
    """Serve a new shop on a free port of the loopback in a thread; gives its address."""
    config = uvicorn.Config(Shop().app(extra), port=0, log_level="error", ws="websockets-sansio", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    ready = threading.Event()

    async def serve() -> None:
        config.load()
        server.lifespan = config.lifespan_class(config)
        await server.startup()
        ready.set()
        await server.main_loop()
        await server.shutdown()

    thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    assert ready.wait(10)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join(10)
