"""FunctionService: the part of the server that owns the current release, its workers, triggers and the record of calls."""

from __future__ import annotations

import asyncio
import time
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from baaskit.errors import Fault, Faults
from baaskit.errors.functions import (
    FunctionBusy,
    FunctionCrashed,
    FunctionError,
    FunctionNotReady,
    FunctionRefused,
    FunctionTimedOut,
    InvalidArguments,
    MalformedBody,
    OverLimit,
    TooDeep,
)
from baaskit.functions import inprocess, sandbox
from baaskit.functions.frames import Answer, Ask, Call, Failure, Result
from baaskit.functions.invocations import Invocation, InvocationLog
from baaskit.functions.manifest import Function, Manifest
from baaskit.functions.pool import Pool, PoolLimits, TimedOut, WorkerDied
from baaskit.functions.procedures import procedures_of
from baaskit.functions.release import Limits, Release
from baaskit.functions.triggers import AfterConsumers, BeforeHooks, concerned
from baaskit.kernel.claims import SERVICE, Claims
from baaskit.kernel.kit import Kit
from baaskit.kernel.procedures import Procedures
from baaskit.observe import fact

MAX_DEPTH = 8  # functions that call one another in a row
_TICK_SECONDS = 1.0
_DRAIN_SECONDS = 35.0
_ANSWER_BYTES = 64 * 2**20
_EMPTY = Manifest()


