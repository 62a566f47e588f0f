"""A help desk for the matrix operation × path × principal, and its oracle: PostgreSQL's own row security under the same policy text.

The policies use nothing that PostgreSQL does not have, and their sub-selects ask only for what the caller may see, so that both
read the same rows.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import orjson

from tests.shop import ANN, BOB, EVE

MIA = "00000000-0000-4000-8000-000000000004"  # manager of team 1 by membership; EVE belongs to no team
IDS: dict[str, str | None] = {"anon": None, "ann": ANN, "bob": BOB, "eve": EVE, "mia": MIA}
PRINCIPALS = (*IDS, "service")

SCHEMA = """
create table people (id uuid primary key, name text not null, email text);
create table teams (id integer primary key, name text not null);
create table members (
  team_id integer references teams(id), user_id uuid references people(id), level text not null default 'member', primary key (team_id, user_id)
);
create table tickets (
  id integer primary key, team_id integer not null references teams(id), author_id uuid references people(id), title text not null,
  state text not null default 'open', hours integer, cost integer
);
create table notes (
  id integer primary key, ticket_id integer not null references tickets(id), author_id uuid references people(id), body text,
  private boolean not null default false
);
create table labels (id integer primary key, word text not null, secret boolean not null default false);
create table ticket_labels (
  ticket_id integer references tickets(id), label_id integer references labels(id), shown boolean not null default true, primary key (ticket_id, label_id)
);
"""

_MEMBER = "exists (select 1 from members m where m.team_id = tickets.team_id and m.user_id = auth.uid())"
_MANAGER = "exists (select 1 from members m where m.team_id = tickets.team_id and m.user_id = auth.uid() and m.level = 'manager')"
POLICIES = f"""
create policy "people" on people for select to anon, authenticated using (true);
create policy "my teams" on teams for select to authenticated
  using (exists (select 1 from members m where m.team_id = teams.id and m.user_id = auth.uid()));
create policy "my memberships" on members for select to authenticated using (user_id = auth.uid());
create policy "public tickets" on tickets for select to anon using (state = 'public');
create policy "tickets of my teams" on tickets for select to authenticated using ({_MEMBER} or state = 'public');
create policy "sealed ones are the managers'" on tickets as restrictive for all to authenticated using (state <> 'sealed' or {_MANAGER});
create policy "report" on tickets for insert to authenticated with check (author_id = auth.uid() and {_MEMBER});
create policy "change one's own, managers all" on tickets for update to authenticated using (author_id = auth.uid() or {_MANAGER});
create policy "managers delete" on tickets for delete to authenticated using ({_MANAGER});
create policy "notes" on notes for select to anon, authenticated using (not private or author_id = auth.uid());
create policy "write notes" on notes for insert to authenticated with check (author_id = auth.uid());
create policy "mend notes" on notes for update to authenticated using (author_id = auth.uid());
create policy "drop notes" on notes for delete to authenticated using (author_id = auth.uid() and not private);
create policy "labels" on labels for select to anon, authenticated using (not secret);
create policy "labelling" on ticket_labels for select to anon, authenticated using (shown);
revoke select on people from anon, authenticated;
grant select (id, name) on people to anon, authenticated;
revoke select, insert, update on tickets from anon, authenticated;
grant select (id, team_id, author_id, title, state, hours) on tickets to anon, authenticated;
grant insert (id, team_id, author_id, title, state) on tickets to anon, authenticated;
grant update (id, team_id, author_id, title, state) on tickets to anon, authenticated;
"""
TABLES = ("people", "teams", "members", "tickets", "notes", "labels", "ticket_labels")
COLUMNS = {"tickets": "id, team_id, author_id, title, state, hours", "notes": "id, ticket_id, author_id, body, private"}  # what may be read


def _ticket(number: int, team: int, author: str | None, title: str, state: str, hours: int | None) -> dict[str, Any]:
    return {"id": number, "team_id": team, "author_id": author, "title": title, "state": state, "hours": hours, "cost": number * 10}


ROWS: dict[str, list[dict[str, Any]]] = {
    "people": [{"id": i, "name": n.title(), "email": f"{n}@secret.example"} for n, i in IDS.items() if i],
    "teams": [{"id": 1, "name": "blue"}, {"id": 2, "name": "red"}, {"id": 3, "name": "empty"}],
    "members": [
        {"team_id": 1, "user_id": ANN, "level": "member"}, {"team_id": 1, "user_id": MIA, "level": "manager"},
        {"team_id": 2, "user_id": BOB, "level": "member"}, {"team_id": 2, "user_id": MIA, "level": "member"},
    ],
    "tickets": [
        _ticket(1, 1, ANN, "one", "open", 3), _ticket(2, 1, MIA, "two", "open", 8), _ticket(3, 1, ANN, "three", "sealed", 5),
        _ticket(4, 2, BOB, "four", "open", None), _ticket(5, 2, BOB, "five", "public", 1), _ticket(6, 2, ANN, "six", "open", 9),
        _ticket(7, 1, None, "seven", "public", 4), _ticket(8, 1, MIA, "eight", "open", None),
    ],
    "notes": [
        {"id": n, "ticket_id": t, "author_id": a, "body": f"note {n}", "private": p}
        for n, t, a, p in ((1, 1, ANN, False), (2, 1, MIA, True), (3, 3, ANN, True), (4, 4, BOB, True), (5, 5, BOB, False), (6, 5, ANN, True), (7, 7, EVE, False))
    ],
    "labels": [{"id": 1, "word": "bug", "secret": False}, {"id": 2, "word": "rush", "secret": False}, {"id": 3, "word": "vip", "secret": True}],
    "ticket_labels": [
        {"ticket_id": t, "label_id": n, "shown": s} for t, n, s in ((1, 1, True), (1, 2, False), (1, 3, True), (2, 2, True), (4, 1, True), (5, 1, True), (5, 2, True))
    ],
}  # fmt: skip

_FOUNDATION = """
do $$ begin
  create role anon; create role authenticated;
