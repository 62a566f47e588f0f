"""A16: names are data: columns, paths, aliases, hints, casts and values with quotes, dots, dashes and foreign letters."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import pytest

from tests.shop import Shop, open_shop

pytestmark = pytest.mark.anyio

EVIL = [
    "'", '"', "''", '""', "';drop table pets;--", '";drop table pets;--', "a'b", 'a"b', "a.b", "a--b", "/*x*/", "\\", "\\'", "$1", "?", ":x", "%s", "%(x)s",
    "{0}", "é", "名前", "a\nb", "a\tb", "x" * 200, "`", "[a]", "t0", "select", "null", "rowid", "\u202e", "a b", "(", ")", "a->b", "::int", "json('1')",
]  # fmt: skip


def _quoted(name: str) -> str:
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'


async def test_every_alias_comes_back_as_it_went(shop: Shop) -> None:
    for name in EVIL:
        reply = await shop("GET", f"pets?id=eq.1&select=id,{quote(_quoted(name))}:name")
        if len(name) > 63:  # PostgreSQL would cut it, and two could become one
            assert (400, "42622") == (reply.status, reply.code)
            continue
        assert (name, 200, [{"id": 1, name: "Rex"}]) == (name, reply.status, reply.json)
    assert 4 == len(await shop.rows("pets"))


async def test_every_json_key_is_a_key(shop: Shop) -> None:
    await shop("PATCH", "pets?id=eq.1", {"data": {name: f"v{n}" for n, name in enumerate(EVIL)}}, who="service")
    for number, name in enumerate(EVIL):
        key = quote(_quoted(name))
        shown = await shop("GET", f"pets?id=eq.1&select=found:data->>{key}")
        assert (name, [{"found": f"v{number}"}]) == (name, shown.json)
        chosen = await shop("GET", f"pets?select=id&data->>{key}=eq.v{number}")
        assert (name, [{"id": 1}]) == (name, chosen.json)


async def test_a_value_is_never_read_as_anything_else(shop: Shop) -> None:
    for text in EVIL:
        stored = await shop("PATCH", "pets?id=eq.1&select=name", {"name": text}, who="service", headers={"Prefer": "return=representation"})
        assert [{"name": text}] == stored.json
        assert [{"id": 1}] == (await shop("GET", f"pets?select=id&name=eq.{quote(text, safe='')}")).json, text
        assert [{"id": 1}] == (await shop("GET", f"pets?select=id&name=in.({quote(_quoted(text), safe='')})")).json, text
        assert [{"id": 1}] == (await shop("GET", f"pets?select=id&or=(name.eq.{quote(_quoted(text), safe='')})")).json, text


async def test_an_unknown_name_is_unknown_whatever_it_holds(shop: Shop) -> None:
    for name in EVIL:
        part = quote(_quoted(name), safe="")
        for query in (
            f"select={part}",
            f"{part}=eq.1",
            f"order={part}",
            f"select=id,{part}(*)",
            f"select=id,people!{part}(*)",
            f"or=({part}.eq.1)",
        ):
            reply = await shop("GET", f"pets?{query}", who="service")
            assert reply.status in (400, 404), (query, reply.body)
        for kind in (f"select=id::{quote(name, safe='')}", f"select=id.sum()::{quote(name, safe='')}"):
            reply = await shop("GET", f"pets?{kind}", who="service")
            assert reply.status in (200, 400, 404), (kind, reply.body)
        payload = await shop("POST", "pets", {name: 1}, who="service")
        assert (name, 400, "PGRST204") == (name, payload.status, payload.code)
    assert 4 == len(await shop.rows("pets"))


async def test_columns_and_tables_with_odd_names_work(database_url: str, tmp_path: Path) -> None:
    schema = 'create table "we ird""tbl" (id integer primary key, "co\'l ""x" text, "select" text, "a.b" text, "rowid" text, "key" text, "value" text);'
    policies = 'create policy p on "we ird""tbl" for all to anon using (true);'
    async with open_shop(database_url, tmp_path, schema=schema, policies=policies, rows=False) as shop:
        row = {"id": 1, "co'l \"x": "1", "select": "2", "a.b": "3", "rowid": "4", "key": "5", "value": "6"}
        table = quote('we ird"tbl')
        created = await shop("POST", table, row, headers={"Prefer": "return=representation"})
        assert (201, [row]) == (created.status, created.json)
        for name in list(row)[1:]:
            part = quote(_quoted(name), safe="")
            found = await shop("GET", f"{table}?{part}=eq.{row[name]}&select={part}&order={part}")
            if name == "select":
                continue  # a reserved key of the query string
            assert (name, [{name: row[name]}]) == (name, found.json)
        changed = await shop("PATCH", f"{table}?id=eq.1", dict.fromkeys(list(row)[1:], "z"), headers={"Prefer": "return=representation"})
        assert [{"id": 1} | dict.fromkeys(list(row)[1:], "z")] == changed.json
        assert 204 == (await shop("DELETE", f"{table}?id=eq.1")).status
        assert [] == (await shop("GET", table)).json
