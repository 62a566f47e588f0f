"""S1–S4, S10, S12 on sign-in with accounts elsewhere, against real OpenID providers. A person called mallory attacks."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from sqlalchemy import update

from baaskit.auth import oauth
from baaskit.auth.users import utc_now
from tests.auth.provider import APP, Browser, Idp, exchange, link, pkce_pair, told
from tests.auth.rig import Rig, open_rig, refusal

pytestmark = pytest.mark.anyio


async def user_of(rig: Rig, session: Any) -> dict[str, Any]:
    answer = await rig.ask("GET", "/user", session["access_token"])
    assert answer.status_code == 200, answer.text
    return answer.json()  # type: ignore[no-any-return]


async def sign_in_by_id_token(rig: Rig, token: str, **more: Any) -> Any:
    return await rig.ask("POST", "/token?grant_type=id_token", json={"provider": "first", "id_token": token, **more})


# ---- S1, S2: accounts made before their owner came -------------------------------------------------------------------------


async def test_s1_a_password_set_before_the_owner_came_is_dead_and_its_sessions_are_over(provided: Rig) -> None:
    attacker = await provided.sign_up("ada@victim.com", "password of mallory")

    owner = await user_of(provided, await Browser(provided).sign_in("ada@victim.com"))

    assert owner["id"] == attacker["user"]["id"]
    assert [identity["provider"] for identity in owner["identities"]] == ["first"]
    assert refusal(await provided.sign_in("ada@victim.com", "password of mallory")) == (400, "invalid_credentials")
    assert refusal(await provided.ask("GET", "/user", attacker["access_token"])) == (403, "session_not_found")
    assert (await provided.refresh(attacker["refresh_token"])).status_code == 400


async def test_s1_an_account_that_waits_for_its_confirmation_goes_to_the_owner_too(database_url: str, tmp_path: Path, idp: Idp) -> None:
    async with open_rig(database_url, tmp_path, providers=idp.settings(), mail_confirm=True, mail_mailbox=True) as rig:
        await rig.ask("POST", "/signup", json={"email": "ada@victim.com", "password": "password of mallory"})
        [letter] = await rig.mails()

        await Browser(rig).sign_in("ada@victim.com")

        assert refusal(await rig.sign_in("ada@victim.com", "password of mallory")) == (400, "invalid_credentials")
        late = await rig.ask("POST", "/verify", json={"type": "signup", "email": "ada@victim.com", "token": letter["code"]})
        assert refusal(late) == (403, "otp_expired")


async def test_s2_an_identity_linked_before_the_owner_came_is_removed(provided: Rig) -> None:
    browser = Browser(provided)
    attacker = await provided.sign_up("bea@victim.com")
    assert (await link(browser, attacker, "mallory-bea@evil.com", "second")).status_code == 200

    owner = await user_of(provided, await Browser(provided).sign_in("bea@victim.com"))

    again = await user_of(provided, await Browser(provided).sign_in("mallory-bea@evil.com", "second"))
    assert again["id"] != owner["id"]
    assert [identity["provider"] for identity in owner["identities"]] == ["first"]


async def test_s2_an_address_taken_by_a_change_that_nobody_confirmed_is_the_owners(provided: Rig) -> None:
    attacker = await Browser(provided).sign_in("mallory-eve@evil.com", "second")
    changed = await provided.ask("PUT", "/user", attacker["access_token"], {"email": "eve@victim.com"})
    assert changed.json()["email"] == "eve@victim.com"

    owner = await user_of(provided, await Browser(provided).sign_in("eve@victim.com"))

    assert refusal(await provided.ask("GET", "/user", attacker["access_token"])) == (403, "session_not_found")
    assert (await user_of(provided, await Browser(provided).sign_in("mallory-eve@evil.com", "second")))["id"] != owner["id"]


async def test_s2_an_unverified_address_opens_no_account_and_takes_none(provided: Rig) -> None:
    victim = await provided.admin("POST", "/users", {"email": "cora@victim.com", "password": "correct horse", "email_confirm": True})

    attacker = await user_of(provided, await Browser(provided).sign_in("unverified+cora@victim.com"))
    early = await user_of(provided, await Browser(provided).sign_in("unverified+dana@victim.com"))
    owner = await user_of(provided, await Browser(provided).sign_in("dana@victim.com", "second"))

    assert attacker["id"] != victim.json()["id"]
    assert (attacker["email"], early["email"], attacker["user_metadata"].get("email")) == ("", "", None)
    assert early["id"] != owner["id"] and owner["email"] == "dana@victim.com"
    # Who is registered cannot be told from the answers.
    assert attacker.keys() == early.keys()


async def test_s2_a_single_provider_user_is_unaffected_by_further_sign_ins(provided: Rig) -> None:
    session = await Browser(provided).sign_in("gwen@victim.com")
    await Browser(provided).sign_in("gwen@victim.com")
    await Browser(provided).sign_in("gwen@victim.com", "second")

    assert (await user_of(provided, session))["email"] == "gwen@victim.com"


# ---- S3: tokens of others ----------------------------------------------------------------------------------------------------


FORGED = {
    "another app's": {"aud": "another-app"},
    "for many, of another": {"aud": ["shop", "another-app"], "azp": "another-app"},
    "another provider's": {"iss": "https://evil.example.com"},
    "expired": {"exp": int(time.time()) - 3600},
    "without an end": {"exp": None},
    "without a subject": {"sub": None},
    "a subject that is no text": {"sub": 7},
    "with a nonce that nobody told": {"nonce": "abc"},
}


@pytest.mark.parametrize("kind", FORGED)
async def test_s3_an_id_token_that_is_not_for_us(provided: Rig, idp: Idp, kind: str) -> None:
    assert (await sign_in_by_id_token(provided, idp.id_token(**FORGED[kind]))).status_code == 400


async def test_s3_forged_signatures(provided: Rig, idp: Idp) -> None:
    public = idp.key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    claims = {"iss": idp.first, "aud": "shop", "sub": "ada", "iat": int(time.time()), "exp": int(time.time()) + 600}
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    # PyJWT refuses to sign with a public key as a secret, so that one is made by hand.
    head = jwt.utils.base64url_encode(b'{"alg":"HS256","kid":"test","typ":"JWT"}')
    body = jwt.encode(claims, "x" * 32, "HS256").split(".")[1].encode()
    confused = b".".join([head, body, jwt.utils.base64url_encode(hmac.digest(public, head + b"." + body, "sha256"))]).decode()
    forged = {
        "none": jwt.encode(claims, None, "none", headers={"kid": "test"}),
        "public key as a secret": confused,
        "another key": idp.id_token(key=other),
        "unknown kid": idp.id_token(kid="unknown"),
        "no token": "x.y.z",
    }
    for name, token in forged.items():
        assert refusal(await sign_in_by_id_token(provided, token)) == (400, "bad_jwt"), name
    assert (await sign_in_by_id_token(provided, idp.id_token(sub="true"))).status_code == 200  # the forge itself works


async def test_s3_a_nonce_must_be_the_tokens_and_a_token_is_good_once(provided: Rig, idp: Idp) -> None:
    token = idp.id_token(sub="nora", email="nora@example.com", nonce=hashlib.sha256(b"hers").hexdigest())

    assert refusal(await sign_in_by_id_token(provided, token)) == (400, "bad_jwt")
    assert refusal(await sign_in_by_id_token(provided, token, nonce="another")) == (400, "bad_jwt")
    answers = await asyncio.gather(*(sign_in_by_id_token(provided, token, nonce="hers") for _ in range(20)))
    assert sorted(answer.status_code for answer in answers) == [200] + [400] * 19


async def test_s3_an_id_token_of_another_sign_in_is_refused_at_the_callback(provided: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """The code of a foreign authorization request: its ID token has that request's nonce."""
    right = oauth._begun
    monkeypatch.setattr(oauth, "_begun", lambda kit, state: _with_nonce(right(kit, state), "of mallory's request"))
    browser = Browser(provided)
    stopped = await browser.open(browser.authorize("olga@example.com"), f"{provided.kit.settings.url}/auth/v1/callback")
    monkeypatch.setattr(oauth, "_begun", right)

    back = told(await browser.open(stopped))

    assert (back["error_code"], back["error_description"]) == ("bad_jwt", "The ID token is not of this sign-in")


