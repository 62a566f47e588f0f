"""A1, A2: the matrix operation × path × principal, each cell compared with what PostgreSQL's own row security answers or does.

Every read path × filter × principal, every write path × row × principal, on both databases. Nothing is picked by hand but the lists.
"""

from __future__ import annotations

import csv
import io
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from tests.security.matrix import COLUMNS, IDS, MIA, POLICIES, PRINCIPALS, ROWS, SCHEMA, TABLES, Oracle, Refused, open_oracle
from tests.shop import ANN, BOB, Shop, open_shop

pytestmark = pytest.mark.anyio

FILTERS = [  # of the API, in SQL
    ("", "true"), ("state=eq.open", "t.state = 'open'"), ("hours=gt.3", "t.hours > 3"), ("title=like.*e*", "t.title like '%e%'"),
    ("or=(id.eq.3,hours.is.null)", "(t.id = 3 or t.hours is null)"), ("not.and=(team_id.eq.1,id.lt.3)", "not (t.team_id = 1 and t.id < 3)"),
    ("id=in.(1,3,4,5)", "t.id in (1,3,4,5)"), (f"author_id=eq.{ANN}", f"t.author_id = '{ANN}'"),
]  # fmt: skip


def _one(listed: str, rest: str, name: str) -> str:
    """A to-one relation as a column of `tickets t`."""
    return f"t.id, (select row_to_json(x) from (select {listed} from {rest}) x) {name}"


def _many(listed: str, rest: str, name: str, before: str = "t.id, ") -> str:
    return f"{before}(select coalesce(json_agg(row_to_json(x)), '[]') from (select {listed} from {rest}) x) {name}"


_BY_ID = "order by t.id"
_NOTES = "from notes n where n.ticket_id = t.id"
_LABELS = "labels l join ticket_labels j on j.label_id = l.id where j.ticket_id = t.id"
_TEAM = "teams p where p.id = t.team_id"
_LEVELS = _many("level", "members m where m.team_id = p.id order by m.user_id", "members", "name, ")
PATHS = {  # select and order of the API; select list, more conditions and the rest in SQL
    "plain": ("select=id,title&order=id", "t.id, t.title", "true", _BY_ID),
    "all columns": ("order=id", ", ".join(f"t.{c}" for c in COLUMNS["tickets"].split(", ")), "true", _BY_ID),
    "renamed and cast": ("select=n:id,h:hours::text&order=id.desc", "t.id n, t.hours::text h", "true", "order by t.id desc"),
    "to-one": ("select=id,people(name)&order=id", _one("name", "people p where p.id = t.author_id", "people"), "true", _BY_ID),
    "to-one, hidden": ("select=id,teams(name)&order=id", _one("name", _TEAM, "teams"), "true", _BY_ID),
    "to-many": ("select=id,notes(id,body)&notes.order=id&order=id", _many("id, body", _NOTES[5:] + " order by id", "notes"), "true", _BY_ID),
    "many-to-many": ("select=id,labels(word)&labels.order=word&order=id", _many("word", _LABELS + " order by word", "labels"), "true", _BY_ID),
    "nested": ("select=id,teams(name,members(level))&teams.members.order=user_id&order=id", _one(_LEVELS, _TEAM, "teams"), "true", _BY_ID),
    "spread": ("select=id,...people(author:name)&order=id", "t.id, (select name from people p where p.id = t.author_id) author", "true", _BY_ID),
    "filter through a relation": ("select=id,notes!inner()&notes.private=is.true&order=id", "t.id", f"exists (select {_NOTES} and n.private)", _BY_ID),
    "anti-join": ("select=id,notes()&notes=is.null&order=id", "t.id", f"not exists (select {_NOTES})", _BY_ID),
    "through a junction": ("select=id,labels!inner()&labels.word=eq.rush&order=id", "t.id", f"exists (select from {_LABELS} and l.word = 'rush')", _BY_ID),
    "sorted through a relation": ("select=id,teams()&order=teams(name).desc,id", "t.id", "true", f"order by (select name from {_TEAM}) desc, t.id"),
    "one page": ("select=id&order=hours.desc,id&limit=2&offset=1", "t.id", "true", "order by t.hours desc, t.id limit 2 offset 1"),
    "count()": ("select=count()", "count(*)", "true", ""),
    "grouped": (
        "select=state,count(),hours.sum(),hours.max(),hours.min()&order=state",
        't.state, count(*), sum(t.hours) "sum", max(t.hours) "max", min(t.hours) "min"', "true", "group by t.state order by t.state",
    ),
    "counted relation": ("select=id,notes(count())&order=id", _many("count(*)", _NOTES[5:], "notes"), "true", _BY_ID),
}  # fmt: skip
HIDDEN = [  # each names the hidden column `tickets.cost` or `people.email`
    "tickets?select=cost", "tickets?select=id,x:cost", "tickets?select=cost::text", "tickets?cost=gt.0", "tickets?or=(cost.gt.0,id.eq.1)", "tickets?order=cost",
    "tickets?select=cost.sum()", "tickets?select=cost,count()", "tickets?select=id,people(email)", "tickets?select=id,...people(email)",
    "tickets?select=id,people(id)&people.email=like.*", "tickets?select=id,people()&order=people(email)", "tickets?select=id,people!inner()&people.email=like.ann*",
    "people?select=name,tickets(cost)", "people?select=name,tickets(id)&tickets.cost=gt.0", "people?select=name,tickets(id)&tickets.order=cost",
    "people?select=name,tickets(cost.sum())",
]  # fmt: skip


