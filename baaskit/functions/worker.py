"""A function's process: forked from the zygote with limits set, it answers one call after the other."""

from __future__ import annotations

import asyncio
import inspect
import logging
import os
import random
import socket
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn

import orjson

from baaskit.functions import results
from baaskit.functions.api import Caller, Context, Event, Refused, Request
from baaskit.functions.arguments import Arguments, Invalid, Malformed
from baaskit.functions.frames import Call, Failure, Hello, Result
from baaskit.functions.manifest import Function
from baaskit.functions.pipe import LogPipe, Pipe, Printed
from baaskit.functions.returned import Returned


@dataclass(frozen=True)
class Loaded:
    """A declared function, ready to run."""

    spec: Function
    call: Callable[..., Any]
    arguments: Arguments | None  # http and rpc
    returned: Returned | None = None  # rpc


def serve(sock: socket.socket, loaded: Loaded, *, frame_limit: int, result_limit: int) -> NoReturn:
    """Answer calls until the server closes the socket; then the process ends. Limits are set before this."""
    random.seed()
    pipe = Pipe(sock, frame_limit)
    logging.root.handlers = [LogPipe(pipe)]
    logging.root.setLevel(logging.INFO)
    sys.stdout, sys.stderr = Printed(pipe, "info"), Printed(pipe, "error")
    loop = asyncio.new_event_loop() if inspect.iscoroutinefunction(loaded.call) else None
    if loop:
        asyncio.set_event_loop(loop)
    pipe.send(Hello(os.getpid()))
    while True:
        call = pipe.next_call()
        answer = _answer(pipe, loaded, call, loop)
        if isinstance(answer, Result) and len(answer.body) > result_limit:
            answer = Failure(call.id, "result", f"returned {len(answer.body)} bytes; at most {result_limit} may be returned")
        sys.stdout.flush()
        sys.stderr.flush()
        pipe.send(answer)
        pipe.current = ""
        if isinstance(answer, Failure) and answer.kind == "memory":
            os._exit(0)  # what is left of the heap cannot be trusted


def _answer(pipe: Pipe, loaded: Loaded, call: Call, loop: asyncio.AbstractEventLoop | None) -> Result | Failure:
    try:
        context = _context(pipe, loaded, call)
        run = _RUNS[loaded.spec.kind]
        return run(loaded, context, call, lambda awaitable: _wait(pipe, loop, awaitable))
    except Refused as refusal:
        return Failure(call.id, "refused", refusal.message, refusal.status, refusal.code)
    except Invalid as problem:
        return Failure(call.id, "invalid", str(problem), details=problem.details)
    except Malformed as problem:
        return Failure(call.id, "malformed", str(problem))
    except MemoryError:
        return Failure(call.id, "memory", "went over its memory limit")
    except BaseException as problem:  # SystemExit too: a call must never end the worker without an answer
        return Failure(call.id, "error", f"{type(problem).__name__}: {problem}"[:4000], trace=_trace(problem))


def _context(pipe: Pipe, loaded: Loaded, call: Call) -> Context:
    given = call.context
    http = given.get("request")
    request = Request(http["method"], http["path"], http["query"], http["headers"], call.body) if http else Request("", "", {}, {}, b"")
    is_async = inspect.iscoroutinefunction(loaded.call)
    return Context(
        id=call.id,
        function=loaded.spec.name,
        caller=Caller(**given["caller"]),
        request=request,
        deadline=given["deadline"],
        idempotency_key=given.get("idempotency_key"),
        secrets=given.get("secrets", {}),
        log=logging.getLogger(loaded.spec.name),
        connect=lambda identity: _connect(pipe, given["base_url"], identity, is_async),
        admin_declared=loaded.spec.admin,
    )


def _connect(pipe: Pipe, base_url: str, identity: str, is_async: bool) -> Any:
    from baaskit.functions.client import connect  # loaded by the zygote; here only so that a function without a client needs no SDK

    return connect(pipe, base_url, identity, is_async=is_async)


def _wait(pipe: Pipe, loop: asyncio.AbstractEventLoop | None, value: Any) -> Any:
    """The value itself, or what it awaits to. Tasks that the author left running end with the call."""
    if not inspect.isawaitable(value):
        return value
    loop = loop or asyncio.new_event_loop()
    pipe.attach(loop)
    try:
        return loop.run_until_complete(_awaited(value))
    finally:
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        if left:
            loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        pipe.detach(loop)


async def _awaited(value: Any) -> Any:
    return await value


Wait = Callable[[Any], Any]


def _run_http(loaded: Loaded, context: Context, call: Call, wait: Wait) -> Result:
    assert loaded.arguments is not None
    arguments = loaded.arguments.read(context.request)
    status, headers, body = results.render(wait(loaded.call(context, **arguments)))
    return Result(call.id, status, headers, body)


def _run_rpc(loaded: Loaded, context: Context, call: Call, wait: Wait) -> Result:
    assert loaded.arguments is not None
    assert loaded.returned is not None
    arguments = loaded.arguments.read(context.request)
    return Result(call.id, body=loaded.returned.render(wait(loaded.call(context, **arguments))))


def _run_before(loaded: Loaded, context: Context, call: Call, wait: Wait) -> Result:
    """Body in and out: a JSON list of rows; an empty list (a delete) runs the function once, with None."""
    rows = orjson.loads(call.body)
    if not rows:
        wait(loaded.call(context, None))
        return Result(call.id, body=b"[]")
    changed = []
    for row in rows:
        returned = wait(loaded.call(context, row))
        if returned is not None and not isinstance(returned, dict):
            raise TypeError(f"{loaded.spec.name} must return a row (dict) or None, not {type(returned).__name__}")
        changed.append(row if returned is None else returned)
    return Result(call.id, body=results.to_json(changed))


def _run_after(loaded: Loaded, context: Context, call: Call, wait: Wait) -> Result:
    context.event = Event(**orjson.loads(call.body))
    wait(loaded.call(context, context.event))
    return Result(call.id)


_RUNS: dict[str, Callable[[Loaded, Context, Call, Wait], Result]] = {
    "http": _run_http, "rpc": _run_rpc, "before": _run_before, "after": _run_after,
}  # fmt: skip


def _trace(problem: BaseException) -> str:
    """The traceback from the author's first frame on."""
    frames = [f for f in traceback.extract_tb(problem.__traceback__) if f.filename != __file__]
    lines = [*traceback.format_list(frames), *traceback.format_exception_only(problem)]
    return ("Traceback (most recent call last):\n" + "".join(lines))[-16384:]
