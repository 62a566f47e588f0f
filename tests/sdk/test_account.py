"""Session, refresh and retry, against a fake server."""

from __future__ import annotations

import asyncio
import json
import threading

import pytest
from baaskit_client import (
    BadRequest,
    Client,
    Conflict,
    ConnectionFailed,
    Forbidden,
    NotFound,
    NotSignedIn,
    ServerFailed,
    SessionEnded,
    TooManyRequests,
    eq,
    function,
    table,
)
from baaskit_client.testing import SyncFakeTransport, answer

from .conftest import NOW, granted, session

pytestmark = pytest.mark.anyio
PETS = table("pets")


def shop(asked):
    """A server for which only token-2 is good, and which gives it for refresh-1 once."""
    if asked.path.startswith("/auth/v1/token?grant_type=refresh_token"):
        return granted(2) if asked.json == {"refresh_token": "refresh-1"} else answer(400, {"code": "refresh_token_not_found"})
    return answer(200, []) if asked.token == "token-2" else answer(401, {"code": "PGRST303", "message": "JWT expired"})


async def test_without_a_session_the_key_is_the_token(make_rig):
    rig = make_rig(lambda asked: answer(200, []))
    await rig.client.run(PETS)
    assert (rig.transport.asked[0].token, rig.transport.asked[0].headers["apikey"]) == ("the-key", "the-key")


async def test_five_parallel_calls_on_an_expired_token_make_one_refresh(make_rig):
    rig = make_rig(shop, stored=session(1, ends=NOW - 1))
    await asyncio.gather(*(rig.client.run(PETS) for _ in range(5)))
    assert len(rig.asked("/auth/v1/token")) == 1
    assert {"token-2"} == {asked.token for asked in rig.asked("/rest")}
    assert rig.events == ["restored", "refreshed"]


async def test_five_parallel_calls_that_are_refused_make_one_refresh(make_rig):
    """The clock says that the token is good, the server does not."""
    rig = make_rig(shop, stored=session(1))
    await asyncio.gather(*(rig.client.run(PETS) for _ in range(5)))
    assert len(rig.asked("/auth/v1/token")) == 1
    assert json.loads(rig.store.load())["refresh_token"] == "refresh-2"


async def test_a_refused_token_is_renewed_once_and_not_for_ever(make_rig):
    def server(asked):
        return granted(2) if "token?" in asked.path else answer(401, {"message": "no"})

    rig = make_rig(server, stored=session(1))
    with pytest.raises(NotSignedIn):
        await rig.client.run(PETS)
    assert (len(rig.asked("/auth")), len(rig.asked("/rest"))) == (1, 2)


async def test_a_refresh_that_is_refused_ends_the_session(make_rig):
    rig = make_rig(shop, stored=session(9, ends=NOW - 1))
    with pytest.raises(SessionEnded) as caught:
        await rig.client.run(PETS)
    assert (caught.value.code, caught.value.status) == ("refresh_token_not_found", 401)
    assert rig.client.auth.session is None
    assert rig.store.load() is None
    assert rig.events == ["restored", "signed_out"]
    assert rig.asked("/rest") == []


@pytest.mark.parametrize("status", [500, 502, 503, 429])
async def test_a_server_in_trouble_never_signs_the_user_out(make_rig, status):
    rig = make_rig(lambda asked: answer(status, {"message": "later"}), stored=session(1, ends=NOW - 1))
    with pytest.raises((ServerFailed, TooManyRequests)):
        await rig.client.run(PETS)
    assert rig.client.auth.session is not None
    assert rig.store.load() is not None


async def test_a_token_that_is_still_good_is_used_while_the_auth_service_is_away(make_rig):
    def server(asked):
        return answer(503) if asked.path.startswith("/auth") else answer(200, [{"id": 1}])

    rig = make_rig(server, stored=session(1, ends=NOW + 20))
    assert await rig.client.run(PETS) == [{"id": 1}]
    assert rig.asked("/rest")[0].token == "token-1"


async def test_a_cancelled_caller_does_not_lose_the_new_token(make_rig):
    refreshing, go = asyncio.Event(), asyncio.Event()

    async def server(asked):
        if asked.path.startswith("/auth"):
            refreshing.set()
            await go.wait()
        return shop(asked)

    rig = make_rig(server, stored=session(1, ends=NOW - 1))
    caller = asyncio.create_task(rig.client.run(PETS))
    await refreshing.wait()
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    go.set()
    assert await rig.client.run(PETS) == []
    assert len(rig.asked("/auth")) == 1


async def test_signing_out_during_a_refresh_stays_signed_out(make_rig):
    refreshing, go = asyncio.Event(), asyncio.Event()

    async def server(asked):
        if asked.path.startswith("/auth/v1/token"):
            refreshing.set()
            await go.wait()
            return granted(2)
        return answer(200, [])

    rig = make_rig(server, stored=session(1, ends=NOW + 3600))
    await rig.client.auth.restore()
    refresh = asyncio.create_task(rig.client.auth.refresh())
    await refreshing.wait()
    await rig.client.auth.sign_out()
    go.set()
    with pytest.raises(NotSignedIn):
        await refresh
    assert rig.client.auth.session is None
    assert rig.store.load() is None


