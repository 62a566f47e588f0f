"""What a request value is: something that can be written as one HTTP call and read back from its answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from ._ports import Progress, Response

Row = dict[str, Any]
T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True)
class Call:
    """One HTTP call, relative to the project's address and without credentials.

    `repeatable`: making it twice does what making it once does, so it may be tried again when no answer came.
    """

    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    source: Any = None
    on_progress: Progress | None = None
    repeatable: bool = False


class Request(Protocol[T_co]):
    """A value that says what is wanted; `client.run(request)` gives its result."""

    def call(self) -> Call: ...

    def read(self, response: Response) -> T_co: ...
