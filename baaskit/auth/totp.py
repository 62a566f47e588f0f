"""Codes of an authenticator app (TOTP, RFC 6238): the secret, the picture that an app scans, and the check of a code. Pure."""

from __future__ import annotations

import base64
import io
import secrets
from datetime import datetime
from urllib.parse import quote

PERIOD_SECONDS = 30  # what apps assume; the code before and the one after are taken too
_SECRET_BYTES = 20  # RFC 4226 §4: 160 bits
_NONCE_BYTES = 12


def new_secret() -> str:
    """Base32, as apps take it."""
    return base64.b32encode(secrets.token_bytes(_SECRET_BYTES)).decode()


def uri_of(secret: str, issuer: str, account: str) -> str:
    """What the picture says: `otpauth://totp/…`."""
    label = f"{quote(issuer, safe='')}:{quote(account, safe='')}"
    return f"otpauth://totp/{label}?algorithm=SHA1&digits=6&issuer={quote(issuer, safe='')}&period={PERIOD_SECONDS}&secret={secret}"


def picture_of(uri: str) -> str:
    """An SVG of `uri` as QR code. It has no `#`: clients put it unescaped behind `data:image/svg+xml;utf-8,`."""
    import segno

    made = io.BytesIO()
    segno.make(uri, error="m", micro=False).save(made, kind="svg", scale=4, xmldecl=False, nl=False)
    return made.getvalue().decode().replace("#000", "black").replace("#fff", "white")


def counter_of(secret: str, code: str, last_counter: int | None, now: datetime) -> int | None:
    """The time step of a right code, None for a wrong one. A step up to `last_counter` was used: its code is not right again."""
    from passlib.exc import TokenError
    from passlib.totp import TOTP

    if not (len(code) == 6 and code.isascii() and code.isdigit()):
        return None
    try:
        match = TOTP(key=secret, format="base32").match(code, time=now.timestamp(), window=PERIOD_SECONDS, last_counter=last_counter)
    except TokenError:  # wrong, or used
        return None
    return int(match.counter) if last_counter is None or match.counter > last_counter else None


def seal(key: bytes, secret: str, factor_id: str) -> str:
    """`secret` as it is stored: AES-256-GCM, bound to its factor, so that it is of no use in another row."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    nonce = secrets.token_bytes(_NONCE_BYTES)
    return base64.b64encode(nonce + AESGCM(key).encrypt(nonce, secret.encode(), factor_id.encode())).decode()


def unseal(key: bytes, sealed: str, factor_id: str) -> str | None:
    """The secret; None when another key sealed it (the project's secret was replaced), or for another factor."""
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    raw = base64.b64decode(sealed)
    try:
        return AESGCM(key).decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], factor_id.encode()).decode()
    except InvalidTag:
        return None
