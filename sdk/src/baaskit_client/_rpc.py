"""Calls of functions by name through the data API, whose results are filtered, ordered and paged like a table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Generic, Literal, TypeVar, cast, overload

from ._calls import Call, Row
from ._filters import Condition
from ._json import decode, encode
from ._ports import Response
from ._query import ONE_ROW, Count, Page, as_is, columns_of, read_rows, to_path

R = TypeVar("R")
M = TypeVar("M")
T = TypeVar("T")


@dataclass(frozen=True)
class RpcCall(Generic[R, T]):
    """A call of a function: one in Python declared with `@rpc`, or one of the database. `R` is what a row of the result
    becomes, `T` what running the call gives: the value, row or list that the function returns, None where it returns nothing."""

    name: str
    build: Callable[[Row], R]
    arguments: Mapping[str, Any] = field(default_factory=dict)
    columns: str = "*"
    conditions: tuple[Condition, ...] = ()
    orders: tuple[str, ...] = ()
    first: int | None = None
    skipped: int = 0
    counted: Count | None = None
    shape: Literal["any", "list", "page", "one"] = "any"
    idempotency_key: str | None = None

    def select(self, *columns: str) -> RpcCall[R, T]:
        """Which columns of the rows that the function returns, as names or in the data API's grammar."""
        return replace(self, columns=",".join(columns) or "*")

    def where(self, *conditions: Condition) -> RpcCall[R, T]:
        """Only those rows of the result for which all conditions hold; may be called again to add more."""
        return replace(self, conditions=self.conditions + conditions)

    def order(self, column: str, *, desc: bool = False, nulls: Literal["first", "last"] | None = None) -> RpcCall[R, T]:
        """Sort the rows of the result by a column; call again for the next one."""
        term = column + (".desc" if desc else "") + (f".nulls{nulls}" if nulls else "")
        return replace(self, orders=(*self.orders, term))

    def limit(self, rows: int) -> RpcCall[R, T]:
        return replace(self, first=rows)

    def offset(self, rows: int) -> RpcCall[R, T]:
        return replace(self, skipped=rows)

    def count(self, how: Count = "exact") -> RpcCall[R, Page[R]]:
        """Also tell how many rows the result has in all; it is a `Page`."""
        return cast("RpcCall[R, Page[R]]", replace(self, counted=how, shape="page"))

    def single(self) -> RpcCall[R, R]:
        """The result is the one row. None or several raise `Refused`, and undo what a function of the database did."""
        return cast("RpcCall[R, R]", replace(self, shape="one"))

    def once(self, idempotency_key: str) -> RpcCall[R, T]:
        """Give the call a key, so that it is also tried again by itself when no answer came. A function of the database is
        carried out once per key; one in Python is called again, and must heed `ctx.idempotency_key` to do nothing twice."""
        return replace(self, idempotency_key=idempotency_key)

    def call(self) -> Call:
        parameters = [("select", self.columns)] if self.columns != "*" else []
        parameters += [condition.parameter() for condition in self.conditions]
        if self.orders:
            parameters.append(("order", ",".join(self.orders)))
        if self.first is not None:
            parameters.append(("limit", str(self.first)))
        if self.skipped:
            parameters.append(("offset", str(self.skipped)))
        headers = {"content-type": "application/json"}
        if self.shape == "one":
            headers |= ONE_ROW
        if self.counted:
            headers["prefer"] = f"count={self.counted}"
        if self.idempotency_key:
            headers["idempotency-key"] = self.idempotency_key
        path = f"/rest/v1/rpc/{to_path(self.name, parameters)}"
        return Call("POST", path, headers, encode(self.arguments), repeatable=self.idempotency_key is not None)

    def read(self, response: Response) -> T:
        return cast(T, decode(response) if self.shape == "any" else read_rows(self.shape, self.build, response))


@overload
def rpc(name: str, /, **arguments: Any) -> RpcCall[Row, Any]: ...
@overload
def rpc(name: str, model: type[M], /, **arguments: Any) -> RpcCall[M, list[M]]: ...
def rpc(name: str, model: type[Any] | None = None, /, **arguments: Any) -> RpcCall[Any, Any]:
    """A call of the function `name` with named arguments. `model`: what the rows of its result become, as in `table`.

    >>> rpc("cheapest", kind="dog").order("price").limit(3).call().path
    '/rest/v1/rpc/cheapest?order=price&limit=3'
    """
    if model is None:
        return RpcCall(name, as_is, arguments)
    return RpcCall(name, lambda row: model(**row), arguments, columns_of(model), shape="list")
