"""The storage surface alone, over a real database and a real folder."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError

from baaskit.errors import BaasError
from baaskit.kernel.changes import ChangeFeed
from baaskit.kernel.database import Database
from baaskit.kernel.hooks import Hooks
from baaskit.kernel.keys import load_keys
from baaskit.kernel.kit import Kit
from baaskit.settings import load_settings
from baaskit.storage import Storage, render

POLICIES = """
create policy "read own" on storage.objects for select to authenticated using (bucket_id = 'files' and owner_id = auth.uid()::text);
create policy "write own folder" on storage.objects for insert to authenticated
  with check (bucket_id = 'files' and (storage.foldername(name))[1] = auth.uid()::text);
create policy "replace own" on storage.objects for update to authenticated using (owner_id = auth.uid()::text);
create policy "delete own" on storage.objects for delete to authenticated using (owner_id = auth.uid()::text);
"""
ANA, BOB = "0d5a3a8e-8f0f-4a4e-9a53-0c6f0c5b1a01", "1d5a3a8e-8f0f-4a4e-9a53-0c6f0c5b1a02"


@dataclass
class Rig:
    kit: Kit
    storage: Storage
    http: httpx2.AsyncClient
    folder: Path

    def as_(self, who: str) -> dict[str, str]:
        """Headers of `service`, `anon` or a user's id."""
        keys = self.kit.keys
        token = {"service": keys.service_role_key, "anon": keys.anon_key}.get(who)
        token = token or keys.sign({"sub": who, "role": "authenticated", "exp": int(time.time()) + 600})
        return {"authorization": f"Bearer {token}"}

    async def upload(self, who: str, path: str, body: bytes = b"hello", **headers: str) -> httpx2.Response:
        sent = {"content-type": "text/plain", **self.as_(who), **{k.replace("_", "-"): v for k, v in headers.items()}}
        return await self.http.post(f"/storage/v1/object/{path}", content=body, headers=sent)

    def blobs(self) -> list[Path]:
        return [file for file in self.folder.rglob("*") if file.is_file()]


@pytest.fixture
async def rig(database_url: str, tmp_path: Path) -> AsyncIterator[Rig]:
    database = Database(database_url)
    await database.start()
    await database.save_policies(POLICIES, "test")
    settings = load_settings(tmp_path, {}, database_url=database_url)
    kit = Kit(settings, database, ChangeFeed(database), Hooks(), load_keys(tmp_path / "keys.json"))
    storage = Storage(kit)
    app = FastAPI()
    app.include_router(storage.routes())

    async def answer(request: Request, problem: Exception) -> Any:
        return render(problem, request)

    for kind in (BaasError, RequestValidationError):
        app.add_exception_handler(kind, answer)
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://test") as http:
        rig = Rig(kit, storage, http, tmp_path / ".baaskit" / "storage")
        for bucket, public in (("files", False), ("pets", True)):
            made = await http.post("/storage/v1/bucket", json={"id": bucket, "public": public}, headers=rig.as_("service"))
            assert made.status_code == 200, made.text
        yield rig
    await database.stop()
