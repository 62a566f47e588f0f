"""N3: a viewer's console token changes nothing by any way a token can be given; the console answers its own pages alone."""

from __future__ import annotations

import time
from typing import Any

import pytest

from baaskit.realtime.session import Broadcast, Channel, Join, Session, Track
from tests.whole import Whole

pytestmark = pytest.mark.anyio
WRITES = [
    ("DELETE", "/rest/v1/pets?id=gt.0", None),
    ("PATCH", "/rest/v1/pets?id=gt.0", {"price": 1}),
    ("POST", "/rest/v1/batch", {"operations": [{"method": "DELETE", "path": "pets?id=gt.0"}]}),
    ("POST", "/auth/v1/admin/users", {"email": "new@example.com", "password": "correct horse"}),
    ("POST", "/storage/v1/bucket", {"id": "viewers"}),
    ("POST", "/realtime/v1/api/broadcast", {"messages": [{"topic": "t", "event": "e", "payload": {}}]}),
    ("POST", "/functions/v1/purchase", {}),
    ("GET", "/functions/v1/purchase", None),
]


def viewer(whole: Whole) -> str:
    claims = {"role": "service_role", "admin": {"id": "x", "role": "viewer"}, "session_id": "s", "exp": int(time.time()) + 60}
    return str(whole.kit.keys.sign(claims))


@pytest.mark.parametrize(("method", "path", "body"), WRITES)
async def test_a_viewers_token_writes_nothing_wherever_it_is_put(whole: Whole, method: str, path: str, body: Any) -> None:
    token, sep = viewer(whole), "&" if "?" in path else "?"
    anon = whole.token("anon")
    before = (await whole("GET", "/rest/v1/pets?order=id", who="service")).body
    for where, headers in (
        (path, {"authorization": f"Bearer {token}"}),
        (path, {"authorization": f"bearer   {token}"}),
        (path, {"apikey": token}),
        (path, {"apikey": token, "authorization": "Basic x"}),
        (path, {"apikey": token, "authorization": f"Bearer {anon}"}),
        (f"{path}{sep}apikey={token}", {}),
        (f"{path}{sep}apikey=+{token}", {}),
        (f"{path}{sep}%61pikey={token}", {}),
        (f"{path}{sep}apikey={anon}&apikey={token}", {}),
    ):
        answer = await whole(method, where, body, headers=headers)
        assert answer.status == 403, (where, headers, answer.body)
    assert (await whole("GET", "/rest/v1/pets?order=id", who="service")).body == before


async def test_a_viewers_token_neither_broadcasts_nor_tracks_on_a_socket(whole: Whole) -> None:
    class Nowhere:
        put = overflow = when_drained = staticmethod(lambda *_: True)

    session = Session(1, whole.token("anon"), whole.kit.keys.verifier.verify, Nowhere())  # type: ignore[arg-type]
    now = time.time()

    def say(event: str, payload: dict[str, Any]) -> list[Any]:
        import orjson

        frame = {"topic": "realtime:t", "event": event, "payload": payload, "ref": "1", "join_ref": "1"}
        return session.receive(orjson.dumps(frame).decode(), now)

    def joined(token: str) -> Channel:
        [join] = [a for a in say("phx_join", {"config": {}, "access_token": token}) if isinstance(a, Join)]
        session.accept(join.channel, {})
        return join.channel

    shout = ("broadcast", {"type": "broadcast", "event": "e", "payload": {}})
    here = ("presence", {"event": "track", "payload": {}})
    joined(viewer(whole))
    assert not any(isinstance(a, Broadcast) for a in say(*shout))
    assert not any(isinstance(a, Track) for a in say(*here))
    joined(whole.token("ann"))
    assert any(isinstance(a, Broadcast) for a in say(*shout)) and any(isinstance(a, Track) for a in say(*here))
    say("access_token", {"access_token": viewer(whole)})  # swapped in an open channel
    assert not any(isinstance(a, Broadcast) for a in say(*shout))


@pytest.mark.parametrize("name", ["host", "origin"])
@pytest.mark.parametrize(
    "value", ["http://[", "[::1", "[", "null", "evil.example", "http://evil.example", "a b", "\xff", "127.0.0.1.evil.example", ""]
)
async def test_the_console_refuses_any_other_host_or_origin(whole: Whole, name: str, value: str) -> None:
    answer = await whole("POST", "/admin/v1/session", {"email": "a@b.c", "password": "x"}, headers={name: value})
    assert answer.status == 403
    assert answer.code == "BKC403"
