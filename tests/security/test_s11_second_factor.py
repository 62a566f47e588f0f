"""S11, and S5 for codes of a second factor: a stolen password alone neither passes nor changes it; a code works once."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, update

from baaskit.auth import totp
from baaskit.auth.users import utc_now
from baaskit.project import load_project
from baaskit.serving import bring_up_to_date
from tests.auth.factors import claims_of, code_of, half_signed_in, person, with_factor
from tests.auth.rig import PASSWORD, open_rig, refusal
from tests.whole import open_whole

pytestmark = pytest.mark.anyio


async def test_a_password_alone_adds_and_removes_no_factor(database_url: str, tmp_path: Path) -> None:
    async with open_rig(database_url, tmp_path) as rig:
        ada = await with_factor(rig)
        thief = await half_signed_in(rig, ada)
        assert refusal(await thief.enroll("thief's")) == (403, "insufficient_aal")
        assert refusal(await thief.ask("DELETE", f"/factors/{ada.factor}")) == (422, "insufficient_aal")
        assert refusal(await thief.ask("POST", "/factors/recovery_codes")) == (403, "insufficient_aal")


async def test_a_password_alone_changes_neither_password_nor_address(database_url: str, tmp_path: Path) -> None:
    async with open_rig(database_url, tmp_path) as rig:
        ada = await with_factor(rig)
        thief = await half_signed_in(rig, ada)
        for change in ({"password": "a new password"}, {"email": "thief@example.com"}):
            assert refusal(await thief.ask("PUT", "/user", change)) == (401, "insufficient_aal")
        assert (await thief.ask("PUT", "/user", {"data": {"name": "Ada"}})).status_code == 200
        assert (await ada.ask("PUT", "/user", {"password": "a new password"})).status_code == 200


async def test_a_token_that_still_says_aal2_is_not_believed(database_url: str, tmp_path: Path) -> None:
    """A session that was lowered has access tokens of before: what they say does not count where factors are changed."""
    async with open_rig(database_url, tmp_path) as rig:
        ada = await with_factor(rig)
        s = rig.kit.database.tables.sessions
        await rig.kit.database.execute(update(s).values(aal="aal1"))
        assert claims_of(ada.token)["aal"] == "aal2"
        assert refusal(await ada.enroll("another")) == (403, "insufficient_aal")
        assert refusal(await ada.ask("PUT", "/user", {"password": "a new password"})) == (401, "insufficient_aal")


async def test_a_code_that_was_used_is_refused(database_url: str, tmp_path: Path) -> None:
    async with open_rig(database_url, tmp_path) as rig:
        ada = await with_factor(rig)
        code = code_of(ada.secret, 1)
        assert (await ada.prove(code)).status_code == 200
        assert refusal(await ada.prove(code)) == (422, "mfa_verification_failed")
        assert refusal(await ada.prove(code_of(ada.secret))) == (422, "mfa_verification_failed"), "nor one of before it"


async def test_a_code_used_by_a_hundred_requests_at_once_works_once(database_url: str, tmp_path: Path) -> None:
    async with open_rig(database_url, tmp_path) as rig, open_rig(database_url, tmp_path) as other:
        ada = await with_factor(rig)
        challenges = [await ada.challenge() for _ in range(20)]
        code = code_of(ada.secret, 1)
        token, path = ada.token, f"/factors/{ada.factor}/verify"
        tries = ((rig, other)[n % 2].ask("POST", path, token, json={"challenge_id": challenges[n % 20], "code": code}) for n in range(100))
        answers = await asyncio.gather(*tries)
        assert sorted(answer.status_code for answer in answers).count(200) == 1
        assert {answer.status_code for answer in answers} <= {200, 422, 429}


async def test_a_recovery_code_used_by_a_hundred_requests_at_once_works_once(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("baaskit.auth.recovery_codes.TRIES_PER_WINDOW", 1000)
    async with open_rig(database_url, tmp_path) as rig, open_rig(database_url, tmp_path) as other:
        ada = await with_factor(rig)
        code = (await ada.ask("POST", "/factors/recovery_codes")).json()["codes"][0]
        body = {"code": code}
        tries = ((rig, other)[n % 2].ask("POST", "/factors/recovery_codes/verify", ada.token, json=body) for n in range(100))
        answers = await asyncio.gather(*tries)
        assert [answer.status_code for answer in answers].count(200) == 1
        assert {answer.status_code for answer in answers} == {200, 422}


async def test_guessing_makes_a_factor_rest_across_processes(database_url: str, tmp_path: Path) -> None:
    async with open_rig(database_url, tmp_path) as rig, open_rig(database_url, tmp_path) as other:
        ada = await with_factor(rig)
        challenge = await ada.challenge()
        wrong = {"challenge_id": challenge, "code": "000000"}
        path = f"/factors/{ada.factor}/verify"
        answers = await asyncio.gather(*((rig, other)[n % 2].ask("POST", path, ada.token, json=wrong) for n in range(30)))
        codes = [refusal(answer)[1] for answer in answers]
        assert codes.count("mfa_verification_failed") == 5
        assert codes.count("over_request_rate_limit") == 25
        right = await ada.prove(code_of(ada.secret, 1))
        assert refusal(right) == (429, "over_request_rate_limit"), "a right code tells nothing while the factor rests"
        assert 0 < int(right.headers["Retry-After"]) <= 31
        f = rig.kit.database.tables.factors
        await rig.kit.database.execute(update(f).values(locked_until=utc_now() - timedelta(seconds=1)))
        assert refusal(await ada.prove("000000")) == (422, "mfa_verification_failed")
        assert int((await ada.prove("000000")).headers["Retry-After"]) > 31, "each further wrong code doubles the rest"


async def test_recovery_codes_cannot_be_guessed_at_leisure(database_url: str, tmp_path: Path) -> None:
    async with open_rig(database_url, tmp_path) as rig:
        ada = await with_factor(rig)
        answers = [await ada.ask("POST", "/factors/recovery_codes/verify", {"code": f"guess{n}"}) for n in range(12)]
        assert refusal(answers[-1]) == (429, "over_request_rate_limit")


async def test_a_challenge_is_for_its_session_and_factor(database_url: str, tmp_path: Path) -> None:
    async with open_rig(database_url, tmp_path) as rig:
        ada = await with_factor(rig)
        challenge = await ada.challenge()
        elsewhere = await half_signed_in(rig, ada)
        body = {"challenge_id": challenge, "code": code_of(ada.secret, 1)}
        assert refusal(await elsewhere.ask("POST", f"/factors/{ada.factor}/verify", body)) == (422, "mfa_factor_not_found")
        spare = (await ada.enroll("spare")).json()["id"]
        assert refusal(await ada.ask("POST", f"/factors/{spare}/verify", body)) == (422, "mfa_factor_not_found")


async def test_nobody_reaches_anothers_factor(database_url: str, tmp_path: Path) -> None:
    async with open_rig(database_url, tmp_path) as rig:
        ada, bob = await with_factor(rig), await person(rig, "bob@example.com")
        for method, path in (("POST", "/challenge"), ("POST", "/verify"), ("DELETE", "")):
            body = {"challenge_id": await ada.challenge(), "code": code_of(ada.secret, 1)} if method == "POST" else None
            assert refusal(await bob.ask(method, f"/factors/{ada.factor}{path}", body)) == (404, "mfa_factor_not_found")
        codes = (await ada.ask("POST", "/factors/recovery_codes")).json()["codes"]
        answer = await bob.ask("POST", "/factors/recovery_codes/verify", {"code": codes[0]})
        assert refusal(answer) == (422, "mfa_verification_failed")


async def test_an_impersonating_admin_cannot_touch_factors(database_url: str, tmp_path: Path) -> None:
    async with open_rig(database_url, tmp_path) as rig:
        ada = await person(rig)
        user = ada.session["user"]["id"]
        token = (await rig.admin("POST", f"/users/{user}/impersonate", {"reason": "support"})).json()["access_token"]
        answer = await rig.ask("POST", "/factors", token, json={"factor_type": "totp"})
        assert answer.status_code == 403, answer.text


async def test_the_database_holds_no_secret_that_makes_codes(database_url: str, tmp_path: Path) -> None:
    async with open_rig(database_url, tmp_path) as rig:
        ada, bob = await with_factor(rig), await with_factor(rig, "bob@example.com")
        t = rig.kit.database.tables
        rows = {row["id"]: row for row in await rig.kit.database.query(select(t.factors))}
        assert ada.secret not in str(rows)
        assert bob.secret not in str(await rig.kit.database.query(select(t.changes)))
        # A row's sealed secret put into another row (by SQL injection elsewhere, a restored backup) opens nothing.
        await rig.kit.database.execute(update(t.factors).where(t.factors.c.id == ada.factor).values(secret=rows[bob.factor]["secret"]))
        thief = await half_signed_in(rig, ada)
        assert refusal(await thief.prove(code_of(bob.secret, 1))) == (422, "mfa_verification_failed")


def test_a_sealed_secret_opens_with_its_own_key_and_factor_only() -> None:
    sealed = totp.seal(b"k" * 32, "SECRET", "one")
    assert totp.unseal(b"k" * 32, sealed, "one") == "SECRET"
    assert totp.unseal(b"k" * 32, sealed, "two") is None
    assert totp.unseal(b"l" * 32, sealed, "one") is None
    assert totp.seal(b"k" * 32, "SECRET", "one") != sealed


async def test_recovery_by_mail_does_not_pass_the_second_factor(database_url: str, tmp_path: Path) -> None:
    async with open_rig(database_url, tmp_path, mail_mailbox=True, mail_interval_seconds=0) as rig:
        await with_factor(rig)
        await rig.ask("POST", "/recover", json={"email": "ada@example.com"})
        [mail] = await rig.mails()
        body = {"type": "recovery", "email": "ada@example.com", "token": mail["code"]}
        session = (await rig.ask("POST", "/verify", json=body)).json()
        assert claims_of(session["access_token"])["aal"] == "aal1"
        change = await rig.ask("PUT", "/user", session["access_token"], json={"password": "a new password"})
        assert refusal(change) == (401, "insufficient_aal")
        assert (await rig.sign_in("ada@example.com", PASSWORD)).status_code == 200


async def test_rows_behind_aal2_are_not_there_for_a_password_alone(database_url: str, tmp_path: Path) -> None:
    """The policy of docs/howto/mfa-in-a-policy.md, on the whole application."""
    async with open_whole(database_url, tmp_path, function_workers=1) as app:
        policies = app.folder / "policies.sql"
        policies.write_text(
            "create policy \"raised\" on pets for all to authenticated using (auth.jwt() ->> 'aal' = 'aal2') with check (true);\n"
        )
        await bring_up_to_date(load_project(app.folder), app.kit.database, lambda line: None)
        made = (await app("POST", "/auth/v1/factors", {"factor_type": "totp"}, who="ann")).json
        challenge = (await app("POST", f"/auth/v1/factors/{made['id']}/challenge", {}, who="ann")).json
        body = {"challenge_id": challenge["id"], "code": code_of(made["totp"]["secret"])}
        raised = (await app("POST", f"/auth/v1/factors/{made['id']}/verify", body, who="ann")).json["access_token"]
        pet = {"seller_id": app.id("ann"), "name": "Rex", "species": "dog", "price": 1}
        assert (await app("POST", "/rest/v1/pets", pet, who="service")).status == 201
        assert (await app("GET", "/rest/v1/pets?select=id", who="ann")).json == []
        assert (await app("GET", "/rest/v1/pets?select=id", who=raised)).json != []