async def test_the_token_that_another_tab_stored_is_taken_over(make_rig):
    rig = make_rig(lambda asked: answer(200, []), stored=session(1))
    await rig.client.auth.restore()
    rig.now = NOW + 3590
    rig.store.save(json.dumps(session(2, ends=NOW + 7200)))
    await rig.client.run(PETS)
    assert rig.asked("/auth") == []
    assert rig.asked("/rest")[0].token == "token-2"


async def test_signing_in_keeps_the_session_and_tells_the_listeners(make_rig):
    rig = make_rig(lambda asked: granted(1))
    found = await rig.client.auth.sign_in("ann@example.com", "secret")
    asked = rig.asked("/auth/v1/token?grant_type=password")[0]
    assert asked.json == {"email": "ann@example.com", "password": "secret"}
    assert (found.expires_at, rig.client.auth.user["id"]) == (NOW + 3600, "ann")
    assert json.loads(rig.store.load())["access_token"] == "token-1"
    assert rig.events == ["signed_in"]
    assert "token-1" not in repr(found)
    assert "the-key" not in repr(rig.client._account)


async def test_a_wrong_password_changes_nothing(make_rig):
    refusal = {"code": "invalid_credentials", "message": "Invalid login credentials"}
    rig = make_rig(lambda asked: answer(400, refusal), stored=session(1))
    await rig.client.auth.restore()
    with pytest.raises(BadRequest) as caught:
        await rig.client.auth.sign_in("ann@example.com", "wrong")
    assert (caught.value.code, caught.value.message, caught.value.status) == ("invalid_credentials", "Invalid login credentials", 400)
    assert rig.client.auth.session is not None
    assert rig.events == ["restored"]


async def test_signing_up_without_confirmation_signs_in_and_with_it_gives_none(make_rig):
    rig = make_rig(lambda asked: granted(1))
    assert (await rig.client.auth.sign_up("a@b.c", "secret", data={"name": "Ann"})).access_token == "token-1"
    assert rig.asked("/auth/v1/signup")[0].json["data"] == {"name": "Ann"}
    unconfirmed = make_rig(lambda asked: answer(200, {"id": "ann"}))
    assert await unconfirmed.client.auth.sign_up("a@b.c", "secret") is None
    assert unconfirmed.events == []


async def test_signing_out_works_without_a_network(make_rig):
    rig = make_rig(stored=session(1))
    await rig.client.auth.restore()
    rig.transport.offline = True
    await rig.client.auth.sign_out()
    assert rig.client.auth.session is None
    assert rig.store.load() is None
    assert rig.events == ["restored", "signed_out"]


async def test_a_changed_user_is_kept_and_told(make_rig):
    rig = make_rig(lambda asked: answer(200, {"id": "ann", "user_metadata": {"name": "Ann"}}), stored=session(1))
    await rig.client.auth.update_user(data={"name": "Ann"})
    assert rig.transport.asked[0].json == {"data": {"name": "Ann"}}
    assert json.loads(rig.store.load())["user"]["user_metadata"] == {"name": "Ann"}
    assert rig.events == ["restored", "updated"]


async def test_a_listener_that_fails_costs_nothing(make_rig, caplog):
    rig = make_rig(lambda asked: granted(1))
    rig.client.on_auth_change(lambda event, session: 1 / 0)
    assert (await rig.client.auth.sign_in("a@b.c", "x")).access_token == "token-1"
    assert "failed on 'signed_in'" in caplog.text


async def test_a_client_for_a_user_sends_that_token_and_never_refreshes(make_rig):
    rig = make_rig(lambda asked: answer(401, {"message": "expired"}), stored=session(1, ends=NOW - 1))
    with pytest.raises(NotSignedIn):
        await rig.client.as_user("their-token").run(PETS)
    assert [asked.token for asked in rig.transport.asked] == ["their-token"]


async def test_a_client_for_a_user_cannot_become_another(make_rig):
    rig = make_rig(lambda asked: granted(1))
    with pytest.raises(ValueError, match="as_user"):
        await rig.client.as_user("their-token").auth.sign_in("a@b.c", "x")


# Retries


async def test_a_read_is_repeated_with_growing_pauses_until_it_succeeds(make_rig):
    answers = iter([answer(503), answer(520), answer(200, [])])
    rig = make_rig(lambda asked: next(answers))
    assert await rig.client.run(PETS) == []
    assert [asked.headers.get("x-retry-count") for asked in rig.transport.asked] == [None, "1", "2"]
    assert 0.25 <= rig.pauses[0] <= 0.5 <= rig.pauses[1] <= 1.0


