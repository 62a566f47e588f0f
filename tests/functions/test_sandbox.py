"""What code in a function can reach, at the level of this machine and at the lowest."""

from __future__ import annotations

import os
from typing import Any

import pytest

from baaskit.functions import sandbox

pytestmark = pytest.mark.anyio

PROBE = """
    import os, socket
    from pathlib import Path
    from baaskit.functions import http

    def tried(action):
        try: return repr(action())
        except Exception as problem: return type(problem).__name__

    @http("environment")
    def environment(ctx): return dict(os.environ)

    @http("read")
    def read(ctx, path: str): return tried(lambda: Path(path).read_text()[:20])

    @http("write")
    def write(ctx, path: str): return tried(lambda: Path(path).write_text("x"))

    @http("self")
    def itself(ctx):
        return [os.getuid(), tried(lambda: os.setuid(0)), tried(lambda: Path(__file__).write_text("x")), len(os.listdir("/proc/self/fd"))]

    @http("signal")
    def signal(ctx, pid: int): return tried(lambda: os.kill(pid, 0))

    @http("memory")
    def memory(ctx, pid: int): return tried(lambda: open(f"/proc/{pid}/mem", "rb").close())

    @http("temp")
    def temp(ctx):
        import tempfile
        with tempfile.NamedTemporaryFile("w+") as file:
            file.write("kept"); file.seek(0)
            return file.read()
"""


async def test_no_variable_of_the_server_is_visible(make_rig: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BAAS_JWT_SECRET", "x" * 40)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "y")
    rig = await make_rig(probe=PROBE)
    seen = (await rig.call("environment")).json()
    assert set(seen) <= {"PATH", "PYTHONDONTWRITEBYTECODE", "PYTHONNOUSERSITE", "LANG", "HOME", "TMPDIR", "PWD", "LC_CTYPE"}


async def test_the_projects_secrets_and_database_are_out_of_reach(make_rig: Any, box: Any) -> None:
    if box.level == "rlimits":
        pytest.skip("this level does not hide files; it says so")
    rig = await make_rig(probe=PROBE)
    for file in ("keys.json", "data.db"):
        path = str(rig.folder.parent / file)
        assert os.path.exists(path)
        assert (await rig.call("read", json={"path": path})).text in ("FileNotFoundError", "PermissionError")
    for path in ("/etc/shadow", "/root/.bashrc"):
        assert (await rig.call("read", json={"path": path})).text in ("FileNotFoundError", "PermissionError"), path


async def test_code_and_system_cannot_be_written(make_rig: Any, box: Any) -> None:
    if box.level == "rlimits":
        pytest.skip("this level does not protect files; it says so")
    rig = await make_rig(probe=PROBE)
    uid, setuid, own_code, descriptors = (await rig.call("self")).json()
    assert uid != 0
    assert setuid in ("PermissionError", "OSError")
    assert own_code in ("PermissionError", "OSError")
    assert descriptors < 12
    for path in ("/usr/lib/x", "/etc/x", str(rig.folder / "shop.py")):
        assert (await rig.call("write", json={"path": path})).text in ("OSError", "PermissionError", "FileNotFoundError")
    assert (await rig.call("temp")).text == "kept"


async def test_the_server_process_cannot_be_touched(make_rig: Any, box: Any) -> None:
    if box.level == "rlimits":
        pytest.skip("this level runs as the server's user; it says so")
    rig = await make_rig(probe=PROBE)
    assert (await rig.call("signal", json={"pid": os.getpid()})).text in ("ProcessLookupError", "PermissionError")
    assert (await rig.call("memory", json={"pid": os.getpid()})).text in ("FileNotFoundError", "PermissionError")


@pytest.mark.parametrize("level", sandbox.LEVELS)
async def test_each_level_that_works_here_runs_functions_and_states_what_it_is(make_rig: Any, level: sandbox.Level) -> None:
    chosen = sandbox.choose(levels=(level,))
    if chosen.level != level:
        pytest.skip(f"{level} does not work on this machine")
    rig = await make_rig(start=False, probe=PROBE)
    rig.service.sandbox = chosen
    await rig.service.start()
    assert (await rig.call("temp")).text == "kept"
    assert chosen.description


async def test_without_a_network_nothing_outside_is_reached(make_rig: Any, box: Any) -> None:
    if box.level != "bwrap":
        pytest.skip("only bubblewrap can take the network away")
    rig = await make_rig(
        start=False,
        probe="""
            import socket
            from baaskit.functions import http
            @http("interfaces")
            def interfaces(ctx): return [name for _, name in socket.if_nameindex()]
        """,
    )
    rig.service.sandbox = sandbox.Sandbox(box.level, box.uid, network=False)
    await rig.service.start()
    assert (await rig.call("interfaces")).json() == ["lo"]
