"""A policy file's statements: `create policy`, `drop policy`, `grant`, `revoke`, and `enable row level security`.

Read in order, each checked against the schema; faults are collected so that an author sees all of them at once.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, NoReturn

from baaskit.errors import Fault, Faults, nearest
from baaskit.kernel.policy import expr as e
from baaskit.kernel.policy.check import Checker
from baaskit.kernel.policy.executes import Callables, read_execute
from baaskit.kernel.policy.expr import Expr
from baaskit.kernel.policy.policyset import CLIENT_ROLES, COMMANDS, Command, Policy, PolicySet, Signature
from baaskit.kernel.policy.source import Source, Span, Token
from baaskit.kernel.policy.syntax import Parser, Syntax
from baaskit.kernel.schema import Schema, Table, TableName

_ROLES = {"public": CLIENT_ROLES, **{r: frozenset({r}) for r in (*CLIENT_ROLES, "service_role")}}
_STARTS = ("create", "drop", "alter", "grant", "revoke")


class PolicyFaults(Faults):
    """Everything that is wrong with a policy file, in the order of the text."""


@dataclass
class _Reader:
    """Reads one file. After a fault it goes on behind the next semicolon."""

    source: Source
    schema: Schema
    parser: Parser = field(init=False)
    policies: dict[tuple[TableName, str], Policy] = field(default_factory=dict)
    privileges: dict[tuple[TableName, Command, str], frozenset[str]] = field(default_factory=dict)
    callables: Callables = field(default_factory=Callables)
    faults: list[Fault] = field(default_factory=list)
    warnings: list[Fault] = field(default_factory=list)
    closed: set[tuple[TableName, Command]] = field(default_factory=set)
    closed_all: bool = False
    # What the statement at hand is about, as far as it was read: a fault closes exactly that.
    table: TableName | None = None
    commands: frozenset[Command] = frozenset(COMMANDS)
    executes: Literal["grant", "revoke", ""] = ""

    def read(self) -> None:
        try:
            self.parser = Parser(self.source, self.source.tokens())
        except Fault as fault:
            self.faults.append(fault)
            self.closed_all = True
            return
        while not self.parser.done:
            if self.parser.accept(";"):
                continue
            self.table, self.commands, start = None, frozenset(COMMANDS), self.parser.position
            self.executes, self.callables.about = "", None
            try:
                self._statement()
                if not self.parser.done:
                    self.parser.expect(";")
            except Fault as fault:
                self._fail(fault)
                self._skip(start)

    def _fail(self, fault: Fault) -> None:
        self.faults.append(fault)
        if self.executes:
            self.callables.close(self.executes == "grant")
        elif self.table is None:
            self.closed_all = True
        else:
            self.closed |= {(self.table, command) for command in self.commands}

    def _skip(self, start: int) -> None:
        """Go behind the semicolon that ends the statement begun at `start`; none can be inside one.

        Where the author forgot it, other statements are lost with this one, among them perhaps a restrictive policy: then
        nothing is known for sure, and everything is closed.
        """
        self.parser.position = start + 1
        while not self.parser.done and not self.parser.accept(";"):
            if self.parser.at(*_STARTS):
                self.closed_all = True
            self.parser.advance()

    def _refuse(self, message: str, span: Span, hint: str | None = None) -> NoReturn:
        raise self.source.fault(message, span, hint)

    def _statement(self) -> None:
        parser, start = self.parser, self.parser.token
        if not parser.accept(*_STARTS):
            near = nearest(start.text, _STARTS) if start.kind == "word" else None
            parser.refuse(f"expected create policy, grant or revoke, found {start}", None, f"did you mean {near}?" if near else None)
        match start.text:
            case "create":
                parser.expect("policy")
                self._create(start)
            case "drop":
                parser.expect("policy")
                self._drop()
            case "alter":
                self._alter()
            case _:
                self._privilege(start.text == "grant")

    # Policies

    def _create(self, start: Token) -> None:
        parser = self.parser
        name = parser.name("the name of the policy")
        parser.expect("on")
        table = self._table()
        permissive = True
        if parser.accept("as"):
            permissive = parser.expect("permissive", "restrictive").text == "permissive"
        if parser.accept("for"):
            word = parser.expect("all", *COMMANDS)
            self.commands = frozenset(COMMANDS) if word.text == "all" else frozenset({word.text})  # type: ignore[arg-type]
        roles = self._roles() if parser.accept("to") else CLIENT_ROLES
        using = self._body(table, False) if parser.accept("using") else None
        check = None
        if parser.at("with"):
            place = parser.advance().span
            parser.expect("check")
            if not self.commands & {"insert", "update"}:
                self._refuse("a policy for select or delete has no with check", place)
            check = self._body(table, self.commands == {"update"})
        self._complete(name, using, check)
        if (table.name, name.text) in self.policies:
            self._refuse(f"policy '{name.text}' on {table.name} is already defined", name.span)
        line = self.source.text.count("\n", 0, start.span.start) + 1
        policy = Policy(name.text, table.name, permissive, self.commands, roles, using, check, line)
        self.policies[table.name, name.text] = policy
        self._lint(policy, name.span)

    def _complete(self, name: Token, using: Expr | None, check: Expr | None) -> None:
        if self.commands == {"insert"} and using is not None:
            self._refuse("a policy for insert has no using, only with check", name.span)
        if self.commands == {"insert"} and check is None:
            self._refuse("a policy for insert needs with check (…)", name.span)
        if self.commands != {"insert"} and using is None:
            self._refuse("this policy needs using (…)", name.span)

    def _body(self, table: Table, old: bool) -> Expr:
        self.parser.expect("(")
        written: Syntax = self.parser.expression()
        self.parser.expect(")")
        return Checker(self.source, self.schema, table, old).condition(written)

    def _drop(self) -> None:
        exists = self._if_exists()
        name = self.parser.name("the name of the policy")
        self.parser.expect("on")
        table = self._table()
        if self.policies.pop((table.name, name.text), None) is None and not exists:
            self._refuse(f"there is no policy '{name.text}' on {table.name} above", name.span)

    def _if_exists(self) -> bool:
        if not self.parser.accept("if"):
            return False
        self.parser.expect("exists")
        return True

    def _alter(self) -> None:
        self.parser.expect("table")
        self._if_exists()
        self.parser.accept("only")
        self._table()
        if self.parser.at("disable", "no"):
            self.parser.refuse("row level security cannot be disabled: write a policy that allows what is meant")
        word = self.parser.expect("enable", "force")
        self.parser.expect("row")
        self.parser.expect("level")
        self.parser.expect("security")
        assert word

    def _lint(self, policy: Policy, span: Span) -> None:
        written = [x for x in (policy.using, policy.check) if x is not None]
        if policy.permissive and policy.commands != {"select"} and any(x == e.TRUE for x in written):
            who = " and ".join(sorted(policy.roles))
            self.warnings.append(self.source.fault(f"policy '{policy.name}' lets every {who} write every row of {policy.table}", span))
        for node in (n for x in written for n in x.walk()):
            if isinstance(node, e.JsonGet) and node.key == "user_metadata" and isinstance(node.operand, e.Claim):
                hint = "use app_metadata, which only the server writes"
                self.warnings.append(self.source.fault("users can edit their own user_metadata", node.span, hint))

    # Names

    def _table(self) -> Table:
        start = self.parser.token.span
        schema, name = self.parser.table_name()
        self.table = TableName(schema, name)
        table = self.schema.tables.get(self.table)
        if table is None:
            near = nearest(str(self.table), [str(n) for n in self.schema.tables])
            self._refuse(f"unknown table '{self.table}'", start, f"did you mean '{near}'?" if near else None)
        return table

    def _roles(self) -> frozenset[str]:
        roles = self._role()
        while self.parser.accept(","):
            roles |= self._role()
        return roles

    def _role(self) -> frozenset[str]:
        name = self.parser.name("a role")
        if name.text not in _ROLES:
            near = nearest(name.text, _ROLES)
            self._refuse(
                f"unknown role '{name.text}'", name.span, f"did you mean '{near}'?" if near else "roles are anon, authenticated, public"
            )
        return _ROLES[name.text]

    # Column privileges

    def _privilege(self, grant: bool) -> None:
        parser, wanted = self.parser, list[tuple[Command, list[Token] | None]]()
        if parser.accept("execute"):
            self.executes = "grant" if grant else "revoke"
            routine = read_execute(parser, self.source, self.schema, self.callables)
            parser.expect("to" if grant else "from")
            return self.callables.change(routine, self._roles(), grant)
        if parser.accept("all"):
            parser.accept("privileges")
            columns = self._columns()
            wanted = [(c, columns) for c in COMMANDS if columns is None or c != "delete"]
        else:
            wanted.append(self._granted())
            while parser.accept(","):
                wanted.append(self._granted())
        self.commands = frozenset(c for c, _ in wanted)
        parser.expect("on")
        parser.accept("table")
        table = self._table()
        parser.expect("to" if grant else "from")
        roles = self._roles() - {"service_role"}
        for command, columns in wanted:
            named = self._named(table, columns)
            for role in sorted(roles):
                self._change(table, command, role, named, grant)

    def _granted(self) -> tuple[Command, list[Token] | None]:
        word = self.parser.expect(*COMMANDS)
        columns = self._columns()
        if columns is not None and word.text == "delete":
            self._refuse("delete is not given by column", word.span)
        return word.text, columns  # type: ignore[return-value]

    def _columns(self) -> list[Token] | None:
        if not self.parser.accept("("):
            return None
        names = [self.parser.name("a column")]
        while self.parser.accept(","):
            names.append(self.parser.name("a column"))
        self.parser.expect(")")
        return names

    def _named(self, table: Table, columns: list[Token] | None) -> frozenset[str] | None:
        for column in columns or ():
            if column.text not in table.by_name:
                near = nearest(column.text, table.by_name)
                self._refuse(f"unknown column '{column.text}' in {table.name}", column.span, f"did you mean '{near}'?" if near else None)
        return None if columns is None else frozenset(c.text for c in columns)

    def _change(self, table: Table, command: Command, role: str, named: frozenset[str] | None, grant: bool) -> None:
        """Without a statement a role may name all columns; the first grant of columns leaves only those."""
        key, everything = (table.name, command, role), frozenset(table.by_name)
        if named is None:
            if grant:
                self.privileges.pop(key, None)
            else:
                self.privileges[key] = frozenset()
        elif grant:
            self.privileges[key] = self.privileges.get(key, frozenset()) | named
        else:
            self.privileges[key] = self.privileges.get(key, everything) - named

    def live_callables(self) -> dict[Signature, frozenset[str]]:
        return {} if self.closed_all else self.callables.live()


def _read(text: str, schema: Schema, file: str) -> _Reader:
    reader = _Reader(Source(text, file), schema)
    reader.read()
    return reader


def parse_policies(text: str, schema: Schema, file: str = "policies.sql", version: int = 0) -> PolicySet:
    """The policies of a file that must be right. Raises PolicyFaults, which holds every fault."""
    reader = _read(text, schema, file)
    if reader.faults:
        raise PolicyFaults(reader.faults)
    return PolicySet(
        text, version, tuple(reader.policies.values()), reader.privileges, reader.live_callables(), warnings=tuple(reader.warnings)
    )  # fmt: skip


def bind(text: str, schema: Schema, file: str = "policies.sql", version: int = 0) -> PolicySet:
    """The policies of a saved text on a schema that may have changed. Never raises.

    What no longer fits closes its table for its commands; a statement whose table cannot be told closes everything.
    """
    reader = _read(text, schema, file)
    return PolicySet(
        text, version, tuple(reader.policies.values()), reader.privileges, reader.live_callables(), tuple(reader.faults),
        frozenset(reader.closed), reader.closed_all, tuple(reader.warnings),
    )  # fmt: skip