async def test_a_server_that_stays_busy_gets_four_attempts(make_rig):
    rig = make_rig(lambda asked: answer(503, {"message": "busy"}))
    with pytest.raises(ServerFailed):
        await rig.client.run(PETS)
    assert len(rig.transport.asked) == 4


async def test_retries_honour_retry_after(make_rig):
    answers = iter([answer(503, retry_after="7"), answer(429, retry_after="3"), answer(200, [])])
    rig = make_rig(lambda asked: next(answers))
    await rig.client.run(PETS)
    assert rig.pauses == [7.0, 3.0]


async def test_a_server_that_asks_for_a_long_pause_is_reported_instead(make_rig):
    rig = make_rig(lambda asked: answer(429, {"message": "slow down"}, retry_after="600"))
    with pytest.raises(TooManyRequests) as caught:
        await rig.client.run(PETS)
    assert (caught.value.retry_after, rig.pauses) == (600.0, [])


@pytest.mark.parametrize("request_", [PETS.insert({"a": 1}), PETS.where(eq("id", 1)).delete(), function("buy", pet=1)])
async def test_a_write_is_never_repeated_by_itself(make_rig, request_):
    rig = make_rig(lambda asked: answer(503))
    with pytest.raises(ServerFailed):
        await rig.client.run(request_)
    assert len(rig.transport.asked) == 1


async def test_a_call_with_an_idempotency_key_is_repeated_under_the_same_key(make_rig):
    answers = iter([answer(503), answer(200, {"order": 7})])
    rig = make_rig(lambda asked: next(answers))
    assert await rig.client.run(function("buy", pet=1).once("k1")) == {"order": 7}
    assert [asked.headers["idempotency-key"] for asked in rig.transport.asked] == ["k1", "k1"]


async def test_a_lost_connection_is_reported_as_such(make_rig):
    rig = make_rig()
    rig.transport.offline = True
    with pytest.raises(ConnectionFailed):
        await rig.client.run(PETS)
    assert len(rig.pauses) == 3


async def test_a_cancelled_call_ends_at_once_and_is_not_repeated(make_rig):
    started = asyncio.Event()

    async def server(asked):
        started.set()
        await asyncio.Event().wait()

    rig = make_rig(server)
    call = asyncio.create_task(rig.client.run(PETS))
    await started.wait()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert (len(rig.transport.asked), rig.pauses) == (1, [])


# Errors


@pytest.mark.parametrize(
    ("status", "body", "kind", "code", "real"),
    [
        (400, {"code": "42703", "message": "no column", "hint": "try x", "details": None}, BadRequest, "42703", 400),
        (403, {"code": "42501", "message": "policy"}, Forbidden, "42501", 403),
        (404, {"code": "PGRST205", "message": "no table"}, NotFound, "PGRST205", 404),
        (406, {"code": "PGRST116", "message": "not one", "details": "The result contains 0 rows"}, NotFound, "PGRST116", 406),
        (409, {"code": "23505", "message": "there already"}, Conflict, "23505", 409),
        (400, {"statusCode": "409", "code": "KeyAlreadyExists", "message": "there"}, Conflict, "KeyAlreadyExists", 409),
        (400, {"statusCode": "404", "error": "not_found", "message": "Object not found"}, NotFound, "not_found", 404),
        (422, {"code": "weak_password", "message": "short", "weak_password": {"reasons": ["length"]}}, BadRequest, "weak_password", 422),
        (400, {"code": 400, "error_code": "validation_failed", "msg": "bad mail"}, BadRequest, "validation_failed", 400),
        (500, "not an object", ServerFailed, "", 500),
    ],
)
async def test_every_service_s_errors_become_the_same_tree(make_rig, status, body, kind, code, real):
    rig = make_rig(lambda asked: answer(status, body))
    with pytest.raises(kind) as caught:
        await rig.client.run(PETS)
    assert (code, real) == (caught.value.code, caught.value.status)
    assert kind is type(caught.value)


# The sync client runs the same flows


def sync_client(server, **kwargs):
    client = Client("http://test", "the-key", transport := SyncFakeTransport(server), **kwargs)
    client._driver._sleep = lambda seconds: None
    return client, transport


def test_threads_on_an_expired_token_make_one_refresh():
    client, transport = sync_client(shop)
    client._driver.store.save(json.dumps(session(1, ends=NOW - 1)))
    client._account.now = lambda: NOW
    threads = [threading.Thread(target=client.run, args=(PETS,)) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum("/auth" in asked.url for asked in transport.asked) == 1
    assert sum(asked.token == "token-2" for asked in transport.asked) == 5


def test_the_sync_client_offers_the_same_operations():
    client, transport = sync_client(lambda asked: granted(1) if "/auth" in asked.url else answer(200, [{"id": 1}]))
    assert client.auth.sign_in("a@b.c", "x").user["id"] == "ann"
    assert client.run(PETS.where(eq("id", 1))) == [{"id": 1}]
    assert client.call("search", q="dog") == [{"id": 1}]
    assert transport.asked[-1].token == "token-1"
