"""One release in the server: a private copy of the functions folder, and the zygote that was started from it."""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import logging
import os
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from baaskit.errors import Fault, Faults
from baaskit.functions import sandbox
from baaskit.functions.frames import BadFrame, Control, Decoder, Hello, encode
from baaskit.functions.manifest import Manifest, from_json

log = logging.getLogger("baaskit.functions")

_CONTROL_LIMIT = 16 * 2**20
_IMPORT_SECONDS = 30.0
_FORK_SECONDS = 10.0
_REMEMBERED_EXITS = 64
_PREFIX = "baaskit-functions-"
_YOUNG_SECONDS = 60.0  # a copy this fresh may not be locked yet
_CREDENTIALS = struct.Struct("3i")  # pid, uid, gid of SCM_CREDENTIALS
_SKIPPED = shutil.ignore_patterns("__pycache__", "*.pyc", ".*", "node_modules")


@dataclass(frozen=True, slots=True)
class Limits:
    """Sizes in bytes. `frame` bounds what may cross a pipe in one message."""

    workers: int = 8
    frame: int = 72 * 2**20
    result: int = 32 * 2**20


@dataclass(frozen=True, slots=True)
class Forked:
    """A fresh worker: our end of its socket (non-blocking), and its process id as this process sees it."""

    number: int
    pid: int
    sock: socket.socket


class ForkFailed(Exception):
    """The zygote could not make a worker."""


class Release:
    """Make with `await Release.start(...)`, end with `stop()`. `manifest` says what it holds."""

    def __init__(self, copy: Path, process: subprocess.Popen[bytes], control: socket.socket, output: int) -> None:
        self.manifest = Manifest()
        self.copy = copy
        self._lock = os.open(copy.parent, os.O_RDONLY)
        fcntl.flock(self._lock, fcntl.LOCK_SH)  # held while we live; see `sweep`
        self._process = process
        self._control = control
        self._decoder = Decoder(_CONTROL_LIMIT)
        self._output = output
        self._loop = asyncio.get_running_loop()
        self._manifest: asyncio.Future[dict[str, Any]] = self._loop.create_future()
        self._numbers = count(1)
        self._forking = asyncio.Lock()
        self._forked: asyncio.Future[dict[str, Any]] | None = None
        self._exits: dict[int, asyncio.Future[int]] = {}
        self.alive = True

    @classmethod
    async def start(cls, folder: Path, box: sandbox.Sandbox, limits: Limits) -> Release:
        """Import `folder` in a new zygote. Raises Faults, naming every file and line that is wrong; nothing is left behind then."""
        await asyncio.to_thread(sweep, Path(tempfile.gettempdir()), time.time())
        copy, digest = await asyncio.to_thread(_copy, folder)
        ours, theirs = socket.socketpair()
        read, write = os.pipe()
        argv = sandbox.command(box, copy, ["-m", "baaskit.functions.zygote", str(theirs.fileno())])
        try:
            process = subprocess.Popen(  # noqa: S603  # the command is ours, only paths vary
                argv, env=sandbox.environment(copy), stdin=subprocess.DEVNULL, stdout=write, stderr=write, cwd="/",
                pass_fds=[theirs.fileno()], start_new_session=True,
            )  # fmt: skip
        except OSError:
            shutil.rmtree(copy.parent, ignore_errors=True)
            raise
        finally:
            theirs.close()
            os.close(write)
        release = cls(copy, process, ours, read)
        try:
            await release._boot(copy, folder, digest, box, limits)
        except BaseException:
            await release.stop()
            raise
        return release

    async def fork(self, key: str, memory: int) -> Forked:
        """A worker for the function `key`, ready for calls, with `memory` bytes for itself. Raises ForkFailed."""
        number = next(self._numbers)
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self._exits[number] = self._loop.create_future()
        try:
            async with asyncio.timeout(_FORK_SECONDS):
                async with self._forking:
                    if not self.alive:
                        raise ForkFailed("the release has ended")
                    self._forked = self._loop.create_future()
                    socket.send_fds(
                        self._control, [encode(Control("fork", {"number": number, "key": key, "memory": memory}))], [theirs.fileno()]
                    )
                    answer = await self._forked
                if not answer["pid"]:
                    raise ForkFailed(answer["error"])
                return Forked(number, await _greeted(self._loop, ours), ours)
        except (OSError, TimeoutError, BadFrame) as problem:
            ours.close()
            raise ForkFailed(str(problem) or "the worker did not start in time") from problem
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()

    async def exit_status(self, number: int, seconds: float = 0.5) -> int | None:
        """How a worker ended (negative: the signal), or None if that is not known within `seconds`."""
        exit = self._exits.pop(number, None)
        if exit is None:
            return None
        done, _ = await asyncio.wait([exit], timeout=seconds)
        return exit.result() if done else None

    async def stop(self) -> None:
        """End the zygote and all its workers, and remove the copy. Calling it twice is allowed."""
        if self._control.fileno() >= 0:
            self._lost("the release was stopped")
            self._control.close()
        try:
            await asyncio.to_thread(self._process.wait, 2)
        except subprocess.TimeoutExpired:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            await asyncio.to_thread(self._process.wait)
        if self._output >= 0:
            self._read_output()
            self._loop.remove_reader(self._output)
            os.close(self._output)
            self._output = -1
        await asyncio.to_thread(shutil.rmtree, self.copy.parent, True)
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    async def _boot(self, copy: Path, folder: Path, digest: str, box: sandbox.Sandbox, limits: Limits) -> None:
        os.set_blocking(self._output, False)
        self._loop.add_reader(self._output, self._read_output)
        start = {
            "folder": str(copy), "uid": box.uid, "processes": sandbox.process_limit(box, limits.workers),
            "frame_limit": limits.frame, "result_limit": limits.result,
        }  # fmt: skip
        self._control.sendall(encode(Control("start", start)))
        self._control.setblocking(False)
        self._loop.add_reader(self._control, self._read_control)
        try:
            answer = await asyncio.wait_for(self._manifest, _IMPORT_SECONDS)
        except TimeoutError:
            raise Faults([Fault(f"the functions were not imported within {_IMPORT_SECONDS:.0f} s", file=str(folder), line=0)]) from None
        if answer["faults"]:
            raise Faults(
                [Fault(f["message"], file=str(folder / f["file"]), line=f["line"], excerpt=f["excerpt"].rstrip()) for f in answer["faults"]]
            )
        functions = [from_json(f) for f in answer["functions"]]
        self.manifest = Manifest(digest, {f.key: f for f in functions}, tuple(answer["warnings"]))

    def _read_control(self) -> None:
        try:
            data = self._control.recv(1 << 18)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            return self._lost("the functions process ended; see its output above")
        try:
            for message in self._decoder.feed(data):
                if isinstance(message, Control):
                    self._on_control(message.word, message.data)
        except (BadFrame, KeyError) as problem:
            self._lost(f"the functions process does not keep to the protocol: {problem}")

    def _on_control(self, word: str, data: dict[str, Any]) -> None:
        if word == "manifest" and not self._manifest.done():
            self._manifest.set_result(data)
        elif word == "forked" and self._forked and not self._forked.done():
            self._forked.set_result(data)
        elif word == "exited" and (exit := self._exits.get(data["number"])) and not exit.done():
            exit.set_result(data["status"])
            for old in [n for n, e in self._exits.items() if e.done()][:-_REMEMBERED_EXITS]:
                del self._exits[old]

    def _lost(self, why: str) -> None:
        self.alive = False
        if self._control.fileno() >= 0:
            self._loop.remove_reader(self._control)
        if not self._manifest.done():
            self._manifest.set_result({"faults": [{"message": why, "file": "", "line": 0, "excerpt": ""}]})
        if self._forked and not self._forked.done():
            self._forked.set_result({"pid": 0, "error": why})

    def _read_output(self) -> None:
        """What the zygote and processes started by functions print: one log entry per read, cut to a sane size."""
        try:
            data = os.read(self._output, 65536)
        except BlockingIOError:
            return
        if data:
            log.warning("output of functions: %s", data[:8192].decode("utf-8", "replace").rstrip())
        else:
            self._loop.remove_reader(self._output)


