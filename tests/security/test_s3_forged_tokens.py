"""S3: access tokens that this project did not sign, or signed for something else, open nothing."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from baaskit.kernel.keys import load_keys
from tests.auth.rig import Rig, open_rig, refusal

pytestmark = pytest.mark.anyio


def encoded(part: Any) -> str:
    raw = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def hs256_with(key: bytes, claims: dict[str, Any], kid: str) -> str:
    """By hand: PyJWT itself refuses to sign with a public key."""
    body = f"{encoded({'alg': 'HS256', 'typ': 'JWT', 'kid': kid})}.{encoded(claims)}"
    return f"{body}.{encoded(hmac.digest(key, body.encode(), hashlib.sha256))}"


def forgeries(rig: Rig, claims: dict[str, Any], folder: Path) -> dict[str, str]:
    keys, own = rig.kit.keys, jwt.encode(claims, rig.kit.keys.private_key, "ES256", headers={"kid": rig.kit.keys.kid})
    header, _, signature = own.split(".")
    public = keys.public_keys[keys.kid]
    pem = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    raw = public.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
    stranger = ec.generate_private_key(ec.SECP256R1())
    return {
        "no algorithm": f"{encoded({'alg': 'none', 'kid': keys.kid})}.{encoded(claims)}.",
        "None with a capital": f"{encoded({'alg': 'None', 'kid': keys.kid})}.{encoded(claims)}.{signature}",
        "public key as secret, PEM": hs256_with(pem, claims, keys.kid),
        "public key as secret, point": hs256_with(raw, claims, keys.kid),
        "public key as secret, JWK": hs256_with(json.dumps(keys.jwks()["keys"][0]).encode(), claims, keys.kid),
        "empty secret": hs256_with(b"", claims, keys.kid),
        "another key under our kid": jwt.encode(claims, stranger, "ES256", headers={"kid": keys.kid}),
        "another key without kid": jwt.encode(claims, stranger, "ES256"),
        "a key in the header": jwt.encode(
            claims, stranger, "ES256", headers={"jwk": jwt.algorithms.ECAlgorithm.to_jwk(stranger.public_key(), as_dict=True)}
        ),
        "a path as kid": jwt.encode(claims, stranger, "ES256", headers={"kid": "../../dev/null"}),
        "another project's token": load_keys(folder / "other.json").sign(claims),
        "changed claims": f"{header}.{encoded({**claims, 'role': 'service_role'})}.{signature}",
        "no signature": ".".join(own.split(".")[:2]) + ".",
        "expired": keys.sign({**claims, "exp": int(time.time()) - 3600}),
        "no expiry": keys.sign({key: value for key, value in claims.items() if key != "exp"}),
        "not valid yet": keys.sign({**claims, "nbf": int(time.time()) + 3600}),
        "an unknown role": keys.sign({**claims, "role": "postgres"}),
    }


async def test_no_forged_token_opens_an_account_or_the_admin_api(database_url: str, tmp_path: Path) -> None:
    async with open_rig(database_url, tmp_path) as rig:
        session = await rig.sign_up("ada@example.com")
        claims = jwt.decode(session["access_token"], options={"verify_signature": False})
        admin = {key: value for key, value in claims.items() if key != "session_id"} | {"role": "service_role"}
        for name, token in forgeries(rig, claims, tmp_path).items():
            assert (name, 403, "bad_jwt") == (name, *refusal(await rig.ask("GET", "/user", token)))
        for name, token in forgeries(rig, admin, tmp_path).items():
            if name != "no expiry":  # keys of the service role may be without
                assert (name, 403, "bad_jwt") == (name, *refusal(await rig.ask("GET", "/admin/users", token)))
        assert (await rig.ask("GET", "/user", session["access_token"])).status_code == 200
