"""A12: a connection of the pool keeps nothing of who used it last: not after a call of a function that fails, sets a role or a
setting, is refused, runs out of time or is cut off by its client.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from tests.shop import ANN, BOB, SCHEMA, Shop, open_shop
from tests.shop import POLICIES as SHOP_POLICIES

pytestmark = pytest.mark.anyio

FUNCTIONS = """
create function who() returns text language sql stable as
  $$ select coalesce(auth.uid()::text, 'nobody') || ' ' || current_user || ' ' || coalesce(nullif(current_setting('app.left', true), ''), 'none') $$;
create function leaves(how text) returns int language plpgsql as $$ begin
  perform set_config('app.left', 'behind', false);
  perform set_config('request.jwt.claims', '{"sub": "00000000-0000-4000-8000-000000000002", "role": "service_role"}', false);
  perform set_config('search_path', 'nowhere', false);
  if how = 'fail' then raise exception 'as asked'; end if;
  if how = 'refuse' then raise exception using errcode = '42501', message = 'as asked'; end if;
  if how = 'divide' then return 1 / 0; end if;
  if how = 'sleep' then perform pg_sleep(30); end if;
  return 1;
end $$;
"""
GRANTS = "grant execute on function who() to anon, authenticated;\ngrant execute on function leaves(text) to anon, authenticated;\n"


@pytest.fixture(scope="module")
async def shop(postgres: Callable[[], str], tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Shop]:
    folder = tmp_path_factory.mktemp("pool")
    async with open_shop(
        postgres(), folder, schema=SCHEMA + FUNCTIONS, policies=SHOP_POLICIES + GRANTS, statement_timeout_seconds=1
    ) as opened:
        yield opened


async def nothing_is_left(shop: Shop, owner: str) -> None:
    """As many at once as there are connections, and some: each knows its own caller, and nothing of what was set before."""
    for who, uid in (("anon", "nobody"), ("ann", ANN), ("bob", BOB)):
        replies = await asyncio.gather(*(shop("POST", "rpc/who", {}, who=who) for _ in range(12)))
        assert {f"{uid} {owner} none"} == {reply.json for reply in replies}
    assert [1, 2] == [row["id"] for row in (await shop("GET", "pets?select=id&order=id", who="anon")).json]
    assert [1, 2, 3] == [row["id"] for row in (await shop("GET", "pets?select=id&order=id", who="ann")).json]


@pytest.mark.parametrize("how", ["succeed", "fail", "refuse", "divide", "sleep"])
async def test_what_a_call_leaves_behind_is_gone(shop: Shop, how: str) -> None:
    owner = str((await shop("POST", "rpc/who", {}, who="anon")).json).split()[1]
    replies = await asyncio.gather(*(shop("POST", "rpc/leaves", {"how": how}, who="ann") for _ in range(6)))
    assert {how == "succeed"} == {reply.status == 200 for reply in replies}, replies[0].body
    await nothing_is_left(shop, owner)


async def test_a_client_that_goes_away_leaves_nothing_behind(shop: Shop) -> None:
    owner = str((await shop("POST", "rpc/who", {}, who="anon")).json).split()[1]
    calls = [asyncio.create_task(shop("POST", "rpc/leaves", {"how": "sleep"}, who="ann")) for _ in range(6)]
    while not await shop.kit.database.fetch_raw("select 1 from pg_stat_activity where wait_event = 'PgSleep' limit 1", []):
        await asyncio.sleep(0.01)
    for call in calls:
        call.cancel()
    await asyncio.gather(*calls, return_exceptions=True)
    await nothing_is_left(shop, owner)
