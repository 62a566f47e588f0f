"""Refreshing and ending sessions: rotation, honest races, stolen tokens, and every process hearing of an end."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
from sqlalchemy import select, update

from baaskit.auth.users import utc_now
from baaskit.errors import EndedSession
from tests.auth.rig import Rig, refusal

pytestmark = pytest.mark.anyio


async def age_tokens(rig: Rig, seconds: float) -> None:
    """Let all used refresh tokens have been used `seconds` ago."""
    t = rig.kit.database.tables.refresh_tokens
    await rig.kit.database.execute(update(t).where(t.c.used_at.is_not(None)).values(used_at=utc_now() - timedelta(seconds=seconds)))


async def until(holds: Callable[[], bool], seconds: float = 5.0) -> None:
    """Await a condition that another task brings about."""
    async with asyncio.timeout(seconds):
        while not holds():
            await asyncio.sleep(0.01)


def is_ended(rig: Rig, token: str) -> bool:
    """What REST, realtime, storage and functions ask of every request."""
    try:
        rig.kit.keys.verifier.verify(token, time.time())
    except EndedSession:
        return True
    return False


async def test_a_refresh_gives_new_tokens_of_the_same_session(rig: Rig) -> None:
    first = await rig.sign_up("ada@example.com")
    await rig.ask("PUT", "/user", first["access_token"], {"data": {"name": "Ada"}})
    second = (await rig.refresh(first["refresh_token"])).json()
    assert second["refresh_token"] != first["refresh_token"]
    before, after = (jwt.decode(s["access_token"], options={"verify_signature": False}) for s in (first, second))
    assert (after["session_id"], after["amr"]) == (before["session_id"], before["amr"])
    assert second["user"]["user_metadata"]["name"] == after["user_metadata"]["name"] == "Ada"
    assert (await rig.refresh(second["refresh_token"])).status_code == 200


async def test_no_token_is_stored(rig: Rig) -> None:
    session = await rig.sign_up("ada@example.com")
    following = (await rig.refresh(session["refresh_token"])).json()["refresh_token"]
    t = rig.kit.database.tables
    stored = str([await rig.kit.database.query(select(table)) for table in (t.users, t.sessions, t.refresh_tokens, t.changes)])
    for secret in (session["refresh_token"], following, "correct horse"):
        assert secret not in stored


async def test_five_tabs_refreshing_at_once_all_get_the_same_next_token(rig: Rig) -> None:
    token = (await rig.sign_up("ada@example.com"))["refresh_token"]
    answers = await asyncio.gather(*(rig.refresh(token) for _ in range(5)))
    assert [answer.status_code for answer in answers] == [200] * 5
    [following] = {answer.json()["refresh_token"] for answer in answers}
    assert (await rig.refresh(following)).status_code == 200


async def test_a_token_used_again_within_the_window_gives_the_familys_active_token(rig: Rig) -> None:
    first = (await rig.sign_up("ada@example.com"))["refresh_token"]
    second = (await rig.refresh(first)).json()["refresh_token"]
    third = (await rig.refresh(second)).json()["refresh_token"]
    assert (await rig.refresh(first)).json()["refresh_token"] == third
    assert (await rig.refresh(third)).status_code == 200


async def test_a_client_that_lost_the_answer_may_ask_again_however_late(rig: Rig) -> None:
    first = (await rig.sign_up("ada@example.com"))["refresh_token"]
    second = (await rig.refresh(first)).json()["refresh_token"]
    await age_tokens(rig, 3600)
    assert (await rig.refresh(first)).json()["refresh_token"] == second


async def test_an_old_token_used_again_ends_the_whole_session(rig: Rig) -> None:
    session = await rig.sign_up("ada@example.com")
    other = (await rig.sign_in("ada@example.com")).json()
    first = session["refresh_token"]
    second = (await rig.refresh(first)).json()["refresh_token"]
    third = (await rig.refresh(second)).json()
    await age_tokens(rig, 11)
    answer = await rig.refresh(first)
    assert refusal(answer) == (400, "refresh_token_already_used")
    assert answer.json()["message"] == "Invalid Refresh Token: Already Used"
    assert refusal(await rig.refresh(third["refresh_token"])) == (400, "refresh_token_not_found")
    assert refusal(await rig.ask("GET", "/user", third["access_token"])) == (403, "session_not_found")
    assert is_ended(rig, session["access_token"])
    assert (await rig.refresh(other["refresh_token"])).status_code == 200, "other sessions of the user go on"


async def test_without_a_window_only_the_parent_of_the_active_token_may_come_twice(make_rig: Any) -> None:
    rig = await make_rig(refresh_reuse_seconds=0)
    first = (await rig.sign_up("ada@example.com"))["refresh_token"]
    second = (await rig.refresh(first)).json()["refresh_token"]
    assert (await rig.refresh(first)).json()["refresh_token"] == second
    await rig.refresh(second)
    assert refusal(await rig.refresh(first)) == (400, "refresh_token_already_used")


@pytest.mark.parametrize(
    ("scope", "ends_own", "ends_other"), [("local", True, False), ("others", False, True), ("global", True, True), ("", True, True)]
)
async def test_signing_out_ends_the_sessions_of_its_scope(rig: Rig, scope: str, ends_own: bool, ends_other: bool) -> None:
    own = await rig.sign_up("ada@example.com")
    other = (await rig.sign_in("ada@example.com")).json()
    stranger = await rig.sign_up("bob@example.com")
    answer = await rig.ask("POST", f"/logout?scope={scope}" if scope else "/logout", own["access_token"])
    assert (answer.status_code, answer.content) == (204, b"")
    for session, ended in ((own, ends_own), (other, ends_other), (stranger, False)):
        assert is_ended(rig, session["access_token"]) == ended
        assert (await rig.refresh(session["refresh_token"])).status_code == (400 if ended else 200)
        assert (await rig.ask("GET", "/user", session["access_token"])).status_code == (403 if ended else 200)


async def test_an_unknown_scope_ends_nothing(rig: Rig) -> None:
    session = await rig.sign_up("ada@example.com")
    answer = await rig.ask("POST", "/logout?scope=everyone", session["access_token"])
    assert refusal(answer) == (400, "validation_failed")
    assert answer.json()["message"] == 'Unsupported logout scope "everyone"'
    assert not is_ended(rig, session["access_token"])


async def test_a_session_that_ends_in_one_process_is_refused_by_the_others(make_rig: Any, tmp_path: Path) -> None:
    here = await make_rig()
    there = await make_rig()
    session = await here.sign_up("ada@example.com")
    assert (await there.ask("GET", "/user", session["access_token"])).status_code == 200
    assert here.kit.keys.verifier is not there.kit.keys.verifier
    await here.ask("POST", "/logout", session["access_token"])
    started = time.monotonic()
    await until(lambda: is_ended(there, session["access_token"]))
    assert time.monotonic() - started < 1.0


async def test_a_restart_does_not_bring_ended_sessions_back(make_rig: Any) -> None:
    before = await make_rig()
    kept, ended = await before.sign_up("ada@example.com"), await before.sign_up("bob@example.com")
    await before.ask("POST", "/logout", ended["access_token"])
    after = await make_rig()
    assert is_ended(after, ended["access_token"])
    assert not is_ended(after, kept["access_token"])


async def test_a_session_deleted_in_the_database_by_hand_ends_too(rig: Rig) -> None:
    session = await rig.sign_up("ada@example.com")
    if rig.kit.database.dialect == "sqlite":
        with sqlite3.connect(rig.kit.database.url.removeprefix("sqlite:///")) as link:
            link.execute('delete from "auth.sessions"')
        link.close()
    else:
        import asyncpg

        connection = await asyncpg.connect(rig.kit.database.url)
        await connection.execute("delete from auth.sessions")
        await connection.close()
    assert refusal(await rig.ask("GET", "/user", session["access_token"])) == (403, "session_not_found")
    await until(lambda: is_ended(rig, session["access_token"]))