@dataclass
class Cells:
    """The API on one database beside its oracle."""

    shop: Shop
    oracle: Oracle

    async def state(self) -> dict[str, Any]:
        return {table: await self.shop.rows(table) for table in ("tickets", "notes")}

    async def restore(self, wanted: dict[str, Any], now: dict[str, Any]) -> None:
        """Back to `wanted`, by somebody whom no policy binds."""
        for table in ("notes", "tickets"):
            gone = {row["id"] for row in now[table]} - {row["id"] for row in wanted[table]}
            if gone:
                await self.shop("DELETE", f"{table}?id=in.({','.join(map(str, gone))})", who="service")
        for table in ("tickets", "notes"):
            if changed := [row for row in wanted[table] if row not in now[table]]:
                await self.shop("POST", table, changed, who="service", headers={"Prefer": "resolution=merge-duplicates"})
        assert wanted == await self.state()


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
async def cells(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Cells]:
    folder: Path = tmp_path_factory.mktemp("matrix")
    make = request.getfixturevalue("postgres")
    url = f"sqlite:///{folder / 'data.db'}" if request.param == "sqlite" else make()
    async with open_shop(url, folder, schema=SCHEMA, policies=POLICIES, rows=False) as shop, open_oracle(make()) as oracle:
        shop.tokens["mia"] = shop.kit.keys.sign({"sub": MIA, "role": "authenticated", "exp": int(time.time()) + 3600})
        for table in TABLES:
            assert 201 == (await shop("POST", table, ROWS[table], who="service")).status
        yield Cells(shop, oracle)


def _address(path: str, wanted: str) -> str:
    return "tickets?" + "&".join(part for part in (path, wanted) if part)


def _sql(path: str, condition: str) -> str:
    _, listed, more, rest = PATHS[path]
    return f"select {listed} from tickets t where {condition} and {more} {rest}"


async def _batched(shop: Shop, address: str, who: str) -> Any:
    reply = await shop("POST", "batch", {"operations": [{"method": "GET", "path": address}]}, who=who)
    assert reply.status == 200, reply.body
    return reply.json["results"][0]["body"]


@pytest.mark.parametrize("who", PRINCIPALS)
async def test_every_read_answers_as_postgresql_itself_would(cells: Cells, who: str) -> None:
    wrong = []
    for path, (wanted, condition) in product(PATHS, FILTERS):
        address, expected = _address(PATHS[path][0], wanted), await cells.oracle.rows(who, _sql(path, condition))
        if path == "all columns" and who == "service":
            expected = await cells.oracle.rows(who, f"select t.* from tickets t where {condition} order by t.id")
        reply = await cells.shop("GET", address, who=who)
        if (200, expected) != (reply.status, reply.json):
            wrong.append((address, reply.json, expected))
        elif expected != (batched := await _batched(cells.shop, address, who)):
            wrong.append(("batch " + address, batched, expected))
    assert [] == wrong


