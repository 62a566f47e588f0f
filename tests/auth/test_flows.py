"""Signing in without a password, recovering, confirming, changing an address: what each link and code does, once."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
from sqlalchemy import func, select, update

from baaskit.auth.users import utc_now
from tests.auth.rig import PASSWORD, Rig, refusal

pytestmark = pytest.mark.anyio

MAILBOX = {"mail_mailbox": True, "mail_interval_seconds": 0, "mail_limit_per_address": 10_000, "verify_limit_per_address": 10_000}
VERIFIER = "v" * 50
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
PKCE = {"code_challenge": CHALLENGE, "code_challenge_method": "s256"}


@pytest.fixture
async def rig(make_rig: Any) -> Rig:
    found: Rig = await make_rig(mail_confirm=True, **MAILBOX)
    return found


async def follow(rig: Rig, mail: dict[str, Any]) -> tuple[str, dict[str, str], dict[str, str]]:
    """Where a mail's link leads: the address, its query and its fragment."""
    parts = urlsplit(mail["link"])
    answer = await rig.http.get(f"{parts.path}?{parts.query}")
    assert answer.status_code == 303, answer.text
    led = urlsplit(answer.headers["location"])
    query, fragment = ({k: v[0] for k, v in parse_qs(text, keep_blank_values=True).items()} for text in (led.query, led.fragment))
    return f"{led.scheme}://{led.netloc}{led.path}", query, fragment


async def verify(rig: Rig, type_: str, email: str, token: str) -> Any:
    return await rig.ask("POST", "/verify", json={"type": type_, "email": email, "token": token})


def claims_of(token: str) -> dict[str, Any]:
    return jwt.decode(token, options={"verify_signature": False})


async def confirmed(rig: Rig, email: str = "ada@example.com", password: str = PASSWORD) -> dict[str, Any]:
    """A user who has confirmed its address, signed in."""
    made = await rig.admin("POST", "/users", {"email": email, "password": password, "email_confirm": True})
    assert made.status_code == 200, made.text
    return (await rig.sign_in(email, password)).json()  # type: ignore[no-any-return]


async def ask(rig: Rig, path: str, email: str = "ada@example.com", query: str = "", **more: Any) -> None:
    answer = await rig.ask("POST", f"{path}{query}", json={"email": email, **more})
    assert (answer.status_code, answer.json()) == (200, {})


async def stored_user(rig: Rig, email: str) -> dict[str, Any] | None:
    users = rig.kit.database.tables.users
    rows = await rig.kit.database.query(select(users).where(users.c.email == email))
    return rows[0] if rows else None


# ---- sign-up ---------------------------------------------------------------------------------------------------------


async def test_a_code_confirms_a_sign_up_and_signs_in(rig: Rig) -> None:
    user = await rig.sign_up("ada@example.com")
    [mail] = await rig.mails()
    answer = await verify(rig, "email", "Ada@Example.com", mail["code"])
    assert answer.status_code == 200, answer.text
    session = answer.json()
    assert session["user"]["id"] == user["id"]
    assert session["user"]["email_confirmed_at"]
    assert session["user"]["identities"][0]["identity_data"]["email_verified"] is True
    assert claims_of(session["access_token"])["amr"][0]["method"] == "otp"
    assert (await rig.ask("GET", "/user", session["access_token"])).status_code == 200
    assert refusal(await verify(rig, "email", "ada@example.com", mail["code"])) == (403, "otp_expired")


async def test_a_confirmation_is_sent_again_until_the_address_is_confirmed(rig: Rig) -> None:
    await rig.sign_up("ada@example.com")
    await rig.mails(1)
    await ask(rig, "/resend", type="signup")
    second, first = await rig.mails(2)
    assert second["code"] != first["code"] or second["link"] != first["link"]
    assert (await verify(rig, "signup", "ada@example.com", second["code"])).status_code == 200
    await ask(rig, "/resend", type="signup")
    await rig.nothing_under_way()
    assert len(await rig.mails()) == 2


