"""S11 for security keys: an answer counts for our domain, our pages, this challenge, this key, and not for a copy of the key."""

from __future__ import annotations

import hashlib
import json
import struct
from pathlib import Path
from typing import Any

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from webauthn.helpers import base64url_to_bytes, bytes_to_base64url

from tests.auth.factors import Person, claims_of, half_signed_in, person
from tests.auth.rig import Rig, open_rig, refusal

pytestmark = pytest.mark.anyio

SITE = "https://shop.example"


class Key:
    """A security key, as honest as its arguments. `origin`: the page that asks; `domain`: what it believes to be there."""

    def __init__(self) -> None:
        self._private = ec.generate_private_key(ec.SECP256R1())
        self.id = hashlib.sha256(str(id(self)).encode()).digest()
        self.count = 0

    def create(self, challenge: str, origin: str = SITE, domain: str = "shop.example") -> dict[str, Any]:
        point = self._private.public_key().public_numbers()
        public = cbor2.dumps({1: 2, 3: -7, -1: 1, -2: point.x.to_bytes(32, "big"), -3: point.y.to_bytes(32, "big")})
        data = self._data(domain, 0x45) + bytes(16) + struct.pack(">H", len(self.id)) + self.id + public
        made = {"clientDataJSON": self._told("webauthn.create", challenge, origin)}
        made["attestationObject"] = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})
        return self._answer(made)

    def get(self, challenge: str, origin: str = SITE, domain: str = "shop.example", by: Key | None = None) -> dict[str, Any]:
        data, told = self._data(domain, 0x05), self._told("webauthn.get", challenge, origin)
        signature = (by or self)._private.sign(data + hashlib.sha256(told).digest(), ec.ECDSA(SHA256()))
        return self._answer({"clientDataJSON": told, "authenticatorData": data, "signature": signature})

    def _data(self, domain: str, flags: int) -> bytes:
        self.count += 1
        return hashlib.sha256(domain.encode()).digest() + struct.pack(">BI", flags, self.count)

    def _told(self, kind: str, challenge: str, origin: str) -> bytes:
        return json.dumps({"type": kind, "challenge": challenge, "origin": origin, "crossOrigin": False}).encode()

    def _answer(self, parts: dict[str, bytes]) -> dict[str, Any]:
        shown = bytes_to_base64url(self.id)
        return {
            "id": shown,
            "rawId": shown,
            "type": "public-key",
            "response": {name: bytes_to_base64url(part) for name, part in parts.items()},
        }


async def ask(who: Person, rp_id: str = "shop.example") -> tuple[str, str]:
    """Id of a challenge, and the challenge itself."""
    answer = (
        await who.ask("POST", f"/factors/{who.factor}/challenge", {"webauthn": {"rpId": rp_id, "rpOrigins": ["https://evil.example"]}})
    ).json()
    return answer["id"], answer["webauthn"]["credential_options"]["publicKey"]["challenge"]


async def answer_with(who: Person, challenge: str, credential: Any) -> Any:
    body = {"challenge_id": challenge, "webauthn": {"rpId": "shop.example", "credential_response": credential}}
    answer = await who.ask("POST", f"/factors/{who.factor}/verify", body)
    if answer.status_code == 200:
        who.session = answer.json()
    return answer


async def with_key(rig: Rig, email: str = "ada@example.com") -> tuple[Person, Key]:
    made, key = await person(rig, email), Key()
    answer = await made.ask("POST", "/factors", {"factor_type": "webauthn", "friendly_name": "key"})
    assert set(answer.json()) == {"id", "type", "friendly_name"}
    made.factor = answer.json()["id"]
    number, challenge = await ask(made)
    assert (await answer_with(made, number, key.create(challenge))).status_code == 200
    return made, key


