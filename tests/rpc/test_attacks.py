"""Attacks on calls of PostgreSQL's functions; each test is named for what it tries."""

from __future__ import annotations

import pytest

from tests.shop import ANN, Shop

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


async def test_calling_what_was_not_granted(shop: Shop) -> None:
    for who, status in (("anon", 401), (shop.kit.keys.anon_key, 401), ("ann", 403)):
        reply = await shop("POST", "rpc/private_people" if who == "ann" else "rpc/secret", {}, who=who)
        assert (reply.status, reply.code) == (status, "42501")
    assert (await shop("GET", "rpc/secret", who="ann")).json == "never"
    over = await shop("GET", "rpc/over?a=1&b=2&c=3")  # one overload of a name whose others are open
    assert (over.status, over.code) == (401, "42501")
    assert (await shop("GET", "rpc/over?a=1&b=2&c=3", who="ann")).json == "three"


@pytest.mark.parametrize(
    "name",
    ["pg_sleep", "pg_read_file", "set_config", "pg_catalog.pg_sleep", "auth.uid", "uid", "baaskit.capture", "private.hidden", "hidden",
     '"public"."add"', "public.add", "ADD", "add()", "add;select 1", "add\"", "../tags", "add/", "json_to_record", "lo_import"],
)  # fmt: skip
async def test_calling_internal_functions_and_those_of_unexposed_schemas(shop: Shop, name: str) -> None:
    for who in ("anon", "service"):
        for reply in (await shop("POST", f"rpc/{name}", {}, who=who), await shop("GET", f"rpc/{name}", who=who)):
            assert (reply.status, reply.code) in ((404, "PGRST202"), (404, "PGRST125")), name
    profile = await shop("POST", "rpc/pg_sleep", {"a": 1}, headers={"Content-Profile": "pg_catalog"})
    assert profile.code == "PGRST106"


async def test_a_suggestion_names_no_function_that_the_caller_may_not_call(shop: Shop) -> None:
    assert (await shop("POST", "rpc/secre", {})).json["hint"] is None
    assert "secret" in (await shop("POST", "rpc/secre", {}, who="ann")).json["hint"]


async def test_rows_that_policies_hide_do_not_come_out_of_functions(shop: Shop) -> None:
    for name in ("all_pets", "all_pets_definer"):
        reply = await shop("GET", f"rpc/{name}?order=id", headers={"Prefer": "count=exact"})
        assert ([row["id"] for row in reply.json], reply.range) == ([1, 2], "0-1/2")
        assert all("cost" not in row for row in reply.json)
    assert (await shop("GET", "rpc/pet?number=4")).json is None
    assert (await shop("GET", "rpc/all_vault", headers={"Prefer": "count=exact"})).range == "*/0"
    assert (await shop("GET", "rpc/all_users")).json == []
    assert (await shop("GET", "rpc/all_pets?select=count(),price.max()")).json == [{"count": 2, "max": 12.5}]


@pytest.mark.parametrize(
    "query",
    ["select=cost", "cost=gt.1", "order=cost", "select=cost.sum()", "or=(cost.eq.5,id.eq.1)", "select=id,people(secret)", "people.secret=eq.x&select=id,people(id)"],
)  # fmt: skip
async def test_hidden_columns_cannot_be_asked_through_a_function(shop: Shop, query: str) -> None:
    assert (await shop("GET", f"rpc/all_pets?{query}")).code == "42703"


async def test_rows_without_policies_of_ours_come_out_only_by_grant(shop: Shop) -> None:
    """A result of an unexposed table has no policies that could hold: the grant is the decision."""
    assert (await shop("GET", "rpc/private_people")).json == [{"id": 1, "word": "plugh"}]
    assert (await shop("GET", "rpc/private_people", who="ann")).status == 403


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_get_on_a_function_that_writes(shop: Shop, method: str) -> None:
    tags = await shop.rows("tags")
    assert (await shop(method, "rpc/writes")).status == 405
    lied = await shop(method, "rpc/lies_and_writes")
    assert lied.status == 405
    assert (await shop("POST", "rpc/lies_and_writes", {})).code == "25006"  # declared stable: read-only, however it is called
    assert await shop.rows("tags") == tags


async def test_smuggled_arguments(shop: Shop) -> None:
    assert (await shop("GET", "rpc/add?a=1&a=2")).code == "22023"
    assert (await shop("POST", "rpc/add", b'{"a": 1, "a": 2}')).json == 12  # the last one, for the check and for the function
    assert (await shop("POST", "rpc/add?a=eq.1", {"a": 1})).code == "42703"  # a filter, not an argument
    assert (await shop("POST", "rpc/add", {"a": 1, '"b" => 5, "a"': 3})).code == "PGRST202"
    assert (await shop("POST", "rpc/add", {"a": 1, 'b" int), LATERAL (select 1) x --': 3})).code == "PGRST202"
    assert (await shop("GET", "rpc/add?a=1); delete from tags; --")).code == "22P02"
    assert (await shop("GET", "rpc/add?a=1&$1=2")).code == "PGRST202"
    assert len(await shop.rows("tags")) == 2


async def test_claims_and_search_path_end_with_the_call(shop: Shop) -> None:
    await shop("GET", "rpc/who", who="ann")
    await shop("GET", "rpc/bare", headers={"Accept-Profile": "api"}, who="ann")
    for _ in range(12):  # every connection of the pool
        [row] = await shop.kit.database.fetch_raw(
            "select coalesce(current_setting('request.jwt.claims', true), ''), current_setting('search_path'), pg_sleep(0)"
        )
        assert ANN not in row[0]
        assert "api" not in row[1]


async def test_a_function_that_sets_a_role_leaves_none_on_the_connection(shop: Shop) -> None:
    await shop.sql("create role borrowed")
    try:
        assert (await shop("POST", "rpc/becomes", {"name": "borrowed"})).status == 200
        users = {(await shop.kit.database.fetch_raw("select current_user::text, session_user::text"))[0] for _ in range(12)}
        assert all(current == session for current, session in users)
    finally:
        await shop.sql("drop role borrowed")


async def test_a_caller_cannot_bring_claims_by_header_or_argument(shop: Shop) -> None:
    reply = await shop("GET", "rpc/who?request.jwt.claims={}", who="ann")
    assert reply.status == 400
    [row] = (await shop("GET", "rpc/who", headers={"request.jwt.claims": '{"role":"service_role"}', "role": "service_role"})).json
    assert row["role"] == "anon"


async def test_a_revoke_that_fits_no_longer_closes_the_function(shop: Shop) -> None:
    database = shop.kit.database
    assert (await shop("GET", "rpc/lies")).json == 1
    await shop.sql("create function lies(a int) returns int language sql stable as 'select 2'")
    try:
        await database.refresh()
        assert [fault.message for fault in database.catalog.policies.closed] == ["there are 2 functions 'lies'"]
        assert {(await shop("GET", path)).code for path in ("rpc/lies", "rpc/lies?a=1")} == {"42501"}
        assert (await shop("GET", "rpc/add?a=1")).json == 11
    finally:
        await shop.sql("drop function lies(int)")
        await database.refresh()
    assert (await shop("GET", "rpc/lies")).json == 1


async def test_a_viewer_of_the_console_calls_nothing_that_may_write(shop: Shop) -> None:
    viewer = shop.kit.keys.sign({"role": "service_role", "exp": 4102444800, "admin": {"id": "x", "role": "viewer"}})
    assert (await shop("GET", "rpc/writes", who=viewer)).status == 405