async def test_s1_who_signs_up_first_with_anothers_address_gets_nothing_of_it(rig: Rig) -> None:
    """An attacker signs up with the victim's address; the victim signs up later and follows the link of its own mail."""
    await rig.sign_up("ada@example.com", "attackers password")
    await rig.mails(1)
    await rig.sign_up("ada@example.com", "victims password")
    mails = await rig.mails(2)
    _, _, fragment = await follow(rig, mails[0])
    assert fragment["access_token"]
    assert refusal(await rig.sign_in("ada@example.com", "attackers password")) == (400, "invalid_credentials")
    assert (await rig.sign_in("ada@example.com", "victims password")).status_code == 200


@pytest.mark.parametrize(("path", "type_"), [("/otp", "email"), ("/recover", "recovery")])
async def test_s1_proving_an_address_ends_the_password_of_whoever_had_not(rig: Rig, path: str, type_: str) -> None:
    await rig.sign_up("ada@example.com", "attackers password")
    await rig.mails(1)
    await ask(rig, path)
    mail = (await rig.mails(2))[0]
    assert (await verify(rig, type_, "ada@example.com", mail["code"])).status_code == 200
    assert refusal(await rig.sign_in("ada@example.com", "attackers password")) == (400, "invalid_credentials")


async def test_s7_a_taken_address_is_answered_like_a_new_one_and_its_owner_is_not_bothered(rig: Rig) -> None:
    await confirmed(rig)
    new, taken = await rig.sign_up("new@example.com"), await rig.sign_up("ada@example.com")
    assert set(new) == set(taken)
    assert [set(i) for i in new["identities"]] == [set(i) for i in taken["identities"]]
    await rig.nothing_under_way()
    assert [mail["to"] for mail in await rig.mails()] == ["new@example.com"]


# ---- links and codes -------------------------------------------------------------------------------------------------


async def test_a_magic_link_signs_in_once_and_leads_where_it_was_asked_to(make_rig: Any) -> None:
    rig: Rig = await make_rig(redirect_allow=["https://app.example.com/**"], **MAILBOX)
    user = (await confirmed(rig))["user"]
    await ask(rig, "/otp", query="?redirect_to=https://app.example.com/welcome%3Fa=1")
    [mail] = await rig.mails()
    address, query, fragment = await follow(rig, mail)
    assert (address, query) == ("https://app.example.com/welcome", {"a": "1"})
    assert {**fragment, "token_type": "bearer", "type": "magiclink", "expires_in": "3600"} == fragment
    assert claims_of(fragment["access_token"])["sub"] == user["id"]
    assert claims_of(fragment["access_token"])["amr"][0]["method"] == "magiclink"
    assert (await rig.refresh(fragment["refresh_token"])).status_code == 200
    _, query, fragment = await follow(rig, mail)
    assert query["error_code"] == fragment["error_code"] == "otp_expired"
    assert query["error_description"] == "Email link is invalid or has expired"
    assert "access_token" not in fragment


async def test_a_code_to_sign_in_makes_a_user_unless_told_not_to(rig: Rig) -> None:
    await ask(rig, "/otp", "new@example.com", data={"name": "New", "sub": "x"})
    [mail] = await rig.mails()
    session = (await verify(rig, "email", "new@example.com", mail["code"])).json()
    assert session["user"]["user_metadata"]["name"] == "New"
    assert session["user"]["user_metadata"]["sub"] == session["user"]["id"]
    await ask(rig, "/otp", "nobody@example.com", create_user=False)
    await rig.nothing_under_way()
    assert await stored_user(rig, "nobody@example.com") is None


async def test_no_user_is_made_by_a_code_when_sign_up_is_off(make_rig: Any) -> None:
    rig: Rig = await make_rig(disable_signup=True, **MAILBOX)
    await ask(rig, "/otp", "nobody@example.com")
    await rig.nothing_under_way()
    assert await stored_user(rig, "nobody@example.com") is None


