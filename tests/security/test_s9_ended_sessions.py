"""S9: signing out, a new password, a new role, a ban and deletion end a session for every surface within a second."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest

from baaskit.errors import EndedSession
from baaskit.kernel.database import Sql
from baaskit.rest import Rest
from tests.auth.rig import Rig, open_rig

pytestmark = pytest.mark.anyio

Act = Callable[[Rig, dict[str, Any], dict[str, Any]], Awaitable[httpx2.Response]]

ACTS: dict[str, Act] = {
    "sign-out": lambda rig, own, other: rig.ask("POST", "/logout?scope=global", other["access_token"]),
    "sign-out of the others": lambda rig, own, other: rig.ask("POST", "/logout?scope=others", other["access_token"]),
    "new password": lambda rig, own, other: rig.ask("PUT", "/user", other["access_token"], {"password": "a new password"}),
    "new password by an admin": lambda rig, own, other: rig.admin("PUT", f"/users/{own['user']['id']}", {"password": "a new password"}),
    "new role": lambda rig, own, other: rig.admin("PUT", f"/users/{own['user']['id']}", {"role": "service_role"}),
    "ban": lambda rig, own, other: rig.admin("PUT", f"/users/{own['user']['id']}", {"ban_duration": "1h"}),
    "soft deletion": lambda rig, own, other: rig.admin("DELETE", f"/users/{own['user']['id']}", {"should_soft_delete": True}),
    "deletion": lambda rig, own, other: rig.admin("DELETE", f"/users/{own['user']['id']}"),
}


async def rest_status(rig: Rig, token: str) -> int:
    transport = httpx2.ASGITransport(app=Rest(rig.kit))
    async with httpx2.AsyncClient(transport=transport, base_url="http://test") as http:
        return (await http.get("/rest/v1/notes", headers={"authorization": f"Bearer {token}"})).status_code


async def make_notes(rig: Rig) -> None:
    def script() -> Any:
        yield Sql("create table notes (id integer primary key)")

    await rig.kit.database.run(script)
    await rig.kit.database.reload()
    await rig.kit.database.save_policies('create policy "all" on notes for select to authenticated using (true);', "test")


@pytest.mark.parametrize("act", ACTS, ids=lambda name: name.replace(" ", "-"))
async def test_the_token_stops_working_here_and_in_other_processes(database_url: str, tmp_path: Path, act: str) -> None:
    async with open_rig(database_url, tmp_path) as here:
        await make_notes(here)
        async with open_rig(database_url, tmp_path) as there:
            own = await here.sign_up("ada@example.com")
            other = (await here.sign_in("ada@example.com")).json()
            token = own["access_token"]
            assert [await rest_status(rig, token) for rig in (here, there)] == [200, 200]
            assert (await ACTS[act](here, own, other)).is_success
            assert await rest_status(here, token) == 401
            async with asyncio.timeout(1.0):
                while await rest_status(there, token) != 401:
                    await asyncio.sleep(0.01)
            for rig in (here, there):
                with pytest.raises(EndedSession):
                    rig.kit.keys.verifier.verify(token, time.time())
                assert (await rig.refresh(own["refresh_token"])).status_code == 400
