"""A release is loaded whole or not at all; saving switches to a new one without dropping a call."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path
from typing import Any

import pytest

from baaskit.errors import Faults
from baaskit.functions.release import sweep
from baaskit.functions.service import check

pytestmark = pytest.mark.anyio

ONE = """
    import asyncio
    from baaskit.functions import http
    from _shared import VERSION

    @http("version")
    async def version(ctx): return VERSION

    @http("slow")
    async def slow(ctx):
        await asyncio.sleep(0.5)
        return VERSION
"""


async def test_reload_switches_to_the_new_code_and_calls_under_way_end_on_the_old(make_rig: Any) -> None:
    rig = await make_rig(shop=ONE, _shared="VERSION = 'one'")
    first = rig.service.manifest.release
    under_way = asyncio.create_task(rig.call("slow"))
    while not rig.service._pool.processes:
        await asyncio.sleep(0.01)
    rig.write(_shared="VERSION = 'two'")
    assert (await rig.call("version")).text == "one"
    await rig.service.reload()
    assert (await rig.call("version")).text == "two"
    assert (await under_way).text == "one"
    assert rig.service.manifest.release != first


async def test_a_steady_stream_of_calls_never_fails_while_releases_change(make_rig: Any) -> None:
    rig = await make_rig(shop=ONE, _shared="VERSION = '0'")
    statuses: list[int] = []
    done = asyncio.Event()

    async def caller() -> None:
        while not done.is_set():
            statuses.append((await rig.call("version")).status_code)

    callers = [asyncio.create_task(caller()) for _ in range(3)]
    for version in range(1, 4):
        rig.write(_shared=f"VERSION = '{version}'")
        await rig.service.reload()
    done.set()
    await asyncio.gather(*callers)
    assert (set(statuses), (await rig.call("version")).text) == ({200}, "3")


FAULTS = {
    "syntax": ("def broken(:\n    pass\n", 1, "SyntaxError"),
    "missing": ("import os\nimport nothing_like_this\n", 2, "No module named 'nothing_like_this'"),
    "raises": ("x = 1\n\ny = x / 0\n", 3, "ZeroDivisionError"),
    "exits": ("import sys\nsys.exit(1)\n", 2, "SystemExit"),
    "operation": ("from baaskit.functions import before\n@before('upsert', 'orders')\ndef f(ctx, row): ...\n", 2, "operation must be of"),
    "no_context": ("from baaskit.functions import http\n@http()\ndef f(): ...\n", 2, "must take the context"),
    "bad_hint": ("from baaskit.functions import http\n@http()\ndef f(ctx, a: 'Nowhere'): ...\n", 2, "Nowhere"),
    "twice": ("from baaskit.functions import http\n@http('f')\ndef f(ctx): ...\n@http('f')\ndef g(ctx): ...\n", 4, "declared twice"),
    "secrets": ("", 0, "belongs to a module of Python"),
}


@pytest.mark.parametrize("name", FAULTS)
async def test_a_fault_names_file_and_line_and_the_old_release_stays(make_rig: Any, name: str) -> None:
    source, line, words = FAULTS[name]
    rig = await make_rig(shop=ONE, _shared="VERSION = 'one'")
    (rig.folder / f"{name}.py").write_text(source)
    with pytest.raises(Faults) as caught:
        await rig.service.reload()
    [fault] = caught.value.faults
    assert (Path(fault.file).name, fault.line) == (f"{name}.py", line)
    assert words in fault.message
    assert str(rig.folder) in fault.file
    assert (await rig.call("version")).text == "one"


async def test_all_faults_are_told_at_once(make_rig: Any, box: Any) -> None:
    rig = await make_rig(start=False, a="1/0", b="import nothing_like_this", c=ONE, _shared="VERSION = 1")
    with pytest.raises(Faults) as caught:
        await check(rig.folder, box)
    assert [Path(f.file).name for f in caught.value.faults] == ["a.py", "b.py"]


async def test_a_secret_without_a_value_is_a_fault(make_rig: Any) -> None:
    rig = await make_rig(start=False, shop="from baaskit.functions import http\n@http(secrets=['KEY'])\ndef f(ctx): ...\n")
    with pytest.raises(Faults, match="declares the secret 'KEY'"):
        await rig.service.start()


async def test_without_a_release_calls_answer_503(make_rig: Any) -> None:
    rig = await make_rig(start=False, shop="1/0")
    await rig.service.start(tolerate_faults=True)
    answer = await rig.call("version")
    assert (answer.status_code, answer.json()["code"]) == (503, "BOOT_ERROR")
    assert "ZeroDivision" not in answer.text


async def test_a_project_without_functions_starts_no_process(make_rig: Any) -> None:
    rig = await make_rig()
    assert (rig.service._pool, (await rig.call("version")).status_code) == (None, 404)


async def test_check_says_what_is_declared_and_leaves_nothing_behind(make_rig: Any, box: Any) -> None:
    rig = await make_rig(start=False, shop=ONE, _shared="VERSION = 1")
    manifest = await check(rig.folder, box)
    assert sorted(manifest.functions) == ["http:slow", "http:version"]
    assert (manifest.functions["http:version"].file, manifest.functions["http:version"].line) == ("shop.py", 6)


async def test_modules_of_the_folder_import_one_another_once(make_rig: Any) -> None:
    rig = await make_rig(
        a_first="import b_second\nfrom baaskit.functions import http\n@http('a')\ndef a(ctx): return b_second.NAME\n",
        b_second="from baaskit.functions import http\nNAME = 'b'\n@http('b')\ndef b(ctx): return NAME\n",
    )
    assert [(await rig.call(name)).text for name in ("a", "b")] == ["b", "b"]


async def test_a_thread_started_at_import_is_warned_of(make_rig: Any) -> None:
    rig = await make_rig(shop="import threading, time\nthreading.Thread(target=time.sleep, args=(60,), daemon=True).start()\n")
    assert "starts a thread" in rig.service.manifest.warnings[0]


async def test_a_lost_zygote_is_replaced(make_rig: Any) -> None:
    rig = await make_rig(shop=ONE, _shared="VERSION = 'one'")
    release = rig.service._pool.release
    os.kill(release._process.pid, 9)
    async with asyncio.timeout(10):
        while rig.service._pool.release is release:
            await asyncio.sleep(0.05)
    assert (await rig.call("version")).text == "one"


async def test_stop_leaves_no_process_and_no_file(make_rig: Any) -> None:
    rig = await make_rig(shop=ONE, _shared="VERSION = 'one'")
    await rig.call("version")
    release = rig.service._pool.release
    await rig.service.stop()
    assert (release._process.poll() is None, release.copy.parent.exists()) == (False, False)


async def test_min_instances_are_kept_warm(make_rig: Any) -> None:
    rig = await make_rig(shop="from baaskit.functions import http\n@http('warm', min_instances=2)\ndef warm(ctx): return 1\n")
    await rig.service._pool.warm()
    await rig.call("warm")
    assert (rig.service._pool.idle("http:warm"), rig.service.invocations.recent("warm")[0].cold) == (2, False)


async def test_copies_of_killed_servers_are_swept_and_those_in_use_are_not(make_rig: Any, tmp_path: Path) -> None:
    rig = await make_rig(shop=ONE, _shared="VERSION = 'one'")
    in_use, left = rig.service._pool.release.copy.parent, _left_behind(tmp_path)
    linked = tmp_path / in_use.name
    in_use.rename(linked)
    sweep(tmp_path, time.time())
    assert (linked.exists(), left.exists()) == (True, True)
    sweep(tmp_path, time.time() + 1000)
    assert (linked.exists(), left.exists()) == (True, False)
    linked.rename(in_use)


def _left_behind(folder: Path) -> Path:
    left = folder / "baaskit-functions-left"
    (left / "functions").mkdir(parents=True)
    return left
