"""E-mail addresses and phone numbers in the one form in which they are stored, compared and shown."""

from __future__ import annotations

import re
import unicodedata

from baaskit.errors.auth import ValidationFailed

_ATOM = r"[a-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_EMAIL = re.compile(rf"(?=.{{1,254}}\Z){_ATOM}(?:\.{_ATOM})*@{_LABEL}(?:\.{_LABEL})*")
_LOCAL_LIMIT = 64  # characters before the @ (RFC 5321)
_PHONE = re.compile(r"[1-9][0-9]{1,14}")  # E.164


def email_address(text: str) -> str:
    """`text` trimmed, in NFKC and lower case, its domain in ASCII (IDNA). Raises ValidationFailed.

    After that only plain ASCII is accepted, so two addresses that look alike but differ in script cannot both be
    accounts, and mail goes to exactly the address that was compared. Plus tags are kept: they are other mailboxes to us.
    """
    local, found, domain = unicodedata.normalize("NFKC", text).strip().lower().rpartition("@")
    if found and not domain.isascii() and not domain.endswith("."):
        try:
            domain = domain.encode("idna").decode()
        except UnicodeError:
            domain = ""
    address = f"{local}@{domain}"
    if not found or len(local) > _LOCAL_LIMIT or not _EMAIL.fullmatch(address):
        raise ValidationFailed("Unable to validate email address: invalid format")
    return address


_USERNAME = re.compile(r"[a-z0-9](?:[._-]?[a-z0-9]){2,31}")


def username(text: str) -> str:
    """A name in lower case. Raises ValidationFailed. ASCII only, so no two names look alike but for o and 0."""
    name = unicodedata.normalize("NFKC", text).strip().lower()
    if not _USERNAME.fullmatch(name) or len(name) > 32 or name.isdigit():
        raise ValidationFailed("A username has 3 to 32 letters, digits, and single dots, dashes or underscores between them")
    return name


def phone_number(text: str) -> str:
    """Digits of an international number, without the plus. Raises ValidationFailed."""
    digits = text.strip().removeprefix("+")
    if not _PHONE.fullmatch(digits):
        raise ValidationFailed("Invalid phone number format (E.164 required)")
    return digits
