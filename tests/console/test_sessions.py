"""Sign-in of admins: the first one, the password, the cookie, other sites, and the token for the other APIs."""

from __future__ import annotations

import asyncio
import time
from statistics import median

import pytest
from sqlalchemy import select

from baaskit.console import create_admin, ensure_setup_token
from baaskit.console.limits import FAILURES_PER_ACCOUNT, WINDOW_SECONDS, Attempts
from baaskit.errors.console import InvalidAdmin, TooManyAttempts

from .conftest import HERE, PASSWORD, Console, open_console

pytestmark = pytest.mark.anyio
FIRST = {"email": "Ana@Example.com", "password": PASSWORD}


async def test_the_setup_token_makes_the_first_admin_once(console: Console) -> None:
    token = await ensure_setup_token(console.kit)
    assert token
    browser = console.browser()
    assert (await browser.get("/admin/v1/setup")).json() == {"needed": True}
    made = await browser.post("/admin/v1/setup", json={"setup_token": token, **FIRST})
    assert made.status_code == 200
    assert made.json()["admin"] | {"id": ""} == {"id": "", "email": "ana@example.com", "role": "owner"}
    again = await console.browser().post("/admin/v1/setup", json={"setup_token": token, "email": "eve@example.com", "password": PASSWORD})
    assert again.status_code == 403
    admins = console.kit.database.tables.admins
    assert [row["email"] for row in await console.kit.database.query(select(admins))] == ["ana@example.com"]
    assert await ensure_setup_token(console.kit) is None
    assert (await browser.get("/admin/v1/setup")).json() == {"needed": False}


async def test_a_hundred_who_use_the_setup_token_at_once_make_one_admin(small: Console) -> None:
    token = await ensure_setup_token(small.kit)

    async def attempt(number: int) -> int:
        given = {"setup_token": token, "email": f"a{number}@example.com", "password": PASSWORD}
        return (await small.browser().post("/admin/v1/setup", json=given)).status_code

    answers = await asyncio.gather(*(attempt(number) for number in range(6)))
    assert sorted(answers) == [200, 403, 403, 403, 403, 403]


async def test_only_the_hash_of_the_setup_token_is_stored(small: Console) -> None:
    token = await ensure_setup_token(small.kit)
    state = small.kit.database.tables.state
    assert str(token) not in str(await small.kit.database.query(select(state)))


async def test_a_wrong_setup_token_makes_nobody(small: Console) -> None:
    await ensure_setup_token(small.kit)
    answer = await small.browser().post("/admin/v1/setup", json={"setup_token": "wrong", **FIRST})
    assert answer.status_code == 403
    assert await small.kit.database.query(select(small.kit.database.tables.admins)) == []


async def test_an_unknown_address_and_a_wrong_password_read_the_same(console: Console) -> None:
    await create_admin(console.kit, "ana@example.com", PASSWORD)
    wrong = await console.browser().post("/admin/v1/session", json={"email": "ana@example.com", "password": "not this one"})
    unknown = await console.browser().post("/admin/v1/session", json={"email": "eve@example.com", "password": "not this one"})
    assert wrong.status_code == unknown.status_code == 401
    assert wrong.json() == unknown.json()
    assert "set-cookie" not in wrong.headers | unknown.headers


async def test_an_unknown_address_costs_as_much_time_as_a_wrong_password(small: Console) -> None:
    await create_admin(small.kit, "ana@example.com", PASSWORD)

    async def cost(email: str) -> float:
        times = []
        for _ in range(5):
            started = time.process_time()
            await small.browser().post("/admin/v1/session", json={"email": email, "password": "not this one"})
            times.append(time.process_time() - started)
        return median(times)

    known, unknown = await cost("ana@example.com"), await cost("eve@example.com")
    assert unknown > known / 3  # one argon2 each; without it the difference is a factor of ten


async def test_the_cookie_is_for_this_site_and_for_no_script(console: Console) -> None:
    await create_admin(console.kit, "ana@example.com", PASSWORD)
    answer = await console.browser().post("/admin/v1/session", json=FIRST)
    cookie = answer.headers["set-cookie"].lower()
    assert {"httponly", "samesite=strict", "path=/admin/v1"} <= {part.strip() for part in cookie.split(";")}
    assert "secure" not in cookie
    assert answer.headers["cache-control"] == "no-store"
    over_tls = await console.browser("https://127.0.0.1:54321").post("/admin/v1/session", json=FIRST)
    assert "secure" in over_tls.headers["set-cookie"].lower()


async def test_the_token_is_a_short_lived_service_role_of_this_admin(console: Console) -> None:
    browser = await console.signed_in("developer")
    given = (await browser.get("/admin/v1/session")).json()
    claims = console.kit.keys.verifier.verify(given["token"], time.time())
    assert claims.is_service
    assert claims.jwt["aud"] == "baaskit:console"
    assert claims.jwt["admin"] == {"id": given["admin"]["id"], "role": "developer"}
    assert 0 < claims.jwt["exp"] - time.time() <= 600
    assert given["expires_at"] == claims.jwt["exp"]


