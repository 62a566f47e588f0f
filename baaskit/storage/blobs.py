"""The bytes: a thin layer over an object store (local folder, memory; S3 speaks the same API). Knows no names and no rights."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import obstore
from obstore.store import LocalStore, MemoryStore

from baaskit.errors.storage import EntityTooLarge

PIECE_BYTES = 1 << 20  # how much is read and written at a time


@dataclass(frozen=True, slots=True)
class Stored:
    """Where bytes were put, how many, and their MD5 as an ETag (quoted, as S3 gives it)."""

    key: str
    size: int
    etag: str


class Blobs:
    """Blobs are written once under a fresh random key and never changed, so a reader always gets a whole version."""

    def __init__(self, url: str) -> None:
        """`url`: `file:///folder` or `memory://`."""
        if url.startswith("memory://"):
            self._store: Any = MemoryStore()
        else:
            folder = Path(url.removeprefix("file://"))
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._store = LocalStore(folder)

    async def put(self, source: AsyncIterator[bytes], limit: int) -> Stored:
        """Store all of `source`. Raises EntityTooLarge past `limit` bytes; then, as on any failure, nothing is kept."""
        version = secrets.token_hex(16)
        key = f"{version[:2]}/{version}"
        digest, size = hashlib.md5(usedforsecurity=False), 0
        failure: BaseException | None = None  # the store would wrap it in an error of its own

        async def counted() -> AsyncIterator[bytes]:
            nonlocal size, failure
            try:
                async for piece in source:
                    size += len(piece)
                    if size > limit:
                        raise EntityTooLarge()
                    digest.update(piece)
                    yield piece
            except BaseException as problem:
                failure = problem
                raise

        try:
            await obstore.put_async(self._store, key, _pieces(counted()), use_multipart=True, chunk_size=8 * PIECE_BYTES)
        except BaseException as problem:
            await self.delete([key])
            if failure is not None and failure is not problem:
                raise failure from None
            raise
        return Stored(key, size, f'"{digest.hexdigest()}"')

    async def read(self, key: str, start: int, end: int) -> AsyncIterator[bytes]:
        """Bytes `start` to `end` (exclusive) of a blob, in large pieces. Raises FileNotFoundError before the first one."""
        if start >= end:
            return
        found = await obstore.get_async(self._store, key, options={"range": (start, end)})
        async for piece in found.stream(min_chunk_size=PIECE_BYTES):
            yield bytes(piece)

    async def copy(self, key: str) -> str:
        """A new blob with the same bytes."""
        version = secrets.token_hex(16)
        target = f"{version[:2]}/{version}"
        await obstore.copy_async(self._store, key, target)
        return target

    async def delete(self, keys: Collection[str]) -> None:
        """Remove blobs; those that are gone already are no error."""
        for key in keys:
            try:
                await obstore.delete_async(self._store, key)
            except FileNotFoundError:
                continue

    async def older_than(self, age: timedelta) -> AsyncIterator[list[str]]:
        """Keys of blobs written longer ago than `age`, in batches."""
        before = datetime.now(UTC) - age
        async for batch in obstore.list(self._store, chunk_size=500):
            yield [meta["path"] for meta in batch if meta["last_modified"] < before]


async def _pieces(source: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The same bytes in pieces of at least PIECE_BYTES (but the last): fewer crossings into the store."""
    held: list[bytes] = []
    size = 0
    async for piece in source:
        held.append(piece)
        size += len(piece)
        if size >= PIECE_BYTES:
            yield b"".join(held)
            held, size = [], 0
    if held:
        yield b"".join(held)
