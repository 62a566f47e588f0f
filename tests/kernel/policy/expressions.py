"""Random policy texts, rows and callers. Texts are typed by construction but leave out parentheses on purpose."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

from baaskit.kernel.claims import Claims

UIDS = ["6f1c0a52-0f0e-4c1e-9a51-3b1f0d3f7a01", "00000000-0000-4000-8000-000000000002", "ffffffff-ffff-4fff-8fff-ffffffffffff"]
WORDS = ["", "a", "B", "rex", "Rex", "ä", "Ä", "ß", "a_b", "a%b", "x/y/rex.png", "x/", "12", " 7 ", "true", "sold", "'", "\\", UIDS[0]]
TIMES = ["2026-01-01T10:00:00+00:00", "2026-01-01T10:00:00.12+00:00", "2025-12-31T23:59:59.999999+00:00", "2026-06-01T00:00:00+00:00"]


def quoted(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def expressions(depth: int = 3, old: bool = False) -> st.SearchStrategy[str]:
    """Boolean expressions over pets (and `old` when asked), members in sub-selects."""
    return _expressions(depth, old)


@st.composite
def _expressions(draw: st.DrawFn, depth: int, old: bool) -> str:
    return _Grammar(draw, old).boolean(depth)


class _Grammar:
    """Draws one text; every method gives a text of one kind, at most `depth` levels deep."""

    def __init__(self, draw: st.DrawFn, old: bool) -> None:
        self.draw, self.old = draw, old

    def of(self, *texts: str) -> str:
        return self.draw(st.sampled_from(texts))

    def one(self, *choices: Callable[[], str]) -> str:
        return self.draw(st.sampled_from(choices))()

    def wrapped(self, text: str) -> str:
        return text if self.draw(st.integers(0, 2)) == 0 else f"({text})"

    def column(self, *names: str) -> str:
        # Two tables are in scope of the oracle when there is an old row: only qualified names are clear there.
        return self.of(*(("pets.", "old.") if self.old else ("", "", "pets."))) + self.of(*names)

    def integer(self, depth: int) -> str:
        if depth <= 0 or self.draw(st.booleans()):
            return self.one(lambda: self.column("stock", "id", "team_id"), lambda: str(self.draw(st.integers(-3, 9))))

        def inner() -> str:
            return self.wrapped(self.integer(depth - 1))

        return self.one(
            lambda: f"{inner()} {self.of('+', '-', '*', '/', '%')} {inner()}",
            lambda: f"- {inner()}",
            lambda: f"length({self.text(depth - 1)})",
            lambda: f"coalesce({inner()}, {inner()})",
            lambda: f"case when {self.boolean(depth - 1)} then {inner()} else {inner()} end",
            lambda: f"({self.of('auth.jwt()', self.column('meta'))} ->> {self.of(quoted('level'), quoted('n'))})::int",
            lambda: f"nullif({inner()}, {inner()})",
            lambda: f"{self.column('sizes')}[{self.of('1', '2', '9')}]",
            lambda: f"array_length({self.column('tags')}, 1)",
        )

    def number(self, depth: int) -> str:
        if depth <= 0 or self.draw(st.booleans()):
            return self.one(lambda: self.column("price", "weight"), lambda: self.of("1.5", "0.1", "2.50", "-3.25"), lambda: self.integer(0))
        return f"{self.wrapped(self.number(depth - 1))} {self.of('+', '-', '*')} {self.wrapped(self.number(depth - 1))}"

    def text(self, depth: int) -> str:
        if depth <= 0 or self.draw(st.booleans()):
            return self.one(
                lambda: self.column("name", "note", "path"),
                lambda: quoted(self.of(*WORDS)),
                lambda: self.of("auth.role()", "auth.email()", "realtime.topic()"),
            )

        def inner() -> str:
            return self.wrapped(self.text(depth - 1))

        return self.one(
            lambda: f"{self.of('lower', 'upper', 'storage.filename', 'storage.extension')}({inner()})",
            lambda: f"{inner()} || {inner()}",
            lambda: f"{self.of('auth.uid()', self.column('status', 'sold', 'owner_id', 'stock', 'born'))}::text",
            lambda: f"{self.column('meta')} ->> {self.of(*map(quoted, ('k', 'n', 'deep', 'list', 'no')), '0')}",
            lambda: f"{self.column('meta')} -> 'deep' ->> {self.of(quoted('k'), quoted('n'))}",
            lambda: f"{self.column('meta')} -> 'list' ->> {self.of('0', '-1', quoted('k'))}",
            lambda: f"auth.jwt() ->> {self.of(*map(quoted, ('role', 'level', 'app_metadata', 'none')))}",
            lambda: f"(select auth.jwt()) -> 'app_metadata' ->> {self.of(*map(quoted, ('plan', 'on', 'none')))}",
            lambda: f"coalesce({inner()}, {inner()})",
            lambda: f"case {self.column('status')} when 'sold' then {inner()} else {inner()} end",
            lambda: f"(storage.foldername({inner()}))[{self.of('1', '2')}]",
            lambda: f"({self.column('tags')})[2]",
        )

    def uuid(self) -> str:
        return self.one(
            lambda: self.column("owner_id", "other_id"),
            lambda: self.of("auth.uid()", "(select auth.uid())"),
            lambda: quoted(self.of(*UIDS)) + "::uuid",
            lambda: f"({self.column('meta')} ->> 'owner')::uuid",
            lambda: "(auth.jwt() ->> 'sub')::uuid",
            lambda: f"coalesce({self.column('owner_id')}, auth.uid())",
        )

    def time(self) -> str:
        return self.one(
            lambda: self.column("at"),
            lambda: "now()",
            lambda: f"'{self.of(*TIMES)}'::timestamptz",
            lambda: f"{self.column('seen', 'born')}::timestamptz",
        )

    def boolean(self, depth: int) -> str:
        if depth <= 0:
            return self.one(lambda: self.column("sold", "rare"), lambda: self.of("true", "false", "null::bool"), lambda: self.comparison(0))

        def inner() -> str:
            return self.wrapped(self.boolean(depth - 1))

        def connected() -> str:
            return f"{inner()} {self.of('and', 'or')} {inner()}"

        return self.one(
            lambda: self.comparison(depth - 1), lambda: self.comparison(depth - 1), lambda: self.membership(depth - 1),
            lambda: self.membership(depth - 1), connected, connected, connected, lambda: self.query(), lambda: f"not {inner()}",
            lambda: f"{inner()} is {self.of('', 'not ')}{self.of('null', 'true', 'false', 'unknown')}",
            lambda: f"{inner()} {self.of('=', '<>', 'is distinct from', 'is not distinct from')} {inner()}",
            lambda: f"case when {inner()} then {inner()} else {inner()} end",
            lambda: f"coalesce({inner()}, {inner()})",
        )  # fmt: skip

    def comparison(self, depth: int) -> str:
        op = self.of("=", "<>", "!=", "<", "<=", ">", ">=", "is distinct from", "is not distinct from")
        equal = self.of("=", "<>", "is distinct from")
        kinds = (lambda: self.integer(depth), lambda: self.number(depth), lambda: self.text(depth), self.uuid, self.time)
        return self.one(
            *(lambda kind=kind: f"{self.wrapped(kind())} {op} {self.wrapped(kind())}" for kind in kinds),  # type: ignore[misc]
            lambda: f"{self.column('status')} {equal} {self.of(quoted('sold'), quoted('available'), quoted('pending') + '::pet_status')}",
            lambda: f"{self.column('born')} {op} {self.of(quoted('2026-01-01'), quoted('2020-02-29') + '::date', '(now())::date')}",
            lambda: f"{self.column('seen')} {op} {self.of(quoted('2026-01-01 10:00:00'), 'now()::timestamp')}",
        )

    def membership(self, depth: int) -> str:
        negated = self.of("", "not ")
        pattern = quoted(self.of("%e%", "R_x", "", "a\\_b", "%Ä", "%/%/%.png", "%", "_", "%%a%"))
        return self.one(
            lambda: f"{self.integer(depth)} {negated}in ({self.integer(0)}, {self.integer(0)})",
            lambda: f"{self.text(depth)} {negated}in ('rex', {self.text(0)}, null)",
            lambda: f"{self.column('status')} {negated}in ('sold', 'pending')",
            lambda: f"{self.number(depth)} {negated}between {self.number(0)} and {self.number(0)}",
            lambda: f"{self.text(depth)} {negated}{self.of('like', 'ilike')} {pattern}",
            lambda: f"{self.text(depth)} like 'a!%b' escape '!'",
            lambda: f"{self.text(depth)} = any ({self.column('tags')})",
            lambda: f"{self.integer(0)} = any ({self.column('sizes')})",
            lambda: f"{self.text(depth)} = any (array['sold', 'rex'])",
            lambda: f"{self.column('name', 'meta', 'at', 'tags', 'status')} is {negated}null",
            lambda: (
                f"({self.of('auth.uid()', 'auth.jwt() -> ' + quoted('x'), self.column('meta') + ' -> ' + quoted('null'))}) is {negated}null"
            ),
        )

    def query(self) -> str:
        def inside() -> str:
            return self.of(
                "m.user_id = auth.uid()",
                "m.role = 'admin'",
                "m.level > 1",
                "m.level is null",
                "m.role = pets.name",
                "m.user_id = pets.owner_id",
            )

        negated = self.of("", "not ")
        return self.one(
            lambda: f"exists (select 1 from members m where m.team_id = pets.team_id and {inside()})",
            lambda: (
                f"{negated}exists (select 1 from members m join members other on other.team_id = m.team_id "
                f"where other.id <> m.id and {inside()} and m.team_id = pets.team_id)"
            ),
            lambda: f"pets.team_id {negated}in (select team_id from members m where {inside()} or {inside()})",
            lambda: f"{self.uuid()} = any (select m.user_id from members m where {inside()})",
        )


def _nullable(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(st.none(), values, values)


def _json() -> st.SearchStrategy[Any]:
    scalar = st.one_of(st.none(), st.booleans(), st.integers(-5, 5), st.sampled_from([1.5, 0.25, 1e20]), st.sampled_from(WORDS))
    deep = st.one_of(scalar, st.fixed_dictionaries({"k": scalar, "n": scalar, "bb": scalar}))
    keys = {
        "k": scalar,
        "n": scalar,
        "deep": deep,
        "list": st.lists(deep, max_size=3),
        "owner": st.sampled_from([*UIDS, "no"]),
        "null": st.none(),
    }
    return st.one_of(
        st.fixed_dictionaries({}, optional=keys), st.fixed_dictionaries({}, optional=keys), scalar, st.lists(scalar, max_size=2)
    )


ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "owner_id": _nullable(st.sampled_from(UIDS)), "other_id": _nullable(st.sampled_from(UIDS)),
            "status": _nullable(st.sampled_from(["available", "pending", "sold"])),
            "name": _nullable(st.sampled_from(WORDS)), "note": _nullable(st.sampled_from(WORDS)),
            "stock": _nullable(st.one_of(st.integers(-2, 5), st.just(2_147_483_647))),
            "price": _nullable(st.one_of(st.integers(-500, 500).map(lambda i: i / 100), st.just(0.1))),
            "weight": _nullable(st.sampled_from([0.0, 0.1, 1.5, -3.25, 2.0])),
            "sold": _nullable(st.booleans()), "rare": _nullable(st.booleans()),
            "tags": _nullable(st.lists(_nullable(st.sampled_from(WORDS)), max_size=3)),
            "sizes": _nullable(st.lists(_nullable(st.integers(0, 4)), max_size=3)), "meta": _json(),
            "at": _nullable(st.sampled_from(TIMES)), "seen": _nullable(st.sampled_from([t[:-6] for t in TIMES])),
            "born": _nullable(st.sampled_from(["2026-01-01", "2020-02-29"])), "team_id": _nullable(st.integers(1, 3)),
            "path": _nullable(st.sampled_from(WORDS)),
        }
    ),
    min_size=3,
    max_size=5,
).map(lambda rows: [{"id": i + 1, "before_id": (i + 1) % len(rows) + 1, **row} for i, row in enumerate(rows)])  # fmt: skip

MEMBER_ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "team_id": _nullable(st.integers(1, 3)), "user_id": _nullable(st.sampled_from(UIDS)),
            "role": _nullable(st.sampled_from(["admin", "rex", "a"])), "level": _nullable(st.integers(0, 3)),
        }
    ),
    max_size=4,
).map(lambda rows: [{"id": i + 1, **row} for i, row in enumerate(rows)])  # fmt: skip


@st.composite
def callers(draw: st.DrawFn) -> Claims:
    """Anonymous, or a user with some metadata."""
    uid = draw(st.sampled_from([None, *UIDS]))
    if uid is None:
        return Claims("anon", None, {"role": "anon"})
    jwt: dict[str, Any] = {"sub": uid, "role": "authenticated"}
    if draw(st.booleans()):
        jwt["email"] = draw(st.sampled_from(["ada@example.org", "B"]))
    if draw(st.booleans()):
        jwt["app_metadata"] = {"plan": draw(st.sampled_from(["rex", "a", None])), "on": draw(st.booleans())}
    if draw(st.booleans()):
        jwt["level"] = draw(st.sampled_from([1, "2", "x", 1.5, None, True]))
    return Claims("authenticated", uid, jwt)
