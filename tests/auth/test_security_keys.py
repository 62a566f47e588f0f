"""Security keys in a real browser: the official client, unmodified, with Chromium's virtual authenticator; and answers that are refused."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, sync_playwright

from tests.auth.server import Running, serve
from tests.auth.test_official_clients import CLIENTS

pytestmark = pytest.mark.journey

PAGE = "<!doctype html><title>Shop</title><script src='/supabase.js'></script>"
ENROLL = """async ([key]) => {
  window.c = supabase.createClient(location.origin, key, { auth: { persistSession: false } })
  await c.auth.signUp({ email: 'ada@example.com', password: 'correct horse' })
  const { error } = await c.auth.mfa.webauthn.register({ friendlyName: 'my key' })
  return { error: error && error.message, level: (await c.auth.mfa.getAuthenticatorAssuranceLevel()).data,
           factors: (await c.auth.mfa.listFactors()).data.webauthn }
}"""
SIGN_IN = """async () => {
  await c.auth.signInWithPassword({ email: 'ada@example.com', password: 'correct horse' })
  const before = (await c.auth.mfa.getAuthenticatorAssuranceLevel()).data.currentLevel
  const { data: { webauthn: [factor] } } = await c.auth.mfa.listFactors()
  const { data, error } = await c.auth.mfa.challenge({ factorId: factor.id, webauthn: { rpId: 'localhost', rpOrigins: [location.origin] } })
  if (error) return { error: error.message }
  const options = data.webauthn.credential_options.publicKey
  const credential = await navigator.credentials.get({ publicKey: options })
  window.answer = { factorId: factor.id, challengeId: data.id ?? data.challengeId, webauthn: { type: 'request', rpId: 'localhost',
                    rpOrigins: [location.origin], credential_response: credential } }
  window.json = credential.toJSON()
  return { before, error: null }
}"""
VERIFY = """async () => {
  const { error } = await c.auth.mfa.verify(answer)
  const level = (await c.auth.mfa.getAuthenticatorAssuranceLevel()).data
  return { code: error && error.code, level: level.currentLevel, methods: level.currentAuthenticationMethods.map((m) => m.method) }
}"""
RAW = """async ([changes, rpId, fresh]) => {
  const { data: { session } } = await c.auth.getSession()
  const headers = { authorization: 'Bearer ' + session.access_token, 'content-type': 'application/json' }
  const at = location.origin + '/auth/v1/factors/' + answer.factorId
  const post = async (path, body) => (await fetch(at + path, { method: 'POST', headers, body: JSON.stringify(body) })).json()
  const challenge = fresh ? (await post('/challenge', { webauthn: { rpId: 'localhost' } })).id : answer.challengeId
  const credential = JSON.parse(JSON.stringify(json))
  Object.assign(credential.response, changes)
  const body = { challenge_id: challenge, webauthn: { type: 'request', rpId, credential_response: credential } }
  return (await post('/verify', body)).error_code
}"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder: Path = tmp_path_factory.mktemp("keys")
    (folder / "public").mkdir()
    (folder / "public" / "index.html").write_text(PAGE)
    shutil.copy(CLIENTS / "node_modules/@supabase/supabase-js/dist/umd/supabase.js", folder / "public" / "supabase.js")
    with serve(f"sqlite:///{folder / 'data.db'}", folder) as running:
        yield running


@pytest.fixture(scope="module")
def page(server: Running) -> Iterator[Page]:
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"])
        opened = browser.new_page()
        tools = opened.context.new_cdp_session(opened)
        tools.send("WebAuthn.enable")
        options = {
            "protocol": "ctap2", "transport": "usb", "hasResidentKey": True, "hasUserVerification": True, "isUserVerified": True,
            "automaticPresenceSimulation": True,
        }  # fmt: skip
        tools.send("WebAuthn.addVirtualAuthenticator", {"options": options})
        opened.goto(server.url.replace("127.0.0.1", "localhost"))
        made: Any = opened.evaluate(ENROLL, [server.anon_key])
        assert made["error"] is None, made
        assert made["level"]["currentLevel"] == "aal2"
        assert [factor["friendly_name"] for factor in made["factors"]] == ["my key"]
        yield opened
        browser.close()


def test_a_key_raises_the_session_and_its_answer_works_once(page: Page) -> None:
    assert page.evaluate(SIGN_IN) == {"before": "aal1", "error": None}
    assert page.evaluate(VERIFY) == {"code": None, "level": "aal2", "methods": ["password", "mfa/webauthn"]}
    assert page.evaluate(VERIFY)["code"] == "mfa_factor_not_found", "the challenge is used up"
    assert page.evaluate(RAW, [{}, "localhost", True]) == "mfa_verification_failed", "nor does the answer fit another challenge"


@pytest.mark.parametrize("spoilt", ["signature", "clientDataJSON", "authenticatorData"])
def test_an_answer_that_was_changed_is_refused(page: Page, spoilt: str) -> None:
    assert page.evaluate(SIGN_IN)["error"] is None
    assert page.evaluate(RAW, [{spoilt: "AAAA"}, "localhost", False]) == "mfa_verification_failed"
    assert page.evaluate(RAW, [{}, "localhost", False]) == "mfa_factor_not_found", "a wrong answer uses up the challenge"


def test_a_page_does_not_choose_its_domain(page: Page) -> None:
    assert page.evaluate(SIGN_IN)["error"] is None
    assert page.evaluate(RAW, [{}, "evil.example", False]) == "validation_failed"
    assert page.evaluate(VERIFY)["level"] == "aal2"
