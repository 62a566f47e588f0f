"""What a person asks for without a password: a link or a code to sign in, to recover, to confirm, to prove itself once more.

Answers are the same whoever has the address: here only a row is added to the outbox, and what it comes to is found later.
"""

from __future__ import annotations

from typing import Any

from baaskit.auth import audit, codes, messages, outbox, pkce, redirects
from baaskit.auth.addresses import email_address, phone_number
from baaskit.auth.caller import Caller
from baaskit.auth.codes import Kind
from baaskit.auth.desk import Desk, Visit, spend_message
from baaskit.auth.messages import Wish
from baaskit.auth.requests import OneTimePassword, Recovery, Resend, captcha_of
from baaskit.auth.users import own_metadata, utc_now
from baaskit.errors.auth import FeatureDisabled, ValidationFailed
from baaskit.kernel.database import Script

_RESENDS = {
    "signup": Wish.CONFIRMATION, "email_change": Wish.EMAIL_CHANGE, "sms": Wish.SMS_CONFIRMATION, "phone_change": Wish.PHONE_CHANGE,
}  # fmt: skip

_NONCES = (Kind.REAUTHENTICATION, Kind.REAUTHENTICATION_SMS)


async def one_time_password(desk: Desk, asked: OneTimePassword, visit: Visit) -> dict[str, Any]:
    """Send a link and a code to sign in with; unless `create_user` is false, an unknown address becomes a user."""
    settings = desk.kit.settings
    if asked.email and asked.phone:
        raise ValidationFailed("Only an email address or phone number should be provided")
    create = asked.create_user is not False and not settings.disable_signup
    data = {"create": create, "metadata": own_metadata(asked.data)}
    if asked.phone:
        require_texts(desk)
        return await _wish(desk, Wish.SMS_SIGN_IN, phone_number(asked.phone), asked, visit, data)
    if not asked.email:
        raise ValidationFailed("One of email or phone must be set")
    if not settings.sends_mail:
        raise FeatureDisabled(422, "otp_disabled", "One-time passwords are disabled")
    return await _wish(desk, Wish.SIGN_IN, email_address(asked.email), asked, visit, data)


async def recover(desk: Desk, asked: Recovery, visit: Visit) -> dict[str, Any]:
    """Send a link with which a new password can be chosen."""
    require_mail(desk)
    if not asked.email:
        raise ValidationFailed("Password recovery requires an email")
    return await _wish(desk, Wish.RECOVERY, email_address(asked.email), asked, visit, {})


async def resend(desk: Desk, asked: Resend, visit: Visit) -> dict[str, Any]:
    """Send once more what a sign-up or a change of address sent."""
    wish = _RESENDS.get(asked.type or "")
    if wish is None:
        raise ValidationFailed("Missing one of these types: signup, email_change, sms, phone_change")
    by_phone = wish in (Wish.SMS_CONFIRMATION, Wish.PHONE_CHANGE)
    if by_phone:
        require_texts(desk)
        if not asked.phone:
            raise ValidationFailed("Type provided requires a phone number")
        return await _wish(desk, wish, phone_number(asked.phone), asked, visit, {})
    require_mail(desk)
    if not asked.email:
        raise ValidationFailed("Type provided requires an email address")
    return await _wish(desk, wish, email_address(asked.email), asked, visit, {})


async def _wish(desk: Desk, wish: Wish, address: str, asked: Any, visit: Visit, data: dict[str, Any]) -> dict[str, Any]:
    kit = desk.kit
    challenge = pkce.challenge_of(asked.code_challenge, asked.code_challenge_method)
    if not visit.trusted:
        await desk.captcha.check(captcha_of(asked), visit.origin.ip)
    text = messages.is_text(wish.value)
    await spend_message(desk, visit, address, text=text)
    wanted = {**data, "redirect_to": redirects.choose(kit.settings, visit.redirect_to, visit.referer)}

    def script() -> Script[str]:
        return (yield from wish_steps(desk, wish, address, wanted, challenge))

    message_id = await kit.database.run(script)
    desk.courier.wake()
    return {"message_id": message_id} if text else {}


def wish_steps(desk: Desk, wish: Wish, address: str, data: dict[str, Any], challenge: tuple[str, str] | None) -> Script[str]:
    """Put a wish into the outbox, with the flow that its answer will end."""
    kit, now = desk.kit, utc_now()
    t = kit.database.tables
    if challenge is not None:
        flow_id = yield from pkce.begin_steps(t, challenge, wish.value, now, kit.settings.otp_seconds)
        data = {**data, "flow_id": flow_id}
    message_id: str = yield from outbox.put_steps(t, wish.value, address, now, data)
    return message_id


async def reauthenticate(desk: Desk, caller: Caller, visit: Visit) -> dict[str, Any]:
    """Send the caller a code that a sensitive change asks for."""
    kit, user = desk.kit, caller.account.user
    t = kit.database.tables
    if user["email"] and user["email_confirmed_at"] is not None:
        require_mail(desk)
        address, kind = user["email"], Kind.REAUTHENTICATION
    elif user["phone"] and user["phone_confirmed_at"] is not None:
        require_texts(desk)
        address, kind = user["phone"], Kind.REAUTHENTICATION_SMS
    else:
        raise ValidationFailed("Reauthentication requires the user to have an email or a phone number")
    await spend_message(desk, visit, address, text=messages.is_text(kind.value))

    def script() -> Script[None]:
        yield from messages.send_steps(t, kit, kind, caller.account.id, address, utc_now(), {})
        yield audit.entry(t, "user_reauthenticate_requested", caller.account.id, ip=visit.origin.ip)

    await kit.database.run(script)
    desk.courier.wake()
    return {}


def require_mail(desk: Desk) -> None:
    """Raises FeatureDisabled when this server sends no mail."""
    if not desk.kit.settings.sends_mail:
        raise FeatureDisabled(422, "email_provider_disabled", "This server sends no mail")


def require_texts(desk: Desk) -> None:
    """Raises FeatureDisabled when this server sends no text messages."""
    if not desk.kit.settings.sms_provider:
        raise FeatureDisabled(400, "phone_provider_disabled", "This server sends no text messages")


async def take_nonce(desk: Desk, caller: Caller, nonce: str) -> bool:
    """Use up the code that `reauthenticate` sent; whether it was right."""
    kit, user = desk.kit, caller.account.user
    t = kit.database.tables
    address = user["email"] if user["email_confirmed_at"] is not None else user["phone"]

    def script() -> Script[bool]:
        return (yield from codes.take_by_code_steps(t, kit, address or "", nonce, _NONCES, utc_now())) is not None

    return await kit.database.run(script)
