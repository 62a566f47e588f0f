"""The console's page: what it is served with, what is cached, and that nothing else of the disk can be reached."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from baaskit.console import site

from .conftest import Console

pytestmark = pytest.mark.anyio


async def test_the_page_allows_no_foreign_origin_no_inline_script_and_no_frame(small: Console) -> None:
    answer = await small.browser().get("/console/")
    policy = dict(part.strip().split(" ", 1) for part in answer.headers["content-security-policy"].split(";"))
    assert policy["default-src"] == policy["script-src"] == policy["connect-src"] == "'self'"
    assert policy["frame-ancestors"] == policy["object-src"] == policy["base-uri"] == "'none'"
    assert "unsafe" not in str(policy)
    expected = {
        "x-content-type-options": "nosniff",
        "cross-origin-opener-policy": "same-origin",
        "referrer-policy": "no-referrer",
        "x-frame-options": "DENY",
        "cache-control": "no-cache",
    }
    assert expected.items() <= dict(answer.headers).items()
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\son\w+=|https?://", answer.text)


async def test_every_page_has_a_nonce_of_its_own(small: Console) -> None:
    pages = [await small.browser().get("/console/") for _ in range(2)]
    nonces = [re.search(r"'nonce-([^']+)'", page.headers["content-security-policy"])[1] for page in pages]  # type: ignore[index]
    assert nonces[0] != nonces[1]
    for page, nonce in zip(pages, nonces, strict=True):
        assert f'nonce="{nonce}"' in page.text
        assert site.NONCE_PLACE not in page.text


async def test_assets_are_cached_for_ever_and_rooms_are_the_page(small: Console) -> None:
    browser = small.browser()
    index = await browser.get("/console/")
    for path in re.findall(r'(?:src|href)="(/console/assets/[^"]+)"', index.text):
        asset = await browser.get(path)
        assert asset.status_code == 200
        assert "immutable" in asset.headers["cache-control"]
        assert asset.headers["x-content-type-options"] == "nosniff"
        assert asset.headers["content-encoding"] == "gzip"
        plain = await browser.get(path, headers={"accept-encoding": "identity"})
        assert "content-encoding" not in plain.headers
        assert plain.content == asset.content
    room = await browser.get("/console/data/pets?sort=1")
    assert room.status_code == 200
    assert "<div id=" in room.text
    assert (await browser.get("/console")).headers["location"] == "/console/"
    head = await browser.head("/console/policies")
    assert (head.status_code, head.text) == (200, "")


@pytest.mark.parametrize(
    "path",
    [
        "assets/gone-12345678.js",
        "assets/../index.html",
        "assets/..%2f..%2fsite.py",
        "..%2fsite.py",
        "%2e%2e/site.py",
        "assets/%00.js",
        "x.map",
    ],
)
async def test_what_is_not_an_asset_of_this_build_is_not_found(small: Console, path: str) -> None:
    answer = await small.browser().get(f"/console/{path}")
    assert "import" not in answer.text.replace("important", "")
    assert answer.status_code == 404 or "<div id=" in answer.text


def test_the_build_names_no_other_host_as_a_source() -> None:
    """Nothing of the page is fetched from elsewhere: scripts, styles and fonts are all beside it."""
    styles = "".join(file.read_text() for file in Path(site.STATIC).rglob("*.css"))
    assert not re.findall(r"url\((?!/console/)[^)]*\)|@import", styles)
