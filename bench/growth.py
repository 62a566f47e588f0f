"""What a table's size and the number of its policies cost: get and list 50 at 10⁴, 10⁵ and 10⁶ rows, and under 50 policies, on SQLite.

    python bench/growth.py [--rounds 5] [--requests 3000]

All servers run in one go and take turns; an owner has 100 rows in each. Ratios are to 10⁵ rows under one policy. Results go to
bench/results/growth.json.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import platform
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))
from bench.data import OWN, Peer, start_baaskit
from bench.load import measure, median

OPERATIONS = ("get", "list 50")
MANY = OWN + "".join(
    f"create policy \"also {n}\" on items for select to authenticated using (n = {-n} and title = 't{n}');\n" for n in range(1, 50)
)
CASES = {"100 000 rows": (100_000, OWN), "10 000 rows": (10_000, OWN), "1 000 000 rows": (1_000_000, OWN), "50 policies": (100_000, MANY)}


async def run(peers: dict[str, Peer], rounds: int, requests: int) -> dict[str, dict[str, float]]:
    """CPU µs per request: operation → case."""
    found: dict[str, dict[str, float]] = {}
    for operation in OPERATIONS:
        samples: dict[str, list[object]] = {name: [] for name in peers}
        for number in range(rounds + 1):
            for name, peer in peers.items():
                sample = await measure(peer.port, peer.process.pid, peer.make[operation], requests=requests if number else requests // 5)
                if number:
                    samples[name].append(sample)
        found[operation] = {name: median(listed).cpu_us for name, listed in samples.items()}  # type: ignore[arg-type]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0], formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--requests", type=int, default=3000, help="requests of one operation in one round")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        peers: dict[str, Peer] = {}
        try:
            for number, (name, (rows, policies)) in enumerate(CASES.items()):
                peers[name] = start_baaskit(Path(scratch) / str(number), rows, rows // 100, policies)
            found = asyncio.run(run(peers, given.rounds, given.requests))
        finally:
            for peer in peers.values():
                peer.process.terminate()
                peer.process.wait()
    base = next(iter(CASES))
    print("CPU µs per request (and its ratio to the first)")
    print(f"{'':10}" + "".join(f"{name:>24}" for name in CASES))
    for operation, row in found.items():
        print(f"{operation:10}" + "".join(f"{row[name]:>16,.0f} ({row[name] / row[base]:.2f})" for name in CASES))
    target = Path(__file__).parent / "results" / "growth.json"
    said = {"command": " ".join(["python", "bench/growth.py", *sys.argv[1:]]), "machine": platform.platform()}
    target.write_text(json.dumps({**said, "cpu_us": found}, indent=1) + "\n")


if __name__ == "__main__":
    main()
