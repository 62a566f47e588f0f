"""Storage: objects in buckets. Metadata are ordinary rows under ordinary policies; bytes lie in an object store."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import orjson
from fastapi import APIRouter, Request, Response
from fastapi.exceptions import RequestValidationError
from sqlalchemy import select

from baaskit.errors import BaasError
from baaskit.errors.storage import InvalidRequest, StorageError
from baaskit.kernel.kit import Kit
from baaskit.observe import fact
from baaskit.storage.blobs import Blobs
from baaskit.storage.routes import routes

__all__ = ["Storage", "render"]

SWEEP_SECONDS = 3600
ORPHAN_AGE = timedelta(hours=24)  # longer than any upload takes


class Storage:
    """The storage feature. `start` also begins the sweep that removes bytes which no row names."""

    def __init__(self, kit: Kit) -> None:
        self._kit = kit
        self.blobs = Blobs(kit.settings.storage_url)
        self._sweeper: asyncio.Task[None] | None = None

    def routes(self) -> APIRouter:
        return routes(self._kit, self.blobs)

    async def start(self) -> None:
        self._sweeper = asyncio.create_task(self._sweep_forever(), name="storage sweep")

    async def stop(self) -> None:
        if self._sweeper:
            self._sweeper.cancel()
            await asyncio.gather(self._sweeper, return_exceptions=True)

    async def sweep(self, age: timedelta = ORPHAN_AGE) -> int:
        """Remove blobs older than `age` that no row names (an upload that was killed between bytes and row); their number."""
        t, removed = self._kit.database.tables.objects, 0
        async for keys in self.blobs.older_than(age):
            named = {row["version"] for row in await self._kit.database.query(select(t.c.version).where(t.c.version.in_(keys)))}
            orphans = [key for key in keys if key not in named]
            await self.blobs.delete(orphans)
            removed += len(orphans)
        return removed

    async def _sweep_forever(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            try:
                if removed := await self.sweep():
                    fact("storage.swept", blobs=removed)
            except Exception as problem:
                fact("storage.sweep.failed", error=repr(problem))


def render(problem: Exception, request: Request) -> Response:
    """An error as storage clients read it: HTTP 400, the true code inside."""
    if isinstance(problem, RequestValidationError):
        first = problem.errors()[0]
        problem = InvalidRequest(f"{'.'.join(str(part) for part in first['loc'] if part != 'body') or 'body'}: {first['msg']}")
    assert isinstance(problem, BaasError)
    if isinstance(problem, StorageError):
        return Response(orjson.dumps(problem.body()), problem.status, problem.headers, "application/json")
    body = {"statusCode": str(problem.status), "code": problem.code, "error": problem.code, "message": problem.message}
    return Response(orjson.dumps(body), problem.status, problem.headers, "application/json")
