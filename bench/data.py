"""Data API beside PocketBase, in one run: get, list 50, insert, update at 100 000 rows of 1 000 owners under an owner policy.

    python bench/data.py [--rows 100000] [--rounds 5] [--requests 3000]

Both servers run on SQLite in one process, alternate within a run, verify a token and apply the owner rule. Durability differs in PocketBase's
favour: it commits with `synchronous=NORMAL`, baaskit with `FULL` (an answered write survives a power cut). Results go to bench/results/data.json.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import platform
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import httpx2
import psutil

sys.path.insert(0, str(Path(__file__).parent.parent))
from bench.load import Sample, measure, median, request

BIN = Path(sys.executable).parent
OWNERS = 1000
BODY = "The quick brown fox jumps over the lazy dog. " * 4
OPERATIONS = ("get", "list 50", "insert", "update")


@dataclass
class Peer:
    """A running server with its data: how to make each request, and a check that the rule holds."""

    name: str
    version: str
    port: int
    process: subprocess.Popen[bytes]
    make: dict[str, Callable[[int], bytes]]


def owner(number: int) -> str:
    return str(uuid.UUID(int=(0x5EED << 112) | (4 << 76) | (8 << 60) | number))


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


OWN = 'create policy "own" on items for all to authenticated using (owner_id = auth.uid());\n'


def start_baaskit(folder: Path, rows: int, owners: int = OWNERS, policies: str = OWN) -> Peer:
    (folder / "migrations").mkdir(parents=True)
    (folder / "baaskit.toml").write_text("max_rows = 1000\n")
    (folder / "migrations" / "0001_items.sql").write_text(
        "create table items (id uuid primary key default gen_random_uuid(), owner_id uuid not null default auth.uid(), title text not null, "
        "body text not null, n integer not null, done boolean not null default false, created_at timestamptz not null default now());\n"
        "create index items_owner_n on items (owner_id, n);\n"
    )
    (folder / "policies.sql").write_text(policies)
    subprocess.run([BIN / "baaskit", "migrate", str(folder)], check=True, capture_output=True)
    with sqlite3.connect(folder / ".baaskit" / "data.db") as link:
        link.executemany(
            "insert into items (id, owner_id, title, body, n, done) values (?, ?, ?, ?, ?, 0)",
            ((str(uuid.UUID(int=i + 1)), owner(i % owners), f"Item {i}", BODY, i) for i in range(rows)),
        )
    process = subprocess.Popen(
        [BIN / "baaskit", "serve", str(folder), "--port", "0", "--json"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert process.stdout is not None
    ready = json.loads(process.stdout.readline())
    base, keys = ready["url"], json.loads((folder / ".baaskit" / "keys.json").read_text())
    token = user_token(keys, owner(7))
    headers = {"Authorization": f"Bearer {token}", "apikey": ready["anon_key"]}
    writes = {**headers, "Prefer": "return=representation"}
    check_baaskit(base, headers, {"Authorization": f"Bearer {user_token(keys, owner(8))}"}, rows // owners)
    mine = [str(uuid.UUID(int=i + 1)) for i in range(7, rows, owners)]
    return Peer(
        "baaskit", subprocess.check_output([BIN / "baaskit", "--version"], text=True).strip(), int(base.rsplit(":", 1)[1]), process,
        {
            "get": lambda i: request("GET", f"/rest/v1/items?id=eq.{mine[i % len(mine)]}", headers),
            "list 50": lambda i: request("GET", f"/rest/v1/items?select=*&order=n.desc&limit=50&offset={i % 10}", headers),
            "insert": lambda i: request("POST", "/rest/v1/items", writes, json.dumps({"title": f"New {i}", "body": BODY, "n": -1}).encode()),
            "update": lambda i: request("PATCH", f"/rest/v1/items?id=eq.{mine[i % len(mine)]}", writes, json.dumps({"title": f"Changed {i}"}).encode()),
        },
    )  # fmt: skip


def user_token(keys: dict[str, object], uid: str) -> str:
    import jwt

    signing = keys["signing_keys"][-1]  # type: ignore[index]
    claims = {"sub": uid, "role": "authenticated", "aud": "authenticated", "exp": int(time.time()) + 3600}
    return jwt.encode(claims, signing["private_pem"], algorithm="ES256", headers={"kid": signing["kid"]})


def check_baaskit(base: str, mine: dict[str, str], stranger: dict[str, str], own: int) -> None:
    """The rule holds; each owner has `own` rows."""
    url = f"{base}/rest/v1/items?id=eq.{uuid.UUID(int=8)}"
    assert len(httpx2.get(url, headers=mine).json()) == 1, "the owner must read the row"
    assert httpx2.get(url, headers=stranger).json() == [], "a stranger must not"
    listed = httpx2.get(f"{base}/rest/v1/items?order=n.desc&limit=50", headers={**mine, "Prefer": "count=exact"})
    assert len(listed.json()) == min(50, own)
    assert listed.headers["content-range"].endswith(f"/{own}")


def start_pocketbase(folder: Path, rows: int) -> Peer:
    folder.mkdir()
    port = free_port()
    data = ["--dir", str(folder / "data")]
    subprocess.run([BIN / "pocketbase", "superuser", "upsert", "root@bench.test", "bench-password", *data], check=True, capture_output=True)
    command = [BIN / "pocketbase", "serve", "--http", f"127.0.0.1:{port}", *data]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    base = f"http://127.0.0.1:{port}"
    wait_for(f"{base}/api/health")
    token = sign_in(base, "_superusers", "root@bench.test", "bench-password")
    rule = "owner = @request.auth.id"
    fields = [
        {"name": "owner", "type": "text", "required": True}, {"name": "title", "type": "text"}, {"name": "body", "type": "text"},
        {"name": "n", "type": "number"}, {"name": "done", "type": "bool"}, {"name": "created", "type": "autodate", "onCreate": True},
    ]  # fmt: skip
    made = httpx2.post(
        f"{base}/api/collections",
        headers={"Authorization": token},
        json={
            "name": "items", "type": "base", "fields": fields, "listRule": rule, "viewRule": rule, "updateRule": rule, "deleteRule": rule,
            "createRule": "@request.body.owner = @request.auth.id", "indexes": ["CREATE INDEX items_owner_n ON items (owner, n)"],
        },
    )  # fmt: skip
    assert made.status_code == 200, made.text
    users = {}
    for number in (7, 8):
        answer = httpx2.post(
            f"{base}/api/collections/users/records", headers={"Authorization": token},
            json={"email": f"u{number}@bench.test", "password": "bench-password", "passwordConfirm": "bench-password", "verified": True},
        )  # fmt: skip
        users[number] = answer.json()["id"]
    process.terminate()
    process.wait()
    with sqlite3.connect(folder / "data" / "data.db") as link:
        link.executemany(
            "insert into items (id, owner, title, body, n, done, created) values (?, ?, ?, ?, ?, 0, '2026-01-01 00:00:00.000Z')",
            ((f"{i:015d}", users.get(i % OWNERS, f"owner{i % OWNERS:010d}"), f"Item {i}", BODY, i) for i in range(rows)),
        )
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for(f"{base}/api/health")
    headers = {"Authorization": sign_in(base, "users", "u7@bench.test", "bench-password")}
    stranger = {"Authorization": sign_in(base, "users", "u8@bench.test", "bench-password")}
    one = f"{base}/api/collections/items/records/{7:015d}"
    assert httpx2.get(one, headers=headers).status_code == 200
    assert httpx2.get(one, headers=stranger).status_code == 404
    path = "/api/collections/items/records"
    listing = f"{path}?perPage=50&skipTotal=1&sort=-n"
    assert len(httpx2.get(base + listing, headers=headers).json()["items"]) == min(50, rows // OWNERS)
    mine = [f"{i:015d}" for i in range(7, rows, OWNERS)]
    return Peer(
        "PocketBase", subprocess.check_output([BIN / "pocketbase", "--version"], text=True).strip(), port, process,
        {
            "get": lambda i: request("GET", f"{path}/{mine[i % len(mine)]}", headers),
            "list 50": lambda i: request("GET", listing, headers),
            "insert": lambda i: request("POST", path, headers, json.dumps({"owner": users[7], "title": f"New {i}", "body": BODY, "n": -1}).encode()),
            "update": lambda i: request("PATCH", f"{path}/{mine[i % len(mine)]}", headers, json.dumps({"title": f"Changed {i}"}).encode()),
        },
    )  # fmt: skip


def sign_in(base: str, collection: str, identity: str, password: str) -> str:
    answer = httpx2.post(f"{base}/api/collections/{collection}/auth-with-password", json={"identity": identity, "password": password})
    return str(answer.json()["token"])


def wait_for(url: str, seconds: float = 20) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            if httpx2.get(url).status_code == 200:
                return
        except httpx2.HTTPError:
            time.sleep(0.05)
    raise TimeoutError(url)


async def run(peers: list[Peer], rounds: int, requests: int) -> dict[str, dict[str, Sample]]:
    """Every operation on every peer, peers alternating, `rounds` times after one warm-up."""
    samples: dict[tuple[str, str], list[Sample]] = {}
    for number in range(rounds + 1):
        for operation in OPERATIONS:
            for peer in peers if number % 2 else reversed(peers):
                sample = await measure(peer.port, peer.process.pid, peer.make[operation], requests=requests if number else requests // 5)
                if number:
                    samples.setdefault((operation, peer.name), []).append(sample)
    return {operation: {peer.name: median(samples[operation, peer.name]) for peer in peers} for operation in OPERATIONS}


def show(results: dict[str, dict[str, Sample]], peers: list[Peer]) -> None:
    ours, theirs = peers
    print(f"\n{'':10}{'requests/s':>24}{'CPU µs/request':>24}{'p50 ms':>16}{'p99 ms':>16}{'CPU':>8}{'rate':>8}")
    print(f"{'':10}" + f"{ours.name:>12}{theirs.name:>12}" * 2 + f"{'ours':>8}{'theirs':>8}" * 2 + f"{'ratio':>8}{'ratio':>8}")
    for operation, row in results.items():
        a, b = row[ours.name], row[theirs.name]
        print(
            f"{operation:10}{a.per_second:12,.0f}{b.per_second:12,.0f}{a.cpu_us:12,.0f}{b.cpu_us:12,.0f}{a.p50_ms:8.2f}{b.p50_ms:8.2f}"
            f"{a.p99_ms:8.2f}{b.p99_ms:8.2f}{b.cpu_us / a.cpu_us:7.1f}×{a.per_second / b.per_second:7.1f}×"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0], formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--requests", type=int, default=3000, help="requests of one operation in one round")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        peers: list[Peer] = []
        try:
            peers.append(start_baaskit(Path(scratch) / "baaskit", given.rows))
            peers.append(start_pocketbase(Path(scratch) / "pocketbase", given.rows))
            print(
                f"{given.rows:,} rows, {OWNERS:,} owners, 32 connections, {given.rounds} rounds of {given.requests} requests; load before: {psutil.getloadavg()[0]:.2f}"
            )
            results = asyncio.run(run(peers, given.rounds, given.requests))
            show(results, peers)
            memory = {p.name: psutil.Process(p.process.pid).memory_info().rss // 2**20 for p in peers}
            print("resident MB after the run: " + ", ".join(f"{name} {mb}" for name, mb in memory.items()))
        finally:
            for peer in peers:
                peer.process.terminate()
                peer.process.wait()
    target = Path(__file__).parent / "results" / "data.json"
    target.parent.mkdir(exist_ok=True)
    said = {
        "command": " ".join(["python", "bench/data.py", *sys.argv[1:]]),
        "machine": platform.platform(),
        "versions": {p.name: p.version for p in peers},
    }
    figures = {op: {name: asdict(sample) for name, sample in row.items()} for op, row in results.items()}
    target.write_text(json.dumps({**said, "resident_mb": memory, "results": figures}, indent=1) + "\n")


if __name__ == "__main__":
    main()
