"""References between operations of a batch, and what a batch says about its faults; on both databases."""

from __future__ import annotations

from typing import Any

import pytest

from baaskit.kernel.hooks import Write
from tests.shop import ANN, BOB, POLICIES, Reply, Shop

pytestmark = pytest.mark.anyio

SHOWN = "return=representation"


async def batch(shop: Shop, *operations: dict[str, Any], who: str = "ann", **headers: str) -> Reply:
    return await shop("POST", "batch", {"operations": list(operations)}, who=who, headers=headers)


def insert(path: str, body: Any, **more: Any) -> dict[str, Any]:
    return {"method": "POST", "path": path, "body": body, **more}


async def test_a_new_rows_key_goes_on_by_number_and_by_name(shop: Shop) -> None:
    reply = await batch(
        shop,
        insert("pets?select=id,name", {"name": "Kim"}, id="kim", prefer=SHOWN),
        insert("orders?select=pet_id,buyer_id", {"pet_id": {"$ref": "kim.id"}}, prefer=SHOWN),
        {
            "method": "PATCH",
            "path": "pets?id=eq.{{0.id}}&select=name,chip",
            "body": {"chip": {"$ref": "kim.name"}},
            "prefer": SHOWN,
            "expect": 1,
        },
        {"method": "GET", "path": "orders?select=pets(name)&pet_id=in.({{kim.id}},0)"},
        {"method": "GET", "path": "pets?select=id&id=in.(1,2)&order=id"},
        insert("orders?select=pet_id", {"pet_id": {"$ref": "4.1.id"}}, prefer=SHOWN),
        {"method": "DELETE", "path": "orders?pet_id=eq.{{1.pet_id}}", "expect": 1},
        {"method": "PUT", "path": "orders?id=eq.900", "body": {"id": 900, "pet_id": 1}, "expect": 1},
    )
    assert 200 == reply.status, reply.json
    results = [result["body"] for result in reply.json["results"]]
    kim = results[0][0]["id"]
    assert [{"pet_id": kim, "buyer_id": ANN}] == results[1]
    assert ([{"name": "Kim", "chip": "Kim"}], [{"pets": {"name": "Kim"}}], [{"pet_id": 2}]) == (results[2], results[3], results[5])
    assert [1, 2] == sorted(row["pet_id"] for row in await shop.rows("orders"))


async def test_a_reference_that_leads_nowhere_undoes_the_batch(shop: Shop) -> None:
    before = await shop.rows("pets")
    for reference, words in (
        ("1.id", "no operation before"), ("nobody.id", "no operation before"), ("0.nothing", "no such row or column"), ("0.5.id", "no such row or column"),
    ):  # fmt: skip
        reply = await batch(shop, insert("pets", {"name": "Kim"}, prefer=SHOWN), insert("orders", {"pet_id": {"$ref": reference}}))
        assert (400, "BK425", True, "operation 1") == (reply.status, reply.code, words in reply.json["message"], reply.json["hint"])
    assert (before, []) == (await shop.rows("pets"), await shop.rows("orders"))


async def test_a_reference_to_rows_that_were_not_answered_says_how_to_get_them(shop: Shop) -> None:
    reply = await batch(shop, insert("pets", {"name": "Kim"}), insert("orders", {"pet_id": {"$ref": "0.id"}}))
    assert ("BK425", True) == (reply.code, "return=representation" in reply.json["hint"])
    several = await batch(shop, {"method": "GET", "path": "pets"}, insert("orders", {"pet_id": {"$ref": "0.id"}}))
    assert "3 rows" in several.json["message"]


async def test_json_that_looks_like_a_reference_stays(shop: Shop) -> None:
    data = {"$ref": "#/definitions/pet", "deep": {"$ref": "0.id"}}
    one = await batch(shop, insert("pets?select=data", {"name": "a", "data": data}, prefer=SHOWN))
    two = await batch(shop, insert("pets?select=data", {"name": "a", "data": {"$ref": "#/definitions/pet"}}, prefer=SHOWN))
    assert ([{"data": data}], [{"data": {"$ref": "#/definitions/pet"}}]) == (one.json["results"][0]["body"], two.json["results"][0]["body"])


