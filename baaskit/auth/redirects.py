"""Where a link or a sign-in may lead: the site itself, this machine, and what the allow-list names. Pure.

A redirect carries tokens, so an address is judged by its parsed parts and refused when a browser could read it otherwise
than we do: no user names, backslashes, control characters, or dot segments, and only plain host names.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from functools import lru_cache
from urllib.parse import SplitResult, unquote, urlencode, urlsplit, urlunsplit

from baaskit.settings import Settings

_LONGEST = 2048  # characters
_UNSAFE = re.compile(r"[\x00-\x20\x7f\\<>\"^`{|}]")
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*")
_HOST = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:.]+\]")
_NEVER = frozenset({"javascript", "data", "vbscript", "file", "blob", "about", "filesystem", "view-source"})


def choose(settings: Settings, asked: str | None, referer: str | None = None) -> str:
    """`asked` if it is allowed, else `referer` if that is, else the site's address. Never raises, never leads elsewhere."""
    for wish in (asked, referer):
        if wish and is_allowed(wish, settings.site_url, settings.redirect_allow):
            return wish.partition("#")[0]
    return settings.site_url


def is_allowed(address: str, site_url: str, patterns: Iterable[str] = ()) -> bool:
    """Whether a redirect may lead to `address`: a page of the site's host, of this machine, or one that a pattern matches."""
    parts = _read(address)
    if parts is None:
        return False
    site = urlsplit(site_url)
    if parts.scheme in ("http", "https"):
        if parts.hostname == (site.hostname or "").lower() and (parts.scheme == "https" or site.scheme == "http"):
            return True
        if _is_loopback(parts.hostname or ""):
            return True
    return any(_matches(pattern, parts) for pattern in patterns)


def with_query(address: str, **values: str) -> str:
    """`address` with `values` added to its query."""
    parts = urlsplit(address)
    query = "&".join(part for part in (parts.query, urlencode(values)) if part)
    return urlunsplit(parts._replace(query=query))


def with_fragment(address: str, values: dict[str, str]) -> str:
    """`address` with `values` as its fragment: a browser does not send it on, so no server's log learns it."""
    return f"{address.partition('#')[0]}#{urlencode(values)}"


def _read(address: str) -> SplitResult | None:
    if len(address) > _LONGEST or _UNSAFE.search(address) or not address.isascii():
        return None
    try:
        parts = urlsplit(address.partition("#")[0])
        _ = parts.port
    except ValueError:
        return None
    if not _SCHEME.fullmatch(parts.scheme) or parts.scheme in _NEVER or "@" in parts.netloc:
        return None
    host = (parts.hostname or "").lower()
    if parts.scheme in ("http", "https") and not address.lower().startswith(f"{parts.scheme}://"):
        return None
    if host and not _HOST.fullmatch(f"[{host}]" if ":" in host else host):
        return None
    if parts.scheme in ("http", "https") and not host:
        return None
    if any(unquote(segment) in (".", "..") or "\\" in unquote(segment) for segment in parts.path.split("/")):
        return None
    return parts


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _matches(pattern: str, parts: SplitResult) -> bool:
    """Scheme, host and path are compared one by one: no `*` of a path can reach into another host."""
    scheme, found, rest = pattern.partition("://")
    if not found or parts.scheme != scheme.lower():
        return False
    host, slash, path = rest.partition("/")
    shown = f"{parts.path.removeprefix('/')}{f'?{parts.query}' if parts.query else ''}"
    if not _glob(host.lower(), ".").fullmatch(parts.netloc.lower()):
        return False
    return bool(_glob(path, "/").fullmatch(shown)) if slash else parts.path in ("", "/") and not parts.query


@lru_cache(maxsize=256)
def _glob(pattern: str, separator: str) -> re.Pattern[str]:
    """`*` is anything within one part, `**` anything, `?` one character."""
    one = rf"[^{re.escape(separator)}]"
    spelled = {"**": ".*", "*": f"{one}*", "?": one}
    return re.compile("".join(spelled.get(piece, re.escape(piece)) for piece in re.findall(r"\*\*|\*|\?|[^*?]+", pattern)))
