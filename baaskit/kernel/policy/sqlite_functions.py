"""What SQLite lacks: the functions that compiled policies call, in Python, so that both databases answer alike.

Every SQLite connection must call `register_functions`. None of these is used by triggers, which must run in any program.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from functools import lru_cache
from typing import Any, Protocol

from baaskit.kernel.policy import scalars
from baaskit.kernel.schema import Type

_INT64 = 2**63


class Connection(Protocol):
    """The part of `apsw.Connection` that is needed."""

    def create_scalar_function(
        self, name: str, callable: Callable[..., Any] | None, numargs: int = -1, *, deterministic: bool = False
    ) -> None: ...

    def pragma(self, name: str, value: Any = None) -> Any: ...


@lru_cache(maxsize=256)
def _parsed(text: str) -> Any:
    return json.loads(text, parse_float=Decimal)


def _lower(value: Any) -> Any:
    return scalars.lower(value) if isinstance(value, str) else value


def _upper(value: Any) -> Any:
    return scalars.upper(value) if isinstance(value, str) else value


def _json_get(text: str | None, key: str | int | None) -> str | None:
    if text is None or key is None:
        return None
    found, value = scalars.json_get(_parsed(text), key)
    return scalars.json_printed(value) if found else None


def _json_text(text: str | None, key: str | int | None) -> str | None:
    if text is None or key is None:
        return None
    return scalars.json_text(scalars.json_get(_parsed(text), key)[1])


def _any(operand: Any, array: str | None) -> int | None:
    """`operand = any (array)`, three-valued."""
    if array is None:
        return None
    values = json.loads(array)
    if not values:
        return 0
    if operand is None:
        return None
    return 1 if operand in values else None if None in values else 0


def _element(array: str | None, index: int) -> Any:
    values = json.loads(array) if array is not None else []
    found = values[index - 1] if 1 <= index <= len(values) else None
    return int(found) if isinstance(found, bool) else found


def _array_length(array: str | None) -> int | None:
    return len(json.loads(array)) or None if array is not None else None


def _number(value: Any) -> Any:
    """A result as SQLite can hold it: beyond 64 bits as the nearest float."""
    if isinstance(value, int):
        return value if -_INT64 <= value < _INT64 else float(value)
    return float(value) if isinstance(value, Decimal) else value


def _arith(op: str, left: Any, right: Any) -> Any:
    return None if left is None or right is None else _number(scalars.arithmetic(op, left, right))


def _float(op: str, left: Any, right: Any) -> Any:
    return None if left is None or right is None else scalars.float_arithmetic(op, float(left), float(right))


def _cast(value: str | None, type: str) -> Any:
    """A text as another type; NULL when it does not fit."""
    found = None if value is None else scalars.from_text(value, Type(type))
    return int(found) if isinstance(found, bool) else _number(found)


def _folders(name: str | None) -> str | None:
    found = None if name is None else scalars.folders(name)
    return None if found is None else json.dumps(found, ensure_ascii=False)


def _filename(name: str | None) -> str | None:
    return None if name is None else scalars.filename(name)


def _extension(name: str | None) -> str | None:
    return None if name is None else scalars.extension(name)


FUNCTIONS: dict[str, tuple[Callable[..., Any], int]] = {
    "lower": (_lower, 1), "upper": (_upper, 1),
    "baas_json_get": (_json_get, 2), "baas_json_text": (_json_text, 2), "baas_any": (_any, 2), "baas_element": (_element, 2),
    "baas_array_length": (_array_length, 1), "baas_arith": (_arith, 3), "baas_float": (_float, 3), "baas_cast": (_cast, 2),
    "baas_foldername": (_folders, 1), "baas_filename": (_filename, 1), "baas_extension": (_extension, 1),
}  # fmt: skip


def register_functions(connection: Connection) -> None:
    """Prepare one `apsw.Connection` for compiled policies: the functions above, and LIKE that minds case."""
    for name, (function, count) in FUNCTIONS.items():
        connection.create_scalar_function(name, function, count, deterministic=True)
    connection.pragma("case_sensitive_like", True)
