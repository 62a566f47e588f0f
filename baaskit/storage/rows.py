"""Rows of `storage.objects` and `storage.buckets` under their policies: the same conditions as any other table's.

Everything here is a script (docs/architecture.md): one transaction, nothing half-written.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Executable,
    FromClause,
    Select,
    Table,
    and_,
    cast,
    delete,
    false,
    insert,
    literal,
    literal_column,
    select,
    true,
    update,
)

from baaskit.errors.storage import AccessDenied, Duplicate, NoSuchBucket, NoSuchKey
from baaskit.kernel.claims import Claims
from baaskit.kernel.database import Bound, Database, Row, Script
from baaskit.kernel.database.statements import relation_of
from baaskit.kernel.policy import Access, Command, Expr, claim_binds, to_sql
from baaskit.kernel.policy.expr import TRUE
from baaskit.kernel.schema import TableName
from baaskit.storage.rules import check_object

OBJECTS, BUCKETS = TableName("storage", "objects"), TableName("storage", "buckets")


def sql_true(dialect: str) -> ColumnElement[Any]:
    """True as the column type `Flag` stores it."""
    return literal_column("true" if dialect == "postgresql" else "1")


@dataclass(frozen=True, slots=True)
class Caller:
    """One caller's rights on the storage tables, at one moment."""

    database: Database
    claims: Claims
    now: datetime

    @classmethod
    def of(cls, database: Database, claims: Claims) -> Caller:
        return cls(database, claims, datetime.now(UTC))

    def access(self, name: TableName, command: Command) -> Access:
        return self.database.catalog.policies.access(name, command, self.claims.role)

    def may_see(self, table: Table, name: TableName, command: Command = "select") -> ColumnElement[bool]:
        """Condition on stored rows that `command` may see or touch."""
        access = self.access(name, command)
        if access.denied:
            return false()
        return true() if access.using is None else self._sql(access.using, table)

    def knows_all_buckets(self) -> bool:
        """Whether a bucket that is missing can be called missing: to anyone else it must look like one that is hidden."""
        access = self.access(BUCKETS, "select")
        return not access.denied and (access.using is None or access.using == TRUE)

    def step(self, statement: Executable) -> Bound:
        """`statement` with this caller's claims bound."""
        return Bound(statement, claim_binds(self.claims, self.now))

    def admit(
        self, table: Table, key: ColumnElement[bool], conditions: list[Expr | None], old: Row | None = None
    ) -> Generator[Any, list[Row], None]:
        """Sub-script: raise AccessDenied unless the stored row at `key` passes all `conditions` (None passes). `old`: the row before a change."""
        before = None if old is None else as_relation(table, old, self.database.dialect)
        asked = [self._sql(condition, table, before) for condition in conditions if condition is not None]
        if asked and not (yield self.step(select(table.c.id).where(key, *asked))):
            raise AccessDenied()

    def would_admit(self, table: Table, values: dict[str, Any], condition: Expr | None) -> Generator[Any, list[Row], bool]:
        """Sub-script: whether a row of these values, which need not be stored, passes `condition`."""
        if condition is None:
            return True
        row = as_relation(table, values, self.database.dialect)
        return bool((yield self.step(select(literal_column("1").label("one")).select_from(row).where(self._sql(condition, row)))))

    def _sql(self, condition: Expr, table: FromClause, old: FromClause | None = None) -> ColumnElement[bool]:
        database = self.database

        def resolve(name: TableName) -> FromClause:
            described = database.catalog.schema.tables[name]
            return relation_of(described.stored, [c.name for c in described.columns], database.dialect)

        return to_sql(condition, table, dialect=database.dialect, resolve=resolve, old=old)  # type: ignore[arg-type]


def as_relation(table: Table, values: dict[str, Any], dialect: str) -> FromClause:
    """One row with the table's columns and types, out of values; what is not given is null."""

    def column(c: Column[Any]) -> ColumnElement[Any]:
        value = literal(values.get(c.name), c.type)
        return cast(value, c.type) if dialect == "postgresql" else value  # PostgreSQL wants to be told what a parameter is

    return select(*[column(c).label(c.name) for c in table.columns]).subquery()


def bucket_row(caller: Caller, bucket: str) -> Generator[Any, list[Row], Row | None]:
    """Sub-script: the bucket that the caller may or may not see. One that is not there raises NoSuchBucket for who would see it,
    and is None for who would not: the name of a bucket can be as telling as that of a row."""
    t = caller.database.tables.buckets
    found = yield select(t).where(t.c.id == bucket)
    if not found and caller.knows_all_buckets():
        raise NoSuchBucket()
    return found[0] if found else None


def bucket_to_fill(caller: Caller, bucket: str) -> Generator[Any, list[Row], Row]:
    """Sub-script: the bucket that is to take an object. Raises NoSuchBucket, or AccessDenied where that would tell too much."""
    row = yield from bucket_row(caller, bucket)
    if row is None:
        raise AccessDenied()
    return row


@dataclass(frozen=True, slots=True)
class NewObject:
    """What an upload is about to become. `version` is the key of its bytes."""

    bucket: str
    name: str
    version: str
    metadata: dict[str, Any]
    user_metadata: Any = None


