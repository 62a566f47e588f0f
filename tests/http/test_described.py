"""Both descriptions of the API against the API: schemathesis makes requests out of each document, and every answer must be one it promises.

Never a 5xx; a success only with a status that is written down; the content type and the shape of body that go with it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.core.transport import Response
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance, status_code_conformance

from tests.shop import Shop, open_shop
from tests.whole import Whole, open_whole

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
PRINCIPALS = ("anon", "ann", "service")
ORIGIN = "http://127.0.0.1:54321"
Ask = Callable[[requests.PreparedRequest], Response]
App = Callable[[Any, Any, Any], Awaitable[None]]


async def _ask(app: App, request: requests.PreparedRequest) -> Response:
    """One request through ASGI; a client that stays until the answer is whole."""
    address = urlsplit(str(request.url))
    pieces = [request.body.encode() if isinstance(request.body, str) else request.body or b""]
    got: dict[str, Any] = {"body": b""}

    async def receive() -> dict[str, Any]:
        if pieces:
            return {"type": "http.request", "body": pieces.pop(), "more_body": False}
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: Any) -> None:
        got.update({key: value for key, value in message.items() if key != "body"})
        got["body"] += message.get("body", b"")

    headers = [(name.lower().encode("latin-1"), _bytes(value)) for name, value in request.headers.items()]
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": request.method, "scheme": "http",
        "path": unquote(address.path), "raw_path": address.path.encode(), "query_string": address.query.encode(), "root_path": "",
        "headers": [*headers, (b"host", b"127.0.0.1:54321")], "client": ("127.0.0.1", 50000), "server": ("127.0.0.1", 54321), "state": {},
    }  # fmt: skip
    await app(scope, receive, send)
    shown: dict[str, list[str]] = {}
    for name, value in got["headers"]:
        shown.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1"))
    return Response(got["status"], shown, got["body"], request, 0.0, False)


def _bytes(value: str | bytes) -> bytes:
    return value if isinstance(value, bytes) else value.encode("latin-1", "replace")


def _judge(case: Any, ask: Ask, token: str | None) -> None:
    """Send it as the holder of `token` and compare."""
    given_ = case.as_transport_kwargs(base_url=ORIGIN + str(case.operation.base_url))
    given_.pop("allow_redirects", None)
    try:
        request = requests.Request(
            **{k: v for k, v in given_.items() if k in ("method", "url", "json", "data", "params", "headers", "cookies", "files")}
        ).prepare()
    except requests.exceptions.InvalidHeader:
        return  # no client can send it
    for name in ("Authorization", "apikey"):
        request.headers.pop(name, None)
    if token:
        request.headers["Authorization"] = f"Bearer {token}"
    answer = ask(request)
    listed = set(case.operation.definition.raw["responses"])
    assert answer.status_code >= 400 or str(answer.status_code) in listed, (answer.status_code, listed, request.method, request.url)
    if not answer.content:  # what a write answers that shows nothing
        assert request.method != "GET" or answer.status_code in (204, 303), (answer.status_code, request.url)
        return
    narrowed = "select" in (case.query or {})  # then a row holds what was asked for, not what the table has
    case.validate_response(answer, checks=[check for check in CHECKS if not (narrowed and check is response_schema_conformance)])


def _sweep(document: dict[str, Any], ask: Ask, token: str | None, examples: int) -> int:
    """Every operation of the document with `examples` requests; few of them are the same ones each time. How many operations there were."""
    quiet = settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=examples < 100,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate, Phase.shrink],
    )
    operations = [result.ok() for result in schemathesis.openapi.from_dict(document).get_all_operations()]
    for operation in operations:
        quiet(given(case=operation.as_strategy())(lambda case: _judge(case, ask, token)))()
    return len(operations)


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    made = asyncio.new_event_loop()
    yield made
    made.close()


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def fresh(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Callable[[], tuple[str, Path]]:
    """`url, folder = fresh()`: an empty database of one kind."""

    def make() -> tuple[str, Path]:
        folder = tmp_path_factory.mktemp("described")
        return f"sqlite:///{folder / 'data.db'}" if request.param == "sqlite" else request.getfixturevalue("postgres")(), folder

    return make


@pytest.fixture(scope="module")
def shop(loop: asyncio.AbstractEventLoop, fresh: Callable[[], tuple[str, Path]]) -> Iterator[Shop]:
    opened = open_shop(*fresh())
    yield loop.run_until_complete(opened.__aenter__())
    loop.run_until_complete(opened.__aexit__(None, None, None))


@pytest.fixture(scope="module")
def whole(loop: asyncio.AbstractEventLoop, fresh: Callable[[], tuple[str, Path]]) -> Iterator[Whole]:
    opened = open_whole(*fresh())
    yield loop.run_until_complete(opened.__aenter__())
    loop.run_until_complete(opened.__aexit__(None, None, None))


def _data_api(loop: asyncio.AbstractEventLoop, shop: Shop, who: str, examples: int) -> None:
    document = loop.run_until_complete(shop("GET", "", who=who, headers={"Accept": "application/openapi+json"})).json
    assert _sweep(document, lambda request: loop.run_until_complete(_ask(shop.rest, request)), shop.tokens[who], examples) >= 6


def _other_surfaces(loop: asyncio.AbstractEventLoop, whole: Whole, who: str, examples: int) -> None:
    document = loop.run_until_complete(whole("GET", "/openapi.json")).json
    assert _sweep(document, lambda request: loop.run_until_complete(_ask(whole.app, request)), whole.token(who), examples) >= 60


@pytest.mark.parametrize("who", PRINCIPALS)
def test_the_data_api_answers_as_it_describes_itself(loop: asyncio.AbstractEventLoop, shop: Shop, who: str) -> None:
    _data_api(loop, shop, who, examples=10)


@pytest.mark.parametrize("who", PRINCIPALS)
def test_the_other_surfaces_answer_as_they_describe_themselves(loop: asyncio.AbstractEventLoop, whole: Whole, who: str) -> None:
    _other_surfaces(loop, whole, who, examples=3)


@pytest.mark.long
@pytest.mark.parametrize("who", PRINCIPALS)
def test_the_data_api_answers_many_requests_as_it_describes_itself(loop: asyncio.AbstractEventLoop, shop: Shop, who: str) -> None:
    _data_api(loop, shop, who, examples=400)


@pytest.mark.long
@pytest.mark.parametrize("who", PRINCIPALS)
def test_the_other_surfaces_answer_many_requests_as_they_describe_themselves(
    loop: asyncio.AbstractEventLoop, whole: Whole, who: str
) -> None:
    _other_surfaces(loop, whole, who, examples=200)
