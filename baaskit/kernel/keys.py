"""The project's keys: made on first start, kept in one file that only its owner can read, never logged.

ES256 (RFC 7518 §3.4) signs users' tokens, so others can verify them from the JWKS. One HS256 secret signs the two long-lived API
keys (`anon`, `service_role`) that client libraries expect; beside them there are opaque ones (`sb_publishable_…`, `sb_secret_…`).

A signing key is published before it signs and verifies after it has ceased to, so a rotation refuses nobody's token. A running
server reads the file again when it has changed.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import json
import os
import secrets
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from baaskit.errors import Fault, Faults
from baaskit.kernel.claims import LEEWAY_SECONDS, Verifier

API_KEY_EXPIRES = 4102444800  # 2100-01-01: API keys are ended by replacing the secret, not by time
PUBLISHED_SECONDS = 600  # for how long others may keep the JWKS (its max-age), so how long before its first token a key is shown
_ROLES = {"publishable": "anon", "secret": "service_role"}
_DEFAULT = "default"

ApiKind = Literal["publishable", "secret"]


@dataclass(frozen=True, slots=True)
class SigningKey:
    """`signs_from` in unix seconds: when this key becomes the one that signs."""

    kid: str
    private_key: Any
    signs_from: float


@dataclass(frozen=True, slots=True)
class ApiKey:
    """An opaque key; `name` is how it is revoked."""

    name: str
    kind: ApiKind
    key: str


class Keys:
    """`secret` also derives other keys (signed URLs, admin sessions) through `derive`.

    `verifier` is one object for the life of the process; `refresh` gives it the keys that are in force.
    """

    def __init__(self, path: Path, secret: str | None = None, *, now: float | None = None, token_seconds: int = 3600) -> None:
        self._path, self._given, self._token_seconds = path, secret, token_seconds
        self._stamp: tuple[int, int] = (0, 0)
        self._boundary = 0.0
        self.secret = ""
        self.anon_key = self.service_role_key = ""
        self.signing: tuple[SigningKey, ...] = ()
        self.api_keys: tuple[ApiKey, ...] = ()
        self.verifier: Verifier
        if not path.exists():
            _create(path)
        self.refresh(now)

    def refresh(self, now: float | None = None) -> bool:
        """Take over what has changed: the file, or which key it is time for; whether anything had. Costs one `stat` when nothing did.

        Raises PermissionError if others may read the file.
        """
        now = time.time() if now is None else now
        seen = self._path.stat()
        stamp = (seen.st_mtime_ns, seen.st_ino)
        if stamp == self._stamp and now < self._boundary:
            return False
        self._load(_read(self._path), now)
        self._stamp = stamp
        return True

    def _load(self, stored: Mapping[str, Any], now: float) -> None:
        self.secret = self._given or stored["jwt_secret"]
        self.anon_key, self.service_role_key = _api_key("anon", self.secret), _api_key("service_role", self.secret)
        revoked = set(stored.get("revoked", ()))
        entries = sorted(stored["signing_keys"], key=lambda entry: float(entry.get("signs_from", 0)))
        found = [
            SigningKey(e["kid"], serialization.load_pem_private_key(e["private_pem"].encode(), None), float(e.get("signs_from", 0)))
            for e in entries
            if e["kid"] not in revoked
        ]
        self.signing = tuple(key for place, key in enumerate(found) if now < self._ends(found, place))
        made = [ApiKey(_DEFAULT, kind, self._opaque(kind)) for kind in ("publishable", "secret")]
        made += [ApiKey(e["name"], e["kind"], e["key"]) for e in stored.get("api_keys", ())]
        self.api_keys = tuple(key for key in made if f"{key.kind}:{key.name}" not in revoked)
        moments = [key.signs_from for key in found] + [self._ends(found, place) for place in range(len(found))]
        self._boundary = min((moment for moment in moments if moment > now), default=float("inf"))
        public = {key.kid: key.private_key.public_key() for key in self.signing}
        roles = {key.key: _ROLES[key.kind] for key in self.api_keys}
        if self._stamp == (0, 0):
            self.verifier = Verifier(public, self.secret, roles)
        else:
            self.verifier.replace_keys(public, self.secret, roles)

    def _ends(self, keys: list[SigningKey], place: int) -> float:
        """When the last token of a key has expired: some time after the next one has taken over."""
        following = keys[place + 1].signs_from if place + 1 < len(keys) else float("inf")
        return following + self._token_seconds + LEEWAY_SECONDS

    def _opaque(self, kind: ApiKind) -> str:
        return f"sb_{kind}_{base64.urlsafe_b64encode(self.derive(f'{kind} key'))[:32].decode()}"

    @property
    def publishable_key(self) -> str | None:
        """A key for pages and apps: the role `anon`. None when all have been revoked."""
        return next((key.key for key in self.api_keys if key.kind == "publishable"), None)

    @property
    def secret_key(self) -> str | None:
        """A key for servers: the role `service_role`."""
        return next((key.key for key in self.api_keys if key.kind == "secret"), None)

    def current(self, now: float | None = None) -> SigningKey:
        """The key that signs at `now`."""
        now = time.time() if now is None else now
        return next((key for key in reversed(self.signing) if key.signs_from <= now), self.signing[0])

    @property
    def kid(self) -> str:
        return self.current().kid

    @property
    def private_key(self) -> Any:
        return self.current().private_key

    @property
    def public_keys(self) -> dict[str, Any]:
        return {key.kid: key.private_key.public_key() for key in self.signing}

    def sign(self, claims: Mapping[str, Any]) -> str:
        """A user's access token with `claims`, ES256, `kid` in its header."""
        key = self.current()
        return jwt.encode(dict(claims), key.private_key, algorithm="ES256", headers={"kid": key.kid})

    def jwks(self) -> dict[str, Any]:
        """Public keys for `/.well-known/jwks.json`, of tokens now, soon and lately; the HS256 secret is never listed."""
        keys = []
        for kid, key in self.public_keys.items():
            keys.append({**ECAlgorithm.to_jwk(key, as_dict=True), "kid": kid, "alg": "ES256", "use": "sig", "key_ops": ["verify"]})
        return {"keys": keys}

    def derive(self, purpose: str) -> bytes:
        """A 32-byte key for one purpose, from the secret (HKDF, RFC 5869); purposes never share keys."""
        from cryptography.hazmat.primitives.hashes import SHA256
        from cryptography.hazmat.primitives.kdf.hkdf import HKDF

        return HKDF(SHA256(), 32, salt=None, info=f"baaskit {purpose}".encode()).derive(self.secret.encode())


