"""What the async client must do on every host: run by pytest on CPython, and inside a browser's worker by `test_browser`.

Each check gets the address of a `server.Shop` and makes its own client with the host's own transport. Needs nothing
but the client and the standard library.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from typing import Any

from baaskit_client import AsyncClient, BadRequest, ConnectionFailed, MemoryStore, eq, rpc, table

PETS = table("pets")
Check = Callable[[str], Awaitable[None]]


def client_at(url: str) -> AsyncClient:
    return AsyncClient(url, "the-key", store=MemoryStore())


async def signs_in_and_out(url: str) -> None:
    async with client_at(url) as client:
        assert (await client.auth.sign_in("ann@example.com", "right")).user["id"] == "ann"
        await client.auth.sign_out()
        assert client.auth.session is None


async def names_a_wrong_password(url: str) -> None:
    told = None
    async with client_at(url) as client:
        try:
            await client.auth.sign_in("ann@example.com", "wrong")
        except BadRequest as exc:
            told = (exc.code, exc.status)
    assert told == ("invalid_credentials", 400)


async def reads_and_counts(url: str) -> None:
    async with client_at(url) as client:
        page = await client.run(PETS.where(eq("name", "Rex, & Cö+%")).count())
        assert page.total == len(page.rows) >= 1


async def writes_unicode(url: str) -> None:
    async with client_at(url) as client:
        row = await client.run(PETS.insert({"name": "Mièze 猫 \U0001f431"}))
        assert row["name"] == "Mièze 猫 \U0001f431"


async def calls_by_rpc(url: str) -> None:
    async with client_at(url) as client:
        found = await client.rpc("search", q="Mièze")
        assert found == await client.run(rpc("search", q="Mièze").limit(20).once("k1")) == await client.run(PETS)


async def refreshes_once_for_five_calls(url: str) -> None:
    async with client_at(url) as client:
        before = (await client.call("state"))["refreshes"]
        await client.auth.sign_in("ann@example.com", "right")
        await asyncio.gather(*(client.run(PETS) for _ in range(5)))
        assert before + 1 == (await client.call("state"))["refreshes"]


async def uploads_with_progress(url: str) -> None:
    data = bytes(range(256)) * 4096  # 1 MiB
    told: list[tuple[int, int]] = []
    async with client_at(url) as client:
        await client.storage("photos").upload("a b/ü.png", data, on_progress=lambda sent, total: told.append((sent, total)))
        assert (len(data), len(data)) == told[-1]
        assert [sent for sent, _ in told] == sorted(sent for sent, _ in told)
        files = (await client.call("state"))["files"]
        assert hashlib.sha256(data).hexdigest() == files["photos/a b/ü.png"]
        assert data == await client.storage("photos").download("a b/ü.png")


async def aborts_what_is_cancelled(url: str) -> None:
    async with client_at(url) as client:
        before = (await client.call("state"))["aborted"]
        call = asyncio.ensure_future(client.call("hang"))
        await asyncio.wait({call}, timeout=0.2)
        call.cancel()
        await asyncio.wait({call})
        assert call.cancelled()
        while (await client.call("state"))["aborted"] == before:
            await asyncio.sleep(0.02)


async def keeps_a_query_live_across_a_broken_socket(url: str) -> None:
    async with client_at(url) as client, client.live(PETS) as live:
        known = len(live.rows)
        changes = live.changes()
        row = await client.run(PETS.insert({"name": "Mimi"}))
        assert (await changes.__anext__()).row == row
        await client.call("drop")
        while live.state == "live":
            await asyncio.sleep(0.01)
        missed = await client.run(PETS.insert({"name": "Momo"}))
        change = await changes.__anext__()
        assert ("enter", missed, None) == (change.kind, change.row, change.old)
        assert known + 2 == len(live.rows)
        assert live.state == "live"


async def says_when_nobody_answers(url: str) -> None:
    transport = client_at(url)._driver.transport
    for attempt in (transport.request("GET", "http://127.0.0.1:1/", {}), transport.socket("ws://127.0.0.1:1/")):
        try:
            await attempt
        except ConnectionFailed:
            continue
        raise AssertionError("no error")
    await transport.close()


CHECKS: list[Check] = [
    signs_in_and_out,
    names_a_wrong_password,
    reads_and_counts,
    writes_unicode,
    calls_by_rpc,
    refreshes_once_for_five_calls,
    uploads_with_progress,
    aborts_what_is_cancelled,
    keeps_a_query_live_across_a_broken_socket,
    says_when_nobody_answers,
]


async def run_all(url: str) -> dict[str, Any]:
    """Run every check; gives the fault of each, None where there is none."""
    result: dict[str, Any] = {}
    for check in CHECKS:
        try:
            await asyncio.wait_for(check(url), 20)
            result[check.__name__] = None
        except Exception as exc:
            result[check.__name__] = repr(exc)
    return result
