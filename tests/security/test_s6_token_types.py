"""S6: a token or a password that is no text is refused before it is compared with anything."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.auth.rig import PASSWORD, open_rig, refusal

pytestmark = pytest.mark.anyio

ODD: tuple[Any, ...] = ({}, {"$gt": ""}, {"$regex": ".*"}, [], ["a"], [None], 0, 1, 1.5, True, False)


async def test_only_text_is_a_token_or_a_password(database_url: str, tmp_path: Path) -> None:
    async with open_rig(database_url, tmp_path) as rig:
        session = await rig.sign_up("ada@example.com")
        for odd in ODD:
            bodies = (
                ("/token?grant_type=refresh_token", {"refresh_token": odd}),
                ("/token?grant_type=password", {"email": "ada@example.com", "password": odd}),
                ("/token?grant_type=password", {"email": odd, "password": PASSWORD}),
                ("/signup", {"email": odd, "password": PASSWORD}),
                ("/signup", {"email": "eve@example.com", "password": odd}),
            )
            for path, body in bodies:
                assert (path, odd, 400, "validation_failed") == (path, odd, *refusal(await rig.ask("POST", path, json=body)))
            changed = await rig.ask("PUT", "/user", session["access_token"], {"password": odd})
            assert (odd, 400, "validation_failed") == (odd, *refusal(changed))
        for empty in ("", None):
            assert refusal(await rig.refresh(empty)) == (400, "validation_failed")
        assert (await rig.sign_in("ada@example.com")).status_code == 200
        assert (await rig.refresh(session["refresh_token"])).status_code == 200
        assert (await rig.admin("GET", "/users")).headers["x-total-count"] == "1"
