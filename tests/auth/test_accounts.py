"""Signing up, in and out over HTTP: what is answered, and what is refused and then has no effect."""

from __future__ import annotations

from typing import Any

import jwt
import pytest

from baaskit.auth.views import SessionView, UserView
from tests.auth.rig import PASSWORD, Rig, refusal

pytestmark = pytest.mark.anyio


async def user_count(rig: Rig) -> int:
    return int((await rig.admin("GET", "/users")).headers["x-total-count"])


async def test_a_sign_up_gives_a_session_whose_token_the_published_key_verifies(rig: Rig) -> None:
    session = await rig.sign_up("Ada@Example.com ", data={"name": "Ada"})
    SessionView.model_validate(session)
    user = session["user"]
    assert user["email"] == "ada@example.com"
    assert user["app_metadata"] == {"provider": "email", "providers": ["email"]}
    assert user["user_metadata"] == {
        "name": "Ada",
        "email": "ada@example.com",
        "email_verified": True,
        "phone_verified": False,
        "sub": user["id"],
    }
    assert [(i["provider"], i["id"]) for i in user["identities"]] == [("email", user["id"])]
    assert user["created_at"].endswith("Z")

    [key] = (await rig.http.get("/auth/v1/.well-known/jwks.json")).json()["keys"]
    token = session["access_token"]
    assert key["kid"] == jwt.get_unverified_header(token)["kid"]
    assert "d" not in key
    claims = jwt.decode(token, jwt.PyJWK(key).key, algorithms=["ES256"], audience="authenticated", issuer=f"{rig.kit.settings.url}/auth/v1")
    assert claims["exp"] - claims["iat"] == session["expires_in"] == 3600
    assert claims["exp"] == session["expires_at"]
    expected = {"sub": user["id"], "role": "authenticated", "email": "ada@example.com", "phone": "", "aal": "aal1", "is_anonymous": False}
    assert {name: claims[name] for name in expected} == expected
    assert claims["amr"] == [{"method": "password", "timestamp": claims["iat"]}]
    assert claims["app_metadata"] == user["app_metadata"]
    assert claims["user_metadata"] == user["user_metadata"]


async def test_the_token_gets_its_own_user_and_the_password_signs_in_again(rig: Rig) -> None:
    session = await rig.sign_up("ada@example.com")
    answer = await rig.ask("GET", "/user", session["access_token"])
    assert (answer.status_code, answer.json()) == (200, session["user"])
    assert answer.headers["cache-control"] == "no-store"
    again = await rig.sign_in("  ADA@example.COM")
    assert again.status_code == 200
    assert again.json()["user"]["id"] == session["user"]["id"]
    assert again.json()["refresh_token"] != session["refresh_token"]
    UserView.model_validate(again.json()["user"])


