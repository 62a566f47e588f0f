"""What the hint of a result means: its kind, its columns, and the JSON that is sent."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, ValidationError
from typing_extensions import TypedDict

from baaskit.functions.returned import Returned


@dataclass
class Pet:
    name: str
    price: Decimal | None = None


class Size(BaseModel):
    width: int
    tags: list[str] = []


class Word(TypedDict):
    word: str
    at: datetime
    more: dict[str, int]


class Colour(enum.Enum):
    red = "red"


PET = (("name", "text"), ("price", "numeric"))


@pytest.mark.parametrize(
    ("hint", "returns", "columns"),
    [
        (None, "void", ()), (Any, "any", ()), (list, "any", ()), (list[Any], "any", ()), (dict, "row", ()), (dict[str, Any], "row", ()),
        (list[dict[str, Any]], "rows", ()), (int, "value", (("f", "int8"),)), (bool | None, "value", (("f", "bool"),)),
        (list[str], "values", (("f", "text"),)), (tuple[int, ...], "values", (("f", "int8"),)), (Pet, "row", PET), (Pet | None, "row", PET),
        (list[Pet], "rows", PET), (Iterator[Pet], "rows", PET), (Annotated[list[Pet], "note"], "rows", PET), (list[Pet | None], "rows", PET),
        (list[Size], "rows", (("width", "int8"), ("tags", "text[]"))),
        (Word, "row", (("word", "text"), ("at", "timestamptz"), ("more", "jsonb"))), (Colour, "value", (("f", "text"),)),
        (Literal["a", "b"], "value", (("f", "text"),)), (int | str, "value", (("f", "jsonb"),)), (list[list[int]], "values", (("f", "int8[]"),)),
    ],
)  # fmt: skip
def test_the_hint_says_kind_and_columns(hint: Any, returns: str, columns: tuple[tuple[str, str], ...]) -> None:
    def f() -> Any: ...

    f.__annotations__["return"] = hint
    found = Returned(f)
    assert (found.returns, found.columns) == (returns, columns)


def render(hint: Any, value: Any) -> bytes:
    def f() -> Any: ...

    f.__annotations__["return"] = hint
    return Returned(f).render(value)


def test_only_what_the_hint_has_is_sent() -> None:
    word = {"word": "x", "at": datetime(2026, 1, 1, tzinfo=UTC), "more": {}, "secret": "never"}
    assert render(list[Word], [word]) == b'[{"word":"x","at":"2026-01-01T00:00:00+00:00","more":{}}]'
    assert render(list[Size], [{"width": "2", "secret": 1}]) == b'[{"width":2,"tags":[]}]'


def test_numbers_keep_their_digits() -> None:
    assert render(Pet, Pet("x", Decimal("1.50"))) == b'{"name":"x","price":1.50}'
    assert render(Decimal, Decimal("123456789012345678901.10")) == b"123456789012345678901.10"


def test_a_generator_is_a_list() -> None:
    assert render(Iterator[int], (n for n in range(3))) == b"[0,1,2]"
    assert render(set[str] | None, {"a"}) == b'["a"]'
    assert render(list[Pet] | None, None) == b"[]"
    assert render(tuple[int, str], (1, "a")) == b'[1,"a"]'
    assert render(Any, (n for n in range(3))) == b"[0,1,2]"


def test_void_sends_nothing_whatever_comes_back() -> None:
    assert render(None, "a secret") == b""


def test_a_result_that_is_not_what_was_promised_is_the_author_s_fault() -> None:
    with pytest.raises(ValidationError):
        render(int, "x")
