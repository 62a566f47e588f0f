"""Our own tables, as SQLAlchemy Core, for both dialects from one text.

On PostgreSQL they live in the schemas `auth`, `storage`, `realtime` and `baaskit`; on SQLite in tables whose names
hold the dot (docs/architecture.md). The history that creates them is in `migrations/` (Alembic).
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

import orjson
from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.types import UserDefinedType

from baaskit.kernel.schema import TableName

SCHEMAS = ("auth", "storage", "realtime", "baaskit")
HOME = "baaskit"  # where all of ours are in a PostgreSQL database that belongs to others


class _Ours(UserDefinedType[Any]):
    """A type that is spelled per dialect and converted by `to_driver` and `from_driver`."""

    cache_ok = True
    pg, sqlite = "text", "TEXT"

    def to_driver(self, dialect: str) -> Callable[[Any], Any] | None:
        return None

    def from_driver(self, dialect: str) -> Callable[[Any], Any] | None:
        return None

    def bind_processor(self, dialect: Any) -> Callable[[Any], Any] | None:
        convert = self.to_driver(dialect.name)
        return (lambda value: None if value is None else convert(value)) if convert else None

    def result_processor(self, dialect: Any, coltype: Any) -> Callable[[Any], Any] | None:
        convert = self.from_driver(dialect.name)
        return (lambda value: None if value is None else convert(value)) if convert else None


@compiles(_Ours, "postgresql")
def _spell_pg(kind: _Ours, compiler: Any, **_: Any) -> str:
    return kind.pg


@compiles(_Ours, "sqlite")
def _spell_sqlite(kind: _Ours, compiler: Any, **_: Any) -> str:
    return kind.sqlite  # TEXT: no affinity that would turn a JSON "5" or a numeric-looking key into a number


class Uid(_Ours):
    """A UUID, in Python and on SQLite lower-case text with dashes."""

    cache_ok = True
    pg = "uuid"


class Moment(_Ours):
    """An instant: an aware datetime in Python; on SQLite text in the canonical form of `moment_text`."""

    cache_ok = True
    pg = "timestamptz"

    def to_driver(self, dialect: str) -> Callable[[Any], Any] | None:
        return moment_text if dialect == "sqlite" else None

    def from_driver(self, dialect: str) -> Callable[[Any], Any] | None:
        return datetime.fromisoformat if dialect == "sqlite" else None


class Json(_Ours):
    """JSON; JSON text on SQLite, jsonb on PostgreSQL (whose codec is set on our connections)."""

    cache_ok = True
    pg = "jsonb"

    def to_driver(self, dialect: str) -> Callable[[Any], Any] | None:
        return _dump if dialect == "sqlite" else None

    def from_driver(self, dialect: str) -> Callable[[Any], Any] | None:
        return orjson.loads if dialect == "sqlite" else None


class Flag(_Ours):
    """A boolean; 0 or 1 on SQLite."""

    cache_ok = True
    pg, sqlite = "boolean", "BOOLEAN"

    def to_driver(self, dialect: str) -> Callable[[Any], Any] | None:
        return int if dialect == "sqlite" else None

    def from_driver(self, dialect: str) -> Callable[[Any], Any] | None:
        return bool if dialect == "sqlite" else None


class Xid8(_Ours):
    """PostgreSQL's 64-bit transaction id."""

    cache_ok = True
    pg = "xid8"


def moment_text(moment: datetime) -> str:
    """`moment` (aware) as PostgreSQL's JSON shows it in UTC: `2026-01-01T10:00:00.12+00:00`, trailing zeros cut."""
    utc = moment.astimezone(UTC)
    fraction = f".{utc.microsecond:06d}".rstrip("0").rstrip(".")
    return utc.strftime("%Y-%m-%dT%H:%M:%S") + fraction + "+00:00"


def _dump(value: Any) -> str:
    return orjson.dumps(value).decode()


