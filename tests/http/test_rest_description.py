"""The description of the data API at its root: what a role may reach is in it, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from tests.shop import SCHEMA, Shop, open_shop

pytestmark = pytest.mark.anyio

OPENAPI = {"Accept": "application/openapi+json"}


async def described(shop: Shop, who: str) -> Any:
    reply = await shop("GET", "", who=who, headers=OPENAPI)
    assert (200, "application/openapi+json; charset=utf-8") == (reply.status, reply.headers["content-type"])
    return reply.json


def verbs(document: Any) -> dict[str, set[str]]:
    return {path.strip("/"): set(item) for path, item in document["paths"].items()}


async def test_each_role_sees_the_tables_and_verbs_it_may_use(shop: Shop) -> None:
    read, write = {"get"}, {"get", "post", "patch", "delete"}
    always = {"": {"get"}, "batch": {"post"}}
    assert {**always, "people": read, "pets": read, "tags": read, "pet_tags": read} == verbs(await described(shop, "anon"))
    user = {**always, "people": read, "pets": write, "tags": read, "pet_tags": read, "orders": write}
    assert user == verbs(await described(shop, "ann"))
    assert {*user, "vault"} == set(verbs(await described(shop, "service")))


async def test_nothing_closed_is_named_anywhere(shop: Shop) -> None:
    reply = await shop("GET", "", who="anon", headers=OPENAPI)
    for hidden in (b"vault", b"word", b"secret", b"buyer_id", b"orders", b"auth.users"):
        assert hidden not in reply.body
    assert b'"cost"' not in reply.body
    columns = set((await described(shop, "anon"))["definitions"]["people"]["properties"])
    assert {"id", "name", "city"} == columns
    assert "secret" in (await described(shop, "service"))["definitions"]["people"]["properties"]
    assert "cost" in (await described(shop, "ann"))["definitions"]["pets"]["properties"], "it may be written"
    assert "rowFilter.pets.cost" not in (await described(shop, "ann"))["parameters"], "but not read"


async def test_columns_are_described_by_their_types_keys_and_defaults(shop: Shop) -> None:
    pets = (await described(shop, "service"))["definitions"]["pets"]
    shown = pets["properties"]
    assert ["id", "name", "sold", "made"] == pets["required"]
    assert {"type": "integer", "format": "integer", "description": "Note:\nThis is a Primary Key.<pk/>"} == shown["id"]
    assert "default" not in shown["made"], "now() is no value of a timestamp"
    assert "<fk table='people' column='id'/>" in shown["owner_id"]["description"]
    nullable = {"x-nullable": True}
    assert {"type": "string", "format": "mood", "enum": ["calm", "playful", "wild"], **nullable} == shown["mood"]
    assert {"type": "array", "items": {"type": "string"}, "format": "text[]", **nullable} == shown["tags"]
    assert {"type": "boolean", "format": "boolean", "default": False} == shown["sold"]
    assert {"type": "string", "format": "character varying", "maxLength": 8, **nullable} == shown["chip"]
    assert {"format": "jsonb", **nullable} == shown["data"]
    assert {"type": "number", "format": "numeric", **nullable} == shown["price"]


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        yield from (value for key, value in node.items() if key == "$ref" and isinstance(value, str))
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


async def test_every_reference_leads_somewhere(database_url: str, tmp_path: Path) -> None:
    odd = 'create table "odd/na~me {x}" ("a b" integer primary key, "ü" text);'
    policy = 'create policy p on "odd/na~me {x}" for all to anon using (true);'
    async with open_shop(database_url, tmp_path, schema=SCHEMA + odd, policies=policy, rows=False) as shop:
        document = await described(shop, "anon")
        assert "/odd%2Fna~me%20%7Bx%7D" in document["paths"]
        found = list(references(document))
        assert found
        for reference in found:
            node = document
            for part in reference.removeprefix("#/").split("/"):
                node = node[unquote(part).replace("~1", "/").replace("~0", "~")]


async def test_a_new_policy_changes_the_description(shop: Shop) -> None:
    assert "/vault" not in (await described(shop, "anon"))["paths"]
    await shop.kit.database.save_policies("create policy p on vault for select to anon using (true);", "test")
    assert {"", "batch", "vault"} == set(verbs(await described(shop, "anon")))


async def test_the_root_answers_reading_verbs_only_and_only_as_a_description(shop: Shop) -> None:
    assert 200 == (await shop("HEAD", "", headers=OPENAPI)).status
    assert b"" == (await shop("HEAD", "")).body
    options = await shop("OPTIONS", "")
    assert (200, "OPTIONS,GET,HEAD") == (options.status, options.headers["allow"])
    assert "2.0" == (await shop("GET", "", headers={"Accept": "application/json"})).json["swagger"]
    assert (406, "PGRST107") == ((r := await shop("GET", "", headers={"Accept": "text/csv"})).status, r.code)
    assert (405, "PGRST117") == ((r := await shop("POST", "", {})).status, r.code)
    assert (406, "PGRST106") == ((r := await shop("GET", "", headers={"Accept-Profile": "auth"})).status, r.code)
    assert 401 == (await shop("GET", "", who="garbage")).status


async def test_it_says_where_the_server_is(database_url: str, tmp_path: Path) -> None:
    async with open_shop(database_url, tmp_path, rows=False, public_url="https://api.example.org/shop") as shop:
        document = await described(shop, "anon")
        assert (["https"], "api.example.org", "/shop/rest/v1") == (document["schemes"], document["host"], document["basePath"])
