"""The shop's files fit together: drawings and script, page and behaviour, page and licences."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from baaskit_client import AsyncClient, MemoryStore
from baaskit_client.testing import FakeTransport

from tests.journeys.conftest import ROOT

from .conftest import PetStore

PUBLIC = ROOT / "demo-petstore" / "public"


def test_the_committed_drawings_are_what_the_script_draws(tmp_path: Path):
    import art

    art.main(tmp_path)
    drawn = {file.name: file.read_text() for file in tmp_path.iterdir()}
    assert {file.name: file.read_text() for file in (PUBLIC / "art").iterdir()} == drawn
    assert 38 == len(drawn)


@pytest.mark.anyio
async def test_every_action_that_the_page_names_exists_and_every_action_is_named():
    named = {
        name
        for file in PUBLIC.glob("*.mjs")
        for name in re.findall(r"\bact\??\.(\w+)\(|send\('(\w+)'", file.read_text())
        for name in name
        if name
    }
    named |= {"sign_in", "sign_up"}  # chosen by the form: act[up ? …]
    store = PetStore(AsyncClient("http://test", "anon", FakeTransport(), MemoryStore()), MemoryStore(), lambda state: None)
    assert {*store.actions} == named


def test_what_is_vendored_carries_its_licence():
    for folder in ("preact-11.2.0", "htm-3.1.1", "nunito-5.3.0", "fraunces-5.3.0"):
        assert (PUBLIC / "vendor" / folder / "LICENSE").read_text()


def test_the_page_names_no_other_server():
    for file in [*PUBLIC.glob("*.*js"), *PUBLIC.glob("*.html"), *PUBLIC.glob("*.css")]:
        assert not re.search(r"https?://|//[a-z]+\.", file.read_text().replace("http://www.w3.org/2000/svg", "")), file.name