@pytest.mark.parametrize(
    ("path", "body", "expected", "message"),
    [
        ("/signup", {"email": "ada@example.com", "password": PASSWORD}, (422, "user_already_exists"), "User already registered"),
        ("/signup", {"email": "bob@example.com"}, (400, "validation_failed"), "Signup requires a valid password"),
        ("/signup", {"email": "bob@example.com", "password": ""}, (400, "validation_failed"), "Signup requires a valid password"),
        ("/signup", {"email": "bob@example.com", "password": "short"}, (422, "weak_password"), "Password should be at least 6 characters."),
        (
            "/signup",
            {"email": "bob@example.com", "password": "x" * 513},
            (400, "validation_failed"),
            "Password cannot be longer than 512 characters",
        ),
        (
            "/signup",
            {"email": "no address", "password": PASSWORD},
            (400, "validation_failed"),
            "Unable to validate email address: invalid format",
        ),
        ("/signup", {"email": ["bob@example.com"], "password": PASSWORD}, (400, "validation_failed"), None),
        ("/signup", {"email": "bob@example.com", "password": {"$ne": ""}}, (400, "validation_failed"), None),
        ("/signup", {"email": "bob@example.com", "password": PASSWORD, "data": "text"}, (400, "validation_failed"), None),
        ("/signup", {"email": "bob@example.com", "password": PASSWORD, "data": {"a": "\0"}}, (400, "validation_failed"), None),
        ("/signup", {"email": "bob@example.com", "password": PASSWORD, "data": {"a": "x" * 20_000}}, (400, "validation_failed"), None),
        ("/signup", {"email": "bob@example.com", "password": PASSWORD, "data": {"a": 2**70}}, (400, "validation_failed"), None),
        ("/signup", {}, (422, "anonymous_provider_disabled"), "Anonymous sign-ins are disabled"),
        ("/signup", {"phone": "+4912345678", "password": PASSWORD}, (400, "phone_provider_disabled"), "Phone signups are disabled"),
        ("/signup", [], (400, "validation_failed"), None),
        (
            "/token?grant_type=password",
            {"email": "ada@example.com", "password": "wrong one"},
            (400, "invalid_credentials"),
            "Invalid login credentials",
        ),
        ("/token?grant_type=password", {"email": "ada@example.com"}, (400, "invalid_credentials"), "Invalid login credentials"),
        (
            "/token?grant_type=password",
            {"email": "ada@example.com", "password": "x" * 4000},
            (400, "invalid_credentials"),
            "Invalid login credentials",
        ),
        (
            "/token?grant_type=password",
            {"email": "no address", "password": PASSWORD},
            (400, "invalid_credentials"),
            "Invalid login credentials",
        ),
        ("/token?grant_type=password", {"password": PASSWORD}, (400, "validation_failed"), "missing email or phone"),
        ("/token?grant_type=password", {"email": 5, "password": PASSWORD}, (400, "validation_failed"), None),
        (
            "/token?grant_type=refresh_token",
            {"refresh_token": "unknown"},
            (400, "refresh_token_not_found"),
            "Invalid Refresh Token: Refresh Token Not Found",
        ),
        ("/token?grant_type=refresh_token", {}, (400, "validation_failed"), None),
        ("/token?grant_type=refresh_token", {"refresh_token": ["a"]}, (400, "validation_failed"), None),
        ("/token?grant_type=magic", {}, (400, "invalid_credentials"), "unsupported_grant_type"),
        ("/token", {}, (400, "invalid_credentials"), "unsupported_grant_type"),
        ("/recover", {"email": "ada@example.com"}, (422, "email_provider_disabled"), None),
        ("/otp", {"email": "ada@example.com"}, (422, "otp_disabled"), None),
        ("/nothing/here", {}, (404, "validation_failed"), None),
    ],
)
async def test_what_is_refused_says_why_and_makes_no_user(
    rig: Rig, path: str, body: Any, expected: tuple[int, str], message: str | None
) -> None:
    await rig.sign_up("ada@example.com")
    answer = await rig.ask("POST", path, json=body)
    assert refusal(answer) == expected
    if message is not None:
        assert answer.json()["message"] == message
    assert await user_count(rig) == 1


async def test_a_weak_password_says_which_rule_it_breaks(rig: Rig) -> None:
    answer = await rig.ask("POST", "/signup", json={"email": "a@b.c", "password": "abc"})
    assert answer.json() == {
        "code": "weak_password", "message": "Password should be at least 6 characters.", "weak_password": {"reasons": ["length"]},
    }  # fmt: skip


async def test_a_client_without_a_version_gets_the_older_errors(rig: Rig) -> None:
    answer = await rig.http.post("/auth/v1/token?grant_type=password", json={"email": "a@b.c", "password": "wrong"})
    assert answer.status_code == 400
    assert answer.json() == {"code": 400, "error_code": "invalid_credentials", "msg": "Invalid login credentials"}
    assert answer.headers["x-sb-error-code"] == "invalid_credentials"
    assert "x-supabase-api-version" not in answer.headers


@pytest.mark.parametrize("content", [b"{", b"", b"\xff\xfe", b"[" * 100_000, b'{"email": "\\ud800@b.c", "password": "secret1"}'])
async def test_a_body_that_is_no_json_of_ours_is_refused_in_shape(rig: Rig, content: bytes) -> None:
    answer = await rig.ask("POST", "/signup", content=content, headers={"content-type": "application/json"})
    status, code = refusal(answer)
    assert status == 400
    assert code in ("bad_json", "validation_failed")


async def test_a_body_is_json_whatever_its_type_says(rig: Rig) -> None:
    """`curl -d` says that it sends a form."""
    headers = {"content-type": "application/x-www-form-urlencoded"}
    answer = await rig.ask("POST", "/signup", content=b'{"email": "ada@example.com", "password": "correct horse"}', headers=headers)
    assert answer.json()["user"]["email"] == "ada@example.com"


async def test_a_body_beyond_the_limit_is_refused_unread(rig: Rig) -> None:
    answer = await rig.ask("POST", "/signup", json={"email": "ada@example.com", "password": PASSWORD, "data": {"a": "x" * 300_000}})
    assert refusal(answer) == (413, "validation_failed")
    assert await user_count(rig) == 0


async def test_nobody_signs_up_when_that_is_off(make_rig: Any) -> None:
    rig = await make_rig(disable_signup=True)
    answer = await rig.ask("POST", "/signup", json={"email": "ada@example.com", "password": PASSWORD})
    assert refusal(answer) == (422, "signup_disabled")
    assert (await rig.ask("GET", "/settings")).json()["disable_signup"] is True
    assert await user_count(rig) == 0


