"""What every request of sign-in works with, and what of the request itself matters there."""

from __future__ import annotations

from dataclasses import dataclass

from baaskit.auth.captcha import Captcha
from baaskit.auth.limits import Limits
from baaskit.auth.outbox import Courier
from baaskit.auth.sessions import Origin
from baaskit.errors.auth import OverLimit, OverMailLimit, OverSmsLimit
from baaskit.kernel.kit import Kit


@dataclass(frozen=True, slots=True)
class Desk:
    """The live parts: the kit, and what auth alone has."""

    kit: Kit
    limits: Limits
    courier: Courier
    captcha: Captcha


@dataclass(frozen=True, slots=True)
class Visit:
    """`client` is who is counted by limits; `origin` where a session comes from; `referer` where a link may lead back to.

    `trusted`: the caller has the service key.
    """

    client: str
    origin: Origin
    redirect_to: str | None = None
    referer: str | None = None
    trusted: bool = False


async def spend_message(desk: Desk, visit: Visit, address: str, *, text: bool = False) -> None:
    """Count a mail (`text`: a text message) that `visit` asks for. Raises OverLimit, OverMailLimit, OverSmsLimit.

    The address is counted whether anybody has it or not, so the answer tells nothing.
    """
    settings = desk.kit.settings
    if not visit.trusted:
        await desk.limits.take("message by client", visit.client, settings.mail_limit_per_address)
    if settings.mail_interval_seconds:
        try:
            await desk.limits.take("message to", address, 1, settings.mail_interval_seconds)
        except OverLimit as problem:
            raise (OverSmsLimit if text else OverMailLimit)(int(problem.headers["Retry-After"])) from problem
