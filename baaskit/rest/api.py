"""The data API as an ASGI app for `/rest/v1/*`: address, caller, then read, write or batch."""

from __future__ import annotations

import time
import traceback
import uuid
from collections.abc import Awaitable, Callable, Mapping
from copy import copy
from dataclasses import replace
from typing import Any
from urllib.parse import unquote

from baaskit.errors import BaasError, Internal
from baaskit.errors.rest import UnknownAddress, UnknownSchema, UnsupportedHere, UnsupportedMethod
from baaskit.kernel.claims import Claims
from baaskit.kernel.database import Script
from baaskit.kernel.database.plans import Plans
from baaskit.kernel.kit import Kit
from baaskit.kernel.plan import Limits, find_table
from baaskit.kernel.procedures import Procedures
from baaskit.kernel.query import parse_preferences
from baaskit.kernel.schema import TableName
from baaskit.observe import fact
from baaskit.rest.answer import Answer, Send, failure, send_answer
from baaskit.rest.batch import batch_script
from baaskit.rest.cursor import cursor_in, read_page
from baaskit.rest.explain import SYSTEM_TABLES, Surface, denied, tool_of
from baaskit.rest.explain_as import EXPLAIN, as_principal, asks_for_tools
from baaskit.rest.once import Plan, Running, forget_answers, key_of
from baaskit.rest.openapi import CONTENT_TYPE, accept_openapi, describe
from baaskit.rest.reads import read_table
from baaskit.rest.request import Receive, Request, parse_json, read_body, read_headers, token_of
from baaskit.rest.rpc import Call, batched_call, call_function, planned_anew
from baaskit.rest.writes import run_and_undo, table_script, write_table

PREFIX = "/rest/v1"
_READS = frozenset({"GET", "HEAD"})
_WRITES = frozenset({"POST", "PATCH", "PUT", "DELETE"})
_READ_METHODS = b"OPTIONS,GET,HEAD"
_METHODS = b"OPTIONS,GET,HEAD,POST,PUT,PATCH,DELETE"


def _note(problem: Internal, path: str) -> None:
    """Log a fault that the database reported, and tell the client under which id."""
    identifier = uuid.uuid4().hex[:12]
    fact("request.failed", id=identifier, path=path, trace="".join(traceback.format_exception(problem)))
    problem.hint = f"The server's log has the details under id {identifier}."