def _with_nonce(begun: Any, nonce: str) -> Any:
    return replace(begun, nonce=nonce)


# ---- S4, S10: flows ------------------------------------------------------------------------------------------------------------


async def test_s4_parallel_sign_ins_of_one_browser_do_not_mix(provided: Rig) -> None:
    browser, callback = Browser(provided), f"{provided.kit.settings.url}/auth/v1/callback"
    one = await browser.open(browser.authorize("pam@example.com"), callback)
    two = await browser.open(browser.authorize("quin@example.com", "second"), callback)

    first, second = told(await browser.open(one)), told(await browser.open(two))

    assert (await user_of(provided, first))["email"] == "pam@example.com"
    assert (await user_of(provided, second))["email"] == "quin@example.com"


async def test_s4_the_answer_of_another_provider_is_refused_before_its_code_is_sent_on(provided: Rig, idp: Idp) -> None:
    """Mix-up (RFC 9207): the browser began at the first and brings a code of the second."""
    browser, callback = Browser(provided), f"{provided.kit.settings.url}/auth/v1/callback"
    one = told(await browser.open(browser.authorize("rosa@example.com"), callback))
    two = told(await browser.open(browser.authorize("rosa@example.com", "second"), callback))

    mixed = urlencode({"state": one["state"], "code": two["code"], "iss": two["iss"]})
    bare = told(await browser.open(browser.authorize("rosa@example.com"), callback))
    lacking = urlencode({"state": bare["state"], "code": two["code"]})

    for query in (mixed, lacking):
        assert told(await browser.open(f"{callback}?{query}"))["error_description"].startswith("The answer is of another provider")


