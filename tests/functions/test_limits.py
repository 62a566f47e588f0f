"""What a function cannot do to others: run for ever, eat the memory, multiply, flood; and the server goes on."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.anyio

HOSTILE = """
    import asyncio, os, socket, subprocess, sys, threading, time
    from baaskit.functions import http

    @http("ok", auth="anon", concurrency=1)
    def ok(ctx): return os.getpid()

    @http("spins", timeout=0.4)
    def spins(ctx):
        while True: pass

    @http("sleeps", timeout=0.4)
    async def sleeps(ctx): await asyncio.sleep(100)

    @http("stubborn", timeout=0.5)
    def stubborn(ctx):
        import signal
        for s in (signal.SIGTERM, signal.SIGINT, signal.SIGALRM): signal.signal(s, signal.SIG_IGN)
        child = subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(100)"], start_new_session=True)
        print("child", child.pid)
        time.sleep(100)

    @http("dies")
    def dies(ctx): os._exit(3)

    @http("segv")
    def segv(ctx):
        import ctypes
        ctypes.string_at(0)

    @http("eats", memory=64 * 2**20, timeout=10)
    def eats(ctx):
        kept = []
        while True: kept.append(bytearray(4 * 2**20))

    @http("big", timeout=10)
    def big(ctx): return b"x" * (40 * 2**20)

    @http("bomb", timeout=2)
    def bomb(ctx):
        forked = 0
        while True:
            try:
                if os.fork() == 0:
                    while True:
                        try: os.fork()
                        except OSError: time.sleep(0.01)
                forked += 1
            except OSError:
                time.sleep(0.01)

    @http("flood", timeout=20)
    def flood(ctx):
        while True: print("x" * 10000)

    @http("slow", concurrency=1, timeout=5)
    async def slow(ctx):
        await asyncio.sleep(0.3)
        return "done"

    @http("lies")
    def lies(ctx):
        for fd in range(3, 64):
            try: os.write(fd, b"\\xff" * 64)
            except OSError: pass
        time.sleep(1)
