"""The worker's end of its socket: one call at a time, with requests to the API in between (sync and async)."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import threading
from collections import deque
from itertools import count

from baaskit.functions.frames import Answer, Ask, Call, Decoder, Log, Message, encode

_READ = 256 * 1024  # bytes per read


class Pipe:
    """Owns the socket. `current` is the id of the running call; log entries and requests are sent in its name."""

    def __init__(self, sock: socket.socket, limit: int) -> None:
        self._sock = sock
        self._decoder = Decoder(limit)
        self._ready: deque[Message] = deque()
        self._send_lock = threading.Lock()
        self._ask_lock = threading.Lock()
        self._numbers = count(1)
        self._waiting: dict[int, asyncio.Future[Answer]] = {}
        self.current = ""

    def send(self, message: Message) -> None:
        """Blocks until the server has room; it always reads, so this cannot deadlock. Exits if the server is gone."""
        try:
            with self._send_lock:
                self._sock.sendall(encode(message))
        except OSError:
            os._exit(0)

    def next_call(self) -> Call:
        """Wait for the next call. Does not return when the server has closed the socket: the process ends."""
        while True:
            message = self._receive()
            if isinstance(message, Call):
                self.current = message.id
                return message

    def ask(self, identity: str, method: str, url: str, headers: dict[str, str], body: bytes) -> Answer:
        """Have the server perform a request; for plain functions, from any thread."""
        with self._ask_lock:
            number = next(self._numbers)
            self.send(Ask(self.current, number, identity, method, url, headers, body))
            while True:
                message = self._receive()
                if isinstance(message, Answer) and message.number == number:
                    return message

    async def ask_async(self, identity: str, method: str, url: str, headers: dict[str, str], body: bytes) -> Answer:
        """As `ask`, for async functions; several may be under way."""
        number = next(self._numbers)
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        try:
            self.send(Ask(self.current, number, identity, method, url, headers, body))
            return await answer
        finally:
            del self._waiting[number]

    def attach(self, loop: asyncio.AbstractEventLoop) -> None:
        loop.add_reader(self._sock.fileno(), self._on_readable)

    def detach(self, loop: asyncio.AbstractEventLoop) -> None:
        loop.remove_reader(self._sock.fileno())

    def _receive(self) -> Message:
        while not self._ready:
            self._feed(self._sock.recv(_READ))
        return self._ready.popleft()

    def _on_readable(self) -> None:
        try:
            self._feed(self._sock.recv(_READ, socket.MSG_DONTWAIT))
        except BlockingIOError:
            return
        while self._ready:
            message = self._ready.popleft()
            if isinstance(message, Answer) and (waiting := self._waiting.get(message.number)) and not waiting.done():
                waiting.set_result(message)

    def _feed(self, data: bytes) -> None:
        if not data:
            os._exit(0)
        self._ready.extend(self._decoder.feed(data))


class LogPipe(logging.Handler):
    """Sends the records of `logging` as the function's log."""

    def __init__(self, pipe: Pipe) -> None:
        super().__init__()
        self._pipe = pipe

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._pipe.send(Log(self._pipe.current, record.levelname.lower(), self.format(record)[:16384]))
        except Exception:
            self.handleError(record)


class Printed:
    """Stands in for `sys.stdout` and `sys.stderr`: every line printed becomes an entry of the function's log."""

    encoding = "utf-8"
    errors = "replace"

    def __init__(self, pipe: Pipe, level: str) -> None:
        self._pipe, self._level, self._line = pipe, level, ""

    def write(self, text: str) -> int:
        *lines, self._line = (self._line + text).split("\n")
        for line in lines:
            self._pipe.send(Log(self._pipe.current, self._level, line[:16384]))
        if len(self._line) > 16384:
            self.flush()
        return len(text)

    def flush(self) -> None:
        if self._line:
            line, self._line = self._line, ""
            self._pipe.send(Log(self._pipe.current, self._level, line[:16384]))

    def writable(self) -> bool:
        return True

    def isatty(self) -> bool:
        return False
