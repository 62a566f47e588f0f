"""What keeps a function's process in its bounds: the level is chosen at start, from what this machine offers.

| level   | stops                                                        | does not stop                                  |
|---------|--------------------------------------------------------------|------------------------------------------------|
| bwrap   | seeing files, processes and secrets of the host; writing      | kernel faults; reaching the network if allowed |
|         | anywhere but a private /tmp; memory, processes, open files    |                                                |
| uid     | the server's files and memory (another user id, root's home   | reading what every user may read, the network  |
|         | covered); memory, processes, open files                       |                                                |
| rlimits | runaway memory, processes, file sizes, time                   | reading what the server's own user may read    |
"""

from __future__ import annotations

import ctypes
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

Level = Literal["bwrap", "uid", "rlimits"]
LEVELS: tuple[Level, ...] = ("bwrap", "uid", "rlimits")

_SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
_ETC = (
    "alternatives", "ca-certificates", "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "localtime", "mime.types", "nsswitch.conf", "hosts",
    "resolv.conf", "ssl", "pki", "timezone", "fonts",
)  # fmt: skip
_TMP = "/tmp"  # noqa: S108  # in bwrap a private one; otherwise tempfile's names are not guessable
_TMP_BYTES = 256 * 2**20
_SPARE_PROCESSES = 48  # what functions may start themselves, threads included, over the workers
_FILE_BYTES = 256 * 2**20
_OPEN_FILES = 256
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_CHILD_SUBREAPER, _PR_SET_NO_NEW_PRIVS = 1, 4, 36, 38


@dataclass(frozen=True, slots=True)
class Sandbox:
    """How processes of a release are started. `uid` is what they run as, None for the server's own user."""

    level: Level
    uid: int | None
    network: bool = True

    @property
    def description(self) -> str:
        """One line for the log and `status`: what the level does and does not stop."""
        who = f"user id {self.uid}" if self.uid is not None else "the server's own user"
        if self.level == "bwrap":
            return f"bubblewrap: own file system, processes and /tmp, as {who}, {'with' if self.network else 'no'} network"
        if self.level == "uid":
            return f"another user ({who}) with limits; functions can read what every user can; install bubblewrap for more"
        return f"limits only, as {who}: functions can read what the server can; install bubblewrap for isolation"


def choose(*, network: bool = True, levels: tuple[Level, ...] = LEVELS) -> Sandbox:
    """The first of `levels` that works here, found by trying it (takes about 0.1 s each; blocks)."""
    for level in levels:
        sandbox = Sandbox(level, _spare_uid() if os.geteuid() == 0 and level != "rlimits" else None, network)
        if (level == "uid" and sandbox.uid is None) or (level == "bwrap" and not shutil.which("bwrap")):
            continue
        if level == "rlimits" or _works(sandbox):
            return sandbox
    return Sandbox("rlimits", None, network)


def command(sandbox: Sandbox, folder: Path, arguments: list[str]) -> list[str]:
    """The command that runs this Python with `arguments` in the sandbox, `folder` readable."""
    python = [sys.executable, "-P"]
    if sandbox.level == "bwrap":
        return [*_bwrap(sandbox, folder), *python, *arguments]
    if sandbox.level == "uid":
        return [*python, "-m", "baaskit.functions.doorway", *map(str, _places(folder)), "--", *python, *arguments]
    return [*python, *arguments]


def environment(folder: Path) -> dict[str, str]:
    """All that a function's process finds in its environment: no variable of the server's."""
    return {
        "PATH": f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin",
        "PYTHONPATH": os.pathsep.join(dict.fromkeys(str(path.parent) for path in _packages())),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONNOUSERSITE": "1",
        "LANG": "C.UTF-8",
        "HOME": _TMP,
        "TMPDIR": _TMP,
    }


def process_limit(sandbox: Sandbox, workers: int) -> int:
    """RLIMIT_NPROC for workers. It counts all of a user's threads, so without a user of their own the others are added."""
    return workers + _SPARE_PROCESSES + (_threads_of(os.getuid()) if sandbox.uid is None and sandbox.level != "bwrap" else 0)