async def test_s10_a_sign_in_that_another_browser_began_is_refused(provided: Rig) -> None:
    """Mallory signs in and lets a victim open the end of it: the victim would work in mallory's account."""
    attacker, victim = Browser(provided), Browser(provided)
    stopped = await attacker.open(attacker.authorize("mallory@evil.com"), f"{provided.kit.settings.url}/auth/v1/callback")

    back = told(await victim.open(stopped))

    assert (back["error"], back["error_code"]) == ("access_denied", "bad_oauth_state")
    assert "access_token" not in told(await attacker.open(stopped))  # and its state is used up


async def test_s10_a_state_that_was_never_given_is_refused(provided: Rig) -> None:
    for query in ("", "?code=x", "?code=x&state=", "?state=x", "?code=x&state=x&error=", "?state[]=x"):
        assert told(await Browser(provided).open(f"{provided.kit.settings.url}/auth/v1/callback{query}"))["error_code"] == "bad_oauth_state"


async def test_s5_a_callback_opened_many_times_at_once_gives_one_session(provided: Rig) -> None:
    browser = Browser(provided)
    stopped = await browser.open(browser.authorize("sara@example.com"), f"{provided.kit.settings.url}/auth/v1/callback")

    answers = await asyncio.gather(*(browser.get(stopped) for _ in range(20)))

    assert sum("access_token" in told(answer.headers["location"]) for answer in answers) == 1


async def test_s5_a_code_for_the_app_is_good_once_and_for_its_verifier(provided: Rig) -> None:
    verifier, challenge = pkce_pair()
    stolen = await Browser(provided).sign_in("tess@example.com", **challenge)
    code = (await Browser(provided).sign_in("tess@example.com", **challenge))["code"]

    assert refusal(await exchange(provided, stolen["code"], pkce_pair()[0])) == (400, "bad_code_verifier")
    answers = await asyncio.gather(*(exchange(provided, code, verifier) for _ in range(20)))
    assert sorted(answer.status_code for answer in answers) == [200] + [404] * 19


async def test_s5_neither_state_nor_ticket_is_a_code(provided: Rig) -> None:
    browser, session = Browser(provided), await provided.sign_up("uma@example.com")
    verifier, challenge = pkce_pair()
    stopped = told(await browser.open(browser.authorize("uma@example.com", **challenge), f"{provided.kit.settings.url}/auth/v1/callback"))
    asked = urlencode({"provider": "first", "skip_http_redirect": "true", **challenge})
    ticket = told((await provided.ask("GET", f"/user/identities/authorize?{asked}", session["access_token"])).json()["url"])["ticket"]

    for secret in (stopped["state"], f"state {stopped['state']}", ticket, f"ticket {ticket}"):
        answer = await exchange(provided, secret, verifier)
        assert answer.status_code >= 400 and "access_token" not in answer.text


async def test_s10_a_linking_that_a_victim_opens_links_nothing(provided: Rig) -> None:
    """Mallory asks for the address of a linking and lets a victim open it: the victim's account would be linked to mallory's."""
    attacker = await provided.sign_up("mallory-vera@evil.com")
    _, challenge = pkce_pair()
    asked = urlencode({"provider": "first", "login_hint": "vera@victim.com", "skip_http_redirect": "true", **challenge})
    url = (await provided.ask("GET", f"/user/identities/authorize?{asked}", attacker["access_token"])).json()["url"]

    back = told(await Browser(provided).open(url))
    lost = await exchange(provided, back["code"], pkce_pair()[0])  # the victim's page has another verifier, if any

    assert refusal(lost) == (400, "bad_code_verifier")
    owner = await user_of(provided, await Browser(provided).sign_in("vera@victim.com"))
    assert owner["id"] != attacker["user"]["id"]


