"""The promise of live queries: snapshot + deltas == a fresh read by the same caller; nothing lost, doubled or leaked.

Random programs of writes by several writers (a foreign one on SQLite, overlapping and long transactions on PostgreSQL), policy
and membership changes, dropped connections and resumes. The fresh read is the data API's own.
"""

from __future__ import annotations

import asyncio
import os
import random
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote

import asyncpg
import orjson
import pytest

from baaskit.errors import BaasError
from baaskit.realtime.limits import Limits
from baaskit.rest import Rest

from .rig import ANN, BOB, POLICIES, Client, Rig, open_rig

pytestmark = pytest.mark.anyio
SEEDS = range(int(os.environ.get("BAAS_PROPERTY_SEEDS", "4")))
ROUNDS = int(os.environ.get("BAAS_PROPERTY_ROUNDS", "14"))

QUERIES = [
    "pets?select=*",
    "pets?select=id,name,price,public,owner_id&status=eq.available&price=gte.20",
    "pets?select=id,price,public,owner_id&order=price.desc.nullslast,id&limit=4",
    "pets?select=id,name,public,owner_id&order=name,id",
    "pets?select=id,public,owner_id,tags(pet_id,label)&tags.order=label&order=id",
    "pets?select=status,count()&order=status",
    "notes?select=id,team_id,body",
    "pets?select=id,status,public,owner_id&or=(status.eq.sold,and(price.lt.50,name.neq.n1))&order=id&offset=1",
]
FIRST = "(public or owner_id = auth.uid())"
POLICY_SETS = {
    "first": POLICIES,
    "second": POLICIES.replace(FIRST, "(status <> 'sold' and (price is null or price < 60))"),
    "owned": POLICIES.replace(FIRST, "(owner_id = auth.uid() and status <> 'gone')"),
}
assert len(set(POLICY_SETS.values())) == 3
WHO = {"anon": None, "ann": ANN, "bob": BOB}


class Watcher:
    """One live query of one caller, as a strict client keeps it: every event must fit what it has."""

    def __init__(self, rig: Rig, number: int, who: str, query: str) -> None:
        self.rig, self.topic, self.who, self.query = rig, f"w{number}", who, query
        self.token = rig.kit.keys.service_role_key if who == "service" else rig.token(WHO[who]) if WHO[who] else None
        self.rows: dict[bytes, Any] = {}
        self.key: list[str] = []
        self.cursor: str | None = None
        self.client: Client | None = None
        self.id = -1
        self.seen: list[Any] = []

    async def connect(self) -> None:
        self.client = await self.rig.client(random.choice(["1.0.0", "2.0.0"]))
        await self.join()

    async def join(self) -> None:
        assert self.client is not None
        reply = await self.client.join(self.topic, self.token, live=[{"query": self.query, "since": self.cursor}])
        assert reply["status"] == "ok", reply
        self.id = reply["response"]["live"][0]["id"]

    async def drop(self, rng: random.Random) -> None:
        """Lose the connection after some of the frames that have arrived, at a random place."""
        if self.client is None:
            return
        while rng.random() < 0.5 and (self.client.frames or not self.client._from.empty()):
            await self.apply(await self.client.next())
        await self.client.close()
        self.client = None

    async def catch_up(self) -> None:
        if self.client is None:
            await self.connect()
        assert self.client is not None
        for frame in await self.client.heard():
            await self.apply(frame)

    def identity(self, row: Any) -> bytes:
        return orjson.dumps([row[name] for name in self.key])

    async def apply(self, frame: list[Any]) -> None:
        event, payload = frame[3], frame[4]
        if not event.startswith("live_") or payload["id"] != self.id:
            return
        if event == "live_resync":
            assert payload["cursor"] == self.cursor
            await self.join()
        elif event == "live_snapshot":
            self.key = payload["key"]
            self.rows = {self.identity(row): row for row in payload["rows"]}
            assert len(self.rows) == len(payload["rows"])
            self.seen += payload["rows"]
            self.cursor = payload["cursor"]
        else:
            assert payload["cursor"] != self.cursor or not (payload["enter"] or payload["change"] or payload["leave"])
            for key in payload["leave"]:
                assert set(key) == set(self.key)
                assert self.rows.pop(self.identity(key), None) is not None, ("left twice", self.query, key)
            for row in payload["change"]:
                assert self.identity(row) in self.rows, ("changed what never came", self.query, row)
                self.rows[self.identity(row)] = row
            for row in payload["enter"]:
                assert self.identity(row) not in self.rows, ("came twice", self.query, row)
                self.rows[self.identity(row)] = row
            if payload.get("order"):  # empty: what entered comes last
                self.rows = {self.identity(key): self.rows[self.identity(key)] for key in payload["order"]}
            self.seen += payload["enter"] + payload["change"]
            self.cursor = payload["cursor"]

    async def fresh(self, rest: Rest) -> list[Any]:
        name, _, search = self.query.partition("?")
        told: dict[str, Any] = {}

        async def send(message: Any) -> None:
            told.update(message)

        async def receive() -> Any:
            return {"type": "http.request", "body": b"", "more_body": False}

        headers = [(b"authorization", b"Bearer " + (self.token or self.rig.kit.keys.anon_key).encode())]
        scope = {
            "type": "http",
            "method": "GET",
            "path": "/rest/v1/" + name,
            "headers": headers,
            "query_string": quote(search, safe="=&,.()*").encode(),
        }
        await rest(scope, receive, send)
        assert told["status"] in (200, 206), told
        return list(orjson.loads(told["body"]))

    async def check(self, rest: Rest, versions: set[str]) -> None:
        fresh = await self.fresh(rest)
        mine = list(self.rows.values())
        if "order=" not in self.query or "limit" not in self.query:
            fresh, mine = sorted(fresh, key=orjson.dumps), sorted(mine, key=orjson.dumps)
        assert mine == fresh, (self.who, self.query)
        for row in self.seen:
            assert "secret" not in row or self.who == "service"
            if self.who != "service" and "public" in row and versions == {"first"}:
                assert row["public"] or row["owner_id"] == WHO[self.who], ("leaked", self.who, row)
        self.seen.clear()