exception when duplicate_object then null; end $$;
create schema auth;
create function auth.uid() returns uuid language sql stable as $$ select nullif(current_setting('app.uid', true), '')::uuid $$;
grant usage on schema auth to anon, authenticated;
"""


class Refused(Exception):
    """PostgreSQL would not do it: its SQLSTATE."""


class Oracle:
    """One connection that runs SQL as a principal and forgets it."""

    def __init__(self, link: Any) -> None:
        self._link = link
        self._known: dict[tuple[str, str], Any] = {}

    async def rows(self, who: str, sql: str) -> list[dict[str, Any]]:
        """Rows of a select, as JSON, to `who`. Remembered until the next `change`."""
        key = (who, sql)
        if key not in self._known:
            self._known[key] = (await self._run(who, [f"select coalesce(json_agg(row_to_json(q)), '[]') from ({sql}) q"]))[0]
        found: list[dict[str, Any]] = self._known[key]
        return found

    async def after(self, who: str, *statements: str) -> dict[str, Any]:
        """The rows of tickets and notes after `who` has run these. Raises Refused."""
        state = "select json_build_object(" + ", ".join(
            f"'{t}', (select coalesce(json_agg(row_to_json(x) order by x.id), '[]') from (select * from {t}) x)" for t in ("tickets", "notes")
        ) + ")"  # fmt: skip
        found: dict[str, Any] = (await self._run(who, list(statements), state))[-1]
        return found

    async def change(self, sql: str) -> None:
        """For good, as nobody that policies bind."""
        await self._link.execute(sql)
        self._known.clear()

    async def _run(self, who: str, statements: list[str], then: str = "") -> list[Any]:
        transaction = self._link.transaction()
        await transaction.start()
        try:
            if who != "service":
                await self._link.execute(
                    f"set local role {'anon' if who == 'anon' else 'authenticated'}; set local app.uid = '{IDS[who] or ''}'"
                )
            found = []
            for statement in statements:
                if statement.startswith("select"):
                    found.append(orjson.loads(await self._link.fetchval(statement)))
                else:
                    await self._link.execute(statement)
            if then:
                await self._link.execute("reset role")
                found.append(orjson.loads(await self._link.fetchval(then)))
            return found
        except asyncpg.PostgresError as problem:
            raise Refused(problem.sqlstate) from None
        finally:
            await transaction.rollback()


@asynccontextmanager
async def open_oracle(url: str) -> AsyncIterator[Oracle]:
    """The help desk in a PostgreSQL database of its own, under PostgreSQL's row security."""
    link = await asyncpg.connect(url)
    try:
        await link.execute(_FOUNDATION + SCHEMA)
        for table in TABLES:
            await link.execute(
                f"insert into {table} select * from json_populate_recordset(null::{table}, $1::json)", orjson.dumps(ROWS[table]).decode()
            )
            await link.execute(f"alter table {table} enable row level security; grant all on {table} to anon, authenticated")
        await link.execute(POLICIES)
        yield Oracle(link)
    finally:
        await link.close()
