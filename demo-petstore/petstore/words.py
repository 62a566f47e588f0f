"""Errors as a visitor may read them."""

from __future__ import annotations

from baaskit_client import ConnectionFailed, Refused, TooManyRequests

UNREACHABLE = "We cannot reach the shop right now."
OURS = "Something went wrong on our side. Please try again."
_BY_CODE = {
    "invalid_credentials": "This email and password do not belong together.",
    "user_already_exists": "There is an account with this email already. Sign in instead?",
    "email_exists": "There is an account with this email already. Sign in instead?",
    "email_address_invalid": "This does not look like an email address.",
    "OUT_OF_STOCK": "Somebody was faster: {message} We have updated your cart.",
    "NO_SUCH_PET": "One of these pets is no longer for sale. We have updated your cart.",
    "42501": "You may not do this.",
}


def words(problem: Exception) -> str:
    """One or two sentences for the screen; what went wrong inside stays in the log."""
    if isinstance(problem, ConnectionFailed):
        return UNREACHABLE
    if isinstance(problem, TooManyRequests):
        return "That was a lot at once. Please wait a moment and try again."
    if isinstance(problem, Refused) and problem.status < 500:
        return _BY_CODE.get(problem.code, "{message}").replace("{message}", problem.message)
    return OURS
