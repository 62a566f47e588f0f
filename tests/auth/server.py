"""The whole application on a real port, in a thread: what official clients talk to."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn

from baaskit.app import App
from baaskit.settings import load_settings


@dataclass(frozen=True)
class Running:
    url: str
    anon_key: str
    service_role_key: str


@contextlib.contextmanager
def serve(database_url: str, folder: Path, **settings: Any) -> Iterator[Running]:
    """A project over `database_url`; ends with the block."""
    functions = folder / "functions"
    functions.mkdir(exist_ok=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    app = App(load_settings(folder, {}, database_url=database_url, port=port, **settings), functions=functions, public=folder / "public")
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="warning", lifespan="on"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive(), "the server did not start"
            time.sleep(0.01)
        yield Running(app.kit.settings.url, app.kit.keys.anon_key, app.kit.keys.service_role_key)
    finally:
        server.should_exit = True
        thread.join()
