"""The official Python client with a second factor. Run by test_mfa_clients.py."""

from __future__ import annotations

import json
import os
import time

import pytest
from passlib.totp import TOTP
from supabase import AuthApiError, create_client

client = create_client(os.environ["URL"], os.environ["ANON"])
client.auth.sign_up({"email": "ada@example.com", "password": "correct horse"})
mfa = client.auth.mfa
made = mfa.enroll({"factor_type": "totp", "friendly_name": "phone", "issuer": "Shop"})
assert made.totp is not None
assert made.totp.qr_code.startswith("data:image/svg+xml;utf-8,<svg")
levels = mfa.get_authenticator_assurance_level()
assert (levels.current_level, levels.next_level) == ("aal1", "aal1")
app = TOTP(key=made.totp.secret, format="base32")
challenge = mfa.challenge({"factor_id": made.id})
mfa.verify({"factor_id": made.id, "challenge_id": challenge.id, "code": app.generate().token})
assert mfa.get_authenticator_assurance_level().current_level == "aal2"
assert [factor.id for factor in mfa.list_factors().totp] == [made.id]

again = create_client(os.environ["URL"], os.environ["ANON"])
again.auth.sign_in_with_password({"email": "ada@example.com", "password": "correct horse"})
levels = again.auth.mfa.get_authenticator_assurance_level()
assert (levels.current_level, levels.next_level) == ("aal1", "aal2")
with pytest.raises(AuthApiError) as refused:
    again.auth.mfa.unenroll({"factor_id": made.id})
assert refused.value.code == "insufficient_aal"
with pytest.raises(AuthApiError) as refused:
    again.auth.mfa.challenge_and_verify({"factor_id": made.id, "code": "000000"})
assert refused.value.code == "mfa_verification_failed"
later = app.generate(time.time() + 30).token
again.auth.mfa.challenge_and_verify({"factor_id": made.id, "code": later})
assert [entry.method for entry in again.auth.mfa.get_authenticator_assurance_level().current_authentication_methods] == ["password", "totp"]

admin = create_client(os.environ["URL"], os.environ["SERVICE"]).auth.admin.mfa
user = again.auth.get_user().user.id  # type: ignore[union-attr]
assert [factor.status for factor in admin.list_factors({"user_id": user})] == ["verified"]
again.auth.mfa.unenroll({"factor_id": made.id})
again.auth.refresh_session()
assert again.auth.mfa.get_authenticator_assurance_level().current_level == "aal1"
print(json.dumps({"passed": 1}))
