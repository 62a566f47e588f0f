"""Reads and writes of a table as values: built step by step, run by a client, never changed in place.

>>> query = table("pets").where(eq("status", "available")).select("id,name").order("price", desc=True).limit(2)
>>> query.call().path
'/rest/v1/pets?select=id,name&status=eq.available&order=price.desc&limit=2'
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, Literal, TypeVar, cast, overload
from urllib.parse import quote

from ._calls import Call, Row
from ._errors import BadRequest, NotFound, UnreadableAnswer
from ._filters import Condition
from ._json import decode, encode
from ._ports import Response

R = TypeVar("R")
M = TypeVar("M")
T = TypeVar("T")
Count = Literal["exact", "planned", "estimated"]
Shape = Literal["list", "page", "slice", "one", "maybe", "none"]
ONE_ROW = {"accept": "application/vnd.pgrst.object+json"}


@dataclass(frozen=True)
class Page(Generic[R]):
    """Some rows of a longer result, and how many there are in all."""

    rows: list[R]
    total: int

    def __iter__(self) -> Iterator[R]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(frozen=True)
class Slice(Generic[R]):
    """Some rows of a longer result, and the cursor of those that follow; None after the last."""

    rows: list[R]
    next: str | None

    def __iter__(self) -> Iterator[R]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(frozen=True)
class Select(Generic[R, T]):
    """A read of one table. `R` is what a row becomes, `T` what running it gives."""

    name: str
    build: Callable[[Row], R]
    columns: str = "*"
    conditions: tuple[Condition, ...] = ()
    orders: tuple[str, ...] = ()
    first: int | None = None
    skipped: int = 0
    counted: Count | None = None
    shape: Shape = "list"
    schema: str | None = None
    cursor: str | None = None

    def select(self, *columns: str) -> Select[R, T]:
        """Which columns, as names or in the data API's grammar: `"id,name"`, `"id", "shop:shops(name)"`."""
        return replace(self, columns=",".join(columns) or "*")

    def where(self, *conditions: Condition) -> Select[R, T]:
        """Only rows for which all conditions hold; may be called again to add more."""
        return replace(self, conditions=self.conditions + conditions)

    def order(self, column: str, *, desc: bool = False, nulls: Literal["first", "last"] | None = None) -> Select[R, T]:
        """Sort by a column; call again for the next one. Without `nulls`: last when ascending, first when descending."""
        term = column + (".desc" if desc else "") + (f".nulls{nulls}" if nulls else "")
        return replace(self, orders=(*self.orders, term))

    def limit(self, rows: int) -> Select[R, T]:
        return replace(self, first=rows)

    def offset(self, rows: int) -> Select[R, T]:
        return replace(self, skipped=rows)

    def after(self, cursor: str = "") -> Select[R, Slice[R]]:
        """Only the rows after a cursor, `limit` of them; without one the first. The result is a `Slice`, whose `next` is the
        cursor for the same query again. Rows that others add or remove meanwhile neither repeat a row nor hide one.

        `client.each(query)` does the asking by itself.
        """
        return cast("Select[R, Slice[R]]", replace(self, cursor=cursor, shape="slice"))

    def count(self, how: Count = "exact") -> Select[R, Page[R]]:
        """Also tell how many rows match in all; the result is a `Page`."""
        return cast("Select[R, Page[R]]", replace(self, counted=how, shape="page"))

    def single(self) -> Select[R, R]:
        """The result is the one row. None or several raise `NotFound` or `BadRequest`."""
        return cast("Select[R, R]", replace(self, shape="one"))

    def maybe_single(self) -> Select[R, R | None]:
        """The result is the one row, or None when there is none. Several raise `BadRequest`."""
        return cast("Select[R, R | None]", replace(self, shape="maybe"))

    @overload
    def insert(self, rows: Sequence[Any]) -> Write[R, list[R]]: ...
    @overload
    def insert(self, rows: Any) -> Write[R, R]: ...
    def insert(self, rows: Any) -> Write[R, Any]:
        """Add a row (the result is that row as stored) or a list of rows (the result is a list)."""
        return self._write("POST", rows)

    @overload
    def upsert(self, rows: Sequence[Any], *, on_conflict: str | None = None) -> Write[R, list[R]]: ...
    @overload
    def upsert(self, rows: Any, *, on_conflict: str | None = None) -> Write[R, R]: ...
    def upsert(self, rows: Any, *, on_conflict: str | None = None) -> Write[R, Any]:
        """Add rows, or change those that exist. `on_conflict`: the unique columns that decide; default the primary key."""
        return replace(self._write("POST", rows), resolution="merge-duplicates", on_conflict=on_conflict)

    def insert_missing(self, rows: Sequence[Any], *, on_conflict: str | None = None) -> Write[R, list[R]]:
        """Add those rows that do not exist yet, leave the others alone; the result is the rows really added."""
        return replace(self._write("POST", list(rows)), resolution="ignore-duplicates", on_conflict=on_conflict)

    def update(self, values: Mapping[str, Any], *, everything: bool = False) -> Write[R, list[R]]:
        """Change the rows of `where(…)`. Without conditions it refuses, unless `everything=True` says that all are meant."""
        self._need_conditions("update", everything)
        return replace(self._write("PATCH", dict(values)), shape="list")

    def delete(self, *, everything: bool = False) -> Write[R, list[R]]:
        """Delete the rows of `where(…)`. Without conditions it refuses, unless `everything=True` says that all are meant."""
        self._need_conditions("delete", everything)
        return replace(self._write("DELETE", None), shape="list")

    def call(self) -> Call:
        headers = dict(ONE_ROW) if self.shape == "one" else {}
        if self.counted:
            headers["prefer"] = f"count={self.counted}"
        if self.schema:
            headers["accept-profile"] = self.schema
        return Call("GET", f"/rest/v1/{self.text()}", headers, repeatable=True)

    def text(self) -> str:
        """This query as the part of the URL after `/rest/v1/`; live queries send it as it is."""
        parameters = [("select", self.columns), *(c.parameter() for c in self.conditions)]
        if self.orders:
            parameters.append(("order", ",".join(self.orders)))
        # Two rows are enough to know that there is more than one.
        first = min(self.first or 2, 2) if self.shape == "maybe" else self.first
        if first is not None:
            parameters.append(("limit", str(first)))
        if self.cursor is not None:
            parameters.append(("cursor", self.cursor))
        if self.skipped:
            parameters.append(("offset", str(self.skipped)))
        return to_path(self.name, parameters)

    def read(self, response: Response) -> T:
        return cast(T, read_rows(self.shape, self.build, response))

    def _write(self, method: Literal["POST", "PATCH", "DELETE"], body: Any) -> Write[R, Any]:
        if method == "POST" and self.conditions:
            raise ValueError("Conditions have no meaning for an insert")
        shape: Shape = "list" if isinstance(body, (list, tuple)) else "one"
        return Write(self.name, self.build, method, body, self.columns, self.conditions, shape, schema=self.schema)

    def _need_conditions(self, verb: str, everything: bool) -> None:
        if not self.conditions and not everything:
            raise ValueError(f"This would {verb} every row of {self.name!r}: add where(…), or say everything=True")


