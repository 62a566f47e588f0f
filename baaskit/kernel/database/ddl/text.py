"""The text of a migration: split into statements with their places, and read word by word."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlglot import exp
from sqlglot.dialects.dialect import Dialect
from sqlglot.dialects.postgres import Postgres
from sqlglot.errors import ParseError, TokenError
from sqlglot.tokenizer_core import Token, TokenType

from baaskit.errors import Fault
from baaskit.kernel.schema import TableName


class BaaskitPostgres(Postgres):
    """PostgreSQL, but subscripts stay as written (the parser would make some of them zero-based, depending on what it can infer)."""

    INDEX_OFFSET = 0


_POSTGRES = BaaskitPostgres()
_SQLITE = Dialect.get_or_raise("sqlite")
_QUOTED = {TokenType.STRING, TokenType.HEREDOC_STRING, TokenType.BYTE_STRING, TokenType.HEX_STRING}
MAX_DEPTH = 200


@dataclass(frozen=True, slots=True)
class Word:
    """One token. `text` is without quotes; `key` is upper case for what is not quoted, else empty."""

    text: str
    key: str
    start: int
    end: int  # first character after
    quoted: bool = False  # "name"
    string: bool = False  # 'text'


@dataclass(frozen=True, slots=True)
class Source:
    """A whole file; places are offsets into `text`."""

    text: str
    file: str = ""

    def fault(self, message: str, at: int = 0, hint: str | None = None) -> Fault:
        line = self.text.count("\n", 0, at) + 1
        begin = self.text.rfind("\n", 0, at) + 1
        end = self.text.find("\n", at)
        excerpt = self.text[begin : end if end >= 0 else len(self.text)]
        return Fault(message, file=self.file, line=line, column=at - begin + 1, excerpt=excerpt[:200], hint=hint)


@dataclass
class Words:
    """A run of words with a reading position. Keywords are given in upper case; a quoted name never is a keyword."""

    source: Source
    words: Sequence[Word]
    at: int = 0

    @property
    def ended(self) -> bool:
        return self.at >= len(self.words)

    @property
    def start(self) -> int:
        """Offset of the next word (or the end)."""
        if not self.ended:
            return self.words[self.at].start
        return self.words[-1].end if self.words else 0

    @property
    def text(self) -> str:
        """The source from the next word to the end, as written."""
        return "" if self.ended else self.source.text[self.start : self.words[-1].end]

    def peek(self, ahead: int = 0) -> str:
        return self.words[self.at + ahead].key if self.at + ahead < len(self.words) else ""

    def sees(self, *keys: str) -> bool:
        return all(self.peek(i) == key for i, key in enumerate(keys))

    def accept(self, *keys: str) -> bool:
        if self.sees(*keys):
            self.at += len(keys)
            return True
        return False

    def expect(self, *keys: str) -> None:
        if not self.accept(*keys):
            raise self.fault(f"expected {' '.join(keys).lower()}")

    def fault(self, message: str, hint: str | None = None, at: int | None = None) -> Fault:
        return self.source.fault(message, self.start if at is None else at, hint)

    def finish(self) -> None:
        """Nothing may follow: what we do not know is never skipped."""
        if not self.ended:
            raise self.fault(f"not supported here: {self.text.split(chr(10))[0][:60]}")

    def name(self) -> str:
        """An identifier, folded to lower case unless quoted."""
        if self.ended or self.words[self.at].string or not (self.words[self.at].quoted or self.peek().replace("_", "A").isalnum()):
            raise self.fault("expected a name")
        word = self.words[self.at]
        self.at += 1
        return word.text if word.quoted else word.text.lower()

    def table(self) -> TableName:
        first = self.name()
        return TableName(first, self.name()) if self.accept(".") else TableName("public", first)

    def string(self) -> str:
        if self.ended or not self.words[self.at].string:
            raise self.fault("expected a text in quotes")
        self.at += 1
        return self.words[self.at - 1].text

    def _close(self) -> int:
        depth = 0
        for index in range(self.at, len(self.words)):
            depth += {"(": 1, "[": 1, ")": -1, "]": -1}.get(self.words[index].key, 0)
            if depth == 0:
                return index
        raise self.fault("this bracket is not closed")

    def brackets(self) -> Words:
        """What is inside the brackets that open here."""
        if not self.sees("("):
            raise self.fault("expected (")
        close = self._close()
        inside = Words(self.source, self.words[self.at + 1 : close])
        self.at = close + 1
        return inside

    def until(self, *keys: str, least: int = 0) -> Words:
        """Words up to one of `keys` outside brackets; at least `least` words."""
        begin = self.at
        while not self.ended and (self.at - begin < least or self.peek() not in keys):
            self.at = self._close() + 1 if self.peek() in ("(", "[") else self.at + 1
        return Words(self.source, self.words[begin : self.at])

    def split(self) -> Iterator[Words]:
        """The items of a comma-separated list."""
        while not self.ended:
            yield self.until(",")
            if self.accept(",") and self.ended:
                raise self.fault("a comma with nothing after it")

    def names(self) -> tuple[str, ...]:
        """`(a, b)`"""
        found = []
        for item in self.brackets().split():
            found.append(item.name())
            item.finish()
        return tuple(found)

    def expression(self) -> exp.Expression:
        """All remaining words as one PostgreSQL expression."""
        [node] = self._parse("SELECT ").expressions or [None]
        if node is None:
            raise self.fault("expected an expression")
        self.at = len(self.words)
        return node  # type: ignore[no-any-return]

    def statement(self) -> exp.Expression:
        """All remaining words as one statement (select, insert, update, delete)."""
        node = self._parse("")
        self.at = len(self.words)
        return node

    def _parse(self, before: str) -> exp.Expression:
        # Padded so that the parser's positions are offsets into the file.
        start = self.start
        padded = before + self.text if len(before) > start else before.ljust(start) + self.text
        shift = start - (len(padded) - len(self.text))
        try:
            found = _POSTGRES.parse(padded)
        except ParseError as error:
            place = error.errors[0] if error.errors else {}
            message = str(place.get("description", "syntax error")).rstrip(".")
            highlight = str(place.get("highlight", ""))
            at = padded.find(highlight, len(before)) if highlight else len(before)
            raise self.source.fault(f"syntax error: {message}", max(at, 0) + shift) from None
        except (TokenError, RecursionError):
            raise self.fault("this cannot be read as SQL") from None
        if len(found) != 1 or found[0] is None:
            raise self.fault("expected one statement")
        for node in found[0].walk():
            if "start" in node.meta:
                node.meta["start"] += shift
        return found[0]  # type: ignore[return-value]


def statements(text: str, file: str = "") -> list[Words]:
    """The statements of a script in their order; comments are gone. Raises Fault where the text cannot be read."""
    source = Source(text, file)
    found: list[Words] = []
    current: list[Word] = []
    depth = 0
    for word in read_words(source):
        depth += {"(": 1, ")": -1}.get(word.key, 0)
        if depth > MAX_DEPTH:
            raise source.fault("too deeply nested", word.start)
        if word.key == ";":
            if current:
                found.append(Words(source, current))
            current, depth = [], 0
        else:
            current.append(word)
    return found + ([Words(source, current)] if current else [])


def read_words(source: Source, dialect: str = "postgres") -> list[Word]:
    """Every token of the text."""
    try:
        found = (_POSTGRES if dialect == "postgres" else _SQLITE).tokenize(source.text)
    except TokenError as error:
        raise source.fault(f"this cannot be read as SQL: {str(error).splitlines()[0]}") from None
    return [word for token in found for word in _words(token, source.text)]


def _words(token: Token, text: str) -> Iterator[Word]:
    """The parser library makes one token of `primary key` and its like; here every word stands alone."""
    start, end = token.start, token.end + 1
    string = token.token_type in _QUOTED
    quoted = not string and text[start : start + 1] in ('"', "`")
    if string or quoted or not any(c.isspace() for c in text[start:end]):
        yield Word(token.text, "" if string or quoted else token.text.upper(), start, end, quoted, string)
        return
    for part in re.finditer(r"\S+", text[start:end]):
        yield Word(part[0], part[0].upper(), start + part.start(), start + part.end())
