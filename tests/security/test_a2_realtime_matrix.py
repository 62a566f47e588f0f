"""A2, R2, R3: events and live queries of every principal, compared after each change with what PostgreSQL's own row security shows.

The same help desk and oracle as the matrix of the data API. What leaves someone's view is told by its key alone.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.realtime.rig import Client, Rig, open_rig
from tests.security.matrix import COLUMNS, IDS, MIA, POLICIES, PRINCIPALS, ROWS, SCHEMA, TABLES, Oracle, open_oracle
from tests.shop import ANN, BOB

pytestmark = pytest.mark.anyio

PUBLISHED = SCHEMA + "".join(f"alter publication realtime add table {table};\n" for table in ("tickets", "notes"))
TICKET = "insert into tickets (id, team_id, author_id, title, state, hours, cost) values "
CHANGES = [
    f"{TICKET} (20, 1, '{ANN}', 'new', 'open', 1, 5)",
    f"{TICKET} (21, 2, '{BOB}', 'red', 'open', 2, 5), (22, 1, null, 'all', 'public', 3, 5), (23, 1, '{ANN}', 'shut', 'sealed', 4, 5)",
    "update tickets set title = 'other' where id = 20",
    "update tickets set state = 'sealed' where id = 20",
    "update tickets set state = 'public', hours = null where id in (20, 21)",
    "update tickets set state = 'open' where id = 22",
    "update tickets set team_id = 2 where id = 20",
    "update tickets set state = 'open', title = 'late' where id = 20",
    "insert into notes (id, ticket_id, author_id, body, private) values (20, 1, '{ann}', 'secret', true), (21, 4, '{bob}', 'open', false)",
    "update notes set private = not private where id in (20, 21)",
    "update notes set author_id = '{mia}', private = true, body = 'hers' where id = 20",
    "delete from notes where id in (20, 21)",
    "insert into members (team_id, user_id, level) values (2, '{ann}', 'member')",
    "update tickets set title = 'for three' where id = 4",
    "update members set level = 'member' where user_id = '{mia}'",
    "update members set level = 'manager' where user_id = '{ann}' and team_id = 1",
    "update tickets set title = 'sealed, but ann''s' where id = 3",
    "delete from members where user_id = '{bob}'",
    "update tickets set title = 'not bob''s' where id in (4, 5)",
    "delete from tickets where id in (20, 21, 22, 23)",
]


class Watcher:
    """One principal's socket: events of both tables, and a live query of each kept up by what it is told."""

    def __init__(self, who: str, client: Client) -> None:
        self.who, self.client = who, client
        self.rows: dict[str, dict[int, Any]] = {}
        self._tables: dict[int, str] = {}

    async def begin(self, token: str | None) -> None:
        bindings = [{"event": "*", "schema": "public", "table": table} for table in COLUMNS]
        queries = [{"query": f"{table}?select={listed.replace(' ', '')}"} for table, listed in COLUMNS.items()]
        reply = await self.client.join("events", token, postgres_changes=bindings)
        assert reply["status"] == "ok", reply
        reply = await self.client.join("queries", token, live=queries)
        assert reply["status"] == "ok", reply
        self._tables = {given["id"]: table for given, table in zip(reply["response"]["live"], COLUMNS, strict=True)}

    async def told(self) -> list[tuple[str, str, Any]]:
        """The events since the last time: table, kind, the row or the key of it. The live queries' news go into `rows`."""
        events = []
        for _, _, _, event, payload in await self.client.heard():
            if event == "postgres_changes":
                data = payload["data"]
                row = data.get("record", data.get("old_record"))
                if self.who == "service":
                    row.pop("cost", None)  # which to all others is a column that is not there
                events.append((data["table"], data["type"], row))
            elif event == "live_snapshot":
                self.rows[self._tables[payload["id"]]] = {row["id"]: row for row in payload["rows"]}
            elif event == "live_delta":
                rows = self.rows[self._tables[payload["id"]]]
                for key in payload["leave"]:
                    assert set(key) == {"id"}
                    del rows[key["id"]]
                assert not rows.keys() & {row["id"] for row in payload["enter"]}, "entered twice"
                assert rows.keys() >= {row["id"] for row in payload["change"]}, "changed without being there"
                rows.update({row["id"]: row for row in (*payload["enter"], *payload["change"])})
        return sorted(events, key=repr)


async def _seen(oracle: Oracle, who: str) -> dict[str, dict[int, Any]]:
    shown = {table: await oracle.rows(who, f"select {listed} from {table}") for table, listed in COLUMNS.items()}
    return {table: {row["id"]: row for row in rows} for table, rows in shown.items()}


def _events(change: str, before: dict[str, dict[int, Any]], after: dict[str, dict[int, Any]]) -> list[tuple[str, str, Any]]:
    """What a principal must be told, from what it sees before and after: of a row that was not written nothing, and a row that an update
    brings into view is an update, as in the protocol's own server."""
    written = change.split()[0].upper()
    found: list[tuple[str, str, Any]] = []
    for table in COLUMNS:
        if f" {table} " in change:
            old, new = before[table], after[table]
            found += [(table, "DELETE", {"id": number}) for number in old.keys() - new.keys()]
            found += [(table, written, new[number]) for number in new.keys() - old.keys()]
            found += [(table, "UPDATE", new[number]) for number in new.keys() & old.keys() if new[number] != old[number]]
    return sorted(found, key=repr)


async def test_each_principal_is_told_exactly_what_postgresql_lets_it_see(
    database_url: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    async with (
        open_rig(database_url, tmp_path, schema=PUBLISHED, policies=POLICIES) as rig,
        open_oracle(request.getfixturevalue("postgres")()) as oracle,
    ):
        await _fill(rig)
        watchers = []
        for who in PRINCIPALS:
            watcher = Watcher(who, await rig.client(key=rig.kit.keys.service_role_key if who == "service" else None))
            uid = IDS.get(who)
            await watcher.begin(rig.token(uid) if uid else None)
            watchers.append(watcher)
        await rig.settled()
        for watcher in watchers:
            await watcher.told()
        seen = {who: await _seen(oracle, who) for who in PRINCIPALS}
        assert seen == {watcher.who: watcher.rows for watcher in watchers}
        for template in CHANGES:
            change = template.replace("{ann}", ANN).replace("{bob}", BOB).replace("{mia}", MIA)
            await oracle.change(change)
            await rig.write(change)
            await rig.settled()
            for watcher in watchers:
                now = await _seen(oracle, watcher.who)
                told = await watcher.told()
                assert (template, watcher.who, _events(change, seen[watcher.who], now)) == (template, watcher.who, told)
                assert (template, watcher.who, now) == (template, watcher.who, watcher.rows)
                seen[watcher.who] = now


async def _fill(rig: Rig) -> None:
    for table in TABLES:
        for row in ROWS[table]:
            values = ", ".join("null" if v is None else str(v) if isinstance(v, bool | int) else f"'{v}'" for v in row.values())
            await rig.write(f"insert into {table} ({', '.join(row)}) values ({values})")
