"""Errors of `/auth/v1`: one class per situation, with the protocol's codes and words (wire.md §2.4)."""

from __future__ import annotations

from typing import Any

from baaskit.errors import BaasError


class AuthError(BaasError):
    """Base of the errors of sign-in and accounts. `auth()` is what the surface sends, in the dialect that the client asked for."""

    status, code = 500, "unexpected_failure"

    def auth(self, *, dated: bool) -> dict[str, Any]:
        """`dated`: the client sent `X-Supabase-Api-Version` of 2024-01-01 or later, so `code` is the word and not the status."""
        return auth_body(self.status, self.code, self.message, dated=dated)


def auth_body(status: int, code: str, message: str, *, dated: bool) -> dict[str, Any]:
    """An error's body in the newer (`dated`) or the older dialect."""
    return {"code": code, "message": message} if dated else {"code": status, "error_code": code, "msg": message}


# ---- what was sent ---------------------------------------------------------------------------------------------------


class ValidationFailed(AuthError):
    """The request is not valid."""

    status, code = 400, "validation_failed"


class BadJson(AuthError):
    """Could not parse request body as JSON"""

    status, code = 400, "bad_json"


class UnsupportedGrant(AuthError):
    """unsupported_grant_type"""

    status, code = 400, "invalid_credentials"


class WeakPassword(AuthError):
    """The password is too easy to guess; `reasons` says why: length, characters, pwned."""

    status, code = 422, "weak_password"

    def __init__(self, message: str, *reasons: str) -> None:
        super().__init__(message)
        self.reasons = reasons

    def auth(self, *, dated: bool) -> dict[str, Any]:
        return {**super().auth(dated=dated), "weak_password": {"reasons": list(self.reasons)}}


class CaptchaFailed(AuthError):
    """captcha protection: request disallowed"""

    status, code = 400, "captcha_failed"


class SamePassword(AuthError):
    """New password should be different from the old password."""

    status, code = 422, "same_password"


class OverLimit(AuthError):
    """Request rate limit reached"""

    status, code = 429, "over_request_rate_limit"

    def __init__(self, wait_seconds: int) -> None:
        super().__init__(None, headers={"Retry-After": str(wait_seconds)})


class OverMailLimit(AuthError):
    """A mail to this address was asked for a moment ago."""

    status, code = 429, "over_email_send_rate_limit"

    def __init__(self, wait_seconds: int) -> None:
        words = f"For security purposes, you can only request this after {wait_seconds} seconds."
        super().__init__(words, headers={"Retry-After": str(wait_seconds)})


class OverSmsLimit(OverMailLimit):
    """A text message to this number was asked for a moment ago."""

    status, code = 429, "over_sms_send_rate_limit"


# ---- links, codes and flows ------------------------------------------------------------------------------------------


class OtpExpired(AuthError):
    """Token has expired or is invalid"""

    status, code = 403, "otp_expired"


class FlowNotFound(AuthError):
    """invalid flow state, no valid flow state found"""

    status, code = 404, "flow_state_not_found"


class BadOAuthState(AuthError):
    """The sign-in at the provider was begun in another browser, is over, or took too long. Please try again."""

    status, code = 400, "bad_oauth_state"


class BadOAuthCallback(AuthError):
    """The provider did not sign the person in."""

    status, code = 400, "bad_oauth_callback"


class ProviderUnavailable(AuthError):
    """The provider does not answer as it should. Please try again later."""

    status, code = 503, "unexpected_failure"


class UnsupportedProvider(AuthError):
    """Unsupported provider: provider is not enabled"""

    status, code = 400, "validation_failed"


class BadIdToken(AuthError):
    """Bad ID token"""

    status, code = 400, "bad_jwt"


class FlowExpired(AuthError):
    """invalid flow state, flow state has expired"""

    status, code = 422, "flow_state_expired"


class BadVerifier(AuthError):
    """code challenge does not match previously saved code verifier"""

    status, code = 400, "bad_code_verifier"


class ReauthenticationNeeded(AuthError):
    """Password update requires reauthentication"""

    status, code = 400, "reauthentication_needed"


class ReauthenticationInvalid(AuthError):
    """Nonce has expired or is invalid"""

    status, code = 422, "reauthentication_not_valid"


# ---- second factors --------------------------------------------------------------------------------------------------


class FactorNotFound(AuthError):
    """Factor not found"""

    status, code = 404, "mfa_factor_not_found"


class ChallengeNotFound(AuthError):
    """MFA factor with the provided challenge ID not found"""

    status, code = 422, "mfa_factor_not_found"


class ChallengeExpired(AuthError):
    """MFA challenge has expired, verify against another challenge or create a new challenge."""

    status, code = 422, "mfa_challenge_expired"


