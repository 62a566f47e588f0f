"""The official Python client, sync and async, through accounts, sessions and the admin API. Run by test_official_clients.py."""

from __future__ import annotations

import asyncio
import json
import os
import time
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

import httpx2
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


def message_to(server: Server, address: str) -> dict[str, str]:
    """The newest message to an address."""
    for _ in range(500):
        answer = httpx2.get(f"{server.url}/auth/v1/mailbox", headers={"accept": "application/json"})
        found = [message for message in answer.json()["messages"] if message["to"] == address]
        if found:
            return found[0]
        time.sleep(0.02)
    raise AssertionError(f"no message to {address}")


def sign_in_by_mail_and_phone(server: Server) -> None:
    client = create_client(server.url, server.anon_key)
    client.auth.sign_in_with_otp({"email": "kim@example.com"})
    verified = client.auth.verify_otp({"type": "email", "email": "kim@example.com", "token": message_to(server, "kim@example.com")["code"]})
    assert verified.session is not None
    client.auth.reset_password_for_email("kim@example.com")
    link = ""
    while "recovery" not in link:
        link = message_to(server, "kim@example.com")["link"]
    token = parse_qs(urlsplit(link).query)["token"][0]
    recovered = create_client(server.url, server.anon_key)
    assert recovered.auth.verify_otp({"type": "recovery", "token_hash": token}).user.email == "kim@example.com"  # type: ignore[union-attr]
    client.auth.sign_in_with_otp({"phone": "+4987654321"})
    code = message_to(server, "4987654321")["code"]
    assert client.auth.verify_otp({"type": "sms", "phone": "+4987654321", "token": code}).user.phone == "4987654321"  # type: ignore[union-attr]
    with pytest.raises(AuthApiError) as refused:
        client.auth.verify_otp({"type": "sms", "phone": "+4987654321", "token": code})
    assert refused.value.code == "otp_expired"


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
    sign_in_by_mail_and_phone(found)
    asyncio.run(keep_a_session_over_refreshes(found))
    print(json.dumps({"passed": 4}))
