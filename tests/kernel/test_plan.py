"""Names resolved, policies of every table attached, limits applied: plans from a schema that is written down here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

import pytest

from baaskit.errors import BaasError
from baaskit.errors.rest import (
    AmbiguousRelation,
    NoRelation,
    NotWritable,
    PermissionDenied,
    SqlState,
    TooComplex,
    UnknownColumn,
    UnknownPayloadColumn,
    UnknownTable,
)
from baaskit.kernel.plan import ColumnOut, Limits, ReadPlan, plan_delete, plan_insert, plan_live, plan_read, plan_update
from baaskit.kernel.policy import PolicySet, parse_policies
from baaskit.kernel.query import Query, parse
from baaskit.kernel.schema import Column, ForeignKey, Schema, Table, TableName, Type


def table(name: str, columns: str, keys: str = "id", foreign: tuple[tuple[str, str], ...] = (), view: bool = False) -> Table:
    """`columns`: `id int4, name text`; `foreign`: (column, target table)."""
    listed = tuple(Column(n, Type.parse(t)) for n, t in (part.split() for part in columns.split(", ")))
    key = tuple(keys.split(","))
    references = tuple(ForeignKey(f"{name}_{c}_fkey", (c,), TableName("public", t), ("id",)) for c, t in foreign)
    return Table(TableName("public", name), listed, key, references, (key,), view)


TABLES = [
    table("people", "id uuid, name text, secret text, boss_id uuid", foreign=(("boss_id", "people"),)),
    table("pets", "id int4, name text, price numeric, sold bool, owner_id uuid, breeder_id uuid, data jsonb, made timestamptz",
          foreign=(("owner_id", "people"), ("breeder_id", "people"))),
    table("passports", "pet_id int4, number text", "pet_id", (("pet_id", "pets"),)),
    table("tags", "id int4, label text"),
    table("pet_tags", "pet_id int4, tag_id int4", "pet_id,tag_id", (("pet_id", "pets"), ("tag_id", "tags"))),
    table("cheap", "id int4, name text", view=True),
]  # fmt: skip
SCHEMA = Schema(
    {t.name: t for t in TABLES} | {TableName("auth", "users"): Table(TableName("auth", "users"), (Column("id", Type("uuid")),), ("id",))}
)
POLICIES = """
create policy p1 on pets for select to anon, authenticated using (not sold);
create policy p2 on pets for update to authenticated using (owner_id = auth.uid());
create policy p3 on people for select to anon, authenticated using (true);
create policy p4 on tags for select to anon using (true);
revoke select on people from anon; grant select (id, name) on people to anon;
revoke update on pets from authenticated; grant update (name) on pets to authenticated;
"""


@dataclass(frozen=True)
class Catalog:
    schema: Schema
    policies: PolicySet


CATALOG = Catalog(SCHEMA, parse_policies(POLICIES, SCHEMA))


def asked(raw: str) -> Query:
    return parse(parse_qsl(raw, keep_blank_values=True))


CAPPED = Limits(100)


def read(name: str, raw: str = "", role: str = "anon", limits: Limits = CAPPED) -> ReadPlan:
    return plan_read(asked(raw), CATALOG, TableName("public", name), role, limits)


def test_every_table_of_a_read_carries_its_own_policy() -> None:
    plan = read("pets", "select=id,people!pets_owner_id_fkey(name),tags(label)")
    owner, tags = plan.children
    assert ("not sold", "true") == (str(plan.access.using), str(owner.access.using))
    assert tags.junction is not None
    assert (False, True) == (tags.access.denied, tags.junction[1].denied), "no policy on the junction: closed"
    service = read("pets", "select=id,people!pets_owner_id_fkey(name)", "service_role")
    assert (None, None) == (service.access.using, service.children[0].access.using)


def test_a_star_is_what_the_role_may_read() -> None:
    assert ["id", "name"] == [out.name for out in read("people").outputs]
    assert ["id", "name", "secret", "boss_id"] == [out.name for out in read("people", role="authenticated").outputs]


def test_the_cap_holds_for_every_level() -> None:
    plan = read("pets", "select=id,tags(id)&limit=5")
    assert (100, 100, 0) == (plan.max_rows, plan.children[0].max_rows, plan.limit)
    with pytest.raises(TooComplex):
        read("pets", "select=" + ",".join(f"x{n}:tags(id)" for n in range(31)))


RELATIONS: list[tuple[str, str, str]] = [
    ("pets", "owner_id(name)", "many-to-one pets.owner_id people.id"),
    ("pets", "people!owner_id(name)", "many-to-one pets.owner_id people.id"),
    ("pets", "pets_breeder_id_fkey(name)", "many-to-one pets.breeder_id people.id"),
    ("people", "pets!owner_id(name)", "one-to-many people.id pets.owner_id"),
    ("people", "pets!pets_breeder_id_fkey(name)", "one-to-many people.id pets.breeder_id"),
    ("pets", "passports(number)", "one-to-one pets.id passports.pet_id"),
    ("passports", "pets(name)", "one-to-one passports.pet_id pets.id"),
    ("pets", "tags(label)", "many-to-many pets.id pet_tags.pet_id"),
    ("pets", "pet_tags(tag_id)", "one-to-many pets.id pet_tags.pet_id"),
    ("people", "people(name)", "one-to-many people.id people.boss_id"),
    ("people", "boss_id(name)", "many-to-one people.boss_id people.id"),
    ("people", "people!boss_id(name)", "one-to-many people.id people.boss_id"),
]


@pytest.mark.parametrize(("parent", "embed", "expected"), RELATIONS)
def test_the_relation_that_an_embed_means(parent: str, embed: str, expected: str) -> None:
    found = read(parent, f"select={embed}", "service_role").children[0].relation
    assert found is not None
    (ours, theirs), other = found.pairs[0], found.junction or found.child
    assert expected == f"{found.kind} {found.parent}.{ours} {other}.{theirs}"


def test_two_relations_are_listed_with_the_way_out() -> None:
    with pytest.raises(AmbiguousRelation) as refused:
        read("pets", "select=people(name)", "service_role")
    error = refused.value
    assert (300, "PGRST201") == (error.status, error.code)
    assert "Could not embed because more than one relationship was found for 'pets' and 'people'" == error.message
    assert {
        "cardinality": "many-to-one", "embedding": "pets with people",
        "relationship": "pets_owner_id_fkey using pets(owner_id) and people(id)",
    } == error.details[0]  # fmt: skip
    assert error.hint is not None
    assert "'people!pets_owner_id_fkey', 'people!pets_breeder_id_fkey'" in error.hint


def test_a_relation_through_a_hidden_column_does_not_exist() -> None:
    with pytest.raises(NoRelation):
        read("people", "select=boss_id(name)", "anon")
    assert read("people", "select=boss_id(name)", "authenticated").children


REFUSED: list[tuple[type[BaasError], str, str, str]] = [
    (UnknownTable, "pet", "", "anon"),
    (UnknownColumn, "people", "select=secret", "anon"),
    (UnknownColumn, "people", "secret=eq.x", "anon"),
    (UnknownColumn, "people", "order=secret", "anon"),
    (UnknownColumn, "people", "select=secret.max()", "anon"),
    (UnknownColumn, "people", "or=(name.eq.x,and(secret.eq.x))", "anon"),
    (SqlState, "pets", "name->a=eq.1", "anon"),
    (SqlState, "pets", "id=like.1", "anon"),
    (SqlState, "pets", "price=is.true", "anon"),
    (SqlState, "pets", "select=sold,count()&order=name", "anon"),
    (SqlState, "pets", "select=name.sum()", "anon"),
]


@pytest.mark.parametrize(("error", "name", "raw", "role"), REFUSED)
def test_what_cannot_be_planned_is_refused(error: type[BaasError], name: str, raw: str, role: str) -> None:
    with pytest.raises(error):
        read(name, raw, role)


def test_writes_carry_both_sides_of_their_policies() -> None:
    pets = TableName("public", "pets")
    plan = plan_update(asked("id=eq.1"), CATALOG, pets, "authenticated", ["name"])
    assert plan.update is not None
    assert {"owner_id", "sold"} == plan.update.using.columns if plan.update.using else None
    with pytest.raises(PermissionDenied):
        plan_update(asked("id=eq.1"), CATALOG, pets, "authenticated", ["price"])
    with pytest.raises(UnknownPayloadColumn):
        plan_update(asked("id=eq.1"), CATALOG, pets, "authenticated", ["nope"])
    with pytest.raises(PermissionDenied, match="row-level security"):
        plan_insert(asked(""), CATALOG, pets, "authenticated", ["name"])
    for run in (
        lambda: plan_update(asked(""), CATALOG, pets, "service_role", ["name"]),
        lambda: plan_delete(asked(""), CATALOG, pets, "service_role"),
    ):
        with pytest.raises(SqlState, match="requires a WHERE clause"):
            run()
    with pytest.raises(NotWritable, match='cannot delete from view "cheap"'):
        plan_delete(asked("id=eq.1"), CATALOG, TableName("public", "cheap"), "service_role")
    with pytest.raises(SqlState, match="ON CONFLICT"):
        plan_insert(asked("on_conflict=name"), CATALOG, pets, "service_role", ["name"], resolution="merge-duplicates")


ROW: dict[str, Any] = {
    "id": 1,
    "name": "Rex",
    "price": 12.5,
    "sold": False,
    "owner_id": None,
    "data": {},
    "made": "2026-01-01T10:00:00+00:00",
}
LIVE: list[tuple[str, bool | None]] = [
    ("id=eq.1", True), ("id=neq.1", False), ("id=gt.0&name=eq.Rex", True), ("price=gte.12.50", True), ("price=lt.12.5", False),
    ("owner_id=eq.00000000-0000-0000-0000-000000000001", None), ("owner_id=is.null", True), ("sold=is.false", True), ("sold=not.is.true", True),
    ("id=in.(2,1)", True), ("id=not.in.(2,1)", False), ("or=(owner_id.eq.00000000-0000-0000-0000-000000000001,id.eq.1)", True),
    ("not.or=(id.eq.2,id.eq.3)", True), ("owner_id=isdistinct.00000000-0000-0000-0000-000000000001", True), ("made=gt.2026-01-01T09:00:00Z", True),
    ("made=eq.2026-01-01T12:00:00%2B02:00", True), ("name=not.eq.Tom", True),
]  # fmt: skip


@pytest.mark.parametrize(("raw", "expected"), LIVE)
def test_a_live_query_answers_for_a_row_in_memory_as_the_database_would(raw: str, expected: bool | None) -> None:
    plan = plan_live(f"pets?select=id,name&{raw}", CATALOG, "service_role")
    assert plan.predicate is not None
    assert expected is plan.predicate(ROW)


@pytest.mark.parametrize(
    "text",
    [
        "pets?name=like.R*",
        "pets?name=gt.A",
        "pets?data->>a=eq.1",
        "pets?select=id,tags(id)",
        "pets?select=count()",
        "pets?select=id::text",
        "pets?id=eq.x",
    ],
)
def test_what_memory_cannot_answer_is_run_again(text: str) -> None:
    assert plan_live(text, CATALOG, "service_role").predicate is None


def test_a_live_query_knows_key_window_and_projection() -> None:
    plan = plan_live("pets?select=n:name,id&order=price&limit=20&offset=5", CATALOG, "service_role", limits=Limits(10))
    assert (TableName("public", "pets"), ("id",), 10, 5, False) == (plan.table, plan.key, plan.limit, plan.offset, plan.is_simple)
    assert {"n": "Rex", "id": 1} == plan.project(ROW)
    assert plan_live("pets?select=id", CATALOG, "service_role").is_simple
    assert all(isinstance(out, ColumnOut) for out in plan.read.outputs)
    with pytest.raises(UnknownTable):
        plan_live("users", CATALOG, "service_role", schema="auth")
