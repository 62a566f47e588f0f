"""The text of a policy file as tokens with places, and faults that point into it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from baaskit.errors import Fault

MAX_TEXT = 1_000_000  # characters in one policy file

Kind = Literal["word", "quoted", "string", "number", "symbol", "end"]
# PostgreSQL's lexical rules (manual, 4.1). Quotes and comments come first: what is inside them is never anything else.
_LEXEME = re.compile(
    r"""
      (?P<space>\s+ | --[^\n]*)
    | (?P<comment>/\*)
    | (?P<refused>(?:[eEbBxXnN]|[uU]&)' | [uU]&")
    | '(?P<string>(?:[^']|'')*)(?P<string_end>'?)
    | "(?P<quoted>(?:[^"]|"")*)(?P<quoted_end>"?)
    | (?P<dollar>\$(?:[A-Za-z_\u0080-\uffff][\w\u0080-\uffff]*)?\$)
    | (?P<word>[A-Za-z_\u0080-\U0010ffff][\w$\u0080-\U0010ffff]*)
    | (?P<number>(?:\d[\d_]*(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)
    | (?P<operator>[-+*/<>=~!@#%^&|`?]+)
    | (?P<symbol>::|:=|[^\s])
    """,
    re.VERBOSE,
)
_REFUSED = {
    "e'": "strings written E'…' are not allowed in policies: write '…'",
    "u&'": "strings written U&'…' are not allowed in policies: write '…'",
    'u&"': 'names written U&"…" are not allowed in policies: write "…"',
    "x'": "strings written x'…' are not allowed in policies",
    "b'": "strings written b'…' are not allowed in policies",
    "n'": "strings written n'…' are not allowed in policies: write '…'",
}
_ENDS_IN_SIGN = re.compile(r"[~!@#%^&|`?]")  # only an operator with one of these may end in + or -


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
        found: list[Token] = []
        place = 0
        while place < len(self.text):
            token, place = self._next(place)
            if token is not None:
                found.append(token)
        return [*found, Token("end", "", end)]

    def _next(self, start: int) -> tuple[Token | None, int]:
        """The token at `start` (None for a space or comment) and where the next one begins. Raises Fault."""
        match = _LEXEME.match(self.text, start)
        assert match is not None  # the last alternative takes any character
        kind, end = match.lastgroup, match.end()
        span = Span(start, end)
        if kind == "space":
            return None, end
        if kind == "comment":
            return None, self._comment_end(start)
        if kind == "refused":
            raise self.fault(_REFUSED[match[0].lower()], span)
        if kind == "dollar":
            close = self.text.find(match[0], end)
            if close < 0:
                raise self._unclosed("string", start)
            return Token("string", self.text[end:close], Span(start, close + len(match[0]))), close + len(match[0])
        if kind in ("string_end", "quoted_end"):
            return self._quoted(match, start, end)
        if kind == "number" and end < len(self.text) and (self.text[end].isalnum() or self.text[end] in "_$"):
            raise self.fault(f"a number ends in {self.text[end]!r}", Span(start, end + 1))
        if kind == "operator":
            text = self._operator(match[0])
            return Token("symbol", text, Span(start, start + len(text))), start + len(text)
        if kind == "word":
            return Token("word", match[0].lower(), span), end
        return Token("number" if kind == "number" else "symbol", match[0], span), end

    def _quoted(self, match: re.Match[str], start: int, end: int) -> tuple[Token, int]:
        name = match["quoted"] is not None
        mark = '"' if name else "'"
        if not match["quoted_end" if name else "string_end"]:
            raise self._unclosed("quoted name" if name else "string", start)
        content = (match["quoted"] if name else match["string"]).replace(mark * 2, mark)
        if name and not content:
            raise self.fault("a quoted name is empty", Span(start, end))
        return Token("quoted" if name else "string", content, Span(start, end)), end

    @staticmethod
    def _operator(run: str) -> str:
        """How much of a run of operator characters is one operator: PostgreSQL's rule, so that `1=-1` is what it says."""
        for comment in ("--", "/*"):
            if comment in run:
                run = run[: run.index(comment)]
        while len(run) > 1 and run[-1] in "+-" and not _ENDS_IN_SIGN.search(run):
            run = run[:-1]
        return run

    def _comment_end(self, start: int) -> int:
        """Where the block comment at `start` ends; such comments nest."""
        depth, place = 0, start
        while True:
            found = re.compile(r"/\*|\*/").search(self.text, place)
            if found is None:
                raise self._unclosed("comment", start)
            depth, place = depth + (1 if found[0] == "/*" else -1), found.end()
            if depth == 0:
                return place

    def _unclosed(self, what: str, start: int) -> Fault:
        return self.fault(f"a {what} is not closed", Span(start, start + 1))