async def test_a_token_hash_signs_in_as_a_servers_page_does_it(rig: Rig) -> None:
    await confirmed(rig)
    await ask(rig, "/recover")
    [mail] = await rig.mails()
    token = parse_qs(urlsplit(mail["link"]).query)["token"][0]
    answer = await rig.ask("POST", "/verify", json={"type": "recovery", "token_hash": token})
    assert answer.status_code == 200
    assert claims_of(answer.json()["access_token"])["amr"][0]["method"] == "recovery"
    changed = await rig.ask("PUT", "/user", answer.json()["access_token"], {"password": "a new password"})
    assert changed.status_code == 200
    assert (await rig.sign_in("ada@example.com", "a new password")).status_code == 200


@pytest.mark.parametrize(
    ("path", "wrong"), [("/recover", "email"), ("/recover", "magiclink"), ("/recover", "signup"), ("/otp", "recovery")]
)
async def test_a_token_is_bound_to_its_purpose(rig: Rig, path: str, wrong: str) -> None:
    await confirmed(rig)
    await ask(rig, path)
    [mail] = await rig.mails()
    token = parse_qs(urlsplit(mail["link"]).query)["token"][0]
    assert refusal(await verify(rig, wrong, "ada@example.com", mail["code"])) == (403, "otp_expired")
    assert refusal(await rig.ask("POST", "/verify", json={"type": wrong, "token_hash": token})) == (403, "otp_expired")
    right = "recovery" if path == "/recover" else "magiclink"
    assert (await rig.ask("POST", "/verify", json={"type": right, "token_hash": token})).status_code == 200


async def test_a_token_is_bound_to_its_address_and_its_time(rig: Rig) -> None:
    await confirmed(rig)
    await confirmed(rig, "eve@example.com")
    await ask(rig, "/otp")
    [mail] = await rig.mails()
    assert refusal(await verify(rig, "email", "eve@example.com", mail["code"])) == (403, "otp_expired")
    t = rig.kit.database.tables.one_time_tokens
    await rig.kit.database.execute(update(t).values(expires_at=utc_now() - timedelta(seconds=1)))
    assert refusal(await verify(rig, "email", "ada@example.com", mail["code"])) == (403, "otp_expired")
    assert (await follow(rig, mail))[1]["error_code"] == "otp_expired"


async def test_a_newer_link_replaces_the_older_one(rig: Rig) -> None:
    await confirmed(rig)
    await ask(rig, "/recover")
    [old] = await rig.mails(1)
    await ask(rig, "/recover")
    new = (await rig.mails(2))[0]
    assert (await follow(rig, old))[1]["error_code"] == "otp_expired"
    assert "access_token" in (await follow(rig, new))[2]


async def test_nothing_that_signs_in_is_stored(rig: Rig) -> None:
    await confirmed(rig)
    await ask(rig, "/recover", **PKCE)
    [mail] = await rig.mails()
    _, query, _ = await follow(rig, mail)
    t = rig.kit.database.tables
    tables = (t.one_time_tokens, t.outbox, t.flow_states, t.users, t.changes, t.audit_log)
    stored = str([await rig.kit.database.query(select(table)) for table in tables])
    for secret in (mail["code"], parse_qs(urlsplit(mail["link"]).query)["token"][0], query["code"]):
        assert secret not in stored


@pytest.mark.parametrize("by", ["code", "link", "pkce"])
async def test_s5_of_a_hundred_who_use_a_secret_at_once_exactly_one_gets_a_session(rig: Rig, by: str) -> None:
    await confirmed(rig)
    await ask(rig, "/otp", **(PKCE if by == "pkce" else {}))
    [mail] = await rig.mails()
    if by == "pkce":
        _, query, _ = await follow(rig, mail)
        path, body = "/token?grant_type=pkce", {"auth_code": query["code"], "code_verifier": VERIFIER}
    elif by == "code":
        path, body = "/verify", {"type": "email", "email": "ada@example.com", "token": mail["code"]}
    else:
        path, body = "/verify", {"type": "magiclink", "token_hash": parse_qs(urlsplit(mail["link"]).query)["token"][0]}
    t = rig.kit.database.tables.sessions
    [before] = await rig.kit.database.query(select(func.count().label("n")).select_from(t))
    answers = await asyncio.gather(*(rig.ask("POST", path, json=body) for _ in range(100)))
    assert sorted(answer.status_code for answer in answers) == [200] + [404 if by == "pkce" else 403] * 99
    [after] = await rig.kit.database.query(select(func.count().label("n")).select_from(t))
    assert after["n"] == before["n"] + 1


