"""Sign-in with accounts elsewhere, against real OpenID providers (npm `oidc-provider`)."""

from __future__ import annotations

import asyncio
import hashlib
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx2
import pytest

from tests.auth.provider import APP, Browser, Idp, exchange, link, pkce_pair, told
from tests.auth.rig import Rig, open_rig, refusal

pytestmark = pytest.mark.anyio


async def user_of(rig: Rig, session: Any) -> dict[str, Any]:
    answer = await rig.ask("GET", "/user", session["access_token"])
    assert answer.status_code == 200, answer.text
    return answer.json()  # type: ignore[no-any-return]


def names(user: dict[str, Any]) -> list[tuple[str, str]]:
    return [(identity["provider"], identity["id"]) for identity in user["identities"]]


async def test_a_first_sign_in_makes_the_account_and_the_next_finds_it(provided: Rig) -> None:
    first = await Browser(provided).sign_in("ada@example.com")
    second = await Browser(provided).sign_in("ada@example.com")

    user, again = await user_of(provided, first), await user_of(provided, second)
    assert (user["email"], user["is_anonymous"], names(user)) == ("ada@example.com", False, [("first", "ada@example.com")])
    assert user["app_metadata"] == {"provider": "first", "providers": ["first"]}
    assert (user["user_metadata"]["full_name"], user["user_metadata"]["email_verified"]) == ("Name of ada@example.com", True)
    assert user["email_confirmed_at"] and user["identities"][0]["identity_data"]["email_verified"] is True
    assert again["id"] == user["id"]
    assert first["provider_token"] and first["token_type"] == "bearer"
    claims = provided.kit.keys.verifier.verify(first["access_token"], time.time())
    assert [entry["method"] for entry in claims.jwt["amr"]] == ["oauth"]


async def test_with_a_challenge_the_sign_in_ends_in_a_code_that_brings_the_providers_token_too(provided: Rig) -> None:
    verifier, challenge = pkce_pair()

    back = await Browser(provided).sign_in("bob@example.com", **challenge)

    assert set(back) == {"code"}
    answer = await exchange(provided, back["code"], verifier)
    assert answer.status_code == 200, answer.text
    assert answer.json()["user"]["email"] == "bob@example.com"
    assert answer.json()["provider_token"]
    stored = await provided.kit.database.query(provided.kit.database.tables.flow_states.select())
    assert answer.json()["provider_token"] not in str(stored)


async def test_an_account_whose_address_was_proven_is_found_by_a_verified_address_and_keeps_its_password(provided: Rig) -> None:
    made = await provided.admin("POST", "/users", {"email": "cleo@example.com", "password": "correct horse", "email_confirm": True})

    session = await Browser(provided).sign_in("cleo@example.com")

    user = await user_of(provided, session)
    assert user["id"] == made.json()["id"]
    assert {provider for provider, _ in names(user)} == {"email", "first"}
    assert user["app_metadata"]["providers"] == ["email", "first"]
    assert (await provided.sign_in("cleo@example.com")).status_code == 200


async def test_two_providers_that_vouch_for_one_address_open_one_account(provided: Rig) -> None:
    one = await user_of(provided, await Browser(provided).sign_in("dora@example.com"))
    two = await user_of(provided, await Browser(provided).sign_in("dora@example.com", "second"))

    assert one["id"] == two["id"]
    assert two["app_metadata"]["providers"] == ["first", "second"]


async def test_an_address_that_the_provider_vouches_for_later_is_taken_over_then(provided: Rig, idp: Idp) -> None:
    emma = f"emma-{provided.kit.database.dialect}@example.com"
    before = await user_of(provided, await Browser(provided).sign_in(f"unverified+{emma}"))
    async with httpx2.AsyncClient() as http:
        await http.get(f"{idp.first}/vouch/unverified%2B{emma}")
    after = await user_of(provided, await Browser(provided).sign_in(f"unverified+{emma}"))

    assert (before["email"], after["email"], before["id"]) == ("", emma, after["id"])


async def test_linking_and_unlinking(provided: Rig) -> None:
    browser = Browser(provided)
    session = await browser.sign_in("finn@example.com")

    linked = await link(browser, session, "finn@elsewhere.org", "second")

    assert linked.status_code == 200, linked.text
    user = linked.json()["user"]
    assert names(user) == [("first", "finn@example.com"), ("second", "finn@elsewhere.org")]
    assert user["email"] == "finn@example.com"
    found = await user_of(provided, await Browser(provided).sign_in("finn@elsewhere.org", "second"))
    assert found["id"] == user["id"]
    away = await provided.ask("DELETE", f"/user/identities/{user['identities'][0]['identity_id']}", session["access_token"])
    assert (away.status_code, away.json()) == (200, {})
    left = await user_of(provided, session)
    assert (names(left), left["app_metadata"]["providers"]) == ([("second", "finn@elsewhere.org")], ["second"])
    last = await provided.ask("DELETE", f"/user/identities/{left['identities'][0]['identity_id']}", session["access_token"])
    assert refusal(last) == (422, "single_identity_not_deletable")


async def test_unlinking_the_address_ends_its_password(provided: Rig) -> None:
    session = await provided.sign_up("gina@example.com")
    await link(Browser(provided), session, "gina@elsewhere.org")
    mail = next(identity for identity in (await user_of(provided, session))["identities"] if identity["provider"] == "email")

    away = await provided.ask("DELETE", f"/user/identities/{mail['identity_id']}", session["access_token"])

    assert away.status_code == 200
    assert refusal(await provided.sign_in("gina@example.com")) == (400, "invalid_credentials")


