"""Full-text search as PostgreSQL means it, for SQLite: texts → lexemes, four query languages → one tree, tree × lexemes → yes or no.

Configurations are `simple` and PostgreSQL's languages: the same stemmers (Snowball) and the same stop words. The parser of texts
knows words, hyphenated words, numbers, e-mail addresses and hosts; PostgreSQL's knows some rarer kinds as well.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any

import orjson

from baaskit.errors.rest import SqlState

DEFAULT = "english"
LANGUAGES = frozenset([
    "arabic", "armenian", "basque", "catalan", "danish", "dutch", "english", "finnish", "french", "german", "greek", "hindi", "hungarian",
    "indonesian", "irish", "italian", "lithuanian", "nepali", "norwegian", "portuguese", "romanian", "russian", "serbian", "spanish",
    "swedish", "tamil", "turkish", "yiddish",
])  # fmt: skip
MAX_OPERANDS = 200  # of one query

# Every repetition that may fail late is bounded: a text that somebody else wrote is read in linear time.
_HOST = r"(?:[^\W\d_][\w-]{0,62}\.){1,8}[^\W\d_]{2,62}(?![\w-])"
_TOKEN = re.compile(
    r"(?P<skipped></?[a-z][^<>]*>|&[a-z]+;|[a-z]+://)"  # a tag, an entity, the beginning of an address
    rf"|(?P<url>{_HOST}/[^\s<>\"]+)"
    rf"|(?P<whole>[\w.+-]{{1,64}}@[\w-]{{1,62}}(?:\.[\w-]{{1,62}}){{1,8}}|{_HOST})"
    r"|(?P<path>(?<![\w/])/[\w.-]+(?:/[\w.-]+)*)"
    r"|(?P<number>(?<!\w)-?\d{1,40}(?:\.\d{1,40}){0,6}(?!\w))"
    r"|(?P<hyphened>[^\W_]+(?:-[^\W_]+)+)"
    r"|(?P<word>[^\W_]+)"
)

Positions = dict[str, list[int]]  # lexeme → places in the text, counted from 1


def check_config(name: str) -> str:
    """The configuration, or PostgreSQL's refusal of an unknown one."""
    config = (name or DEFAULT).lower()
    if config != "simple" and config not in LANGUAGES:
        raise SqlState("42704", f'text search configuration "{name}" does not exist')
    return config


@cache
def _stopwords(language: str) -> frozenset[str]:
    for line in (files("baaskit.kernel.database") / "stopwords.txt").read_text("utf-8").splitlines():
        name, _, words = line.partition(": ")
        if name == language:
            return frozenset(words.split())
    return frozenset()


@cache
def _stemmer(language: str) -> Callable[[str], str]:
    import snowballstemmer  # loaded by the first search: 2 MB of tables

    found: Callable[[str], str] = snowballstemmer.stemmer(language).stemWord
    return found


@lru_cache(maxsize=100_000)
def _lexeme(config: str, word: str) -> str | None:
    """The normal form of a lower-case word; None for a stop word."""
    if config == "simple":
        return word
    return None if word in _stopwords(config) else _stemmer(config)(word)


def _tokens(config: str, text: str) -> Iterator[tuple[str | None, int]]:
    """Lexemes with their places; a stop word (None) takes a place too."""
    place = 0
    for found in _TOKEN.finditer(text.lower()):
        kind, word = found.lastgroup, found[0]
        if kind == "skipped":
            continue
        place += 1
        if kind == "url":  # the whole, its host, its path
            host = word.index("/")
            yield word, place
            yield word[:host], place + 1
            yield word[host:], place + 2
            place += 2
            continue
        if kind in ("whole", "number", "path"):
            yield word, place
            continue
        yield _lexeme(config, word), place
        if kind == "hyphened":
            for part in word.split("-"):
                place += 1
                yield _lexeme(config, part), place


def lexemes(config: str, text: str) -> Positions:
    """`to_tsvector(config, text)`."""
    found: Positions = {}
    for lexeme, place in _tokens(config, text):
        if lexeme is not None:
            found.setdefault(lexeme, []).append(place)
    return found