@dataclass(frozen=True)
class Write(Generic[R, T]):
    """An insert, upsert, update or delete. By default the result is the rows as stored."""

    name: str
    build: Callable[[Row], R]
    method: Literal["POST", "PATCH", "DELETE"]
    body: Any
    columns: str = "*"
    conditions: tuple[Condition, ...] = ()
    shape: Shape = "list"
    resolution: Literal["merge-duplicates", "ignore-duplicates"] | None = None
    on_conflict: str | None = None
    schema: str | None = None
    expected: int | None = None
    idempotency_key: str | None = None

    def select(self, *columns: str) -> Write[R, T]:
        """Which columns of the written rows to give back."""
        return replace(self, columns=",".join(columns) or "*")

    def single(self) -> Write[R, R]:
        """Exactly one row must be written, else nothing is and `NotFound` or `BadRequest` is raised."""
        return cast("Write[R, R]", replace(self, shape="one"))

    def minimal(self) -> Write[R, None]:
        """Give nothing back: cheaper, and right where the caller may write but not read."""
        return cast("Write[R, None]", replace(self, shape="none"))

    def expect(self, rows: int) -> Write[R, T]:
        """In a batch: exactly this many rows must be affected, else the whole batch is undone."""
        return replace(self, expected=rows)

    def once(self, idempotency_key: str) -> Write[R, T]:
        """Let the server do this once per key however often it is sent, and give the same answer each time; so it is also
        tried again by itself when no answer came. A new write needs a new key, `uuid4().hex` say."""
        return replace(self, idempotency_key=idempotency_key)

    def call(self) -> Call:
        if self.expected is not None:
            raise ValueError("expect(…) is for writes inside a batch")
        headers = dict(ONE_ROW) if self.shape == "one" and self.method != "POST" else {}
        headers["prefer"] = self.prefer()
        if self.schema:
            headers["content-profile"] = self.schema
        body = None if self.body is None else encode(self.body)
        if body is not None:
            headers["content-type"] = "application/json"
        if self.idempotency_key:
            headers["idempotency-key"] = self.idempotency_key
        return Call(self.method, f"/rest/v1/{self.text()}", headers, body, repeatable=self.idempotency_key is not None)

    def prefer(self) -> str:
        wishes = ["return=minimal" if self.shape == "none" else "return=representation"]
        if self.resolution:
            wishes.append(f"resolution={self.resolution}")
        if self._uneven():
            wishes.append("missing=default")
        return ",".join(wishes)

    def text(self) -> str:
        """This write as the part of the URL after `/rest/v1/`."""
        parameters = [c.parameter() for c in self.conditions]
        if self.shape != "none":
            parameters.insert(0, ("select", self.columns))
        if self.on_conflict:
            parameters.append(("on_conflict", self.on_conflict))
        if self._uneven():
            # The server takes the union of the rows' keys only when told; what a row lacks gets the column's default.
            names = dict.fromkeys(key for row in self.body for key in row)
            parameters.append(("columns", ",".join(f'"{name}"' for name in names)))
        return to_path(self.name, parameters)

    def read(self, response: Response) -> T:
        return cast(T, read_rows(self.shape, self.build, response))

    def _uneven(self) -> bool:
        return isinstance(self.body, (list, tuple)) and len({frozenset(row) for row in self.body if isinstance(row, Mapping)}) > 1


