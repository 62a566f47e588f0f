"""The data API against a model of forty lines: random programs of several principals, every answer and every row compared."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from tests.shop import ANN, BOB, Shop, open_shop

SCHEMA = """
create table notes (
  id integer primary key, owner uuid, shared boolean not null default false, score integer, slug text unique, check (score < 100)
);
"""
POLICIES = """
create policy "see" on notes for select to anon, authenticated using (shared or owner = auth.uid());
create policy "write" on notes for insert to authenticated with check (owner = auth.uid());
create policy "change" on notes for update to authenticated using (owner = auth.uid());
create policy "drop" on notes for delete to authenticated using (owner = auth.uid() and not shared);
"""
WHO = {"anon": None, "ann": ANN, "bob": BOB, "service": None}
Row = dict[str, Any]
Rows = dict[int, Row]


class Refused(Exception):
    """The model would refuse with one of these SQLSTATEs."""


def sees(who: str, row: Row) -> bool:
    return who == "service" or row["shared"] or owns(who, row)


def owns(who: str, row: Row) -> bool:
    return who == "service" or (row["owner"] is not None and row["owner"] == WHO[who])


def unfit(written: list[Row]) -> set[str]:
    return {"23514"} if any(row["score"] is not None and row["score"] >= 100 for row in written) else set()


def clash(rows: Rows) -> bool:
    slugs = [row["slug"] for row in rows.values() if row["slug"] is not None]
    return len(slugs) != len(set(slugs))


def checked(who: str, before: Rows, after: Rows, written: list[Row]) -> Rows:
    """The table after a write of `written`. A check speaks of the row itself, so it may come before the policy; a unique key may not."""
    found = unfit(written)
    if not all(owns(who, row) for row in written):
        found.add("42501")  # and then nothing of what other rows hold
    elif clash(after):
        found.add("23505")
    if found:
        raise Refused(*found)
    return after


def inserted(who: str, rows: Rows, new: list[Row], merge: bool) -> Rows:
    after = {number: dict(row) for number, row in rows.items()}
    met = [row for row in new if row["id"] in rows]
    if who == "anon" or (merge and not all(owns(who, rows[row["id"]]) for row in met)):
        raise Refused("42501", *unfit(new))
    numbers = [row["id"] for row in new]
    if len(set(numbers)) < len(numbers) or (met and not merge):
        try:
            checked(who, rows, {}, new)
        except Refused as problem:
            raise Refused("23505" if "42501" not in problem.args else "42501", *problem.args) from None
        raise Refused("23505")
    for row in new:
        after[row["id"]] = {**after.get(row["id"], {}), **row}
        if clash(after):
            break  # the database refuses here, even where a later row would have made room
    return checked(who, rows, after, new)


def updated(who: str, rows: Rows, test: Callable[[Row], bool], values: Row) -> tuple[Rows, list[int]]:
    numbers = [n for n, row in rows.items() if sees(who, row) and owns(who, row) and test(row)]
    after = {n: {**row, **values} if n in numbers else row for n, row in rows.items()}
    return checked(who, rows, after, [after[n] for n in numbers]), numbers


def deleted(who: str, rows: Rows, test: Callable[[Row], bool]) -> Rows:
    gone = {n for n, row in rows.items() if owns(who, row) and (who == "service" or not row["shared"]) and test(row)}
    return {n: row for n, row in rows.items() if n not in gone}


def _over(limit: int) -> Callable[[Row], bool]:
    return lambda row: row["score"] is not None and row["score"] > limit


numbers = st.integers(1, 6)
scores = st.none() | st.integers(0, 9) | st.just(200)
records = st.fixed_dictionaries(
    {
        "id": numbers,
        "owner": st.sampled_from([ANN, BOB, None]),
        "shared": st.booleans(),
        "score": scores,
        "slug": st.sampled_from([None, "a", "b", "c"]),
    }
)
values = st.fixed_dictionaries(
    {}, optional={"owner": st.sampled_from([ANN, BOB]), "shared": st.booleans(), "score": scores, "slug": st.sampled_from([None, "a", "b"])}
).filter(bool)
filters = st.one_of(
    numbers.map(lambda n: (f"id=eq.{n}", lambda row: row["id"] == n)),
    st.lists(numbers, min_size=1).map(lambda ns: (f"id=in.({','.join(map(str, ns))})", lambda row: row["id"] in ns)),
    st.integers(0, 9).map(lambda n: (f"score=gt.{n}", _over(n))),
    st.integers(0, 9).map(lambda n: (f"or=(score.is.null,not.and(score.gt.{n}))", lambda row: not _over(n)(row))),
    st.sampled_from([ANN, BOB]).map(lambda who: (f"owner=eq.{who}", lambda row: row["owner"] == who)),
    st.sampled_from("abc").map(lambda s: (f"slug=eq.{s}&shared=is.true", lambda row: row["slug"] == s and row["shared"])),
)
people = st.sampled_from(list(WHO))


class Notes(RuleBasedStateMachine):
    """One table; `rows` is what must be in it."""

    shop: Shop
    loop: asyncio.AbstractEventLoop

    def __init__(self) -> None:
        super().__init__()
        self.rows: Rows = {}
        self.ask("DELETE", "notes?id=gt.0", who="service")

    def ask(self, method: str, path: str, body: Any = None, *, who: str, prefer: str = "") -> Any:
        return self.loop.run_until_complete(self.shop(method, path, body, who=who, headers={"Prefer": prefer} if prefer else {}))

    def answers(self, reply: Any, model: Callable[[], Rows]) -> bool:
        """Whether the write happened, which both must agree on; `rows` is then what the model says."""
        codes: tuple[str, ...] = ()
        try:
            self.rows = model()
        except Refused as problem:
            codes = problem.args
        assert (reply.json["code"] in codes) if codes else reply.status < 300, (codes, reply.json)
        return not codes

    @rule(who=people, new=st.lists(records, min_size=1, max_size=3), merge=st.booleans(), shown=st.booleans())
    def insert(self, who: str, new: list[Row], merge: bool, shown: bool) -> None:
        if merge and len({row["id"] for row in new}) < len(new):
            return  # which of two rows with one key wins is the database's business
        prefer = ",".join(["resolution=merge-duplicates"] * merge + ["return=representation"] * shown)
        reply = self.ask("POST", "notes", new[0] if len(new) == 1 else new, who=who, prefer=prefer)
        if self.answers(reply, lambda: inserted(who, self.rows, new, merge)) and shown:
            assert [self.rows[row["id"]] for row in new] == reply.json

    @rule(who=people, row=records)
    def put(self, who: str, row: Row) -> None:
        reply = self.ask("PUT", f"notes?id=eq.{row['id']}", row, who=who)
        self.answers(reply, lambda: inserted(who, self.rows, [row], True))

    @rule(who=people, chosen=filters, change=values)
    def update(self, who: str, chosen: Any, change: Row) -> None:
        reply = self.ask("PATCH", f"notes?{chosen[0]}&order=id", change, who=who, prefer="return=representation,count=exact")
        touched: list[int] = []

        def model() -> Rows:
            after, numbers = updated(who, self.rows, chosen[1], change)
            touched.extend(sorted(numbers))
            return after

        if self.answers(reply, model):
            assert [self.rows[n] for n in touched] == reply.json
            assert str(len(touched)) == reply.range.partition("/")[2]

    @rule(who=people, chosen=filters)
    def delete(self, who: str, chosen: Any) -> None:
        self.answers(self.ask("DELETE", f"notes?{chosen[0]}", who=who), lambda: deleted(who, self.rows, chosen[1]))

    @rule(who=people, new=records, chosen=filters, change=values)
    def batch(self, who: str, new: Row, chosen: Any, change: Row) -> None:
        """All three, or nothing at all."""
        operations = [
            {"method": "POST", "path": "notes", "body": new},
            {"method": "PATCH", "path": f"notes?{chosen[0]}", "body": change},
            {"method": "DELETE", "path": f"notes?id=eq.{new['id']}"},
        ]

        def model() -> Rows:
            after = updated(who, inserted(who, self.rows, [new], False), chosen[1], change)[0]
            return deleted(who, after, lambda row: row["id"] == new["id"])

        self.answers(self.ask("POST", "batch", {"operations": operations}, who=who), model)

    @rule(who=people, chosen=filters, limit=st.integers(1, 4))
    def read(self, who: str, chosen: Any, limit: int) -> None:
        expected = [row for _, row in sorted(self.rows.items()) if sees(who, row) and chosen[1](row)]
        assert expected == self.ask("GET", f"notes?{chosen[0]}&order=id", who=who).json
        page = self.ask("GET", f"notes?{chosen[0]}&order=id.desc&limit={limit}", who=who, prefer="count=exact")
        assert (expected[::-1][:limit], str(len(expected))) == (page.json, page.range.partition("/")[2])
        assert [{"count": len(expected)}] == self.ask("GET", f"notes?{chosen[0]}&select=count()", who=who).json

    @invariant()
    def the_table_holds_what_the_model_holds(self) -> None:
        assert [row for _, row in sorted(self.rows.items())] == self.ask("GET", "notes?order=id", who="service").json


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def machine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[type[Notes]]:
    folder: Path = tmp_path_factory.mktemp("stateful")
    url = f"sqlite:///{folder / 'data.db'}" if request.param == "sqlite" else request.getfixturevalue("postgres")()
    with asyncio.Runner() as runner:
        opened = open_shop(url, folder, schema=SCHEMA, policies=POLICIES, rows=False)
        shop = runner.run(opened.__aenter__())
        yield type("Bound", (Notes,), {"shop": shop, "loop": runner.get_loop()})
        runner.run(opened.__aexit__(None, None, None))


def _run(machine: type[Notes], examples: int, steps: int) -> None:
    given = settings(
        max_examples=examples, stateful_step_count=steps, deadline=None, suppress_health_check=list(HealthCheck), derandomize=examples < 100
    )
    run_state_machine_as_test(machine, settings=given)


def test_a_random_program_does_what_the_model_does(machine: type[Notes]) -> None:
    _run(machine, examples=12, steps=15)


@pytest.mark.long
def test_many_random_programs_do_what_the_model_does(machine: type[Notes]) -> None:
    _run(machine, examples=1500, steps=40)
