"""`ctx.client` and `ctx.admin`: requests through the pipe, performed as the caller or as the service role."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.anyio

USER = "00000000-0000-0000-0000-00000000000a"
SHOP = """
    import asyncio
    from baaskit.functions import http, before, after
    from baaskit_client import table

    @http("mine", auth="anon")
    async def mine(ctx): return await ctx.client.run(table("orders").select("id"))

    @http("mine-plain")
    def mine_plain(ctx): return ctx.client.run(table("orders").select("id"))

    @http("many")
    async def many(ctx):
        found = await asyncio.gather(*(ctx.client.run(table(f"t{n}").select("id")) for n in range(20)))
        return [rows[0]["table"] for rows in found]

    @http("everyone", admin=True)
    async def everyone(ctx): return [await ctx.client.run(table("a").select("id")), await ctx.admin.run(table("b").select("id"))]

    @http("undeclared")
    async def undeclared(ctx): return await ctx.admin.run(table("b").select("id"))

    @http("forged")
    def forged(ctx):
        ctx.admin_declared = True
        return ctx.admin.run(table("b").select("id"))

    @http("own-header")
    async def own_header(ctx):
        from baaskit.functions.client import PipeTransport
        transport = ctx.client._driver.transport if hasattr(ctx.client._driver, "transport") else ctx.client._driver._transport
        url = ctx.client.url + "/rest/v1/x?select=id"
        answer = await transport.request("GET", url, {"Authorization": "Bearer stolen", "apikey": "stolen"})
        return answer.body

    @http("elsewhere")
    async def elsewhere(ctx):
        transport = ctx.client._driver.transport if hasattr(ctx.client._driver, "transport") else ctx.client._driver._transport
        try:
            await transport.request("GET", "http://169.254.169.254/latest", {})
        except Exception as problem:
            return type(problem).__name__

    @http("deeper", concurrency=20, timeout=10)
    async def deeper(ctx, level: int = 0):
        try:
            return await ctx.client.call("deeper", level=level + 1)
        except Exception as problem:
            return {"level": level, "error": str(problem)}

    @http("leaves-a-task")
    async def leaves_a_task(ctx):
        async def later():
            await asyncio.sleep(0.05)
            await ctx.client.run(table("late").select("id"))
        asyncio.create_task(later())
        return "left"
"""


@pytest.fixture
async def rig(make_rig: Any) -> Any:
    return await make_rig(shop=SHOP)


@pytest.mark.parametrize("function", ["mine", "mine-plain"])
async def test_the_client_acts_as_the_caller(rig: Any, function: str) -> None:
    token = rig.token(USER)
    answer = await rig.call(function, token=token)
    assert answer.status_code == 200
    [asked] = rig.asked
    assert (asked["authorization"], asked["apikey"]) == (f"Bearer {token}", rig.kit.keys.anon_key)


async def test_without_a_token_the_client_is_anonymous(rig: Any) -> None:
    assert (await rig.http.post("/functions/v1/mine")).status_code == 200
    assert rig.asked[0]["authorization"] == f"Bearer {rig.kit.keys.anon_key}"


async def test_one_caller_s_token_is_never_used_for_the_next(rig: Any) -> None:
    tokens = [rig.token(USER, n=n) for n in range(3)]
    for token in tokens:
        await rig.call("mine", token=token)
    assert [asked["authorization"] for asked in rig.asked] == [f"Bearer {token}" for token in tokens]
    assert rig.service._pool.idle("http:mine") == 1


async def test_requests_run_at_the_same_time_and_keep_their_answers_apart(rig: Any) -> None:
    assert (await rig.call("many")).json() == [f"t{n}" for n in range(20)]


async def test_admin_is_the_service_role_where_it_is_declared(rig: Any) -> None:
    token = rig.token(USER)
    assert (await rig.call("everyone", token=token)).status_code == 200
    assert [asked["authorization"] for asked in rig.asked] == [f"Bearer {token}", f"Bearer {rig.kit.keys.service_role_key}"]


@pytest.mark.parametrize("function", ["undeclared", "forged"])
async def test_admin_is_refused_where_it_is_not_declared(rig: Any, function: str) -> None:
    assert (await rig.call(function, token=rig.token(USER))).status_code == 500
    assert rig.asked == []


async def test_a_function_cannot_choose_whose_token_is_used(rig: Any) -> None:
    token = rig.token(USER)
    answer = await rig.call("own-header", token=token)
    assert answer.status_code == 200
    assert [rig.asked[0]["authorization"], rig.asked[0]["apikey"]] == [f"Bearer {token}", rig.kit.keys.anon_key]


async def test_the_client_reaches_this_server_only(rig: Any) -> None:
    assert (await rig.call("elsewhere")).text == "ConnectionFailed"


async def test_functions_that_call_themselves_come_to_an_end(rig: Any) -> None:
    answer = await rig.call("deeper")
    assert answer.status_code == 200
    assert (answer.json()["level"], "8 functions" in answer.json()["error"]) == (7, True)


async def test_a_task_left_running_ends_with_its_call(rig: Any) -> None:
    await rig.call("leaves-a-task")
    await rig.call("leaves-a-task")
    await rig.call("many")
    assert "late" not in [asked["table"] for asked in rig.asked]
