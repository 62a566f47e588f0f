"""The answer around what a function returned: one value, one row, a list of them, or nothing."""

from __future__ import annotations

from dataclasses import dataclass, replace

from baaskit.errors.rest import MaxAffected, NoRowsToCount, NotSingular, RangeNotSatisfiable
from baaskit.kernel.database.calls import Called
from baaskit.kernel.plan import ReadPlan
from baaskit.kernel.procedures import Returns
from baaskit.kernel.query import Field, Item, Preferences, Query, Star
from baaskit.rest.answer import Answer, Header, array, content_range, without_nulls
from baaskit.rest.csv_text import csv_of
from baaskit.rest.reads import applied
from baaskit.rest.request import Media

_ALL = (Star(),)
_APPLIED = ("handling", "max-affected", "tx", "params")
_VALUE = slice(len('{"v":'), -1)  # of the JSON of a row that has only the member v


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked of a result that is `returns`. `query` is what to plan; with `bare` each row holds one value named v."""

    query: Query
    returns: Returns
    media: Media
    preferences: Preferences
    bare: bool = False

    @classmethod
    def of(cls, query: Query, name: str, returns: Returns, media: Media, preferences: Preferences) -> Wanted:
        """`name`: the function's, which is the name of its value where that has none."""
        bare = returns in ("value", "values") and query.select == _ALL and not media.csv
        if bare:
            query = replace(query, select=(Item(Field(name), "v"),))
        return cls(query, returns, media, preferences, bare)

    @property
    def many(self) -> bool:
        return self.returns in ("rows", "values")

    @property
    def scalar(self) -> bool:
        return self.returns in ("value", "values")

    @property
    def plain(self) -> bool:
        """Whether the result is wanted as it is."""
        return (self.bare or self.query.select == _ALL) and not self.query.levels and not self.media.csv and not self.preferences.count

    def check(self) -> None:
        """Refuse what cannot be asked of such a result, before the function runs. Raises NoRowsToCount."""
        if self.preferences.max_affected is not None and not self.many and self.returns != "any":
            raise NoRowsToCount()

    def answer(self, called: Called, plan: ReadPlan | None) -> Answer:
        """Raises NotSingular, MaxAffected, RangeNotSatisfiable: inside a transaction they undo the call."""
        if plan is None:
            return Answer(204, applied(self.preferences, "", _APPLIED))
        texts = [row[_VALUE] for row in called.rows] if self.bare else called.rows
        if self.media.csv:
            body = csv_of(called.rows, plan)
        elif self.many and not self.media.single:
            body = array(texts)
        else:
            body = texts[0].encode() if texts else b"null"
        return self._answer(body, len(texts), called.total)

    def answer_raw(self, body: bytes, rows: int) -> Answer:
        """The answer around JSON that nothing is asked of."""
        if self.many and self.media.single and rows == 1:
            body = body[1:-1]
        return self._answer(body, rows, rows if self.preferences.count else None)

    def _answer(self, body: bytes, rows: int, total: int | None) -> Answer:
        offset = self.query.root.offset
        first = int(self.query.values[offset]) if offset >= 0 else 0  # type: ignore[arg-type]
        if total is not None and first > total:
            raise RangeNotSatisfiable(details=f"An offset of {first} was requested, but there are only {total} rows.")
        if self.media.single and rows != 1 and not self.scalar:
            raise NotSingular(rows)
        if self.preferences.max_affected is not None and rows > self.preferences.max_affected:
            raise MaxAffected(rows)
        if self.media.strip_nulls:
            body = without_nulls(body)
        headers: list[Header] = [(b"content-type", self.media.content_type), (b"content-range", content_range(first, rows, total))]
        headers += applied(self.preferences, "exact" if total is not None else "", _APPLIED)
        return Answer(206 if total is not None and rows < total else 200, headers, body)