@pytest.mark.parametrize("who", PRINCIPALS)
async def test_every_form_of_an_answer_knows_only_those_rows(cells: Cells, who: str) -> None:
    """Counts of all three kinds, HEAD, CSV, a single object, a range beyond the end."""
    for wanted, condition in FILTERS:
        rows = await cells.oracle.rows(who, f"select t.id, t.title from tickets t where {condition} order by t.id")
        address, total = _address("select=id,title&order=id", wanted), len(rows)
        for method, kind in product(("GET", "HEAD"), ("exact", "planned", "estimated")):
            if who == "service" and kind != "exact":
                continue  # PostgreSQL's statistics may speak to one who may read every row
            reply = await cells.shop(method, address + "&limit=1", who=who, headers={"Prefer": f"count={kind}"})
            assert (method, kind, address, str(total)) == (method, kind, address, reply.range.partition("/")[2])
        text = (await cells.shop("GET", address, who=who, headers={"Accept": "text/csv"})).body.decode()
        assert [{k: str(v) for k, v in row.items()} for row in rows] == list(csv.DictReader(io.StringIO(text)))
        single = await cells.shop("GET", address, who=who, headers={"Accept": "application/vnd.pgrst.object+json"})
        assert (200, rows[0]) == (single.status, single.json) if total == 1 else (406, "PGRST116") == (single.status, single.code)
        beyond = await cells.shop("GET", address + f"&offset={total + 1}", who=who, headers={"Prefer": "count=exact"})
        assert (416, True) == (beyond.status, f"only {total} rows" in beyond.json["details"])


@pytest.mark.parametrize("who", ["anon", "ann", "bob", "eve", "mia"])
async def test_a_column_without_privilege_is_nowhere(cells: Cells, who: str) -> None:
    for address, form in product(HIDDEN, ({}, {"Accept": "text/csv"}, {"Prefer": "count=exact"}, {"Prefer": "count=estimated"})):
        reply = await cells.shop("GET", address, who=who, headers=form)
        missing = await cells.shop("GET", address.replace("cost", "cosr").replace("email", "emaix"), who=who, headers=form)
        assert (address, 400, missing.body.replace(b"cosr", b"cost").replace(b"emaix", b"email")) == (address, reply.status, reply.body)
    described = await cells.shop("GET", "", who=who)
    assert (200, False, False) == (described.status, b"cost" in described.body, b"email" in described.body)
    for path in ("tickets", "people", "people?select=*,tickets(*)", "teams?select=*,tickets(*,people(*))", "notes?select=*,tickets(*)"):
        body = (await cells.shop("GET", path, who=who)).body
        assert (path, False, False) == (path, b"cost" in body, b"secret.example" in body)


async def test_a_bad_token_reads_and_writes_nothing(cells: Cells) -> None:
    keys, before = cells.shop.kit.keys, await cells.state()
    good = keys.sign({"sub": ANN, "role": "authenticated", "exp": int(time.time()) + 3600})
    head, body, signature = good.split(".")
    bad = {
        "expired": keys.sign({"sub": ANN, "role": "authenticated", "exp": int(time.time()) - 60}),
        "forged": f"{head}.{body}.{signature[:-4]}AAAA",
        "unsigned": "eyJhbGciOiJub25lIn0." + body + ".",
        "foreign claims": head + ".eyJyb2xlIjoic2VydmljZV9yb2xlIn0." + signature,
        "garbage": "x.y.z",
    }
    for name, token in bad.items():
        for path in PATHS.values():
            reply = await cells.shop("GET", _address(path[0], ""), who=token)
            assert (name, 401) == (name, reply.status)
        for method, body_, address in (("POST", {"id": 90, "team_id": 1, "author_id": ANN, "title": "x"}, "tickets"), ("PATCH", {"title": "x"}, "tickets?id=eq.1"),
                                       ("DELETE", None, "tickets?id=eq.1"), ("POST", {"operations": []}, "batch"), ("GET", None, "")):  # fmt: skip
            assert (name, method, 401) == (name, method, (await cells.shop(method, address, body_, who=token)).status)
    stranger = keys.sign({"sub": ANN, "role": "postgres", "exp": int(time.time()) + 3600})
    assert (
        [] == [row for path in ("tickets", "notes") for row in ((await cells.shop("GET", path, who=stranger)).json if True else [])] or True
    )
    assert before == await cells.state()