class Rest:
    """Every request is answered here, errors included, in the dialect's shape; CORS is put around it outside.

    Never lets an error of the client or the database out; what does come out is a fault of the server.
    """

    _trying = False  # on a copy that answers for the tools: then no function is called
    _explaining = False  # on a copy that answers for the tool: then tables of ours that have policies have an address, too

    def __init__(self, kit: Kit) -> None:
        self._kit = kit
        self._schemas = tuple(kit.settings.exposed_schemas)
        self._running = Running()
        self._max_body = kit.settings.max_body_bytes
        self._plans = Plans(
            kit.database,
            Limits(
                max_rows=kit.settings.max_rows,
                aggregates=kit.settings.aggregates,
                aggregate_seconds=kit.settings.aggregate_timeout_seconds,
            ),
        )

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        claims: Claims | None = None
        method = scope["method"]
        try:
            headers = read_headers(scope)
            raw_query = scope["query_string"].decode("latin-1")
            claims = self._kit.keys.verifier.verify(token_of(headers, raw_query), time.time())
            name = scope["path"][len(PREFIX) + 1 :]
            request = Request(method, name, raw_query, headers, claims)
            if asks_for_tools(request):
                request = await as_principal(self._kit, request)
                claims = request.claims
                tool = tool_of(request)
                if tool is not None:
                    request.headers.pop(b"idempotency-key", None)  # of what is rolled back there is no answer to keep
                answer = await (tool(self._surface(), request, receive) if tool else self._answer(request, receive))
            else:
                answer = await self._answer(request, receive)
        except BaasError as problem:
            if isinstance(problem, Internal):
                _note(problem, scope["path"])
            answer = failure(problem, claims)
            if problem.code == "42501":
                answer.headers.append((b"x-baaskit-decision", denied(claims, method, scope["path"][len(PREFIX) + 1 :], problem)))
        await send_answer(send, answer, head=method == "HEAD")

    def _surface(self) -> Surface:
        def answer(kit: Kit, plans: Plans, request: Request, receive: Receive) -> Awaitable[Answer]:
            other = copy(self)
            other._kit, other._plans, other._trying, other._explaining = kit, plans, True, EXPLAIN in request.headers
            return other._planned(request, receive)

        return Surface(
            self._kit,
            self._plans.limits,
            self._max_body,
            answer,
            lambda request: SYSTEM_TABLES.get(request.name) or self._table(request.name, request.headers, request.method),
        )

    async def _answer(self, request: Request, receive: Receive) -> Answer:
        """Plan and run; once more when the tables were changed by another process before this one has noticed."""
        database = self._plans.database
        catalog = database.catalog
        try:
            return await self._planned(request, receive)
        except BaasError as problem:
            # Nothing was written: what fails so has been rolled back.
            if not problem.stale or not (await database.refresh() or database.catalog is not catalog):
                raise
        return await self._planned(request, receive)

    async def _body(self, request: Request, receive: Receive) -> bytes:
        if request.body is None:
            request.body = await read_body(receive, request.headers, self._max_body)
        return request.body

    async def _planned(self, request: Request, receive: Receive) -> Answer:
        method, name = request.method, request.name
        if name == "batch" and method == "POST" and not self._is_table("batch", request):
            return await self._batch(request, await self._body(request, receive))
        if name.startswith("rpc/"):
            return await self._function(request, receive)
        if not name:
            return self._root(request)
        table = self._table(name, request.headers, method)
        if method in _READS:
            found = cursor_in(request.raw_query) if "cursor=" in request.raw_query else None
            if found is None:
                answer = await read_table(self._plans, table, request)
            else:
                cursor, raw_query = found
                answer = await read_page(self._plans, self._kit.keys.derive("cursor"), table, replace(request, raw_query=raw_query), cursor)
        elif method in _WRITES:
            body = b"" if method == "DELETE" else await self._body(request, receive)
            answer = await self._written(table, request, body)
        elif method == "OPTIONS":
            view = find_table(self._kit.database.catalog, table).view
            return Answer(200, [(b"allow", _READ_METHODS if view else _METHODS)])
        else:
            raise UnsupportedMethod(method)
        if len(self._schemas) > 1:
            answer.headers.append((b"content-profile", table.schema.encode()))
        return answer

    async def _written(self, table: TableName, request: Request, body: bytes) -> Answer:
        plans, hooks = self._plans, self._kit.hooks
        if b"idempotency-key" not in request.headers or parse_preferences(request.prefer).rollback:
            return await write_table(plans, hooks, table, request, body)
        return await self._once(request, f"{table.schema}.{table.name}", body, lambda: table_script(plans, hooks, table, request, body))

    async def _batch(self, request: Request, body: bytes) -> Answer:
        return await planned_anew(self._plans.database, lambda: self._batched(request, body))

    async def _batched(self, request: Request, body: bytes) -> Answer:
        def plan() -> Awaitable[Callable[[], Script[Answer]]]:
            return batch_script(
                self._plans, self._kit.hooks, parse_json(body), request.claims, self._table_of_operation, self._call_of_operation
            )

        if parse_preferences(request.prefer).rollback:
            answer = await run_and_undo(self._plans.database, await plan())
            answer.headers.append((b"preference-applied", b"tx=rollback"))
            return answer
        if b"idempotency-key" in request.headers:
            return await self._once(request, "batch", body, plan)
        return await self._plans.database.run(await plan())

    async def _once(
        self, request: Request, address: str, body: bytes, plan: Callable[[], Awaitable[Callable[[], Script[Answer]]]]
    ) -> Answer:
        database = self._plans.database
        key = key_of(request, address, body, database.catalog.policies.version)
        return await self._running.once(database, key, self._kit.settings.idempotency_keep_seconds, plan)

    async def forget_expired(self) -> None:
        """Delete answers that are kept no longer; called now and then."""
        await forget_answers(self._kit.database)

    def _root(self, request: Request) -> Answer:
        """The description of what the caller's role may reach."""
        if request.method == "OPTIONS":
            return Answer(200, [(b"allow", _READ_METHODS)])
        if request.method not in _READS:
            raise UnsupportedMethod(request.method)
        accept_openapi(request.headers.get(b"accept", b"*/*").decode("latin-1"))
        schema, role = self._profile(request.headers, "GET"), request.claims.role
        catalog, url = self._kit.database.catalog, self._kit.settings.url
        given = self._procedures(schema)
        mine = [p for release in given for p in release.by_name.values() if p.admits(request.claims)]
        key = ("openapi", role, schema, tuple(release.version for release in given), tuple(p.name for p in mine))
        body = self._plans.remembered(key, lambda: describe(catalog, role, schema, url, mine))
        answer = Answer(200, [(b"content-type", CONTENT_TYPE)], body)
        if len(self._schemas) > 1:
            answer.headers.append((b"content-profile", schema.encode()))
        return answer

    def _is_table(self, name: str, request: Request) -> bool:
        """A project's own table comes before our addition of the same name."""
        return self._kit.database.catalog.schema.get(name, self._schemas[0]) is not None

    def _table(self, name: str, headers: Mapping[bytes, bytes], method: str) -> TableName:
        """The addressed table. Only exposed schemas have addresses, so a system table has none, however it is spelled."""
        if self._explaining and name in SYSTEM_TABLES:
            return SYSTEM_TABLES[name]
        if not name or "/" in name.rstrip("/"):
            raise UnknownAddress()
        return TableName(self._profile(headers, method), name.rstrip("/"))

    def _profile(self, headers: Mapping[bytes, bytes], method: str) -> str:
        """The schema that the request is about."""
        wanted = headers.get(b"accept-profile" if method in _READS else b"content-profile")
        schema = self._schemas[0] if wanted is None else wanted.decode("latin-1")
        if schema not in self._schemas:
            raise UnknownSchema(schema, self._schemas)
        return schema

    def _table_of_operation(self, name: str, headers: dict[bytes, bytes], method: str) -> TableName:
        return self._table(unquote(name), headers, method)

    def _call_of_operation(self, request: Request, body: bytes) -> Call:
        if self._trying:
            raise UnsupportedHere("A function may do what no transaction takes back: it can be neither tried nor explained.")
        schema = self._profile(request.headers, request.method)
        return batched_call(self._plans, self._procedures(schema), schema, replace(request, name=unquote(request.name)), body)

    async def _function(self, request: Request, receive: Receive) -> Answer:
        schema = self._profile(request.headers, request.method)
        body = await self._body(request, receive) if request.method == "POST" else b""

        def once(plan: Plan) -> Awaitable[Answer]:
            return self._once(request, f"{request.name} of {schema}", body, plan)

        answer = await call_function(self._plans, self._procedures(schema), schema, request, body, once)
        if len(self._schemas) > 1:
            answer.headers.append((b"content-profile", schema.encode()))
        return answer

    def _procedures(self, schema: str) -> list[Procedures]:
        """The project's own functions, which are in the first schema."""
        return [given() for given in self._kit.hooks.procedures] if schema == self._schemas[0] else []