def become(uid: int | None) -> None:
    """In the zygote, before any author code: give up root for good, take no new privileges, end with the parent.

    Short of memory the system ends functions before the server, and the server's work goes before theirs.
    """
    os.nice(5)
    _write("/proc/self/oom_score_adj", "500")  # before the lines below make /proc/self unwritable
    if uid is not None:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    _prctl(_PR_SET_DUMPABLE, 0)  # no process of the same user may read our memory
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def confine(*, memory: int, processes: int, zygote: int) -> None:
    """In a worker, right after the fork: own session, own limits, end with the zygote. `memory`: bytes over the zygote's own."""
    os.setsid()
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != zygote:  # it ended before the line above
        os._exit(0)
    _limit(resource.RLIMIT_DATA, _data_bytes() + memory)
    _limit(resource.RLIMIT_NPROC, processes)
    _limit(resource.RLIMIT_FSIZE, _FILE_BYTES)
    _limit(resource.RLIMIT_NOFILE, _OPEN_FILES)


def _limit(which: int, value: int) -> None:
    hard = resource.getrlimit(which)[1]
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(which, (value, value))


def _write(path: str, text: str) -> None:
    with suppress(OSError):
        Path(path).write_text(text)


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)


def _data_bytes() -> int:
    """Private writable memory of this process: what RLIMIT_DATA counts."""
    try:
        with open("/proc/self/status") as status:
            return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmData:"))
    except (OSError, StopIteration):
        return 256 * 2**20


def _packages() -> list[Path]:
    """Our own packages, where they run from a source tree and are not in the environment's site-packages."""
    found = [find_spec(name) for name in ("baaskit", "baaskit_client")]
    return [Path(spec.origin).resolve().parent for spec in found if spec and spec.origin and "site-packages" not in spec.origin]


def _places(folder: Path) -> list[Path]:
    """What a function's Python must be able to read, besides the system."""
    interpreter = [Path(prefix) for prefix in (sys.base_prefix, sys.prefix)]
    return list(dict.fromkeys([*interpreter, *(prefix.resolve() for prefix in interpreter), *_packages(), folder]))


def _bwrap(sandbox: Sandbox, folder: Path) -> list[str]:
    arguments = ["bwrap", "--die-with-parent", "--unshare-ipc", "--unshare-pid", "--unshare-uts", "--unshare-cgroup-try"]
    arguments += [] if sandbox.network else ["--unshare-net"]
    if sandbox.uid is None:
        arguments += ["--unshare-user", "--disable-userns", "--cap-drop", "ALL"]
    else:  # root: the zygote gives up root itself, so that files which only root's home leads to can be shown to it
        arguments += ["--cap-drop", "ALL", "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]
    for path in _SYSTEM:
        target = Path(path)
        if target.is_symlink():
            arguments += ["--symlink", os.readlink(path), path]
        elif target.exists():
            arguments += ["--ro-bind", path, path]
    for name in _ETC:
        arguments += ["--ro-bind-try", f"/etc/{name}", f"/etc/{name}"]
    arguments += ["--proc", "/proc", "--dev", "/dev", "--perms", "1777", "--size", str(_TMP_BYTES), "--tmpfs", _TMP]
    for place in _places(folder):
        if not any(place.is_relative_to(system) for system in _SYSTEM):
            for above in reversed(place.parents[:-1]):  # by itself bwrap makes them for its own user only
                arguments += ["--perms", "0755", "--dir", str(above)] if above != Path(_TMP) else []
            arguments += ["--ro-bind", str(place), str(place)]
    return [*arguments, "--chdir", _TMP, "--"]


def _works(sandbox: Sandbox) -> bool:
    """Whether a process in the sandbox starts, can give up root, and can still load what functions need."""
    probe = f"from baaskit.functions import sandbox; sandbox.become({sandbox.uid!r}); import baaskit.functions.worker, json, decimal"
    with tempfile.TemporaryDirectory() as folder:
        tried = command(sandbox, Path(folder), ["-c", probe])
        try:
            done = subprocess.run(  # noqa: S603  # the command is ours
                tried, env=environment(Path(folder)), stdin=subprocess.DEVNULL, capture_output=True, timeout=20, cwd="/", check=False
            )
        except (OSError, subprocess.TimeoutExpired):
            return False
    return done.returncode == 0


def _spare_uid() -> int:
    """A user id that nobody else has, so that limits per user are ours alone; `nobody` where ids are few (containers)."""
    try:
        ranges = [list(map(int, line.split())) for line in Path("/proc/self/uid_map").read_text().splitlines()]
    except (OSError, ValueError):
        ranges = []
    wanted = 1_000_000_000 + os.getpid()
    return wanted if any(start <= wanted < start + size for start, _, size in ranges) else 65534


def _threads_of(uid: int) -> int:
    count = 0
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            lines = dict(line.split(":", 1) for line in status.read_text().splitlines() if ":" in line)
        except OSError:
            continue
        if int(lines["Uid"].split()[0]) == uid:
            count += int(lines["Threads"])
    return count
