"""The bytes and fields of an upload request, raw or multipart, without holding the file in memory or on disk first."""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any, AsyncIterator

from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import Request

from baaskit.errors.storage import InvalidRequest

_FIELD_LIMIT = 64 * 1024  # bytes of one form field that is not the file


class UploadBody:
    """`pieces()` yields the file; `content_type`, `cache_control` and `user_metadata` are known once it is exhausted."""

    def __init__(self, request: Request) -> None:
        self._request = request
        headers = request.headers
        kind, options = parse_options_header(headers.get("content-type"))
        self._boundary = options.get(b"boundary") if kind == b"multipart/form-data" else None
        self.content_type = (headers.get("content-type") or "application/octet-stream") if kind != b"multipart/form-data" else "application/octet-stream"
        self.cache_control = headers.get("cache-control") or "no-cache"
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
        self.content_type = form.fields.get("contentType") or form.file_type
        if "cacheControl" in form.fields:
            value = form.fields["cacheControl"]
            self.cache_control = f"max-age={value}" if value.isdigit() else value
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
        self._value += data
        if len(self._value) > _FIELD_LIMIT:
            raise InvalidRequest(f"The form field {self._name[:50]!a} is too long.")

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
    except (binascii.Error, UnicodeDecodeError) as problem:
        raise InvalidRequest("The header x-metadata must be base64 of JSON.") from problem


def _json(text: str) -> Any:
    try:
        found = json.loads(text)
    except ValueError as problem:
        raise InvalidRequest("The metadata must be JSON.") from problem
    if not isinstance(found, dict):
        raise InvalidRequest("The metadata must be a JSON object.")
    return found
