"""Talking to a provider: discovery, the address to send a browser to, the exchange of a code, and who its tokens name.

Loaded when somebody first signs in that way: Authlib and the HTTP client are slow to import. Every address asked comes from the
operator's settings, or from the discovery document of an issuer named there; none from a client or a token. Answers are never shown.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import httpx2
import jwt
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.httpx_client import AsyncOAuth2Client

from baaskit.auth import providers
from baaskit.auth.providers import Begun, Person, Provider
from baaskit.errors.auth import BadIdToken, BadOAuthCallback, ProviderUnavailable
from baaskit.observe import fact

TIMEOUT_SECONDS = 10
METADATA_SECONDS = 3600.0
KEYS_SECONDS = 30.0  # least time between two looks for a key that is not known: strangers choose `kid`
_ALGORITHMS = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"})
_APPLE_SECRET_SECONDS = 300


@dataclass(frozen=True, slots=True)
class Signed:
    """Who came back, and the provider's own tokens for the app that asked."""

    person: Person
    access_token: str = ""
    refresh_token: str = ""


@dataclass(slots=True)
class _Known:
    metadata: dict[str, Any]
    read_at: float
    keys: dict[str | None, Any] = field(default_factory=dict)
    keys_at: float = float("-inf")


class Directory:
    """What has been read of each provider. One per process; nothing of a flow is kept here."""

    def __init__(self) -> None:
        self._known: dict[str, _Known] = {}

    async def authorize_url(self, provider: Provider, begun: Begun, scopes: str, more: Mapping[str, str]) -> str:
        """Where the browser goes. Raises ProviderUnavailable."""
        metadata = await self._metadata(provider)
        wanted = " ".join(dict.fromkeys([*provider.scopes.split(), *scopes.split()]))
        given = dict(more)
        if provider.issuer:
            given["nonce"] = begun.nonce
        if provider.preset.form_post:
            given["response_mode"] = "form_post"
        async with self._client(provider, begun, scope=wanted) as client:
            url, _ = client.create_authorization_url(
                metadata["authorization_endpoint"], state=begun.state, code_verifier=begun.verifier, **given
            )
        return str(url)

    async def finish(self, provider: Provider, begun: Begun, code: str, iss: str | None) -> Signed:
        """Exchange the code and read who it is. `iss`: the parameter of that name (RFC 9207), against a mix-up of providers.

        Raises BadOAuthCallback, BadIdToken, ProviderUnavailable.
        """
        metadata = await self._metadata(provider)
        if provider.issuer and (iss is not None or metadata.get("authorization_response_iss_parameter_supported") is True):
            if iss != metadata["issuer"]:
                raise BadOAuthCallback("The answer is of another provider than the one that was asked")
        method = _auth_method(provider, metadata)
        async with self._client(provider, begun, token_endpoint_auth_method=method) as client:
            try:
                token = await client.fetch_token(
                    metadata["token_endpoint"], code=code, code_verifier=begun.verifier, headers={"Accept": "application/json"}
                )
            except AuthlibBaseError as problem:
                fact("auth.provider_refused", provider=provider.name, error=str(problem.error))
                raise BadOAuthCallback("The provider did not accept the code") from problem
            except (httpx2.HTTPError, ValueError) as problem:
                raise _unavailable(provider, problem) from problem
        access = token.get("access_token")
        if not isinstance(access, str):
            raise BadOAuthCallback("The provider gave no access token")
        if provider.issuer:
            person = await self._by_id_token(provider, metadata, token, access, begun.nonce)
        else:
            person = await self._by_api(provider, access)
        refresh = token.get("refresh_token")
        return Signed(person, access, refresh if isinstance(refresh, str) else "")

    async def claims_of(self, provider: Provider, token: str) -> dict[str, Any]:
        """The verified claims of an ID token; the nonce is the caller's to check. Raises BadIdToken, ProviderUnavailable."""
        metadata = await self._metadata(provider)
        try:
            header = jwt.get_unverified_header(token)
            algorithm, kid = header.get("alg"), header.get("kid")
            if algorithm not in _ALGORITHMS:
                raise BadIdToken()
            key = await self._key(provider, metadata, kid)
            audiences = [provider.settings.client_id, *provider.settings.audiences]
            claims: dict[str, Any] = jwt.decode(
                token, key.key, algorithms=[algorithm], audience=audiences, leeway=60,
                options={"require": ["exp", "iat", "iss", "aud", "sub"], "verify_iss": False},
            )  # fmt: skip
        except (jwt.PyJWTError, ValueError, TypeError) as problem:
            raise BadIdToken() from problem
        if claims["iss"] != _issuer_of(metadata, claims):
            raise BadIdToken()
        if isinstance(claims["aud"], list) and len(claims["aud"]) > 1 and claims.get("azp") not in audiences:
            raise BadIdToken()
        return claims

    async def _by_id_token(self, provider: Provider, metadata: dict[str, Any], token: Mapping[str, Any], access: str, nonce: str) -> Person:
        id_token = token.get("id_token")
        if not isinstance(id_token, str):
            raise BadIdToken("The provider gave no ID token")
        claims = await self.claims_of(provider, id_token)
        if claims.get("nonce") != nonce:
            raise BadIdToken("The ID token is not of this sign-in")
        if "email" not in claims and metadata.get("userinfo_endpoint"):
            info = await self._get(provider, metadata["userinfo_endpoint"], access)
            if not isinstance(info, dict) or info.get("sub") != claims["sub"]:
                raise BadOAuthCallback("The provider tells of another person than its ID token")
            claims = {**info, **claims}
        return providers.from_claims(provider, claims)

    async def _by_api(self, provider: Provider, access: str) -> Person:
        user = await self._get(provider, provider.preset.user_url, access)
        if not isinstance(user, dict):
            raise _unavailable(provider, TypeError("the user is no object"))
        if provider.name == "discord":
            return providers.from_discord(provider, user)
        return providers.from_github(provider, user, await self._get(provider, f"{provider.preset.user_url}/emails", access))

    async def _key(self, provider: Provider, metadata: dict[str, Any], kid: Any) -> jwt.PyJWK:
        """The key that a token names; the only one when it names none."""
        known, now = self._known[provider.name], time.monotonic()
        if kid not in known.keys and now - known.keys_at >= KEYS_SECONDS:
            found = await self._get(provider, metadata["jwks_uri"])
            try:
                keys = [key for key in jwt.PyJWKSet.from_dict(found).keys if key.public_key_use in (None, "sig") and key.key_type != "oct"]
            except (jwt.PyJWTError, AttributeError, TypeError) as problem:
                raise _unavailable(provider, problem) from problem
            known.keys = {key.key_id: key for key in keys}
            known.keys_at = now
            if len(keys) == 1:
                known.keys[None] = keys[0]
        if kid not in known.keys:
            raise BadIdToken()
        key: jwt.PyJWK = known.keys[kid]
        return key

    async def _metadata(self, provider: Provider) -> dict[str, Any]:
        """The discovery document (OpenID Connect Discovery §4), or what the preset says. Raises ProviderUnavailable."""
        if not provider.issuer:
            return {"authorization_endpoint": provider.preset.authorize_url, "token_endpoint": provider.preset.token_url}
        known = self._known.get(provider.name)
        if known is not None and time.monotonic() - known.read_at < METADATA_SECONDS:
            return known.metadata
        found = await self._get(provider, f"{provider.issuer.rstrip('/')}/.well-known/openid-configuration")
        addresses = (
            [found.get(name) for name in ("authorization_endpoint", "token_endpoint", "jwks_uri")] if isinstance(found, dict) else [None]
        )
        if "userinfo_endpoint" in (found or {}):
            addresses.append(found["userinfo_endpoint"])
        if not all(_is_safe(address) for address in addresses):
            raise _unavailable(provider, ValueError("the discovery document lacks an https address"))
        tenants = provider.name == "azure" and "{tenantid}" in str(found.get("issuer"))  # one document for all tenants
        if found.get("issuer") != provider.issuer and not tenants:
            raise _unavailable(provider, ValueError(f"the discovery document is of {found.get('issuer')!r}"))
        self._known[provider.name] = _Known(found, time.monotonic())
        return found  # type: ignore[no-any-return]

    async def _get(self, provider: Provider, url: str, access: str | None = None) -> Any:
        headers = {"Accept": "application/json", **({"Authorization": f"Bearer {access}"} if access else {})}
        try:
            async with httpx2.AsyncClient(timeout=TIMEOUT_SECONDS, follow_redirects=False) as http:
                answer = await http.get(url, headers=headers)
                answer.raise_for_status()
                return answer.json()
        except (httpx2.HTTPError, ValueError) as problem:
            raise _unavailable(provider, problem) from problem

    def _client(self, provider: Provider, begun: Begun, **given: Any) -> AsyncOAuth2Client:
        """One per request: no state of one sign-in can reach another."""
        return AsyncOAuth2Client(
            provider.settings.client_id, _secret(provider), redirect_uri=begun.redirect_uri, code_challenge_method="S256",
            timeout=TIMEOUT_SECONDS, follow_redirects=False, **given,
        )  # fmt: skip


