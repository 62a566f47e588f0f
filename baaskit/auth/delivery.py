"""How a finished letter leaves: by SMTP, by a text message's webhook, or not at all (the mailbox)."""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import formatdate, make_msgid, parseaddr
from typing import Protocol

import orjson

from baaskit.auth.letters import Letter
from baaskit.settings import Settings

TIMEOUT_SECONDS = 20


class Undeliverable(Exception):
    """The receiving side refused for good: trying again is of no use."""


@dataclass(frozen=True, slots=True)
class Parcel:
    """A letter with its address. `id` is the same at every try, so that a receiver can tell a repetition. `code` are the digits in it."""

    id: str
    address: str
    letter: Letter
    code: str


class Carrier(Protocol):
    """Takes parcels. Returns when the other side has taken it over; raises Undeliverable, or anything else to be asked again later."""

    async def __call__(self, parcel: Parcel) -> None: ...


def mail_carrier(settings: Settings) -> Carrier | None:
    """None: mails are kept, not sent."""
    return Smtp(settings) if settings.smtp_host else None


def sms_carrier(settings: Settings) -> Carrier | None:
    """None: text messages are kept, not sent."""
    return Webhook(settings) if settings.sms_provider == "webhook" else None


class Smtp:
    """One connection per mail: few are sent, and an idle connection would be cut by the server anyway."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    async def __call__(self, parcel: Parcel) -> None:
        import aiosmtplib

        s = self._settings
        try:
            await aiosmtplib.send(
                self._message(parcel), hostname=s.smtp_host, port=s.smtp_port, timeout=TIMEOUT_SECONDS, recipients=[parcel.address],
                sender=parseaddr(s.mail_from)[1], username=s.smtp_user, use_tls=s.smtp_security == "tls",
                password=s.smtp_password.get_secret_value() if s.smtp_password else None, start_tls=s.smtp_security == "starttls",
            )  # fmt: skip
        except aiosmtplib.SMTPRecipientsRefused as problem:
            if all(refused.code >= 500 for refused in problem.recipients):
                raise Undeliverable(
                    f"the mail server refused the recipient: {[refused.code for refused in problem.recipients]}"
                ) from problem
            raise
        except (aiosmtplib.SMTPDataError, aiosmtplib.SMTPSenderRefused) as problem:
            if problem.code >= 500:
                raise Undeliverable(f"the mail server refused: {problem.code} {problem.message}") from problem
            raise

    def _message(self, parcel: Parcel) -> EmailMessage:
        message = EmailMessage()
        message["From"] = self._settings.mail_from
        message["To"] = parcel.address
        message["Subject"] = parcel.letter.subject
        message["Date"] = formatdate()
        message["Message-ID"] = f"<{parcel.id}@{make_msgid().rpartition('@')[2]}"
        message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no out-of-office answers
        message.set_content(parcel.letter.text)
        message.add_alternative(parcel.letter.html, subtype="html")
        return message


class Webhook:
    """Posts `{id, phone, message, code, channel}` to an address of the operator's, signed when there is a secret."""

    def __init__(self, settings: Settings) -> None:
        self._url = settings.sms_webhook_url or ""
        self._secret = settings.sms_webhook_secret

    async def __call__(self, parcel: Parcel) -> None:
        import httpx2

        body = orjson.dumps(
            {"id": parcel.id, "phone": f"+{parcel.address}", "message": parcel.letter.text, "code": parcel.code, "channel": "sms"}
        )
        headers = {"content-type": "application/json", "idempotency-key": parcel.id}
        if self._secret is not None:
            headers["x-baaskit-signature"] = "sha256=" + hmac.digest(self._secret.get_secret_value().encode(), body, "sha256").hex()
        async with httpx2.AsyncClient(timeout=TIMEOUT_SECONDS, follow_redirects=False) as http:
            answer = await http.post(self._url, content=body, headers=headers)
        if answer.status_code in (400, 422):
            raise Undeliverable(f"the text message provider answered {answer.status_code}")
        if not answer.is_success:
            raise ConnectionError(f"the text message provider answered {answer.status_code}")