async def test_rows_nested_in_others_refer_too(shop: Shop) -> None:
    await shop.kit.database.save_policies(
        f'{POLICIES}create policy "tag" on pet_tags for insert to authenticated with check (true);', "test"
    )
    operations = [
        {"method": "GET", "path": "tags?id=eq.2", "id": "tag"},
        insert(
            "pets?select=name,pet_tags(tag_id)", {"name": {"$ref": "tag.label"}, "pet_tags": [{"tag_id": {"$ref": "tag.id"}}]}, prefer=SHOWN
        ),
    ]
    reply = await batch(shop, *operations)
    assert [{"name": "loud", "pet_tags": [{"tag_id": 2}]}] == reply.json["results"][1]["body"], reply.json

    async def hook(write: Write) -> Write:
        raise AssertionError("it must not be shown a reference")

    shop.kit.hooks.before_write.add(hook, lambda table, command: table.name == "pet_tags")
    assert ("BK425", True) == ((refused := await batch(shop, *operations)).code, "must see its values" in refused.json["message"])


async def test_put_in_a_batch(shop: Shop) -> None:
    put = {"method": "PUT", "path": "pets?id=eq.1", "body": {"id": 1, "name": "Rexy", "price": 13}, "expect": 1}
    assert [204] == [result["status"] for result in (await batch(shop, put)).json["results"]]
    assert "Rexy" == (await shop("GET", "pets?id=eq.1")).json[0]["name"]
    foreign = await batch(shop, {"method": "PUT", "path": "pets?id=eq.2", "body": {"id": 2, "name": "mine", "price": 13}})
    referring = await batch(shop, {"method": "GET", "path": "pets?id=eq.1"}, {**put, "path": "pets?id=eq.{{0.id}}"})
    assert ("42501", "BK425") == (foreign.code, referring.code)


async def test_a_misspelled_member_is_refused(shop: Shop) -> None:
    """Else a guard that was meant would silently not be there."""
    reply = await batch(shop, insert("pets", {"name": "Kim"}, expects=1))
    assert (400, True) == (reply.status, "operation 0: unknown member 'expects'" in reply.json["message"])
    for wrong in ("7", "a.b", "", 7):
        assert 400 == (await batch(shop, insert("pets", {"name": "Kim"}, id=wrong))).status
    twice = await batch(shop, insert("pets", {"name": "Kim"}, id="kim"), insert("pets", {"name": "Tim"}, id="kim"))
    assert (400, True) == (twice.status, "operation 1" in twice.json["message"])


async def test_a_batch_can_be_tried(shop: Shop) -> None:
    before = await shop.rows("pets")
    reply = await batch(shop, insert("pets?select=name", {"name": "Kim"}, prefer=SHOWN), Prefer="tx=rollback")
    assert ([{"name": "Kim"}], "tx=rollback") == (reply.json["results"][0]["body"], reply.headers["preference-applied"])
    assert before == await shop.rows("pets")


async def test_attack_a_reference_reads_a_hidden_column_or_row(shop: Shop) -> None:
    """Only what an operation has answered to this caller can be referred to."""
    hidden = await batch(shop, {"method": "GET", "path": "pets?id=eq.1"}, insert("pets", {"name": "x", "chip": {"$ref": "0.cost"}}))
    assert "BK425" == hidden.code
    foreign = await batch(shop, {"method": "GET", "path": "pets?id=eq.4"}, insert("pets", {"name": "x", "chip": {"$ref": "0.name"}}))
    assert ("BK425", True) == (foreign.code, "0 rows" in foreign.json["message"])


async def test_attack_a_reference_makes_a_row_somebody_elses(shop: Shop) -> None:
    reply = await batch(
        shop, {"method": "GET", "path": f"people?select=id&id=eq.{BOB}"}, insert("pets", {"name": "x", "owner_id": {"$ref": "0.id"}})
    )
    assert ("42501", True) == (reply.code, "operation 1" in reply.json["hint"])


