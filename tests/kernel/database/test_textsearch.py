"""Full-text search for SQLite against what PostgreSQL itself answers: texts and queries of every kind, in four languages."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

import asyncpg
import pytest

from baaskit.errors.rest import SqlState
from baaskit.kernel.database.textsearch import check_config, lexemes, matches, parse_query

pytestmark = pytest.mark.anyio

FUNCTIONS = {"fts": "to_tsquery", "plfts": "plainto_tsquery", "phfts": "phraseto_tsquery", "wfts": "websearch_to_tsquery"}
TEXTS = [
    "The fat cats sat on the mats and ate many fat rats.", "He runs quickly; running is good for a runner.", "big big cat, big dog cat",
    "A supernova star is not a star of the cinema. It's 3.5 km away, e-mail me@example.com", "Les chats mangent des souris",
    "state-of-the-art well-known ideas", "visit example.com or http://www.foo.org/a/b?x=1 now", "a-b -5 3.14 v1.2.3 foo_bar x.y",
    "Die Häuser der Straße", "Ünïcode ÄÖ naïve café", "o'neil's rock'n'roll", "<b>bold</b> text &amp; more", "C++ and C# are 2nd languages",
    "user@mail.example.co.uk wrote", "file /usr/bin/x.txt and 10.0.0.1 2020-01-31", "",
]  # fmt: skip
WORDS = ["cat", "cats", "the", "fat", "star", "running", "big", "dog", "of", "e-mail", "well-known", "known", "example.com", "3.5", "5", "foo", "b", "it's",
         "café", "straße", "chat", "fa:*", "'fat cat'", "'cats sat'", "fat:A", "fat:d*"]  # fmt: skip
PLAIN = [word for word in WORDS if ":" not in word and "' " not in word] + [
    "-star",
    "or",
    "OR",
    '"fat cats"',
    '"sat on the mats"',
    "&",
    "!",
    "(",
]


def expression(chance: random.Random, depth: int = 0) -> str:
    roll = chance.random()
    if depth > 2 or roll < 0.4:
        return chance.choice(WORDS)
    if roll < 0.55:
        return "!" + expression(chance, depth + 1)
    if roll < 0.7:
        return f"({expression(chance, depth + 1)})"
    return expression(chance, depth + 1) + chance.choice([" & ", " | ", "<->", " <2> "]) + expression(chance, depth + 1)


async def test_a_search_finds_what_postgresql_finds(postgres: Callable[[], str]) -> None:
    chance = random.Random(7)
    asked = [("fts", expression(chance)) for _ in range(120)] + [("fts", text) for text in ("", "a b", "a &", "(a", "a:b", "!", "the")]
    for kind in ("plfts", "phfts", "wfts"):
        asked += [(kind, " ".join(chance.choice(PLAIN) for _ in range(chance.randint(1, 4)))) for _ in range(80)]
    link = await asyncpg.connect(postgres())
    try:
        for config in ("english", "simple", "german", "french"):
            have = [lexemes(config, text) for text in TEXTS]
            for kind, query in asked:
                expected: object
                try:
                    sql = f"select to_tsvector($1::regconfig, t) @@ {FUNCTIONS[kind]}($1::regconfig, $2) from unnest($3::text[]) with ordinality u(t, n) order by n"
                    expected = [row[0] for row in await link.fetch(sql, config, query, TEXTS)]
                except asyncpg.PostgresError as problem:
                    expected = problem.sqlstate
                found: object
                try:
                    node = parse_query(kind, config, query)
                    found = [node is not None and matches(node, one) for one in have]
                except SqlState as problem:
                    found = problem.code
                assert expected == found, (config, kind, query)
    finally:
        await link.close()


def test_an_unknown_language_is_refused_as_postgresql_does() -> None:
    assert ("english", "simple", "turkish") == (check_config(""), check_config("simple"), check_config("Turkish"))
    with pytest.raises(SqlState, match='text search configuration "klingon" does not exist'):
        check_config("klingon")


@pytest.mark.parametrize("piece", ["a.", "a.b@", "a-", "1.", "<a ", "http://", "a.b/", "/a", "'", "x_"])
def test_a17_a_hostile_text_is_read_in_linear_time(piece: str) -> None:
    """Twice the text, about twice the time: nothing in the parser goes back and forth."""

    def seconds(count: int) -> float:
        started = time.process_time()
        lexemes("simple", piece * count)
        return time.process_time() - started

    seconds(1000)
    assert seconds(40_000) < 8 * seconds(10_000) + 0.2


def test_a17_a_query_is_bounded() -> None:
    with pytest.raises(SqlState, match="at most 200 words"):
        parse_query("plfts", "simple", "a " * 1000)
    with pytest.raises(SqlState, match="nested too deeply"):
        parse_query("fts", "simple", "(" * 5000 + "a" + ")" * 5000)
    with pytest.raises(SqlState, match="nested too deeply"):
        parse_query("fts", "simple", "!" * 5000 + "a")
