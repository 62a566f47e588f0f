"""`.rpc()` of both official clients, unmodified, against a real server: functions in Python, and those of PostgreSQL."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from postgrest.exceptions import APIError
from supabase import acreate_client

from tests.journeys.conftest import ROOT, Server

pytestmark = [pytest.mark.client, pytest.mark.anyio]

TABLES = """
create table homes (id integer primary key, city text not null);
create table pets (
  id integer primary key, name text not null, price numeric(10,2) not null, sold boolean not null default false, home_id integer references homes(id)
);
insert into homes (id, city) values (1, 'Bonn');
insert into pets (id, name, price, sold, home_id) values (1, 'Milo', 10, false, 1), (2, 'Rex', 20, false, null), (3, 'Tom', 30, false, null), (4, 'Ada', 5, true, null);
"""
POLICIES = """
create policy "homes" on homes for select to anon, authenticated using (true);
create policy "for sale" on pets for select to anon, authenticated using (not sold);
"""
ROUTINES = """
create function under(most numeric) returns setof pets language sql stable as 'select * from pets where price <= most';
create function hello(name text default 'you') returns text language sql immutable as $$ select 'hello ' || name $$;
create function hidden() returns int language sql stable as 'select 1';
create function sell(id int) returns void language sql as 'update pets set price = price where pets.id = sell.id';
"""
GRANTS = "".join(f"grant execute on function {name} to anon, authenticated;\n" for name in ("under(numeric)", "hello", "sell"))
FUNCTIONS = """
from typing_extensions import TypedDict

from baaskit.functions import Context, Refused, rpc
from baaskit_client import lte, table


class Offer(TypedDict):
    name: str
    price: float


@rpc(auth="anon", read_only=True)
async def offers(ctx: Context, most: float) -> list[Offer]:
    return await ctx.client.run(table("pets").where(lte("price", most)).select("name,price"))


@rpc(auth="anon", read_only=True)
def total(ctx, amounts: list[int]) -> int:
    return sum(amounts)


@rpc(auth="anon")
def nothing(ctx) -> None:
    pass


@rpc(auth="anon")
def sold_out(ctx) -> None:
    raise Refused(409, "SOLD_OUT", "This pet is gone.")


@rpc()
def whoami(ctx) -> str | None:
    return ctx.caller.uid
"""


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def project(
    request: pytest.FixtureRequest, make_server: Callable[..., Server], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Server, str]:
    """A small project with functions, running; and which database it has."""
    folder: Path = tmp_path_factory.mktemp("rpc") / "shop"
    (folder / "migrations").mkdir(parents=True)
    (folder / "functions").mkdir()
    own = request.param == "postgresql"
    (folder / "baaskit.toml").touch()
    (folder / "migrations" / "0001_pets.sql").write_text(TABLES + (ROUTINES if own else ""))
    (folder / "policies.sql").write_text(POLICIES + (GRANTS if own else ""))
    (folder / "functions" / "offers.py").write_text(FUNCTIONS)
    return make_server(folder, **({"database_url": request.getfixturevalue("postgres")()} if own else {})), request.param


def test_the_javascript_client_calls_functions(project: tuple[Server, str]) -> None:
    server, database = project
    ran = subprocess.run(
        [ROOT / "scripts" / "with-node.sh", "node", str(Path(__file__).parent / "rpc.mjs"), server.url, server.anon_key, database],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    done = [json.loads(line)["done"] for line in ran.stdout.splitlines() if line.startswith("{")]

    assert ran.returncode == 0, f"after {done}:\n{ran.stderr[-3000:]}\nserver:\n{''.join(server.log[-20:])}"
    assert done == ["python", "database"][: 1 + (database == "postgresql")]


async def test_the_python_client_calls_functions(project: tuple[Server, str]) -> None:
    server, database = project
    anon = await acreate_client(server.url, server.anon_key)
    assert (await anon.rpc("offers", {"most": 25}).order("price").limit(1).execute()).data == [{"name": "Milo", "price": 10}]
    assert (await anon.rpc("offers", {"most": 25}, get=True).gt("price", 15).execute()).data == [{"name": "Rex", "price": 20}]
    assert (await anon.rpc("total", {"amounts": [1, 2]}).execute()).data == 3
    with pytest.raises(APIError) as refused:
        await anon.rpc("whoami", {}).execute()
    assert refused.value.code == "42501"
    if database == "postgresql":
        page = await anon.rpc("under", {"most": 100}, count="exact").select("name").order("name").range(0, 1).execute()
        assert (page.data, page.count) == ([{"name": "Milo"}, {"name": "Rex"}], 3)
        assert (await anon.rpc("hello", {"name": "Ann"}).execute()).data == "hello Ann"
