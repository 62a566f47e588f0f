"""What an admin does beyond the user itself: invitations, links, sessions, the record, impersonation."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
from sqlalchemy import select, update

from baaskit.auth.users import utc_now
from baaskit.errors import EndedSession
from tests.auth.rig import PASSWORD, Rig, refusal

pytestmark = pytest.mark.anyio

MAILBOX = {"mail_mailbox": True, "mail_interval_seconds": 0}


async def service(rig: Rig, method: str, path: str, json: Any = None) -> Any:
    return await rig.ask(method, path, rig.kit.keys.service_role_key, json if json is not None else {})


def claims_of(token: str) -> dict[str, Any]:
    found: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return found


async def test_an_invited_person_accepts_by_the_mail(make_rig: Any) -> None:
    rig: Rig = await make_rig(**MAILBOX)
    invited = (await service(rig, "POST", "/invite", {"email": "ada@example.com", "data": {"name": "Ada"}})).json()
    assert invited["invited_at"]
    [mail] = await rig.mails()
    assert (mail["kind"], mail["to"]) == ("invite", "ada@example.com")
    assert (await service(rig, "POST", "/invite", {"email": "ada@example.com"})).status_code == 200
    mail = (await rig.mails(2))[0]
    body = {"type": "invite", "email": "ada@example.com", "token": mail["code"]}
    session = (await rig.ask("POST", "/verify", json=body)).json()
    assert (session["user"]["id"], session["user"]["user_metadata"]["name"]) == (invited["id"], "Ada")
    assert refusal(await service(rig, "POST", "/invite", {"email": "ada@example.com"})) == (422, "email_exists")


@pytest.mark.parametrize("type_", ["signup", "invite", "magiclink", "recovery"])
async def test_a_generated_link_works_once_and_sends_nothing(make_rig: Any, type_: str) -> None:
    rig: Rig = await make_rig(**MAILBOX)
    if type_ == "recovery":
        assert refusal(await service(rig, "POST", "/admin/generate_link", {"type": type_, "email": "ada@example.com"})) == (
            404,
            "user_not_found",
        )
        await rig.admin("POST", "/users", {"email": "ada@example.com", "email_confirm": True})
    body = {"type": type_, "email": "ada@example.com", "password": PASSWORD, "redirect_to": "http://127.0.0.1:5/x"}
    made = (await service(rig, "POST", "/admin/generate_link", body)).json()
    assert made["email"] == "ada@example.com"
    assert (made["verification_type"], made["redirect_to"]) == (type_, "http://127.0.0.1:5/x")
    query = parse_qs(urlsplit(made["action_link"]).query)
    assert (query["token"], query["type"], query["redirect_to"]) == ([made["hashed_token"]], [type_], ["http://127.0.0.1:5/x"])
    answer = await rig.ask("POST", "/verify", json={"type": type_, "token_hash": made["hashed_token"]})
    assert answer.json()["user"]["id"] == made["id"]
    again = {"type": type_, "email": "ada@example.com", "token": made["email_otp"]}
    assert refusal(await rig.ask("POST", "/verify", json=again)) == (403, "otp_expired")
    assert await rig.mails(0) == []
    if type_ == "signup":
        assert (await rig.sign_in("ada@example.com")).status_code == 200


async def test_generated_links_change_an_address(make_rig: Any) -> None:
    rig: Rig = await make_rig(**MAILBOX)
    await rig.sign_up("ada@example.com")
    tokens = []
    for type_ in ("email_change_current", "email_change_new"):
        body = {"type": type_, "email": "ada@example.com", "new_email": "ada@lovelace.org"}
        made = (await service(rig, "POST", "/admin/generate_link", body)).json()
        assert made["new_email"] == "ada@lovelace.org"
        tokens.append(made["hashed_token"])
    answers = [await rig.ask("POST", "/verify", json={"type": "email_change", "token_hash": token}) for token in tokens]
    assert ["access_token" in answer.json() for answer in answers] == [False, True]
    assert answers[1].json()["user"]["email"] == "ada@lovelace.org"


@pytest.mark.parametrize(
    "path", ["/invite", "/admin/generate_link", "/admin/audit", "/admin/users/x/impersonate", "/admin/users/x/sessions"]
)
async def test_only_the_service_key_does_any_of_it(make_rig: Any, path: str) -> None:
    rig: Rig = await make_rig(**MAILBOX)
    session = await rig.sign_up("ada@example.com")
    for token in (rig.kit.keys.anon_key, session["access_token"], rig.kit.keys.publishable_key):
        for method in ("GET", "POST"):
            answer = await rig.ask(method, path.replace("/x/", f"/{session['user']['id']}/"), token, {"email": "eve@example.com"})
            assert refusal(answer) in ((403, "not_admin"), (405, "validation_failed"))


async def test_sessions_are_listed_and_ended_one_by_one(rig: Rig) -> None:
    first = await rig.sign_up("ada@example.com")
    second = (await rig.sign_in("ada@example.com")).json()
    stranger = await rig.sign_up("bob@example.com")
    found = (await rig.ask("GET", "/sessions", second["access_token"])).json()
    assert [one["is_current"] for one in found] == [True, False]
    old = found[1]["id"]
    assert refusal(await rig.ask("DELETE", f"/sessions/{old}", stranger["access_token"])) == (404, "session_not_found")
    assert (await rig.ask("DELETE", f"/sessions/{old}", second["access_token"])).status_code == 204
    with pytest.raises(EndedSession):
        rig.kit.keys.verifier.verify(first["access_token"], time.time())
    user_id = first["user"]["id"]
    left = (await service(rig, "GET", f"/admin/users/{user_id}/sessions")).json()
    assert [one["id"] for one in left] == [found[0]["id"]]
    assert (await service(rig, "DELETE", f"/admin/users/{user_id}/sessions/{left[0]['id']}")).status_code == 204
    assert refusal(await rig.ask("GET", "/user", second["access_token"])) == (403, "session_not_found")
    assert (await service(rig, "GET", f"/admin/users/{user_id}/factors")).json() == []


async def test_a_session_ends_after_its_time_however_busy(make_rig: Any) -> None:
    rig: Rig = await make_rig(session_timebox_seconds=600)
    session = await rig.sign_up("ada@example.com")
    assert session["expires_in"] == 600
    assert claims_of(session["access_token"])["exp"] == session["expires_at"]
    sessions = rig.kit.database.tables.sessions
    await rig.kit.database.execute(update(sessions).values(not_after=utc_now() - timedelta(seconds=1)))
    assert refusal(await rig.refresh(session["refresh_token"])) == (400, "session_expired")
    assert refusal(await rig.ask("GET", "/user", session["access_token"])) == (403, "session_not_found")


async def test_a_session_ends_when_it_is_not_used(make_rig: Any) -> None:
    rig: Rig = await make_rig(session_inactivity_seconds=600)
    session = await rig.sign_up("ada@example.com")
    token = (await rig.refresh(session["refresh_token"])).json()["refresh_token"]
    sessions = rig.kit.database.tables.sessions
    await rig.kit.database.execute(update(sessions).values(refreshed_at=utc_now() - timedelta(seconds=601)))
    assert refusal(await rig.refresh(token)) == (400, "session_expired")
    assert await rig.kit.database.query(select(sessions)) == []


async def test_a_user_has_one_session_where_that_is_wanted(make_rig: Any) -> None:
    rig: Rig = await make_rig(session_single=True)
    first = await rig.sign_up("ada@example.com")
    second = (await rig.sign_in("ada@example.com")).json()
    assert refusal(await rig.ask("GET", "/user", first["access_token"])) == (403, "session_not_found")
    assert (await rig.ask("GET", "/user", second["access_token"])).status_code == 200


async def test_what_happened_is_recorded_and_holds_no_secret(make_rig: Any) -> None:
    rig: Rig = await make_rig(**MAILBOX)
    session = await rig.sign_up("ada@example.com")
    user_id = session["user"]["id"]
    await rig.sign_in("ada@example.com")
    await rig.ask("PUT", "/user", session["access_token"], {"password": "a new password"})
    await rig.admin("PUT", f"/users/{user_id}", {"ban_duration": "1h"})
    await rig.admin("DELETE", f"/users/{user_id}")
    answer = await service(rig, "GET", f"/admin/audit?user_id={user_id}")
    assert [entry["payload"]["action"] for entry in answer.json()] == [
        "user_deleted", "user_modified", "user_updated_password", "login", "user_signedup",
    ]  # fmt: skip
    assert [entry["payload"]["actor"] for entry in answer.json()] == ["admin", "admin", "user", "user", "user"]
    assert answer.headers["x-total-count"] == "5"
    assert answer.json()[-1]["ip_address"] == "127.0.0.1"
    assert PASSWORD not in answer.text
    assert len((await service(rig, "GET", "/admin/audit?action=login&per_page=1")).json()) == 1


async def test_s13_an_impersonation_token_is_short_logged_and_leads_no_further(rig: Rig) -> None:
    user_id = (await rig.sign_up("ada@example.com"))["user"]["id"]
    made = (await service(rig, "POST", f"/admin/users/{user_id}/impersonate", {"actor": "grace@example.com", "reason": "ticket 7"})).json()
    assert "refresh_token" not in made
    assert made["expires_in"] <= 600
    token = made["access_token"]
    claims = claims_of(token)
    assert (claims["sub"], claims["role"], claims["act"]) == (user_id, "authenticated", {"sub": "grace@example.com"})
    assert claims["exp"] - claims["iat"] == made["expires_in"]
    assert (await rig.ask("GET", "/user", token)).json()["id"] == user_id
    [entry] = (await service(rig, "GET", "/admin/audit?action=user_impersonated")).json()
    assert (entry["payload"]["actor_id"], entry["payload"]["traits"]["by"]) == (user_id, "grace@example.com")
    assert entry["payload"]["traits"]["reason"] == "ticket 7"
    for method, path, body in (
        ("POST", f"/admin/users/{user_id}/impersonate", {}), ("GET", "/admin/users", None), ("POST", "/admin/generate_link", {"type": "recovery"}),
    ):  # fmt: skip
        assert refusal(await rig.ask(method, path, token, body)) == (403, "not_admin")
    for method, path, body in (
        ("PUT", "/user", {"password": "a new password"}), ("PUT", "/user", {"email": "eve@example.com"}), ("PUT", "/user", {"data": {"a": 1}}),
        ("GET", "/reauthenticate", None), ("POST", "/logout?scope=global", {}), ("POST", "/logout?scope=others", {}),
    ):  # fmt: skip
        assert refusal(await rig.ask(method, path, token, body)) == (403, "impersonation_refused")
    tokens = rig.kit.database.tables.refresh_tokens
    assert len(await rig.kit.database.query(select(tokens).where(tokens.c.session_id == claims["session_id"]))) == 0
    await rig.admin("PUT", f"/users/{user_id}", {"ban_duration": "1h"})
    with pytest.raises(EndedSession):
        rig.kit.keys.verifier.verify(token, time.time())


async def test_s13_nobody_is_impersonated_who_could_impersonate(rig: Rig) -> None:
    user_id = (await rig.sign_up("ada@example.com"))["user"]["id"]
    await rig.admin("PUT", f"/users/{user_id}", {"role": "service_role"})
    answer = await service(rig, "POST", f"/admin/users/{user_id}/impersonate")
    assert refusal(answer) == (403, "impersonation_refused")


async def test_a_token_of_the_system_that_a_project_came_from_gets_its_user(rig: Rig) -> None:
    """Its session is none of ours; a client that is told so would sign its user out."""
    user_id = (await rig.sign_up("ada@example.com"))["user"]["id"]
    now = int(time.time())
    claims = {"sub": user_id, "role": "authenticated", "aud": "authenticated", "iat": now, "exp": now + 60}
    foreign = jwt.encode({**claims, "session_id": "0f0c6d0a-5e0b-4c3e-9f59-0a3f1f9e7a11"}, rig.kit.keys.secret, "HS256")
    assert (await rig.ask("GET", "/user", foreign)).json()["id"] == user_id
    ours = rig.kit.keys.sign({**claims, "session_id": "0f0c6d0a-5e0b-4c3e-9f59-0a3f1f9e7a11"})
    assert refusal(await rig.ask("GET", "/user", ours)) == (403, "session_not_found")