@overload
def table(name: str, *, schema: str | None = None) -> Select[Row, list[Row]]: ...
@overload
def table(name: str, model: type[M], *, schema: str | None = None) -> Select[M, list[M]]: ...
def table(name: str, model: type[Any] | None = None, *, schema: str | None = None) -> Select[Any, Any]:
    """A table or view of the project. Run as it is, it reads every row the caller may see.

    `model`: a dataclass (or any class called with the columns as keywords, a pydantic model say) that rows become;
    its fields name the columns that are read.
    """
    if model is None:
        return Select(name, as_is, schema=schema)
    return Select(name, lambda row: model(**row), columns_of(model), schema=schema)


def columns_of(model: type[Any]) -> str:
    """The columns that a model's fields name."""
    if dataclasses.is_dataclass(model):
        names = [field.name for field in dataclasses.fields(model) if field.init]
    else:
        names = list(getattr(model, "model_fields", ())) or ["*"]
    return ",".join(names)


def as_is(row: Row) -> Row:
    return row


def to_path(name: str, parameters: list[tuple[str, str]]) -> str:
    tail = "&".join(f"{quote(key, safe='.')}={quote(value, safe='.,:()*')}" for key, value in parameters)
    return f"{quote(name, safe='')}?{tail}" if tail else quote(name, safe="")


def read_rows(shape: Shape, build: Callable[[Row], Any], response: Response) -> Any:
    if shape == "none":
        return None
    found = decode(response)
    rows = found if isinstance(found, list) else [] if found is None else [found]
    if shape in ("one", "maybe"):
        if not rows and shape == "one":
            raise NotFound("The result has no row", code="PGRST116", status=406)
        if len(rows) > 1:
            raise _too_many(len(rows))
        return build(rows[0]) if rows else None
    built = [build(row) for row in rows]
    if shape == "slice":
        return Slice(built, response.headers.get("x-baaskit-cursor"))
    return built if shape == "list" else Page(built, _total(response))


def _too_many(rows: int) -> Exception:
    return BadRequest("One row was expected and there are more", code="PGRST116", status=406, details=f"The result contains {rows} rows")


def _total(response: Response) -> int:
    total = response.headers.get("content-range", "").rpartition("/")[2]
    if not total.isdigit():
        raise UnreadableAnswer("The answer does not say how many rows there are in all", status=response.status)
    return int(total)
