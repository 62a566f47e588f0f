"""Rules for passwords, captchas, and limits that several processes share."""

from __future__ import annotations

import asyncio
import hashlib
import http.server
import json
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from baaskit.auth.limits import Limits
from baaskit.auth.passwords import check_policy, is_listed
from baaskit.errors.auth import OverLimit, WeakPassword
from baaskit.settings import load_settings
from tests.auth.rig import PASSWORD, Rig, refusal

pytestmark = pytest.mark.anyio


def test_a_breached_password_is_found_wherever_it_stands(tmp_path: Path) -> None:
    words = [f"word{number}" for number in range(300)]
    file = tmp_path / "breached.txt"
    lines = sorted(hashlib.sha1(word.encode()).hexdigest().upper() for word in words)
    for form in ("\n".join(lines), "\n".join(lines) + "\n", "\r\n".join(f"{line}:{n}" for n, line in enumerate(lines)) + "\r\n"):
        file.write_text(form, newline="")
        assert all(is_listed(word, file) for word in words)
        assert not any(is_listed(f"other{number}", file) for number in range(300))
    file.write_text("")
    assert not is_listed("word1", file)


@pytest.mark.parametrize(
    ("settings", "password", "reason"),
    [
        ({"password_min_length": 10}, "short-one", "length"),
        ({"password_required_characters": "letters_digits"}, "onlyletters", "characters"),
        ({"password_required_characters": "lower_upper_digits"}, "lower1234", "characters"),
        ({"password_required_characters": "lower_upper_digits_symbols"}, "Lower1234", "characters"),
        ({"password_min_strength": 3}, "password123", "characters"),
        ({"password_min_strength": 3}, "adalovelace", "characters"),
        ({"password_breached_file": "breached.txt"}, "letmein", "pwned"),
    ],
)
async def test_a_weak_password_is_refused_by_its_rule(tmp_path: Path, settings: dict[str, Any], password: str, reason: str) -> None:
    (tmp_path / "breached.txt").write_text(hashlib.sha1(b"letmein").hexdigest().upper() + ":12\n")
    loaded = load_settings(tmp_path, {}, **settings)
    with pytest.raises(WeakPassword) as refused:
        await check_policy(password, loaded, "adalovelace@example.com", "adalovelace")
    assert refused.value.reasons == (reason,)
    await check_policy("Corr3ct-horse-battery", loaded, "adalovelace@example.com")


class Verdicts(http.server.BaseHTTPRequestHandler):
    """A captcha service that likes the token `good`, and breaks at `broken`."""

    asked: list[dict[str, list[str]]] = []  # noqa: RUF012

    def do_POST(self) -> None:
        form = parse_qs(self.rfile.read(int(self.headers["content-length"])).decode())
        self.asked.append(form)
        body = b"<html>" if form["response"] == ["broken"] else json.dumps({"success": form["response"] == ["good"]}).encode()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None: ...


@pytest.fixture
def captcha() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Verdicts)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


async def test_a_stranger_shows_a_captcha_and_the_service_key_does_not(make_rig: Any, captcha: str) -> None:
    rig: Rig = await make_rig(captcha_provider="siteverify", captcha_url=captcha, captcha_secret="s3cret", mail_mailbox=True)
    account = {"email": "ada@example.com", "password": PASSWORD}
    for token in (None, "", "bad", "broken"):
        body = {**account, "gotrue_meta_security": {"captcha_token": token}}
        for path in ("/signup", "/token?grant_type=password", "/recover", "/otp"):
            assert refusal(await rig.ask("POST", path, json=body)) == (400, "captcha_failed")
    good = {**account, "gotrue_meta_security": {"captcha_token": "good"}}
    assert (await rig.ask("POST", "/signup", json=good)).status_code == 200
    assert Verdicts.asked[-1] == {"secret": ["s3cret"], "response": ["good"], "remoteip": ["127.0.0.1"]}
    assert (await rig.ask("POST", "/token?grant_type=password", json=good)).status_code == 200
    assert (await rig.ask("POST", "/token?grant_type=password", rig.kit.keys.service_role_key, account)).status_code == 200


async def test_one_address_guesses_one_account_less_often_than_all_together(make_rig: Any) -> None:
    rig: Rig = await make_rig(sign_in_limit_per_account_and_address=3, sign_in_limit_per_account=5)
    await rig.sign_up("ada@example.com")
    for _ in range(3):
        assert refusal(await rig.sign_in("ada@example.com", "wrong one")) == (400, "invalid_credentials")
    assert refusal(await rig.sign_in("ada@example.com")) == (429, "over_request_rate_limit")
    assert refusal(await rig.sign_in("nobody@example.com", "wrong one")) == (400, "invalid_credentials")


@pytest.fixture(scope="module")
def redis() -> Iterator[str]:
    program = shutil.which("redis-server")
    if program is None:
        pytest.fail("redis-server is missing: make setup-test")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen([program, "--port", str(port), "--save", "", "--bind", "127.0.0.1"], stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with socket.socket() as link:
            if link.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.02)
    yield f"redis://127.0.0.1:{port}/0"
    process.terminate()
    process.wait()


async def test_processes_count_together_in_redis(redis: str) -> None:
    here, there = Limits(redis), Limits(redis)
    answers = await asyncio.gather(
        *(limits.take("account", "ada", 10, 60) for limits in (here, there) for _ in range(10)), return_exceptions=True
    )
    assert sum(isinstance(answer, OverLimit) for answer in answers) == 10
    assert sum(answer is None for answer in answers) == 10
    with pytest.raises(OverLimit) as refused:
        await there.take("account", "ada", 10, 60)
    assert 0 < int(refused.value.headers["Retry-After"]) <= 60
    for limits in (here, there, here):
        await limits.take("account", "bob", 1, 60)
        await limits.give_back("account", "bob", 1, 60)


async def test_without_redis_each_process_counts_for_itself() -> None:
    limits = Limits("redis://127.0.0.1:1/0")
    await limits.take("account", "ada", 1, 60)
    with pytest.raises(OverLimit):
        await limits.take("account", "ada", 1, 60)
