"""Objects under policies: who may write, read, list, replace and delete, and what failure leaves behind."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from tests.storage.conftest import ANA, BOB, Rig

pytestmark = pytest.mark.anyio


async def test_an_owner_writes_reads_lists_and_deletes(rig: Rig) -> None:
    made = await rig.upload(ANA, f"files/{ANA}/a.txt", cache_control="max-age=60", content_type="text/plain")
    assert made.status_code == 200
    assert made.json()["Key"] == f"files/{ANA}/a.txt"

    got = await rig.http.get(f"/storage/v1/object/files/{ANA}/a.txt", headers=rig.as_(ANA))
    assert (got.status_code, got.content, got.headers["cache-control"]) == (200, b"hello", "max-age=60")

    listed = await rig.http.post("/storage/v1/object/list/files", json={"prefix": ANA}, headers=rig.as_(ANA))
    assert [e["name"] for e in listed.json()] == ["a.txt"]
    assert listed.json()[0]["metadata"]["size"] == 5

    folders = await rig.http.post("/storage/v1/object/list/files", json={"prefix": ""}, headers=rig.as_(ANA))
    assert folders.json() == [{"name": ANA, "id": None, "updated_at": None, "created_at": None, "last_accessed_at": None, "metadata": None}]

    gone = await rig.http.delete(f"/storage/v1/object/files/{ANA}/a.txt", headers=rig.as_(ANA))
    assert gone.json() == {"message": "Successfully deleted"}
    assert rig.blobs() == []


@pytest.mark.parametrize("who", [BOB, "anon"])
async def test_a_hidden_object_looks_like_a_missing_one(rig: Rig, who: str) -> None:
    await rig.upload(ANA, f"files/{ANA}/a.txt")
    for url in (
        f"/storage/v1/object/files/{ANA}/a.txt",
        f"/storage/v1/object/public/files/{ANA}/a.txt",
        f"/storage/v1/object/info/files/{ANA}/a.txt",
    ):
        hidden = await rig.http.get(url, headers=rig.as_(who))
        missing = await rig.http.get(url.replace("a.txt", "b.txt"), headers=rig.as_(who))
        assert (hidden.status_code, hidden.content) == (missing.status_code, missing.content)
        assert hidden.json()["statusCode"] == "404"
    assert (await rig.http.post("/storage/v1/object/list/files", json={"prefix": ANA}, headers=rig.as_(who))).json() == []
    signed = await rig.http.post(f"/storage/v1/object/sign/files/{ANA}/a.txt", json={"expiresIn": 60}, headers=rig.as_(who))
    assert signed.json()["code"] == "NoSuchKey"


@pytest.mark.parametrize("who", [BOB, "anon"])
async def test_nobody_writes_into_anothers_folder_and_no_byte_is_kept(rig: Rig, who: str) -> None:
    refused = await rig.upload(who, f"files/{ANA}/x.txt")
    assert (refused.status_code, refused.json()["statusCode"], refused.json()["code"]) == (400, "403", "AccessDenied")
    assert rig.blobs() == []


async def test_who_may_not_insert_does_not_learn_what_exists(rig: Rig) -> None:
    await rig.upload(ANA, f"files/{ANA}/a.txt")
    there = await rig.upload(BOB, f"files/{ANA}/a.txt")
    not_there = await rig.upload(BOB, f"files/{ANA}/b.txt")
    assert there.json() == not_there.json()


async def test_replacing_needs_upsert_and_removes_the_old_bytes(rig: Rig) -> None:
    await rig.upload(ANA, f"files/{ANA}/a.txt", b"one")
    again = await rig.upload(ANA, f"files/{ANA}/a.txt", b"two")
    assert (again.json()["statusCode"], again.json()["error"]) == ("409", "Duplicate")
    replaced = await rig.upload(ANA, f"files/{ANA}/a.txt", b"three", x_upsert="true")
    assert replaced.status_code == 200
    assert (await rig.http.get(f"/storage/v1/object/files/{ANA}/a.txt", headers=rig.as_(ANA))).content == b"three"
    assert len(rig.blobs()) == 1


async def test_a_form_upload_keeps_its_fields(rig: Rig) -> None:
    """JavaScript sends a form whose file part has an empty name."""
    body = (
        b'--xyz\r\nContent-Disposition: form-data; name="cacheControl"\r\n\r\n3600\r\n'
        b'--xyz\r\nContent-Disposition: form-data; name="metadata"\r\n\r\n{"a": 1}\r\n'
        b'--xyz\r\nContent-Disposition: form-data; name=""; filename="blob"\r\nContent-Type: image/png\r\n\r\n'
        + b"\x89PNG" * 1000
        + b"\r\n--xyz--\r\n"
    )
    made = await rig.upload(ANA, f"files/{ANA}/p.png", body, content_type="multipart/form-data; boundary=xyz")
    assert made.status_code == 200, made.text
    info = (await rig.http.get(f"/storage/v1/object/info/files/{ANA}/p.png", headers=rig.as_(ANA))).json()
    assert (info["size"], info["content_type"], info["cache_control"], info["metadata"]) == (4000, "image/png", "max-age=3600", {"a": 1})


async def test_a_form_that_breaks_off_stores_nothing(rig: Rig) -> None:
    body = b'--xyz\r\nContent-Disposition: form-data; name=""; filename="b"\r\nContent-Type: image/png\r\n\r\nhalf'
    refused = await rig.upload(ANA, f"files/{ANA}/p.png", body, content_type="multipart/form-data; boundary=xyz")
    assert refused.json()["code"] == "InvalidRequest"
    assert rig.blobs() == []


@pytest.mark.parametrize(
    ("header", "status", "content", "content_range"),
    [
        ("bytes=0-1", 206, b"he", "bytes 0-1/5"),
        ("bytes=3-", 206, b"lo", "bytes 3-4/5"),
        ("bytes=-2", 206, b"lo", "bytes 3-4/5"),
        ("bytes=4-400", 206, b"o", "bytes 4-4/5"),
    ],
)
async def test_a_range_is_cut_out(rig: Rig, header: str, status: int, content: bytes, content_range: str) -> None:
    await rig.upload("service", "pets/a.txt")
    got = await rig.http.get("/storage/v1/object/public/pets/a.txt", headers={"range": header})
    assert (got.status_code, got.content, got.headers["content-range"]) == (status, content, content_range)


@pytest.mark.parametrize("header", ["bytes=9-", "bytes=2-1", "bytes=x", "items=0-1", "bytes=-"])
async def test_an_impossible_range_is_refused(rig: Rig, header: str) -> None:
    await rig.upload("service", "pets/a.txt")
    got = await rig.http.get("/storage/v1/object/public/pets/a.txt", headers={"range": header})
    assert (got.status_code, got.json()["code"]) == (416, "InvalidRange")


async def test_an_etag_saves_the_download(rig: Rig) -> None:
    await rig.upload("service", "pets/a.txt")
    first = await rig.http.get("/storage/v1/object/public/pets/a.txt")
    again = await rig.http.get("/storage/v1/object/public/pets/a.txt", headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


async def test_a_signed_url_opens_one_object_for_a_while(rig: Rig) -> None:
    await rig.upload(ANA, f"files/{ANA}/a.txt")
    await rig.upload(ANA, f"files/{ANA}/b.txt")
    signed = (await rig.http.post(f"/storage/v1/object/sign/files/{ANA}/a.txt", json={"expiresIn": 60}, headers=rig.as_(ANA))).json()[
        "signedURL"
    ]
    assert (await rig.http.get(f"/storage/v1{signed}")).content == b"hello"
    assert (await rig.http.get(f"/storage/v1{signed.replace('a.txt', 'b.txt')}")).json()["code"] == "InvalidSignature"
    assert (await rig.http.get(f"/storage/v1{signed}x")).json()["code"] == "InvalidSignature"
    path, _, token = signed.partition("?token=")
    upload = await rig.http.put(f"/storage/v1{path.replace('/object/sign', '/object/upload/sign')}?token={token}", content=b"no")
    assert upload.json()["code"] == "InvalidSignature"


async def test_a_signed_upload_works_for_whoever_holds_it(rig: Rig) -> None:
    url = (await rig.http.post(f"/storage/v1/object/upload/sign/files/{ANA}/u.txt", headers=rig.as_(ANA))).json()["url"]
    put = await rig.http.put(f"/storage/v1{url}", content=b"signed", headers={"content-type": "text/plain"})
    assert put.status_code == 200, put.text
    assert (await rig.http.get(f"/storage/v1/object/files/{ANA}/u.txt", headers=rig.as_(ANA))).content == b"signed"
    assert (await rig.http.put(f"/storage/v1{url}", content=b"again")).json()["error"] == "Duplicate"


async def test_limits_of_a_bucket_hold(rig: Rig) -> None:
    change = {"file_size_limit": "1KB", "allowed_mime_types": ["image/*"]}
    assert (await rig.http.put("/storage/v1/bucket/pets", json=change, headers=rig.as_("service"))).status_code == 200
    large = await rig.upload("service", "pets/l.png", b"x" * 1001, content_type="image/png")
    assert large.json()["statusCode"] == "413"
    typed = await rig.upload("service", "pets/l.txt", b"x", content_type="text/plain")
    assert typed.json()["statusCode"] == "415"
    assert rig.blobs() == []


async def test_delete_by_prefixes_answers_with_what_is_gone(rig: Rig) -> None:
    await rig.upload(ANA, f"files/{ANA}/a.txt")
    await rig.upload(BOB, f"files/{BOB}/b.txt")
    names = [f"{ANA}/a.txt", f"{BOB}/b.txt", "missing"]
    gone = await rig.http.request(
        "DELETE",
        "/storage/v1/object/files",
        content=json.dumps({"prefixes": names}),
        headers={**rig.as_(ANA), "content-type": "application/json"},
    )
    assert [row["name"] for row in gone.json()] == [f"{ANA}/a.txt"]
    assert len(rig.blobs()) == 1


async def test_move_and_copy_stay_under_policy(rig: Rig) -> None:
    await rig.upload(ANA, f"files/{ANA}/a.txt")
    body = {"bucketId": "files", "sourceKey": f"{ANA}/a.txt", "destinationKey": f"{ANA}/c.txt"}
    assert (await rig.http.post("/storage/v1/object/copy", json=body, headers=rig.as_(ANA))).status_code == 200
    assert (await rig.http.post("/storage/v1/object/copy", json=body, headers=rig.as_(BOB))).json()["code"] == "NoSuchKey"
    away = {**body, "destinationKey": f"{BOB}/c.txt"}
    assert (await rig.http.post("/storage/v1/object/copy", json=away, headers=rig.as_(ANA))).json()["code"] == "AccessDenied"
    moved = await rig.http.post("/storage/v1/object/move", json={**body, "destinationKey": f"{ANA}/m.txt"}, headers=rig.as_(ANA))
    assert moved.json()["message"] == "Successfully moved"
    assert len(rig.blobs()) == 2


async def test_only_the_service_key_manages_buckets_without_policies(rig: Rig) -> None:
    refused = await rig.http.post("/storage/v1/bucket", json={"id": "mine"}, headers=rig.as_(ANA))
    assert refused.json()["code"] == "AccessDenied"
    assert (await rig.http.get("/storage/v1/bucket", headers=rig.as_(ANA))).json() == []
    await rig.upload("service", "pets/a.txt")
    full = await rig.http.delete("/storage/v1/bucket/pets", headers=rig.as_("service"))
    assert full.json()["code"] == "ResourceNotEmpty"
    await rig.http.post("/storage/v1/bucket/pets/empty", headers=rig.as_("service"))
    assert rig.blobs() == []
    assert (await rig.http.delete("/storage/v1/bucket/pets", headers=rig.as_("service"))).json() == {"message": "Successfully deleted"}


async def test_the_sweep_removes_only_bytes_that_no_row_names(rig: Rig) -> None:
    await rig.upload("service", "pets/a.txt")
    orphan = rig.folder / "zz" / "orphan"
    orphan.parent.mkdir()
    orphan.write_bytes(b"left behind")
    assert await rig.storage.sweep(timedelta(0)) == 1
    assert (await rig.http.get("/storage/v1/object/public/pets/a.txt")).content == b"hello"


@pytest.mark.parametrize("name", ["../../etc/passwd", "a/../../b", "%2e%2e/x", "..%2fx", "a//b", "a\\b", "a\0b", "/abs", "ü.txt", "."])
async def test_f1_names_that_try_to_leave_the_bucket_are_refused(rig: Rig, name: str) -> None:
    from urllib.parse import quote

    refused = await rig.upload("service", "pets/" + (name if "%" in name else quote(name, safe="/")))
    assert refused.status_code >= 400
    assert rig.blobs() == []


@pytest.mark.parametrize(
    "kind", ["text/html", "TEXT/HTML; charset=utf-8", "image/svg+xml", "application/xhtml+xml", "application/pdf", "text/xml"]
)
async def test_f3_an_upload_is_served_inert(rig: Rig, kind: str) -> None:
    await rig.upload("service", "pets/x", b"<script>alert(1)</script>", content_type=kind)
    got = await rig.http.get("/storage/v1/object/public/pets/x")
    assert "sandbox" in got.headers["content-security-policy"]
    assert got.headers["x-content-type-options"] == "nosniff"
    assert "html" not in got.headers["content-type"]
