"""Arguments from query and body, and results to bytes: no process needed."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any

import orjson
import pytest
from pydantic import BaseModel, Field

from baaskit.functions.api import Request, Response
from baaskit.functions.arguments import Arguments, Invalid, Malformed
from baaskit.functions.results import render


@dataclass
class Line:
    pet_id: int
    quantity: int = 1


class Order(BaseModel):
    lines: list[Line]


async def search(ctx: Any, q: str, limit: Annotated[int, Field(le=100)] = 20, tags: list[str] | None = None) -> None: ...
async def purchase(ctx: Any, order: Order, *, dry: bool = False) -> None: ...
async def anything(ctx: Any, **given: Any) -> None: ...
async def nothing(ctx: Any) -> None: ...


def _post(body: bytes, media: str = "application/json", **query: list[str]) -> Request:
    return Request("POST", "", query, {"content-type": media}, body)


def _get(**query: list[str]) -> Request:
    return Request("GET", "", query, {})


@pytest.mark.parametrize(
    ("function", "request_", "expected"),
    [
        (search, _get(q=["dog"]), {"q": "dog"}),
        (search, _get(q=["dog"], limit=["5"], tags=["a", "b"]), {"q": "dog", "limit": 5, "tags": ["a", "b"]}),
        (search, _get(q=["dog"], tags=["a"]), {"q": "dog", "tags": ["a"]}),
        (search, _get(q=["dog"], forceFunctionRegion=["eu"]), {"q": "dog"}),
        (search, _post(b'{"q":"dog","limit":5}'), {"q": "dog", "limit": 5}),
        (search, _post(b"q=dog&limit=5", "application/x-www-form-urlencoded"), {"q": "dog", "limit": 5}),
        (search, _post(b'{"limit":5}', q=["cat"]), {"q": "cat", "limit": 5}),
        (search, _post(b"raw", "text/plain", q=["cat"]), {"q": "cat"}),
        (purchase, _post(b'{"order":{"lines":[{"pet_id":1}]}}'), {"order": Order(lines=[Line(1)])}),
        (anything, _post(b'{"a":[1]}'), {"a": [1]}),
        (nothing, _post(b"not json"), {}),
    ],
)
def test_arguments_are_read_by_name_and_type(function: Any, request_: Request, expected: dict[str, Any]) -> None:
    assert Arguments(function).read(request_) == expected


@pytest.mark.parametrize(
    ("function", "request_", "field"),
    [
        (search, _get(), "q"),
        (search, _get(q=["dog"], limit=["many"]), "limit"),
        (search, _get(q=["dog"], limit=["101"]), "limit"),
        (search, _get(q=["a", "b"]), "q"),
        (search, _get(q=["dog"], limti=["5"]), "limti"),
        (search, _post(b"[1]"), ""),
        (purchase, _post(b'{"order":{"lines":[{"pet_id":"x"}]}}'), "order.lines.0.pet_id"),
    ],
)
def test_a_wrong_argument_is_named(function: Any, request_: Request, field: str) -> None:
    with pytest.raises(Invalid) as caught:
        Arguments(function).read(request_)
    assert field in [detail["field"] for detail in caught.value.details]


def test_a_body_that_says_json_and_is_not_is_malformed() -> None:
    with pytest.raises(Malformed):
        Arguments(search).read(_post(b'{"q":'))


@pytest.mark.parametrize(
    ("value", "media", "body"),
    [
        (None, "application/json", b"null"),
        ({"a": 1}, "application/json", b'{"a":1}'),
        ("hello", "text/plain; charset=utf-8", b"hello"),
        (b"\x00", "application/octet-stream", b"\x00"),
        ([Line(1, 2)], "application/json", b'[{"pet_id":1,"quantity":2}]'),
        (Order(lines=[Line(1)]), "application/json", b'{"lines":[{"pet_id":1,"quantity":1}]}'),
        (Decimal("1.50"), "application/json", b'"1.50"'),
        (uuid.UUID(int=1), "application/json", b'"00000000-0000-0000-0000-000000000001"'),
        (datetime(2026, 1, 1, tzinfo=UTC), "application/json", b'"2026-01-01T00:00:00+00:00"'),
        ({1: {"x"}}, "application/json", b'{"1":["x"]}'),
    ],
)
def test_a_result_becomes_bytes_of_its_kind(value: Any, media: str, body: bytes) -> None:
    assert render(value) == (200, [["content-type", media]], body)


def test_a_response_says_status_and_headers_itself() -> None:
    status, headers, body = render(Response({"a": 1}, 201, {"Location": "/x"}))
    assert (status, headers, orjson.loads(body)) == (201, [["location", "/x"], ["content-type", "application/json"]], {"a": 1})


def test_what_json_cannot_hold_is_a_type_error() -> None:
    with pytest.raises(TypeError):
        render(object())