def put_object(caller: Caller, new: NewObject, *, upsert: bool) -> Script[tuple[Row, str | None]]:
    """Insert the object's row, or with `upsert` update the one of that name. Returns the row and the replaced version.

    Raises NoSuchBucket, Duplicate, AccessDenied. Who may not insert learns nothing of what is there.
    """
    t = caller.database.tables.objects
    yield from bucket_to_fill(caller, new.bucket)
    found = yield select(t).where(t.c.bucket_id == new.bucket, t.c.name == new.name)
    values = {"version": new.version, "metadata": new.metadata, "user_metadata": new.user_metadata, "updated_at": caller.now}
    if not found:
        [row] = yield insert(t).values(bucket_id=new.bucket, name=new.name, owner_id=caller.claims.uid, **values).returning(t)
        yield from _admit_insert(caller, t, row["id"])
        return row, None
    if not upsert:
        yield from _rehearse_insert(caller, new)
        raise Duplicate()
    access = caller.access(OBJECTS, "update")
    if access.denied or caller.access(OBJECTS, "insert").denied:
        raise AccessDenied()
    old = found[0]
    yield from caller.admit(t, t.c.id == old["id"], [access.using])
    [row] = yield update(t).where(t.c.id == old["id"]).values(**values).returning(t)
    yield from caller.admit(t, t.c.id == old["id"], [access.check], old)
    return row, old["version"]


def _admit_insert(caller: Caller, t: Table, identifier: str) -> Generator[Any, list[Row], None]:
    access = caller.access(OBJECTS, "insert")
    if access.denied:
        raise AccessDenied()
    yield from caller.admit(t, t.c.id == identifier, [access.check])


def _rehearse_insert(caller: Caller, new: NewObject) -> Generator[Any, list[Row], None]:
    """Would an insert be allowed if the name were free? Asked with a name that is, then taken back."""
    t = caller.database.tables.objects
    spare = f"{new.name}\N{SYMBOL FOR NULL}{new.version}"  # holds a character that no key may hold
    values = {"version": new.version, "metadata": new.metadata, "user_metadata": new.user_metadata}
    [row] = yield insert(t).values(bucket_id=new.bucket, name=spare, owner_id=caller.claims.uid, **values).returning(t)
    # The policy judges the name that was asked for, so the stored twin steps aside for the moment of the question.
    yield update(t).where(t.c.bucket_id == new.bucket, t.c.name == new.name).values(name=spare + "x")
    yield update(t).where(t.c.id == row["id"]).values(name=new.name)
    yield from _admit_insert(caller, t, row["id"])


def find_object(caller: Caller, bucket: str, name: str, *, public: bool = False) -> Script[Row]:
    """The object's row as `caller` may see it; with `public` any object of a public bucket. Raises NoSuchKey, which is
    also what an object (or bucket) that may not be seen looks like."""
    t, b = caller.database.tables.objects, caller.database.tables.buckets
    where = [t.c.bucket_id == bucket, t.c.name == name]
    if public:
        where.append(t.c.bucket_id.in_(select(b.c.id).where(b.c.id == bucket, b.c.public == sql_true(caller.database.dialect))))
    else:
        where.append(caller.may_see(t, OBJECTS))
    found = yield caller.step(select(t).where(*where))
    if not found:
        raise NoSuchKey()
    row: Row = found[0]
    return row


def delete_objects(caller: Caller, bucket: str, names: list[str]) -> Script[list[Row]]:
    """Delete those of `names` that the caller may delete; returns their rows. Others are silently left, as if missing."""
    t = caller.database.tables.objects
    yield from bucket_row(caller, bucket)
    chosen = and_(t.c.bucket_id == bucket, t.c.name.in_(names), caller.may_see(t, OBJECTS, "delete"))
    rows = yield caller.step(select(t).where(chosen))
    if rows:
        yield delete(t).where(t.c.id.in_([row["id"] for row in rows]))
    gone: list[Row] = rows
    return gone


def move_object(caller: Caller, bucket: str, name: str, to_bucket: str, to_name: str) -> Script[Row]:
    """Rename an object, possibly into another bucket: an update of its row. Raises NoSuchKey, NoSuchBucket, Duplicate,
    AccessDenied, also for a name that is taken: who may not move there learns nothing of what is there."""
    t = caller.database.tables.objects
    row = yield from find_object(caller, bucket, name)
    rules = yield from bucket_to_fill(caller, to_bucket)
    access = caller.access(OBJECTS, "update")
    if access.denied:
        raise AccessDenied()
    yield from caller.admit(t, t.c.id == row["id"], [access.using])
    taken = yield select(t.c.id).where(t.c.bucket_id == to_bucket, t.c.name == to_name)
    if taken:  # it steps aside until the policy has judged the move; Duplicate takes everything back
        aside = f"{to_name}\N{SYMBOL FOR NULL}{row['version']}"  # holds a character that no key may hold
        yield update(t).where(t.c.id == taken[0]["id"]).values(name=aside)
    [moved] = yield update(t).where(t.c.id == row["id"]).values(bucket_id=to_bucket, name=to_name, updated_at=caller.now).returning(t)
    yield from caller.admit(t, t.c.id == row["id"], [access.check], row)
    if taken:
        raise Duplicate()
    if to_bucket != bucket:
        check_object(rules, row)
    result: Row = moved
    return result


def visible(caller: Caller, table: Table, name: TableName) -> Select[Any]:
    """A select of the rows that the caller may see, to be narrowed further and run with `caller.step`."""
    return select(table).where(caller.may_see(table, name))
