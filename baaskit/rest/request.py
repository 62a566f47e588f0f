"""What came in: the caller, the headers that mean something here, the media type wanted, the body within its limit."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl

import orjson

from baaskit.errors import BodyTooLarge
from baaskit.errors.rest import InvalidBody, NotAcceptable, RangeNotSatisfiable, UnparsableQuery
from baaskit.kernel.claims import Claims
from baaskit.rest.csv_text import records_of
from baaskit.rest.references import References

Receive = Callable[[], Awaitable[Mapping[str, Any]]]

_WANTED = frozenset(
    {
        b"authorization",
        b"apikey",
        b"accept",
        b"prefer",
        b"range",
        b"range-unit",
        b"accept-profile",
        b"content-profile",
        b"content-type",
        b"content-length",
        b"idempotency-key",
        b"x-baaskit-as",
        b"x-baaskit-explain",
        b"x-baaskit-try",
    }
)
_RANGE = re.compile(r"(?:items=)?(\d{1,18})-(\d{0,18})$")
_MOST_DEPTH = 250  # of JSON: what its writer manages
FOREIGN_KEYS = frozenset({"apikey"})  # in a query string, but not a filter: some gateways' way to give the key


@dataclass(frozen=True, slots=True)
class Media:
    """The form of the answer. `content_type` is the header's value."""

    content_type: bytes
    single: bool = False
    strip_nulls: bool = False
    csv: bool = False


_JSON = Media(b"application/json; charset=utf-8")
_CSV = Media(b"text/csv; charset=utf-8", csv=True)


@dataclass(slots=True)
class Request:
    """One request to a table. `name` is decoded; `raw_query` is not."""

    method: str
    name: str
    raw_query: str
    headers: dict[bytes, bytes]
    claims: Claims
    body: bytes | None = None  # once it was read
    references: References | None = None  # of an operation of a batch that may have some

    def items(self) -> list[tuple[str, str]]:
        """The pairs of the query string, decoded, in order."""
        return query_items(self.raw_query)

    @property
    def prefer(self) -> str:
        return self.headers.get(b"prefer", b"").decode("latin-1")

    @property
    def media(self) -> Media:
        accept = self.headers.get(b"accept")
        return _JSON if accept is None or accept == b"*/*" else negotiate(accept.decode("latin-1"))


def read_headers(scope: Mapping[str, Any]) -> dict[bytes, bytes]:
    """Headers by lower-case name; several lines of `Prefer` are joined."""
    found: dict[bytes, bytes] = {}
    for name, value in scope["headers"]:
        if name in _WANTED:
            if name == b"prefer" and name in found:
                value = found[name] + b"," + value
            found[name] = value
    return found


def token_of(headers: Mapping[bytes, bytes], raw_query: str) -> str | None:
    """The bearer token, else the API key of the `apikey` header or parameter."""
    given = headers.get(b"authorization")
    if given is not None and given[:7].lower() == b"bearer ":
        token = given[7:].strip()
    else:
        token = headers.get(b"apikey", b"").strip()
    if not token and "apikey=" in raw_query:
        return dict(query_items(raw_query)).get("apikey")
    return token.decode("latin-1") or None


def query_items(raw: str) -> list[tuple[str, str]]:
    items = parse_qsl(raw, keep_blank_values=True, errors="replace")
    for key, value in items:
        if "\x00" in key or "\x00" in value:
            raise UnparsableQuery("query string", f"{key}={value}".replace("\x00", "\\0")[:200], 0, "text without NUL")
    return items


@lru_cache(maxsize=256)
def negotiate(accept: str) -> Media:
    """The first media type of `Accept` that can be produced. Raises NotAcceptable."""
    for part in accept.split(","):
        kind, *parameters = [word.strip().lower() for word in part.split(";")]
        strip = "nulls=stripped" in parameters
        if kind in ("application/json", "*/*", "application/*", ""):
            return _JSON
        if kind in ("application/vnd.pgrst.object+json", "application/vnd.pgrst.object"):
            suffix = b";nulls=stripped" if strip else b""
            return Media(b"application/vnd.pgrst.object+json" + suffix + b"; charset=utf-8", True, strip)
        if kind in ("application/vnd.pgrst.array+json", "application/vnd.pgrst.array"):
            if not strip:
                return _JSON
            return Media(b"application/vnd.pgrst.array+json;nulls=stripped; charset=utf-8", False, True)
        if kind == "text/csv":
            return _CSV
    raise NotAcceptable(accept)


def with_range(items: list[tuple[str, str]], headers: Mapping[bytes, bytes]) -> list[tuple[str, str]]:
    """A `Range: a-b` header as offset and limit, where the query string has none of its own."""
    given = headers.get(b"range")
    if given is None or headers.get(b"range-unit", b"items").lower() not in (b"items", b""):
        return items
    found = _RANGE.match(given.decode("latin-1").strip())
    if found is None:
        return items
    keys = {key for key, _ in items}
    first = int(found[1])
    if found[2] and int(found[2]) < first:
        raise RangeNotSatisfiable(details="The lower boundary must be lower than or equal to the upper boundary in the Range header.")
    more = [] if "offset" in keys else [("offset", str(first))]
    if found[2] and "limit" not in keys:
        more.append(("limit", str(int(found[2]) - first + 1)))
    return items + more


async def read_body(receive: Receive, headers: Mapping[bytes, bytes], limit: int) -> bytes:
    """The whole body. Raises BodyTooLarge as soon as it is known to be."""
    announced = headers.get(b"content-length", b"")
    if announced.isdigit() and int(announced) > limit:
        raise BodyTooLarge(f"The request body is larger than {limit} bytes.")
    message = await receive()
    body = message.get("body", b"")
    if not message.get("more_body"):
        if len(body) > limit:
            raise BodyTooLarge(f"The request body is larger than {limit} bytes.")
        return bytes(body)
    parts, size = [body], len(body)
    while message.get("more_body"):
        message = await receive()
        if message["type"] == "http.disconnect":  # half a form would still parse: nothing of it may be written
            raise InvalidBody("The connection was closed before the body was complete.")
        part = message.get("body", b"")
        parts.append(part)
        size += len(part)
        if size > limit:
            raise BodyTooLarge(f"The request body is larger than {limit} bytes.")
    return b"".join(parts)


def read_payload(body: bytes, headers: Mapping[bytes, bytes]) -> tuple[Any, bytes]:
    """The payload by its content type (JSON, CSV, or a form as one object of texts) and its JSON text. Raises InvalidBody."""
    kind = headers.get(b"content-type", b"application/json").split(b";")[0].strip().lower()
    if kind == b"application/x-www-form-urlencoded":
        form = dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
        return form, orjson.dumps(form)
    if kind == b"text/csv":
        records = records_of(body)
        return records, orjson.dumps(records)
    if kind not in (b"application/json", b"", b"text/plain", b"application/vnd.pgrst.object+json", b"application/vnd.pgrst.array+json"):
        raise InvalidBody(f"Content-Type not acceptable: {kind.decode('latin-1')}")
    return parse_json(body), body


def parse_json(body: bytes) -> Any:
    """The JSON value of a body. Raises InvalidBody."""
    try:
        parsed = orjson.loads(body)
        if body.count(b"[") + body.count(b"{") > _MOST_DEPTH:
            orjson.dumps(parsed)  # refuses what is nested too deeply to be written again, as a value or in an answer
        return parsed
    except orjson.JSONDecodeError:
        raise InvalidBody("Empty or invalid json") from None
    except orjson.JSONEncodeError:
        raise InvalidBody(f"The body is nested more than {_MOST_DEPTH} deep.") from None
