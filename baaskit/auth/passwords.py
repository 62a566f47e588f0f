"""Passwords: the policy, and hashes that are made and checked beside the event loop."""

from __future__ import annotations

import asyncio
import functools
import hashlib
import os
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from passlib.context import CryptContext

from baaskit.auth import foreign
from baaskit.errors import Overloaded
from baaskit.errors.auth import ValidationFailed, WeakPassword
from baaskit.settings import Settings

T = TypeVar("T")

MAX_LENGTH = 512  # characters; a longer one costs us and gains nobody
_THREADS = max(1, min(8, (os.cpu_count() or 2) - 1))  # one core stays for the event loop
_MOST_WAITING = 200  # hashes in the queue, some seconds of work; more are refused, so that waiting stays bounded

# argon2id with OWASP's parameters (19 MiB, 2 passes). bcrypt only comes from elsewhere and is replaced on sign-in.
_context = CryptContext(
    schemes=["argon2", "bcrypt"],
    deprecated=["bcrypt"],
    argon2__type="ID",
    argon2__memory_cost=19_456,
    argon2__time_cost=2,
    argon2__parallelism=1,
)
_CONTEXT_PREFIXES = ("$argon2", "$2")
_threads = ThreadPoolExecutor(_THREADS, "baaskit-hash")
_waiting = 0
# Checked for accounts that do not exist: the hash of a password that nobody kept. A test holds its cost to ours.
_DECOY = "$argon2id$v=19$m=19456,t=2,p=1$EoJwbo2RUiqlVGqtFYJwbg$AC6FZgEQVbcNn3kFztbiZusSu8cXiTiONwn1ren4qjo"

_CLASSES = {
    "letters_digits": ("A-Za-z", "0-9"),
    "lower_upper_digits": ("a-z", "A-Z", "0-9"),
    "lower_upper_digits_symbols": ("a-z", "A-Z", "0-9", r"!-/:-@\[-`{-~"),
}


async def check_policy(password: str, settings: Settings, *own: str) -> None:
    """Raise WeakPassword or ValidationFailed when `password` may not be set. `own`: the person's address and name, easy to guess."""
    if len(password) > MAX_LENGTH:
        raise ValidationFailed(f"Password cannot be longer than {MAX_LENGTH} characters")
    if len(password) < settings.password_min_length:
        raise WeakPassword(f"Password should be at least {settings.password_min_length} characters.", "length")
    classes = _CLASSES.get(settings.password_required_characters, ())
    if not all(re.search(f"[{characters}]", password) for characters in classes):
        shown = ", ".join(characters.replace("\\", "") for characters in classes)
        raise WeakPassword(f"Password should contain at least one character of each: {shown}.", "characters")
    if settings.password_breached_file or settings.password_min_strength:
        await _beside(functools.partial(_check_guessable, password, settings, [text for text in own if text]))


def _check_guessable(password: str, settings: Settings, own: list[str]) -> None:
    if settings.password_breached_file and is_listed(password, settings.password_breached_file):
        raise WeakPassword("Password is known from a breach and easy to guess, please choose a different one.", "pwned")
    if settings.password_min_strength:
        from zxcvbn import zxcvbn

        found = zxcvbn(password[:72], user_inputs=own)  # it takes seconds for a long one, and 72 characters say enough
        if found["score"] < settings.password_min_strength:
            words = " ".join(part for part in (found["feedback"]["warning"], *found["feedback"]["suggestions"]) if part)
            raise WeakPassword(f"Password is too easy to guess. {words}".strip(), "characters")


def is_listed(password: str, file: Path) -> bool:
    """Whether the file's sorted lines of SHA-1 have this password: a binary search by offset, some forty reads."""
    sought = hashlib.sha1(password.encode(), usedforsecurity=False).hexdigest().upper().encode()
    with file.open("rb") as lines:
        low, high = 0, lines.seek(0, os.SEEK_END)
        while low < high:  # the line sought, if there is one, begins in [low, high)
            middle = (low + high) // 2
            lines.seek(middle)
            if middle > 0:
                lines.seek(middle - 1)
                lines.readline()
            start = lines.tell()
            if start >= high:
                high = middle
                continue
            line = lines.readline()
            found = line[:40].upper()
            if found == sought:
                return True
            if found < sought:
                low = lines.tell()
            else:
                high = middle
    return False


async def hash_password(password: str) -> str:
    """A new argon2id hash."""
    return await _beside(functools.partial(_context.hash, password))


async def verify_password(password: str, stored: str | None) -> tuple[bool, str | None]:
    """Whether `password` fits, and a better hash to store in place of an outdated one.

    `stored` None (no such account, or one without a password) costs the same time as a wrong password.
    """
    return await _beside(functools.partial(_verify, password, stored))


@functools.cache
def _others() -> CryptContext:
    """Of hashes that few projects bring: loaded when the first one is met."""
    return CryptContext(
        schemes=[
            "pbkdf2_sha256",
            "pbkdf2_sha512",
            "pbkdf2_sha1",
            "django_pbkdf2_sha256",
            "django_pbkdf2_sha1",
            "django_bcrypt_sha256",
            "scrypt",
        ]
    )


async def _beside(work: Callable[[], T]) -> T:
    global _waiting
    if _waiting >= _MOST_WAITING:
        raise Overloaded("Too many people are signing in at this moment.", headers={"Retry-After": "2"})
    _waiting += 1
    try:
        return await asyncio.get_running_loop().run_in_executor(_threads, work)
    finally:
        _waiting -= 1


def _verify(password: str, stored: str | None) -> tuple[bool, str | None]:
    if len(password) > MAX_LENGTH:
        password, stored = password[:MAX_LENGTH], None
    if stored is None:
        _context.verify(password, _DECOY)
        return False, None
    try:
        if foreign.is_firebase(stored):
            matches = foreign.verify_firebase(password, stored)
        elif stored.startswith(_CONTEXT_PREFIXES):
            matches, better = _context.verify_and_update(password, stored)
            return bool(matches), better
        else:
            matches = bool(_others().verify(password, stored))
        return matches, _context.hash(password) if matches else None
    except ValueError:  # bcrypt takes at most 72 bytes, so no such password was ever set
        _context.verify(password[:MAX_LENGTH], _DECOY)
        return False, None
