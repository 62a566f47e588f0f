"""Attach to tables that Django made, with Django's users as ours: policies on integer ids, sign-in by Django's passwords, and away."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from baaskit.app import App
from baaskit.auth import passwords, table_sign_in, usertable
from baaskit.errors import Faults
from baaskit.kernel.keys import load_keys
from baaskit.settings import load_settings
from tests.whole import Reply, Whole

from .conftest import Theirs
from .django_app import PASSWORDS

pytestmark = pytest.mark.anyio

POLICIES = """
create policy "who is there" on auth_user for select to authenticated using (is_active);
create policy "own name" on auth_user for update to authenticated using (id = auth.uid()) with check (id = auth.uid() and not is_superuser);
grant update (first_name, last_name) on auth_user to authenticated;
create policy "own log" on django_admin_log for all to authenticated using (user_id = auth.uid()) with check (user_id = auth.uid());
"""
WORDS = (
    "--users",
    "auth_user",
    "--users-password",
    "password",
    "--users-login",
    "username",
    "--users-email",
    "email",
    "--users-active",
    "is_active",
)


@dataclass(frozen=True)
class Made:
    """Django's database, the ids of its users, and all that is in it before anybody attaches."""

    theirs: Theirs
    people: dict[str, int]
    dump: str


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("django")
    if request.param == "sqlite":
        url = f"sqlite:///{folder / 'django.db'}"
    else:
        make: Callable[[], str] = request.getfixturevalue("postgres")
        url = make()
    done = subprocess.run([sys.executable, "-m", "tests.attach.django_app", url], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    theirs = Theirs(url, folder)
    return Made(theirs, json.loads(done.stdout), theirs.dump())


@pytest.fixture(scope="module")
def people(made: Made) -> dict[str, int]:
    return made.people


@pytest.fixture(scope="module")
def django(made: Made) -> Theirs:
    """Attached. Each test puts back what it changed of the rows."""
    attach(made.theirs)
    return made.theirs


def attach(theirs: Theirs) -> None:
    report = theirs.report("attach", theirs.url, "p", *WORDS)
    assert (report["uid_type"], report["attached"]) == ("int8", True)
    (theirs.folder / "p/policies.sql").write_text(POLICIES)
    theirs.cli("migrate", "p")


@asynccontextmanager
async def serving(theirs: Theirs, **more: Any) -> AsyncIterator[Whole]:
    settings = load_settings(theirs.folder / "p", sign_in_limit_per_address=10_000, **more)
    app = App(settings, functions=theirs.folder / "p/functions")
    await app.start()
    try:
        yield Whole(app, theirs.folder)
    finally:
        await app.stop()


async def sign_in(whole: Whole, name: str, password: str) -> Reply:
    return await whole("POST", "/auth/v1/token?grant_type=password", {"email": name, "password": password}, who="anon")


async def enter(whole: Whole, name: str, people: dict[str, int]) -> dict[str, Any]:
    """Sign `name` in for the requests that follow; the session."""
    reply = await sign_in(whole, name, PASSWORDS[name])
    assert reply.status == 200, reply.body
    whole.sellers[name] = (str(people[name]), reply.json["access_token"])
    session: dict[str, Any] = reply.json
    return session


async def refresh(whole: Whole, session: dict[str, Any]) -> Reply:
    return await whole("POST", "/auth/v1/token?grant_type=refresh_token", {"refresh_token": session["refresh_token"]}, who="anon")


async def test_two_users_of_django_work_under_policies_and_detach_leaves_django_s_database(
    made: Made, django: Theirs, people: dict[str, int]
) -> None:
    theirs = django
    async with serving(theirs) as whole:
        for name in ("ann", "bob", "eve"):
            session = await enter(whole, name, people)
            assert session["user"]["id"] == str(people[name]) and session["user"]["email"] == f"{name}@example.com"
            me = await whole("GET", "/auth/v1/user", who=name)
            assert me.json["id"] == str(people[name]) and me.json["app_metadata"]["provider"] == "table"
        ann, bob = people["ann"], people["bob"]
        seen = await whole("GET", "/rest/v1/auth_user?select=username&order=id", who="ann")
        assert [row["username"] for row in seen.json] == ["ann", "bob", "eve", "none"]
        assert (await whole("GET", "/rest/v1/auth_user", who="anon")).json == []
        own = await whole("PATCH", f"/rest/v1/auth_user?id=eq.{ann}", {"first_name": "Anna"}, who="ann")
        other = await whole("PATCH", f"/rest/v1/auth_user?id=eq.{bob}", {"first_name": "Hacked"}, who="ann")
        rise = await whole("PATCH", f"/rest/v1/auth_user?id=eq.{ann}", {"is_superuser": True}, who="ann")
        assert (own.status, other.status, rise.status) == (204, 204, 403)
        kind = (await whole("GET", "/rest/v1/django_content_type?limit=1", who="service")).json[0]["id"]
        entry = {
            "user_id": ann,
            "action_time": "2026-01-01T00:00:00Z",
            "object_repr": "x",
            "action_flag": 1,
            "change_message": "",
            "content_type_id": kind,
        }
        assert (await whole("POST", "/rest/v1/django_admin_log", entry, who="ann")).status == 201
        assert (await whole("POST", "/rest/v1/django_admin_log", entry, who="bob")).status == 403
        joined = await whole("GET", "/rest/v1/django_admin_log?select=object_repr,auth_user(username)", who="ann")
        assert joined.json == [{"object_repr": "x", "auth_user": {"username": "ann"}}]
        assert (await whole("GET", "/rest/v1/django_admin_log", who="bob")).json == []
        assert (await whole("GET", "/rest/v1/auth_group", who="ann")).json == []
    assert (await asyncio.to_thread(theirs.report, "status", "p"))["changed_by_others"] == []
    names = await asyncio.to_thread(theirs.sql, "select first_name from auth_user order by id")
    assert [row[0] for row in names[:2]] == ["Anna", ""]
    await asyncio.to_thread(theirs.sql, "update auth_user set first_name = 'Ann' where first_name = 'Anna'")
    await asyncio.to_thread(theirs.sql, "delete from django_admin_log")
    await asyncio.to_thread(theirs.cli, "detach", "p")
    after = await asyncio.to_thread(theirs.dump)
    assert without_counters(made.dump) == without_counters(after)
    await asyncio.to_thread(attach, theirs)


def without_counters(dump: str) -> str:
    """Of the log entry that a user wrote and Django deleted a sequence goes on knowing; rows updated may stand in another order."""
    lines = [line for line in dump.splitlines() if "setval" not in line and not line.startswith("sqlite_sequence ")]
    return "\n".join(sorted(lines))


async def test_an_answer_does_not_tell_who_exists(django: Theirs, people: dict[str, int], monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong password, an unknown name, an inactive user, one without a password: one answer, and one hash checked, of their kind."""
    checked: list[str | None] = []
    verify = passwords.verify_password

    async def noted(password: str, stored: str | None) -> tuple[bool, str | None]:
        checked.append(stored)
        return await verify(password, stored)

    async with serving(django) as whole:
        monkeypatch.setattr(passwords, "verify_password", noted)
        tries = [
            ("ann", "wrong"),
            ("nobody", "wrong"),
            ("gone", PASSWORDS["gone"]),
            ("none", ""),
            ("none", "!"),
            (" ", "x"),
            ("a\x00nn", "x"),
        ]
        tries += [("nobody", word) for word in PASSWORDS.values()]  # a hash that stands in must let nobody in
        answers = [await sign_in(whole, name, word) for name, word in tries]
    assert {(reply.status, reply.body) for reply in answers} == {(400, answers[0].body)}
    assert len(checked) == len(tries) and None not in checked
    assert all(text.startswith(("pbkdf2_sha256$", "$argon2", "bcrypt_sha256$", "$2")) for text in checked if text)


async def test_the_column_of_hashes_is_in_no_answer(django: Theirs, people: dict[str, int]) -> None:
    """Not for the service key either, by no path: as a column, a filter, an order, a value, a body, an event, the description."""
    async with serving(django) as whole:
        await enter(whole, "ann", people)
        for who in ("ann", "service"):
            everything = await whole("GET", "/rest/v1/auth_user", who=who)
            assert everything.json and all("password" not in row for row in everything.json)
            embedded = await whole("GET", "/rest/v1/auth_user?select=*,django_admin_log(*,auth_user(*))", who=who)
            assert embedded.status == 200 and b"pbkdf2" not in embedded.body
            for query in (
                "select=password",
                "password=like.pbkdf2*",
                "order=password",
                "select=x:password",
                "select=count(),password.max()",
            ):
                refused = await whole("GET", f"/rest/v1/auth_user?{query}", who=who)
                assert refused.status == 400 and b"pbkdf2" not in refused.body, (query, refused.body)
            wrote = await whole(
                "PATCH",
                f"/rest/v1/auth_user?id=eq.{people['ann']}",
                {"password": "x"},
                who=who,
                headers={"prefer": "return=representation"},
            )
            assert wrote.status == 400 and b"pbkdf2" not in wrote.body
        described = await whole("GET", "/rest/v1/", who="service")
        assert "password" not in described.json["definitions"]["auth_user"]["properties"]
        assert whole.kit.settings.capture_of("auth_user") == "off"


async def test_a_user_deleted_or_closed_in_their_table_is_out_at_the_next_refresh(django: Theirs, people: dict[str, int]) -> None:
    async with serving(django) as whole:
        ann, eve = await enter(whole, "ann", people), await enter(whole, "eve", people)
        await asyncio.to_thread(django.sql, "update auth_user set email = 'ann@new.example' where username = 'ann'")
        fresh = await refresh(whole, ann)
        assert fresh.status == 200 and fresh.json["user"]["email"] == "ann@new.example" and fresh.json["user"]["id"] == str(people["ann"])
        off = "false" if django.dialect == "postgresql" else "0"
        await asyncio.to_thread(django.sql, f"update auth_user set is_active = {off} where username = 'ann'")
        await asyncio.to_thread(django.sql, "update auth_user set id = id + 1000 where username = 'eve'")
        try:
            refused = [await refresh(whole, session) for session in (fresh.json, eve)]
            assert [(reply.status, reply.json["error_code"]) for reply in refused] == [(400, "refresh_token_not_found")] * 2
            whole.sellers["ann"] = (str(people["ann"]), fresh.json["access_token"])
            for who in ("ann", "eve"):  # the access token ends with the session
                assert (await whole("GET", "/auth/v1/user", who=who)).status == 403
                assert (await whole("GET", "/rest/v1/auth_user", who=who)).status == 401
            assert (await sign_in(whole, "ann", PASSWORDS["ann"])).status == 400
        finally:
            await asyncio.to_thread(django.sql, "update auth_user set id = id - 1000 where username = 'eve'")
            on = "true" if django.dialect == "postgresql" else "1"
            await asyncio.to_thread(django.sql, f"update auth_user set is_active = {on}, email = 'ann@example.com' where username = 'ann'")


async def test_an_id_written_otherwise_is_nobody(django: Theirs, people: dict[str, int]) -> None:
    """`7`, `07`, ` 7`, `7.0`, the account's own uuid: only the first is the user."""
    keys = load_keys(django.folder / "p/.baaskit/keys.json")
    ann = str(people["ann"])
    async with serving(django) as whole:
        session = await enter(whole, "ann", people)
        for subject in (f"0{ann}", f" {ann}", f"{ann}.0", f"+{ann}", usertable.account_of(ann)):
            token = keys.sign({"sub": subject, "role": "authenticated", "exp": session["expires_at"]})
            assert (await whole("GET", "/auth/v1/user", who=token)).status == 403, subject
            assert (await whole("PATCH", f"/rest/v1/auth_user?id=eq.{ann}", {"last_name": "X"}, who=token)).status == 204
        row = await whole("GET", f"/rest/v1/auth_user?id=eq.{ann}&select=last_name", who="ann")
        assert row.json == [{"last_name": ""}]


async def test_nobody_signs_up_beside_their_table_or_changes_it_here(django: Theirs, people: dict[str, int]) -> None:
    async with serving(django, anonymous_users=True, usernames=True) as whole:
        await enter(whole, "ann", people)
        before = await asyncio.to_thread(django.sql, "select id, username, email, password from auth_user order by id")
        new = {"email": "new@example.com", "password": "long enough"}
        for path, body, who, code in (
            ("POST /auth/v1/signup", new, "anon", "signup_disabled"),
            ("POST /auth/v1/signup", {}, "anon", "signup_disabled"),
            ("POST /auth/v1/admin/users", new, "service", "users_table"),
            ("PUT /auth/v1/user", {"password": "another one"}, "ann", "users_table"),
            ("PUT /auth/v1/user", {"email": "new@example.com"}, "ann", "users_table"),
            (f"PUT /auth/v1/admin/users/{people['ann']}", {"password": "another one"}, "service", "users_table"),
        ):
            reply = await whole(*path.split(), body, who=who)
            assert (reply.status, reply.json.get("error_code")) == (422, code), (path, reply.body)
        kept = await whole("PUT", "/auth/v1/user", {"data": {"theme": "dark"}}, who="ann")
        assert kept.status == 200 and kept.json["user_metadata"] == {"theme": "dark"}
        found = await whole("GET", f"/auth/v1/admin/users/{people['ann']}", who="service")
        assert found.json["id"] == str(people["ann"])
        assert (await whole("GET", f"/auth/v1/admin/users/{people['ann']}/factors", who="service")).json == []
        looked = await whole("POST", f"/auth/v1/admin/users/{people['ann']}/impersonate", {}, who="service")
        assert (await whole("GET", "/auth/v1/user", who=looked.json["access_token"])).json["id"] == str(people["ann"])
        banned = await whole("PUT", f"/auth/v1/admin/users/{people['ann']}", {"ban_duration": "1h"}, who="service")
        assert banned.status == 200 and (await sign_in(whole, "ann", PASSWORDS["ann"])).json["error_code"] == "user_banned"
        await whole("PUT", f"/auth/v1/admin/users/{people['ann']}", {"ban_duration": "none"}, who="service")
        accounts = await whole("GET", "/auth/v1/admin/users", who="service")
        assert str(people["ann"]) in {user["id"] for user in accounts.json["users"]} <= {str(number) for number in people.values()}
    assert before == await asyncio.to_thread(django.sql, "select id, username, email, password from auth_user order by id")


def test_an_account_of_ours_cannot_be_made_to_pass_for_a_user_of_theirs() -> None:
    """What an admin or an import wrote into app_metadata makes no id."""
    forged = {
        "id": "00000000-0000-4000-8000-000000000001",
        "email": "x@example.com",
        "raw_app_meta_data": {"subject": "7", "email": "ann@example.com"},
    }
    assert usertable.as_known(forged) is forged
    assert len({usertable.account_of(text) for text in ("7", "07", " 7", "7 ", "A", "a")}) == 6


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"users_table": "auth_usr"}, "no table auth_usr"),
        ({"users_password": "passwd"}, "no column passwd"),
        ({"users_id": "first_name"}, "not a key"),
        ({"uid_type": "uuid"}, "uid_type is uuid"),
    ],
    ids=["table", "column", "no key", "type"],
)
async def test_settings_that_do_not_fit_stop_the_start(django: Theirs, given: dict[str, str], words: str) -> None:
    with pytest.raises(Faults, match=words):
        async with serving(django, **given):
            pass


def test_a_table_of_users_and_sign_up_exclude_each_other(tmp_path: Path) -> None:
    (tmp_path / "baaskit.toml").write_text('users_table = "people"\ndisable_signup = false\n')
    with pytest.raises(Faults, match="nobody can sign up"):
        load_settings(tmp_path)


@pytest.mark.parametrize("stored", [None, 5, "", "!unusable", "plain", "md5$x$y", "pbkdf2_sha256$999999999$a$YQ=="])
def test_what_is_no_hash_that_can_be_checked_is_none(stored: object) -> None:
    assert table_sign_in.usable(stored) is None
