"""A2: a planned or estimated count comes from statistics of every table that the question touches, so a hidden junction must forbid it.

Both ends of the relation may be read whole; only the rows between them are hidden. All three kinds of count must say the same.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.shop import open_shop

pytestmark = pytest.mark.anyio

SCHEMA = """
create table authors (id integer primary key, name text not null);
create table books (id integer primary key, title text not null);
create table credits (author_id integer references authors(id), book_id integer references books(id), shown boolean not null,
  primary key (author_id, book_id));
"""
POLICIES = """
create policy "a" on authors for select to anon using (true);
create policy "b" on books for select to anon using (true);
create policy "c" on credits for select to anon using (shown);
"""
ASKED = [
    "authors?select=id,books!inner(id)", "authors?select=id,books!inner()", "authors?select=id,credits!inner(book_id)",
    "authors?select=id,books(id)&books=not.is.null", "authors?select=id,books(id)&books=is.null", "authors?select=id,credits()&credits=is.null",
    "authors?select=id,books!inner(id)&books.id=gt.200", "authors?select=id,books(id)&or=(books.not.is.null,id.eq.1)",
    "books?select=id,credits!inner(authors!inner(id))", "credits?select=author_id", "credits?select=author_id,books!inner(id)",
]  # fmt: skip


async def test_a_hidden_junction_is_in_no_count(database_url: str, tmp_path: Path) -> None:
    """390 of 400 credits are hidden: a planner that is asked says hundreds."""
    async with open_shop(database_url, tmp_path, schema=SCHEMA, policies=POLICIES, rows=False) as shop:
        numbers = range(1, 401)
        await shop("POST", "authors", [{"id": n, "name": f"n{n}"} for n in numbers], who="service")
        await shop("POST", "books", [{"id": n, "title": f"t{n}"} for n in numbers], who="service")
        credits = [{"author_id": n, "book_id": n, "shown": n % 40 == 0} for n in numbers]
        assert (await shop("POST", "credits", credits, who="service")).status == 201
        await shop.sql("analyze")
        for address in ASKED:
            exact = (await shop("GET", address + "&limit=1", headers={"Prefer": "count=exact"})).range
            assert exact.partition("/")[2] in {"10", "390", "5", "11"}, (address, exact)
            for method, kind in (("GET", "planned"), ("GET", "estimated"), ("HEAD", "planned"), ("HEAD", "estimated")):
                reply = await shop(method, address + "&limit=1", headers={"Prefer": f"count={kind}"})
                assert (address, kind, exact, "count=exact") == (address, kind, reply.range, reply.headers["preference-applied"])
        every = await shop("GET", "authors?limit=1", headers={"Prefer": "count=planned"})
        assert every.range == "0-0/400", "a table that may be read whole hides nothing"
