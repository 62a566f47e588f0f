"""The typed tree → a SQLAlchemy condition for SQLite or PostgreSQL: which rows?

Only custom operators and explicit parentheses are used: SQLAlchemy's own rewriting of `not`, `is` and `and` is never
relied on. Literals of the policy are written into the text, claims are bind parameters (`claims.CLAIM_BINDS`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, assert_never

from sqlalchemy import ColumnElement, FromClause, bindparam, func, literal_column, select
from sqlalchemy.sql.elements import ClauseList, Grouping
from sqlalchemy.types import Text

from baaskit.kernel.policy import expr as e
from baaskit.kernel.policy import scalars
from baaskit.kernel.policy.claims import CLAIM_BINDS
from baaskit.kernel.policy.expr import OLD, Expr, Source, quote_text
from baaskit.kernel.schema import TableName, Type

Dialect = Literal["sqlite", "postgresql"]
Sql = ColumnElement[Any]


def to_sql(
    expr: Expr, row: FromClause, *, dialect: Dialect, resolve: Callable[[TableName], FromClause], old: FromClause | None = None
) -> ColumnElement[bool]:
    """The condition over `row`; `old` is where `old.column` is read. Only true admits: false and NULL refuse.

    `resolve` gives the table of a sub-select, which is aliased here. Statements that use the result need the values of
    `claim_binds`; SQLite connections need `register_functions`.
    """

    def column(source: Source, name: str) -> Sql:
        if source == OLD:
            if old is None:
                raise ValueError("this condition reads old.column and no old row was given")
            return old.c[name]
        return row.c[name]

    def claim(name: e.ClaimName) -> Sql:
        return bindparam(CLAIM_BINDS[name], type_=Text())

    compiler: SqliteCompiler | PostgresCompiler
    compiler = SqliteCompiler(column, claim, resolve) if dialect == "sqlite" else PostgresCompiler(column, claim, resolve)
    return words(compiler.compile(expr))


def words(*parts: str | Sql) -> Sql:
    """The parts in this order with spaces between, inside parentheses; strings are SQL."""
    found = [literal_column(p) if isinstance(p, str) else p for p in parts]
    return Grouping(ClauseList(*found, operator=None, group=False, group_contents=False))  # type: ignore[arg-type]


def joined(operands: list[Sql], separator: str) -> Sql:
    parts: list[str | Sql] = []
    for operand in operands:
        parts += [separator, operand] if parts else [operand]
    return words(*parts)


@dataclass
class Compiler:
    """What both databases share. `column` and `claim` say where values come from; `resolve` finds tables of sub-selects."""

    column: Callable[[Source, str], Sql]
    claim: Callable[[e.ClaimName], Sql]
    resolve: Callable[[TableName], FromClause]

    def __post_init__(self) -> None:
        self._sources: dict[Source, FromClause] = {}

    def compile(self, expr: Expr) -> Sql:
        match expr:
            case e.Literal():
                return self.literal(expr)
            case e.Column(source=source, name=name):
                found = self._sources[source].c[name] if source in self._sources else self.column(source, name)
                return self.read(found, expr.type)
            case e.Claim(name=name):
                return self.read_claim(self.claim(name), expr.type)
            case e.Not(operand=operand):
                return words("NOT", self.compile(operand))
            case e.And(operands=operands):
                return joined([self.compile(o) for o in operands], "AND")
            case e.Or(operands=operands):
                return joined([self.compile(o) for o in operands], "OR")
            case e.Compare(op=op, left=left, right=right):
                return words(self.compile(left), op, self.compile(right), *self.order(left.type, op))
            case e.Distinct(left=left, right=right, negated=negated):
                return words(self.compile(left), "IS NOT DISTINCT FROM" if negated else "IS DISTINCT FROM", self.compile(right))
            case e.Is(operand=operand, value=value, negated=negated):
                name = {None: "NULL", True: "TRUE", False: "FALSE"}[value]
                return words(self.compile(operand), f"IS NOT {name}" if negated else f"IS {name}")
            case e.InList(operand=operand, items=items):
                return words(self.compile(operand), "IN", joined([self.compile(i) for i in items], ","))
            case e.AnyOf(operand=operand, array=array):
                return self.any_of(self.compile(operand), self.compile(array))
            case e.Like(operand=operand, pattern=pattern, insensitive=insensitive):
                return self._like(self.compile(operand), pattern, insensitive)
            case e.Arith(op=op, left=left, right=right):
                return self.arithmetic(op, self.compile(left), self.compile(right), expr.type)
            case e.Concat(left=left, right=right):
                return words(self.compile(left), "||", self.compile(right))
            case e.Case(whens=whens, default=default):
                steps = [p for w, t in whens for p in ("WHEN", self.compile(w), "THEN", self.compile(t))]
                return words("CASE", *steps, "ELSE", self.compile(default), "END")
            case e.Coalesce(operands=operands):
                return (
                    words("coalesce", joined([self.compile(o) for o in operands], ",")) if len(operands) > 1 else self.compile(operands[0])
                )
            case e.Call(function=function, operand=operand):
                return self.call(function, self.compile(operand))
            case e.JsonGet(operand=operand, key=key):
                return self.json_get(self.compile(operand), operand.type, key, expr.type == e.TEXT)
            case e.Element(operand=operand, index=index):
                return self.element(self.compile(operand), index)
            case e.Cast(operand=operand):
                return self.cast(self.compile(operand), operand.type, expr.type)
            case e.Exists(query=query):
                return words("EXISTS", self._query(query))
            case e.InQuery(operand=operand, query=query):
                return words(self.compile(operand), "IN", self._query(query))
            case _:
                assert_never(expr)

    def _query(self, query: e.Query) -> Sql:
        """The sub-select, every table under an alias that no statement around it uses."""
        for source in query.sources:
            assert source.table is not None
            self._sources[source] = self.resolve(source.table).alias(f"policy_{source.number}_{source.alias}")
        tables = [self._sources[s] for s in query.sources]
        statement = select(literal_column("1") if query.output is None else self.compile(query.output)).select_from(*tables)
        if query.where is not None:
            statement = statement.where(self.compile(query.where))
        return statement.correlate_except(*tables).scalar_subquery()

    def _like(self, operand: Sql, pattern: str, insensitive: bool) -> Sql:
        if insensitive:
            operand, pattern = self.call("lower", operand), scalars.lower(pattern)
        return words(operand, "LIKE", quote_text(pattern), "ESCAPE", quote_text("\\"))

    # Where the databases differ

    def read(self, column: Sql, type: Type) -> Sql:
        raise NotImplementedError

    def read_claim(self, claim: Sql, type: Type) -> Sql:
        raise NotImplementedError

    def order(self, type: Type, op: str) -> tuple[str, ...]:
        raise NotImplementedError

    def literal(self, literal: e.Literal) -> Sql:
        raise NotImplementedError

    def any_of(self, operand: Sql, array: Sql) -> Sql:
        raise NotImplementedError

    def arithmetic(self, op: str, left: Sql, right: Sql, type: Type) -> Sql:
        raise NotImplementedError

    def call(self, function: e.Function, operand: Sql) -> Sql:
        raise NotImplementedError

    def json_get(self, operand: Sql, source: Type, key: str | int, as_text: bool) -> Sql:
        raise NotImplementedError

    def element(self, operand: Sql, index: int) -> Sql:
        raise NotImplementedError

    def cast(self, operand: Sql, source: Type, target: Type) -> Sql:
        raise NotImplementedError


class SqliteCompiler(Compiler):
    """SQLite: values as `docs/architecture.md` keeps them; what it lacks are the functions of `sqlite_functions`."""

    def read(self, column: Sql, type: Type) -> Sql:
        return column

    def read_claim(self, claim: Sql, type: Type) -> Sql:
        return words("CAST(", claim, "AS INTEGER)") if type.family == "int" else claim

    def order(self, type: Type, op: str) -> tuple[str, ...]:
        return ()  # BINARY is the order of code points already

    def literal(self, literal: e.Literal) -> Sql:
        value = literal.value
        if isinstance(value, bool):
            return literal_column("TRUE" if value else "FALSE")
        return literal_column("NULL" if value is None else quote_text(value) if isinstance(value, str) else str(value))

    def any_of(self, operand: Sql, array: Sql) -> Sql:
        return func.baas_any(operand, array)

    def arithmetic(self, op: str, left: Sql, right: Sql, type: Type) -> Sql:
        name = func.baas_float if type.family == "float" else func.baas_arith
        return name(literal_column(quote_text(op)), left, right)

    def call(self, function: e.Function, operand: Sql) -> Sql:
        native = {"lower": func.lower, "upper": func.upper, "length": func.length, "array_length": func.baas_array_length}
        stored = {
            "storage.foldername": func.baas_foldername,
            "storage.filename": func.baas_filename,
            "storage.extension": func.baas_extension,
        }
        found: Sql = {**native, **stored}[function](operand)
        return found

    def json_get(self, operand: Sql, source: Type, key: str | int, as_text: bool) -> Sql:
        shown: Sql = literal_column(quote_text(key) if isinstance(key, str) else str(key))
        return func.baas_json_text(operand, shown) if as_text else func.baas_json_get(operand, shown)

    def element(self, operand: Sql, index: int) -> Sql:
        return func.baas_element(operand, literal_column(str(index)))

    def cast(self, operand: Sql, source: Type, target: Type) -> Sql:
        match (source.family, target.family):
            case ("text", "text"):
                return operand
            case ("text", _):
                return func.baas_cast(operand, literal_column(quote_text(target.name)))
            case ("bool", "text"):
                return words("CASE", operand, "WHEN TRUE THEN 'true' WHEN FALSE THEN 'false' END")
            case ("int", "text"):
                return words("CAST(", operand, "AS TEXT)")
            case (_, "float"):
                return words("CAST(", operand, "AS REAL)")
            case ("timestamptz" | "timestamp" | "date", family):
                return words(
                    "CASE WHEN",
                    operand,
                    "IN ('infinity', '-infinity') THEN",
                    operand,
                    "ELSE",
                    *_sqlite_time(operand, source, family),
                    "END",
                )
            case _:
                return operand


def _sqlite_time(operand: Sql, source: Type, target: str) -> tuple[str | Sql, ...]:
    match (source.family, target):
        case ("date", "timestamp"):
            return (operand, "|| 'T00:00:00'")
        case ("date", "timestamptz"):
            return (operand, "|| 'T00:00:00+00:00'")
        case ("timestamp", "timestamptz"):
            return (operand, "|| '+00:00'")
        case ("timestamptz", "timestamp"):
            return (func.replace(operand, literal_column("'+00:00'"), literal_column("''")),)
        case (_, "date"):
            return (func.substr(operand, literal_column("1"), literal_column("10")),)
        case _:
            return (operand,)


_INT = r"'^[ \t\n\r\v\f]*[+-]?[0-9]{1,18}[ \t\n\r\v\f]*$'"
_NUMBER = r"'^[ \t\n\r\v\f]*[+-]?([0-9]{1,30}([.][0-9]{0,30})?|[.][0-9]{1,30})([eE][+-]?[0-9]{1,2})?[ \t\n\r\v\f]*$'"
_BOOL = r"'^[ \t\n\r\v\f]*(t|tr|tru|true|y|ye|yes|on|1|f|fa|fal|fals|false|n|no|of|off|0)[ \t\n\r\v\f]*$'"
_UUID = "'^[0-9a-fA-F]{8}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{12}$'"


class PostgresCompiler(Compiler):
    """PostgreSQL: as it was written, but for text order, casts that must not raise and arithmetic that must not overflow."""

    def read(self, column: Sql, type: Type) -> Sql:
        plain = type.family != "text" or type.array or type.name in ("text", "varchar", "inet")
        return column if plain else words("CAST(", column, "AS text)")

    def read_claim(self, claim: Sql, type: Type) -> Sql:
        return words("CAST(", claim, f"AS {type.sql})")

    def order(self, type: Type, op: str) -> tuple[str, ...]:
        return ('COLLATE "C"',) if type.family == "text" and op not in ("=", "<>") else ()

    def literal(self, literal: e.Literal) -> Sql:
        value, type = literal.value, literal.type
        if isinstance(value, bool):
            return literal_column("TRUE" if value else "FALSE")
        if value is None:
            return literal_column(f"CAST(NULL AS {type.reference})")
        if not isinstance(value, str):
            return literal_column(f"({value})")
        return literal_column(quote_text(value) if type.family == "text" else f"CAST({quote_text(value)} AS {type.reference})")

    def any_of(self, operand: Sql, array: Sql) -> Sql:
        return words(operand, "= ANY (", array, ")")

    def arithmetic(self, op: str, left: Sql, right: Sql, type: Type) -> Sql:
        if type.family == "float":
            return words(left, op, words("nullif(", right, ", 0)") if op == "/" else right)
        left, right = words("CAST(", left, "AS numeric)"), words("CAST(", right, "AS numeric)")
        if op in "/%":
            return words("div(" if op == "/" else "mod(", left, ", nullif(", right, ", 0))")
        return words(left, op, right)

    def call(self, function: e.Function, operand: Sql) -> Sql:
        filename = words("reverse(split_part(reverse(nullif(", operand, ", '')), '/', 1))")
        match function:
            case "storage.foldername":
                parts = words("string_to_array(nullif(", operand, ", ''), '/')")
                return words(parts, "[1 : array_length(", parts, ", 1) - 1]")
            case "storage.filename":
                return filename
            case "storage.extension":
                return words("reverse(split_part(reverse(", filename, "), '.', 1))")
            case "array_length":
                return words("array_length(", operand, ", 1)")
            case _:
                return words(f"{function}(", operand, ")")

    def json_get(self, operand: Sql, source: Type, key: str | int, as_text: bool) -> Sql:
        document = words("CAST(", operand, "AS jsonb)") if source.name == "json" else operand
        shown = f"CAST({quote_text(key)} AS text)" if isinstance(key, str) else f"({key})"
        return words(document, "->>" if as_text else "->", shown)

    def element(self, operand: Sql, index: int) -> Sql:
        return words(operand, f"[{index}]")

    def cast(self, operand: Sql, source: Type, target: Type) -> Sql:
        match (source.family, target.family):
            case ("text", "text"):
                return words("CAST(", operand, "AS text)")
            case ("text", family):
                form, bare = {"int": _INT, "numeric": _NUMBER, "float": _NUMBER, "bool": _BOOL, "uuid": _UUID}[family], operand
                match_case = "~*" if family == "bool" else "~"
                # Without the guard one row with an odd text would fail everyone's whole query.
                return words("CASE WHEN", bare, match_case, form, "THEN CAST(", bare, f"AS {target.name}) END")
            case ("timestamptz", "timestamp" | "date") | ("timestamp", "timestamptz"):
                return words("CAST(", operand, f"AT TIME ZONE 'UTC' AS {target.reference})")
            case ("date", "timestamptz"):
                return words("CAST(", operand, "AS timestamp) AT TIME ZONE 'UTC'")
            case _:
                return words("CAST(", operand, f"AS {target.reference})")