async def test_an_unconfirmed_user_cannot_sign_in_until_an_admin_confirms(make_rig: Any) -> None:
    rig = await make_rig(mail_confirm=True)
    user = await rig.sign_up("ada@example.com")
    assert "access_token" not in user
    assert "confirmed_at" not in user
    assert refusal(await rig.sign_in("ada@example.com")) == (400, "email_not_confirmed")
    assert refusal(await rig.sign_in("ada@example.com", "wrong one")) == (400, "invalid_credentials")
    confirmed = (await rig.admin("PUT", f"/users/{user['id']}", {"email_confirm": True})).json()
    assert confirmed["email_confirmed_at"]
    assert confirmed["user_metadata"]["email_verified"] is True
    assert (await rig.sign_in("ada@example.com")).status_code == 200


async def test_with_confirmation_a_taken_address_looks_like_a_new_one(make_rig: Any) -> None:
    rig = await make_rig(mail_confirm=True)
    first = await rig.sign_up("ada@example.com", data={"name": "Ada"})
    second = await rig.sign_up("ada@example.com", "another password", data={"name": "Eve"})
    assert second["id"] != first["id"]
    assert [set(identity) for identity in second["identities"]] == [set(identity) for identity in first["identities"]]
    assert set(second) == set(first)
    assert await user_count(rig) == 1
    assert (await rig.admin("GET", f"/users/{first['id']}")).json()["user_metadata"]["name"] == "Ada"


async def test_an_anonymous_visitor_keeps_its_id_when_it_takes_an_address(make_rig: Any) -> None:
    rig = await make_rig(anonymous_users=True)
    assert (await rig.ask("GET", "/settings")).json()["external"]["anonymous_users"] is True
    session = (await rig.ask("POST", "/signup", json={"data": {"theme": "dark"}})).json()
    user = session["user"]
    assert (user["is_anonymous"], user["email"], user["identities"], user["app_metadata"]) == (True, "", [], {})
    assert jwt.decode(session["access_token"], options={"verify_signature": False})["is_anonymous"] is True
    token = session["access_token"]
    assert refusal(await rig.ask("PUT", "/user", token, {"password": PASSWORD})) == (400, "validation_failed")
    upgraded = (await rig.ask("PUT", "/user", token, {"email": "ada@example.com", "password": PASSWORD})).json()
    assert (upgraded["id"], upgraded["is_anonymous"], upgraded["user_metadata"]["theme"]) == (user["id"], False, "dark")
    assert upgraded["app_metadata"] == {"provider": "email", "providers": ["email"]}
    assert (await rig.sign_in("ada@example.com")).json()["user"]["id"] == user["id"]


async def test_a_user_changes_its_metadata_but_never_what_the_server_says_of_it(rig: Rig) -> None:
    session = await rig.sign_up("ada@example.com", data={"a": 1, "b": 2})
    asked = {
        "data": {"a": None, "c": {"d": [1]}, "sub": "x", "email_verified": "x"},
        "role": "service_role",
        "app_metadata": {"admin": True},
    }
    changed = (await rig.ask("PUT", "/user", session["access_token"], asked)).json()
    own = {"b": 2, "c": {"d": [1]}, "email": "ada@example.com", "email_verified": True, "phone_verified": False, "sub": changed["id"]}
    assert changed["user_metadata"] == own
    assert changed["role"] == "authenticated"
    assert "admin" not in changed["app_metadata"]
    claims = jwt.decode((await rig.refresh(session["refresh_token"])).json()["access_token"], options={"verify_signature": False})
    assert (claims["role"], claims["user_metadata"]) == ("authenticated", own)


async def test_a_new_address_signs_in_and_a_taken_one_is_refused(rig: Rig) -> None:
    token = (await rig.sign_up("ada@example.com"))["access_token"]
    await rig.sign_up("bob@example.com")
    assert refusal(await rig.ask("PUT", "/user", token, {"email": "BOB@example.com"})) == (422, "email_exists")
    changed = (await rig.ask("PUT", "/user", token, {"email": "ada@lovelace.org"})).json()
    assert changed["email"] == changed["identities"][0]["email"] == changed["user_metadata"]["email"] == "ada@lovelace.org"
    assert (await rig.sign_in("ada@lovelace.org")).status_code == 200
    assert refusal(await rig.sign_in("ada@example.com")) == (400, "invalid_credentials")


