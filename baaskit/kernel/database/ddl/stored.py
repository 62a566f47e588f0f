"""The text of CREATE TABLE as SQLite keeps it, taken apart into columns and constraints, changed, and put together."""

from __future__ import annotations

from dataclasses import dataclass, replace

from baaskit.kernel.database.ddl.text import Source, Words, read_words
from baaskit.kernel.database.ddl.types import quote

TYPE_CHECK = "type:"  # a check of this name is part of the column's type (docs/reference/sql.md)
_CLAUSES = ("CONSTRAINT", "PRIMARY", "NOT", "NULL", "UNIQUE", "CHECK", "DEFAULT", "COLLATE", "REFERENCES", "GENERATED", "AS")
_WHOLE = ("CONSTRAINT", "PRIMARY", "UNIQUE", "CHECK", "FOREIGN")


@dataclass(frozen=True, slots=True)
class Clause:
    """One constraint: `kind` is its first keyword, `name` the one given by CONSTRAINT."""

    kind: str
    text: str
    name: str = ""

    @property
    def written(self) -> str:
        return (f"CONSTRAINT {quote(self.name)} " if self.name else "") + self.text


@dataclass(frozen=True, slots=True)
class ColumnText:
    name: str
    type: str
    clauses: tuple[Clause, ...] = ()

    @property
    def written(self) -> str:
        return " ".join([quote(self.name), self.type, *(c.written for c in self.clauses)]).strip()

    def without(self, kind: str, name: str | None = None) -> ColumnText:
        return replace(self, clauses=tuple(c for c in self.clauses if c.kind != kind or (name is not None and c.name != name)))

    def having(self, *clauses: Clause) -> ColumnText:
        return replace(self, clauses=self.clauses + clauses)

    def clause(self, kind: str) -> Clause | None:
        return next((c for c in self.clauses if c.kind == kind), None)


@dataclass(frozen=True, slots=True)
class TableText:
    """A table's definition; `options` is what follows the brackets (STRICT, WITHOUT ROWID)."""

    columns: tuple[ColumnText, ...]
    constraints: tuple[Clause, ...] = ()
    options: str = ""

    def create(self, name: str) -> str:
        """CREATE TABLE, in lines: what a person sees who opens the file with an SQL shell."""
        items = [c.written for c in self.columns] + [c.written for c in self.constraints]
        return f"CREATE TABLE {quote(name)} (\n  " + ",\n  ".join(items) + f"\n){' ' + self.options if self.options else ''}"

    def column(self, name: str) -> ColumnText:
        return next(c for c in self.columns if c.name.lower() == name.lower())

    def put(self, column: ColumnText) -> TableText:
        """Replace the column of that name."""
        return replace(self, columns=tuple(column if c.name.lower() == column.name.lower() else c for c in self.columns))

    def named(self, name: str) -> Clause | None:
        """The constraint of that name, wherever it is written."""
        every = [*self.constraints, *(c for column in self.columns for c in column.clauses)]
        return next((c for c in every if c.name == name), None)

    def without(self, name: str) -> TableText:
        """Without the constraint of that name."""
        columns = tuple(replace(c, clauses=tuple(k for k in c.clauses if k.name != name)) for c in self.columns)
        return replace(self, columns=columns, constraints=tuple(c for c in self.constraints if c.name != name))


def parse(text: str) -> TableText:
    """Read what SQLite keeps in sqlite_schema; any writer's style."""
    source = Source(text)
    words = Words(source, read_words(source, "sqlite"))
    words.until("(")
    body = words.brackets()
    columns, constraints = [], []
    for item in body.split():
        if item.peek() in _WHOLE:
            constraints.append(read_clause(item))
        else:
            columns.append(_column(item))
    return TableText(tuple(columns), tuple(constraints), words.text)


def _column(item: Words) -> ColumnText:
    name = item.words[item.at].text  # SQLite also admits 'name' and [name]
    if item.sees("["):
        name = item.until("]", least=2).text[1:]
        item.accept("]")
    else:
        item.at += 1
    kind = item.until(*_CLAUSES).text
    clauses = []
    while not item.ended:
        clauses.append(read_clause(item))
    return ColumnText(name, kind, tuple(clauses))


def read_clause(item: Words) -> Clause:
    """The next constraint of a column or table."""
    name = item.name() if item.accept("CONSTRAINT") else ""
    kind = item.peek()
    begin = item.start
    if kind == "NOT" or kind == "PRIMARY" or kind == "DEFAULT":
        item.until(*_CLAUSES, least=2)
    elif kind == "GENERATED":
        item.accept("GENERATED", "ALWAYS")
        item.until(*_CLAUSES, least=1)
    elif kind == "REFERENCES" or kind == "FOREIGN":
        _references(item)
    else:
        item.until(*_CLAUSES, least=1)
    end = item.words[item.at - 1].end
    return Clause("NOT NULL" if kind == "NOT" else kind, item.source.text[begin:end], name)


def _references(item: Words) -> None:
    """`… REFERENCES t (c) ON DELETE SET NULL DEFERRABLE`: SET NULL, SET DEFAULT and NOT DEFERRABLE are not clauses of their own."""
    while True:
        item.until(*_CLAUSES, least=1)
        before = [item.words[item.at - i].key for i in (1,) if item.at >= i]
        if item.ended or not (before[0] == "SET" or item.sees("NOT", "DEFERRABLE") or item.sees("REFERENCES")):
            return