"""


@pytest.fixture
async def rig(make_rig: Any) -> Any:
    return await make_rig(hostile=HOSTILE)


@pytest.mark.parametrize("function", ["spins", "sleeps"])
async def test_a_function_that_does_not_end_is_killed_and_answers_504(rig: Any, function: str) -> None:
    started = time.monotonic()
    answer = await rig.call(function)
    assert (answer.status_code, answer.json()["code"]) == (504, "WORKER_TIMEOUT")
    assert time.monotonic() - started < 2
    assert (await rig.call("ok")).status_code == 200


async def test_a_killed_function_takes_its_children_along(rig: Any) -> None:
    marker = "time.sleep(100)"
    before = _processes_with(marker)
    answer = await rig.call("stubborn")
    assert answer.status_code == 504
    assert rig.service.invocations.recent("stubborn")[0].logs
    await _until(lambda: _processes_with(marker) <= before)


@pytest.mark.parametrize("function", ["dies", "segv"])
async def test_a_process_that_ends_answers_500_with_an_id(rig: Any, function: str) -> None:
    answer = await rig.call(function)
    assert (answer.status_code, answer.json()["code"]) == (500, "WORKER_ERROR")
    assert rig.service.invocations.find(answer.json()["id"]).outcome == "died"
    assert (await rig.call("ok")).status_code == 200


async def test_memory_is_limited_and_the_error_says_so(rig: Any) -> None:
    answer = await rig.call("eats")
    assert (answer.status_code, answer.json()["code"]) == (546, "WORKER_LIMIT")
    assert "memory" in answer.json()["msg"]
    assert (await rig.call("ok")).status_code == 200


async def test_a_result_over_the_limit_is_an_error_and_not_sent(rig: Any) -> None:
    answer = await rig.call("big")
    assert (answer.status_code, answer.json()["code"]) == (546, "WORKER_LIMIT")


async def test_a_fork_bomb_is_bounded_and_cleared_away(rig: Any, box: Any) -> None:
    if box.level == "rlimits" and os.geteuid() == 0:
        pytest.skip("without a user of its own nothing bounds root's processes; the level says so")
    before, during = _processes(), 0  # of the whole machine, which other tests use too
    running = asyncio.create_task(rig.call("bomb"))
    await _until(lambda: rig.service._pool.processes == 1)
    while not running.done():
        during = max(during, _processes())
        assert (await rig.http.post("/functions/v1/ok")).status_code == 200
        await asyncio.sleep(0.05)
    assert (await running).status_code == 504
    assert during - before < 400
    await _until(lambda: _workers_of(rig) <= 2)
    assert (await rig.call("ok")).status_code == 200


async def test_a_flood_of_output_ends_the_worker(rig: Any) -> None:
    answer = await rig.call("flood")
    assert answer.status_code == 500
    record = rig.service.invocations.find(answer.json()["id"])
    assert (record.outcome, len(record.logs) < 300) == ("died", True)


async def test_garbage_on_the_pipe_ends_the_worker_alone(rig: Any) -> None:
    answer = await rig.call("lies")
    assert answer.status_code == 500
    assert (await rig.call("ok")).status_code == 200


async def test_calls_over_the_concurrency_wait_their_turn(rig: Any) -> None:
    answers = await asyncio.gather(*(rig.call("slow") for _ in range(3)))
    assert [a.text for a in answers] == ["done"] * 3
    assert max(i.queue_ms for i in rig.service.invocations.recent("slow")) > 400


async def test_a_full_queue_answers_429_and_when_to_come_back(make_rig: Any) -> None:
    rig = await make_rig(hostile=HOSTILE, start=False)
    from dataclasses import replace

    rig.service._limits = replace(rig.service._limits, queue=1)
    await rig.service.start()
    answers = await asyncio.gather(*(rig.call("slow") for _ in range(4)))
    assert sorted(a.status_code for a in answers) == [200, 200, 429, 429]
    busy = next(a for a in answers if a.status_code == 429)
    assert (busy.headers["retry-after"], busy.json()["code"]) == ("1", "TOO_MANY_REQUESTS")


async def test_one_busy_function_does_not_hold_up_another(rig: Any) -> None:
    slow = [asyncio.create_task(rig.call("slow")) for _ in range(6)]
    started = time.monotonic()
    assert (await rig.call("ok")).status_code == 200
    assert time.monotonic() - started < 0.3
    await asyncio.gather(*slow)


async def test_warm_calls_reuse_a_process_and_idle_ones_are_let_go(rig: Any) -> None:
    pids = {(await rig.call("ok")).text for _ in range(3)}
    assert len(pids) == 1
    pool = rig.service._pool
    assert pool.idle("http:ok") == 1
    pool._clock = lambda: time.monotonic() + 1000
    await pool.warm()
    assert (pool.idle("http:ok"), pool.processes) == (0, 0)


async def test_cold_and_warm_times_are_shown(rig: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """A measurement to read, not a limit: machines differ."""
    times = []
    for _ in range(20):
        started = time.perf_counter()
        await rig.call("ok")
        times.append((time.perf_counter() - started) * 1000)
    records = rig.service.invocations.recent("ok")
    with capsys.disabled():
        print(f"\nfunction: first call {times[0]:.1f} ms (fork {records[-1].queue_ms} ms), warm {sorted(times[1:])[9]:.2f} ms")
    assert [r.cold for r in reversed(records)] == [True] + [False] * 19


async def _until(true: Any, seconds: float = 10) -> None:
    async with asyncio.timeout(seconds):
        while not true():
            await asyncio.sleep(0.02)


def _processes() -> int:
    return sum(entry.name.isdigit() for entry in Path("/proc").iterdir())


def _processes_with(marker: str) -> int:
    found = 0
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found += marker in path.read_text().replace("\0", " ")
        except OSError:
            continue
    return found


def _workers_of(rig: Any) -> int:
    """Processes below the zygote."""
    parents: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            pid, rest = path.read_text().split(" ", 1)
        except OSError:
            continue
        parents.setdefault(int(rest.rsplit(")", 1)[1].split()[1]), []).append(int(pid))
    count, todo = 0, [rig.service._pool.release._process.pid]
    while todo:
        children = parents.get(todo.pop(), [])
        count += len(children)
        todo += children
    return count - 2  # bwrap's inner process and the zygote (fewer without bwrap)
