"""Where a session can be kept on any host: in memory, or in a file."""

from __future__ import annotations

import os
from pathlib import Path


class MemoryStore:
    """Keeps the session for the life of the process; the default outside the browser."""

    def __init__(self) -> None:
        self._session: str | None = None

    def load(self) -> str | None:
        return self._session

    def save(self, session: str) -> None:
        self._session = session

    def clear(self) -> None:
        self._session = None


class FileStore:
    """Keeps the session in a file that only its owner can read."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    def load(self) -> str | None:
        try:
            return self.path.read_text()
        except FileNotFoundError:
            return None

    def save(self, session: str) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        # Written beside and renamed: a crash leaves the old session or the new one, never half of one.
        beside = self.path.with_name(f"{self.path.name}.{os.getpid()}.new")
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(session)
        beside.replace(self.path)

    def clear(self) -> None:
        self.path.unlink(missing_ok=True)