async def test_signing_out_ends_the_session_and_its_token(console: Console) -> None:
    browser = await console.signed_in()
    token = (await browser.get("/admin/v1/session")).json()["token"]
    copied = dict(browser.cookies)
    assert (await browser.delete("/admin/v1/session")).status_code == 204
    thief = console.browser()
    thief.cookies.update(copied)
    assert (await thief.get("/admin/v1/session")).status_code == 401
    with pytest.raises(Exception, match="session has ended"):
        console.kit.keys.verifier.verify(token, time.time())


async def test_an_expired_session_is_no_session(console: Console) -> None:
    browser = await console.signed_in()
    moment = "'2020-01-01T00:00:00+00:00'"
    name = '"baaskit.admin_sessions"' if console.kit.database.dialect == "sqlite" else "baaskit.admin_sessions"
    await console.sql(f"update {name} set expires_at = {moment}")
    assert (await browser.get("/admin/v1/overview")).status_code == 401


@pytest.mark.parametrize("path", ["/session", "/overview", "/schema", "/policies", "/policies/history", "/policies/history/1", "/audit"])
async def test_nothing_is_told_to_strangers(small: Console, path: str) -> None:
    assert (await small.browser().get(f"/admin/v1{path}")).status_code == 401
    with_key = await small.browser().get(f"/admin/v1{path}", headers={"authorization": f"Bearer {small.kit.keys.service_role_key}"})
    assert with_key.status_code == 401  # a service key is for programs; the console asks who you are


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:9999"},
        {"host": "evil.example", "origin": "http://evil.example"},
    ],
)
async def test_other_sites_and_rebound_names_get_nothing_even_with_the_cookie(small: Console, headers: dict[str, str]) -> None:
    browser = await small.signed_in()
    before = small.kit.database.catalog.policies.version
    assert (await browser.get("/admin/v1/session", headers=headers)).status_code == 403
    saving = {"text": "", "note": "", "base_version": before}
    assert (await browser.put("/admin/v1/policies", json=saving, headers=headers)).status_code == 403
    assert small.kit.database.catalog.policies.version == before


async def test_a_cross_site_request_without_origin_is_refused(small: Console) -> None:
    browser = await small.signed_in()
    del browser.headers["origin"]
    assert (await browser.get("/admin/v1/session", headers={"sec-fetch-site": "cross-site"})).status_code == 403
    assert (await browser.get("/admin/v1/session", headers={"sec-fetch-site": "same-origin"})).status_code == 200
    assert (await browser.delete("/admin/v1/session")).status_code == 403


async def test_a_server_behind_a_proxy_answers_to_its_public_address(tmp_path_factory: pytest.TempPathFactory) -> None:
    async with open_console(tmp_path_factory.mktemp("proxied"), public_url="https://shop.example") as console:
        await create_admin(console.kit, "ana@example.com", PASSWORD)
        direct = await console.browser("https://shop.example").post("/admin/v1/session", json=FIRST)
        assert direct.status_code == 200
        proxied = await console.browser(HERE, origin="https://shop.example").post("/admin/v1/session", json=FIRST)
        assert proxied.status_code == 200
        assert "secure" in proxied.headers["set-cookie"].lower()


async def test_guessing_is_stopped_and_the_answer_says_for_how_long(small: Console) -> None:
    await create_admin(small.kit, "ana@example.com", PASSWORD)
    browser = small.browser()
    for _ in range(FAILURES_PER_ACCOUNT):
        assert (await browser.post("/admin/v1/session", json={**FIRST, "password": "guess"})).status_code == 401
    stopped = await browser.post("/admin/v1/session", json=FIRST)
    assert stopped.status_code == 429
    assert 0 < int(stopped.headers["retry-after"]) <= WINDOW_SECONDS + 1


def test_attempts_are_forgotten_after_a_while_and_by_the_right_password() -> None:
    attempts = Attempts()
    for second in range(FAILURES_PER_ACCOUNT):
        attempts.started("1.2.3.4", "ana@example.com", second)
    with pytest.raises(TooManyAttempts):
        attempts.check("1.2.3.4", "ANA@example.com ", 10)
    attempts.check("1.2.3.4", "bob@example.com", 10)
    attempts.check("5.6.7.8", "ana@example.com", 10)
    attempts.check("1.2.3.4", "ana@example.com", WINDOW_SECONDS + 1)
    attempts.succeeded("1.2.3.4", "ana@example.com")
    attempts.check("1.2.3.4", "ana@example.com", 10)


@pytest.mark.parametrize(
    ("email", "password", "role", "words"),
    [
        ("nobody", PASSWORD, "owner", "not an e-mail"),
        ("a@b.example", "short", "owner", "at least 10"),
        ("a@b.example", "x" * 600, "owner", "at most 512"),
        ("a@b.example", PASSWORD, "king", "no role"),
    ],
)
async def test_a_useless_admin_is_refused(small: Console, email: str, password: str, role: str, words: str) -> None:
    with pytest.raises(InvalidAdmin, match=words):
        await create_admin(small.kit, email, password, role)  # type: ignore[arg-type]
    assert await small.kit.database.query(select(small.kit.database.tables.admins)) == []


async def test_two_admins_cannot_share_an_address(console: Console) -> None:
    await create_admin(console.kit, "ana@example.com", PASSWORD)
    with pytest.raises(InvalidAdmin, match="already"):
        await create_admin(console.kit, " ANA@example.com", PASSWORD)