class FactorNameConflict(AuthError):
    """A factor with the friendly name for this user already exists"""

    status, code = 422, "mfa_factor_name_conflict"


class TooManyFactors(AuthError):
    """Maximum number of verified factors reached, unenroll to continue"""

    status, code = 422, "too_many_enrolled_mfa_factors"


class FactorVerificationFailed(AuthError):
    """Invalid TOTP code entered"""

    status, code = 422, "mfa_verification_failed"


class InsufficientAal(AuthError):
    """AAL2 required to enroll a new factor"""

    status, code = 403, "insufficient_aal"

    def __init__(self, message: str | None = None, status: int = 403) -> None:
        super().__init__(message, hint="Challenge and verify a factor first: the session then has aal2.")
        self.status = status


# ---- who calls -------------------------------------------------------------------------------------------------------


class NoAuthorization(AuthError):
    """This endpoint requires a valid Bearer token"""

    status, code = 401, "no_authorization"


class BadJwt(AuthError):
    """invalid JWT: unable to parse or verify signature"""

    status, code = 403, "bad_jwt"


class SessionNotFound(AuthError):
    """Session from session_id claim in JWT does not exist"""

    status, code = 403, "session_not_found"


class SubjectNotFound(AuthError):
    """User from sub claim in JWT does not exist"""

    status, code = 403, "user_not_found"


class NotAdmin(AuthError):
    """User not allowed"""

    status, code = 403, "not_admin"


# ---- signing in and up -----------------------------------------------------------------------------------------------


class WrongCredentials(AuthError):
    """Invalid login credentials"""

    status, code = 400, "invalid_credentials"


class EmailNotConfirmed(AuthError):
    """Email not confirmed"""

    status, code = 400, "email_not_confirmed"


class PhoneNotConfirmed(AuthError):
    """Phone not confirmed"""

    status, code = 400, "phone_not_confirmed"


class UserBanned(AuthError):
    """User is banned"""

    status, code = 400, "user_banned"


class UserAlreadyExists(AuthError):
    """User already registered"""

    status, code = 422, "user_already_exists"


class SignInRefused(AuthError):
    """This account has no (active) row in the table of users"""

    status, code = 403, "user_not_in_table"


class SignupDisabled(AuthError):
    """Signups not allowed for this instance"""

    status, code = 422, "signup_disabled"


class AnonymousDisabled(AuthError):
    """Anonymous sign-ins are disabled"""

    status, code = 422, "anonymous_provider_disabled"


class RefreshTokenNotFound(AuthError):
    """Invalid Refresh Token: Refresh Token Not Found"""

    status, code = 400, "refresh_token_not_found"


class SessionExpired(AuthError):
    """Invalid Refresh Token: Session Expired"""

    status, code = 400, "session_expired"


class OtherSessionNotFound(AuthError):
    """There is no such session"""

    status, code = 404, "session_not_found"


class ImpersonationRefused(AuthError):
    """An impersonation token only looks: it cannot change the account, end sessions or make another one"""

    status, code = 403, "impersonation_refused"


class RefreshTokenAlreadyUsed(AuthError):
    """Invalid Refresh Token: Already Used"""

    status, code = 400, "refresh_token_already_used"


# ---- accounts --------------------------------------------------------------------------------------------------------


class UserNotFound(AuthError):
    """User not found"""

    status, code = 404, "user_not_found"


class EmailExists(AuthError):
    """A user with this email address has already been registered"""

    status, code = 422, "email_exists"


class PhoneExists(AuthError):
    """A user with this phone number has already been registered"""

    status, code = 422, "phone_exists"


class UsernameExists(AuthError):
    """A user with this name exists already"""

    status, code = 422, "username_exists"


class UserExists(AuthError):
    """A user with this id has already been registered"""

    status, code = 422, "user_already_exists"


class IdentityExists(AuthError):
    """Identity is already linked to another user"""

    status, code = 422, "identity_already_exists"


class IdentityNotFound(AuthError):
    """Identity not found"""

    status, code = 404, "identity_not_found"


class LastIdentity(AuthError):
    """User must have at least 1 identity after unlinking"""

    status, code = 422, "single_identity_not_deletable"


class LinkingNeedsPkce(AuthError):
    """Linking an identity needs the PKCE flow: make the client with flowType "pkce"."""

    status, code = 400, "validation_failed"


class NotRecent(AuthError):
    """This change needs a sign-in of the last 24 hours: sign in again first."""

    status, code = 403, "reauthentication_needed"


class StillReferred(AuthError):
    """The user cannot be deleted: rows of other tables refer to it."""

    status, code = 409, "conflict"


class FeatureDisabled(AuthError):
    """The protocol knows this request, and this server has the feature switched off."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code = status, code
