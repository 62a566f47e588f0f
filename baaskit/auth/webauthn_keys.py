"""Security keys and passkeys as second factors (WebAuthn): what a browser is asked, and whether its answer holds.

Which domain and which pages count is decided here, never by the request: a page that looks like the app gets nowhere.
The library takes long to load (it brings an ASN.1 and an X.509 stack), so it is loaded when one is used.
"""

from __future__ import annotations

import asyncio
import importlib
import json
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from baaskit.auth.users import Account
from baaskit.errors.auth import ValidationFailed
from baaskit.kernel.database import Row
from baaskit.kernel.kit import Kit
from baaskit.settings import Settings

_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_MOST_BYTES = 65_536  # of an answer as JSON


async def load() -> None:
    """Before any other function here: in a thread, as it takes a while."""
    await asyncio.to_thread(importlib.import_module, "webauthn")


def rp_id_of(settings: Settings) -> str:
    """The domain that credentials belong to. An address of this machine is `localhost`: an IP address cannot be one."""
    host = (urlsplit(settings.site_url).hostname or "").lower()
    return settings.webauthn_rp_id or ("localhost" if host in _LOOPBACK else host)


def check_rp_id(settings: Settings, asked: str | None) -> None:
    """Raises ValidationFailed when a page asks for another domain."""
    expected = rp_id_of(settings)
    if asked and asked != expected:
        raise ValidationFailed(f'rpId must be "{expected}": the host of site_url, or webauthn_rp_id')


def options_of(kit: Kit, account: Account, factor: Row, others: list[Row]) -> tuple[str, dict[str, Any]]:
    """`create` or `request`, and what the browser is to be asked. `others`: the user's further credentials."""
    from webauthn import generate_authentication_options, generate_registration_options
    from webauthn.helpers import base64url_to_bytes, options_to_json_dict
    from webauthn.helpers.structs import PublicKeyCredentialDescriptor as Descriptor

    rp_id = rp_id_of(kit.settings)
    if factor["verified"]:
        known = [Descriptor(id=base64url_to_bytes(factor["credential_id"]))]
        return "request", options_to_json_dict(generate_authentication_options(rp_id=rp_id, allow_credentials=known))
    user = account.user
    options = generate_registration_options(
        rp_id=rp_id, rp_name=kit.settings.brand, user_id=UUID(account.id).bytes, user_name=user["email"] or user["phone"] or account.id,
        exclude_credentials=[Descriptor(id=base64url_to_bytes(row["credential_id"])) for row in others if row["credential_id"]],
    )  # fmt: skip
    return "create", options_to_json_dict(options)


def check(settings: Settings, factor: Row, challenge: str, answer: dict[str, Any] | None) -> dict[str, Any] | None:
    """New values of the factor's row when a browser's `answer` holds: made for this challenge, on a page of ours, by the factor's key
    and not by a copy of it (the counter). None when it does not."""
    from webauthn import verify_authentication_response, verify_registration_response
    from webauthn.helpers import base64url_to_bytes, bytes_to_base64url
    from webauthn.helpers.exceptions import WebAuthnException

    if not answer or len(json.dumps(answer)) > _MOST_BYTES:
        return None
    expected: dict[str, Any] = {
        "credential": answer, "expected_challenge": base64url_to_bytes(challenge), "expected_rp_id": rp_id_of(settings),
        "expected_origin": _origins(settings, answer),
    }  # fmt: skip
    try:
        if not factor["verified"]:
            made = verify_registration_response(**expected)
            key = {"public_key": bytes_to_base64url(made.credential_public_key), "sign_count": made.sign_count}
            return {"credential_id": bytes_to_base64url(made.credential_id), "credential": key}
        stored = factor["credential"]
        shown = verify_authentication_response(
            **expected, credential_public_key=base64url_to_bytes(stored["public_key"]), credential_current_sign_count=stored["sign_count"]
        )
        if bytes_to_base64url(shown.credential_id) != factor["credential_id"]:
            return None
        return {"credential": {**stored, "sign_count": shown.new_sign_count}}
    except (WebAuthnException, ValueError, TypeError, KeyError, AttributeError):  # the library raises these, too, on what strangers send
        return None


def _origins(settings: Settings, answer: dict[str, Any]) -> list[str]:
    """Pages that may have asked. In development any port of `localhost` is one."""
    site = urlsplit(settings.site_url)
    allowed = list(settings.webauthn_origins) or [f"{site.scheme}://{site.netloc}"]
    if rp_id_of(settings) == "localhost" and not settings.webauthn_origins:
        told = _told_origin(answer)
        if told is not None and urlsplit(told).hostname == "localhost":
            allowed.append(told)
    return allowed


def _told_origin(answer: dict[str, Any]) -> str | None:
    from webauthn.helpers import base64url_to_bytes

    try:
        told = json.loads(base64url_to_bytes(answer["response"]["clientDataJSON"]))["origin"]
    except (KeyError, TypeError, ValueError):
        return None
    return told if isinstance(told, str) else None
