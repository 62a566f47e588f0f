"""F3: what is uploaded can never become a page, a script or a header of this origin, nor a file that cannot be read again."""

from __future__ import annotations

import base64
from urllib.parse import quote
from uuid import uuid4

import pytest

from tests.shop import Reply
from tests.whole import Whole

pytestmark = pytest.mark.anyio
BAD_VALUES = ["a\r\nX-Evil: 1", "a\nX-Evil: 1", "a\rb", "€", "²", "a\0b", "x" * 501]


def form(content_type: str = "image/png", **fields: str) -> bytes:
    parts = [f'--BB\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n' for name, value in fields.items()]
    parts.append(f'--BB\r\nContent-Disposition: form-data; name=""; filename="x"\r\nContent-Type: {content_type}\r\n\r\nDATA\r\n--BB--\r\n')
    return "".join(parts).encode()


@pytest.fixture
def name() -> str:
    return f"{uuid4()}.png"


async def upload(whole: Whole, body: object, name: str, **headers: str) -> Reply:
    given = {"content-type": "multipart/form-data; boundary=BB", "x-upsert": "true", **headers}
    return await whole("POST", f"/storage/v1/object/photos/{whole.id('ann')}/{name}", body, who="ann", headers=given)


async def fetch(whole: Whole, name: str, **headers: str) -> Reply:
    return await whole("GET", f"/storage/v1/object/public/photos/{whole.id('ann')}/{name}", headers=headers)


@pytest.mark.parametrize("value", BAD_VALUES)
@pytest.mark.parametrize("field", ["contentType", "cacheControl"])
async def test_a_field_that_cannot_be_a_header_is_refused_and_the_file_is_not_kept(whole: Whole, name: str, field: str, value: str) -> None:
    value = f"image/png; a={value}" if field == "contentType" else value
    assert (await upload(whole, form(**{field: value}), name)).status == 400
    assert (await fetch(whole, name)).status == 400


@pytest.mark.parametrize(
    "kind", ["text/html", "TEXT/HTML; charset=utf-7", "application/xhtml+xml", "image/svg+xml", "text/xml", "application/pdf"]
)
async def test_active_content_is_served_without_the_power_to_act(whole: Whole, kind: str) -> None:
    await whole("POST", "/storage/v1/bucket", {"id": "open", "public": True}, who="service")
    await whole(
        "POST", "/storage/v1/object/open/a", b"<script>alert(1)</script>", who="service", headers={"content-type": kind, "x-upsert": "true"}
    )
    answer = await whole("GET", "/storage/v1/object/public/open/a")
    assert answer.status == 200
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in answer.headers["content-security-policy"] and "allow-scripts" not in answer.headers["content-security-policy"]
    assert "html" not in answer.headers["content-type"].lower()


@pytest.mark.parametrize("asked", ["a\r\nX-Evil: 1", '"; filename=b.exe', "€", "\0", "x" * 3000])
async def test_the_name_of_a_download_cannot_leave_its_header(whole: Whole, name: str, asked: str) -> None:
    await upload(whole, form(), name)
    answer = await whole("GET", f"/storage/v1/object/public/photos/{whole.id('ann')}/{name}", query="download=" + quote(asked, safe=""))
    assert answer.status == 200
    assert answer.headers["content-disposition"] == f"attachment; filename*=UTF-8''{quote(asked, safe='')}"


@pytest.mark.parametrize(
    "text", ['{"a":"\\ud800"}', '{"a":NaN}', '{"a":1e999}', "[" * 90_000, '{"a":' + "[" * 900 + "]" * 900 + "}", '{"a":"\\u0000"}', "[]"]
)
async def test_metadata_that_cannot_be_stored_is_refused(whole: Whole, name: str, text: str) -> None:
    header = base64.b64encode(text.encode()).decode()
    assert (await upload(whole, b"x", name, **{"content-type": "image/png", "x-metadata": header})).status == 400
    assert (await upload(whole, form(metadata=text), name)).status == 400
    assert (await fetch(whole, name)).status == 400


@pytest.mark.parametrize("digits", [19, 5000])
async def test_a_range_of_absurd_numbers_is_refused(whole: Whole, name: str, digits: int) -> None:
    await upload(whole, form(), name)
    number = "9" * digits
    for wanted in (f"bytes=0-{number}", f"bytes={number}-", f"bytes=-{number}"):
        assert (await fetch(whole, name, range=wanted)).status == 416
    assert (await fetch(whole, name, range="bytes=1-2")).body == b"AT"


async def test_a_form_without_end_is_refused_before_it_fills_the_memory(whole: Whole, name: str) -> None:
    taken = 0

    async def fields() -> object:
        nonlocal taken
        while taken < 10_000:
            taken += 1
            yield f'--BB\r\nContent-Disposition: form-data; name="f{taken}"\r\n\r\n{"x" * 1000}\r\n'.encode()

    async def headers() -> object:
        nonlocal taken
        yield b"--BB\r\nX-Long: "
        while taken < 10_000:
            taken += 1
            yield b"x" * 1000

    for endless in (fields, headers):
        taken = 0
        assert (await upload(whole, endless(), name)).status == 400
        assert taken < 200


async def test_an_upload_that_is_cut_leaves_nothing(whole: Whole, name: str) -> None:
    before = blobs(whole)
    path = f"/storage/v1/object/photos/{whole.id('ann')}/{name}"
    for body, kind in (
        (form()[:-20], "multipart/form-data; boundary=BB"),
        (form()[:150], "multipart/form-data; boundary=BB"),
        (b"half", "image/png"),
    ):
        assert (await whole("POST", path, body, who="ann", headers={"content-type": kind}, cut=True)).status >= 400
    assert (await fetch(whole, name)).status == 400
    assert blobs(whole) == before


def blobs(whole: Whole) -> int:
    return sum(1 for file in (whole.kit.settings.state_dir / "storage").rglob("*") if file.is_file())
