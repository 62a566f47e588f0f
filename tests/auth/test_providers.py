"""What providers say about a person, as their own documents show it; and a GitHub of one's own, over HTTP."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from baaskit.auth import oidc, providers
from baaskit.auth.providers import Begun, Provider
from baaskit.errors import Faults
from baaskit.errors.auth import BadOAuthCallback, UnsupportedProvider, ValidationFailed
from baaskit.settings import load_settings

pytestmark = pytest.mark.anyio
APPLE_STYLE = {"sub": "001.abc", "email": "Ada@Example.com", "email_verified": "true"}


def provider(folder: Path, name: str, **given: Any) -> Provider:
    return providers.find(load_settings(folder, {}, providers={name: {"client_id": "shop", **given}}), name)


@pytest.mark.parametrize(
    ("claims", "verified"),
    [
        (APPLE_STYLE, True),
        ({**APPLE_STYLE, "email_verified": True}, True),
        ({**APPLE_STYLE, "email_verified": 1.5}, False),
        ({**APPLE_STYLE, "email_verified": "yes"}, False),
        ({**APPLE_STYLE, "email_verified": ["true"]}, False),
        ({"sub": "1", "email": "ada@example.com"}, False),
        ({"sub": "1", "email": "no address", "email_verified": True}, False),
        ({"sub": "1", "email": ["ada@example.com"], "email_verified": True}, False),
        ({"sub": "1", "email_verified": True}, False),
    ],
    ids=["apple", "true", "number", "word", "list", "unsaid", "no address", "no text", "none"],
)
def test_an_address_is_verified_only_where_the_provider_says_so(tmp_path: Path, claims: dict[str, Any], verified: bool) -> None:
    person = providers.from_claims(provider(tmp_path, "google"), claims)

    assert (person.email_verified, person.proven_email) == (verified, "ada@example.com" if verified else None)


def test_microsoft_vouches_only_for_addresses_of_proven_domains(tmp_path: Path) -> None:
    """Any admin of any tenant writes any address into an account (nOAuth)."""
    claims = {"sub": "1", "email": "ada@victim.com", "email_verified": True}

    assert providers.from_claims(provider(tmp_path, "azure"), claims).proven_email is None
    assert providers.from_claims(provider(tmp_path, "azure"), {**claims, "xms_edov": "1"}).proven_email == "ada@victim.com"


def test_github_the_primary_verified_address_counts_not_that_of_the_profile(tmp_path: Path) -> None:
    github, user = provider(tmp_path, "github"), {"id": 7, "login": "ada", "email": "ada@victim.com"}
    primary = {"email": "ada@example.com", "primary": True, "verified": True}

    assert providers.from_github(github, user, [{"email": "x@y.z", "verified": True}, primary]).proven_email == "ada@example.com"
    assert providers.from_github(github, user, [{**primary, "verified": False}]).proven_email is None
    assert providers.from_github(github, user, {"message": "Requires authentication"}).email is None
    with pytest.raises(ValidationFailed):
        providers.from_github(github, {"id": True}, [])


def test_discord(tmp_path: Path) -> None:
    user = {
        "id": "80351110224678912",
        "username": "nelly",
        "global_name": "Nelly",
        "avatar": "8342729",
        "verified": True,
        "email": "n@x.com",
    }

    person = providers.from_discord(provider(tmp_path, "discord"), user)

    assert (person.subject, person.proven_email, person.profile["full_name"]) == ("80351110224678912", "n@x.com", "Nelly")
    assert person.profile["avatar_url"] == "https://cdn.discordapp.com/avatars/80351110224678912/8342729.png"
    assert providers.from_discord(provider(tmp_path, "discord"), {**user, "verified": False}).proven_email is None


def test_what_a_profile_says_is_kept_only_where_it_can_be_stored(tmp_path: Path) -> None:
    claims = {"sub": "1", "name": "a\0b", "picture": "x" * 5000, "nickname": {"a": 1}, "locale": "\ud800", "given_name": "Ada"}

    assert providers.from_claims(provider(tmp_path, "google"), claims).profile == {"given_name": "Ada"}


def test_settings_are_refused_that_could_not_work(tmp_path: Path) -> None:
    for given in (
        {"other": {"client_id": "x"}},
        {"email": {"client_id": "x", "issuer": "https://a.example"}},
        {"google": {"client_id": ""}},
        {"google": {"client_id": "x", "secret": "y"}},
        {"other": {"client_id": "x", "issuer": "http://169.254.169.254/"}},
        {"other": {"client_id": "x", "issuer": "http://localhost.evil.com/"}},
        {"other": {"client_id": "x", "issuer": "https://user@evil.com/"}},
    ):
        with pytest.raises(Faults):
            load_settings(tmp_path, {}, providers=given)
    with pytest.raises(UnsupportedProvider):
        providers.find(load_settings(tmp_path, {}), "google")


class _GitHub(BaseHTTPRequestHandler):
    """GitHub's three addresses, as its documentation has them: errors come with status 200."""

    def do_POST(self) -> None:
        asked = self.rfile.read(int(self.headers["content-length"])).decode()
        right = "code=right" in asked and "client_secret=hush" in asked and "code_verifier=verifier" in asked
        self._answer({"access_token": "gho_1", "token_type": "bearer"} if right else {"error": "bad_verification_code"})

    def do_GET(self) -> None:
        assert self.headers["authorization"] == "Bearer gho_1"
        emails = [{"email": "ada@example.com", "primary": True, "verified": True}]
        self._answer(emails if self.path == "/api/v3/user/emails" else {"id": 7, "login": "ada"})

    def _answer(self, body: Any) -> None:
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(scope="module")
def github() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _GitHub)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


async def test_a_sign_in_at_a_github_of_ones_own(tmp_path: Path, github: str) -> None:
    own = provider(tmp_path, "github", client_secret="hush", issuer=github)
    directory, begun = oidc.Directory(), Begun("state", "nonce", "verifier", "http://127.0.0.1/callback")

    url = await directory.authorize_url(own, begun, "", {})
    signed = await directory.finish(own, begun, "right", None)

    assert url.startswith(f"{github}/login/oauth/authorize?") and "nonce" not in url
    assert (signed.person.subject, signed.person.proven_email, signed.access_token) == ("7", "ada@example.com", "gho_1")
    with pytest.raises(BadOAuthCallback):
        await directory.finish(own, begun, "wrong", None)