async def test_a_new_password_must_differ_and_fit_the_rules(rig: Rig) -> None:
    token = (await rig.sign_up("ada@example.com"))["access_token"]
    assert refusal(await rig.ask("PUT", "/user", token, {"password": PASSWORD})) == (422, "same_password")
    assert refusal(await rig.ask("PUT", "/user", token, {"password": "abc"})) == (422, "weak_password")
    wrong = {"password": "another one", "current_password": "not it"}
    assert refusal(await rig.ask("PUT", "/user", token, wrong)) == (400, "invalid_credentials")
    assert (await rig.sign_in("ada@example.com")).status_code == 200
    assert (await rig.ask("PUT", "/user", token, {"password": "another one", "current_password": PASSWORD})).status_code == 200
    assert refusal(await rig.sign_in("ada@example.com")) == (400, "invalid_credentials")
    assert (await rig.sign_in("ada@example.com", "another one")).status_code == 200


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, (401, "no_authorization")),
        ("Basic abc", (401, "no_authorization")),
        ("Bearer ", (401, "no_authorization")),
        ("Bearer abc", (403, "bad_jwt")),
        ("Bearer a.b.c", (403, "bad_jwt")),
    ],
)
async def test_who_is_not_signed_in_has_no_user(rig: Rig, header: str | None, expected: tuple[int, str]) -> None:
    headers = {"X-Supabase-Api-Version": "2024-01-01", **({"authorization": header} if header else {})}
    for method, path in (("GET", "/user"), ("PUT", "/user"), ("POST", "/logout")):
        answer = await rig.http.request(method, f"/auth/v1{path}", headers=headers, json={} if method == "PUT" else None)
        assert refusal(answer) == expected


async def test_an_api_key_is_not_a_user(rig: Rig) -> None:
    answer = await rig.ask("GET", "/user")
    assert refusal(answer) == (403, "bad_jwt")
    assert answer.json()["message"] == "invalid claim: missing sub claim"


async def test_a_token_of_the_projects_own_secret_stands_for_a_user_without_a_session(rig: Rig) -> None:
    user = (await rig.sign_up("ada@example.com"))["user"]
    token = jwt.encode({"sub": user["id"], "role": "authenticated", "exp": 4102444800}, rig.kit.keys.secret, "HS256")
    assert (await rig.ask("GET", "/user", token)).json()["id"] == user["id"]
    stranger = jwt.encode(
        {"sub": "7d3dd1a6-5a35-4f4d-9a6c-0c3a3c0f2d11", "role": "authenticated", "exp": 4102444800}, rig.kit.keys.secret, "HS256"
    )
    assert refusal(await rig.ask("GET", "/user", stranger)) == (403, "user_not_found")
    odd = jwt.encode({"sub": "' or 1=1", "role": "authenticated", "exp": 4102444800}, rig.kit.keys.secret, "HS256")
    assert refusal(await rig.ask("GET", "/user", odd)) == (403, "bad_jwt")


async def test_limits_per_account_count_wrong_passwords_and_per_address_everything(make_rig: Any) -> None:
    rig = await make_rig(sign_in_limit_per_account=3, sign_in_limit_per_address=9)
    await rig.sign_up("ada@example.com")
    await rig.sign_up("bob@example.com")
    for _ in range(3):
        assert (await rig.sign_in("bob@example.com")).status_code == 200
    for _ in range(3):
        assert refusal(await rig.sign_in("ada@example.com", "wrong one")) == (400, "invalid_credentials")
    refused = await rig.sign_in("ada@example.com")
    assert refusal(refused) == (429, "over_request_rate_limit")
    assert 1 <= int(refused.headers["retry-after"]) <= 100
    assert refusal(await rig.sign_in("bob@example.com")) == (429, "over_request_rate_limit")  # the address has had its nine


async def test_health_and_settings_are_open_to_all(rig: Rig) -> None:
    health = (await rig.http.get("/auth/v1/health")).json()
    assert set(health) == {"version", "name", "description"}
    settings = (await rig.http.get("/auth/v1/settings")).json()
    assert settings["external"]["email"] is True
    assert settings["external"]["github"] is False
    assert settings["mailer_autoconfirm"] is True


async def test_the_description_of_the_api_names_every_route_and_its_shapes(rig: Rig) -> None:
    described = (await rig.http.get("/openapi.json")).json()
    paths = {path: sorted(methods) for path, methods in described["paths"].items()}
    assert paths["/auth/v1/user"] == ["get", "put"]
    assert paths["/auth/v1/admin/users/{user_id}"] == ["delete", "get", "put"]
    assert {"/auth/v1/signup", "/auth/v1/token", "/auth/v1/logout", "/auth/v1/settings"} <= set(paths)
    assert {"SignUp", "Grant", "UserChange", "SessionView", "UserView"} <= set(described["components"]["schemas"])
