"""What was written + a schema → the typed tree, or a Fault that points at the word that does not fit.

PostgreSQL's rules of types are kept where both databases and Python can keep them; the rest is refused with the way out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from typing import NoReturn

from baaskit.errors import nearest
from baaskit.kernel.policy import expr as e
from baaskit.kernel.policy import scalars
from baaskit.kernel.policy.expr import BOOL, FLOAT8, INT8, JSONB, NUMERIC, OLD, ROW, TEXT, TEXTS, TIMESTAMPTZ, UUID, Expr, Source
from baaskit.kernel.policy.source import Source as Text
from baaskit.kernel.policy.source import Span
from baaskit.kernel.policy.syntax import MAX_DEPTH, Syntax
from baaskit.kernel.schema import ALIASES, Schema, Table, TableName, Type

UNKNOWN = Type("unknown")  # a bare string or null that takes the type of its neighbour, as in PostgreSQL
_NUMBERS = ("int", "numeric", "float")  # widening order
_COMPARABLE = {"int", "numeric", "float", "text", "bool", "uuid", "timestamptz", "timestamp", "date", "enum"}
_TEXT_TYPES = {"text", "varchar", "bpchar", "name", "citext"}
_KNOWN_TYPES = (
    "text", "varchar", "int2", "int4", "int8", "numeric", "float4", "float8", "bool", "uuid", "timestamptz",
    "timestamp", "date", "json", "jsonb",
)  # fmt: skip

_CLAIM_CALLS: dict[str, tuple[e.ClaimName, Type]] = {
    "auth.role": ("role", TEXT), "auth.email": ("email", TEXT), "auth.jwt": ("jwt", JSONB),
    "realtime.topic": ("topic", TEXT), "now": ("now", TIMESTAMPTZ),
}  # fmt: skip
_TEXT_CALLS: dict[str, tuple[e.Function, Type]] = {
    "lower": ("lower", TEXT), "upper": ("upper", TEXT), "length": ("length", INT8), "char_length": ("length", INT8),
    "storage.foldername": ("storage.foldername", TEXTS), "storage.filename": ("storage.filename", TEXT),
    "storage.extension": ("storage.extension", TEXT),
}  # fmt: skip
_UIDS: dict[str, tuple[e.ClaimName, Type]] = {"uuid": ("uid", UUID), "int": ("uid_int", INT8), "text": ("uid_text", TEXT)}
_CALLS = sorted({"auth.uid", *_CLAIM_CALLS, *_TEXT_CALLS, "coalesce", "nullif", "array_length"})


@dataclass
class _Scope:
    """The tables that names can mean at one level; `outer` is the level around a sub-select."""

    tables: dict[str, tuple[Source, Table]]
    outer: _Scope | None = None


@dataclass
class Checker:
    """Checks the expressions of one policy on `table`. `old` says whether `old.column` is allowed."""

    text: Text
    schema: Schema
    table: Table
    old: bool = False
    _count: int = field(default=0, init=False)

    def condition(self, syntax: Syntax) -> Expr:
        """The checked boolean expression. Raises Fault."""
        try:
            found = self._boolean(
                syntax, _Scope({self.table.name.name: (replace(ROW, alias=self.table.name.name), self.table)}), "a policy"
            )
            if _depth(found) > MAX_DEPTH:
                self._refuse(f"an expression may be nested at most {MAX_DEPTH} deep", syntax.span)
        except RecursionError:
            self._refuse("an expression is nested too deeply", syntax.span)
        return found

    def _refuse(self, message: str, span: Span, hint: str | None = None) -> NoReturn:
        raise self.text.fault(message, span, hint)

    # Expressions

    def _expr(self, syntax: Syntax, scope: _Scope) -> Expr:
        """The typed node; a bare string or null still has type UNKNOWN."""
        rule: Callable[[Syntax, _Scope], Expr] = getattr(self, "_on_" + syntax.kind.replace(" ", "_"))
        found = rule(syntax, scope)
        return found if found.span == syntax.span else replace(found, span=syntax.span)

    def _known(self, syntax: Syntax, scope: _Scope, wanted: Type = TEXT) -> Expr:
        """The typed node; a bare string or null becomes `wanted`."""
        return self._settle(self._expr(syntax, scope), wanted)

    def _boolean(self, syntax: Syntax, scope: _Scope, where: str) -> Expr:
        found = self._known(syntax, scope, BOOL)
        if found.type != BOOL:
            self._refuse(f"{where} must be boolean, this is {found.type.sql}", syntax.span)
        return found

    def _settle(self, found: Expr, wanted: Type) -> Expr:
        if found.type != UNKNOWN:
            return found
        assert isinstance(found, e.Literal)
        if found.value is None:
            return replace(found, type=wanted)
        try:
            return e.Literal(scalars.literal(str(found.value), wanted), wanted, span=found.span)
        except ValueError:
            near = nearest(str(found.value), wanted.labels)
            shown = "value of " + wanted.sql if wanted.labels else wanted.sql
            self._refuse(f"'{found.value}' is not a {shown}", found.span, f"did you mean '{near}'?" if near else None)

    def _on_string(self, syntax: Syntax, scope: _Scope) -> Expr:
        return e.Literal(syntax.value, UNKNOWN)

    def _on_null(self, syntax: Syntax, scope: _Scope) -> Expr:
        return e.Literal(None, UNKNOWN)

    def _on_true(self, syntax: Syntax, scope: _Scope) -> Expr:
        return e.TRUE

    def _on_false(self, syntax: Syntax, scope: _Scope) -> Expr:
        return e.FALSE

    def _on_number(self, syntax: Syntax, scope: _Scope) -> Expr:
        value = scalars.from_text(syntax.value, INT8 if syntax.value.isdigit() else NUMERIC)
        if value is None:
            self._refuse(f"{syntax.value} is too large for a policy", syntax.span)
        return e.Literal(value, INT8 if isinstance(value, int) else NUMERIC)

    def _on_negative(self, syntax: Syntax, scope: _Scope) -> Expr:
        operand = self._on_plus(syntax, scope)
        if isinstance(operand, e.Literal) and operand.value is not None:
            return replace(operand, value=-operand.value)  # type: ignore[operator]
        zero = e.Literal(0, INT8)
        return self._arithmetic("-", self._widen(zero, operand.type), operand)

    def _on_plus(self, syntax: Syntax, scope: _Scope) -> Expr:
        return self._numeric(self._known(syntax.parts[0], scope, INT8))

    def _on_not(self, syntax: Syntax, scope: _Scope) -> Expr:
        return e.Not(self._boolean(syntax.parts[0], scope, "the operand of not"))

    def _on_binary(self, syntax: Syntax, scope: _Scope) -> Expr:
        op = syntax.value
        if op in ("and", "or"):
            parts = tuple(self._boolean(p, scope, f"each side of {op}") for p in _spine(syntax))
            return e.And(parts) if op == "and" else e.Or(parts)
        if op in ("->", "->>"):
            return self._json(syntax, scope)
        left, right = self._expr(syntax.parts[0], scope), self._expr(syntax.parts[1], scope)
        if op == "||":
            left, right = self._settle(left, TEXT), self._settle(right, TEXT)
            for side in (left, right):
                self._want_text(side, "||")
            return e.Concat(left, right)
        if op in ("+", "-", "*", "/", "%"):
            left, right = self._settle(left, _settled(right.type, INT8)), self._settle(right, _settled(left.type, INT8))
            return self._arithmetic(op, self._numeric(left), self._numeric(right))
        left, right = self._pair(left, right, op, syntax.span)
        return e.Compare(op, left, right)  # type: ignore[arg-type]

    def _on_distinct(self, syntax: Syntax, scope: _Scope) -> Expr:
        left, right = (self._expr(p, scope) for p in syntax.parts)
        left, right = self._pair(left, right, "is distinct from", syntax.span)
        return e.Distinct(left, right, bool(syntax.value))

    def _on_is(self, syntax: Syntax, scope: _Scope) -> Expr:
        negated, word = syntax.value.startswith("not "), syntax.value.removeprefix("not ")
        if word == "null":
            return e.Is(self._known(syntax.parts[0], scope), None, negated)
        operand = self._boolean(syntax.parts[0], scope, f"the operand of is {word}")
        return e.Is(operand, {"true": True, "false": False, "unknown": None}[word], negated)

    def _on_between(self, syntax: Syntax, scope: _Scope) -> Expr:
        value, low, high = (self._expr(p, scope) for p in syntax.parts)
        above, below = self._pair(value, low, ">=", syntax.span), self._pair(value, high, "<=", syntax.span)
        return e.And((e.Compare(">=", *above, span=syntax.span), e.Compare("<=", *below, span=syntax.span)))

    def _on_in(self, syntax: Syntax, scope: _Scope) -> Expr:
        operands = self._unify([self._expr(p, scope) for p in syntax.parts], "in", syntax.span)
        return e.InList(operands[0], tuple(operands[1:]))

    def _on_any(self, syntax: Syntax, scope: _Scope) -> Expr:
        array = self._expr(syntax.parts[1], scope)
        if not array.type.array:
            self._refuse(f"any (…) needs an array or a sub-select, this is {_shown(array.type)}", array.span)
        operand, _ = self._pair(self._expr(syntax.parts[0], scope), e.Literal(None, replace(array.type, array=False)), "=", syntax.span)
        return e.AnyOf(operand, array)

    def _on_like(self, syntax: Syntax, scope: _Scope) -> Expr:
        operand = self._known(syntax.parts[0], scope)
        self._want_text(operand, syntax.kind)
        pattern, escape = syntax.parts[1], syntax.parts[2] if len(syntax.parts) > 2 else None
        if pattern.kind != "string" or (escape is not None and (escape.kind != "string" or len(escape.value) != 1)):
            self._refuse(f"the pattern of {syntax.kind} must be a plain string", (escape or pattern).span)
        return e.Like(operand, self._pattern(pattern, escape.value if escape else "\\"), syntax.kind == "ilike")

    _on_ilike = _on_like

    def _pattern(self, pattern: Syntax, escape: str) -> str:
        """The pattern with `\\` as its escape character."""
        found, characters = "", iter(pattern.value)
        for character in characters:
            if character == escape:
                following = next(characters, None)
                if following is None:
                    self._refuse("a pattern must not end with its escape character", pattern.span)
                found += "\\" + following
            else:
                found += "\\\\" if character == "\\" else character
        return found

    def _on_case(self, syntax: Syntax, scope: _Scope) -> Expr:
        parts = list(syntax.parts)
        subject = self._expr(parts.pop(0), scope) if syntax.value else None
        default = self._expr(parts.pop(), scope) if len(parts) % 2 else e.Literal(None, UNKNOWN)
        conditions: list[Expr] = []
        for part in parts[::2]:
            if subject is None:
                conditions.append(self._boolean(part, scope, "the condition of when"))
            else:
                conditions.append(e.Compare("=", *self._pair(subject, self._expr(part, scope), "=", part.span), span=part.span))
        results = self._unify([*(self._expr(p, scope) for p in parts[1::2]), default], "case", syntax.span)
        return e.Case(tuple(zip(conditions, results[:-1], strict=True)), results[-1], results[-1].type)

    def _on_cast(self, syntax: Syntax, scope: _Scope) -> Expr:
        target = self._type(syntax)
        operand = self._expr(syntax.parts[0], scope)
        if operand.type == UNKNOWN:
            return self._settle(operand, target)
        if operand.type == target:
            return operand
        source = operand.type
        if source.array or target.array or target.family not in scalars.CASTS.get(source.family, ()) or self._other_enum(source, target):
            hint = "read it as text with ->> and cast that" if source.family == "json" else None
            self._refuse(f"a cast from {source.sql} to {target.sql} is not allowed in policies", syntax.span, hint)
        if source.family == "text" and source.name not in _TEXT_TYPES:
            self._refuse(f"a cast from {source.sql} is not allowed in policies", syntax.span)
        if target.family == "int":
            target = INT8
        return e.Cast(operand, target)

    @staticmethod
    def _other_enum(source: Type, target: Type) -> bool:
        return bool(source.labels and target.labels) and source != target

    def _on_index(self, syntax: Syntax, scope: _Scope) -> Expr:
        operand = self._expr(syntax.parts[0], scope)
        if not operand.type.array:
            self._refuse(f"only an array has elements, this is {_shown(operand.type)}", operand.span)
        return e.Element(operand, int(syntax.value), replace(operand.type, array=False))

    def _on_scalar(self, syntax: Syntax, scope: _Scope) -> Expr:
        select = syntax.parts[0]
        if len(select.parts) == 1 and select.parts[0].kind not in ("table", "where", "star"):
            return self._expr(select.parts[0], scope)  # (select auth.uid()) is auth.uid()
        self._refuse("a sub-select cannot stand for a value in a policy", syntax.span, "write: value in (select …), or exists (select …)")

    def _on_exists(self, syntax: Syntax, scope: _Scope) -> Expr:
        query, _ = self._query(syntax.parts[0], scope, False)
        return e.Exists(query)

    def _on_in_query(self, syntax: Syntax, scope: _Scope) -> Expr:
        operand = self._expr(syntax.parts[0], scope)
        query, output = self._query(syntax.parts[1], scope, True)
        assert output is not None
        left, right = self._pair(operand, output, "in", syntax.span)
        return e.InQuery(left, replace(query, output=right))

    def _on_call(self, syntax: Syntax, scope: _Scope) -> Expr:
        name, given = syntax.value.removeprefix("pg_catalog."), len(syntax.parts)
        if name == "auth.uid" or name in _CLAIM_CALLS:
            self._arguments(syntax, 0)
            claim, type = _CLAIM_CALLS[name] if name in _CLAIM_CALLS else _UIDS[self.schema.uid.family]
            return e.Claim(claim, type)
        if name in _TEXT_CALLS:
            self._arguments(syntax, 1)
            operand = self._known(syntax.parts[0], scope)
            self._want_text(operand, name)
            function, type = _TEXT_CALLS[name]
            return e.Call(function, operand, type)
        if name == "coalesce" and given:
            operands = self._unify([self._expr(p, scope) for p in syntax.parts], "coalesce", syntax.span)
            return e.Coalesce(tuple(operands), operands[0].type)
        if name == "nullif":
            self._arguments(syntax, 2)
            left, right = self._pair(self._expr(syntax.parts[0], scope), self._expr(syntax.parts[1], scope), "=", syntax.span)
            return e.Case(((e.Compare("=", left, right, span=syntax.span), e.Literal(None, left.type)),), left, left.type)
        if name == "array_length":
            self._arguments(syntax, 2)
            operand = self._expr(syntax.parts[0], scope)
            if not operand.type.array or syntax.parts[1].value != "1":
                self._refuse("array_length needs an array and the dimension 1", syntax.span)
            return e.Call("array_length", operand, INT8)
        near = nearest(name, _CALLS)
        self._refuse(f"function {name} is not allowed in policies", syntax.span, f"did you mean {near}?" if near else None)

    def _arguments(self, syntax: Syntax, wanted: int) -> None:
        if len(syntax.parts) != wanted:
            self._refuse(f"{syntax.value} takes {wanted or 'no'} argument{'' if wanted == 1 else 's'}", syntax.span)

    def _json(self, syntax: Syntax, scope: _Scope) -> Expr:
        operand, key = self._expr(syntax.parts[0], scope), syntax.parts[1]
        if operand.type.family != "json" or operand.type.array:
            self._refuse(f"{syntax.value} needs json, this is {_shown(operand.type)}", operand.span)
        type = TEXT if syntax.value == "->>" else JSONB
        if key.kind == "string":
            return e.JsonGet(operand, key.value, type)
        negative = key.kind == "negative"
        number = key.parts[0] if negative else key
        if number.kind != "number" or not number.value.isdigit() or len(number.value) > 9:
            self._refuse(f"the key after {syntax.value} must be a plain string or number", key.span)
        return e.JsonGet(operand, -int(number.value) if negative else int(number.value), type)

    # Names

    def _on_column(self, syntax: Syntax, scope: _Scope) -> Expr:
        names = [p.value for p in syntax.parts]
        if len(names) == 1:
            return self._unqualified(syntax, names[0], scope)
        if len(names) > 3:
            self._refuse("a column is written column, table.column or schema.table.column", syntax.span)
        return self._qualified(syntax, names, scope)

    def _qualified(self, syntax: Syntax, names: list[str], scope: _Scope) -> Expr:
        alias, name = names[-2], names[-1]
        if alias == "old" and len(names) == 2:
            if not self.old:
                self._refuse("old.column is only known in the with check of a policy for update", syntax.span)
            return self._column(OLD, self.table, name, syntax.parts[-1].span)
        level: _Scope | None = scope
        while level is not None:
            if alias in level.tables:
                source, table = level.tables[alias]
                if len(names) == 3 and (table.name.schema != names[0] or table.name.name != alias):
                    break
                return self._column(source, table, name, syntax.parts[-1].span)
            level = level.outer
        near = nearest(alias, _aliases(scope))
        self._refuse(f"unknown table '{'.'.join(names[:-1])}' here", syntax.parts[0].span, f"did you mean '{near}'?" if near else None)

    def _unqualified(self, syntax: Syntax, name: str, scope: _Scope) -> Expr:
        found: list[tuple[Source, Table]] = []
        level: _Scope | None = scope
        while level is not None:
            found += [(s, t) for s, t in level.tables.values() if name in t.by_name]
            level = level.outer
        if len(found) > 1:
            tables = " and ".join(f"'{source.alias or table.name.name}'" for source, table in found)
            hint = f"write {found[0][0].alias or found[0][1].name.name}.{name} or {found[-1][0].alias or found[-1][1].name.name}.{name}"
            self._refuse(f"column '{name}' could be of {tables}", syntax.span, hint)
        if not found:
            self._no_column(name, syntax.span, _columns(scope), "")
        source, table = found[0]
        return self._column(source, table, name, syntax.span)

    def _column(self, source: Source, table: Table, name: str, span: Span) -> Expr:
        column = table.by_name.get(name)
        if column is None:
            self._no_column(name, span, list(table.by_name), f" in {table.name}")
        return e.Column(source, name, column.type, span=span)

    def _no_column(self, name: str, span: Span, known: list[str], place: str) -> NoReturn:
        near = nearest(name, known)
        hint = f"did you mean '{near}'?" if near else "use auth.uid() or auth.role()" if name in ("current_user", "session_user") else None
        self._refuse(f"unknown column '{name}'{place}", span, hint)

    def _query(self, select: Syntax, outer: _Scope, output: bool) -> tuple[e.Query, Expr | None]:
        """The sub-select and, when `output` is asked for, its one output column."""
        scope = _Scope({}, outer)
        conditions: list[Syntax] = []
        outputs: list[Syntax] = []
        for part in select.parts:
            if part.kind == "table":
                self._add_table(part, scope)
                conditions += part.parts[1:]
            elif part.kind == "where":
                conditions += part.parts
            else:
                outputs.append(part)
        if not scope.tables:
            self._refuse("a sub-select of a policy needs from", select.span)
        where = [self._boolean(c, scope, "a condition") for c in conditions]
        found = None
        if output:
            if len(outputs) != 1 or outputs[0].kind == "star":
                self._refuse("this sub-select must have exactly one output column", select.span)
            found = self._output(outputs[0], scope)
        elif any(o.kind not in ("star", "number", "column", "true", "null", "string") for o in outputs):
            self._refuse("exists looks at rows only: write select 1", select.span)
        sources = tuple(source for source, _ in scope.tables.values())
        return e.Query(sources, e.all_of(tuple(where)) if where else None), found

    def _output(self, syntax: Syntax, scope: _Scope) -> Expr:
        """The output column. Unqualified it must be of the sub-select's own tables: of the outer it would be always true."""
        if syntax.kind == "column" and len(syntax.parts) == 1:
            name = syntax.parts[0].value
            if not any(name in table.by_name for _, table in scope.tables.values()):
                self._no_column(name, syntax.span, [c for _, t in scope.tables.values() for c in t.by_name], " in the sub-select")
            return self._expr(syntax, _Scope(scope.tables))
        return self._expr(syntax, scope)

    def _add_table(self, part: Syntax, scope: _Scope) -> None:
        written = part.parts[0]
        name = TableName(written.parts[0].value, written.value)
        table = self.schema.tables.get(name)
        if table is None:
            near = nearest(str(name), [str(n) for n in self.schema.tables])
            self._refuse(f"unknown table '{name}'", written.span, f"did you mean '{near}'?" if near else None)
        if part.value in scope.tables or part.value == "old":
            self._refuse(f"the name '{part.value}' is taken: give the table another alias", part.span)
        self._count += 1
        scope.tables[part.value] = (Source(part.value, self._count, name), table)

    # Types

    def _type(self, syntax: Syntax) -> Type:
        type = Type.parse(syntax.value)
        if type.family == "text" and type.name not in _TEXT_TYPES:
            self._refuse(f"type {type.sql} is not allowed in policies", syntax.span)
        if type.family != "other" and (type.family in scalars.CASTS):
            return type
        enums = {c.type.name: replace(c.type, array=False) for t in self.schema.tables.values() for c in t.columns if c.type.labels}
        if type.name in enums:
            return replace(enums[type.name], array=type.array)
        near = nearest(type.name, [*_KNOWN_TYPES, *ALIASES, *enums])
        self._refuse(f"type {syntax.value} is not allowed in policies", syntax.span, f"did you mean {near}?" if near else None)

    def _want_text(self, found: Expr, what: str) -> None:
        if found.type.array or found.type.family != "text" or found.type.name not in _TEXT_TYPES:
            hint = "cast it: …::text" if "text" in scalars.CASTS.get(found.type.family, ()) and not found.type.array else None
            self._refuse(f"{what} needs text, this is {_shown(found.type)}", found.span, hint)

    def _numeric(self, found: Expr) -> Expr:
        if found.type.array or found.type.family not in _NUMBERS:
            self._refuse(f"arithmetic needs numbers, this is {_shown(found.type)}", found.span)
        return found

    def _arithmetic(self, op: str, left: Expr, right: Expr) -> Expr:
        widest = _widest([left.type, right.type])
        span = left.span.to(right.span)
        if op == "%" and widest.family != "int":
            self._refuse("% needs integers", span)
        if op == "/" and widest.family == "numeric":
            self._refuse("division of numeric is not allowed in policies: databases round it differently", span, "multiply instead")
        result = INT8 if widest.family == "int" else widest
        return e.Arith(op, self._widen(left, result), self._widen(right, result), result, span=span)  # type: ignore[arg-type]

    def _widen(self, found: Expr, type: Type) -> Expr:
        """Numbers are compared and computed as floats when one of them is a float, as in PostgreSQL."""
        if type.family == "float" and found.type.family in ("int", "numeric"):
            return e.Cast(found, FLOAT8, span=found.span)
        return found

    def _unify(self, found: list[Expr], what: str, span: Span) -> list[Expr]:
        """All operands with one family: bare strings take it, numbers are widened."""
        known = [f.type for f in found if f.type != UNKNOWN]
        if not known:
            if all(isinstance(f, e.Literal) and f.value is None for f in found):
                self._refuse(f"all parts of {what} are null: cast one to the type that is meant", span)
            known = [TEXT]
        wanted = _widest(known) if all(t.family in _NUMBERS and not t.array for t in known) else known[0]
        settled = [self._widen(self._settle(f, wanted), wanted) for f in found]
        for part in settled:
            self._same(wanted, part.type, what, part.span)
        if what == "in":
            self._compare_check(wanted, "in", span)
        elif wanted.family in _NUMBERS:
            settled = [replace(p, type=wanted) if isinstance(p, e.Literal) else p for p in settled]
        return settled

    def _pair(self, left: Expr, right: Expr, op: str, span: Span) -> tuple[Expr, Expr]:
        """Both sides of a comparison with one family. Refuses comparing a column with itself."""
        one = _settled(right.type, TEXT) if left.type == UNKNOWN else left.type
        two = _settled(left.type, TEXT) if right.type == UNKNOWN else right.type
        left, right = self._settle(left, one), self._settle(right, two)
        if all(t.family in _NUMBERS and not t.array for t in (one, two)):
            widest = _widest([one, two])
            left, right = self._widen(left, widest), self._widen(right, widest)
        else:
            self._same(one, two, op, span)
        self._compare_check(one, op, span)
        if isinstance(left, e.Column) and left == right:
            self._refuse(f"column '{left.name}' is compared with itself", span, "name the table of each side")
        return left, right

    def _same(self, one: Type, two: Type, what: str, span: Span) -> None:
        fits = one.family == two.family or (one.family in _NUMBERS and two.family in _NUMBERS)
        if not fits or one.array != two.array or self._other_enum(one, two):
            hint = "cast one side, for example …::text" if "text" in (one.family, two.family) else None
            self._refuse(f"{what} cannot be used between {_shown(one)} and {_shown(two)}", span, hint)

    def _compare_check(self, type: Type, op: str, span: Span) -> None:
        plain_text = type.family != "text" or type.name in _TEXT_TYPES
        if type.array or type.family not in _COMPARABLE or not plain_text:
            hint = "read a text from it with ->>" if type.family == "json" else None
            self._refuse(f"values of {_shown(type)} cannot be compared in policies", span, hint)
        if type.family == "enum" and op in ("<", "<=", ">", ">="):
            self._refuse(f"values of {_shown(type)} can only be compared with =, <> and in", span)


