"""The bytes and fields of an upload request, raw or multipart, without holding the file in memory or on disk first."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import AsyncIterator
from typing import Any

import orjson
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import Request

from baaskit.errors.storage import InvalidRequest

_FORM_LIMIT = 64 * 1024  # bytes of a form besides its file: fields, their names, headers
_HEADER_VALUE = re.compile(r"[\x20-\x7e]{1,500}")  # what may be sent back as a header when the file is read


class UploadBody:
    """`pieces()` yields the file; `content_type`, `cache_control` and `user_metadata` are known once it is exhausted."""

    def __init__(self, request: Request) -> None:
        self._request = request
        headers = request.headers
        kind, options = parse_options_header(headers.get("content-type"))
        self._boundary = options.get(b"boundary") if kind == b"multipart/form-data" else None
        self.content_type = (
            (headers.get("content-type") or "application/octet-stream") if kind != b"multipart/form-data" else "application/octet-stream"
        )
        self.content_type = _header_value("content type", self.content_type)
        self.cache_control = _header_value("cache control", headers.get("cache-control") or "no-cache")
        self.user_metadata: Any = _decoded(headers.get("x-metadata"))

    async def pieces(self) -> AsyncIterator[bytes]:
        if self._boundary is None:
            async for piece in self._request.stream():
                if piece:
                    yield piece
            return
        form = _Form(self._boundary)
        async for piece in self._request.stream():
            for found in form.feed(piece):
                yield found
        form.finish()
        self._take(form)

    def _take(self, form: _Form) -> None:
        if form.file_type is None:
            raise InvalidRequest("The form has no file part.")
        self.content_type = _header_value("content type", form.fields.get("contentType") or form.file_type)
        if "cacheControl" in form.fields:
            value = form.fields["cacheControl"]
            self.cache_control = _header_value("cache control", f"max-age={value}" if value.isdigit() else value)
        if form.fields.get("metadata"):
            self.user_metadata = _json(form.fields["metadata"])


class _Form:
    """Feeds a multipart parser; hands the file's bytes on as they come and keeps the small fields."""

    def __init__(self, boundary: bytes) -> None:
        self.fields: dict[str, str] = {}
        self.file_type: str | None = None
        self._out: list[bytes] = []
        self._header = [b"", b""]
        self._headers: dict[bytes, bytes] = {}
        self._name, self._is_file, self._value, self._ended = "", False, b"", False
        self._room = _FORM_LIMIT
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._headers.clear,
                "on_header_field": lambda data, a, b: self._grow(0, data[a:b]),
                "on_header_value": lambda data, a, b: self._grow(1, data[a:b]),
                "on_header_end": self._header_end,
                "on_headers_finished": self._part,
                "on_part_data": lambda data, a, b: self._data(data[a:b]),
                "on_part_end": self._part_end,
                "on_end": self._end,
            },
        )

    def feed(self, piece: bytes) -> list[bytes]:
        try:
            self._parser.write(piece)
        except InvalidRequest:
            raise
        except Exception as problem:
            raise InvalidRequest("The form is malformed.") from problem
        out, self._out = self._out, []
        return out

    def finish(self) -> None:
        """Raises InvalidRequest if the form broke off: a file that did not arrive whole is never stored."""
        if not self._ended:
            raise InvalidRequest("The form ends too early.")

    def _grow(self, side: int, data: bytes) -> None:
        self._count(data)
        self._header[side] += data

    def _header_end(self) -> None:
        self._headers[self._header[0].lower()] = self._header[1]
        self._header = [b"", b""]

    def _part(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition"))
        self._name = options.get(b"name", b"").decode("utf-8", "replace")
        self._is_file = b"filename" in options or self._name == ""  # JavaScript sends the file under an empty name
        self._value = b""
        if self._is_file:
            if self.file_type is not None:
                raise InvalidRequest("The form has more than one file.")
            self.file_type = self._headers.get(b"content-type", b"application/octet-stream").decode("latin-1")

    def _data(self, data: bytes) -> None:
        if self._is_file:
            self._out.append(data)
            return
        self._count(data)
        self._value += data

    def _count(self, data: bytes) -> None:
        """Nothing but the file may be large, for all the rest is held in memory."""
        self._room -= len(data)
        if self._room < 0:
            raise InvalidRequest(f"The fields of the form are longer than {_FORM_LIMIT} bytes.")

    def _part_end(self) -> None:
        if not self._is_file:
            self.fields[self._name] = self._value.decode("utf-8", "replace")

    def _end(self) -> None:
        self._ended = True


def _decoded(header: str | None) -> Any:
    if not header:
        return None
    try:
        return _json(base64.b64decode(header, validate=True).decode())
    except (binascii.Error, UnicodeError) as problem:
        raise InvalidRequest("The header x-metadata must be base64 of JSON.") from problem


def _json(text: str) -> Any:
    try:
        found = orjson.loads(text)
        written = orjson.dumps(found)  # what cannot be written again, such as very deep nesting, cannot be stored
    except (ValueError, TypeError) as problem:
        raise InvalidRequest("The metadata must be JSON.") from problem
    if not isinstance(found, dict) or rb"\u0000" in written.replace(rb"\\", b""):
        raise InvalidRequest("The metadata must be a JSON object without U+0000.")
    return found


def _header_value(what: str, text: str) -> str:
    """`text` if it can be a header's value. Raises InvalidRequest."""
    if not _HEADER_VALUE.fullmatch(text):
        raise InvalidRequest(f"The {what} may hold only printable ASCII characters, at most 500.")
    return text
