"""A2: the rows of a table that a function of the database returns, asked with every filter by every principal, against PostgreSQL's own row security."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest

from tests.security.matrix import IDS, POLICIES, PRINCIPALS, ROWS, SCHEMA, TABLES, Oracle, open_oracle
from tests.security.test_a1_a2_matrix import FILTERS
from tests.shop import Shop, open_shop

pytestmark = pytest.mark.anyio

FUNCTIONS = """
create function all_tickets() returns setof tickets language sql stable as 'select * from tickets';
create function one_ticket(number int) returns tickets language sql stable as 'select * from tickets where id = number';
create function definer_tickets() returns setof tickets language sql stable security definer as 'select * from tickets';
create function all_notes() returns setof notes language sql stable as 'select * from notes';
"""
GRANTS = "".join(
    f"grant execute on function {name} to anon, authenticated;\n"
    for name in ("all_tickets()", "one_ticket(integer)", "definer_tickets()", "all_notes()")
)


@pytest.fixture(scope="module")
async def both(postgres: Callable[[], str], tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Shop, Oracle]]:
    folder = tmp_path_factory.mktemp("rpc")
    async with (
        open_shop(postgres(), folder, schema=SCHEMA + FUNCTIONS, policies=POLICIES + GRANTS, rows=False) as shop,
        open_oracle(postgres()) as oracle,
    ):
        for name, uid in IDS.items():
            if uid:
                shop.tokens[name] = shop.kit.keys.sign({"sub": uid, "role": "authenticated", "exp": 4102444800})
        for table in TABLES:
            assert (await shop("POST", table, ROWS[table], who="service")).status == 201
        yield shop, oracle


@pytest.mark.parametrize("who", PRINCIPALS)
async def test_rows_of_a_function_are_those_of_the_table(both: tuple[Shop, Oracle], who: str) -> None:
    shop, oracle = both
    listed = "id,title,hours"
    for (wanted, condition), function in [(f, n) for f in FILTERS for n in ("all_tickets", "definer_tickets")]:
        expected = await oracle.rows(who, f"select t.id, t.title, t.hours from tickets t where {condition} order by t.id")
        address = f"rpc/{function}?select={listed}&order=id" + (f"&{wanted}" if wanted else "")
        for method, body in (("GET", None), ("POST", {})):
            reply = await shop(method, address, body, who=who, headers={"Prefer": "count=exact"})
            assert (address, method, expected) == (address, method, reply.json)
            assert str(len(expected)) == reply.range.partition("/")[2]
        planned = await shop("HEAD", address, who=who, headers={"Prefer": "count=planned"})
        if who != "service":
            assert (address, str(len(expected))) == (address, planned.range.partition("/")[2])
    notes = "t.id, (select json_agg(n.id order by n.id) from notes n where n.ticket_id = t.id) found"
    for row in await oracle.rows(who, f"select {notes} from tickets t order by t.id"):
        reply = await shop("GET", f"rpc/one_ticket?number={row['id']}&select=id,notes(id)&notes.order=id", who=who)
        assert [n["id"] for n in reply.json["notes"]] == (row["found"] or [])
    ticket = "(select row_to_json(x) from (select id from tickets t where t.id = n.ticket_id) x) tickets"
    found = await oracle.rows(who, f"select n.id, {ticket} from notes n order by n.id")
    assert found == (await shop("GET", "rpc/all_notes?select=id,tickets(id)&order=id", who=who)).json


@pytest.mark.parametrize("who", [who for who in PRINCIPALS if who != "service"])
async def test_a_row_that_is_hidden_is_no_result_and_a_hidden_column_no_filter(both: tuple[Shop, Oracle], who: str) -> None:
    shop, oracle = both
    seen = {row["id"] for row in await oracle.rows(who, "select id from tickets")}
    for number in range(1, 9):
        there, missing = [await shop("GET", f"rpc/one_ticket?number={n}&select=id,title", who=who) for n in (number, 404)]
        assert (number in seen) == (there.status == 200 and there.json is not None and there.json.get("id") == number)
        if number not in seen:
            assert (there.status, there.body) == (missing.status, missing.body)
    for address in ("select=cost", "select=id&cost=gt.1", "select=id&order=cost", "select=cost.sum()", "select=*,people(email)"):
        reply = await shop("GET", f"rpc/all_tickets?{address}", who=who)
        assert (address, 400) == (address, reply.status)
    assert b"cost" not in (await shop("GET", "rpc/all_tickets", who=who)).body
