"""X1: no request, however odd, crashes a surface; were one to, the answer is one JSON error with an id, CORS headers, nothing of the inside."""

from __future__ import annotations

import pytest

from tests.whole import Whole

pytestmark = pytest.mark.anyio
PATHS = [
    "*", "", "/", "//", "/rest/v1", "/rest/v1/", "/rest/v1/\0", "/rest/v1/\ufffd", "/rest/v1/pets", "/auth/v1/user", "/auth/v1/signup", "/auth/v1/token",
    "/auth/v1/admin/users", "/auth/v1/admin/users/\0", "/auth/v1/admin/users/x", "/storage/v1/bucket", "/storage/v1/bucket/\0", "/storage/v1/object/list/photos",
    "/storage/v1/object/photos/\0", "/storage/v1/object/sign/photos/x", "/storage/v1/object/move", "/functions/v1/\0", "/functions/v1/x/../..",
    "/realtime/v1/api/broadcast", "/realtime/v1/api/broadcast/t/events/" + "e" * 300, "/admin/v1/session", "/admin/v1/policies", "/console/\0",
    "/console/assets/../../x", "/../baaskit.toml", "/.baaskit/keys.json", "/" + "a" * 5000,
]  # fmt: skip
BODIES = [b"", b"\0", b"\xff\xfe", b"null", b"[]", b'"x"', b"[" * 5000, b'{"a":' * 600 + b"1" + b"}" * 600, b'{"email":{},"password":[]}', b'{"\\u0000":"\\ud800"}',
          b'{"offset":1e400,"limit":999999999999999999999,"prefix":"\\u0000"}']  # fmt: skip
KINDS = [
    "application/json",
    "application/x-www-form-urlencoded",
    "text/csv",
    "multipart/form-data",
    "multipart/form-data; boundary=B",
    "\xff",
    "x" * 300,
]


@pytest.mark.parametrize("path", PATHS)
async def test_odd_requests_are_refused_and_never_crash(whole: Whole, path: str) -> None:
    for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "get"):
        for number, body in enumerate(BODIES if method in ("POST", "PUT", "PATCH") else BODIES[:2]):
            headers = {
                "content-type": KINDS[number % len(KINDS)],
                "origin": "http://elsewhere.example",
                "range": "bytes=9-",
                "prefer": "\xff,=;,count=exact",
            }
            answer = await whole(
                method, path, body, who=("anon", "ann", "service")[number % 3], headers=headers, query="apikey=&a=%00&=&%ff=%ff"
            )
            assert answer.status < 500, (method, body[:30], headers["content-type"], answer.body)
            assert answer.headers["access-control-allow-origin"] == "*"
            assert b"Traceback" not in answer.body and b"/baaskit/" not in answer.body


@pytest.mark.parametrize("path", ["/auth/v1/settings", "/storage/v1/bucket", "/rest/v1/pets", "/functions/v1/x", "/admin/v1/setup"])
async def test_a_crash_is_answered_once_with_an_id_and_nothing_of_the_inside(
    whole: Whole, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("secret-of-the-inside")

    monkeypatch.setattr("starlette.routing.Route.handle", broken)
    monkeypatch.setattr("fastapi.routing.APIRoute.handle", broken)
    monkeypatch.setattr(whole.app.rest, "_answer", broken)
    answer = await whole("GET", path)
    assert answer.status == 500
    assert answer.code == "XX000" and "id " in answer.json["message"]
    assert b"secret-of-the-inside" not in answer.body
    assert answer.headers["access-control-allow-origin"] == "*"
