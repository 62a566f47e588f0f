"""The conformance suite inside a browser: Chromium, a Web Worker, Python compiled to WebAssembly."""

from __future__ import annotations

import io
import json
import os
import zipfile
from pathlib import Path

import baaskit_client
import pytest
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.routing import Route

from .conformance import CHECKS
from .server import running

ROOT = Path(__file__).parents[2]

WORKER = """
delete WebAssembly.Suspending; delete WebAssembly.promising; delete WebAssembly.Suspender;
onmessage = async ({ data }) => {
  try {
    const { loadPyodide } = await import('/pyodide/pyodide.mjs');
    const python = await loadPyodide({ indexURL: '/pyodide/', checkAPIVersion: true });
    python.unpackArchive(await (await fetch('/sdk.zip')).arrayBuffer(), 'zip', { extractDir: '/home/pyodide' });
    const run = python.globals;
    run.set('url', data.url); run.set('file', data.file); run.set('suspending', 'Suspending' in WebAssembly);
    postMessage(await python.runPythonAsync(data.code));
  } catch (error) { postMessage('broken: ' + error); }
};
"""

CODE = """
import json
import conformance
from baaskit_client import AsyncClient, MemoryStore, TimedOut
from baaskit_client._browser import BrowserTransport, IndexedDBStore

async def keeps_the_session_in_indexeddb(url):
    store = IndexedDBStore("test")
    assert await store.load() is None
    async with AsyncClient(url, "the-key", store=store) as client:
        await client.auth.sign_in("ann@example.com", "right")
    async with AsyncClient(url, "the-key", store=IndexedDBStore("test")) as client:
        assert (await client.auth.restore()).user["id"] == "ann"
        await client.auth.sign_out()
    assert await store.load() is None

async def uploads_a_file_of_the_page(url):
    told = []
    async with AsyncClient(url, "the-key", store=MemoryStore()) as client:
        await client.storage("photos").upload("big.bin", file, on_progress=lambda *sent: told.append(sent))
        assert told[-1] == (file.size, file.size), told
        assert file.size == len(await client.storage("photos").download("big.bin"))

async def says_when_an_answer_is_late(url):
    try:
        await BrowserTransport(timeout=0.1).request("POST", url + "/functions/v1/hang", {})
    except TimedOut:
        return
    raise AssertionError("no error")

conformance.CHECKS += [keeps_the_session_in_indexeddb, uploads_a_file_of_the_page, says_when_an_answer_is_late]
found = await conformance.run_all(url)
found["jspi is off"] = "it is on" if suspending else None
json.dumps(found)
"""


def pyodide_folder() -> Path:
    """The runtime that `make setup` installs, or the folder named by BAAS_TEST_PYODIDE."""
    named = os.environ.get("BAAS_TEST_PYODIDE")
    folder = Path(named) if named else ROOT / ".cache" / "pyodide"
    if not (folder / "pyodide.mjs").exists():
        pytest.skip("the browser's Python runtime is not installed: make setup")
    return folder


def archive() -> bytes:
    """The client's source and the suite, as a zip that the worker unpacks."""
    package = Path(baaskit_client.__file__).parent
    with zipfile.ZipFile(buffer := io.BytesIO(), "w") as packed:
        for file in package.glob("*.py"):
            if file.name != "_cpython.py":  # what the browser never needs must not be needed to import the rest
                packed.write(file, f"baaskit_client/{file.name}")
        packed.write(Path(__file__).parent / "conformance.py", "conformance.py")
    return buffer.getvalue()


def test_the_client_conforms_in_a_web_worker():
    sync_api = pytest.importorskip("playwright.sync_api")
    folder = pyodide_folder()
    types = {".mjs": "text/javascript", ".wasm": "application/wasm"}

    async def runtime(request):
        file = folder / Path(request.path_params["name"]).name
        return FileResponse(file, media_type=types.get(file.suffix))

    extra = [
        Route("/", lambda request: HTMLResponse("<!doctype html><title>conformance</title>")),
        Route("/worker.mjs", lambda request: Response(WORKER, media_type="text/javascript")),
        Route("/sdk.zip", lambda request: Response(archive(), media_type="application/zip")),
        Route("/pyodide/{name}", runtime),
    ]
    start = """async ({ url, code }) => await new Promise((done) => {
        const worker = new Worker('/worker.mjs', { type: 'module' });
        worker.onmessage = ({ data }) => done(data); worker.onerror = (event) => done('broken: ' + event.message);
        worker.postMessage({ url, code, file: new File([new Uint8Array(8 * 1024 * 1024)], 'big.bin', { type: 'image/x-test' }) });
    })"""
    with running(extra) as url, sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=os.environ.get("CHROMIUM", "/usr/bin/chromium"), args=["--no-sandbox"])
        try:
            page = browser.new_page()
            page.goto(url)
            found = page.evaluate(start, {"url": url, "code": CODE})
        finally:
            browser.close()
    result = json.loads(found) if found.startswith("{") else {"start": found}
    assert {name: fault for name, fault in result.items() if fault} == {}
    assert len(CHECKS) + 4 == len(result)
