"""What clients send, as models. Unknown fields are ignored, as clients add some; a wrong type is refused, null is absence."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any
from uuid import UUID

import orjson
from pydantic import AfterValidator, BaseModel, Field, StringConstraints

METADATA_BYTES = 16_384  # of a user's metadata as JSON: it travels in every access token

Text = Annotated[str, StringConstraints(max_length=4096)]


def plain_metadata(value: dict[str, Any]) -> dict[str, Any]:
    """Only what both databases and a token can carry."""
    try:
        text = orjson.dumps(value)
    except TypeError as problem:  # lone surrogates, integers over 64 bits, too deep
        raise ValueError(f"metadata cannot be stored: {problem}") from problem
    if len(text) > METADATA_BYTES:
        raise ValueError(f"metadata may be at most {METADATA_BYTES} bytes of JSON")
    if b"\\u0000" in text.replace(rb"\\", b""):
        raise ValueError("metadata may not hold the character U+0000")
    loaded: dict[str, Any] = orjson.loads(text)  # NaN and Infinity have become null
    return loaded


Metadata = Annotated[dict[str, Any], AfterValidator(plain_metadata)]


class Security(BaseModel):
    """What a page got from a captcha service."""

    captcha_token: Text | None = None


class Asked(BaseModel):
    """What a stranger's request may carry besides. With a challenge the sign-in ends in a code (PKCE)."""

    code_challenge: Text | None = None
    code_challenge_method: Text | None = None
    gotrue_meta_security: Security | None = None


def captcha_of(asked: BaseModel) -> str | None:
    """The captcha token of a request."""
    security: Security | None = getattr(asked, "gotrue_meta_security", None)
    return security.captcha_token if security else None


class OneTimePassword(Asked):
    """Whom to send a link and a code to sign in with."""

    email: Text | None = None
    phone: Text | None = None
    data: Metadata | None = Field(default=None, description="Metadata of the user, if one is created.")
    create_user: bool | None = None
    channel: Text | None = None


class Recovery(Asked):
    email: Text | None = None


class Resend(Asked):
    type: Text | None = Field(default=None, description="signup, email_change, sms or phone_change")
    email: Text | None = None
    phone: Text | None = None


class Verification(BaseModel):
    """A code with the address it was sent to, or the token of a link."""

    type: Text | None = Field(default=None, description="signup, email, magiclink, recovery, invite, email_change, sms or phone_change")
    email: Text | None = None
    phone: Text | None = None
    token: Text | None = None
    token_hash: Text | None = None


class SignUp(Asked):
    """Neither `email` nor `phone`: an anonymous user."""

    email: Text | None = None
    phone: Text | None = None
    password: Text | None = None
    data: Metadata | None = Field(default=None, description="The user's own metadata; the user may change it later.")


class Grant(BaseModel):
    """What is exchanged for a session: an address and its password, a refresh token, or the code of a flow and its verifier."""

    provider: Text | None = Field(default=None, description="Who made the `id_token`.")
    id_token: Annotated[str, StringConstraints(max_length=16_384)] | None = None
    nonce: Text | None = Field(default=None, description="Its SHA-256 in hex is the `nonce` of the ID token.")
    link_identity: bool | None = None
    auth_code: Text | None = None
    code_verifier: Text | None = None
    gotrue_meta_security: Security | None = None
    email: Text | None = None
    phone: Text | None = None
    password: Text | None = None
    refresh_token: Text | None = None


class UserChange(Asked):
    """A user's change of itself. `data` is merged key by key; null removes a key."""

    nonce: Text | None = Field(default=None, description="The code that GET /reauthenticate sent.")
    email: Text | None = None
    phone: Text | None = None
    password: Text | None = None
    current_password: Text | None = None
    data: Metadata | None = None


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("only printable characters are allowed")
    return text


Name = Annotated[str, StringConstraints(max_length=100), AfterValidator(_printable)]


class NewFactor(BaseModel):
    factor_type: Text = Field(description="totp or webauthn")
    friendly_name: Name | None = Field(default=None, description="How the user tells its factors apart; unique for the user.")
    issuer: Name | None = Field(default=None, description="What the authenticator app shows above the code. Default: `mail_brand`.")


class WebauthnChallenge(BaseModel):
    """Which domain the page is of. `rpOrigins`, which clients send too, is not asked: the server knows its pages."""

    rp_id: Text | None = Field(default=None, alias="rpId")


class Challenge(BaseModel):
    webauthn: WebauthnChallenge | None = Field(default=None, description="For a factor of that type.")


class WebauthnAnswer(WebauthnChallenge):
    type: Text | None = Field(default=None, description="create or request")
    credential_response: dict[str, Any] | None = Field(default=None, description="What the browser made, as JSON (WebAuthn level 3).")


class FactorProof(BaseModel):
    """`code` of an authenticator app, or `webauthn`."""

    challenge_id: UUID | None = None
    code: Text | None = None
    webauthn: WebauthnAnswer | None = None


class RecoveryCode(BaseModel):
    code: Text | None = None


class AdminUserChange(BaseModel):
    """An admin's change of a user. Metadata is merged key by key; null removes a key."""

    email: Text | None = None
    phone: Text | None = None
    password: Text | None = None
    password_hash: Text | None = Field(
        default=None, description="argon2, bcrypt, scrypt, PBKDF2 or Firebase scrypt, from another system; replaced at the first sign-in."
    )
    email_confirm: bool | None = None
    phone_confirm: bool | None = None
    user_metadata: Metadata | None = None
    app_metadata: Metadata | None = None
    ban_duration: Text | None = Field(default=None, description='Like "24h" or "1h30m"; "none" lifts a ban.')
    role: Text | None = Field(default=None, description='"authenticated" or "service_role".')


class AdminUserCreate(AdminUserChange):
    id: UUID | None = None


class Invitation(BaseModel):
    email: Text | None = None
    data: Metadata | None = None


class LinkRequest(BaseModel):
    """A link that is handed out instead of sent."""

    type: Text | None = Field(default=None, description="signup, invite, magiclink, recovery, email_change_current or email_change_new")
    email: Text | None = None
    password: Text | None = None
    new_email: Text | None = None
    data: Metadata | None = None
    redirect_to: Text | None = None


class Impersonation(BaseModel):
    """Who looks at the app as somebody else, and why; both are recorded."""

    actor: Annotated[str, StringConstraints(max_length=200)] | None = None
    reason: Annotated[str, StringConstraints(max_length=1000)] | None = None


class UserDelete(BaseModel):
    should_soft_delete: bool | None = None


_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART = r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)"
_LONGEST = timedelta(days=366 * 300)


def duration(text: str) -> timedelta | None:
    """A positive duration as Go writes it (`1h30m`), None for `none`. Raises ValueError."""
    if text.strip().lower() == "none":
        return None
    if len(text) > 64 or not re.fullmatch(f"(?:{_PART})+", text):
        raise ValueError("ban_duration must be like 24h or 1h30m, or none")
    seconds = sum(float(number) * _UNITS[unit] for number, unit in re.findall(_PART, text))
    return min(timedelta(seconds=min(seconds, _LONGEST.total_seconds())), _LONGEST)
