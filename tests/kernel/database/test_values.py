"""What a client writes becomes what SQLite stores, or PostgreSQL's refusal; PostgreSQL itself is asked whether that is so."""

from __future__ import annotations

from typing import Any

import asyncpg
import pytest

from baaskit.errors.rest import SqlState
from baaskit.kernel.database.values import coerce_json, coerce_text
from baaskit.kernel.schema import Type

# type, text → stored, or the SQLSTATE
TEXTS: list[tuple[str, str, Any]] = [
    ("integer", "42", 42), ("integer", " -7 ", -7), ("integer", "abc", "22P02"), ("integer", "1.5", "22P02"), ("integer", "", "22P02"),
    ("integer", "2147483648", "22003"), ("smallint", "40000", "22003"), ("bigint", "9223372036854775807", 9223372036854775807),
    ("bigint", "9223372036854775808", "22003"), ("double precision", "1e3", 1000.0), ("double precision", "x", "22P02"),
    ("numeric", "12.50", 12.5), ("numeric", "7", 7), ("numeric", "x", "22P02"), ("numeric(5,2)", "1.005", 1.01), ("numeric(5,2)", "1000", "22003"),
    ("boolean", "t", 1), ("boolean", "OFF", 0), ("boolean", "maybe", "22P02"), ("text", "a'b\"c", "a'b\"c"),
    ("varchar(3)", "abc", "abc"), ("varchar(3)", "abcd", "22001"), ("varchar(3)", "abc  ", "abc"),
    ("uuid", "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
    ("uuid", "{a0eebc999c0b4ef8bb6d6bb9bd380a11}", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"), ("uuid", "nope", "22P02"),
    ("timestamptz", "2026-01-02 03:04:05+02", "2026-01-02T01:04:05+00:00"), ("timestamptz", "2026-01-02T03:04:05.120Z", "2026-01-02T03:04:05.12+00:00"),
    ("timestamptz", "2026-01-02", "2026-01-02T00:00:00+00:00"), ("timestamptz", "soon", "22007"), ("timestamptz", "2026-13-02", "22008"),
    ("timestamp", "2026-01-02 03:04:05.5", "2026-01-02T03:04:05.5"), ("timestamp", "2026-01-02 03:04:05+02", "2026-01-02T03:04:05"),
    ("date", "2024-02-29", "2024-02-29"), ("date", "2023-02-29", "22008"), ("date", "x", "22007"), ("time", "03:04", "03:04:00"), ("time", "25:00", "22008"),
    ("jsonb", '{"a":[1]}', '{"a":[1]}'), ("jsonb", "{a}", "22P02"), ("bytea", "\\xDEAD", b"\xde\xad"),
    ("text[]", '{a,"b c",NULL}', '["a","b c",null]'), ("integer[]", "{1,2}", "[1,2]"), ("integer[]", "{1,x}", "22P02"), ("text[]", "x", "22P02"),
    ("text[]", "{}", "[]"), ("text[]", "{a", "22P02"), ("boolean[]", "{t,f}", "[true,false]"),
]  # fmt: skip


def stored(kind: str, text: str) -> Any:
    try:
        return coerce_text(Type.parse(kind), text)
    except SqlState as refused:
        return refused.code


@pytest.mark.parametrize(("kind", "text", "expected"), TEXTS)
def test_a_text_is_stored_in_its_form_or_refused(kind: str, text: str, expected: Any) -> None:
    assert expected == stored(kind, text)


async def _asked(link: asyncpg.Connection[Any], kind: str, text: str) -> Any:
    try:
        await link.execute("select * from (values ($1::text)) t(v)", text)
        await link.fetchval(
            f"with t as materialized (select $1::text as v) select v::{kind.partition('(')[0] if 'varchar' in kind else kind} from t", text
        )
        if "varchar" in kind:
            await link.execute(f"create temp table if not exists w (v {kind})")
            await link.execute("insert into w select $1::text", text)
    except asyncpg.PostgresError as refused:
        return refused.sqlstate
    return None


@pytest.mark.anyio
async def test_postgresql_refuses_the_same_texts_with_the_same_codes(postgres: Any) -> None:
    link = await asyncpg.connect(postgres())
    try:
        for kind, text, expected in TEXTS:
            ours = (
                expected
                if isinstance(expected, str) and expected == stored(kind, text) and len(expected) == 5 and expected[:2] == "22"
                else None
            )
            assert (kind, text, await _asked(link, kind, text)) == (kind, text, ours)
    finally:
        await link.close()


JSONS: list[tuple[str, Any, Any]] = [
    ("integer", 5, 5), ("integer", "5", 5), ("integer", 5.5, "22P02"), ("integer", True, "22P02"), ("text", 5, "5"), ("text", True, "true"),
    ("text", {"a": 1}, '{"a":1}'), ("boolean", True, 1), ("boolean", 0, 0), ("jsonb", "text", '"text"'), ("jsonb", None, None), ("jsonb", [1], "[1]"),
    ("text[]", ["a", None], '["a",null]'), ("integer[]", [1, "2"], "[1,2]"), ("integer[]", "{1,2}", "[1,2]"), ("integer[][]", [[1], [2]], "[[1],[2]]"),
    ("numeric(10,2)", 12.345, 12.35), ("double precision", 1.5, 1.5), ("uuid", 5, "22P02"), ("date", "2026-01-01", "2026-01-01"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "value", "expected"), JSONS)
def test_a_json_value_is_stored_in_its_form_or_refused(kind: str, value: Any, expected: Any) -> None:
    try:
        found = coerce_json(Type.parse(kind), value)
    except SqlState as refused:
        found = refused.code
    assert expected == found


def test_an_enum_takes_its_labels_only() -> None:
    mood = Type("mood", labels=("calm", "wild"))
    assert "calm" == coerce_text(mood, "calm")
    with pytest.raises(SqlState, match='invalid input value for enum mood: "sad"'):
        coerce_text(mood, "sad")
