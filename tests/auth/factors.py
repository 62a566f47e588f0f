"""An authenticator app, and a person with one."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import jwt
from httpx2 import Response
from passlib.totp import TOTP

from tests.auth.rig import Rig


def code_of(secret: str, later: int = 0) -> str:
    """The code that an app shows, or will show `later` periods from now; up to one is taken."""
    return str(TOTP(key=secret, format="base32").generate(time.time() + 30 * later).token)


def claims_of(token: str) -> dict[str, Any]:
    return jwt.decode(token, options={"verify_signature": False})


@dataclass
class Person:
    """Somebody who is signed in; `token` and `secret` of the first factor are the newest."""

    rig: Rig
    session: dict[str, Any]
    factor: str = ""
    secret: str = ""

    @property
    def token(self) -> str:
        return str(self.session["access_token"])

    async def ask(self, method: str, path: str, json: Any = None) -> Response:
        return await self.rig.ask(method, path, self.token, **({} if json is None else {"json": json}))

    async def enroll(self, name: str = "phone") -> Response:
        return await self.ask("POST", "/factors", {"factor_type": "totp", "friendly_name": name})

    async def challenge(self, factor: str | None = None) -> str:
        answer = await self.ask("POST", f"/factors/{factor or self.factor}/challenge", {})
        assert answer.status_code == 200, answer.text
        return str(answer.json()["id"])

    async def prove(self, code: str, factor: str | None = None) -> Response:
        """Challenge and verify; the session is then the raised one."""
        challenge = await self.challenge(factor)
        answer = await self.ask("POST", f"/factors/{factor or self.factor}/verify", {"challenge_id": challenge, "code": code})
        if answer.status_code == 200:
            self.session = answer.json()
        return answer


async def person(rig: Rig, email: str = "ada@example.com") -> Person:
    return Person(rig, await rig.sign_up(email))


async def with_factor(rig: Rig, email: str = "ada@example.com") -> Person:
    """Signed in with both factors."""
    made = await person(rig, email)
    answer = await made.enroll()
    assert answer.status_code == 200, answer.text
    made.factor, made.secret = answer.json()["id"], answer.json()["totp"]["secret"]
    assert (await made.prove(code_of(made.secret))).status_code == 200
    return made


async def half_signed_in(rig: Rig, whole: Person, email: str = "ada@example.com") -> Person:
    """The same person on another device, with the password alone."""
    return Person(rig, (await rig.sign_in(email)).json(), whole.factor, whole.secret)
