"""The official Python client (`supabase` on PyPI), unmodified, against a real server on both databases."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from postgrest.exceptions import APIError
from storage3.exceptions import StorageApiError
from supabase import AsyncClient, acreate_client
from supabase_auth.errors import AuthApiError

from tests.journeys.conftest import Server

pytestmark = [pytest.mark.client, pytest.mark.anyio]


async def person(shop: Server) -> tuple[AsyncClient, str]:
    """A client that has signed up, and its user's id."""
    client = await acreate_client(shop.url, shop.anon_key)
    answer = await client.auth.sign_up({"email": f"u{uuid.uuid4().hex}@example.com", "password": "correct horse"})
    assert answer.user is not None
    assert answer.session is not None
    return client, answer.user.id


async def until(true: Callable[[], bool], seconds: float = 8) -> None:
    async with asyncio.timeout(seconds):
        while not true():
            await asyncio.sleep(0.02)


async def test_data_is_read_and_refused_by_policy(shop: Server) -> None:
    anon = await acreate_client(shop.url, shop.anon_key)
    rows = await anon.table("pets").select("id,price").eq("species", "cat").gt("price", 50).order("price", desc=True).limit(4).execute()
    assert [row["price"] for row in rows.data] == sorted((row["price"] for row in rows.data), reverse=True)
    counted = await anon.table("pets").select("*", count="exact").in_("id", [1, 2, 3]).execute()
    assert counted.count == 3
    one = await anon.table("pets").select("name").eq("id", 1).single().execute()
    assert one.data == {"name": "Milo"}
    assert await anon.table("pets").select("name").eq("id", -1).maybe_single().execute() is None
    with pytest.raises(APIError) as refused:
        await anon.table("pets").insert({"name": "x", "species": "dog", "price": 1}).execute()
    assert refused.value.code == "42501"


async def test_sign_up_in_refresh_update_and_out(shop: Server) -> None:
    email = f"u{uuid.uuid4().hex}@example.com"
    client = await acreate_client(shop.url, shop.anon_key)
    await client.auth.sign_up({"email": email, "password": "correct horse"})
    with pytest.raises(AuthApiError) as wrong:
        await client.auth.sign_in_with_password({"email": email, "password": "wrong"})
    assert wrong.value.code == "invalid_credentials"
    signed = await client.auth.sign_in_with_password({"email": email, "password": "correct horse"})
    assert signed.session is not None
    refreshed = await client.auth.refresh_session()
    assert refreshed.session is not None
    assert refreshed.session.refresh_token != signed.session.refresh_token
    await client.auth.update_user({"data": {"nickname": "ana"}})
    found = await client.auth.get_user()
    assert found is not None
    assert found.user.user_metadata["nickname"] == "ana"
    await client.auth.sign_out()
    assert await client.auth.get_session() is None


async def test_the_service_key_manages_users(shop: Server) -> None:
    service = await acreate_client(shop.url, shop.service_role_key)
    made = await service.auth.admin.create_user(
        {"email": f"a{uuid.uuid4().hex}@example.com", "password": "correct horse", "email_confirm": True}
    )
    assert (await service.auth.admin.get_user_by_id(made.user.id)).user.email == made.user.email
    assert len(await service.auth.admin.list_users(per_page=2)) == 2
    await service.auth.admin.delete_user(made.user.id)
    with pytest.raises(AuthApiError):
        await service.auth.admin.get_user_by_id(made.user.id)


async def test_changes_arrive_under_policy(shop: Server) -> None:
    seller, uid = await person(shop)
    stranger = await acreate_client(shop.url, shop.anon_key)
    seen: list[dict[str, Any]] = []
    hidden: list[dict[str, Any]] = []
    for client, into in ((seller, seen), (stranger, hidden)):
        ready = asyncio.Event()
        channel = client.channel(f"c{uuid.uuid4().hex}")
        channel.on_postgres_changes("*", into.append, schema="public", table="pets")
        channel.on_system(lambda message, ready=ready: ready.set())
        await channel.subscribe()
        async with asyncio.timeout(8):
            await ready.wait()
    pet = (await seller.table("pets").insert({"name": "Rex", "species": "dog", "price": 5, "status": "hidden"}).execute()).data[0]
    assert pet["seller_id"] == uid
    await until(lambda: any(c["data"]["record"].get("id") == pet["id"] for c in seen))
    await seller.table("pets").update({"status": "available"}).eq("id", pet["id"]).execute()
    await until(lambda: any(c["data"]["record"].get("id") == pet["id"] for c in hidden))
    assert all(c["data"]["record"]["status"] == "available" for c in hidden)
    await seller.table("pets").delete().eq("id", pet["id"]).execute()
    await until(lambda: any(c["data"]["type"] == "DELETE" for c in hidden))
    for client in (seller, stranger):
        await client.realtime.close()


async def test_files_go_up_and_come_down(shop: Server) -> None:
    client, uid = await person(shop)
    photos = client.storage.from_("photos")
    await photos.upload(f"{uid}/a.png", b"\x89PNG" * 100, {"content-type": "image/png", "cache-control": "3600"})
    assert await photos.download(f"{uid}/a.png") == b"\x89PNG" * 100
    assert [entry["name"] for entry in await photos.list(uid)] == ["a.png"]
    signed = await photos.create_signed_url(f"{uid}/a.png", 60)
    assert signed["signedURL"].startswith(shop.url)
    with pytest.raises(StorageApiError) as refused:
        await photos.upload(f"{uuid.uuid4()}/a.png", b"x", {"content-type": "image/png"})
    assert str(refused.value.status) == "403"
    assert len(await photos.remove([f"{uid}/a.png"])) == 1


async def test_functions_run_as_the_caller(shop: Server) -> None:
    client, _ = await person(shop)
    found = await client.functions.invoke("search", {"body": {"q": "corgi", "limit": 2}, "responseType": "json"})
    assert len(found) == 2
    key = uuid.uuid4().hex
    order = await client.functions.invoke("purchase", {"body": {"lines": [{"pet_id": 15}], "key": key}, "responseType": "json"})
    mine = await client.table("orders").select("id,order_items(pet_id)").execute()
    assert mine.data == [{"id": order["id"], "order_items": [{"pet_id": 15}]}]
