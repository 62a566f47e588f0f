"""Files: their rows in storage.objects are explained by the policies that storage itself asks; other features are refused by name."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import insert

from baaskit.errors import BaasError
from baaskit.kernel.claims import ANONYMOUS, Claims
from baaskit.storage.rows import Caller, NewObject, delete_objects, find_object, put_object
from tests.shop import ANN, BOB, POLICIES, Shop

pytestmark = pytest.mark.anyio

FILES = """
create policy "own folder" on storage.objects for all to authenticated
  using (bucket_id = 'photos' and (storage.foldername(name))[1] = auth.uid()::text);
create policy "shared" on storage.objects for select using (name like 'shared/%');
create policy "no executables" on storage.objects as restrictive for insert with check (storage.extension(name) <> 'exe');
"""
NAMES = [f"{ANN}/a.png", f"{BOB}/b.png", "shared/c.png"]
CALLERS = {"anon": ANONYMOUS, ANN: Claims("authenticated", ANN, {"sub": ANN}), BOB: Claims("authenticated", BOB, {"sub": BOB})}
SERVICE = {"X-Baaskit-Explain": "1"}


class _Undone(Exception):
    pass


async def allowed(shop: Shop, who: str, command: str, name: str) -> bool:
    """Whether storage itself does it; taken back."""
    caller = Caller.of(shop.kit.database, CALLERS[who])

    def script() -> Any:
        if command == "insert":
            yield from put_object(caller, NewObject("photos", name, "v", {}), upsert=False)
        elif command == "delete":
            if not (yield from delete_objects(caller, "photos", [name])):
                return False
        else:
            yield from find_object(caller, "photos", name)
        raise _Undone

    try:
        return bool(await shop.kit.database.run(script))
    except _Undone:
        return True
    except BaasError:
        return False


async def test_a_file_is_explained_as_storage_decides(shop: Shop) -> None:
    t = shop.kit.database.tables
    await shop.kit.database.save_policies(POLICIES + FILES, "test")
    await shop.kit.database.execute(insert(t.buckets).values(id="photos", name="photos"))
    for name in NAMES:
        await shop.kit.database.execute(insert(t.objects).values(bucket_id="photos", name=name, version="v"))
    for who, claims in CALLERS.items():
        asked = {**SERVICE, "X-Baaskit-As": who}
        for name in NAMES:
            for method, command in (("GET", "select"), ("DELETE", "delete")):
                report = (await shop(method, f"storage.objects?bucket_id=eq.photos&name=eq.{name}", who="service", headers=asked)).json
                assert (report["decision"] == "allowed") == await allowed(shop, who, command, name), (who, command, name, report)
        for name in (f"{who}/new.png", f"{who}/new.exe", "shared/new.png"):
            body = {"bucket_id": "photos", "name": name, "version": "v", "owner_id": claims.uid}
            report = (await shop("POST", "storage.objects", body, who="service", headers=asked)).json
            assert (report["decision"] == "allowed") == await allowed(shop, who, "insert", name), (who, name, report)
    assert [row["name"] for row in await shop.kit.database.query(t.objects.select().order_by(t.objects.c.name))] == sorted(NAMES)


@pytest.mark.parametrize("headers", [{}, SERVICE, {"X-Baaskit-Try": "1"}, {"X-Baaskit-As": ANN}])
async def test_tables_of_ours_have_no_address_but_to_be_explained(shop: Shop, headers: dict[str, str]) -> None:
    for who in ("anon", "ann", "service"):
        for name in ("storage.objects", "auth.users", "baaskit.audit", "realtime.messages"):
            if (who, name, headers) == ("service", "storage.objects", SERVICE):
                continue
            for method in ("GET", "DELETE"):
                reply = await shop(method, f"{name}?id=not.is.null", who=who, headers=headers)
                tried = who == "service" and "X-Baaskit-Try" in headers
                status, told = (reply.json["status"], reply.json["body"]) if tried else (reply.status, reply.json)
                assert (status, told["code"]) == (404, "PGRST205"), (who, name, method, reply.json)


@pytest.mark.parametrize("path", ["storage/v1/object/photos/a.png", "realtime/v1/room", "functions/v1/hello", "auth/v1/user"])
@pytest.mark.parametrize("tool", ["Explain", "Try"])
async def test_other_features_are_refused_with_a_hint(shop: Shop, path: str, tool: str) -> None:
    reply = await shop("GET", path, who="service", headers={f"X-Baaskit-{tool}": "1"})
    assert (reply.status, reply.code) == (400, "0A000")
    assert "storage.objects" in reply.json["hint"]