async def _greeted(loop: asyncio.AbstractEventLoop, sock: socket.socket) -> int:
    """Wait for the worker's Hello; its process id as the kernel vouches for it (its own view may be of a namespace)."""
    readable: asyncio.Future[None] = loop.create_future()
    loop.add_reader(sock, lambda: None if readable.done() else readable.set_result(None))
    try:
        await readable
    finally:
        loop.remove_reader(sock)
    data, ancillary, _, _ = sock.recvmsg(4096, socket.CMSG_SPACE(_CREDENTIALS.size))
    if not data:
        raise BadFrame("the worker ended at once")
    hellos = [m for m in Decoder(4096).feed(data) if isinstance(m, Hello)]
    credentials = [c for level, kind, c in ancillary if level == socket.SOL_SOCKET and kind == socket.SCM_CREDENTIALS]
    if not hellos or not credentials:
        raise BadFrame("the worker did not say hello")
    pid: int = _CREDENTIALS.unpack(credentials[0][: _CREDENTIALS.size])[0]
    return pid


def sweep(folder: Path, now: float) -> None:
    """Remove copies in `folder` (the system's temporary one) that a server left behind because it was killed: nobody locks them."""
    for left in folder.glob(f"{_PREFIX}*"):
        with suppress(OSError):
            about = left.stat()
            if about.st_uid != os.geteuid() or now - about.st_mtime < _YOUNG_SECONDS:
                continue
            descriptor = os.open(left, os.O_RDONLY | os.O_NOFOLLOW)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(left, ignore_errors=True)
            finally:
                os.close(descriptor)


def _copy(folder: Path) -> tuple[Path, str]:
    """A copy that any user may read and nobody writes, so a release never changes while it runs; and the hash of its files."""
    copy = Path(tempfile.mkdtemp(prefix=_PREFIX))
    os.chmod(copy, 0o755)  # noqa: S103  # workers run as another user
    inner = copy / "functions"
    if folder.is_dir():
        shutil.copytree(folder, inner, ignore=_SKIPPED)
    else:
        inner.mkdir()
    digest = hashlib.sha256()
    for path in sorted(p for p in inner.rglob("*") if p.is_file()):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(inner).as_posix()}\0{len(content)}\0".encode() + content)
    for path in (inner, *inner.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    return inner, digest.hexdigest()[:12]