async def test_s5_a_code_dies_of_ten_wrong_guesses_even_at_once(rig: Rig) -> None:
    await confirmed(rig)
    await ask(rig, "/otp")
    [mail] = await rig.mails()
    wrong = [f"{(int(mail['code']) + n) % 10**6:06d}" for n in range(1, 31)]
    answers = await asyncio.gather(*(verify(rig, "email", "ada@example.com", code) for code in wrong))
    assert {refusal(answer) for answer in answers} == {(403, "otp_expired")}
    assert refusal(await verify(rig, "email", "ada@example.com", mail["code"])) == (403, "otp_expired")


@pytest.mark.parametrize("token", [None, "", " ", [], {}, {"$ne": ""}, 123456, True, ["123456"]])
@pytest.mark.parametrize("field", ["token", "token_hash"])
async def test_s6_a_token_of_another_type_is_refused(rig: Rig, field: str, token: Any) -> None:
    await rig.sign_up("ada@example.com")
    await rig.mails(1)
    body = {"type": "signup", field: token, **({"email": "ada@example.com"} if field == "token" else {})}
    status, code = refusal(await rig.ask("POST", "/verify", json=body))
    assert (status, code) in ((400, "validation_failed"), (403, "otp_expired"))
    user = await stored_user(rig, "ada@example.com")
    assert user is not None
    assert user["email_confirmed_at"] is None


async def test_s7_recovery_and_codes_answer_the_same_for_known_and_unknown(rig: Rig) -> None:
    await confirmed(rig)
    for path, body in (
        ("/recover", {}),
        ("/otp", {}),
        ("/otp", {"create_user": False}),
        ("/resend", {"type": "signup"}),
        ("/magiclink", {}),
    ):
        known, unknown = [await rig.ask("POST", path, json={"email": f"{who}@example.com", **body}) for who in ("ada", "nobody")]
        assert (known.status_code, known.content, known.headers) == (unknown.status_code, unknown.content, unknown.headers)
    for type_ in ("email", "recovery", "signup", "magiclink"):
        known, unknown = [await verify(rig, type_, f"{who}@example.com", "000000") for who in ("ada", "nobody2")]
        assert (known.status_code, known.content) == (unknown.status_code, unknown.content)


async def test_mails_to_one_address_keep_a_distance_whoever_has_it(make_rig: Any) -> None:
    rig: Rig = await make_rig(**{**MAILBOX, "mail_interval_seconds": 60})
    for email in ("ada@example.com", "nobody@example.com"):
        await ask(rig, "/recover", email)
        answer = await rig.ask("POST", "/recover", json={"email": email})
        assert refusal(answer) == (429, "over_email_send_rate_limit")
        assert answer.json()["message"] == "For security purposes, you can only request this after 60 seconds."


# ---- PKCE ------------------------------------------------------------------------------------------------------------