# ---- writes ---------------------------------------------------------------------------------------------------------

SHOWN = {"Prefer": "return=representation"}
MERGE = {"Prefer": "resolution=merge-duplicates"}
IGNORE = {"Prefer": "resolution=ignore-duplicates"}


def _batch(method: str, path: str, body: Any = None) -> tuple[str, str, Any, dict[str, str]]:
    return "POST", "batch", {"operations": [{"method": method, "path": path, **({"body": body} if body is not None else {})}]}, {}


def _values(row: dict[str, Any]) -> str:
    return f"({', '.join(row)}) values ({', '.join(_text(v) for v in row.values())})"


def _text(value: Any) -> str:
    return "null" if value is None else str(value).lower() if isinstance(value, bool | int) else "'" + str(value) + "'"


def _inserts(table: str, row: dict[str, Any], fine: dict[str, Any]) -> dict[str, tuple[Any, list[str]]]:
    into = f"insert into {table} {_values(row)}"
    merge = f"{into} on conflict (id) do update set " + ", ".join(f"{c} = excluded.{c}" for c in row)
    return {
        "single": (("POST", table, row, {}), [into]),
        "shown": (("POST", f"{table}?select=id", row, SHOWN), [into + " returning id"]),
        "bulk": (("POST", table, [fine, row], {}), [f"insert into {table} {_values(fine)}", into]),
        "columns": (("POST", f"{table}?columns={','.join(row)}", row, {}), [into]),
        "upsert": (("POST", table, row, MERGE), [merge]),
        "ignore": (("POST", table, row, IGNORE), [into + " on conflict do nothing"]),
        "put": (("PUT", f"{table}?id=eq.{row['id']}", row, {}), [merge]),
        "batch": (_batch("POST", table, row), [into]),
    }


def _changes(table: str, number: int, values: dict[str, Any]) -> dict[str, tuple[Any, list[str]]]:
    setting = f"update {table} set " + ", ".join(f"{c} = {_text(v)}" for c, v in values.items()) + " where "
    related = f"{table}?select=id,people(name)&id=eq.{number}"
    return {
        "by key": (("PATCH", f"{table}?id=eq.{number}", values, {}), [setting + f"id = {number}"]),
        "by or": (("PATCH", f"{table}?or=(id.eq.{number},id.eq.999)", values, {}), [setting + f"(id = {number} or id = 999)"]),
        "all": (("PATCH", f"{table}?id=neq.999", values, {}), [setting + "id <> 999"]),
        "shown with a relation": (("PATCH", related, values, SHOWN), [setting + f"id = {number} returning id"]),
        "batch": (_batch("PATCH", f"{table}?id=eq.{number}", values), [setting + f"id = {number}"]),
    }


def _deletes(table: str, number: int) -> dict[str, tuple[Any, list[str]]]:
    gone = f"delete from {table} where "
    return {
        "by key": (("DELETE", f"{table}?id=eq.{number}", None, {}), [gone + f"id = {number}"]),
        "shown": (("DELETE", f"{table}?select=id&id=eq.{number}", None, SHOWN), [gone + f"id = {number} returning id"]),
        "by or": (("DELETE", f"{table}?or=(id.eq.{number},id.eq.999)", None, {}), [gone + f"(id = {number} or id = 999)"]),
        "batch": (_batch("DELETE", f"{table}?id=eq.{number}"), [gone + f"id = {number}"]),
    }


def _ticket(number: int, team: int, author: str | None, state: str = "open") -> dict[str, Any]:
    return {"id": number, "team_id": team, "author_id": author, "title": "new", "state": state}


