"""A7: a rule that does not fit, or answers NULL, denies; it never opens."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.shop import ANN, Shop, open_shop

pytestmark = pytest.mark.anyio


async def test_a_null_answer_admits_nothing(database_url: str, tmp_path: Path) -> None:
    policies = """
    create policy a on pets for select to anon, authenticated using (price > 10);
    create policy b on pets for insert to authenticated with check (price < 100);
    create policy c on pets for update to authenticated using (price > 10) with check (price > 10);
    """
    async with open_shop(database_url, tmp_path, policies=policies) as shop:
        assert [1, 4] == [row["id"] for row in (await shop("GET", "pets?select=id&order=id")).json], "pet 3 has no price"
        refused = await shop("POST", "pets", {"name": "no price", "owner_id": ANN}, who="ann")
        assert (403, "42501") == (refused.status, refused.code)
        nulled = await shop("PATCH", "pets?id=eq.1", {"price": None}, who="ann")
        assert (403, "42501") == (nulled.status, nulled.code)
        assert 12.5 == (await shop.rows("pets"))[0]["price"]


async def test_an_anonymous_caller_owns_nothing_not_even_what_has_no_owner(database_url: str, tmp_path: Path) -> None:
    """`owner_id = auth.uid()` with no caller compares with NULL: it must not become `is null`."""
    async with open_shop(
        database_url, tmp_path, policies="create policy a on pets for all to anon, authenticated using (owner_id = auth.uid());"
    ) as shop:
        await shop("PATCH", "pets?id=eq.2", {"owner_id": None}, who="service")
        assert [] == (await shop("GET", "pets")).json
        assert 204 == (await shop("DELETE", "pets?id=eq.2")).status
        assert 4 == len(await shop.rows("pets"))


async def test_a_policy_that_no_longer_fits_closes_its_table(shop: Shop) -> None:
    """Somebody with a shell drops the column that a policy reads."""
    assert 2 == len((await shop("GET", "pets")).json)
    await shop.sql("alter table pets drop column sold" if shop.dialect == "postgresql" else "alter table pets rename column sold to gone")
    await shop.kit.database.reload()
    assert [] == (await shop("GET", "pets?select=id")).json
    refused = await shop("POST", "pets?select=id", {"name": "x"}, who="ann", headers={"Prefer": "return=representation"})
    assert (403, "42501") == (refused.status, refused.code)
    for method in ("PATCH", "DELETE"):
        await shop(method, "pets?id=not.is.null", {"name": "x"}, who="ann")
    assert 4 == len((await shop("GET", "pets?select=id", who="service")).json)
    assert "Rex" == (await shop("GET", "pets?select=name&id=eq.1", who="service")).json[0]["name"]
