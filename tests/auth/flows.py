"""The official Python client, sync and async, through accounts, sessions and the admin API. Run by test_official_clients.py."""

from __future__ import annotations

import asyncio
import json
import os
from dataclasses import dataclass

import pytest
from supabase import AuthApiError, AuthWeakPasswordError, acreate_client, create_client


@dataclass(frozen=True)
class Server:
    url: str
    anon_key: str
    service_role_key: str


def sign_up_in_and_out(server: Server) -> None:
    client = create_client(server.url, server.anon_key)
    signed_up = client.auth.sign_up({"email": "ada@example.com", "password": "correct horse", "options": {"data": {"name": "Ada"}}})
    assert signed_up.session is not None
    assert signed_up.user is not None
    assert signed_up.user.user_metadata["name"] == "Ada"
    assert signed_up.user.identities is not None
    assert client.auth.get_user().user.id == signed_up.user.id  # type: ignore[union-attr]
    claims = client.auth.get_claims()
    assert claims is not None
    assert claims["claims"]["sub"] == signed_up.user.id

    for email, password, code in (
        ("ada@example.com", "wrong one", "invalid_credentials"),
        ("no address", "wrong one", "invalid_credentials"),
    ):
        with pytest.raises(AuthApiError) as refused:
            client.auth.sign_in_with_password({"email": email, "password": password})
        assert (refused.value.status, refused.value.code) == (400, code)
    with pytest.raises(AuthApiError) as refused:
        client.auth.sign_up({"email": "ada@example.com", "password": "correct horse"})
    assert refused.value.code == "user_already_exists"
    with pytest.raises(AuthWeakPasswordError) as weak:
        client.auth.sign_up({"email": "bob@example.com", "password": "abc"})
    assert weak.value.reasons == ["length"]

    signed_in = client.auth.sign_in_with_password({"email": "ada@example.com", "password": "correct horse"})
    assert signed_in.session is not None
    refreshed = client.auth.refresh_session()
    assert refreshed.session is not None
    assert refreshed.session.refresh_token != signed_in.session.refresh_token
    changed = client.auth.update_user({"data": {"name": "Countess"}, "password": "another one"})
    assert changed.user.user_metadata["name"] == "Countess"
    client.auth.sign_out()
    assert client.auth.get_session() is None
    with pytest.raises(AuthApiError) as refused:
        client.auth.get_user(refreshed.session.access_token)
    assert refused.value.code == "session_not_found"
    anonymous = client.auth.sign_in_anonymously()
    assert anonymous.user is not None
    assert anonymous.user.is_anonymous


def look_after_users(server: Server) -> None:
    admin = create_client(server.url, server.service_role_key).auth.admin
    made = [admin.create_user({"email": f"user{n}@example.com", "password": "correct horse", "email_confirm": True}).user for n in range(3)]
    assert [user.email for user in admin.list_users(page=1, per_page=2)] == ["user2@example.com", "user1@example.com"]
    changed = admin.update_user_by_id(made[0].id, {"app_metadata": {"team": "a"}, "ban_duration": "1h"}).user
    assert changed.app_metadata["team"] == "a"
    assert admin.get_user_by_id(made[0].id).user.email == "user0@example.com"
    admin.delete_user(made[0].id)
    admin.delete_user(made[1].id, should_soft_delete=True)
    assert made[2].id in [user.id for user in admin.list_users()]
    assert not {made[0].id, made[1].id} & {user.id for user in admin.list_users()}
    with pytest.raises(AuthApiError) as refused:
        create_client(server.url, server.anon_key).auth.admin.list_users()
    assert refused.value.code == "not_admin"


async def keep_a_session_over_refreshes(server: Server) -> None:
    client = await acreate_client(server.url, server.anon_key)
    await client.auth.sign_up({"email": "zoe@example.com", "password": "correct horse"})
    for _ in range(3):
        refreshed = await client.auth.refresh_session()
        assert refreshed.session is not None
        found = await client.auth.get_user()
        assert found is not None
        assert found.user.email == "zoe@example.com"
    await client.auth.sign_out({"scope": "local"})
    assert await client.auth.get_session() is None


if __name__ == "__main__":
    found = Server(os.environ["URL"], os.environ["ANON"], os.environ["SERVICE"])
    sign_up_in_and_out(found)
    look_after_users(found)
    asyncio.run(keep_a_session_over_refreshes(found))
    print(json.dumps({"passed": 3}))