async def test_s10_linking_needs_pkce_a_recent_session_and_one_that_lives(provided: Rig) -> None:
    browser, session = Browser(provided), await provided.sign_up("wanda@example.com")
    plain = await provided.ask("GET", "/user/identities/authorize?provider=first", session["access_token"])
    assert refusal(plain) == (400, "validation_failed")

    verifier, challenge = pkce_pair()
    asked = urlencode({"provider": "first", "login_hint": "wanda@elsewhere.org", "skip_http_redirect": "true", **challenge})
    url = (await provided.ask("GET", f"/user/identities/authorize?{asked}", session["access_token"])).json()["url"]
    assert session["access_token"] not in url and session["refresh_token"] not in url
    code = told(await browser.open(url))["code"]
    assert refusal(await provided.ask("GET", url.partition("/auth/v1")[2] + "&moved=1")) == (
        400,
        "bad_oauth_state",
    )  # a ticket is good once
    await provided.ask("POST", "/logout?scope=global", session["access_token"])
    assert (await exchange(provided, code, verifier)).status_code == 422

    session = (await provided.sign_in("wanda@example.com")).json()
    s = provided.kit.database.tables.sessions
    await provided.kit.database.execute(
        update(s).where(s.c.user_id == session["user"]["id"]).values(created_at=utc_now() - timedelta(hours=25)).returning(s.c.id)
    )
    assert refusal(await link(browser, session, "wanda@elsewhere.org")) == (403, "reauthentication_needed")
    identity = (await user_of(provided, session))["identities"][0]["identity_id"]
    away = await provided.ask("DELETE", f"/user/identities/{identity}", session["access_token"])
    assert refusal(away) == (403, "reauthentication_needed")


async def test_s10_an_identity_of_another_is_neither_linked_nor_unlinked(provided: Rig) -> None:
    browser = Browser(provided)
    owner = await browser.sign_in("xena@example.com")
    attacker = await provided.sign_up("mallory-xena@evil.com")
    identity = (await user_of(provided, owner))["identities"][0]["identity_id"]

    assert refusal(await link(browser, attacker, "xena@example.com")) == (422, "identity_already_exists")
    away = await provided.ask("DELETE", f"/user/identities/{identity}", attacker["access_token"])
    assert refusal(away) == (404, "identity_not_found")
    assert refusal(await provided.ask("DELETE", "/user/identities/x'y", attacker["access_token"])) == (404, "identity_not_found")
    for path in ("/user/identities/authorize?provider=first", f"/user/identities/{identity}"):
        method = "GET" if "authorize" in path else "DELETE"
        assert refusal(await provided.ask(method, path)) == (403, "bad_jwt")  # the anon key is nobody


# ---- S12, N1 -------------------------------------------------------------------------------------------------------------------


EVIL = (
    "https://evil.example.com/",
    "//evil.example.com",
    "http://localhost:3000@evil.example.com/",
    "https:\\\\evil.example.com",
    "javascript:alert(1)",
)


@pytest.mark.parametrize("target", EVIL)
async def test_s12_a_sign_in_leads_to_no_address_that_is_not_allowed(provided: Rig, target: str) -> None:
    browser = Browser(provided)
    for who in ("yara@example.com", "deny"):
        end = await browser.open(browser.authorize(who, redirect_to=target))
        assert end.startswith(APP)


async def test_s12_what_an_app_may_not_say_to_the_provider_is_not_passed_on(provided: Rig, idp: Idp) -> None:
    browser = Browser(provided)
    given = {
        "state": "mine",
        "nonce": "mine",
        "client_id": "evil",
        "response_type": "token",
        "redirect_uri": "https://evil.example.com",
        "request_uri": "https://evil",
    }

    sent = told(await browser.open(browser.authorize("zoe@example.com", **given, scopes="offline_access"), idp.first))

    assert (sent["client_id"], sent["response_type"], sent["code_challenge_method"]) == ("shop", "code", "S256")
    assert sent["redirect_uri"] == f"{provided.kit.settings.url}/auth/v1/callback"
    assert "mine" not in sent.values() and "request_uri" not in sent
    assert sent["scope"] == "openid email profile offline_access"


async def test_n1_a_client_chooses_no_address_that_the_server_asks(provided: Rig, idp: Idp) -> None:
    for name in ("https://evil.example.com", idp.first, "first/../second", "first ", "FIRST", "", "google"):
        answer = await provided.ask("GET", f"/authorize?{urlencode({'provider': name, 'issuer': 'http://169.254.169.254'})}")
        assert refusal(answer) == (400, "validation_failed")
    inside = jwt.encode(
        {"iss": "http://169.254.169.254/", "sub": "x"}, "x" * 32, "HS256", headers={"jku": "http://169.254.169.254/", "kid": "test"}
    )
    assert refusal(await sign_in_by_id_token(provided, inside)) == (400, "bad_jwt")
