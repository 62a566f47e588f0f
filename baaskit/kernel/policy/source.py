"""The text of a policy file as tokens with places, and faults that point into it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from sqlglot.dialects.postgres import Postgres
from sqlglot.errors import TokenError
from sqlglot.tokens import TokenType  # type: ignore[attr-defined]

from baaskit.errors import Fault

MAX_TEXT = 1_000_000  # characters in one policy file

Kind = Literal["word", "quoted", "string", "number", "symbol", "end"]
_WORD = re.compile(r"[A-Za-z_\u0080-\uffff][\w$ ]*\Z")
_STRINGS = {TokenType.STRING, TokenType.HEREDOC_STRING, TokenType.RAW_STRING}
_REFUSED = {
    TokenType.BYTE_STRING: "strings written E'…' are not allowed in policies: write '…'",
    TokenType.UNICODE_STRING: "strings written U&'…' are not allowed in policies: write '…'",
    TokenType.HEX_STRING: "strings written x'…' are not allowed in policies",
    TokenType.BIT_STRING: "strings written b'…' are not allowed in policies",
    TokenType.NATIONAL_STRING: "strings written n'…' are not allowed in policies: write '…'",
}


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of the text: offsets of its first character and of the one after its last."""

    start: int
    end: int

    def to(self, other: Span) -> Span:
        return Span(min(self.start, other.start), max(self.end, other.end))


@dataclass(frozen=True, slots=True)
class Token:
    """`text` is lower case for words, the content for quoted names and strings, the sign itself for symbols."""

    kind: Kind
    text: str
    span: Span

    def __str__(self) -> str:
        shown = {"end": "the end of the text", "string": f"'{self.text}'", "quoted": f'"{self.text}"'}
        return shown.get(self.kind, f"'{self.text}'")


@dataclass(frozen=True)
class Source:
    """A policy file; makes the faults that point into it."""

    text: str
    file: str = ""

    def fault(self, message: str, span: Span, hint: str | None = None) -> Fault:
        start = min(span.start, len(self.text))
        first = self.text.rfind("\n", 0, start) + 1
        last = self.text.find("\n", start)
        excerpt = self.text[first : last if last >= 0 else len(self.text)].rstrip("\r").replace("\t", " ")
        line = self.text.count("\n", 0, start) + 1
        return Fault(message, file=self.file, line=line, column=start - first + 1, excerpt=excerpt, hint=hint)

    def at(self, span: Span) -> str:
        return self.text[span.start : span.end]

    def tokens(self) -> list[Token]:
        """All tokens, comments left out, closed by one of kind `end`. Raises Fault."""
        end = Span(len(self.text), len(self.text))
        if len(self.text) > MAX_TEXT:
            raise self.fault(f"the policies are longer than {MAX_TEXT} characters", Span(0, 0))
        if "\x00" in self.text:
            raise self.fault("the text holds a NUL character", Span(self.text.index("\x00"), len(self.text)))
        try:
            found = Postgres().tokenize(self.text)
        except TokenError as problem:
            raise self.fault("a string, quoted name or comment is not closed", self._unclosed()) from problem
        return [self._token(t.token_type, t.text, Span(t.start, t.end + 1)) for t in found] + [Token("end", "", end)]

    def _unclosed(self) -> Span:
        """Where the quote or comment that never ends begins, as near as can be told."""
        opened = re.compile(r"--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|('|\"|/\*|\$\w*\$)", re.S)
        place = next((m.start() for m in opened.finditer(self.text) if m.group(1)), max(len(self.text) - 1, 0))
        return Span(place, place + 1)

    def _token(self, kind: TokenType, text: str, span: Span) -> Token:
        if kind in _REFUSED:
            raise self.fault(_REFUSED[kind], span)
        if kind in _STRINGS:
            return Token("string", text, span)
        if kind is TokenType.IDENTIFIER:
            return Token("quoted", text, span)
        if kind is TokenType.NUMBER:
            return Token("number", text, span)
        if _WORD.match(text):
            return Token("word", " ".join(text.lower().split()), span)
        return Token("symbol", text, span)