async def test_attack_a_reference_hides_a_value_from_a_function_before_the_write(shop: Shop) -> None:
    async def hook(write: Write) -> Write:
        return write

    shop.kit.hooks.before_write.add(hook)
    reply = await batch(shop, {"method": "GET", "path": "pets?id=eq.1"}, insert("pets", {"name": "x", "price": {"$ref": "0.price"}}))
    assert ("BK425", True) == (reply.code, "must see its values" in reply.json["message"])


async def test_attack_a_reference_smuggles_an_operator(shop: Shop) -> None:
    """A value of the database's is read as a value, whatever it looks like."""
    for search in ("name=eq.{{0.name}}", "name=in.({{0.name}},zz)", "or=(name.eq.{{0.name}},name.eq.zz)"):
        for name in ("x&id=gt.0", "x,id.gt.0", "1)", "neq.0", "*", "{{0.id}}", '"', "a},{b"):
            reply = await batch(
                shop,
                insert("pets?select=id,name", {"name": name}, prefer=SHOWN),
                {"method": "GET", "path": f"pets?select=name&{search}", "expect": 1},
                {"method": "DELETE", "path": f"pets?{search}", "expect": 1},
            )
            assert [{"name": name}] == reply.json["results"][1]["body"], (search, name, reply.json)
    assert 4 == len(await shop.rows("pets"))


async def test_attack_a_reference_stands_where_no_value_does(shop: Shop) -> None:
    paths = [
        "pets?{{0.name}}=eq.1",
        "pets?select={{0.name}}",
        "pets?name={{0.name}}",
        "pets?order={{0.name}}",
        "pets?limit={{0.name}}",
        "{{0.name}}",
    ]
    for path in paths:
        reply = await batch(shop, {"method": "GET", "path": "pets?select=name&id=eq.1"}, {"method": "GET", "path": path})
        assert (reply.status, reply.code) in {(400, "PGRST100"), (400, "42703"), (404, "PGRST205")}, (path, reply.json)


async def test_attack_a_reference_confuses_types(shop: Shop) -> None:
    """What it stands for is read as if the client had written it."""
    read = {"method": "GET", "path": "pets?select=name,data,tags,price,chip,sold&id=eq.1"}
    for column, code in (("name", "22P02"), ("data", "22P02"), ("tags", "22P02")):
        reply = await batch(shop, read, insert("pets", {"name": "x", "price": {"$ref": f"0.{column}"}}))
        assert code == reply.code, (column, reply.json)
    for column, code in (("data", "BK425"), ("tags", "BK425"), ("name", "22P02")):
        reply = await batch(shop, read, {"method": "DELETE", "path": f"pets?id=eq.{{{{0.{column}}}}}"})
        assert code == reply.code, (column, reply.json)
    around = await batch(shop, read, {"method": "DELETE", "path": "pets?name=like.*{{0.name}}*"})
    null = await batch(shop, {"method": "GET", "path": "pets?id=eq.2"}, {"method": "GET", "path": "pets?chip=eq.{{0.chip}}"})
    assert ("BK425", "BK425") == (around.code, null.code)
    kept = await batch(shop, read, {"method": "GET", "path": "pets?select=id&sold=is.false&sold=eq.{{0.sold}}&price=eq.{{0.price}}"})
    assert [{"id": 1}] == kept.json["results"][1]["body"]


async def test_attack_short_references_to_a_long_value(shop: Shop) -> None:
    """A small body would otherwise become gigabytes, while every writer waits."""
    reply = await batch(
        shop,
        insert("pets?select=data", {"name": "x", "data": "y" * 20_000}, prefer=SHOWN),
        insert("pets", [{"name": "x", "data": {"$ref": "0.data"}} for _ in range(100)]),
    )
    long = await batch(
        shop,
        insert("pets?select=name", {"name": "y" * 70_000}, prefer=SHOWN),
        {"method": "GET", "path": "pets?name=match.{{0.name}}"},
    )
    assert ("BK400", "BK400") == (reply.code, long.code)
    assert 4 == len(await shop.rows("pets"))
