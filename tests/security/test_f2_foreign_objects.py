"""F2: nobody writes over, into, or out of another's objects, and no answer tells which names are taken there."""

from __future__ import annotations

import pytest

from tests.whole import Whole

pytestmark = pytest.mark.anyio
PNG = {"content-type": "image/png"}


async def put(whole: Whole, who: str, name: str, body: bytes, method: str = "POST", **headers: str) -> int:
    return (await whole(method, f"/storage/v1/object/photos/{name}", body, who=who, headers={**PNG, **headers})).status


async def read(whole: Whole, who: str, name: str) -> bytes:
    return (await whole("GET", f"/storage/v1/object/photos/{name}", who=who)).body


async def test_anothers_object_is_neither_replaced_nor_moved_nor_deleted(whole: Whole) -> None:
    theirs, mine = f"{whole.id('bob')}/cat.png", f"{whole.id('ann')}/mine.png"
    assert await put(whole, "bob", theirs, b"bob's", "PUT") == 200
    assert await put(whole, "ann", mine, b"ann's", "PUT") == 200
    assert await put(whole, "ann", theirs, b"x") == 400
    assert await put(whole, "ann", theirs, b"x", **{"x-upsert": "true"}) == 400
    assert await put(whole, "ann", theirs, b"x", "PUT") == 400
    for path, source, target in (
        ("move", mine, theirs), ("move", theirs, mine + "2"), ("copy", mine, theirs), ("copy", theirs, mine + "2"),
    ):  # fmt: skip
        body = {"bucketId": "photos", "sourceKey": source, "destinationKey": target}
        assert (await whole("POST", f"/storage/v1/object/{path}", body, who="ann", headers={"x-upsert": "true"})).status == 400
    assert (await whole("DELETE", f"/storage/v1/object/photos/{theirs}", who="ann")).status == 400
    assert (await whole("DELETE", "/storage/v1/object/photos", {"prefixes": [theirs]}, who="ann")).json == []
    assert (await whole("POST", f"/storage/v1/object/upload/sign/photos/{theirs}", who="ann", headers={"x-upsert": "true"})).status == 400
    assert await read(whole, "bob", theirs) == b"bob's"
    assert await read(whole, "ann", mine) == b"ann's"


@pytest.mark.parametrize("how", ["POST", "upsert", "move", "copy", "sign"])
async def test_a_taken_name_in_anothers_folder_answers_like_a_free_one(whole: Whole, how: str) -> None:
    mine = f"{whole.id('ann')}/mine.png"
    await put(whole, "ann", mine, b"ann's", **{"x-upsert": "true"})
    await put(whole, "bob", f"{whole.id('bob')}/taken.png", b"bob's", **{"x-upsert": "true"})

    async def attempt(name: str) -> tuple[int, bytes]:
        target = f"{whole.id('bob')}/{name}"
        if how in ("move", "copy"):
            body = {"bucketId": "photos", "sourceKey": mine, "destinationKey": target}
            answer = await whole("POST", f"/storage/v1/object/{how}", body, who="ann")
        elif how == "sign":
            answer = await whole("POST", f"/storage/v1/object/upload/sign/photos/{target}", who="ann")
        else:
            more = {"x-upsert": "true"} if how == "upsert" else {}
            answer = await whole("POST", f"/storage/v1/object/photos/{target}", b"x", who="ann", headers={**PNG, **more})
        return answer.status, answer.body

    taken = await attempt("taken.png")
    assert taken == await attempt("free.png")
    assert b"AccessDenied" in taken[1]
    assert await read(whole, "ann", mine) == b"ann's"


async def test_a_move_within_ones_own_folder_works_and_says_what_is_taken(whole: Whole) -> None:
    own = whole.id("ann")
    await put(whole, "ann", f"{own}/a.png", b"a")
    await put(whole, "ann", f"{own}/b.png", b"b")
    onto = {"bucketId": "photos", "sourceKey": f"{own}/a.png", "destinationKey": f"{own}/b.png"}
    assert (await whole("POST", "/storage/v1/object/move", onto, who="ann")).json["code"] == "ResourceAlreadyExists"
    assert await read(whole, "ann", f"{own}/b.png") == b"b"
    free = {**onto, "destinationKey": f"{own}/c.png"}
    assert (await whole("POST", "/storage/v1/object/move", free, who="ann")).status == 200
    assert await read(whole, "ann", f"{own}/c.png") == b"a"


@pytest.mark.parametrize("how", ["move", "copy"])
async def test_another_buckets_rules_hold_for_what_comes_in_by_move_or_copy(whole: Whole, how: str) -> None:
    for bucket in ({"id": "loose"}, {"id": "small", "file_size_limit": 3}, {"id": "text", "allowed_mime_types": ["text/plain"]}):
        await whole("POST", "/storage/v1/bucket", bucket, who="service")
    assert (await whole("PUT", "/storage/v1/object/loose/a.png", b"four", who="service", headers=PNG)).status == 200
    for bucket_id, code in (("small", "EntityTooLarge"), ("text", "InvalidMimeType")):
        body = {"bucketId": "loose", "sourceKey": "a.png", "destinationKey": "a.png", "destinationBucket": bucket_id}
        assert (await whole("POST", f"/storage/v1/object/{how}", body, who="service")).json["code"] == code
        assert (await whole("GET", f"/storage/v1/object/{bucket_id}/a.png", who="service")).status == 400
    assert (await whole("GET", "/storage/v1/object/loose/a.png", who="service")).body == b"four"


async def test_what_others_have_is_not_listed_signed_or_described(whole: Whole) -> None:
    theirs = f"{whole.id('bob')}/cat.png"
    await put(whole, "bob", theirs, b"bob's", "PUT")
    for who in ("ann", "anon"):
        assert (await whole("POST", "/storage/v1/object/list/photos", {"prefix": whole.id("bob")}, who=who)).json == []
        listed = (await whole("POST", "/storage/v1/object/list/photos", {"prefix": ""}, who=who)).json
        assert whole.id("bob") not in [entry["name"] for entry in listed]
        assert (await whole("POST", f"/storage/v1/object/sign/photos/{theirs}", {"expiresIn": 60}, who=who)).status == 400
        [signed] = (await whole("POST", "/storage/v1/object/sign/photos", {"expiresIn": 60, "paths": [theirs]}, who=who)).json
        assert signed["signedURL"] is None
        assert (await whole("GET", f"/storage/v1/object/info/photos/{theirs}", who=who)).status == 400
