"""The transports of CPython against a real server, and the stores."""

from __future__ import annotations

import asyncio
import io
import stat

import pytest
from baaskit_client import Client, ConnectionFailed, FileStore, TimedOut, table
from baaskit_client._cpython import HttpTransport, SyncHttpTransport

from .conformance import CHECKS
from .server import running

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def url():
    with running() as address:
        yield address


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
async def test_the_async_client_on_a_real_socket(check, url):
    async with asyncio.timeout(20):
        await check(url)


def test_the_sync_client_on_a_real_socket(url):
    with Client(url, "the-key") as client:
        client.auth.sign_in("ann@example.com", "right")
        assert client.run(table("pets").insert({"name": "Rex"}))["name"] == "Rex"
        assert client.auth.session.access_token == "new"
        client.storage("photos").upload("x.png", b"abc")
        assert client.storage("photos").download("x.png") == b"abc"


@pytest.mark.parametrize("kind", ["bytes", "path", "file", "empty"])
def test_whatever_is_uploaded_arrives_whole_and_its_progress_is_told(kind, url, tmp_path):
    data = b"" if kind == "empty" else b"0123456789" * 20_000
    (tmp_path / "x").write_bytes(data)
    source = {"bytes": data, "empty": data, "path": tmp_path / "x", "file": io.BytesIO(data)}[kind]
    told = []
    with Client(url, "the-key") as client:
        client.storage("photos").upload(f"{kind}.bin", source, on_progress=lambda sent, total: told.append((sent, total)))
        assert data == client.storage("photos").download(f"{kind}.bin")
    assert (len(data), len(data)) == told[-1]


async def test_a_server_that_is_too_slow_is_a_time_out(url):
    transport = HttpTransport(timeout=0.1)
    with pytest.raises(TimedOut):
        await transport.request("POST", f"{url}/functions/v1/hang", {})
    await transport.close()
    with pytest.raises(TimedOut):
        SyncHttpTransport(timeout=0.1).request("POST", f"{url}/functions/v1/hang", {})


def test_nobody_there_is_a_failed_connection():
    with pytest.raises(ConnectionFailed):
        SyncHttpTransport().request("GET", "http://127.0.0.1:1/", {})


def test_a_file_store_is_readable_by_its_owner_only(tmp_path):
    store = FileStore(tmp_path / "deep" / "session.json")
    assert store.load() is None
    store.save("one")
    store.save("two")
    assert store.load() == "two"
    assert stat.S_IMODE(store.path.stat().st_mode) == 0o600
    assert [file.name for file in store.path.parent.iterdir()] == ["session.json"]
    store.clear()
    store.clear()
    assert store.load() is None