def texts_of(value: Any) -> Iterator[str]:
    """Every string inside a JSON value: what PostgreSQL searches in one."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from texts_of(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from texts_of(inner)


# ---- queries ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Word:
    """A lexeme, or with `prefix` every lexeme that begins with it. `weighted`: asks for a weight that plain texts do not have."""

    lexeme: str
    prefix: bool = False
    weighted: bool = False


@dataclass(frozen=True, slots=True)
class Not:
    operand: Node


@dataclass(frozen=True, slots=True)
class Both:
    operator: str  # "&" or "|"
    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class Phrase:
    """`right` begins `distance` places after `left` ends."""

    left: Node
    right: Node
    distance: int


@dataclass(frozen=True, slots=True)
class Stop:
    """A stop word: it asks for nothing, but in a phrase it takes its place."""


Node = Word | Not | Both | Phrase | Stop
_STOP = Stop()


def parse_query(kind: str, config: str, text: str) -> Node | None:
    """The tree of `fts`, `plfts`, `phfts` or `wfts`; None when it asks for nothing. Raises SqlState (42601)."""
    reader = {"fts": _tsquery, "plfts": _plain, "phfts": _phrase, "wfts": _websearch}[kind]
    if len(_TOKEN.findall(text)) > MAX_OPERANDS:
        raise SqlState("54000", f"a text search has at most {MAX_OPERANDS} words")
    return _cleaned(reader(config, text))[0]


def _joined(operator: str, nodes: Iterable[Node]) -> Node:
    found: Node | None = None
    for node in nodes:
        found = node if found is None else Both(operator, found, node)
    return found or _STOP


def _plain(config: str, text: str) -> Node:
    return _joined("&", (_STOP if lexeme is None else Word(lexeme) for lexeme, _ in _tokens(config, text)))


def _phrase(config: str, text: str, prefix: bool = False, weighted: bool = False) -> Node:
    found: Node | None = None
    for lexeme, _ in _tokens(config, text):
        node: Node = _STOP if lexeme is None else Word(lexeme, prefix, weighted)
        found = node if found is None else Phrase(found, node, 1)
    return found or _STOP


def _websearch(config: str, text: str) -> Node:
    """`cat "fat rat" or dog -mouse`: never refused."""
    alternatives: list[list[Node]] = [[]]
    parts = re.findall(r'(-?)(?:"([^"]*)"?|([^\s"]+))', text)
    for number, (sign, quoted, word) in enumerate(parts):
        more = any(_TOKEN.search(quoted or word) for _, quoted, word in parts[number + 1 : number + 2])
        if word.lower() == "or" and not sign and alternatives[-1] and more:
            alternatives.append([])
            continue
        node = _phrase(config, quoted or word.strip("-"))
        alternatives[-1].append(Not(node) if sign else node)
    return _joined("|", (_joined("&", nodes) for nodes in alternatives if nodes))


_OPERAND = re.compile(r"\s*(?:'((?:[^'\\]|''|\\.)*)'|((?:[^\s!&|()<:\\]|\\.|<(?![-\d]))+))(?::([A-Da-d*]+))?", re.S)
_DISTANCE = re.compile(r"\s*<(-|\d{1,5})>")
_RANKS = {"|": 1, "&": 2, "<": 3}


class _Reader:
    """`to_tsquery`: `!`, then `<->`, then `&`, then `|`, and brackets."""

    def __init__(self, config: str, text: str) -> None:
        self.config, self.text, self.at = config, text, 0

    def skip(self) -> str:
        while self.text[self.at : self.at + 1].isspace():
            self.at += 1
        return self.text[self.at : self.at + 1]

    def fail(self) -> SqlState:
        if self.at >= len(self.text):
            return SqlState("42601", f'no operand in tsquery: "{self.text[:200]}"')
        return SqlState("42601", f'syntax error in tsquery: "{self.text[:200]}"')

    def expression(self, rank: int = 1, depth: int = 0) -> Node:
        left = self.operand(depth)
        while True:
            sign = self.skip()
            if sign not in _RANKS or _RANKS[sign] < rank:
                return left
            if sign == "<":
                distance = _DISTANCE.match(self.text, self.at)
                if distance is None:
                    raise self.fail()
                self.at = distance.end()
                left = Phrase(left, self.expression(4, depth), 1 if distance[1] == "-" else int(distance[1]))
            else:
                self.at += 1
                left = Both(sign, left, self.expression(_RANKS[sign] + 1, depth))

    def operand(self, depth: int) -> Node:
        if depth > 30:
            raise SqlState("54001", "the text search is nested too deeply")
        sign = self.skip()
        if sign == "!":
            self.at += 1
            return Not(self.operand(depth + 1))
        if sign == "(":
            self.at += 1
            found = self.expression(depth=depth + 1)
            if self.skip() != ")":
                raise self.fail()
            self.at += 1
            return found
        word = _OPERAND.match(self.text, self.at)
        if word is None:
            raise self.fail()
        self.at = word.end()
        given = word[1].replace("''", "'") if word[1] is not None else word[2]
        flags = (word[3] or "").lower()
        weights = flags.replace("*", "")
        return _phrase(self.config, re.sub(r"\\(.)", r"\1", given, flags=re.S), "*" in flags, bool(weights) and "d" not in weights)


def _tsquery(config: str, text: str) -> Node:
    if not text.strip():
        return _STOP
    reader = _Reader(config, text)
    found = reader.expression()
    if reader.skip():
        raise reader.fail()
    return found


def _cleaned(node: Node) -> tuple[Node | None, int, int]:
    """The tree without stop words, and how many places were lost on its left and right."""
    if isinstance(node, Stop):
        return None, 0, 0
    if isinstance(node, Word):
        return node, 0, 0
    if isinstance(node, Not):
        inner = _cleaned(node.operand)[0]
        return (None if inner is None else Not(inner)), 0, 0
    if isinstance(node, Both):
        left, right = _cleaned(node.left)[0], _cleaned(node.right)[0]
        if left is None or right is None:
            return left or right, 0, 0
        return Both(node.operator, left, right), 0, 0
    (left, left_lost, left_over), (right, right_lost, right_over) = _cleaned(node.left), _cleaned(node.right)
    if left is None and right is None:
        return None, left_lost + node.distance + right_lost, left_lost + node.distance + right_lost
    if left is None:
        return right, left_lost + node.distance + right_lost, right_over
    if right is None:
        return left, left_lost, left_over + node.distance + right_lost
    return Phrase(left, right, left_over + node.distance + right_lost), left_lost, right_over


# ---- matching ---------------------------------------------------------------------------------------------------------


def matches(node: Node, have: Positions) -> bool:
    if isinstance(node, Not):
        return not matches(node.operand, have)
    if isinstance(node, Both):
        if node.operator == "&":
            return matches(node.left, have) and matches(node.right, have)
        return matches(node.left, have) or matches(node.right, have)
    places, negated = _ends(node, have)
    return negated or bool(places)


def _ends(node: Node, have: Positions) -> tuple[set[int], bool]:
    """Places at which the node's match ends; with True: every place but these."""
    if isinstance(node, Word):
        if node.weighted:
            return set(), False
        if node.prefix:
            return {place for lexeme, places in have.items() if lexeme.startswith(node.lexeme) for place in places}, False
        return set(have.get(node.lexeme, ())), False
    if isinstance(node, Not):
        places, negated = _ends(node.operand, have)
        return places, not negated
    assert isinstance(node, Both | Phrase)
    (left, no_left), (right, no_right) = _ends(node.left, have), _ends(node.right, have)
    if isinstance(node, Phrase):
        shift = node.distance + _width(node.right)
        left = {place + shift for place in left}
    elif node.operator == "|":  # not (not a and not b)
        places, negated = _both(left, not no_left, right, not no_right)
        return places, not negated
    return _both(left, no_left, right, no_right)


def _both(left: set[int], no_left: bool, right: set[int], no_right: bool) -> tuple[set[int], bool]:
    if no_left and no_right:
        return left | right, True
    return (right - left if no_left else left - right if no_right else left & right), False


def _width(node: Node) -> int:
    return _width(node.left) + node.distance + _width(node.right) if isinstance(node, Phrase) else 0


_parsed = lru_cache(maxsize=512)(parse_query)


def search(value: Any, is_json: int, config: str, kind: str, query: str) -> int | None:
    """The SQL function behind the four operators: whether a stored text (or JSON text) matches."""
    if value is None:
        return None
    node = _parsed(kind, config, query)
    if node is None:
        return 0
    return int(matches(node, lexemes(config, " ".join(_strings(value)) if is_json else str(value))))


def _strings(text: str) -> Iterator[str]:
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:  # another program's: no row can make a search fail
        value = text
    return texts_of(value)
