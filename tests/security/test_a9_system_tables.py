"""A9: internal tables have no address, whatever tricks a name plays, not even for the service role."""

from __future__ import annotations

import pytest

from tests.shop import Shop

pytestmark = pytest.mark.anyio

NAMES = [
    "auth.users", "users", '"auth.users"', "auth.users ", "AUTH.USERS", "auth%2Eusers", "public.auth.users", "baaskit.policies", "baaskit.admins",
    '"baaskit"."admins"', "sqlite_master", "sqlite_schema", "sqlite_sequence", "pg_catalog.pg_authid", "pg_authid", "pg_shadow", "information_schema.tables",
    "main.pets", "temp.pets", 'pets"', "pets--", "pets;", "pets%00", "storage.objects", "PETS", "Pets", "pets%20", "../auth.users", "alembic_version",
]  # fmt: skip


@pytest.mark.parametrize("who", ["anon", "service"])
async def test_no_spelling_reaches_a_table_that_is_not_exposed(shop: Shop, who: str) -> None:
    for name in NAMES:
        for method, body in (("GET", None), ("POST", {"a": 1}), ("PATCH", {"a": 1}), ("DELETE", None)):
            reply = await shop(method, name, body, who=who)
            assert (name, method, 404) == (name, method, reply.status)
            assert reply.code in ("PGRST205", "PGRST125")


async def test_no_profile_opens_a_schema_that_is_not_exposed(shop: Shop) -> None:
    for schema in ("auth", "baaskit", "storage", "pg_catalog", "Public", "public ", "main", "temp", '"auth"'):
        for method, header in (("GET", "Accept-Profile"), ("POST", "Content-Profile")):
            reply = await shop(method, "users", {"a": 1}, who="service", headers={header: schema})
            assert (schema, 406, "PGRST106") == (schema, reply.status, reply.code)


async def test_no_embed_leaves_the_exposed_schemas(shop: Shop) -> None:
    for target in ("users", '"auth.users"', "baaskit", '"baaskit.policies"', "sqlite_master", "pg_authid"):
        reply = await shop("GET", f"pets?select=id,{target}(*)", who="service")
        assert (target, 400, "PGRST200") == (target, reply.status, reply.code)
