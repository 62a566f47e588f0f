"""X2, X3: what a hostile author's function returns cannot split, desynchronise or open an answer; it sees no credentials, cannot run away."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from baaskit.functions.service import MAX_DEPTH
from tests.whole import Whole, open_whole

pytestmark = pytest.mark.anyio
HOSTILE = """
import os
from baaskit.functions import Response, http


@http(auth="anon")
def answer(ctx, name: str = "x-a", value: str = "1", status: int = 200):
    return Response(b"HTTP/1.1 200 OK", status=status, headers={name: value})


@http(auth="anon")
def spy(ctx):
    request = ctx.request
    seen = {"headers": dict(request.headers), "query": dict(request.query), "env": dict(os.environ), "caller": vars(ctx.caller) | {"jwt": dict(ctx.caller.jwt)}}
    seen["files"] = {}
    for path in ctx.request.query["path"]:
        try:
            seen["files"][path] = open(path).read(100)
        except OSError as problem:
            seen["files"][path] = None
    return seen


@http(auth="anon")
def again(ctx):
    return ctx.client.call("again")
"""


@pytest.fixture(scope="module")
async def whole(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Whole]:
    folder = tmp_path_factory.mktemp("hostile")
    (folder / "authors").mkdir()
    (folder / "authors" / "hostile.py").write_text(HOSTILE)
    async with open_whole(f"sqlite:///{folder / 'data.db'}", folder, functions=folder / "authors") as opened:
        yield opened


@pytest.mark.parametrize(
    ("name", "value"), [("x-a", "1\r\nX-B: 2"), ("x-a\r\nx-b", "1"), ("x-a", "1\0"), ("", "1"), ("x a", "1"), ("x-a", "\u20ac")]
)
async def test_a_header_that_cannot_be_sent_is_an_error(whole: Whole, name: str, value: str) -> None:
    assert (await whole("POST", "/functions/v1/answer", {"name": name, "value": value})).status == 500


@pytest.mark.parametrize("status", [204, 304, 205])
async def test_an_answer_without_body_has_none(whole: Whole, status: int) -> None:
    answer = await whole("POST", "/functions/v1/answer", {"status": status})
    assert (answer.status, answer.body) == (status, b"")


@pytest.mark.parametrize(
    "name", ["Access-Control-Allow-Origin", "access-control-allow-credentials", "content-length", "transfer-encoding", "connection"]
)
async def test_headers_of_the_server_stay_the_servers(whole: Whole, name: str) -> None:
    answer = await whole("POST", "/functions/v1/answer", {"name": name, "value": "99"})
    assert answer.status == 200
    assert answer.headers.get(name.lower()) != "99"
    assert answer.headers["access-control-allow-origin"] == "*"


async def test_a_function_sees_neither_credentials_nor_secrets_nor_the_project(whole: Whole) -> None:
    state = whole.kit.settings.state_dir
    paths = [
        str(state / "keys.json"),
        str(whole.folder / "baaskit.toml"),
        whole.kit.settings.database_url.removeprefix("sqlite:///"),
        "/etc/shadow",
        "/proc/1/environ",
    ]
    token = whole.token("ann")
    headers = {"apikey": whole.token("anon"), "proxy-authorization": "Basic eA=="}
    query = "&".join(f"path={path}" for path in paths) + f"&apikey={whole.token('service')}"
    answer = await whole("POST", "/functions/v1/spy", who="ann", headers=headers, query=query)
    assert answer.status == 200, answer.body
    for secret in (token, whole.token("anon"), whole.token("service"), whole.kit.keys.secret, "Basic eA"):
        assert secret not in answer.body.decode()
    assert answer.json["caller"]["uid"] == whole.id("ann")
    assert not [name for name in answer.json["env"] if name.startswith("BAAS")]
    if whole.app.functions.sandbox.level == "bwrap":  # type: ignore[union-attr]
        assert answer.json["files"] == dict.fromkeys(paths)


async def test_a_function_that_calls_itself_for_ever_is_stopped_and_the_server_goes_on(whole: Whole) -> None:
    answer = await whole("POST", "/functions/v1/again")
    assert answer.status >= 400
    assert 1 < len(whole.app.functions.invocations.recent("again")) <= MAX_DEPTH
    assert (await whole("POST", "/functions/v1/answer", {})).status == 200