async def test_answers_that_do_not_count(database_url: str, tmp_path: Path) -> None:
    async with open_rig(database_url, tmp_path, site_url=SITE) as rig:
        ada, key = await with_key(rig)
        again = await half_signed_in(rig, ada)
        stranger = Key()
        stranger.id = key.id
        bad = {
            "another page": lambda c: key.get(c, origin="https://evil.example"),
            "a page of this machine": lambda c: key.get(c, origin="http://localhost:3000"),
            "the same host without TLS": lambda c: key.get(c, origin="http://shop.example"),
            "another domain": lambda c: key.get(c, domain="evil.example"),
            "another challenge": lambda c: key.get(bytes_to_base64url(bytes(64))),
            "another key": lambda c: key.get(c, by=stranger),
            "a registration": lambda c: key.create(c),
            "nothing": lambda c: {},
            "nonsense": lambda c: {"id": [], "rawId": 1, "response": "x", "type": None},
            "deep": lambda c: {"id": "a", "rawId": "a", "response": {"clientDataJSON": "e30"}, "type": "public-key"},
        }
        f = rig.kit.database.tables.factors
        for name, make in bad.items():
            await rig.kit.database.execute(f.update().values(failures=0, locked_until=None))
            number, challenge = await ask(again)
            assert refusal(await answer_with(again, number, make(challenge))) == (422, "mfa_verification_failed"), name
            used = await answer_with(again, number, key.get(challenge))
            assert refusal(used) == (422, "mfa_factor_not_found"), f"{name}: one answer to one challenge"
        await rig.kit.database.execute(f.update().values(failures=0, locked_until=None))
        number, challenge = await ask(again)
        assert (await answer_with(again, number, key.get(challenge))).status_code == 200
        assert [entry["method"] for entry in claims_of(again.token)["amr"]] == ["password", "mfa/webauthn"]


async def test_a_copy_of_a_key_is_told_by_its_counter(database_url: str, tmp_path: Path) -> None:
    async with open_rig(database_url, tmp_path, site_url=SITE) as rig:
        ada, key = await with_key(rig)
        number, challenge = await ask(ada)
        assert (await answer_with(ada, number, key.get(challenge))).status_code == 200
        key.count -= 1
        number, challenge = await ask(ada)
        assert refusal(await answer_with(ada, number, key.get(challenge))) == (422, "mfa_verification_failed")


async def test_a_credential_belongs_to_one_factor(database_url: str, tmp_path: Path) -> None:
    async with open_rig(database_url, tmp_path, site_url=SITE) as rig:
        _, key = await with_key(rig)
        bob = await person(rig, "bob@example.com")
        bob.factor = (await bob.ask("POST", "/factors", {"factor_type": "webauthn"})).json()["id"]
        number, challenge = await ask(bob)
        assert refusal(await answer_with(bob, number, key.create(challenge))) == (422, "mfa_verification_failed")


async def test_a_page_does_not_choose_its_domain(database_url: str, tmp_path: Path) -> None:
    async with open_rig(database_url, tmp_path, site_url=SITE) as rig:
        ada, _ = await with_key(rig)
        for given in ({"webauthn": {"rpId": "evil.example"}}, {}):
            assert refusal(await ada.ask("POST", f"/factors/{ada.factor}/challenge", given)) == (400, "validation_failed")
        options = (await ada.ask("POST", f"/factors/{ada.factor}/challenge", {"webauthn": {}})).json()["webauthn"]
        assert options["type"] == "request"
        assert options["credential_options"]["publicKey"]["rpId"] == "shop.example"
        assert len(base64url_to_bytes(options["credential_options"]["publicKey"]["challenge"])) >= 32


async def test_a_six_digit_code_does_not_pass_for_a_key(database_url: str, tmp_path: Path) -> None:
    async with open_rig(database_url, tmp_path, site_url=SITE) as rig:
        ada, _ = await with_key(rig)
        number, _ = await ask(ada)
        answer = await ada.ask("POST", f"/factors/{ada.factor}/verify", {"challenge_id": number, "code": "123456"})
        assert refusal(answer) == (422, "mfa_verification_failed")