def _settled(type: Type, otherwise: Type) -> Type:
    return otherwise if type == UNKNOWN else type


def _widest(types: list[Type]) -> Type:
    family = max((t.family for t in types), key=lambda f: _NUMBERS.index(f) if f in _NUMBERS else -1)
    return {"int": INT8, "numeric": NUMERIC, "float": FLOAT8}.get(family, types[0])


def _shown(type: Type) -> str:
    return "a string" if type == UNKNOWN else type.sql


def _spine(syntax: Syntax) -> list[Syntax]:
    """`a and b and c` → [a, b, c], whatever the grouping."""
    parts, waiting = [], [syntax]
    while waiting:
        part = waiting.pop()
        if part.kind == "binary" and part.value == syntax.value:
            waiting += [part.parts[1], part.parts[0]]
        else:
            parts.append(part)
    return parts


def _aliases(scope: _Scope | None) -> list[str]:
    return [] if scope is None else [*scope.tables, *_aliases(scope.outer)]


def _columns(scope: _Scope | None) -> list[str]:
    return [] if scope is None else [*(c for _, t in scope.tables.values() for c in t.by_name), *_columns(scope.outer)]


def _depth(thing: object) -> int:
    if isinstance(thing, tuple):
        return max((_depth(x) for x in thing), default=0)
    if isinstance(thing, (e.Node, e.Query)):
        return 1 + max(_depth(getattr(thing, f.name)) for f in fields(thing))  # type: ignore[arg-type]
    return 0