class FunctionService:
    """`start()` once, `reload()` for every new release, `stop()` at the end. `asgi_app` must be set before the first call."""

    def __init__(self, kit: Kit, folder: Path, *, box: sandbox.Sandbox | None = None, idle_seconds: float = 60.0) -> None:
        """`box`: how to start processes; by default the best that works here, found at `start`."""
        self.kit = kit
        self.folder = folder
        self.asgi_app: inprocess.ASGIApp | None = None
        self.invocations = InvocationLog(kit.database)
        self.faults: list[Fault] = []
        self.sandbox = box
        settings = kit.settings
        self._limits = PoolLimits(
            workers=settings.function_workers,
            timeout=settings.function_timeout_seconds,
            memory=settings.function_memory_bytes,
            concurrency=max(1, settings.function_workers // 2),
            idle_seconds=idle_seconds,
        )
        self._pool: Pool | None = None
        self._procedures = Procedures()
        self._draining: dict[asyncio.Task[None], Pool] = {}
        self._ticker: asyncio.Task[None] | None = None
        self._reloading = asyncio.Lock()
        self._before = BeforeHooks(self)
        self._after = AfterConsumers(self)

    @property
    def manifest(self) -> Manifest:
        return self._pool.release.manifest if self._pool else _EMPTY

    @property
    def ready(self) -> bool:
        """False while no release could be loaded: calls answer 503, and writes are refused, for a hook might be missing."""
        return not self.faults or self._pool is not None

    @property
    def limits(self) -> PoolLimits:
        return self._limits

    async def start(self, *, tolerate_faults: bool = False) -> None:
        """Choose the sandbox, load the folder, begin to listen. Raises Faults if a module is wrong, unless `tolerate_faults`
        (then `faults` holds them, and a later `reload` may mend it)."""
        if self.sandbox is None:
            self.sandbox = await asyncio.to_thread(sandbox.choose)
        fact("functions.sandbox", level=self.sandbox.level, means=self.sandbox.description)
        try:
            await self.reload()
        except Faults:
            if not tolerate_faults:
                raise
        self.kit.hooks.before_write.add(self._before, self._before.wants)
        self.kit.hooks.procedures.append(lambda: self._procedures)
        self.kit.hooks.concerned.append(lambda table, command: concerned(self.manifest, table, command))
        self._after.listen()
        self._ticker = asyncio.create_task(self._tick(), name="functions")

    async def reload(self) -> None:
        """Load the folder as a new release and switch to it; the old one ends after the calls under way. Raises Faults;
        then the previous release stays."""
        async with self._reloading:
            started = time.monotonic()
            try:
                pool = await self._load()
            except Faults as problem:
                self.faults = problem.faults
                for fault in problem.faults:
                    fact("functions.fault.error", fault=str(fault))
                raise
            self.faults = []
            old, self._pool = self._pool, pool
            self._procedures = procedures_of(self, self.manifest)
            if old:
                task = asyncio.create_task(old.drain(_DRAIN_SECONDS))
                self._draining[task] = old
                task.add_done_callback(lambda ended: self._draining.pop(ended, None))
            await self._after.follow(self.manifest)
            fact(
                "functions.loaded",
                release=self.manifest.release,
                functions=len(self.manifest.functions),
                ms=round((time.monotonic() - started) * 1000),
            )

    async def stop(self) -> None:
        """End all workers; calls under way are cut. Pending records are written."""
        if self._ticker:
            self._ticker.cancel()
        await self._after.stop()
        draining = dict(self._draining)
        for task in draining:
            task.cancel()
        await asyncio.gather(*draining, *([self._ticker] if self._ticker else []), return_exceptions=True)
        pool, self._pool = self._pool, None
        for left in [*draining.values(), *([pool] if pool else [])]:
            await left.drain(0)
        await self._flush()

    async def invoke(
        self,
        function: Function,
        claims: Claims,
        *,
        body: bytes,
        trigger: str,
        request: dict[str, Any] | None = None,
        key: str | None = None,
    ) -> Result:
        """Run `function` once as `claims`. Raises a FunctionError that says how it failed; the record has the rest.

        `request`: what an `http` function sees, without the body; `key`: the idempotency key.
        """
        pool = self._pool
        if pool is None:
            raise FunctionNotReady
        level = inprocess.depth.get() + 1
        if level > MAX_DEPTH:
            raise TooDeep(f"More than {MAX_DEPTH} functions have called one another in a row.")
        secrets = self._secrets(function)
        record = Invocation(
            id=uuid.uuid4().hex, function=function.name, release=pool.release.manifest.release, trigger=trigger, role=claims.role,
            user_id=claims.uid, started_at=datetime.now(UTC), secrets=tuple(v for v in secrets.values() if v),
        )  # fmt: skip

        def call(timeout: float) -> Call:
            caller = {"role": claims.role, "uid": claims.uid, "email": claims.email, "jwt": dict(claims.jwt)}
            context = {
                "caller": caller, "request": request, "deadline": time.time() + timeout, "idempotency_key": key, "secrets": secrets,
                "base_url": self.kit.settings.url,
            }  # fmt: skip
            return Call(record.id, context, body)

        listener = _Listener(self, function, claims, record, level)
        cost: dict[str, int] = {}
        try:
            ran = await pool.run(function, call, listener, nested=level > 1, cost=cost)
            if isinstance(ran.answer, Failure):
                raise _error_of(ran.answer, function, record, pool.release.copy)
            return ran.answer
        except FunctionError as problem:
            record.outcome, record.error = _outcome(problem), record.mask(record.error or problem.message)
            raise
        except TimedOut:
            timeout = function.timeout or self._limits.timeout
            record.outcome, record.error = "timeout", f"stopped after {timeout:g} s"
            raise FunctionTimedOut(f"Function {function.name} was stopped after {timeout:g} s.", id=record.id) from None
        except WorkerDied as problem:
            record.outcome, record.error = "died", str(problem)
            raise FunctionCrashed(f"Function {function.name} failed.", id=record.id) from None
        except asyncio.CancelledError:
            record.outcome = "cancelled"
            raise
        finally:
            record.queue_ms, record.run_ms, record.cold = cost.get("queue_ms", 0), cost.get("run_ms", 0), bool(cost.get("cold"))
            self.invocations.add(record)
            if record.outcome in ("error", "timeout", "died", "limit"):
                fact("function.failed", id=record.id, function=record.function, outcome=record.outcome, error=record.error)

    def _secrets(self, function: Function) -> dict[str, str]:
        known = self.kit.settings.function_secrets
        return {name: known[name].get_secret_value() for name in function.secrets}

    async def _load(self) -> Pool | None:
        if not has_modules(self.folder):
            return None
        assert self.sandbox is not None
        release = await Release.start(self.folder, self.sandbox, Limits(self._limits.workers, self._limits.frame))
        missing = [
            Fault(f"{f.name} declares the secret {name!r}, which has no value", file=str(self.folder / f.file), line=f.line,
                  hint="Set it under [function_secrets] in baaskit.toml or in BAAS_FUNCTION_SECRETS.")
            for f in release.manifest.functions.values() for name in f.secrets if name not in self.kit.settings.function_secrets
        ]  # fmt: skip
        if missing:
            await release.stop()
            raise Faults(missing)
        for warning in release.manifest.warnings:
            fact("functions.warning", message=warning)
        return Pool(release, self._limits)

    async def _tick(self) -> None:
        """Keep `min_instances`, let idle workers go, write records, start the zygote again if it ended."""
        while True:
            await asyncio.sleep(_TICK_SECONDS)
            try:
                if self._pool and not self._pool.release.alive:
                    fact("functions.zygote.crashed", release=self.manifest.release)
                    await self.reload()
                if self._pool:
                    await self._pool.warm()
                await self.invocations.flush()
                await self.invocations.prune(datetime.now(UTC))
            except Exception as problem:
                fact("functions.failed", error=repr(problem))

    async def _flush(self) -> None:
        try:
            await self.invocations.flush()
        except Exception as problem:
            fact("functions.failed", error=repr(problem))


@dataclass(frozen=True, slots=True)
class _Listener:
    """One call as its worker sees the server."""

    service: FunctionService
    function: Function
    claims: Claims
    record: Invocation
    level: int

    def log(self, level: str, message: str) -> None:
        self.record.log(level, message)

    async def perform(self, ask: Ask) -> Answer:
        keys, app = self.service.kit.keys, self.service.asgi_app
        if app is None:
            return Answer(ask.number, 0, {}, b"the server is not ready for requests")
        if self.function.read_only and ask.method.upper() not in ("GET", "HEAD"):
            return inprocess.forbidden(ask, f"function {self.function.name} is declared read_only: its clients only read")
        if ask.identity == "admin":
            if not self.function.admin:
                return inprocess.forbidden(ask, f"function {self.function.name} does not declare admin=True")
            token = api_key = keys.service_role_key
        else:
            token, api_key = self.claims.token or (keys.service_role_key if self.claims is SERVICE else keys.anon_key), keys.anon_key
        return await inprocess.perform(
            app, ask, base_url=self.service.kit.settings.url, token=token, api_key=api_key, level=self.level, max_bytes=_ANSWER_BYTES
        )


def has_modules(folder: Path) -> bool:
    """Whether there is anything to load; a project without functions costs no process."""
    return any(not f.name.startswith(("_", ".")) for f in folder.glob("*.py")) or any(folder.glob("[!_.]*/__init__.py"))


async def check(folder: Path, box: sandbox.Sandbox | None = None) -> Manifest:
    """Load a functions folder, say what it declares, and let it go. Raises Faults naming every fault with file and line."""
    if not has_modules(folder):
        return Manifest()
    if box is None:
        box = await asyncio.to_thread(sandbox.choose)
    release = await Release.start(folder, box, Limits())
    await release.stop()
    return release.manifest


def _error_of(failure: Failure, function: Function, record: Invocation, copy: Path) -> FunctionError:
    """The error that the caller sees; what only the author may see goes to the record's log, with paths as in the project
    and not as in the release's `copy`."""
    match failure.kind:
        case "refused":
            return FunctionRefused(failure.status if 400 <= failure.status <= 599 else 400, failure.code, failure.message)
        case "invalid":
            return InvalidArguments(failure.message, details=failure.details)
        case "malformed":
            return MalformedBody()
        case "memory" | "result":
            return OverLimit(f"Function {function.name} {failure.message}.", id=record.id)
        case _:
            record.log("error", failure.trace.replace(f"{copy}/", "functions/") or failure.message)
            error = FunctionCrashed(f"Function {function.name} failed.", id=record.id)
            record.error = failure.message
            return error


def _outcome(problem: FunctionError) -> str:
    match problem:
        case FunctionRefused():
            return "refused"
        case InvalidArguments() | MalformedBody():
            return "invalid"
        case OverLimit():
            return "limit"
        case FunctionBusy():
            return "busy"
        case _:
            return "error"