class Tables:
    """Namespace of our tables for one dialect: `tables.users`, `tables.metadata`. Built once per dialect.

    `home`: the one PostgreSQL schema that holds them all in a database that belongs to others; no two have the same name.
    `logical` tells the logical name of a stored one.
    """

    def __init__(self, dialect: str, home: str | None = None) -> None:
        self.dialect, self.home = dialect, home
        self.metadata = MetaData()
        self.logical: dict[TableName, TableName] = {}
        self._define_auth()
        self._define_storage()
        self._define_realtime()
        self._define_core()

    def _table(self, schema: str, name: str, *items: Any) -> Table:
        if self.dialect == "postgresql":
            self.logical[TableName(self.home or schema, name)] = TableName(schema, name)
            return Table(name, self.metadata, *items, schema=self.home or schema)
        self.logical[TableName(schema, name)] = TableName(schema, name)
        return Table(f"{schema}.{name}", self.metadata, *items)

    def _id(self) -> Column[Any]:
        return Column("id", Uid(), primary_key=True, server_default=self.uuid_default())

    def uuid_default(self) -> Any:
        """Server default of a UUID key: built-ins only, so that any SQL shell can insert."""
        if self.dialect == "postgresql":
            return text("gen_random_uuid()")
        return text(
            "(lower(hex(randomblob(4))||'-'||hex(randomblob(2))||'-4'||substr(hex(randomblob(2)),2)||'-'||"
            "substr('89ab',1+(random()&3),1)||substr(hex(randomblob(2)),2)||'-'||hex(randomblob(6))))"
        )

    def now_default(self) -> Any:
        """Server default of an instant."""
        if self.dialect == "postgresql":
            return text("now()")
        return text("(rtrim(rtrim(strftime('%Y-%m-%dT%H:%M:%f','now'),'0'),'.')||'+00:00')")

    def _at(self, name: str = "created_at") -> Column[Any]:
        return Column(name, Moment(), nullable=False, server_default=self.now_default())

    def _object(self, name: str) -> Column[Any]:
        return Column(name, Json(), nullable=False, server_default=text("'{}'"))

    def _flag(self, name: str) -> Column[Any]:
        return Column(name, Flag(), nullable=False, server_default=text("false" if self.dialect == "postgresql" else "0"))

    def _user(self, *, nullable: bool = False) -> Column[Any]:
        return self._refers("user_id", "auth.users.id", nullable=nullable)

    def _refers(self, name: str, target: str, *, nullable: bool = False, type_: Any = None, ondelete: str = "CASCADE") -> Column[Any]:
        schema, table, column = target.split(".")
        key: Any = ForeignKey(f"{self.home or schema}.{table}.{column}", ondelete=ondelete)
        if self.dialect == "sqlite":  # the dot belongs to the name, so the target is given as a column, not as text
            key = ForeignKey(self.metadata.tables[f"{schema}.{table}"].c[column], ondelete=ondelete)
        return Column(name, type_ or Uid(), key, nullable=nullable)

    def _define_auth(self) -> None:
        self.users = self._table(
            "auth", "users", self._id(),
            Column("aud", Text, nullable=False, server_default="authenticated"),
            Column("role", Text, nullable=False, server_default="authenticated"),
            Column("email", Text, unique=True), Column("phone", Text, unique=True), Column("encrypted_password", Text),
            Column("email_confirmed_at", Moment()), Column("phone_confirmed_at", Moment()), Column("invited_at", Moment()),
            Column("confirmation_sent_at", Moment()), Column("recovery_sent_at", Moment()), Column("email_change_sent_at", Moment()),
            Column("new_email", Text), Column("last_sign_in_at", Moment()), Column("banned_until", Moment()), Column("deleted_at", Moment()),
            self._object("raw_app_meta_data"), self._object("raw_user_meta_data"), self._flag("is_anonymous"),
            self._at(), self._at("updated_at"), Column("username", Text), Column("email_proven_at", Moment()),
            Column("factors", Json(), nullable=False, server_default=text("'[]'")),
        )  # fmt: skip
        Index("users_username_key", self.users.c.username, unique=True)
        self.identities = self._table(
            "auth", "identities", self._id(), self._user(),
            Column("provider", Text, nullable=False), Column("provider_id", Text, nullable=False), self._object("identity_data"),
            Column("email", Text), Column("last_sign_in_at", Moment()), self._at(), self._at("updated_at"),
            UniqueConstraint("provider", "provider_id", name="identities_provider_id_key"),
        )  # fmt: skip
        self.sessions = self._table(
            "auth", "sessions", self._id(), self._user(),
            Column("aal", Text, nullable=False, server_default="aal1"), Column("amr", Json(), nullable=False, server_default=text("'[]'")),
            Column("user_agent", Text), Column("ip", Text), Column("not_after", Moment()), Column("refreshed_at", Moment()),
            self._at(), self._at("updated_at"),
        )  # fmt: skip
        self.refresh_tokens = self._table(
            "auth", "refresh_tokens",
            Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
            Column("token_hash", Text, nullable=False, unique=True), Column("parent_id", BigInteger),
            self._refers("session_id", "auth.sessions.id"), self._flag("revoked"), Column("used_at", Moment()), self._at(),
        )  # fmt: skip
        self.one_time_tokens = self._table(
            "auth", "one_time_tokens", self._id(), self._user(), Column("kind", Text, nullable=False),
            Column("token_hash", Text, nullable=False, unique=True), Column("relates_to", Text, nullable=False, server_default=""),
            Column("expires_at", Moment(), nullable=False), self._at(), Column("code_hash", Text),
            Column("attempts", Integer, nullable=False, server_default=text("0")), self._object("data"), Column("flow_id", Uid()),
        )  # fmt: skip
        Index("one_time_tokens_relates_to_idx", self.one_time_tokens.c.relates_to)
        Index("one_time_tokens_user_id_idx", self.one_time_tokens.c.user_id)
        self._define_auth_work()
        for table, column in ((self.identities, "user_id"), (self.sessions, "user_id"), (self.refresh_tokens, "session_id")):
            Index(f"{table.name.split('.')[-1]}_{column}_idx", table.c[column])

    def _define_auth_work(self) -> None:
        """What sign-in has under way: flows between two requests, messages to send, and the record of what happened."""
        self.flow_states = self._table(
            "auth", "flow_states", self._id(), self._user(nullable=True), Column("method", Text, nullable=False),
            Column("code_hash", Text, unique=True), Column("challenge", Text, nullable=False), Column("challenge_method", Text, nullable=False),
            self._object("data"), Column("expires_at", Moment(), nullable=False), self._at(),
        )  # fmt: skip
        self.outbox = self._table(
            "auth", "outbox", self._id(), self._user(nullable=True), Column("kind", Text, nullable=False), Column("address", Text, nullable=False),
            self._object("data"), self._flag("prepared"), Column("attempts", Integer, nullable=False, server_default=text("0")),
            Column("due_at", Moment()), Column("sent_at", Moment()), Column("error", Text), self._at(),
        )  # fmt: skip
        Index("outbox_due_at_idx", self.outbox.c.due_at)
        self.audit_log = self._table(
            "auth", "audit_log_entries", self._id(), self._at("at"), Column("action", Text, nullable=False), Column("user_id", Text),
            Column("actor", Text, nullable=False), Column("ip", Text), self._object("details"),
        )  # fmt: skip
        Index("audit_log_entries_at_idx", self.audit_log.c.at)
        self._define_factors()

    def _define_factors(self) -> None:
        """Second factors and passkeys; `users.factors` is what clients see of them."""
        self.factors = self._table(
            "auth", "mfa_factors", self._id(), self._user(), Column("factor_type", Text, nullable=False),
            Column("friendly_name", Text, nullable=False, server_default=""), self._flag("verified"), Column("secret", Text),
            Column("last_counter", BigInteger), Column("credential_id", Text, unique=True), self._object("credential"),
            Column("failures", Integer, nullable=False, server_default=text("0")), Column("locked_until", Moment()),
            self._at(), self._at("updated_at"),
        )  # fmt: skip
        self.challenges = self._table(
            "auth", "mfa_challenges", self._id(), self._user(nullable=True), self._refers("factor_id", "auth.mfa_factors.id", nullable=True),
            Column("session_id", Uid()), self._object("data"), Column("expires_at", Moment(), nullable=False), self._at(),
        )  # fmt: skip
        self.recovery_codes = self._table(
            "auth", "mfa_recovery_codes", self._id(), self._user(), Column("code_hash", Text, nullable=False), self._at()
        )
        for table, column in (
            (self.factors, "user_id"),
            (self.challenges, "factor_id"),
            (self.challenges, "expires_at"),
            (self.recovery_codes, "user_id"),
        ):
            Index(f"{table.name.split('.')[-1]}_{column}_idx", table.c[column])

    def _define_storage(self) -> None:
        self.buckets = self._table(
            "storage", "buckets", Column("id", Text, primary_key=True), Column("name", Text, nullable=False, unique=True),
            Column("owner_id", Text), self._flag("public"), Column("file_size_limit", BigInteger), Column("allowed_mime_types", Json()),
            self._at(), self._at("updated_at"),
        )  # fmt: skip
        self.objects = self._table(
            "storage", "objects", self._id(), self._refers("bucket_id", "storage.buckets.id", type_=Text(), ondelete="NO ACTION"),
            Column("name", Text, nullable=False), Column("owner_id", Text), Column("version", Text, nullable=False),
            self._object("metadata"), Column("user_metadata", Json()), self._at(), self._at("updated_at"),
            Column("last_accessed_at", Moment()), UniqueConstraint("bucket_id", "name", name="objects_bucket_id_name_key"),
        )  # fmt: skip

    def _define_realtime(self) -> None:
        self.messages = self._table(
            "realtime", "messages", self._id(), Column("topic", Text, nullable=False), Column("extension", Text, nullable=False),
            Column("event", Text), Column("payload", Json()), self._flag("private"), self._at("inserted_at"),
        )  # fmt: skip
        Index("messages_topic_inserted_at_idx", self.messages.c.topic, self.messages.c.inserted_at)

    def _define_core(self) -> None:
        self._define_log()
        self.state = self._table("baaskit", "state", Column("key", Text, primary_key=True), Column("value", Json(), nullable=False))
        self.policies = self._table(
            "baaskit", "policies", Column("version", Integer, primary_key=True), Column("text", Text, nullable=False),
            Column("author", Text, nullable=False), Column("note", Text, nullable=False, server_default=""), self._at(),
        )  # fmt: skip
        self.migrations = self._table(
            "baaskit",
            "migrations",
            Column("name", Text, primary_key=True),
            Column("checksum", Text, nullable=False),
            self._at("applied_at"),
            Column("applied_by", Text),
            Column("duration_ms", Integer),
        )
        self.columns = self._table(
            "baaskit", "columns", Column("table_schema", Text, primary_key=True), Column("table_name", Text, primary_key=True),
            Column("column_name", Text, primary_key=True), Column("pg_type", Text, nullable=False), Column("pg_default", Text),
            Column("identity", Text, nullable=False, server_default=""), Column("labels", Json()), Column("comment", Text, nullable=False, server_default=""),
        )  # fmt: skip
        self.idempotency = self._table(
            "baaskit", "idempotency", Column("key", Text, primary_key=True), Column("fingerprint", Text, nullable=False),
            Column("rights", Text, nullable=False), Column("status", Integer), Column("headers", Json()), Column("body", LargeBinary),
            Column("expires_at", Moment(), nullable=False),
        )  # fmt: skip
        Index("idempotency_expires_at_idx", self.idempotency.c.expires_at)
        self.captures = self._table(
            "baaskit", "captures", Column("table_schema", Text, primary_key=True), Column("table_name", Text, primary_key=True)
        )
        self.admins = self._table(
            "baaskit", "admins", self._id(), Column("email", Text, nullable=False, unique=True), Column("password_hash", Text, nullable=False),
            Column("role", Text, nullable=False), self._at(), CheckConstraint("role in ('owner','developer','viewer')", name="admins_role_check"),
        )  # fmt: skip
        self.admin_sessions = self._table(
            "baaskit", "admin_sessions", self._id(), self._refers("admin_id", "baaskit.admins.id"),
            Column("token_hash", Text, nullable=False, unique=True), Column("expires_at", Moment(), nullable=False), self._at(),
        )  # fmt: skip
        self.audit = self._table(
            "baaskit", "audit", self._id(), self._at("at"), Column("actor", Text, nullable=False), Column("action", Text, nullable=False),
            Column("target", Text, nullable=False, server_default=""), self._object("details"),
        )  # fmt: skip
        Index("audit_at_idx", self.audit.c.at)

    def _define_log(self) -> None:
        pg = self.dialect == "postgresql"
        self.changes = self._table(
            "baaskit", "changes",
            Column("seq", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
            Column("txid", Xid8() if pg else Integer, nullable=False, server_default=text("pg_current_xact_id()" if pg else "0")),
            Column("table_schema", Text, nullable=False), Column("table_name", Text, nullable=False), Column("op", Text, nullable=False),
            Column("before", Json()), Column("after", Json()), self._at("at"),
        )  # fmt: skip
        # SQLite: AUTOINCREMENT never gives a number twice, so a cursor stays true after the log is pruned.
        self.changes.dialect_options["sqlite"]["autoincrement"] = True
        if pg:
            Index("changes_txid_seq_idx", self.changes.c.txid, self.changes.c.seq)
        self.cursors = self._table(
            "baaskit", "cursors", Column("name", Text, primary_key=True), Column("cursor", Text, nullable=False), self._at("updated_at")
        )
        self.dead_letters = self._table(
            "baaskit", "dead_letters", self._id(), Column("function", Text, nullable=False), Column("event_id", Text, nullable=False),
            Column("event", Json(), nullable=False), Column("error", Text, nullable=False), Column("attempts", Integer, nullable=False), self._at(),
            UniqueConstraint("function", "event_id", name="dead_letters_function_event_id_key"),
        )  # fmt: skip
        self.invocations = self._table(
            "baaskit", "invocations", self._id(), Column("function", Text, nullable=False), Column("release", Text, nullable=False),
            Column("trigger", Text, nullable=False), Column("role", Text, nullable=False), Column("user_id", Text),
            Column("started_at", Moment(), nullable=False), Column("queue_ms", Integer, nullable=False), self._flag("cold"),
            Column("run_ms", Integer, nullable=False), Column("outcome", Text, nullable=False), Column("error", Text),
        )  # fmt: skip
        Index("invocations_started_at_idx", self.invocations.c.started_at)


_BUILT: dict[tuple[str, str | None], Tables] = {}


# Where the history of our tables is run: its files ask for a dialect's tables, and are the same for both layouts.
upgraded_home: ContextVar[str | None] = ContextVar("upgraded_home", default=None)


def for_dialect(dialect: str, home: str | None = None) -> Tables:
    """The tables for `"sqlite"` or `"postgresql"`, built once."""
    home = home or upgraded_home.get()
    if (dialect, home) not in _BUILT:
        _BUILT[dialect, home] = Tables(dialect, home)
    return _BUILT[dialect, home]
