"""Accounts of other systems: their hashes sign in and are replaced, and a file is taken over row by row."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from passlib.hash import bcrypt, django_pbkdf2_sha256, pbkdf2_sha1, pbkdf2_sha256, pbkdf2_sha512, scrypt

from baaskit.auth import foreign
from baaskit.auth.importing import FirebaseHash, import_users, read_firebase_parameters, read_rows
from baaskit.auth.users import by_name
from baaskit.errors import Faults
from baaskit.errors.auth import ValidationFailed
from tests.auth.rig import PASSWORD, Rig, refusal

pytestmark = pytest.mark.anyio

# The published example of Firebase's own scrypt (github.com/firebase/scrypt).
FIREBASE = FirebaseHash("jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA==", "Bw==", 8, 14)
FIREBASE_USER = {
    "localId": "hJ8pKqLm", "email": "fire@example.com", "emailVerified": True, "displayName": "Fire", "createdAt": "1486324584000",
    "salt": "42xEC-ixf3L2lw==", "passwordHash": "lSrfV15cpx95_sZS2W9c9Kp6i_LVgQNDNC_qzrCnh1SAyZvqmZqAjTdn3aoItz-VHjoZilo78198JAdRuid5lQ==",
}  # fmt: skip

HASHES = {
    "bcrypt": lambda: bcrypt.using(rounds=4).hash(PASSWORD),
    "pbkdf2-sha1": lambda: pbkdf2_sha1.using(rounds=1000).hash(PASSWORD),
    "pbkdf2-sha256": lambda: pbkdf2_sha256.using(rounds=1000).hash(PASSWORD),
    "pbkdf2-sha512": lambda: pbkdf2_sha512.using(rounds=1000).hash(PASSWORD),
    "django": lambda: django_pbkdf2_sha256.using(rounds=1000).hash(PASSWORD),
    "scrypt": lambda: scrypt.using(rounds=10).hash(PASSWORD),
}


@pytest.mark.parametrize("kind", HASHES)
async def test_a_hash_of_another_system_signs_in_and_is_replaced(rig: Rig, kind: str) -> None:
    body = {"email": "ada@example.com", "email_confirm": True, "password_hash": HASHES[kind]()}
    assert (await rig.admin("POST", "/users", body)).status_code == 200
    assert refusal(await rig.sign_in("ada@example.com", "wrong one")) == (400, "invalid_credentials")
    assert (await rig.sign_in("ada@example.com")).status_code == 200
    stored = await by_name(rig.kit, "email", "ada@example.com")
    assert stored is not None
    assert stored["encrypted_password"].startswith("$argon2id$")
    assert (await rig.sign_in("ada@example.com")).status_code == 200


@pytest.mark.parametrize(
    "text",
    [
        "", "plain", "$scrypt$ln=30,r=8,p=1$abcdef$abcdef", "$scrypt$ln=17,r=16,p=4$abcdef$abcdef", "$pbkdf2-sha256$9999999999$abc$abc",
        "$fbscrypt$v=1,n=30,r=8,p=1,ss=Bw==,sk=abcd$abcd$abcd", "pbkdf2_sha256$99999999$abc$abc=", "$2b$31$" + "a" * 53,
    ],
)  # fmt: skip
def test_a_hash_that_would_cost_us_too_much_is_refused(text: str) -> None:
    with pytest.raises(ValidationFailed):
        foreign.checked(text)


def test_firebases_published_example_verifies() -> None:
    stored = foreign.firebase_hash(
        FIREBASE_USER["salt"],
        FIREBASE_USER["passwordHash"],
        signer_key=FIREBASE.signer_key,
        salt_separator="Bw==",
        rounds=8,
        memory_cost=14,
    )  # type: ignore[arg-type]
    assert foreign.verify_firebase("user1password", stored)
    assert not foreign.verify_firebase("user2password", stored)
    assert not foreign.verify_firebase("user1password", stored[:-6] + "AAAA==")


async def test_an_export_of_firebase_signs_in_with_the_old_passwords(rig: Rig, tmp_path: Path) -> None:
    parameters = {
        "algorithm": "SCRYPT",
        "base64_signer_key": FIREBASE.signer_key,
        "base64_salt_separator": "Bw==",
        "rounds": 8,
        "mem_cost": 14,
    }
    (tmp_path / "hash.json").write_text(json.dumps(parameters))
    (tmp_path / "users.json").write_text(json.dumps({"users": [FIREBASE_USER, {**FIREBASE_USER, "localId": "b", "disabled": True}]}))
    rows, firebase = read_rows(tmp_path / "users.json"), read_firebase_parameters(tmp_path / "hash.json")
    assert (await import_users(rig.kit, rows)).refused[0][1].startswith("has a password of Firebase")
    result = await import_users(rig.kit, rows, firebase=firebase)
    assert (result.created, result.refused) == (1, [(2, "disabled in Firebase")])
    session = (await rig.sign_in("fire@example.com", "user1password")).json()
    user = session["user"]
    assert (user["app_metadata"]["firebase_id"], user["user_metadata"]["name"]) == ("hJ8pKqLm", "Fire")
    assert user["created_at"].startswith("2017-02-05")
    again = await import_users(rig.kit, rows, firebase=firebase)
    assert (again.created, again.skipped) == (0, [1])


async def test_a_table_is_taken_over_and_each_wrong_row_says_why(rig: Rig, tmp_path: Path) -> None:
    file = tmp_path / "users.csv"
    good = bcrypt.using(rounds=4).hash(PASSWORD)
    file.write_text(
        "id,email,password_hash,email_confirmed,user_metadata,created_at\n"
        f'42,ada@example.com,{good},true,"{{""name"": \n""Ada""}}",2020-01-02T03:04:05Z\n'
        "43,no address,,,,\n"
        "44,bob@example.com,md5:abc,,,\n"
        "45,ADA@example.com,,,,\n"
        "46,cyd@example.com,,,[1],\n"
        "47,dan@example.com,,,,\n"
    )
    rows, seen = read_rows(file), []
    dry = await import_users(rig.kit, rows, dry_run=True)
    assert (await rig.admin("GET", "/users")).headers["x-total-count"] == "0"
    result = await import_users(rig.kit, rows, progress=seen.append)
    assert (dry.created, dry.skipped, dry.refused) == (result.created, result.skipped, result.refused)
    assert (result.created, result.skipped, [row for row, _ in result.refused], seen) == (2, [4], [2, 3, 5], [6])
    user = (await rig.sign_in("ada@example.com")).json()["user"]
    assert (user["user_metadata"]["name"], user["created_at"]) == ("Ada", "2020-01-02T03:04:05Z")
    assert (await import_users(rig.kit, rows)).created == 0


def test_a_file_that_is_no_list_of_users_is_a_fault(tmp_path: Path) -> None:
    for text in ("", "{", "[1]", '"x"'):
        (tmp_path / "users.json").write_text(text)
        with pytest.raises(Faults):
            read_rows(tmp_path / "users.json")
    (tmp_path / "lines.json").write_text('{"email": "a@b.c"}\n{"email": "b@b.c"}\n')
    assert [row["email"] for _, row in read_rows(tmp_path / "lines.json")] == ["a@b.c", "b@b.c"]