def statement(rng: random.Random) -> str:
    pet, note, owner = rng.randrange(12), rng.randrange(5), rng.choice([f"'{ANN}'", f"'{BOB}'", "null"])
    price, status, flag = (
        rng.choice(["null", str(rng.randrange(100))]),
        rng.choice(["available", "sold", "gone"]),
        rng.choice(["true", "false"]),
    )
    fields = f"'n{rng.randrange(4)}', {price}, '{status}', {owner}, {flag}, 'canary'"
    return rng.choice([
        f"insert into pets(id, name, price, status, owner_id, public, secret) values ({pet}, {fields}) on conflict do nothing",
        f"insert into pets(id, name, price, status, owner_id, public, secret) values ({pet}, {fields}) on conflict do nothing",
        f"update pets set price = {price} where id = {pet}", f"update pets set owner_id = {owner} where id >= {pet} and id < {pet + 3}",
        f"update pets set public = not public where id = {pet}", f"update pets set status = '{status}', name = 'n{pet % 4}' where id <= {pet}",
        f"update pets set secret = 'canary{pet}' where id = {pet}",
        f"delete from tags where pet_id = {pet}", f"delete from pets where id = {pet} and id not in (select pet_id from tags)",
        f"insert into tags select id, 'l{note}' from pets where id = {pet} on conflict do nothing",
        f"update pets set id = {pet + 20} where id = {pet} and id not in (select pet_id from tags) and not exists (select 1 from pets where id = {pet + 20})",
        f"insert into notes values ({note}, {rng.randrange(3)}, 'b{pet}') on conflict do nothing", f"update notes set team_id = {rng.randrange(3)} where id = {note}",
        f"delete from notes where id = {note}", f"insert into members values ({rng.randrange(3)}, '{rng.choice([ANN, BOB])}') on conflict do nothing",
        f"delete from members where team_id = {rng.randrange(3)}",
    ])  # fmt: skip


async def straggle(url: str, text: str, release: asyncio.Event) -> None:
    """A PostgreSQL transaction that stays open while others come and go."""
    link = await asyncpg.connect(url)
    try:
        async with link.transaction():
            await link.execute(text)
            await release.wait()
    finally:
        await link.close()


FOREIGN = """
import json, sqlite3, sys
for line in sys.stdin:
    link = sqlite3.connect(sys.argv[1], timeout=10)
    link.execute("pragma foreign_keys=on")
    try:
        with link:
            for text in json.loads(line):
                link.execute(text)
    except sqlite3.Error as problem:
        print(problem, flush=True)
    else:
        print(flush=True)
    link.close()
"""


class Foreigner:
    """Another program on the same SQLite file, with the SQLite of the standard library. A process of its own: two SQLite libraries
    in one process break each other's file locks (sqlite.org/howtocorrupt.html §2.2.1)."""

    def __init__(self, url: str) -> None:
        self.path = url.removeprefix("sqlite:///")
        self.busy = asyncio.Lock()
        self.process: asyncio.subprocess.Process | None = None

    async def write(self, texts: list[str]) -> None:
        async with self.busy:
            if self.process is None:
                self.process = await asyncio.create_subprocess_exec(
                    sys.executable, "-c", FOREIGN, self.path, stdin=subprocess.PIPE, stdout=subprocess.PIPE
                )
            assert self.process.stdin is not None and self.process.stdout is not None
            self.process.stdin.write(orjson.dumps(texts) + b"\n")
            problem = (await self.process.stdout.readline()).decode().strip()
            if problem:
                raise sqlite3.Error(problem)

    async def stop(self) -> None:
        if self.process is not None and self.process.stdin is not None:
            self.process.stdin.close()
            await self.process.wait()