async def test_an_anonymous_user_keeps_its_id_when_it_links_an_account(provided: Rig) -> None:
    session = (await provided.ask("POST", "/signup", json={})).json()

    linked = (await link(Browser(provided), session, "hugo@example.com")).json()["user"]

    assert linked["id"] == session["user"]["id"]
    assert (linked["is_anonymous"], linked["email"]) == (False, "hugo@example.com")


async def test_an_id_token_signs_in_with_the_nonce_of_which_it_has_the_hash(provided: Rig, idp: Idp) -> None:
    token = idp.id_token(sub="iris", email="iris@example.com", email_verified=True, nonce=hashlib.sha256(b"once").hexdigest())

    answer = await provided.ask("POST", "/token?grant_type=id_token", json={"provider": "first", "id_token": token, "nonce": "once"})

    assert answer.status_code == 200, answer.text
    assert names(answer.json()["user"]) == [("first", "iris")]


async def test_an_id_token_links_to_the_caller(provided: Rig, idp: Idp) -> None:
    session = await provided.sign_up("jack@example.com")
    asked = {"provider": "first", "id_token": idp.id_token(sub="jack"), "link_identity": True}

    answer = await provided.ask("POST", "/token?grant_type=id_token", session["access_token"], json=asked)

    assert answer.json()["user"]["id"] == session["user"]["id"]
    assert ("first", "jack") in names(answer.json()["user"])


async def test_who_declines_is_led_back_with_the_reason(provided: Rig) -> None:
    back = await Browser(provided).sign_in("deny")

    assert (back["error"], back["error_code"], back["error_description"]) == ("access_denied", "bad_oauth_callback", "The person said no")


async def test_two_who_come_for_the_first_time_at_once_get_one_account(provided: Rig) -> None:
    sessions = await asyncio.gather(*(Browser(provided).sign_in("kate@example.com") for _ in range(4)))

    assert len({(await user_of(provided, session))["id"] for session in sessions}) == 1


async def test_settings_and_refusals(provided: Rig) -> None:
    external = (await provided.ask("GET", "/settings")).json()["external"]
    assert (external["first"], external["google"]) == (True, False)
    assert refusal(await provided.ask("GET", "/authorize?provider=google")) == (400, "validation_failed")
    no_token = await provided.ask("POST", "/token?grant_type=id_token", json={"provider": "first"})
    assert refusal(no_token) == (400, "validation_failed")


async def test_with_sign_up_off_only_who_has_an_account_comes_in(database_url: str, tmp_path: Path, idp: Idp) -> None:
    async with open_rig(database_url, tmp_path, providers=idp.settings(), disable_signup=True) as rig:
        await rig.admin("POST", "/users", {"email": "ada@example.com", "email_confirm": True})

        assert (await Browser(rig).sign_in("bob@example.com"))["error_code"] == "signup_disabled"
        assert (await Browser(rig).sign_in("ada@example.com"))["access_token"]
        banned = await user_of(rig, await Browser(rig).sign_in("ada@example.com"))
        await rig.admin("PUT", f"/users/{banned['id']}", {"ban_duration": "1h"})
        assert (await Browser(rig).sign_in("ada@example.com"))["error_code"] == "user_banned"


async def test_without_providers_everything_is_off(rig: Rig) -> None:
    session = await rig.sign_up("ada@example.com")

    assert refusal(await rig.ask("GET", "/authorize?provider=google")) == (400, "validation_failed")
    assert refusal(await rig.ask("GET", "/callback?code=1&state=2")) == (400, "provider_disabled")
    linking = await rig.ask("GET", "/user/identities/authorize?provider=google", session["access_token"])
    assert refusal(linking) == (404, "manual_linking_disabled")


async def test_a_provider_that_is_away_is_an_error_that_names_nothing_of_it(database_url: str, tmp_path: Path) -> None:
    away = {"away": {"client_id": "shop", "issuer": "http://127.0.0.1:9"}}
    async with open_rig(database_url, tmp_path, providers=away) as rig:
        answer = await rig.ask("GET", "/authorize?provider=away", headers={"host": "127.0.0.1:54321"})

    assert refusal(answer) == (503, "unexpected_failure")
    assert "127.0.0.1:9" not in answer.text


async def test_a_browser_that_came_by_another_name_of_the_host_is_led_to_the_one_the_provider_knows(provided: Rig) -> None:
    query = urlencode({"provider": "first", "login_hint": "lea@example.com", "redirect_to": f"{APP}/welcome"})
    answer = await provided.http.get(f"http://localhost:54321/auth/v1/authorize?{query}", follow_redirects=False)

    assert answer.headers["location"].startswith("http://127.0.0.1:54321/auth/v1/authorize?")
    assert told(await Browser(provided).open(answer.headers["location"]))["access_token"]
    asked = await provided.ask("GET", f"/authorize?{query}&skip_http_redirect=true")
    assert told(await Browser(provided).open(asked.json()["url"]))["access_token"]


async def test_the_form_with_which_apple_answers_comes_again_by_get(provided: Rig) -> None:
    answer = await provided.http.post("/auth/v1/callback", data={"code": "c&d", "state": "s", "user": "{}"}, follow_redirects=False)

    assert (answer.status_code, answer.headers["location"]) == (303, "http://127.0.0.1:54321/auth/v1/callback?code=c%26d&state=s")
