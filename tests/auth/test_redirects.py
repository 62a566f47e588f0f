"""S12: tokens travel with a redirect, so it leads to the site, this machine, or what the allow-list names, and nowhere else."""

from __future__ import annotations

from pathlib import Path

import pytest

from baaskit.auth.redirects import choose, is_allowed, with_fragment, with_query
from baaskit.settings import load_settings

SITE = "https://www.example.com"
PATTERNS = (
    "https://*.preview.example.com",
    "https://app.example.com/**",
    "https://one.example.com/a/*",
    "myapp://callback",
    "http://x.test:8080/?",
)


@pytest.mark.parametrize(
    "address",
    [
        "https://www.example.com", "https://www.example.com/any?page=1#part", "https://WWW.example.com/", "http://127.0.0.1:3000/cb", "http://[::1]:8/x",
        "https://app.example.com/a/b?c=d", "https://feature-1.preview.example.com", "https://feature-1.preview.example.com/",
        "https://one.example.com/a/b", "myapp://callback", "http://x.test:8080/a",
    ],
)  # fmt: skip
def test_s12_allowed(address: str) -> None:
    assert is_allowed(address, SITE, PATTERNS)


@pytest.mark.parametrize(
    "address",
    [
        "", "//evil.example", "/\\evil.example", "\\\\evil.example", "https:evil.example", "https:/evil.example", "https:///evil.example",
        "https://www.example.com@evil.example", "https://user:pw@www.example.com", "https://www.example.com\\@evil.example",
        "https://www.example.com%2eevil.example", "https://www.example.com%00.evil.example", "https://www.example.com .evil.example",
        "https://www.example.com\n.evil.example", "https://www.example.com\t/", "https://www.example.com.evil.example", "https://evilwww.example.com",
        "http://www.example.com", "ftp://www.example.com", "javascript://www.example.com/%0aalert(1)", "JavaScript:alert(1)", "data:text/html,x",
        "https://app.example.com/../x", "https://app.example.com/%2e%2e/x", "https://app.example.com/a/%2E./x", "https://app.example.com:8443/x",
        "https://a.b.preview.example.com", "https://evil.example/.preview.example.com", "https://evil.example?.preview.example.com",
        "https://evil.example#.preview.example.com", "https://feature.preview.example.com/deep", "https://one.example.com/a/b/c",
        "https://one.example.com/a", "myapp://callback.evil", "myapp://callback/x", "other://callback", "http://x.test:8080/ab",
        "https://www.exаmple.com", "https://www。example.com", "https://[::1", "https://www.example.com:99999", "https://" + "a" * 3000,
        "http://128.0.0.1/", "http://0.0.0.0/", "http://127.0.0.1.evil.example/", "http://2130706433/", "file:///etc/passwd", "blob:https://www.example.com/x",
    ],
)  # fmt: skip
def test_s12_refused(address: str) -> None:
    assert not is_allowed(address, SITE, (*PATTERNS, "file://**", "javascript://**"))


def test_what_is_asked_comes_first_then_where_it_came_from_then_the_site(tmp_path: Path) -> None:
    settings = load_settings(tmp_path, {}, site_url=SITE, redirect_allow=["https://app.example.com/**"])
    assert choose(settings, "https://app.example.com/a#b") == "https://app.example.com/a"
    assert choose(settings, "https://evil.example", "https://app.example.com/from") == "https://app.example.com/from"
    assert choose(settings, "https://evil.example", "https://evil.example") == SITE
    assert choose(settings, None) == SITE


def test_what_is_added_cannot_break_out() -> None:
    assert with_query("https://a.example/x?b=c", error="d&e=f#g") == "https://a.example/x?b=c&error=d%26e%3Df%23g"
    assert with_fragment("https://a.example/#old", {"a": "b&c"}) == "https://a.example/#a=b%26c"