async def test_a_flow_ends_with_a_code_that_only_the_verifier_turns_into_a_session(rig: Rig) -> None:
    await rig.sign_up("ada@example.com", **PKCE)
    [mail] = await rig.mails()
    assert "token=pkce_" in mail["link"]
    address, query, fragment = await follow(rig, mail)
    assert (address, fragment) == ("http://localhost:3000", {})
    wrong = {"auth_code": query["code"], "code_verifier": "w" * 50}
    assert refusal(await rig.ask("POST", "/token?grant_type=pkce", json=wrong)) == (400, "bad_code_verifier")
    right = {"auth_code": query["code"], "code_verifier": VERIFIER}
    assert refusal(await rig.ask("POST", "/token?grant_type=pkce", json=right)) == (404, "flow_state_not_found"), "one try"

    await ask(rig, "/recover", **PKCE)
    _, query, _ = await follow(rig, (await rig.mails(2))[0])
    answer = await rig.ask("POST", "/token?grant_type=pkce", json={"auth_code": query["code"], "code_verifier": VERIFIER})
    assert answer.status_code == 200
    assert claims_of(answer.json()["access_token"])["amr"][0]["method"] == "recovery"


async def test_a_flows_code_soon_expires(rig: Rig) -> None:
    await confirmed(rig)
    await ask(rig, "/otp", code_challenge="p" * 43, code_challenge_method="plain")
    _, query, _ = await follow(rig, (await rig.mails())[0])
    flows = rig.kit.database.tables.flow_states
    await rig.kit.database.execute(update(flows).values(expires_at=utc_now() - timedelta(seconds=1)))
    body = {"auth_code": query["code"], "code_verifier": "p" * 43}
    assert refusal(await rig.ask("POST", "/token?grant_type=pkce", json=body)) == (422, "flow_state_expired")


@pytest.mark.parametrize(
    "body",
    [
        {"code_challenge": CHALLENGE},
        {"code_challenge_method": "s256"},
        {**PKCE, "code_challenge": "short"},
        {**PKCE, "code_challenge_method": "md5"},
    ],
)
async def test_half_a_challenge_is_refused_and_sends_nothing(rig: Rig, body: dict[str, str]) -> None:
    await confirmed(rig)
    assert refusal(await rig.ask("POST", "/otp", json={"email": "ada@example.com", **body})) == (400, "validation_failed")
    assert await rig.kit.database.query(select(rig.kit.database.tables.outbox)) == []


# ---- changes of the account ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", [("old", "new"), ("new", "old")])
async def test_a_new_address_counts_when_both_mailboxes_agree(rig: Rig, order: tuple[str, str]) -> None:
    session = await confirmed(rig)
    changed = (await rig.ask("PUT", "/user", session["access_token"], {"email": "ada@lovelace.org"})).json()
    assert (changed["email"], changed["new_email"]) == ("ada@example.com", "ada@lovelace.org")
    mails = {"old" if mail["to"] == "ada@example.com" else "new": mail for mail in await rig.mails(2)}
    _, query, fragment = await follow(rig, mails[order[0]])
    assert (query, fragment["message"]) == ({}, "Confirmation link accepted. Please proceed to confirm link sent to the other email")
    assert await stored_user(rig, "ada@lovelace.org") is None
    assert (await follow(rig, mails[order[0]]))[1]["error_code"] == "otp_expired", "one mailbox cannot agree twice"
    answer = await verify(rig, "email_change", mails[order[1]]["to"], mails[order[1]]["code"])
    assert answer.json()["user"]["email"] == "ada@lovelace.org"
    assert "new_email" not in answer.json()["user"]
    assert (await rig.sign_in("ada@lovelace.org")).status_code == 200


async def test_both_halves_at_once_change_the_address_once(rig: Rig) -> None:
    session = await confirmed(rig)
    await rig.ask("PUT", "/user", session["access_token"], {"email": "ada@lovelace.org"})
    mails = await rig.mails(2)
    answers = await asyncio.gather(*(verify(rig, "email_change", mail["to"], mail["code"]) for mail in mails))
    assert [answer.status_code for answer in answers] == [200, 200]
    assert sorted("access_token" in answer.json() for answer in answers) == [False, True]
    assert await stored_user(rig, "ada@lovelace.org") is not None


