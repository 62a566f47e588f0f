"""Providers of accounts elsewhere: where each is, and what its answers say about a person. Pure.

An address counts as verified only where the provider says so of this very address: whoever owns a verified address owns the
account that has it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from baaskit.auth.addresses import email_address
from baaskit.errors.auth import UnsupportedProvider, ValidationFailed
from baaskit.settings import ProviderSettings, Settings

_LONGEST = 2048  # characters of a name or an address of a picture


@dataclass(frozen=True, slots=True)
class Preset:
    """`issuer` with OpenID Connect; else the three addresses of plain OAuth 2. `form_post`: it answers by a form."""

    issuer: str = ""
    scopes: str = "openid email profile"
    authorize_url: str = ""
    token_url: str = ""
    user_url: str = ""
    form_post: bool = False


_DISCORD = "https://discord.com"
PRESETS = {
    "apple": Preset("https://appleid.apple.com", "openid email name", form_post=True),
    "azure": Preset("https://login.microsoftonline.com/common/v2.0"),
    "discord": Preset(
        scopes="identify email", authorize_url=f"{_DISCORD}/oauth2/authorize", token_url=f"{_DISCORD}/api/oauth2/token",
        user_url=f"{_DISCORD}/api/users/@me",
    ),
    "github": Preset(
        scopes="read:user user:email", authorize_url="https://github.com/login/oauth/authorize",
        token_url="https://github.com/login/oauth/access_token", user_url="https://api.github.com/user",  # noqa: S106  (an address)
    ),
    "gitlab": Preset("https://gitlab.com"),
    "google": Preset("https://accounts.google.com"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Provider:
    """A provider as the project uses it. With an empty `issuer` it speaks plain OAuth 2."""

    name: str
    settings: ProviderSettings
    preset: Preset
    issuer: str

    @property
    def scopes(self) -> str:
        return " ".join(dict.fromkeys([*self.preset.scopes.split(), *self.settings.scopes]))


@dataclass(frozen=True, slots=True)
class Begun:
    """What a flow sends along: the secrets are derived from `state`, so that nothing of them is stored."""

    state: str
    nonce: str
    verifier: str
    redirect_uri: str


@dataclass(frozen=True, slots=True)
class Person:
    """Whom a provider says somebody is. `email` is normalised, None when there is none that could be an account's.

    `profile` is what a page may show: names, a picture.
    """

    provider: str
    subject: str
    email: str | None = None
    email_verified: bool = False
    profile: dict[str, Any] = field(default_factory=dict)

    @property
    def proven_email(self) -> str | None:
        return self.email if self.email_verified else None

    @property
    def identity_data(self) -> dict[str, Any]:
        """As `auth.identities` keeps it, in the protocol's names."""
        told = {"sub": self.subject, "provider_id": self.subject, "email_verified": self.email_verified, "phone_verified": False}
        return {**self.profile, **({"email": self.email} if self.email else {}), **told}


def find(settings: Settings, name: str | None) -> Provider:
    """The provider of this name. Raises UnsupportedProvider."""
    given = settings.providers.get(name or "")
    if name is None or given is None:
        raise UnsupportedProvider()
    preset = PRESETS.get(name, Preset())
    if given.issuer and preset.user_url:  # one that the operator runs: GitHub Enterprise
        base = given.issuer.rstrip("/")
        preset = Preset("", preset.scopes, f"{base}/login/oauth/authorize", f"{base}/login/oauth/access_token", f"{base}/api/v3/user")
    issuer = "" if preset.user_url else given.issuer or preset.issuer
    return Provider(name, given, preset, issuer)


def from_claims(provider: Provider, claims: Mapping[str, Any]) -> Person:
    """Of the claims of an ID token (and of the user info). Raises ValidationFailed without a subject."""
    names = ("name", "given_name", "family_name", "preferred_username", "nickname", "picture", "locale", "iss")
    profile = _texts({name: claims.get(name) for name in names})
    return _person(provider, claims.get("sub"), claims.get("email"), _is_verified(provider, claims), profile)


def _is_verified(provider: Provider, claims: Mapping[str, Any]) -> bool:
    if provider.name == "azure":  # any admin of any tenant writes any address; only this claim says that its domain was proven
        return claims.get("xms_edov") in (True, 1, "1", "true")
    return claims.get("email_verified") in (True, "true")  # Apple sends a text


def from_discord(provider: Provider, user: Mapping[str, Any]) -> Person:
    """Of `GET /users/@me`."""
    picture = f"https://cdn.discordapp.com/avatars/{user.get('id')}/{user['avatar']}.png" if user.get("avatar") else None
    profile = _texts({"name": user.get("global_name") or user.get("username"), "user_name": user.get("username"), "picture": picture})
    return _person(provider, user.get("id"), user.get("email"), user.get("verified") is True, profile)


def from_github(provider: Provider, user: Mapping[str, Any], emails: Any) -> Person:
    """Of `GET /user` and `GET /user/emails`. The address of the public profile is only a text; the primary one counts."""
    listed = [entry for entry in emails if isinstance(entry, dict)] if isinstance(emails, list) else []
    primary: Mapping[str, Any] = next((entry for entry in listed if entry.get("primary") is True), {})
    profile = _texts({"name": user.get("name") or user.get("login"), "user_name": user.get("login"), "picture": user.get("avatar_url")})
    number = user.get("id")
    subject = str(number) if isinstance(number, int) and not isinstance(number, bool) else None
    return _person(provider, subject, primary.get("email"), primary.get("verified") is True, profile)


def _person(provider: Provider, subject: Any, email: Any, verified: bool, profile: dict[str, Any]) -> Person:
    if not isinstance(subject, str) or not 0 < len(subject) <= 255 or "\0" in subject:
        raise ValidationFailed("The provider did not say who this is")
    try:
        address = email_address(email) if isinstance(email, str) else None
    except ValidationFailed:
        address = None
    shown = {"full_name": profile.get("name"), "avatar_url": profile.get("picture")}
    profile = {**profile, **{name: value for name, value in shown.items() if value}}
    return Person(provider.name, subject, address, (verified or provider.settings.trust_email) and address is not None, profile)


def _texts(values: Mapping[str, Any]) -> dict[str, Any]:
    """Only texts of a sane length that both databases can store."""
    return {key: value for key, value in values.items() if isinstance(value, str) and 0 < len(value) <= _LONGEST and _is_plain(value)}


def _is_plain(text: str) -> bool:
    return "\0" not in text and not any("\ud800" <= character <= "\udfff" for character in text)
