"""What a stranger can find out by names alone, and policies that compare an object with what it was."""

from __future__ import annotations

import pytest

from tests.storage.conftest import ANA, BOB, POLICIES, Rig

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("who", ["anon", ANA, BOB])
async def test_a_bucket_that_is_hidden_looks_like_one_that_is_missing(rig: Rig, who: str) -> None:
    """`pets` is there and nobody may see or fill it; every path that takes a bucket's name must answer alike for `nope`."""
    await rig.http.put("/storage/v1/bucket/pets", json={"public": False, "allowed_mime_types": ["image/*"]}, headers=rig.as_("service"))
    await rig.upload("service", "pets/a.png", content_type="image/png")
    await rig.upload(ANA, f"files/{ANA}/a.txt")
    asked = [
        ("POST", "/object/{}/x.txt", b"text"), ("PUT", "/object/{}/a.png", b"text"), ("POST", "/object/list/{}", {"prefix": ""}),
        ("POST", "/object/list/{}", {"prefix": "", "search": "a"}), ("DELETE", "/object/{}", {"prefixes": ["a.png"]}),
        ("DELETE", "/object/{}/a.png", None), ("POST", "/object/upload/sign/{}/a.png", None), ("POST", "/object/sign/{}/a.png", {"expiresIn": 9}),
        ("POST", "/object/sign/{}", {"expiresIn": 9, "paths": ["a.png"]}), ("GET", "/object/{}/a.png", None), ("GET", "/object/public/{}/a.png", None),
        ("GET", "/object/info/{}/a.png", None), ("GET", "/bucket/{}", None), ("PUT", "/bucket/{}", {"public": True}), ("DELETE", "/bucket/{}", None),
        ("POST", "/bucket/{}/empty", None), ("POST", "/bucket", {"id": "{}"}),
        ("POST", "/object/move", {"bucketId": "files", "sourceKey": f"{ANA}/a.txt", "destinationBucket": "{}", "destinationKey": "a.png"}),
        ("POST", "/object/copy", {"bucketId": "files", "sourceKey": f"{ANA}/a.txt", "destinationBucket": "{}", "destinationKey": "a.png"}),
        ("POST", "/object/copy", {"bucketId": "{}", "sourceKey": "a.png", "destinationBucket": "files", "destinationKey": f"{ANA}/b.png"}),
    ]  # fmt: skip
    for method, path, body in asked:
        answers = set()
        for bucket in ("pets", "nope"):
            sent = {k: v.replace("{}", bucket) if isinstance(v, str) else v for k, v in body.items()} if isinstance(body, dict) else None
            kind = {"content-type": "text/plain"} if isinstance(body, bytes) else {}
            more = {"content": body} if isinstance(body, bytes) else {"json": sent} if sent else {}
            answer = await rig.http.request(method, "/storage/v1" + path.replace("{}", bucket), headers={**rig.as_(who), **kind}, **more)  # type: ignore[arg-type]
            answers.add((answer.status_code, answer.text.replace(bucket, "…")))
        assert len(answers) == 1, (method, path, answers)


async def test_who_sees_all_buckets_is_told_that_one_is_missing(rig: Rig) -> None:
    assert (await rig.upload("service", "nope/a.txt")).json()["code"] == "NoSuchBucket"
    assert (await rig.upload(ANA, "nope/a.txt")).json()["code"] == "AccessDenied"
    open_ = POLICIES + 'create policy "names" on storage.buckets for select to authenticated using (true);'
    await rig.kit.database.save_policies(open_, "test")
    assert (await rig.upload(ANA, "nope/a.txt")).json()["code"] == "NoSuchBucket"
    partly = POLICIES + 'create policy "names" on storage.buckets for select to authenticated using (public);'
    await rig.kit.database.save_policies(partly, "test")
    assert (await rig.upload(ANA, "nope/a.txt")).json()["code"] == "AccessDenied"


async def test_a_name_that_is_taken_is_told_only_to_who_may_take_it(rig: Rig) -> None:
    mine = (
        POLICIES
        + "create policy \"mine\" on storage.buckets for insert to authenticated with check (id like 'team-%' and owner_id = auth.uid()::text);"
    )
    await rig.kit.database.save_policies(mine, "test")

    async def make(name: str) -> str:
        answer = await rig.http.post("/storage/v1/bucket", json={"id": name}, headers=rig.as_(ANA))
        return str(answer.json().get("code"))

    assert ["None", "ResourceAlreadyExists"] == [await make("team-a"), await make("team-a")]
    assert ["AccessDenied", "AccessDenied"] == [await make("files"), await make("free")]


async def test_a_policy_compares_an_object_with_what_it_was(rig: Rig) -> None:
    """`old.` is the row before: here an object keeps its folder, and its owner may not hand in less than there was."""
    rules = POLICIES.replace(
        'using (owner_id = auth.uid()::text);\ncreate policy "delete',
        "using (owner_id = auth.uid()::text)\n  with check (storage.extension(name) = storage.extension(old.name) and old.version <> version or name = 'moved.txt');\n"
        'create policy "delete',
    )
    assert rules != POLICIES
    await rig.kit.database.save_policies(rules, "test")
    await rig.upload(ANA, f"files/{ANA}/a.txt", b"one")
    assert (await rig.upload(ANA, f"files/{ANA}/a.txt", b"two", x_upsert="true")).status_code == 200

    async def move(source: str, target: str) -> str:
        body = {"bucketId": "files", "sourceKey": source, "destinationKey": target}
        return str((await rig.http.post("/storage/v1/object/move", json=body, headers=rig.as_(ANA))).json().get("code"))

    assert await move(f"{ANA}/a.txt", f"{ANA}/b.txt") == "AccessDenied", "the version is what it was"
    assert await move(f"{ANA}/a.txt", "moved.txt") == "None"
