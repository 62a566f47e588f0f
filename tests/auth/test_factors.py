"""Second factors by HTTP: enrolling, proving, recovery codes, and what becomes of the session."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import pytest
from sqlalchemy import select, update

from baaskit.auth.users import utc_now
from tests.auth.factors import claims_of, code_of, half_signed_in, person, with_factor
from tests.auth.rig import PASSWORD, Rig, refusal

pytestmark = pytest.mark.anyio


async def test_a_factor_is_enrolled_scanned_and_raises_the_session(rig: Rig) -> None:
    ada = await person(rig)
    assert claims_of(ada.token)["aal"] == "aal1"
    made = (await ada.enroll("my phone")).json()
    assert set(made) == {"id", "type", "friendly_name", "totp"}
    picture, secret, uri = (made["totp"][name] for name in ("qr_code", "secret", "uri"))
    assert picture.startswith("<svg")
    assert "#" not in picture, "clients put it into an address as it is"
    parts = urlsplit(uri)
    assert (parts.scheme, parts.netloc) == ("otpauth", "totp")
    assert parts.path.endswith(":ada%40example.com")
    assert parse_qs(parts.query)["secret"] == [secret]
    [shown] = (await ada.ask("GET", "/user")).json()["factors"]
    assert (shown["status"], shown["friendly_name"], shown["factor_type"]) == ("unverified", "my phone", "totp")

    ada.factor = made["id"]
    raised = (await ada.prove(code_of(secret))).json()
    claims = claims_of(raised["access_token"])
    assert claims["aal"] == "aal2"
    assert [entry["method"] for entry in claims["amr"]] == ["password", "totp"]
    assert claims["session_id"] == claims_of(ada.session["access_token"])["session_id"]
    assert raised["user"]["factors"][0]["status"] == "verified"
    refreshed = (await rig.refresh(raised["refresh_token"])).json()
    assert claims_of(refreshed["access_token"])["aal"] == "aal2"
    assert claims_of((await rig.sign_in("ada@example.com")).json()["access_token"])["aal"] == "aal1"


async def test_another_tab_that_refreshes_with_the_old_token_stays_signed_in(rig: Rig) -> None:
    ada = await person(rig)
    old = ada.session["refresh_token"]
    made = (await ada.enroll()).json()
    ada.factor = made["id"]
    raised = (await ada.prove(code_of(made["totp"]["secret"]))).json()
    other_tab = await rig.refresh(old)
    assert other_tab.json()["refresh_token"] == raised["refresh_token"]
    assert claims_of(other_tab.json()["access_token"])["aal"] == "aal2"


async def test_the_first_factor_ends_sessions_that_were_opened_without_one(rig: Rig) -> None:
    elsewhere_first = await person(rig)
    await rig.sign_in("ada@example.com")
    elsewhere = (await rig.sign_in("ada@example.com")).json()
    made = (await elsewhere_first.enroll()).json()
    elsewhere_first.factor = made["id"]
    await elsewhere_first.prove(code_of(made["totp"]["secret"]))
    assert refusal(await rig.ask("GET", "/user", elsewhere["access_token"])) == (403, "session_not_found")
    assert (await elsewhere_first.ask("GET", "/user")).status_code == 200


async def test_the_last_factor_removed_lowers_every_session(rig: Rig) -> None:
    ada = await with_factor(rig)
    assert (await ada.ask("DELETE", f"/factors/{ada.factor}")).json() == {"id": ada.factor}
    refreshed = (await rig.refresh(ada.session["refresh_token"])).json()
    claims = claims_of(refreshed["access_token"])
    assert (claims["aal"], [entry["method"] for entry in claims["amr"]]) == ("aal1", ["password"])
    assert "factors" not in refreshed["user"]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"factor_type": "phone", "phone": "+4912345678"}, 422, "mfa_phone_enroll_not_enabled"),
        ({"factor_type": "telepathy"}, 400, "validation_failed"),
        ({}, 400, "validation_failed"),
        ({"factor_type": "totp", "friendly_name": "a\u0000b"}, 400, "validation_failed"),
        ({"factor_type": "totp", "friendly_name": "x" * 101}, 400, "validation_failed"),
        ({"factor_type": "totp", "friendly_name": {}}, 400, "validation_failed"),
    ],
    ids=["phone", "unknown", "none", "control-character", "long-name", "object-name"],
)
async def test_what_cannot_be_enrolled(rig: Rig, body: Any, status: int, code: str) -> None:
    ada = await person(rig)
    assert refusal(await ada.ask("POST", "/factors", body)) == (status, code)


async def test_names_are_unique_and_factors_are_few(rig: Rig) -> None:
    ada = await with_factor(rig)
    assert refusal(await ada.enroll("phone")) == (422, "mfa_factor_name_conflict")
    first, second = (await ada.enroll("spare")).json(), (await ada.enroll("spare")).json()
    shown = [factor["id"] for factor in (await ada.ask("GET", "/user")).json()["factors"]]
    assert shown == [ada.factor, second["id"]], "an enrolment that was given up makes room"
    assert refusal(await ada.ask("POST", f"/factors/{first['id']}/challenge", {})) == (404, "mfa_factor_not_found")
    for number in range(8):
        assert (await ada.enroll(f"spare {number}")).status_code == 200
    assert refusal(await ada.enroll("one more")) == (422, "too_many_enrolled_mfa_factors")


async def test_proofs_that_are_refused(rig: Rig) -> None:
    ada = await with_factor(rig)
    verify = f"/factors/{ada.factor}/verify"
    for code in ("000000", "", "abcdef", "１２３４５６"):
        challenge = await ada.challenge()
        assert refusal(await ada.ask("POST", verify, {"challenge_id": challenge, "code": code})) == (422, "mfa_verification_failed")
    assert refusal(await ada.ask("POST", verify, {"code": "123456"})) == (400, "validation_failed")
    assert refusal(await ada.ask("POST", verify, {"challenge_id": str(uuid4()), "code": "123456"})) == (422, "mfa_factor_not_found")
    assert refusal(await ada.ask("POST", verify, {"challenge_id": ["x"], "code": "123456"})) == (400, "validation_failed")
    assert refusal(await ada.ask("POST", "/factors/nonsense/verify", {})) == (404, "mfa_factor_not_found")
    challenge = await ada.challenge()
    c = rig.kit.database.tables.challenges
    await rig.kit.database.execute(update(c).values(expires_at=utc_now() - timedelta(seconds=1)))
    late = await ada.ask("POST", verify, {"challenge_id": challenge, "code": code_of(ada.secret, 1)})
    assert refusal(late) == (422, "mfa_challenge_expired")
    assert (await ada.prove(code_of(ada.secret, 1))).status_code == 200
    assert len(await rig.kit.database.query(select(c))) <= 7


async def test_recovery_codes_stand_in_for_a_lost_phone_once_each(rig: Rig) -> None:
    ada = await with_factor(rig)
    assert (await ada.ask("GET", "/factors/recovery_codes")).json() == {"left": 0}
    earlier = (await ada.ask("POST", "/factors/recovery_codes")).json()["codes"]
    codes = (await ada.ask("POST", "/factors/recovery_codes")).json()["codes"]
    assert len(set(codes)) == 10
    stored = await rig.kit.database.query(select(rig.kit.database.tables.recovery_codes))
    assert not any(part in str(stored) for part in codes)

    again = await half_signed_in(rig, ada)
    use = "/factors/recovery_codes/verify"
    for wrong in (earlier[0], "", "aaaa-bbbb-cccc-dddd"):
        assert refusal(await again.ask("POST", use, {"code": wrong})) == (422, "mfa_verification_failed")
    raised = (await again.ask("POST", use, {"code": codes[0].upper().replace("-", " ")})).json()
    claims = claims_of(raised["access_token"])
    assert (claims["aal"], claims["amr"][-1]["method"]) == ("aal2", "mfa/recovery_code")
    assert refusal(await again.ask("POST", use, {"code": codes[0]})) == (422, "mfa_verification_failed")
    again.session = raised
    assert (await again.ask("GET", "/factors/recovery_codes")).json() == {"left": 9}
    assert (await again.ask("DELETE", f"/factors/{ada.factor}")).status_code == 200, "the lost phone's factor"
    assert (await again.ask("GET", "/factors/recovery_codes")).json() == {"left": 0}


async def test_recovery_codes_are_for_those_who_have_a_factor(rig: Rig) -> None:
    ada = await person(rig)
    assert refusal(await ada.ask("POST", "/factors/recovery_codes")) == (404, "mfa_factor_not_found")


async def test_an_admin_sees_and_removes_factors(rig: Rig) -> None:
    ada = await with_factor(rig)
    user = ada.session["user"]["id"]
    [shown] = (await rig.admin("GET", f"/users/{user}/factors")).json()
    assert (shown["id"], shown["status"]) == (ada.factor, "verified")
    assert "secret" not in str(shown)
    assert (await rig.admin("GET", f"/users/{user}")).json()["factors"] == [shown]
    assert refusal(await rig.admin("DELETE", f"/users/{user}/factors/{uuid4()}")) == (404, "mfa_factor_not_found")
    assert refusal(await rig.admin("GET", f"/users/{uuid4()}/factors")) == (404, "user_not_found")
    assert (await rig.admin("DELETE", f"/users/{user}/factors/{ada.factor}")).json()["id"] == ada.factor
    assert (await rig.admin("GET", f"/users/{user}/factors")).json() == []
    assert refusal(await ada.ask("GET", "/user")) == (403, "session_not_found"), "what the lost phone raised has ended"
    assert (await rig.sign_in("ada@example.com", PASSWORD)).status_code == 200
    assert refusal(await rig.ask("GET", f"/admin/users/{user}/factors")) == (403, "not_admin")


async def test_deleting_a_user_deletes_its_factors(rig: Rig) -> None:
    t = rig.kit.database.tables
    for email, soft in (("ada@example.com", True), ("bob@example.com", False)):
        whole = await with_factor(rig, email)
        await whole.ask("POST", "/factors/recovery_codes")
        await rig.admin("DELETE", f"/users/{whole.session['user']['id']}", {"should_soft_delete": soft})
        assert await rig.kit.database.query(select(t.factors)) == []
        assert await rig.kit.database.query(select(t.recovery_codes)) == []
