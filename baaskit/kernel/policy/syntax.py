"""Tokens → what was written: an untyped tree with PostgreSQL's precedence. Names are resolved later, in `check`.

The grammar lists what is allowed; anything else has no rule and is refused by name. Where PostgreSQL reads a mix of
operators in a way that surprises people, parentheses are demanded.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NoReturn

from baaskit.errors import Fault
from baaskit.kernel.policy.source import Source, Span, Token

MAX_EXPRESSION = 8_000  # characters
MAX_NODES = 500
MAX_DEPTH = 60

OR, AND, NOT, IS, COMPARE, RANGE, OTHER, PLUS, TIMES, MINUS, INDEX, CAST, PRIMARY = range(1, 14)
_BINARY = {
    "or": OR, "and": AND,
    "=": COMPARE, "<>": COMPARE, "!=": COMPARE, "<": COMPARE, "<=": COMPARE, ">": COMPARE, ">=": COMPARE,
    "||": OTHER, "->": OTHER, "->>": OTHER, "+": PLUS, "-": PLUS, "*": TIMES, "/": TIMES, "%": TIMES,
}  # fmt: skip
_RANGE_WORDS = {"in", "like", "ilike", "between", "not"}
_RESERVED = {
    "all", "and", "any", "as", "asc", "between", "both", "case", "cast", "check", "collate", "cross", "desc", "distinct", "else", "end",
    "except", "exists", "fetch", "for", "from", "full", "group", "having", "ilike", "in", "inner", "intersect", "is", "isnull", "join",
    "lateral", "left", "like", "limit", "natural", "not", "notnull", "offset", "on", "or", "order", "outer", "right", "select",
    "similar", "some", "table", "then", "to", "union", "using", "when", "where", "window", "with",
}  # fmt: skip
_TYPE_PAIRS = {("character", "varying"), ("double", "precision")}


@dataclass(frozen=True, slots=True)
class Syntax:
    """One piece of what was written. `kind` names the rule; `value` its own word, `parts` its operands in order.

    `level` is the precedence of an operator written without parentheres around it, PRIMARY for everything else.
    """

    kind: str
    span: Span
    value: str = ""
    parts: tuple[Syntax, ...] = ()
    level: int = PRIMARY


class Parser:
    """A recursive descent over one list of tokens; `statements` drives it, `expression` reads one condition."""

    def __init__(self, source: Source, tokens: list[Token]) -> None:
        self.source, self.tokens, self.position = source, tokens, 0
        self.depth = self.nodes = 0

    # Moving over tokens

    @property
    def token(self) -> Token:
        return self.tokens[self.position]

    @property
    def done(self) -> bool:
        return self.token.kind == "end"

    def peek(self, distance: int = 1) -> Token:
        return self.tokens[min(self.position + distance, len(self.tokens) - 1)]

    def advance(self) -> Token:
        token = self.token
        if token.kind != "end":
            self.position += 1
        return token

    def at(self, *texts: str) -> bool:
        """Whether the next token is one of these words or symbols (never a quoted name or a string)."""
        return self.token.kind in ("word", "symbol") and self.token.text in texts

    def accept(self, *texts: str) -> Token | None:
        return self.advance() if self.at(*texts) else None

    def expect(self, *texts: str) -> Token:
        if not self.at(*texts):
            self.refuse(f"expected {' or '.join(repr(t) for t in texts)}, found {self.token}")
        return self.advance()

    def name(self, what: str) -> Token:
        """A quoted or plain name; plain ones arrive in lower case, as PostgreSQL folds them."""
        if self.token.kind == "quoted" or (self.token.kind == "word" and self.token.text not in _RESERVED):
            return self.advance()
        self.refuse(f"expected {what}, found {self.token}")

    def refuse(self, message: str, span: Span | None = None, hint: str | None = None) -> NoReturn:
        raise self.source.fault(message, span or self.token.span, hint)

    # Expressions

    def expression(self) -> Syntax:
        """One whole expression, up to the first token that cannot continue it. Raises Fault, also beyond the caps."""
        self.depth = self.nodes = 0
        first = self.token.span
        found = self._level(OR)
        if found.span.end - found.span.start > MAX_EXPRESSION:
            self.refuse(f"an expression may have at most {MAX_EXPRESSION} characters", first)
        return found

    def _level(self, least: int) -> Syntax:
        """Read an operand and every operator after it that binds at least as tightly as `least`."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            self.refuse(f"an expression may be nested at most {MAX_DEPTH} deep")
        left = self._prefix(least)
        while (level := self._operator_level()) >= least:
            if level > left.level or (level == left.level and level in (IS, COMPARE, RANGE)):
                self.refuse(f"write parentheses to say what {self.token} applies to")
            left = self._infix(left, level)
        self.depth -= 1
        return left

    def _node(self, kind: str, span: Span, value: str = "", parts: tuple[Syntax, ...] = (), level: int = PRIMARY) -> Syntax:
        self.nodes += 1
        if self.nodes > MAX_NODES:
            self.refuse(f"an expression may have at most {MAX_NODES} parts", span)
        for part in parts:
            span = span.to(part.span)
        return Syntax(kind, span, value, parts, level)

    def _operator_level(self) -> int:
        token = self.token
        if token.kind not in ("word", "symbol"):
            return 0
        if token.text in ("is", "isnull", "notnull"):
            return IS
        if token.text in _RANGE_WORDS:
            return RANGE
        if token.text == "::":
            return CAST
        if token.text == "[":
            return INDEX
        if (level := _BINARY.get(token.text)) is not None:
            return level
        if token.kind == "symbol" and token.text not in (")", ",", ";", "]", "("):
            self.refuse(f"operator {token.text} is not allowed in policies")
        if token.text in ("similar", "collate", "at", "overlaps", "operator"):
            self.refuse(f"{token.text} is not allowed in policies")
        return 0

    def _prefix(self, least: int) -> Syntax:
        token = self.token
        if self.at("not"):
            if least > NOT:
                self.refuse("write parentheses around not …")
            self.advance()
            return self._node("not", token.span, "", (self._level(NOT),), NOT)
        if self.at("-", "+"):
            self.advance()
            operand = self._level(MINUS)
            return self._node("negative" if token.text == "-" else "plus", token.span, "", (operand,), MINUS)
        return self._primary()

    def _infix(self, left: Syntax, level: int) -> Syntax:
        token = self.advance()
        if level == IS:
            return self._is(left, token)
        if level == RANGE:
            return self._range(left, token)
        if level == CAST:
            kind = self.type_name()
            return self._node("cast", kind.span, kind.value, (left,), CAST)
        if level == INDEX:
            number = self.advance()
            if number.kind != "number" or not number.text.isdigit():
                self.refuse("an array index must be a plain number, counted from 1", number.span)
            closing = self.expect("]")
            return self._node("index", closing.span, number.text, (left,), INDEX)
        if level == COMPARE and self.at("any", "some", "all"):
            return self._any(left, token)
        text = "<>" if token.text == "!=" else token.text
        return self._node("binary", token.span, text, (left, self._level(level + 1)), level)

    def _is(self, left: Syntax, token: Token) -> Syntax:
        if token.text in ("isnull", "notnull"):
            return self._node("is", token.span, "null" if token.text == "isnull" else "not null", (left,), IS)
        negated = "not " if self.accept("not") else ""
        if self.accept("distinct"):
            self.expect("from")
            return self._node("distinct", token.span, "not" if negated else "", (left, self._level(COMPARE)), IS)
        word = self.expect("null", "true", "false", "unknown", "distinct")
        return self._node("is", word.span, negated + word.text, (left,), IS)

    def _range(self, left: Syntax, token: Token) -> Syntax:
        negated = token.text == "not"
        if negated:
            token = self.expect("in", "like", "ilike", "between")
        if token.text == "between":
            if self.at("symmetric"):
                self.refuse("between symmetric is not allowed in policies")
            low = self._level(RANGE + 1)
            self.expect("and")
            found = self._node("between", token.span, "", (left, low, self._level(RANGE + 1)), RANGE)
        elif token.text == "in":
            found = self._in(left)
        else:
            parts = [left, self._level(RANGE + 1)]
            if self.accept("escape"):
                parts.append(self._level(RANGE + 1))
            found = self._node(token.text, token.span, "", tuple(parts), RANGE)
        return self._node("not", found.span, "", (found,), RANGE) if negated else found

    def _in(self, left: Syntax) -> Syntax:
        opening = self.expect("(")
        if self.at("select"):
            query = self._select()
            closing = self.expect(")")
            return self._node("in query", closing.span, "", (left, query), RANGE)
        items = self._list()
        closing = self.expect(")")
        return self._node("in", opening.span.to(closing.span), "", (left, *items), RANGE)

    def _any(self, left: Syntax, operator: Token) -> Syntax:
        word = self.advance()
        if operator.text != "=" or word.text == "all":
            self.refuse("only = any (…) is allowed in policies", word.span)
        self.expect("(")
        if self.at("select"):
            found = self._node("in query", word.span, "", (left, self._select()), COMPARE)
        elif self.at("array") and self.peek().text == "[":
            self.advance()
            self.advance()
            found = self._node("in", word.span, "", (left, *self._list()), COMPARE)
            self.expect("]")
        else:
            found = self._node("any", word.span, "", (left, self._level(OR)), COMPARE)
        self.expect(")")
        return found

    def _list(self) -> list[Syntax]:
        items = [self._level(OR)]
        while self.accept(","):
            items.append(self._level(OR))
        return items

    def _primary(self) -> Syntax:
        token = self.token
        if token.kind in ("string", "number"):
            self.advance()
            return self._node(token.kind, token.span, token.text)
        if self.accept("("):
            return self._parenthesis(token)
        if token.kind == "word" and token.text in ("case", "cast", "exists", "null", "true", "false"):
            self.advance()
            if token.text == "case":
                return self._case(token)
            if token.text == "cast":
                return self._cast_call()
            if token.text == "exists":
                self.expect("(")
                query = self._select()
                closing = self.expect(")")
                return self._node("exists", token.span.to(closing.span), "", (query,))
            return self._node(token.text, token.span)
        if token.kind == "word" and self.peek().kind == "string" and token.text not in _RESERVED:
            kind = self.type_name()
            value = self.advance()
            return self._node("cast", token.span, kind.value, (self._node("string", value.span, value.text),))
        if token.kind not in ("word", "quoted") or (token.kind == "word" and token.text in _RESERVED):
            self.refuse(f"expected an expression, found {token}")
        if token.kind == "word" and token.text == "current_timestamp":
            return self._node("call", self.advance().span, "now")
        return self._reference()

    def _parenthesis(self, opening: Token) -> Syntax:
        if self.at("select"):
            query = self._select()
            closing = self.expect(")")
            return self._node("scalar", opening.span.to(closing.span), "", (query,))
        inner = self._level(OR)
        if self.at(","):
            self.refuse("row values (a, b) are not allowed in policies")
        closing = self.expect(")")
        # The same content, now a closed unit: nothing outside can take its operands apart.
        return Syntax(inner.kind, opening.span.to(closing.span), inner.value, inner.parts)

    def _case(self, token: Token) -> Syntax:
        parts: list[Syntax] = []
        subject = "" if self.at("when") else "subject"
        if subject:
            parts.append(self._level(OR))
        while self.accept("when"):
            parts.append(self._level(OR))
            self.expect("then")
            parts.append(self._level(OR))
        if len(parts) < 2:
            self.refuse(f"expected 'when', found {self.token}")
        if self.accept("else"):
            parts.append(self._level(OR))
        closing = self.expect("end")
        return self._node("case", token.span.to(closing.span), subject, tuple(parts))

    def _cast_call(self) -> Syntax:
        self.expect("(")
        operand = self._level(OR)
        self.expect("as")
        kind = self.type_name()
        closing = self.expect(")")
        return self._node("cast", closing.span, kind.value, (operand,))

    def _reference(self) -> Syntax:
        """A column (`a`, `t.a`, `s.t.a`) or a call (`f(x)`, `s.f(x)`); the names go into `parts` of kind `name`."""
        names = [self._name_part()]
        while self.at("."):
            self.advance()
            names.append(self._name_part())
        if not self.accept("("):
            return self._node("column", names[0].span, "", tuple(names))
        arguments: list[Syntax] = []
        if self.at("*", "distinct", "all", "variadic"):
            self.refuse(f"{self.token} is not allowed in a call in policies")
        if not self.at(")"):
            arguments = self._list()
        closing = self.expect(")")
        if self.at("filter", "over", "within"):
            self.refuse("aggregates and window functions are not allowed in policies")
        return self._node("call", names[0].span.to(closing.span), ".".join(n.value for n in names), tuple(arguments))

    def _name_part(self) -> Syntax:
        if self.token.kind == "symbol" and self.token.text == "*":
            self.refuse("* is not allowed here")
        token = self.token if self.token.kind in ("word", "quoted") else self.name("a name")
        if token is self.token:
            self.advance()
        return Syntax("name", token.span, token.text)

    def type_name(self) -> Syntax:
        """`uuid`, `character varying(20)`, `"My Enum"`, `public.status`, `text[]`: one text in `value`, as written."""
        first = self.name("a type")
        words = [first.text]
        if first.text == "timestamp" or first.text == "time":
            if self.at("with", "without"):
                words += [self.advance().text, self.expect("time").text, self.expect("zone").text]
        elif (first.text, self.token.text) in _TYPE_PAIRS:
            words.append(self.advance().text)
        elif self.accept("."):
            return Syntax("type", first.span.to(self.token.span), self.name("a type").text)
        text, last = " ".join(words), self.tokens[self.position - 1].span
        if self.at("("):
            self.refuse("a type in a policy takes no length or precision")
        if self.at("[") and self.peek().text == "]":
            self.advance()
            last, text = self.advance().span, text + "[]"
        return Syntax("type", first.span.to(last), text)

    # Sub-selects

    def _select(self) -> Syntax:
        """`select [list] [from …] [where …]`: parts are the outputs, then `table`s (with their `on`), then `where`."""
        start = self.expect("select")
        if self.at("distinct", "all"):
            self.refuse(f"{self.token} is not allowed in a sub-select of a policy")
        parts: list[Syntax] = []
        if self.at("*"):
            parts.append(self._node("star", self.advance().span))
        elif not self.at("from", ")"):
            parts.extend(self._list())
            if self.at("as"):
                self.refuse("a name for an output column is not needed in a policy")
        if self.accept("from"):
            parts.append(self._table())
            while self.at(",", "join", "inner"):
                parts.append(self._joined())
        if self.accept("where"):
            parts.append(self._node("where", self.token.span, "", (self._level(OR),)))
        if not self.at(")"):
            self.refuse(f"{self.token} is not allowed in a sub-select of a policy")
        return self._node("select", start.span, "", tuple(parts))

    def _joined(self) -> Syntax:
        if self.accept(","):
            return self._table()
        self.accept("inner")
        self.expect("join")
        table = self._table()
        self.expect("on")
        return Syntax(table.kind, table.span, table.value, (*table.parts, self._level(OR)))

    def _table(self) -> Syntax:
        """A table of kind `table`: `value` is its alias, the first part its name (kind `table name`, dotted)."""
        if self.at("("):
            self.refuse("a sub-select in from is not allowed in policies")
        schema, name = self.table_name()
        span = self.tokens[self.position - 1].span
        alias = name
        if self.accept("as"):
            alias = self.name("an alias").text
        elif self.token.kind == "quoted" or (self.token.kind == "word" and self.token.text not in _RESERVED):
            alias = self.advance().text
        written = Syntax("table name", span, name, (Syntax("name", span, schema),))
        return self._node("table", span, alias, (written,))

    def table_name(self) -> tuple[str, str]:
        """`pets` → ("public", "pets"); `auth.users` → ("auth", "users")."""
        first = self.name("a table")
        if self.accept("."):
            return first.text, self.name("a table").text
        return "public", first.text


def parse_expression(text: str, file: str = "") -> tuple[Source, Syntax]:
    """Read a text that is one expression and nothing else. Raises Fault."""
    source = Source(text, file)
    parser = Parser(source, source.tokens())
    try:
        found = parser.expression()
    except RecursionError as problem:  # the depth cap comes first; this is the belt to its braces
        raise Fault("an expression is nested too deeply", file=file) from problem
    if parser.token.kind != "end":
        parser.refuse(f"unexpected {parser.token}")
    return source, found
