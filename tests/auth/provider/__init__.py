"""A real OpenID provider (npm `oidc-provider`), two of them, and browsers that walk between it and a process under test."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
import secrets
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx2
import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.auth.rig import Rig

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
APP = "http://localhost:3000"  # where the app under test lives: `site_url`


@dataclass(frozen=True)
class Idp:
    """Two providers on one key: `first` and `second` are their issuers."""

    first: str
    second: str
    key: rsa.RSAPrivateKey

    def settings(self, **more: Any) -> dict[str, Any]:
        """`providers` for a process under test: `first` and `second`."""
        known = {"client_id": "shop", "client_secret": "shop-secret", **more}
        return {"first": {**known, "issuer": self.first}, "second": {**known, "issuer": self.second}}

    def id_token(self, key: Any = None, algorithm: str = "RS256", kid: str | None = "test", **claims: Any) -> str:
        """An ID token as the first provider would sign it, but for `claims`; a claim that is None is left out."""
        now = int(time.time())
        told = {"iss": self.first, "aud": "shop", "sub": "ada", "iat": now, "exp": now + 600, "email": "ada@example.com", **claims}
        told = {name: value for name, value in told.items() if value is not None}
        return jwt.encode(told, self.key if key is None else key, algorithm, headers={"kid": kid} if kid else None)


@contextlib.contextmanager
def providers() -> Iterator[Idp]:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    jwk = {**json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key)), "kid": "test", "use": "sig", "alg": "RS256"}
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(2)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        ports = [probe.getsockname()[1] for probe in probes]
    environment = {**os.environ, "PORTS": ",".join(map(str, ports)), "JWKS": json.dumps({"keys": [jwk]})}
    command = [str(ROOT / "scripts/with-node.sh"), "node", "--no-warnings", str(HERE / "provider.mjs")]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert process.stdout is not None
        seen = 0
        while seen < len(ports):
            line = process.stdout.readline()
            assert line, "the provider did not start: make setup-test"
            seen += line.startswith("ready")
        yield Idp(*(f"http://127.0.0.1:{port}" for port in ports), key=key)
    finally:
        process.terminate()
        process.wait()


@dataclass
class Browser:
    """Follows redirects between the process under test and the providers, with cookies as a browser keeps them: by host."""

    rig: Rig
    cookies: dict[str, dict[str, str]] = field(default_factory=dict)
    seen: list[str] = field(default_factory=list)  # every address that it visited

    async def open(self, url: str, stop_before: str = APP) -> str:
        """The first address that begins with `stop_before`; it is not visited."""
        for _ in range(15):
            if url.startswith(stop_before):
                return url
            answer = await self.get(url)
            assert answer.is_redirect, f"{url}: {answer.status_code} {answer.text}"
            url = str(httpx2.URL(url).join(answer.headers["location"]))
        raise AssertionError(f"a loop at {url}")

    async def get(self, url: str) -> httpx2.Response:
        self.seen.append(url)
        parts, ours = urlsplit(url), self.rig.kit.settings.url
        jar = self.cookies.setdefault(parts.netloc, {})
        headers = {"cookie": "; ".join(f"{name}={value}" for name, value in jar.items())} if jar else {}
        self.rig.http.cookies.clear()  # browsers share that client, and no cookies
        if url.startswith(ours):
            answer = await self.rig.http.get(url, headers=headers, follow_redirects=False)
        else:
            async with httpx2.AsyncClient(timeout=30, follow_redirects=False) as http:
                answer = await http.get(url, headers=headers)
        for line in answer.headers.get_list("set-cookie"):
            for name, morsel in SimpleCookie(line).items():
                if morsel["max-age"] == "0" or not morsel.value:
                    jar.pop(name, None)
                else:
                    jar[name] = morsel.value
        return answer

    async def sign_in(self, who: str, provider: str = "first", stop_before: str = APP, **query: str) -> dict[str, str]:
        """What the app is told after a sign-in as `who`: query and fragment of the address that the browser ends at."""
        return told(await self.open(self.authorize(who, provider, **query), stop_before))

    def authorize(self, who: str, provider: str = "first", **query: str) -> str:
        asked = {"provider": provider, "login_hint": who, "redirect_to": f"{APP}/welcome", **query}
        return f"{self.rig.kit.settings.url}/auth/v1/authorize?{urlencode(asked)}"


def pkce_pair() -> tuple[str, dict[str, str]]:
    """A verifier and the parameters of its challenge."""
    verifier = secrets.token_urlsafe(48)
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    return verifier, {"code_challenge": challenge, "code_challenge_method": "s256"}


async def exchange(rig: Rig, code: str, verifier: str) -> httpx2.Response:
    return await rig.ask("POST", "/token?grant_type=pkce", json={"auth_code": code, "code_verifier": verifier})


async def link(browser: Browser, session: Any, who: str, provider: str = "first") -> httpx2.Response:
    """Link the account `who` of a provider to a session's account, as the official client does."""
    verifier, challenge = pkce_pair()
    asked = {"provider": provider, "login_hint": who, "redirect_to": f"{APP}/linked", "skip_http_redirect": "true", **challenge}
    answer = await browser.rig.ask("GET", f"/user/identities/authorize?{urlencode(asked)}", session["access_token"])
    if answer.status_code != 200:
        return answer
    back = told(await browser.open(answer.json()["url"]))
    return await exchange(browser.rig, back["code"], verifier)


def told(url: str) -> dict[str, str]:
    parts = urlsplit(url)
    return dict(parse_qsl(parts.query) + parse_qsl(parts.fragment))
