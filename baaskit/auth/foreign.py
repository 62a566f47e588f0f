"""Password hashes of other systems: recognised, held to what this server can afford, and verified; replaced at the first sign-in.

argon2, bcrypt, scrypt and PBKDF2 (passlib's and Django's spelling) are passlib's; Firebase's scrypt is here.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re

from baaskit.errors.auth import ValidationFailed

_B64 = r"[A-Za-z0-9+/]+={0,2}"
_ARGON2 = re.compile(r"\$argon2(?:id|i|d)\$v=19\$m=(\d+),t=(\d+),p=(\d+)(?:,[a-z]+=[^$]*)*\$[A-Za-z0-9+/]{11,}\$[A-Za-z0-9+/]{16,}")
_BCRYPT = re.compile(r"\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{53}")
_BCRYPT_SHA256 = re.compile(r"bcrypt_sha256\$\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{53}")  # Django's: bcrypt of the SHA-256
_PBKDF2 = re.compile(r"\$pbkdf2(?:-sha(?:256|512))?\$(\d+)\$[./A-Za-z0-9]*\$[./A-Za-z0-9]+")
_DJANGO = re.compile(rf"pbkdf2_sha(?:256|1)\$(\d+)\$[A-Za-z0-9]+\${_B64}")
_SCRYPT = re.compile(r"\$scrypt\$ln=(\d+),r=(\d+),p=(\d+)\$[./A-Za-z0-9+]*\$[./A-Za-z0-9+]+")
# As the protocol's server spells it: memory cost, rounds, salt separator, signer key; then salt and hash.
_FIREBASE = re.compile(rf"\$fbscrypt\$v=1,n=(\d+),r=(\d+),p=(\d+)(?:,ss=({_B64}))?,sk=({_B64})\$({_B64})\$({_B64})")


def checked(text: str) -> str:
    """`text` if it is a hash that this server knows and can afford to check. Raises ValidationFailed."""
    if found := _ARGON2.fullmatch(text):
        memory_kib, passes, lanes = (int(number) for number in found.groups())
        return _affordable(text, 8 <= memory_kib <= 262_144 and 1 <= passes <= 10 and 1 <= lanes <= 8, "argon2")
    if found := _BCRYPT.fullmatch(text) or _BCRYPT_SHA256.fullmatch(text):
        if 4 <= int(found[1]) <= 15:
            return text
        raise ValidationFailed("The bcrypt hash has a cost outside 4 to 15")
    if found := _PBKDF2.fullmatch(text) or _DJANGO.fullmatch(text):
        return _affordable(text, 1 <= int(found[1]) <= 2_000_000, "PBKDF2")
    if found := _SCRYPT.fullmatch(text) or _FIREBASE.fullmatch(text):
        cost, rounds, lanes = int(found[1]), int(found[2]), int(found[3])
        return _affordable(text, 1 <= cost <= 17 and 1 <= rounds <= 16 and 1 <= lanes <= 4 and rounds << cost <= 2**20, "scrypt")
    raise ValidationFailed("password_hash must be an argon2, bcrypt, scrypt, PBKDF2 or Firebase scrypt hash")


def _affordable(text: str, affordable: bool, name: str) -> str:
    if not affordable:
        raise ValidationFailed(f"The {name} hash asks for more memory or time than this server allows")
    return text


def is_firebase(stored: str) -> bool:
    return stored.startswith("$fbscrypt$")


def firebase_hash(salt: str, hashed: str, *, signer_key: str, salt_separator: str, rounds: int, memory_cost: int) -> str:
    """The spelling of a hash as Firebase exports it (all in base64), with the parameters of its project."""
    plain = [_standard(text) for text in (salt_separator, signer_key, salt, hashed)]
    separator = f",ss={plain[0]}" if plain[0] else ""
    return checked(f"$fbscrypt$v=1,n={memory_cost},r={rounds},p=1{separator},sk={plain[1]}${plain[2]}${plain[3]}")


def _standard(text: str) -> str:
    """Base64 with the usual alphabet: exports use the one for addresses."""
    return text.strip().replace("-", "+").replace("_", "/")


def verify_firebase(password: str, stored: str) -> bool:
    """Firebase: AES-CTR of the signer's key, under scrypt(password, salt + separator), compared with the stored bytes."""
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    found = _FIREBASE.fullmatch(stored)
    if found is None:
        return False
    cost, rounds, lanes = (int(number) for number in found.groups()[:3])
    try:
        separator, signer, salt, expected = (base64.b64decode(part or "") for part in found.groups()[3:])
    except (binascii.Error, ValueError):
        return False
    derived = hashlib.scrypt(password.encode(), salt=salt + separator, n=1 << cost, r=rounds, p=lanes, dklen=64, maxmem=2**28)
    encryptor = Cipher(algorithms.AES(derived[:32]), modes.CTR(bytes(16))).encryptor()
    return hmac.compare_digest(encryptor.update(signer) + encryptor.finalize(), expected)
