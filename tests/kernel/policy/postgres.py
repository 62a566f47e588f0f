"""A PostgreSQL connection for plain functions."""

from __future__ import annotations

import asyncio
from typing import Any

import asyncpg


class Postgres:
    """A connection with a loop of its own, so that properties (which are plain functions) can ask it."""

    def __init__(self, uri: str) -> None:
        self.loop = asyncio.new_event_loop()
        self.connection = self.loop.run_until_complete(asyncpg.connect(uri))

    def fetch(self, text: str, *values: Any) -> list[tuple[Any, ...]]:
        return [tuple(r) for r in self.loop.run_until_complete(self.connection.fetch(text, *values))]

    def execute(self, text: str) -> None:
        self.loop.run_until_complete(self.connection.execute(text))

    def close(self) -> None:
        self.loop.run_until_complete(self.connection.close())
        self.loop.close()