async def write_some(rig: Rig, rng: random.Random, foreigner: Foreigner) -> None:
    """One transaction, sometimes rolled back, sometimes of another program."""
    texts = [statement(rng) for _ in range(rng.randrange(1, 4))]
    if rng.random() < 0.1:
        texts.append("insert into pets(id) values (null)")
    try:
        if rig.kit.database.dialect == "sqlite" and rng.random() < 0.3:
            await foreigner.write(texts)
        else:
            await rig.write(*texts)
    except (sqlite3.Error, BaasError) as problem:
        expected = ("deadlock", "null", "unique", "duplicate", "foreign key")
        if not any(word in str(problem).lower() for word in expected):
            raise


async def play_round(rig: Rig, rng: random.Random, watchers: list[Watcher], versions: set[str], foreigner: Foreigner) -> None:
    database, release = rig.kit.database, asyncio.Event()
    late = None
    if database.dialect == "postgresql" and rng.random() < 0.5:
        late = asyncio.create_task(
            straggle(database.url, f"insert into pets(id, name) values ({100 + rng.randrange(10_000)}, 'late')", release)
        )
    for _ in range(rng.randrange(2, 7)):
        move = rng.random()
        watcher = rng.choice(watchers)
        if move < 0.15:
            await watcher.drop(rng)
        elif move < 0.3 and watcher.client is None:
            await asyncio.gather(watcher.connect(), write_some(rig, rng, foreigner))
        elif move < 0.35:
            name = rng.choice(list(POLICY_SETS))
            versions.add(name)
            await database.save_policies(POLICY_SETS[name], "tests")
            versions.add(name)
        else:
            await asyncio.gather(*(write_some(rig, rng, foreigner) for _ in range(rng.randrange(1, 4))))
    if late is not None:
        for watcher in watchers:
            if watcher.client is None and rng.random() < 0.5:
                await watcher.connect()
        release.set()
        await late


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("max_rows", [1000, 5])
async def test_snapshot_and_deltas_equal_a_fresh_read(database_url: str, tmp_path: Path, seed: int, max_rows: int) -> None:
    """With few `max_rows` a result is now the whole and now a window of it; only with an order is that window certain."""
    rng = random.Random(seed)
    queries = (
        QUERIES
        if max_rows == 1000
        else ["pets?select=id,status,price,public,owner_id&order=id", *(q for q in QUERIES if ",id" in q or "order=id" in q)]
    )
    async with open_rig(database_url, tmp_path, max_rows=max_rows) as rig:
        rest = Rest(rig.kit)
        people = ["anon", "ann", "bob", "service"]
        watchers = [Watcher(rig, n, people[(n + n // len(queries)) % 4], queries[n % len(queries)]) for n in range(2 * len(queries))]
        for watcher in watchers:
            await watcher.connect()
        versions, foreigner = {"first"}, Foreigner(database_url)
        for number in range(ROUNDS):
            await play_round(rig, rng, watchers, versions, foreigner)
            await rig.settled()
            for watcher in watchers:
                await watcher.catch_up()
            await rig.settled()
            for watcher in watchers:
                await watcher.catch_up()
            for watcher in watchers:
                try:
                    await watcher.check(rest, versions)
                except AssertionError as problem:
                    raise AssertionError(f"seed {seed}, round {number}: {problem}") from problem
            versions.clear()
            versions |= {name for name, text in POLICY_SETS.items() if text == rig.kit.database.catalog.policies.text}
        await foreigner.stop()


async def test_a_client_that_reads_slowly_is_resynced_and_loses_nothing(database_url: str, tmp_path: Path) -> None:
    rng = random.Random(1)
    async with open_rig(database_url, tmp_path, limits=Limits(queue_frames=5)) as rig:
        rest = Rest(rig.kit)
        slow, quick = Watcher(rig, 1, "ann", "pets?select=id,name"), Watcher(rig, 2, "ann", "pets?select=id,name")
        await slow.connect()
        await quick.connect()
        await slow.catch_up()
        assert slow.client is not None
        slow.client.reading.clear()
        for number in range(40):
            await rig.write(f"insert into pets(id, name) values ({number}, 'n{rng.randrange(9)}')")
            await rig.settled()
            await quick.catch_up()
        assert len(quick.rows) == 40
        slow.client.reading.set()
        await slow.catch_up()
        await rig.settled()
        await slow.catch_up()
        for watcher in (slow, quick):
            await watcher.check(rest, {"first"})


async def test_a_subscriber_of_rows_that_reads_slowly_is_disconnected(database_url: str, tmp_path: Path) -> None:
    async with open_rig(database_url, tmp_path, limits=Limits(queue_frames=5)) as rig:
        client = await rig.client()
        await client.join("room", postgres_changes=[{"event": "*", "schema": "public", "table": "pets"}])
        await client.until("system")
        client.reading.clear()
        for number in range(40):
            await rig.write(f"insert into pets(id, name) values ({number}, 'n')")
        await rig.settled()
        client.reading.set()
        assert await client.ended() == 1013
