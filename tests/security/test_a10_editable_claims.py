"""A10: what users write into their own profile is never their role or their rights, and a policy that reads it is warned of."""

from __future__ import annotations

import base64
from typing import Any

import orjson
import pytest

from baaskit.kernel.policy import parse_policies
from tests.whole import Whole

pytestmark = pytest.mark.anyio

GREEDY: dict[str, Any] = {
    "role": "service_role", "aud": "admin", "is_super_admin": True, "app_metadata": {"role": "admin"}, "raw_app_meta_data": {"role": "admin"},
    "data": {"role": "service_role", "app_metadata": {"role": "admin"}, "sub": "00000000-0000-4000-8000-000000000001", "aud": "admin"},
}  # fmt: skip


def _claims(token: str) -> dict[str, Any]:
    body = token.split(".")[1]
    found: dict[str, Any] = orjson.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    return found


async def test_a_profile_gives_no_rights(whole: Whole) -> None:
    await whole.sign_up("greedy")
    before = _claims(whole.token("greedy"))
    changed = await whole("PUT", "/auth/v1/user", GREEDY, who="greedy")
    assert changed.status == 200, changed.json
    given = await whole("POST", "/auth/v1/token?grant_type=password", {"email": "greedy@example.com", "password": "correct horse battery"})
    after = _claims(given.json["access_token"])
    for claim in ("role", "aud", "sub", "app_metadata"):
        assert before[claim] == after[claim]
    assert after["user_metadata"]["role"] == "service_role", "it is kept, as words of the user's"
    assert (await whole("GET", "/auth/v1/admin/users", who=given.json["access_token"])).status in (401, 403)


async def test_a_sign_up_gives_no_rights(whole: Whole) -> None:
    made = await whole("POST", "/auth/v1/signup", {"email": "born-greedy@example.com", "password": "correct horse battery", **GREEDY})
    assert made.status == 200, made.json
    claims = _claims(made.json["access_token"])
    assert ("authenticated", "authenticated") == (claims["role"], claims["aud"])
    assert "role" not in claims["app_metadata"]


@pytest.mark.parametrize(
    "condition",
    [
        "auth.jwt() -> 'user_metadata' ->> 'role' = 'admin'",
        "auth.jwt() ->> 'user_metadata' like '%admin%'",
        "exists (select 1 from pets p where (auth.jwt() -> 'user_metadata' ->> 'team') = p.name)",
    ],
)
async def test_a_policy_that_reads_the_profile_is_warned_of(whole: Whole, condition: str) -> None:
    text = f'create policy "p" on pets for select to authenticated using ({condition});'
    schema = whole.kit.database.catalog.schema
    [warning] = parse_policies(text, schema).warnings
    assert "users can edit their own user_metadata" in str(warning)
    assert () == parse_policies(text.replace("user_metadata", "app_metadata"), schema).warnings
