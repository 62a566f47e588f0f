"""A Django project's own tables, made by Django itself: auth, admin, sessions, content types. Run in a process of its own:

    python -m tests.attach.django_app URL

It prints the ids of the people it made, as JSON. Their passwords are in `PASSWORDS`.
"""

from __future__ import annotations

import json
import sys
from typing import Any
from urllib.parse import parse_qs, urlsplit

PASSWORDS = {"ann": "correct horse 1", "bob": "correct horse 2", "eve": "correct horse 3", "gone": "correct horse 4", "none": ""}
APPS = ("contenttypes", "auth", "admin", "sessions", "messages")


def database(url: str) -> dict[str, Any]:
    """Django's words for a database."""
    if url.startswith("sqlite:///"):
        return {"ENGINE": "django.db.backends.sqlite3", "NAME": url.removeprefix("sqlite:///")}
    found = urlsplit(url)
    host = parse_qs(found.query).get("host", [found.hostname])[0]
    return {"ENGINE": "django.db.backends.postgresql", "NAME": found.path.lstrip("/"), "USER": found.username, "HOST": host}


def main(url: str) -> None:
    import django
    from django.conf import settings
    from django.contrib.auth import hashers
    from django.core.management import call_command

    # Cheaper than by default, so that the tests are quick; a hash tells its cost.
    hashers.PBKDF2PasswordHasher.iterations = 20_000
    hashers.BCryptSHA256PasswordHasher.rounds = 6
    hashers.Argon2PasswordHasher.memory_cost, hashers.Argon2PasswordHasher.parallelism = 8192, 1
    settings.configure(
        INSTALLED_APPS=[f"django.contrib.{name}" for name in APPS], DATABASES={"default": database(url)}, USE_TZ=True,
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        PASSWORD_HASHERS=[f"django.contrib.auth.hashers.{name}PasswordHasher" for name in ("PBKDF2", "Argon2", "BCryptSHA256", "BCrypt")],
    )  # fmt: skip
    django.setup()
    call_command("migrate", verbosity=0)
    from django.contrib.auth.hashers import make_password
    from django.contrib.auth.models import User

    people = {name: User.objects.create_user(name, f"{name}@example.com", None) for name in PASSWORDS}
    for name, hasher in (("ann", "pbkdf2_sha256"), ("bob", "argon2"), ("eve", "bcrypt_sha256"), ("gone", "bcrypt")):
        people[name].password = make_password(PASSWORDS[name], hasher=hasher)
    people["gone"].is_active = False
    people["ann"].first_name = "Ann"
    for person in people.values():
        person.save()
    print(json.dumps({name: person.pk for name, person in people.items()}))


if __name__ == "__main__":
    main(sys.argv[1])
