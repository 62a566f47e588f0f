"""Sign-in by mail and phone: usernames, one-time codes, flows, the outbox and the record of events."""

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    connection = op.get_bind()
    statements = POSTGRESQL if connection.dialect.name == "postgresql" else SQLITE
    for statement in statements.strip().split(";\n"):
        connection.exec_driver_sql(statement.rstrip(";").replace("$uuid", UUID))


def downgrade() -> None:
    sqlite = op.get_bind().dialect.name == "sqlite"

    def name(table: str) -> str:
        return f'"auth.{table}"' if sqlite else f"auth.{table}"

    inside = "" if sqlite else "auth."
    texts = [
        f"DROP INDEX {inside}{index}" for index in ("users_username_key", "one_time_tokens_relates_to_idx", "one_time_tokens_user_id_idx")
    ]
    texts += [f"DROP TABLE {name(table)}" for table in ("audit_log_entries", "outbox", "flow_states")]
    texts += [f"ALTER TABLE {name('one_time_tokens')} DROP COLUMN {column}" for column in ("flow_id", "data", "attempts", "code_hash")]
    for text in [*texts, f"ALTER TABLE {name('users')} DROP COLUMN username"]:
        op.get_bind().exec_driver_sql(text)


UUID = (
    "(lower(hex(randomblob(4))||'-'||hex(randomblob(2))||'-4'||substr(hex(randomblob(2)),2)||'-'||"
    "substr('89ab',1+(random()&3),1)||substr(hex(randomblob(2)),2)||'-'||hex(randomblob(6))))"
)

POSTGRESQL = r"""
ALTER TABLE auth.users ADD COLUMN username TEXT;
ALTER TABLE auth.one_time_tokens ADD COLUMN code_hash TEXT;
ALTER TABLE auth.one_time_tokens ADD COLUMN attempts INTEGER DEFAULT 0 NOT NULL;
ALTER TABLE auth.one_time_tokens ADD COLUMN data jsonb DEFAULT '{}' NOT NULL;
ALTER TABLE auth.one_time_tokens ADD COLUMN flow_id uuid;
CREATE TABLE auth.flow_states (
  id uuid DEFAULT gen_random_uuid() NOT NULL,
  user_id uuid,
  method TEXT NOT NULL,
  code_hash TEXT,
  challenge TEXT NOT NULL,
  challenge_method TEXT NOT NULL,
  data jsonb DEFAULT '{}' NOT NULL,
  expires_at timestamptz NOT NULL,
  created_at timestamptz DEFAULT now() NOT NULL,
  PRIMARY KEY (id),
  FOREIGN KEY(user_id) REFERENCES auth.users (id) ON DELETE CASCADE,
  UNIQUE (code_hash)
);
CREATE TABLE auth.outbox (
  id uuid DEFAULT gen_random_uuid() NOT NULL,
  user_id uuid,
  kind TEXT NOT NULL,
  address TEXT NOT NULL,
  data jsonb DEFAULT '{}' NOT NULL,
  prepared boolean DEFAULT false NOT NULL,
  attempts INTEGER DEFAULT 0 NOT NULL,
  due_at timestamptz,
  sent_at timestamptz,
  error TEXT,
  created_at timestamptz DEFAULT now() NOT NULL,
  PRIMARY KEY (id),
  FOREIGN KEY(user_id) REFERENCES auth.users (id) ON DELETE CASCADE
);
CREATE TABLE auth.audit_log_entries (
  id uuid DEFAULT gen_random_uuid() NOT NULL,
  at timestamptz DEFAULT now() NOT NULL,
  action TEXT NOT NULL,
  user_id TEXT,
  actor TEXT NOT NULL,
  ip TEXT,
  details jsonb DEFAULT '{}' NOT NULL,
  PRIMARY KEY (id)
);
CREATE INDEX audit_log_entries_at_idx ON auth.audit_log_entries (at);
CREATE INDEX one_time_tokens_relates_to_idx ON auth.one_time_tokens (relates_to);
CREATE INDEX one_time_tokens_user_id_idx ON auth.one_time_tokens (user_id);
CREATE INDEX outbox_due_at_idx ON auth.outbox (due_at);
CREATE UNIQUE INDEX users_username_key ON auth.users (username);
"""

SQLITE = r"""
ALTER TABLE "auth.users" ADD COLUMN username TEXT;
ALTER TABLE "auth.one_time_tokens" ADD COLUMN code_hash TEXT;
ALTER TABLE "auth.one_time_tokens" ADD COLUMN attempts INTEGER DEFAULT 0 NOT NULL;
ALTER TABLE "auth.one_time_tokens" ADD COLUMN data TEXT DEFAULT '{}' NOT NULL;
ALTER TABLE "auth.one_time_tokens" ADD COLUMN flow_id TEXT;
CREATE TABLE "auth.flow_states" (
  id TEXT DEFAULT $uuid NOT NULL,
  user_id TEXT,
  method TEXT NOT NULL,
  code_hash TEXT,
  challenge TEXT NOT NULL,
  challenge_method TEXT NOT NULL,
  data TEXT DEFAULT '{}' NOT NULL,
  expires_at TEXT NOT NULL,
  created_at TEXT DEFAULT (rtrim(rtrim(strftime('%Y-%m-%dT%H:%M:%f','now'),'0'),'.')||'+00:00') NOT NULL,
  PRIMARY KEY (id),
  FOREIGN KEY(user_id) REFERENCES "auth.users" (id) ON DELETE CASCADE,
  UNIQUE (code_hash)
);
CREATE TABLE "auth.outbox" (
  id TEXT DEFAULT $uuid NOT NULL,
  user_id TEXT,
  kind TEXT NOT NULL,
  address TEXT NOT NULL,
  data TEXT DEFAULT '{}' NOT NULL,
  prepared BOOLEAN DEFAULT 0 NOT NULL,
  attempts INTEGER DEFAULT 0 NOT NULL,
  due_at TEXT,
  sent_at TEXT,
  error TEXT,
  created_at TEXT DEFAULT (rtrim(rtrim(strftime('%Y-%m-%dT%H:%M:%f','now'),'0'),'.')||'+00:00') NOT NULL,
  PRIMARY KEY (id),
  FOREIGN KEY(user_id) REFERENCES "auth.users" (id) ON DELETE CASCADE
);
CREATE TABLE "auth.audit_log_entries" (
  id TEXT DEFAULT $uuid NOT NULL,
  at TEXT DEFAULT (rtrim(rtrim(strftime('%Y-%m-%dT%H:%M:%f','now'),'0'),'.')||'+00:00') NOT NULL,
  action TEXT NOT NULL,
  user_id TEXT,
  actor TEXT NOT NULL,
  ip TEXT,
  details TEXT DEFAULT '{}' NOT NULL,
  PRIMARY KEY (id)
);
CREATE INDEX audit_log_entries_at_idx ON "auth.audit_log_entries" (at);
CREATE INDEX one_time_tokens_relates_to_idx ON "auth.one_time_tokens" (relates_to);
CREATE INDEX one_time_tokens_user_id_idx ON "auth.one_time_tokens" (user_id);
CREATE INDEX outbox_due_at_idx ON "auth.outbox" (due_at);
CREATE UNIQUE INDEX users_username_key ON "auth.users" (username);
"""