def load_keys(path: Path, secret: str | None = None, *, token_seconds: int = 3600) -> Keys:
    """The keys of the file at `path`, which is made (mode 0600) when there is none. `secret` overrides the stored HS256 secret;
    `token_seconds` is the life of an access token, so how long a key verifies after it has ceased to sign.

    Raises PermissionError if others may read the file.
    """
    return Keys(path, secret, token_seconds=token_seconds)


def rotate(path: Path, now: float, *, at_once: bool = False) -> str:
    """Add a signing key; its kid. It signs after `PUBLISHED_SECONDS`, when everybody has seen it, or `at_once`."""
    with _editing(path) as stored:
        made = _signing_key(now if at_once else now + PUBLISHED_SECONDS)
        stored["signing_keys"].append(made)
    return str(made["kid"])


def add_api_key(path: Path, kind: ApiKind, name: str) -> str:
    """A further opaque key, called `name`. Raises Faults when there is one of that name."""
    with _editing(path) as stored:
        names = {(entry["kind"], entry["name"]) for entry in stored.setdefault("api_keys", [])} | {(kind, _DEFAULT)}
        if (kind, name) in names:
            raise Faults([Fault(f"there is a {kind} key {name!r} already", line=0)])
        made = f"sb_{kind}_{secrets.token_urlsafe(24)}"
        stored["api_keys"].append({"name": name, "kind": kind, "key": made})
    return made


def revoke(path: Path, name: str, now: float) -> None:
    """End a signing key (its kid) or an opaque key (`publishable:NAME`, `secret:NAME`) at once.

    Revoking the key that signs makes another one sign. Raises Faults when there is none of that name.
    """
    with _editing(path) as stored:
        kids = [entry["kid"] for entry in stored["signing_keys"]]
        names = {f"{entry['kind']}:{entry['name']}" for entry in stored.get("api_keys", ())} | {f"{kind}:{_DEFAULT}" for kind in _ROLES}
        revoked = stored.setdefault("revoked", [])
        if name not in {*kids, *names} or name in revoked:
            raise Faults([Fault(f"there is no key {name!r} to revoke", line=0, hint="baaskit keys list  shows them.")])
        revoked.append(name)
        left = [entry for entry in stored["signing_keys"] if entry["kid"] not in revoked]
        if not any(float(entry.get("signs_from", 0)) <= now for entry in left):
            stored["signing_keys"].append(_signing_key(now))


def _api_key(role: str, secret: str) -> str:
    return jwt.encode({"iss": "baaskit", "role": role, "exp": API_KEY_EXPIRES}, secret, algorithm="HS256")


def _signing_key(signs_from: float) -> dict[str, Any]:
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return {"kid": secrets.token_hex(8), "private_pem": pem.decode(), "signs_from": signs_from}


def _read(path: Path) -> dict[str, Any]:
    if path.stat().st_mode & 0o077:
        raise PermissionError(f"{path} can be read by others: run  chmod 600 {path}")
    stored: dict[str, Any] = json.loads(path.read_text())
    return stored


@contextlib.contextmanager
def _editing(path: Path) -> Iterator[dict[str, Any]]:
    """The file's content, to be changed; written when the block ends well. Two who edit at once come one after the other."""
    if not path.exists():
        _create(path)
    with path.with_name(f".{path.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        stored = _read(path)
        yield stored
        draft = _draft(path, stored)
        os.replace(draft, path)


def _draft(path: Path, stored: Mapping[str, Any]) -> Path:
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(stored, file, indent=1)
    return draft


def _create(path: Path) -> None:
    stored = {"jwt_secret": secrets.token_urlsafe(48), "signing_keys": [_signing_key(0)]}
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Written beside and linked into place: two processes that start together end with one file, and none reads half of it.
    draft = _draft(path, stored)
    with contextlib.suppress(FileExistsError):
        os.link(draft, path)
    draft.unlink()
