"""The text of a migration: its sections up and down, and how it is to be run.

The markers are those of dbmate: a line `-- migrate:up` or `-- migrate:down`, each with the option `transaction:false`. A file
without markers is all up.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from baaskit.errors import Fault

_MARKER = re.compile(r"^[ \t]*--[ \t]*migrate:[ \t]*(\w*)(.*)$", re.M | re.I)
_HINT = "Known are:  -- migrate:up  and  -- migrate:down , each with  transaction:false  behind it."


@dataclass(frozen=True, slots=True)
class Section:
    """One direction of a migration. `text` has the length of the file, so places in it are places in the file; the rest is blank."""

    text: str
    transaction: bool = True

    @property
    def empty(self) -> bool:
        """True when it holds nothing but comments."""
        bare = re.sub(r"/\*.*?\*/", "", self.text, flags=re.S)
        return not re.sub(r"--[^\n]*", "", bare).strip()


@dataclass(frozen=True, slots=True)
class Sections:
    """`down` is None when the file does not say how to undo it."""

    up: Section
    down: Section | None = None


def sections(text: str, file: str = "") -> Sections:
    """Take a file apart. Raises Fault for a marker that is not known, given twice, or in the wrong order."""
    markers = list(_MARKER.finditer(text))
    found: dict[str, Section] = {}
    for index, marker in enumerate(markers):
        word, options = marker[1].lower(), marker[2].split()
        end = markers[index + 1].start() if index + 1 < len(markers) else len(text)
        problem = (
            f"unknown marker migrate:{word}" if word not in ("up", "down")
            else f"migrate:{word} is given twice" if word in found
            else "migrate:up comes before migrate:down" if word == "up" and found
            else next((f"unknown option {o!r}" for o in options if o not in ("transaction:false", "transaction:true")), None)
        )  # fmt: skip
        if problem:
            raise _fault(problem, text, marker, file)
        found[word] = Section(_only(text, marker.end(), end), "transaction:false" not in options)
    before = Section(_only(text, 0, markers[0].start() if markers else len(text)))
    if "up" not in found:
        found["up"] = before
    elif not before.empty:
        raise _fault("there are statements before this marker", text, markers[0], file)
    return Sections(found["up"], found.get("down"))


def _only(text: str, begin: int, end: int) -> str:
    blank = re.compile(r"[^\n]")
    return blank.sub(" ", text[:begin]) + text[begin:end] + blank.sub(" ", text[end:])


def _fault(problem: str, text: str, marker: re.Match[str], file: str) -> Fault:
    line = text.count("\n", 0, marker.start()) + 1
    return Fault(problem, file=file, line=line, excerpt=marker[0].strip("\n")[:200], hint=_HINT)


def checksum(text: str) -> str:
    """SHA-256 of what is applied: the text before `-- migrate:down`, so that a way back can be added later. Line endings do not count."""
    return _digest(_applied(text))


def matches(recorded: str, text: str) -> bool:
    """True when a recorded checksum is that of the text. Empty lines at the end do not count: they stand before an added way back."""
    applied = _applied(text)
    return recorded in map(_digest, (applied, applied.rstrip() + "\n", applied.rstrip()))


def _applied(text: str) -> str:
    plain = text.replace("\r\n", "\n")
    down = next((m for m in _MARKER.finditer(plain) if m[1].lower() == "down"), None)
    return plain[: down.start()] if down else plain


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
