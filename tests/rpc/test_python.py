"""Functions in Python at `/rest/v1/rpc`, with real workers and the real data API, on both databases."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from baaskit.functions import sandbox
from baaskit.functions.service import FunctionService
from tests.shop import ANN, Shop, open_shop

pytestmark = pytest.mark.anyio

FUNCTIONS = '''
from dataclasses import dataclass
from datetime import datetime, timezone
from decimal import Decimal
from enum import Enum
from typing import Any

from pydantic import BaseModel
from typing_extensions import TypedDict

from baaskit.functions import Context, Refused, rpc
from baaskit_client import lte, table


@dataclass
class Priced:
    name: str
    price: Decimal | None
    tags: list[str] | None = None


class Size(BaseModel):
    width: int
    height: int


class Word(TypedDict):
    word: str
    at: datetime


class Colour(str, Enum):
    red = "red"
    blue = "blue"


@rpc(auth="anon", read_only=True)
async def cheapest(ctx: Context, most: float, limit: int = 10) -> list[Priced]:
    """Pets by price."""
    return await ctx.client.run(table("pets").where(lte("price", most)).select("name,price,tags,chip").order("price").limit(limit))


@rpc(auth="anon", read_only=True)
def add(ctx, a: int, b: int = 10) -> int:
    return a + b


@rpc(auth="anon", read_only=True)
def total(ctx, amounts: list[int]) -> int:
    return sum(amounts)


@rpc(auth="anon", read_only=True)
def numbers(ctx, up_to: int) -> list[int]:
    return list(range(1, up_to + 1))


@rpc(auth="anon", read_only=True)
def size(ctx, side: int) -> Size | None:
    return {"width": side, "height": side, "secret": "never"} if side else None


@rpc(auth="anon", read_only=True)
def words(ctx) -> list[Word]:
    at = datetime(2026, 1, 1, tzinfo=timezone.utc)
    return [{"word": "b", "at": at, "secret": "never"}, {"word": "a", "at": at.replace(day=2)}]


@rpc(auth="anon", read_only=True)
def untyped(ctx, rows: int):
    return [{"n": n, "half": n / 2, "name": f"row {n}", "more": {"n": n}} for n in range(rows)]


@rpc(auth="anon")
def nothing(ctx, colour: Colour = Colour.red) -> None:
    return None


@rpc(auth="anon")
def exact(ctx) -> Decimal:
    return Decimal("12345678901234567890.10")


@rpc()
def who(ctx) -> dict:
    return {"uid": ctx.caller.uid, "role": ctx.caller.role}


@rpc(auth="anon")
def key(ctx) -> str | None:
    return ctx.idempotency_key


@rpc("add-tag", auth="key", admin=True)
def add_tag(ctx, id: int, label: str) -> dict[str, Any]:
    return ctx.admin.run(table("tags").insert({"id": id, "label": label}))


@rpc(auth="anon", read_only=True, admin=True)
def sneaky(ctx) -> None:
    ctx.admin.run(table("tags").insert({"id": 70, "label": "sneaked"}))


@rpc(auth="anon")
def refuses(ctx) -> None:
    raise Refused(409, "SOLD_OUT", "This pet is gone.")


@rpc(auth="anon")
def crashes(ctx) -> int:
    raise ValueError("a secret of the author")


@rpc(auth="anon")
def wrong_result(ctx) -> int:
    return "not a number"


@rpc(auth="anon", read_only=True)
async def mine(ctx) -> list[dict]:
    return await ctx.client.run(table("pets").select("id,name,owner_id").order("id"))


@rpc(auth="service")
def for_operators(ctx) -> str:
    return "hello"
'''


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
async def shop(
    request: pytest.FixtureRequest, postgres: Callable[[], str], tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Shop]:
    folder: Path = tmp_path_factory.mktemp("rpc")
    (folder / "functions").mkdir()
    (folder / "functions" / "shop.py").write_text(FUNCTIONS)
    url = postgres() if request.param == "postgresql" else f"sqlite:///{folder / 'data.db'}"
    async with open_shop(url, folder) as opened:
        service = FunctionService(opened.kit, folder / "functions", box=sandbox.choose())
        service.asgi_app = opened.rest  # type: ignore[assignment]
        await service.start()
        try:
            yield opened
        finally:
            await service.stop()


CALLS: list[tuple[str, str, Any, int, Any]] = [
    ("POST", "rpc/add", {"a": 1}, 200, 11),
    ("GET", "rpc/add?a=1&b=2", None, 200, 3),
    ("POST", "rpc/total", {"amounts": [1, 2]}, 200, 3),
    ("GET", "rpc/total?amounts={1,2,3}", None, 200, 6),
    ("GET", "rpc/total?amounts=1&amounts=2", None, 200, 3),
    ("GET", "rpc/numbers?up_to=3", None, 200, [1, 2, 3]),
    ("GET", "rpc/numbers?up_to=5&numbers=gt.1&order=numbers.desc&limit=2&offset=1", None, 200, [4, 3]),
    ("GET", "rpc/numbers?up_to=5&select=numbers.sum()", None, 200, [{"sum": 15}]),
    ("GET", "rpc/size?side=2", None, 200, {"width": 2, "height": 2}),
    ("GET", "rpc/size?side=0", None, 200, None),
    ("GET", "rpc/size?side=0&select=width", None, 200, None),
    ("GET", "rpc/numbers?up_to=0&select=count()", None, 200, [{"count": 0}]),
    ("POST", "rpc/nothing?columns=colour", [1], 404, "PGRST202"),
    ("POST", "rpc/nothing?columns=colour", {"colour": "blue", "": 1}, 204, None),
    ("GET", "rpc/size?side=2&select=w:width", None, 200, {"w": 2}),
    (
        "GET",
        "rpc/cheapest?most=50",
        None,
        200,
        [{"name": "Tom", "price": 7.0, "tags": []}, {"name": "Rex", "price": 12.5, "tags": ["a", "b"]}],
    ),
    ("GET", "rpc/cheapest?most=50&price=gt.10&select=name", None, 200, [{"name": "Rex"}]),
    ("GET", "rpc/cheapest?most=50&tags=cs.{a}&select=name,tags", None, 200, [{"name": "Rex", "tags": ["a", "b"]}]),
    ("GET", "rpc/cheapest?most=50&or=(name.eq.Tom,price.is.null)&select=name", None, 200, [{"name": "Tom"}]),
    ("GET", "rpc/words?order=word&select=word", None, 200, [{"word": "a"}, {"word": "b"}]),
    ("GET", "rpc/words?at=gt.2026-01-01T12:00:00%2B00:00", None, 200, [{"word": "a", "at": "2026-01-02T00:00:00+00:00"}]),
    (
        "GET",
        "rpc/untyped?rows=3&n=gte.1&order=n.desc&select=half,deep:more->n",
        None,
        200,
        [{"half": 1.0, "deep": 2}, {"half": 0.5, "deep": 1}],
    ),
    ("GET", "rpc/untyped?rows=0&n=gte.1", None, 200, []),
    ("POST", "rpc/nothing", {"colour": "blue"}, 204, None),
    ("POST", "rpc/add-tag", {"id": 50, "label": "made"}, 401, "42501"),
    ("POST", "rpc/refuses", {}, 409, "SOLD_OUT"),
    ("POST", "rpc/crashes", {}, 500, "WORKER_ERROR"),
    ("POST", "rpc/wrong_result", {}, 500, "WORKER_ERROR"),
    ("POST", "rpc/add", {"a": "x"}, 400, "22023"),
    ("POST", "rpc/add", {"b": 1}, 404, "PGRST202"),
    ("POST", "rpc/add", {"a": 1, "c": 1}, 404, "PGRST202"),
    ("POST", "rpc/add", [1], 404, "PGRST202"),
    ("POST", "rpc/add", b"{", 400, "PGRST102"),
    ("POST", "rpc/add?columns=a", {"a": 1, "c": 1}, 200, 11),
    ("GET", "rpc/nothing", None, 405, "25006"),
    ("PUT", "rpc/add", {}, 405, "PGRST117"),
    ("GET", "rpc/cheapest?most=50&select=chip", None, 400, "42703"),
    ("GET", "rpc/cheapest?most=50&select=people(*)", None, 400, "PGRST200"),
    ("GET", "rpc/words?secret=eq.never", None, 400, "42703"),
    ("POST", "rpc/who", {}, 401, "42501"),
    ("POST", "rpc/for_operators", {}, 401, "42501"),
    ("POST", "rpc/sneaky", {}, 500, "WORKER_ERROR"),
]


@pytest.mark.parametrize(("method", "path", "body", "status", "expected"), CALLS, ids=[f"{c[0]} {c[1]} {n}" for n, c in enumerate(CALLS)])
async def test_calls(shop: Shop, method: str, path: str, body: Any, status: int, expected: Any) -> None:
    reply = await shop(method, path, body)
    assert reply.status == status, reply.body
    if status >= 400:
        assert set(reply.json) == {"code", "message", "details", "hint"}
        assert reply.code == expected
        assert b"a secret" not in reply.body
    else:
        assert reply.json == expected


FORMS: list[tuple[str, str, dict[str, str], int, str, bytes]] = [
    ("GET", "rpc/untyped?rows=5&limit=2&select=n", {"Prefer": "count=exact"}, 206, "0-1/5", b'[{"n":0},{"n":1}]'),
    ("GET", "rpc/untyped?rows=5&offset=4&select=n", {"Prefer": "count=planned"}, 206, "4-4/5", b'[{"n":4}]'),
    ("GET", "rpc/untyped?rows=5&offset=9", {"Prefer": "count=exact"}, 416, "", b"PGRST103"),
    ("GET", "rpc/numbers?up_to=5", {"Range": "1-2"}, 200, "1-2/*", b"[2,3]"),
    ("GET", "rpc/numbers?up_to=0", {}, 200, "*/*", b"[]"),
    ("GET", "rpc/add?a=1", {"Prefer": "count=exact"}, 200, "0-0/1", b"11"),
    ("GET", "rpc/numbers?up_to=2", {"Accept": "text/csv"}, 200, "0-1/*", b"numbers\n1\n2"),
    ("GET", "rpc/size?side=2", {"Accept": "text/csv"}, 200, "0-0/*", b"width,height\n2,2"),
    ("GET", "rpc/size?side=0", {"Accept": "text/csv"}, 200, "*/*", b"width,height"),
    ("GET", "rpc/untyped?rows=0", {"Accept": "text/csv"}, 200, "*/*", b""),
    ("GET", "rpc/size?side=2", {"Accept": "application/vnd.pgrst.object+json"}, 200, "0-0/*", b'{"width":2,"height":2}'),
    ("GET", "rpc/size?side=0", {"Accept": "application/vnd.pgrst.object+json"}, 406, "", b"PGRST116"),
    ("GET", "rpc/words", {"Accept": "application/vnd.pgrst.object+json"}, 406, "", b"PGRST116"),
    ("GET", "rpc/words?word=eq.a&select=word", {"Accept": "application/vnd.pgrst.object+json"}, 200, "0-0/*", b'{"word":"a"}'),
    ("GET", "rpc/add?a=1", {"Accept": "image/png"}, 406, "", b"PGRST107"),
    ("GET", "rpc/add?a=1", {"Prefer": "tx=rollback"}, 400, "", b"0A000"),
    ("GET", "rpc/add?a=1", {"Prefer": "handling=strict,max-affected=1"}, 400, "", b"PGRST128"),
    ("GET", "rpc/numbers?up_to=3", {"Prefer": "handling=strict,max-affected=2"}, 400, "", b"PGRST124"),
    ("HEAD", "rpc/numbers?up_to=3", {"Prefer": "count=exact"}, 200, "0-2/3", b""),
    ("OPTIONS", "rpc/add", {}, 200, "", b""),
    ("GET", "rpc/exact", {}, 405, "", b"25006"),
    ("POST", "rpc/exact", {}, 200, "0-0/*", b"12345678901234567890.10"),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path", "headers", "status", "range_", "body"), FORMS, ids=[f"{c[1]} {n}" for n, c in enumerate(FORMS)])
async def test_forms(shop: Shop, method: str, path: str, headers: dict[str, str], status: int, range_: str, body: bytes) -> None:
    reply = await shop(method, path, b"" if method == "POST" else None, headers=headers)
    assert (reply.status, reply.range) == (status, range_), reply.body
    assert body == reply.body if status < 400 else body in reply.body
    if method == "OPTIONS":
        assert reply.headers["allow"] == "OPTIONS,GET,HEAD,POST"


async def test_a_function_runs_as_its_caller(shop: Shop) -> None:
    reply = await shop("POST", "rpc/who", {}, who="ann")
    assert reply.json == {"uid": ANN, "role": "authenticated"}
    for who, expected in (("anon", [1, 2]), ("ann", [1, 2, 3])):
        reply = await shop("GET", "rpc/mine?select=id&order=id", who=who)
        assert [row["id"] for row in reply.json] == expected
    assert (await shop("POST", "rpc/for_operators", {}, who="service")).json == "hello"


async def test_a_function_finds_the_idempotency_key(shop: Shop) -> None:
    assert (await shop("POST", "rpc/key", {}, headers={"Idempotency-Key": "k-1"})).json == "k-1"
    assert (await shop("POST", "rpc/key", {})).json is None


async def test_a_form_gives_arguments_as_texts(shop: Shop) -> None:
    reply = await shop("POST", "rpc/add", b"a=4&b=5", headers={"Content-Type": "application/x-www-form-urlencoded"})
    assert reply.json == 9


async def test_a_key_opens_what_asks_for_one(shop: Shop) -> None:
    key = shop.kit.keys.anon_key
    reply = await shop("POST", "rpc/add-tag?select=label", {"id": 51, "label": "made"}, who=key)
    assert (reply.status, reply.json) == (200, {"label": "made"})


async def test_what_cannot_be_answered_is_refused_before_the_function_runs(shop: Shop) -> None:
    before = await shop.rows("tags")
    path = "rpc/add-tag?label=eq.x"  # its columns are not known before it ran, but the preference is
    reply = await shop("POST", path, {"id": 52, "label": "x"}, who="ann", headers={"Prefer": "handling=strict,max-affected=1"})
    assert reply.code == "PGRST128"
    assert await shop.rows("tags") == before


async def test_a_read_only_function_cannot_write_even_as_admin(shop: Shop) -> None:
    before = await shop.rows("tags")
    assert (await shop("GET", "rpc/sneaky", who="service")).status == 500
    assert await shop.rows("tags") == before


async def test_max_rows_holds_for_results_too(shop: Shop) -> None:
    assert len((await shop("GET", "rpc/numbers?up_to=1500")).json) == 1000
    assert len((await shop("GET", "rpc/untyped?rows=1200")).json) == 1000


async def test_a_batch_calls_no_functions_in_python(shop: Shop) -> None:
    reply = await shop("POST", "batch", {"operations": [{"method": "POST", "path": "rpc/add", "body": {"a": 1}}]})
    assert (reply.status, reply.code) == (400, "0A000")
    assert "operation 0" in reply.json["hint"]


async def test_functions_are_described_to_those_who_may_call_them(shop: Shop) -> None:
    anon, ann = [(await shop("GET", "", who=who)).json["paths"] for who in ("anon", "ann")]
    assert set(anon["/rpc/cheapest"]) == {"get", "post"}
    assert set(anon["/rpc/nothing"]) == {"post"}
    assert anon["/rpc/cheapest"]["get"]["summary"] == "Pets by price."
    listed = {p["name"]: (p["type"], p["required"]) for p in anon["/rpc/cheapest"]["get"]["parameters"] if p.get("in") == "query"}
    assert listed == {"most": ("number", True), "limit": ("integer", False)}
    assert "/rpc/who" not in anon
    assert "/rpc/who" in ann
    assert "/rpc/for_operators" not in ann


async def test_a_name_of_the_database_s_own_machinery_is_no_function(shop: Shop) -> None:
    for name in ("sqlite_version", "load_extension", "pg_sleep", "baas_json_get", "../pets", "cheapest/x", "", "http:add", "rpc:add"):
        reply = await shop("POST", f"rpc/{name}", {})
        assert reply.status == 404, name
