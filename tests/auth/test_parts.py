"""The pure parts: addresses, durations, limits, refresh tokens."""

from __future__ import annotations

from datetime import timedelta

import pytest

from baaskit.auth.addresses import email_address, phone_number
from baaskit.auth.limits import WINDOW_SECONDS, Buckets, client_of
from baaskit.auth.requests import duration
from baaskit.auth.tokens import digest, new_refresh_token, successor
from baaskit.errors.auth import OverLimit, ValidationFailed


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ("ada@example.com", "ada@example.com"),
        ("  Ada@Example.COM\n", "ada@example.com"),
        ("ａｄａ@ｅｘａｍｐｌｅ.com", "ada@example.com"),  # full width
        ("ada+shop@example.com", "ada+shop@example.com"),
        ("ada@bücher.example", "ada@xn--bcher-kva.example"),
        ("ada@localhost", "ada@localhost"),
    ],
)
def test_an_address_has_one_form(text: str, stored: str) -> None:
    assert email_address(text) == stored
    assert email_address(stored) == stored


@pytest.mark.parametrize(
    "text",
    [
        "", "@", "ada", "ada@", "@example.com", "ada@example.com.", "ada.@example.com", ".ada@example.com", "a..b@example.com", "ada@example..com",
        "ada@-example.com", "ada@exa mple.com", "ada @example.com", "ada@example.com\0", "a@b@example.com", "аda@example.com", "adé@example.com",
        "ada@example.com\nbcc: eve@example.com", '"ada"@example.com', "ada@[127.0.0.1]", "x" * 65 + "@example.com", "a@" + "b" * 64 + ".com",
        "a@" + ".".join(["b" * 60] * 5), "ıda@example.com",
    ],
)  # fmt: skip
def test_what_is_no_plain_address_is_refused(text: str) -> None:
    with pytest.raises(ValidationFailed, match="Unable to validate email address: invalid format"):
        email_address(text)


@pytest.mark.parametrize(("text", "stored"), [("+4912345678", "4912345678"), (" 4912345678 ", "4912345678")])
def test_a_phone_number_has_one_form(text: str, stored: str) -> None:
    assert phone_number(text) == stored


@pytest.mark.parametrize("text", ["", "+", "0491234", "12-34", "1" * 16, "+49 123", "٤٩١٢٣"])
def test_what_is_no_phone_number_is_refused(text: str) -> None:
    with pytest.raises(ValidationFailed):
        phone_number(text)


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("24h", timedelta(hours=24)),
        ("1h30m", timedelta(minutes=90)),
        ("1.5h", timedelta(minutes=90)),
        ("300ms", timedelta(milliseconds=300)),
        ("none", None),
    ],
)
def test_durations_are_written_as_in_go(text: str, length: timedelta | None) -> None:
    assert duration(text) == length


@pytest.mark.parametrize("text", ["", "24", "h", "-1h", "1 h", "1d", "1h" * 60])
def test_other_durations_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="ban_duration"):
        duration(text)


def test_an_endless_ban_stays_within_the_calendar() -> None:
    length = duration("9" * 60 + "h")
    assert length is not None
    assert timedelta(days=365 * 100) < length < timedelta(days=365 * 1000)


def test_a_bucket_empties_refills_and_tells_the_wait() -> None:
    limits = Buckets()
    for _ in range(3):
        limits.take("account", "ada", 3, 1000.0)
    with pytest.raises(OverLimit) as refused:
        limits.take("account", "ada", 3, 1000.0)
    assert refused.value.headers == {"Retry-After": str(int(WINDOW_SECONDS / 3))}
    limits.take("account", "bob", 3, 1000.0)
    limits.take("account", "ada", 3, 1000.0 + WINDOW_SECONDS / 3)
    with pytest.raises(OverLimit):
        limits.take("account", "ada", 3, 1000.0 + WINDOW_SECONDS / 3)


def test_what_is_given_back_does_not_count() -> None:
    limits = Buckets()
    for _ in range(10):
        limits.take("account", "ada", 1, 5.0)
        limits.give_back("account", "ada")


def test_strangers_cannot_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("baaskit.auth.limits._MOST_BUCKETS", 100)
    limits = Buckets()
    for number in range(1000):
        limits.take("address", str(number), 3, 1000.0)
    assert len(limits._buckets) <= 100


@pytest.mark.parametrize(
    ("host", "counted"),
    [
        ("10.0.0.1", "10.0.0.1"), ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"), ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ("::ffff:10.0.0.1", "10.0.0.1"), ("fe80::1%eth0", "fe80::/64"), (None, "unknown"), ("testclient", "testclient"),
    ],
)  # fmt: skip
def test_one_subscriber_is_one_client(host: str | None, counted: str) -> None:
    assert client_of(host) == counted


def test_a_successor_is_fixed_by_the_key_and_the_token() -> None:
    token = new_refresh_token()
    stored = digest(token)
    assert successor(b"k" * 32, stored) == successor(b"k" * 32, stored)
    assert len({token, successor(b"k" * 32, stored), successor(b"l" * 32, stored), successor(b"k" * 32, digest(new_refresh_token()))}) == 4
    assert len(successor(b"k" * 32, stored)) == len(token) == 32
    assert len(digest(token)) == 64
