"""S8: one mailbox is one account, and an address that only looks like another's is not that account."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.auth.rig import PASSWORD, open_rig, refusal

pytestmark = pytest.mark.anyio


async def test_spellings_of_one_address_are_one_account(database_url: str, tmp_path: Path) -> None:
    async with open_rig(database_url, tmp_path) as rig:
        user = (await rig.sign_up("ada@example.com"))["user"]
        for same in ("ADA@example.com", " ada@EXAMPLE.com\t", "ａda@example.com", "ada@example．com"):
            taken = await rig.ask("POST", "/signup", json={"email": same, "password": "another one"})
            assert (same, 422, "user_already_exists") == (same, *refusal(taken))
            assert (await rig.sign_in(same)).json()["user"]["id"] == user["id"]
            by_admin = await rig.admin("POST", "/users", {"email": same, "password": PASSWORD})
            assert (same, 422, "email_exists") == (same, *refusal(by_admin))


async def test_look_alikes_are_other_accounts_or_none(database_url: str, tmp_path: Path) -> None:
    async with open_rig(database_url, tmp_path) as rig:
        user = (await rig.sign_up("ada@example.com"))["user"]
        for invalid in (
            "аda@example.com",
            "adа@example.com",
            "ada@example.com.",
            "adá@example.com",
            "ada@example.com\0",
            "ada@example.com,eve@example.com",
        ):
            refused = await rig.ask("POST", "/signup", json={"email": invalid, "password": PASSWORD})
            assert (invalid, 400, "validation_failed") == (invalid, *refusal(refused))
            assert refusal(await rig.sign_in(invalid)) == (400, "invalid_credentials")
        for other in ("ada+x@example.com", "ada@exаmple.com", "ada_@example.com", "a%a@example.com"):
            made = (await rig.sign_up(other, "another one"))["user"]
            assert made["id"] != user["id"]
            assert made["email"].isascii()
            assert refusal(await rig.sign_in(other, PASSWORD)) == (400, "invalid_credentials")
        assert (await rig.sign_in("ada@example.com")).json()["user"]["id"] == user["id"]