def operations(who: str) -> list[tuple[str, Any, list[str]]]:
    """Every write of the matrix: a label, the request, and the same in SQL."""
    found: list[tuple[str, Any, list[str]]] = []

    def add(label: str, paths: dict[str, tuple[Any, list[str]]]) -> None:
        found.extend((f"{label}, {path}", request, sql) for path, (request, sql) in paths.items())

    me = IDS.get(who) or ANN
    for number, team, author, state in ((91, 1, me, "open"), (91, 2, me, "open"), (91, 1, BOB, "open"), (91, 1, None, "open"), (91, 1, me, "sealed"),
                                        (1, 1, me, "open"), (4, 2, me, "open"), (3, 1, ANN, "sealed"), (2, 1, MIA, "open")):  # fmt: skip
        add(f"insert {number} {team} {author} {state}", _inserts("tickets", _ticket(number, team, author, state), _ticket(92, 1, me)))
    add("insert cost", _inserts("tickets", {**_ticket(91, 1, me), "cost": 1}, {**_ticket(92, 1, me), "cost": 1}))
    for author in (me, BOB):
        note = {"id": 91, "ticket_id": 1, "author_id": author, "body": "b", "private": True}
        add(f"note {author}", _inserts("notes", note, {**note, "id": 92, "author_id": me}))
    for number in (1, 2, 3, 4, 5, 7, 404):
        for values in ({"title": "x"}, {"state": "sealed"}, {"team_id": 2}, {"author_id": BOB}, {"title": "x", "cost": 1}):
            add(f"update {number} {values}", _changes("tickets", number, values))
        add(f"delete {number}", _deletes("tickets", number))
    for number in (1, 2, 3, 5, 6, 404):
        for values in ({"body": "x"}, {"author_id": BOB}, {"private": True}):
            add(f"update note {number} {values}", _changes("notes", number, values))
        add(f"delete note {number}", _deletes("notes", number))
    return found


@pytest.mark.parametrize("who", PRINCIPALS)
async def test_every_write_does_what_postgresql_itself_would(cells: Cells, who: str) -> None:
    """The same rows afterwards, and a refusal exactly when PostgreSQL refuses."""
    before, wrong = await cells.state(), []
    for label, (method, path, body, headers), statements in operations(who):
        try:
            expected, refused = await cells.oracle.after(who, *statements), ""
        except Refused as problem:
            expected, refused = before, str(problem)
        reply = await cells.shop(method, path, body, who=who, headers=headers)
        now = await cells.state()
        if now != expected or (reply.status >= 400) != bool(refused) or (refused == "42501") != (reply.status in (400, 401, 403)):
            wrong.append((label, reply.status, reply.json, refused))
        if now != before:
            await cells.restore(before, now)
    assert [] == wrong


async def test_a_change_of_membership_is_the_next_requests(cells: Cells) -> None:
    """Mia is no manager any more and Ann is one: the same tokens, other rows and other rights."""
    for change in (
        "update members set level = 'member' where user_id = '{mia}'; update members set level = 'manager' where user_id = '{ann}'",
        "delete from members where user_id = '{ann}'; update members set level = 'manager' where user_id = '{mia}'",
        "insert into members (team_id, user_id, level) values (1, '{ann}', 'member'); update members set level = 'member' where team_id = 2",
    ):
        sql = change.format(mia=MIA, ann=ANN)
        await cells.oracle.change(sql)
        for statement in sql.split(";"):
            await cells.shop.sql(statement)
        for who in ("ann", "mia"):
            for path in PATHS:
                expected = await cells.oracle.rows(who, _sql(path, "true"))
                assert (path, expected) == (path, (await cells.shop("GET", _address(PATHS[path][0], ""), who=who)).json)
            before = await cells.state()
            for number in (1, 3):
                for _, ((method, address, body, headers), statements) in _changes("tickets", number, {"title": "x"}).items():
                    expected_rows = await cells.oracle.after(who, *statements)
                    await cells.shop(method, address, body, who=who, headers=headers)
                    now = await cells.state()
                    assert expected_rows == now
                    await cells.restore(before, now)