async def test_a_change_that_was_replaced_by_another_is_void(rig: Rig) -> None:
    session = await confirmed(rig)
    await rig.ask("PUT", "/user", session["access_token"], {"email": "first@example.com"})
    first = await rig.mails(2)
    await rig.ask("PUT", "/user", session["access_token"], {"email": "second@example.com"})
    await rig.mails(4)
    for mail in first:
        assert refusal(await verify(rig, "email_change", mail["to"], mail["code"])) == (403, "otp_expired")


async def test_s7_changing_to_a_taken_address_tells_nothing_and_changes_nothing(rig: Rig) -> None:
    session = await confirmed(rig)
    await confirmed(rig, "bob@example.com")
    answers = [await rig.ask("PUT", "/user", session["access_token"], {"email": f"{who}@example.com"}) for who in ("free", "bob")]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert set(answers[0].json()) == set(answers[1].json())
    await rig.nothing_under_way()
    mails = await rig.mails()
    assert "bob@example.com" not in [mail["to"] for mail in mails]
    own = next(mail for mail in mails if "bob@example.com" in mail["text"])
    await verify(rig, "email_change", own["to"], own["code"])
    assert (await stored_user(rig, "ada@example.com")) is not None


async def test_an_anonymous_visitor_keeps_its_id_and_session_when_it_confirms_an_address(make_rig: Any) -> None:
    rig: Rig = await make_rig(mail_confirm=True, anonymous_users=True, **MAILBOX)
    session = (await rig.ask("POST", "/signup", json={})).json()
    await rig.ask("PUT", "/user", session["access_token"], {"email": "ada@example.com"})
    [mail] = await rig.mails(1)
    upgraded = (await verify(rig, "email_change", "ada@example.com", mail["code"])).json()["user"]
    assert (upgraded["id"], upgraded["is_anonymous"], upgraded["email"]) == (session["user"]["id"], False, "ada@example.com")
    refreshed = (await rig.refresh(session["refresh_token"])).json()
    assert claims_of(refreshed["access_token"])["is_anonymous"] is False


async def test_an_old_session_changes_the_password_only_with_a_code(make_rig: Any) -> None:
    rig: Rig = await make_rig(secure_password_change=True, **MAILBOX)
    token = (await rig.sign_up("ada@example.com"))["access_token"]
    sessions = rig.kit.database.tables.sessions
    await rig.kit.database.execute(update(sessions).values(created_at=utc_now() - timedelta(days=2)))
    new = {"password": "a new password"}
    assert refusal(await rig.ask("PUT", "/user", token, new)) == (400, "reauthentication_needed")
    assert (await rig.ask("GET", "/reauthenticate", token)).json() == {}
    [mail] = await rig.mails()
    wrong = f"{(int(mail['code']) + 1) % 10**6:06d}"
    assert refusal(await rig.ask("PUT", "/user", token, {**new, "nonce": wrong})) == (422, "reauthentication_not_valid")
    assert (await rig.ask("PUT", "/user", token, {**new, "nonce": mail["code"]})).status_code == 200
    again = {"password": "one more password", "nonce": mail["code"]}
    assert refusal(await rig.ask("PUT", "/user", token, again)) == (422, "reauthentication_not_valid")


# ---- phones and names ------------------------------------------------------------------------------------------------


async def test_a_phone_number_signs_in_with_a_code(make_rig: Any) -> None:
    rig: Rig = await make_rig(sms_provider="mailbox", **MAILBOX)
    answer = await rig.ask("POST", "/otp", json={"phone": "+49123456789"})
    assert list(answer.json()) == ["message_id"]
    [message] = await rig.mails()
    assert (message["to"], message["html"]) == ("49123456789", "")
    body = {"type": "sms", "phone": "+49123456789", "token": message["code"]}
    session = (await rig.ask("POST", "/verify", json=body)).json()
    assert (session["user"]["phone"], bool(session["user"]["phone_confirmed_at"])) == ("49123456789", True)
    assert refusal(await rig.ask("POST", "/verify", json=body)) == (403, "otp_expired")


