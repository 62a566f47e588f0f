"""The project's keys: made on first start, kept in one file that only its owner can read, never logged.

ES256 (RFC 7518 §3.4) signs users' tokens, so others can verify them from the JWKS; one HS256 secret signs the two
long-lived API keys (`anon`, `service_role`) that client libraries expect.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from baaskit.kernel.claims import Verifier

API_KEY_EXPIRES = 4102444800  # 2100-01-01: API keys are ended by replacing the secret, not by time


@dataclass(frozen=True)
class Keys:
    """`secret` also derives other keys (signed URLs, admin sessions) through `derive`."""

    secret: str
    kid: str
    private_key: Any
    public_keys: Mapping[str, Any]
    anon_key: str
    service_role_key: str
    verifier: Verifier

    def sign(self, claims: Mapping[str, Any]) -> str:
        """A user's access token with `claims`, ES256, `kid` in its header."""
        return jwt.encode(dict(claims), self.private_key, algorithm="ES256", headers={"kid": self.kid})

    def jwks(self) -> dict[str, Any]:
        """Public keys for `/.well-known/jwks.json`; the HS256 secret is never listed."""
        keys = []
        for kid, key in self.public_keys.items():
            keys.append({**ECAlgorithm.to_jwk(key, as_dict=True), "kid": kid, "alg": "ES256", "use": "sig", "key_ops": ["verify"]})
        return {"keys": keys}

    def derive(self, purpose: str) -> bytes:
        """A 32-byte key for one purpose, from the secret (HKDF, RFC 5869); purposes never share keys."""
        from cryptography.hazmat.primitives.hashes import SHA256
        from cryptography.hazmat.primitives.kdf.hkdf import HKDF

        return HKDF(SHA256(), 32, salt=None, info=f"baaskit {purpose}".encode()).derive(self.secret.encode())


def load_keys(path: Path, secret: str | None = None) -> Keys:
    """Read the key file at `path`, making it (mode 0600) when there is none. `secret` overrides the stored HS256 secret.

    Raises PermissionError if others may read the file.
    """
    stored = _read(path) if path.exists() else _create(path)
    hs256 = secret or stored["jwt_secret"]
    private = {k["kid"]: serialization.load_pem_private_key(k["private_pem"].encode(), None) for k in stored["signing_keys"]}
    public = {kid: key.public_key() for kid, key in private.items()}
    kid = stored["signing_keys"][-1]["kid"]
    return Keys(
        secret=hs256,
        kid=kid,
        private_key=private[kid],
        public_keys=public,
        anon_key=_api_key("anon", hs256),
        service_role_key=_api_key("service_role", hs256),
        verifier=Verifier(public, hs256, {}),
    )


def _api_key(role: str, secret: str) -> str:
    return jwt.encode({"iss": "baaskit", "role": role, "exp": API_KEY_EXPIRES}, secret, algorithm="HS256")


def _read(path: Path) -> dict[str, Any]:
    if path.stat().st_mode & 0o077:
        raise PermissionError(f"{path} can be read by others: run  chmod 600 {path}")
    stored: dict[str, Any] = json.loads(path.read_text())
    return stored


def _create(path: Path) -> dict[str, Any]:
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    stored = {
        "jwt_secret": secrets.token_urlsafe(48),
        "signing_keys": [{"kid": secrets.token_hex(8), "private_pem": pem.decode()}],
    }
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Written beside and linked into place: two processes that start together end with one file, and none reads half of it.
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(stored, file, indent=1)
    try:
        os.link(draft, path)
    except FileExistsError:
        return _read(path)
    finally:
        draft.unlink()
    return stored
