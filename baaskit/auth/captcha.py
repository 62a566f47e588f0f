"""Captchas: a token that a page got from a captcha service is shown to that service before a stranger's request is heard."""

from __future__ import annotations

from typing import Any

from baaskit.errors.auth import CaptchaFailed
from baaskit.observe import fact
from baaskit.settings import Settings

ADDRESSES = {
    "hcaptcha": "https://api.hcaptcha.com/siteverify",
    "turnstile": "https://challenges.cloudflare.com/turnstile/v0/siteverify",
}
TIMEOUT_SECONDS = 10


class Captcha:
    """Any service with the `siteverify` interface of hCaptcha, reCAPTCHA and Turnstile. Off without `captcha_provider`."""

    def __init__(self, settings: Settings) -> None:
        self._url = settings.captcha_url or ADDRESSES.get(settings.captcha_provider, "")
        self._secret = settings.captcha_secret.get_secret_value() if settings.captcha_secret else ""

    async def check(self, token: str | None, client: str | None) -> None:
        """Raises CaptchaFailed when there is no token, the service refuses it, or does not answer."""
        if not self._url:
            return
        if not token:
            raise CaptchaFailed("captcha protection: request disallowed (no captcha_token found)")
        import httpx2

        asked = {"secret": self._secret, "response": token, **({"remoteip": client} if client else {})}
        try:
            async with httpx2.AsyncClient(timeout=TIMEOUT_SECONDS) as http:
                verdict: Any = (await http.post(self._url, data=asked)).json()
        except (httpx2.HTTPError, ValueError) as problem:
            fact("auth.captcha_unavailable", error=repr(problem))
            raise CaptchaFailed("captcha verification process failed") from problem
        if not isinstance(verdict, dict) or verdict.get("success") is not True:
            raise CaptchaFailed("captcha protection: request disallowed")