async def test_a_phone_number_with_a_password_is_confirmed_first(make_rig: Any) -> None:
    rig: Rig = await make_rig(sms_provider="mailbox", **MAILBOX)
    account = {"phone": "+49123456789", "password": PASSWORD}
    assert "access_token" not in (await rig.ask("POST", "/signup", json=account)).json()
    assert refusal(await rig.ask("POST", "/token?grant_type=password", json=account)) == (400, "phone_not_confirmed")
    [message] = await rig.mails()
    body = {"type": "sms", "phone": "+49123456789", "token": message["code"]}
    session = (await rig.ask("POST", "/verify", json=body)).json()
    assert (await rig.ask("POST", "/token?grant_type=password", json=account)).status_code == 200
    changed = await rig.ask("PUT", "/user", session["access_token"], {"phone": "+4987654321"})
    assert changed.json()["phone"] == "49123456789", "not before it is confirmed"
    new = (await rig.mails(2))[0]
    body = {"type": "phone_change", "phone": "+4987654321", "token": new["code"]}
    assert (await rig.ask("POST", "/verify", json=body)).json()["user"]["phone"] == "4987654321"


async def test_a_name_signs_up_and_in_in_place_of_an_address(make_rig: Any) -> None:
    rig: Rig = await make_rig(usernames=True)
    session = await rig.sign_up("Ada.L")
    assert (session["user"]["email"], session["user"]["is_anonymous"]) == ("", False)
    assert (await rig.sign_in("ada.l")).json()["user"]["id"] == session["user"]["id"]
    assert refusal(await rig.ask("POST", "/signup", json={"email": "ADA.L", "password": PASSWORD})) == (422, "username_exists")
    both = await rig.sign_up("bob@example.com", data={"username": "bob"})
    assert (await rig.sign_in("bob")).json()["user"]["id"] == both["user"]["id"]
    renamed = await rig.ask("PUT", "/user", both["access_token"], {"data": {"username": "ada.l"}})
    assert refusal(renamed) == (422, "username_exists")
    assert (await rig.ask("PUT", "/user", both["access_token"], {"data": {"username": "bobby"}})).status_code == 200
    assert refusal(await rig.sign_in("bob")) == (400, "invalid_credentials")
    for name in ("a", "ad@", "а‍da", "a..b", "12345", "x" * 33):
        assert refusal(await rig.ask("POST", "/signup", json={"email": name, "password": PASSWORD}))[0] == 400


# ---- the mailbox page ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "headers", "status"),
    [
        ("http://127.0.0.1/auth/v1/mailbox", {}, 200),
        ("http://localhost/auth/v1/mailbox", {}, 200),
        ("http://127.0.0.1/auth/v1/mailbox/preview/recovery", {}, 200),
        ("http://127.0.0.1/auth/v1/mailbox/preview/nothing", {}, 404),
        ("http://evil.example/auth/v1/mailbox", {}, 404),
        ("http://127.0.0.1/auth/v1/mailbox", {"x-forwarded-for": "127.0.0.1"}, 404),
        ("http://127.0.0.1.evil.example/auth/v1/mailbox", {}, 404),
    ],
)
async def test_n3_the_mailbox_is_for_this_machine_only(rig: Rig, url: str, headers: dict[str, str], status: int) -> None:
    answer = await rig.http.get(url, headers=headers)
    assert answer.status_code == status
    if status == 200:
        assert "default-src 'none'" in answer.headers["content-security-policy"]


async def test_there_is_no_mailbox_unless_it_is_on(make_rig: Any) -> None:
    rig: Rig = await make_rig()
    assert (await rig.http.get("http://127.0.0.1/auth/v1/mailbox")).status_code == 404


async def test_n4_the_mailbox_shows_markup_as_text(make_rig: Any) -> None:
    rig: Rig = await make_rig(**{**MAILBOX, "mail_brand": "<script>alert(1)</script>"})
    await confirmed(rig)
    await ask(rig, "/recover")
    await rig.mails()
    page = (await rig.http.get("http://127.0.0.1/auth/v1/mailbox")).text
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
