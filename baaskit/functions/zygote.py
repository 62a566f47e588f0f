"""The process that imports a release once and forks its workers: `python -m baaskit.functions.zygote FD`.

Single-threaded on purpose: fork copies one thread. The server speaks to it over the socket FD in `Control` messages:
`start {folder, uid, processes, frame_limit, result_limit}` → `manifest {functions, faults, warnings}`, then
`fork {number, key, memory}` with a socket attached → `forked {number, pid}`, and `exited {number, status}` when a worker ends.
When the socket closes, the zygote ends and its workers with it.
"""

from __future__ import annotations

import gc
import importlib
import os
import select
import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, NoReturn

from baaskit.functions import sandbox, worker
from baaskit.functions.frames import Control, Decoder, encode
from baaskit.functions.loader import load
from baaskit.functions.manifest import to_json

_CONTROL_LIMIT = 16 * 2**20
_PRELOADED = ("baaskit.functions.client", "email.message", "zoneinfo")  # what calls need, loaded once before the fork


class Zygote:
    """`workers`: pid → the server's number for it."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._decoder = Decoder(_CONTROL_LIMIT)
        self._workers: dict[int, int] = {}
        self._strays = False

    def run(self) -> NoReturn:
        start = self._first()
        os.environ.pop("PYTHONPATH", None)
        sandbox.become(start["uid"])
        for name in _PRELOADED:
            try:
                importlib.import_module(name)
            except ImportError as problem:
                print(f"{name} is not available: {problem}", file=sys.stderr)
        loaded, faults = load(Path(start["folder"]))
        warnings = []
        if threading.active_count() > 1:
            warnings.append("a module starts a thread when it is imported; start it inside the function, threads do not survive in workers")
        self._say("manifest", functions=[to_json(f.spec) for f in loaded.values()], faults=[asdict(f) for f in faults], warnings=warnings)
        if faults:
            os._exit(0)
        gc.collect()
        gc.freeze()
        self._serve(start, loaded)

    def _serve(self, start: dict[str, Any], loaded: dict[str, worker.Loaded]) -> NoReturn:
        signal.signal(signal.SIGCHLD, lambda *_: None)
        wake, woken = socket.socketpair()
        wake.setblocking(False)
        woken.setblocking(False)
        signal.set_wakeup_fd(woken.fileno(), warn_on_full_buffer=False)
        while True:
            ready, _, _ = select.select([self._control, wake], [], [], 0.05 if self._strays else None)
            if wake in ready:
                wake.recv(4096)
            self._reap()
            if self._control in ready:
                data, descriptors, _, _ = socket.recv_fds(self._control, 65536, 1)
                if not data:
                    os._exit(0)
                for message in self._decoder.feed(data):
                    if isinstance(message, Control) and message.word == "fork":
                        self._fork(start, loaded, message.data, descriptors.pop())

    def _fork(self, start: dict[str, Any], loaded: dict[str, worker.Loaded], wanted: dict[str, Any], descriptor: int) -> None:
        zygote = os.getpid()
        try:
            pid = os.fork()
        except OSError as problem:
            os.close(descriptor)
            return self._say("forked", number=wanted["number"], pid=0, error=str(problem))
        if pid == 0:
            try:
                self._control.close()
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                sandbox.confine(memory=wanted["memory"], processes=start["processes"], zygote=zygote)
                sock = socket.socket(fileno=descriptor)
                worker.serve(sock, loaded[wanted["key"]], frame_limit=start["frame_limit"], result_limit=start["result_limit"])
            except BaseException:
                traceback.print_exc(file=sys.__stderr__)
            finally:
                os._exit(70)
        os.close(descriptor)
        self._workers[pid] = wanted["number"]
        self._say("forked", number=wanted["number"], pid=pid, error="")

    def _reap(self) -> None:
        """Report workers that ended, and end whatever they started: first their process group at once, then what left it."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                break
            if pid == 0:
                break
            number = self._workers.pop(pid, None)
            if number is not None:
                _end(os.killpg, pid)  # not the pid itself: it is free for others now
                self._say("exited", number=number, status=os.waitstatus_to_exitcode(status))
                self._strays = True
        if self._strays:
            strays = [pid for pid in _children() if pid not in self._workers]
            for pid in strays:
                _end(os.killpg, pid)
                _end(os.kill, pid)
            self._strays = bool(strays)

    def _first(self) -> dict[str, Any]:
        while True:
            data = self._control.recv(65536)
            if not data:
                os._exit(0)
            for message in self._decoder.feed(data):
                if isinstance(message, Control) and message.word == "start":
                    return message.data

    def _say(self, word: str, **data: Any) -> None:
        try:
            self._control.sendall(encode(Control(word, data)))
        except OSError:
            os._exit(0)


def _end(kill: Callable[[int, int], None], pid: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        kill(pid, signal.SIGKILL)


def _children() -> list[int]:
    """Our direct children; orphans of workers are among them, because we are their subreaper."""
    try:
        return [int(pid) for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()]
    except OSError:
        return []


def main() -> NoReturn:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the server, which closes our socket
    os.umask(0o077)
    time.tzset()
    Zygote(socket.socket(fileno=int(sys.argv[1]))).run()


if __name__ == "__main__":
    main()