def _auth_method(provider: Provider, metadata: Mapping[str, Any]) -> str:
    if _secret(provider) is None:
        return "none"
    offered = metadata.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
    return "client_secret_basic" if "client_secret_basic" in offered and provider.name != "github" else "client_secret_post"


def _secret(provider: Provider) -> str | None:
    """Apple wants a fresh token signed with the developer's key in place of a secret."""
    given = provider.settings
    if given.private_key is not None:
        now = int(time.time())
        claims = {"iss": given.team_id, "iat": now, "exp": now + _APPLE_SECRET_SECONDS, "aud": provider.issuer, "sub": given.client_id}
        return jwt.encode(claims, given.private_key.get_secret_value(), "ES256", headers={"kid": given.key_id})
    return given.client_secret.get_secret_value() if given.client_secret else None


def _issuer_of(metadata: Mapping[str, Any], claims: Mapping[str, Any]) -> str:
    tenant = claims.get("tid")
    issuer = str(metadata["issuer"])
    return issuer.replace("{tenantid}", tenant) if isinstance(tenant, str) else issuer


def _is_safe(address: Any) -> bool:
    parts = urlsplit(address) if isinstance(address, str) else urlsplit("")
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in ("127.0.0.1", "::1", "localhost"))


def _unavailable(provider: Provider, problem: Exception) -> ProviderUnavailable:
    fact("auth.provider_unavailable", provider=provider.name, error=repr(problem))
    return ProviderUnavailable()
