"""The admin API: only the service key opens it, and what it changes takes effect."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

import bcrypt
import pytest
from passlib.hash import argon2

from baaskit.auth import create_user
from baaskit.auth.views import UserView
from baaskit.errors.auth import EmailExists, WeakPassword
from tests.auth.rig import PASSWORD, Rig, refusal

pytestmark = pytest.mark.anyio


async def created(rig: Rig, **asked: Any) -> dict[str, Any]:
    answer = await rig.admin("POST", "/users", asked)
    assert answer.status_code == 200, answer.text
    return answer.json()  # type: ignore[no-any-return]


async def test_only_the_service_key_is_an_admin(rig: Rig) -> None:
    session = await rig.sign_up("ada@example.com", data={"role": "service_role"})
    user_id = session["user"]["id"]
    for method, path in (
        ("GET", "/users"),
        ("POST", "/users"),
        ("GET", f"/users/{user_id}"),
        ("PUT", f"/users/{user_id}"),
        ("DELETE", f"/users/{user_id}"),
    ):
        body = {} if method in ("POST", "PUT") else None
        for token in (None, session["access_token"]):
            answer = await rig.ask(method, f"/admin{path}", token, json=body)
            assert refusal(answer) == (403, "not_admin")
            assert answer.json()["message"] == "User not allowed"
        bare = await rig.http.request(method, f"/auth/v1/admin{path}", json=body)
        assert bare.status_code == 401
    assert (await rig.admin("GET", f"/users/{user_id}")).json()["email"] == "ada@example.com"


async def test_an_admin_makes_a_user_that_signs_in(rig: Rig) -> None:
    wanted = str(uuid4())
    user = await created(
        rig, id=wanted, email="Ada@example.com", password=PASSWORD, email_confirm=True, phone="+4912345678", user_metadata={"name": "Ada"},
        app_metadata={"team": "a"},
    )  # fmt: skip
    UserView.model_validate(user)
    assert (user["id"], user["email"], user["phone"]) == (wanted, "ada@example.com", "4912345678")
    assert user["app_metadata"] == {"provider": "email", "providers": ["email", "phone"], "team": "a"}
    assert user["user_metadata"]["name"] == "Ada"
    assert (await rig.sign_in("ada@example.com")).json()["user"]["id"] == wanted


async def test_a_user_made_without_confirmation_cannot_sign_in(rig: Rig) -> None:
    await created(rig, email="ada@example.com", password=PASSWORD)
    assert refusal(await rig.sign_in("ada@example.com")) == (400, "email_not_confirmed")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, (400, "validation_failed")),
        ({"email": "ada@example.com"}, (422, "email_exists")),
        ({"email": "bob@example.com", "phone": "4912345678"}, (422, "phone_exists")),
        ({"email": "bob@example.com", "password": "abc"}, (422, "weak_password")),
        ({"email": "bob@example.com", "password": PASSWORD, "password_hash": "x"}, (400, "validation_failed")),
        ({"email": "bob@example.com", "password_hash": "md5abc"}, (400, "validation_failed")),
        (
            {"email": "bob@example.com", "password_hash": "$argon2id$v=19$m=9999999,t=2,p=1$c29tZXNhbHQ$" + "a" * 43},
            (400, "validation_failed"),
        ),
        ({"email": "bob@example.com", "role": "postgres"}, (400, "validation_failed")),
        ({"email": "bob@example.com", "ban_duration": "soon"}, (400, "validation_failed")),
        ({"email": "bob@example.com", "id": "not a uuid"}, (400, "validation_failed")),
        ({"phone": "abc"}, (400, "validation_failed")),
        ({"email": "bob@example.com", "app_metadata": []}, (400, "validation_failed")),
    ],
)
async def test_a_user_that_cannot_be_is_not_made(rig: Rig, body: dict[str, Any], expected: tuple[int, str]) -> None:
    await created(rig, email="ada@example.com", phone="+4912345678")
    assert refusal(await rig.admin("POST", "/users", body)) == expected
    assert (await rig.admin("GET", "/users")).headers["x-total-count"] == "1"


@pytest.mark.parametrize(
    "foreign",
    [bcrypt.hashpw(b"from elsewhere", bcrypt.gensalt(4)).decode(), argon2.using(rounds=1, memory_cost=64).hash("from elsewhere")],
    ids=["bcrypt", "argon2"],
)
async def test_an_imported_hash_signs_in_and_is_replaced_by_ours(rig: Rig, foreign: str) -> None:
    await created(rig, email="ada@example.com", password_hash=foreign, email_confirm=True)
    assert refusal(await rig.sign_in("ada@example.com", "something else")) == (400, "invalid_credentials")
    assert refusal(await rig.sign_in("ada@example.com", "x" * 100)) == (400, "invalid_credentials")
    assert (await rig.sign_in("ada@example.com", "from elsewhere")).status_code == 200
    users = rig.kit.database.tables.users
    [row] = await rig.kit.database.query(users.select())
    assert row["encrypted_password"].startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert (await rig.sign_in("ada@example.com", "from elsewhere")).status_code == 200


async def test_metadata_is_merged_and_null_removes_a_key(rig: Rig) -> None:
    user = await created(rig, email="ada@example.com", user_metadata={"a": 1, "b": 2}, app_metadata={"team": "a", "level": 1})
    changed = (
        await rig.admin("PUT", f"/users/{user['id']}", {"user_metadata": {"a": None, "c": 3}, "app_metadata": {"team": "b", "level": None}})
    ).json()
    assert {key: changed["user_metadata"].get(key) for key in "abc"} == {"a": None, "b": 2, "c": 3}
    assert changed["app_metadata"] == {"provider": "email", "providers": ["email"], "team": "b"}


@pytest.mark.parametrize("change", [{"ban_duration": "24h"}, {"password": "a new password"}, {"role": "service_role"}])
async def test_a_ban_a_new_password_and_a_new_role_end_all_sessions(rig: Rig, change: dict[str, str]) -> None:
    session = await rig.sign_up("ada@example.com")
    stranger = await rig.sign_up("bob@example.com")
    assert (await rig.admin("PUT", f"/users/{session['user']['id']}", change)).status_code == 200
    assert refusal(await rig.ask("GET", "/user", session["access_token"])) == (403, "session_not_found")
    assert refusal(await rig.refresh(session["refresh_token"])) == (400, "refresh_token_not_found")
    assert (await rig.ask("GET", "/user", stranger["access_token"])).status_code == 200


async def test_a_banned_user_signs_in_again_only_after_the_ban(rig: Rig) -> None:
    session = await rig.sign_up("ada@example.com")
    banned = (await rig.admin("PUT", f"/users/{session['user']['id']}", {"ban_duration": "1h30m"})).json()
    assert banned["banned_until"] > banned["updated_at"]
    assert refusal(await rig.sign_in("ada@example.com")) == (400, "user_banned")
    assert refusal(await rig.sign_in("ada@example.com", "wrong one")) == (400, "invalid_credentials")
    free = (await rig.admin("PUT", f"/users/{session['user']['id']}", {"ban_duration": "none"})).json()
    assert "banned_until" not in free
    assert (await rig.sign_in("ada@example.com")).status_code == 200


async def test_a_change_that_ends_nothing_leaves_sessions_alone(rig: Rig) -> None:
    session = await rig.sign_up("ada@example.com")
    await rig.admin(
        "PUT", f"/users/{session['user']['id']}", {"user_metadata": {"a": 1}, "email": "ada@lovelace.org", "role": "authenticated"}
    )
    user = (await rig.ask("GET", "/user", session["access_token"])).json()
    assert (user["email"], user["user_metadata"]["a"]) == ("ada@lovelace.org", 1)
    assert (await rig.sign_in("ada@lovelace.org")).status_code == 200


@pytest.mark.parametrize("soft", [False, True])
async def test_a_deleted_user_is_gone_at_once_and_its_address_is_free(rig: Rig, soft: bool) -> None:
    session = await rig.sign_up("ada@example.com", data={"name": "Ada"})
    user_id = session["user"]["id"]
    answer = await rig.admin("DELETE", f"/users/{user_id}", {"should_soft_delete": True} if soft else None)
    assert (answer.status_code, answer.json()) == (200, {})
    assert refusal(await rig.ask("GET", "/user", session["access_token"])) == (403, "session_not_found")
    assert refusal(await rig.refresh(session["refresh_token"])) == (400, "refresh_token_not_found")
    assert refusal(await rig.sign_in("ada@example.com")) == (400, "invalid_credentials")
    assert refusal(await rig.admin("GET", f"/users/{user_id}")) == (404, "user_not_found")
    assert (await rig.admin("GET", "/users")).json()["users"] == []
    kept = await rig.kit.database.query(rig.kit.database.tables.users.select())
    assert len(kept) == int(soft)
    assert "Ada" not in str(kept)
    assert "ada@" not in str(kept)
    assert (await rig.sign_up("ada@example.com"))["user"]["id"] != user_id


@pytest.mark.parametrize("user_id", ["6a0f4b1e-5d0c-4a86-9d0e-2f4b8f0c9a11", "1", "' or 1=1"])
async def test_an_unknown_user_is_not_found(rig: Rig, user_id: str) -> None:
    for method, body in (("GET", None), ("PUT", {"password": PASSWORD}), ("DELETE", None)):
        assert refusal(await rig.admin(method, f"/users/{user_id}", body)) == (404, "user_not_found")


async def test_pages_tell_the_total_and_where_the_next_and_last_are(rig: Rig) -> None:
    for number in range(5):
        await created(rig, email=f"user{number}@example.com")
    base = f"<{rig.kit.settings.url}/auth/v1/admin/users?page="
    first = await rig.admin("GET", "/users?page=1&per_page=2")
    assert first.headers["x-total-count"] == "5"
    assert first.headers["link"] == f'{base}2&per_page=2>; rel="next", {base}3&per_page=2>; rel="last"'
    assert [user["email"] for user in first.json()["users"]] == ["user4@example.com", "user3@example.com"]
    last = await rig.admin("GET", "/users?page=3&per_page=2")
    assert last.headers["link"] == f'{base}3&per_page=2>; rel="last"'
    assert [user["email"] for user in last.json()["users"]] == ["user0@example.com"]
    assert last.json()["aud"] == "authenticated"
    assert (await rig.admin("GET", "/users?page=9")).json()["users"] == []
    found = (await rig.admin("GET", "/users?filter=USER3&sort=email asc")).json()["users"]
    assert [user["email"] for user in found] == ["user3@example.com"]
    assert (await rig.admin("GET", "/users?filter=%25")).json()["users"] == []
    ascending = (await rig.admin("GET", "/users?sort=email asc")).json()["users"]
    assert [user["email"] for user in ascending] == [f"user{number}@example.com" for number in range(5)]
    assert len((await rig.admin("GET", "/users?page=&per_page=")).json()["users"]) == 5
    for query in (
        "page=0",
        "per_page=0&page=",
        "per_page=-1",
        "page=x",
        "per_page=0",
        "sort=encrypted_password",
        "page=99999999999999999999",
    ):
        assert refusal(await rig.admin("GET", f"/users?{query}")) == (400, "validation_failed")


async def test_of_two_who_create_the_same_address_at_once_one_succeeds(rig: Rig) -> None:
    body = {"email": "ada@example.com", "password": PASSWORD}
    answers = await asyncio.gather(*(rig.ask("POST", "/signup", json=body) for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [200, 422, 422, 422]
    assert (await rig.admin("GET", "/users")).headers["x-total-count"] == "1"


async def test_the_command_line_makes_users_the_same_way(rig: Rig) -> None:
    user = await create_user(rig.kit, "Ada@example.com", PASSWORD, app_metadata={"team": "a"})
    assert (await rig.sign_in("ada@example.com")).json()["user"]["id"] == user["id"]
    with pytest.raises(EmailExists):
        await create_user(rig.kit, "ada@example.com", PASSWORD)
    with pytest.raises(WeakPassword):
        await create_user(rig.kit, "bob@example.com", "abc")
