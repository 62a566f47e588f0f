"""Second factors: their secrets and keys, what is under way, and recovery codes."""

from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    connection = op.get_bind()
    statements = POSTGRESQL if connection.dialect.name == "postgresql" else SQLITE
    for statement in statements.strip().split(";\n"):
        connection.exec_driver_sql(statement.rstrip(";").replace("$uuid", UUID))


def downgrade() -> None:
    sqlite = op.get_bind().dialect.name == "sqlite"

    def name(table: str) -> str:
        return f'"auth.{table}"' if sqlite else f"auth.{table}"

    for table in ("mfa_recovery_codes", "mfa_challenges", "mfa_factors"):
        op.get_bind().exec_driver_sql(f"DROP TABLE {name(table)}")
    op.get_bind().exec_driver_sql(f"ALTER TABLE {name('users')} DROP COLUMN factors")


UUID = (
    "(lower(hex(randomblob(4))||'-'||hex(randomblob(2))||'-4'||substr(hex(randomblob(2)),2)||'-'||"
    "substr('89ab',1+(random()&3),1)||substr(hex(randomblob(2)),2)||'-'||hex(randomblob(6))))"
)

POSTGRESQL = r"""
ALTER TABLE auth.users ADD COLUMN factors jsonb DEFAULT '[]' NOT NULL;
CREATE TABLE auth.mfa_factors (
  id uuid DEFAULT gen_random_uuid() NOT NULL,
  user_id uuid NOT NULL,
  factor_type TEXT NOT NULL,
  friendly_name TEXT DEFAULT '' NOT NULL,
  verified boolean DEFAULT false NOT NULL,
  secret TEXT,
  last_counter BIGINT,
  credential_id TEXT,
  credential jsonb DEFAULT '{}' NOT NULL,
  failures INTEGER DEFAULT 0 NOT NULL,
  locked_until timestamptz,
  created_at timestamptz DEFAULT now() NOT NULL,
  updated_at timestamptz DEFAULT now() NOT NULL,
  PRIMARY KEY (id),
  FOREIGN KEY(user_id) REFERENCES auth.users (id) ON DELETE CASCADE,
  UNIQUE (credential_id)
);
CREATE TABLE auth.mfa_challenges (
  id uuid DEFAULT gen_random_uuid() NOT NULL,
  user_id uuid,
  factor_id uuid,
  session_id uuid,
  data jsonb DEFAULT '{}' NOT NULL,
  expires_at timestamptz NOT NULL,
  created_at timestamptz DEFAULT now() NOT NULL,
  PRIMARY KEY (id),
  FOREIGN KEY(user_id) REFERENCES auth.users (id) ON DELETE CASCADE,
  FOREIGN KEY(factor_id) REFERENCES auth.mfa_factors (id) ON DELETE CASCADE
);
CREATE TABLE auth.mfa_recovery_codes (
  id uuid DEFAULT gen_random_uuid() NOT NULL,
  user_id uuid NOT NULL,
  code_hash TEXT NOT NULL,
  created_at timestamptz DEFAULT now() NOT NULL,
  PRIMARY KEY (id),
  FOREIGN KEY(user_id) REFERENCES auth.users (id) ON DELETE CASCADE
);
CREATE INDEX mfa_factors_user_id_idx ON auth.mfa_factors (user_id);
CREATE INDEX mfa_challenges_factor_id_idx ON auth.mfa_challenges (factor_id);
CREATE INDEX mfa_challenges_expires_at_idx ON auth.mfa_challenges (expires_at);
CREATE INDEX mfa_recovery_codes_user_id_idx ON auth.mfa_recovery_codes (user_id);
"""

SQLITE = r"""
ALTER TABLE "auth.users" ADD COLUMN factors TEXT DEFAULT '[]' NOT NULL;
CREATE TABLE "auth.mfa_factors" (
  id TEXT DEFAULT $uuid NOT NULL,
  user_id TEXT NOT NULL,
  factor_type TEXT NOT NULL,
  friendly_name TEXT DEFAULT '' NOT NULL,
  verified BOOLEAN DEFAULT 0 NOT NULL,
  secret TEXT,
  last_counter BIGINT,
  credential_id TEXT,
  credential TEXT DEFAULT '{}' NOT NULL,
  failures INTEGER DEFAULT 0 NOT NULL,
  locked_until TEXT,
  created_at TEXT DEFAULT (rtrim(rtrim(strftime('%Y-%m-%dT%H:%M:%f','now'),'0'),'.')||'+00:00') NOT NULL,
  updated_at TEXT DEFAULT (rtrim(rtrim(strftime('%Y-%m-%dT%H:%M:%f','now'),'0'),'.')||'+00:00') NOT NULL,
  PRIMARY KEY (id),
  FOREIGN KEY(user_id) REFERENCES "auth.users" (id) ON DELETE CASCADE,
  UNIQUE (credential_id)
);
CREATE TABLE "auth.mfa_challenges" (
  id TEXT DEFAULT $uuid NOT NULL,
  user_id TEXT,
  factor_id TEXT,
  session_id TEXT,
  data TEXT DEFAULT '{}' NOT NULL,
  expires_at TEXT NOT NULL,
  created_at TEXT DEFAULT (rtrim(rtrim(strftime('%Y-%m-%dT%H:%M:%f','now'),'0'),'.')||'+00:00') NOT NULL,
  PRIMARY KEY (id),
  FOREIGN KEY(user_id) REFERENCES "auth.users" (id) ON DELETE CASCADE,
  FOREIGN KEY(factor_id) REFERENCES "auth.mfa_factors" (id) ON DELETE CASCADE
);
CREATE TABLE "auth.mfa_recovery_codes" (
  id TEXT DEFAULT $uuid NOT NULL,
  user_id TEXT NOT NULL,
  code_hash TEXT NOT NULL,
  created_at TEXT DEFAULT (rtrim(rtrim(strftime('%Y-%m-%dT%H:%M:%f','now'),'0'),'.')||'+00:00') NOT NULL,
  PRIMARY KEY (id),
  FOREIGN KEY(user_id) REFERENCES "auth.users" (id) ON DELETE CASCADE
);
CREATE INDEX mfa_factors_user_id_idx ON "auth.mfa_factors" (user_id);
CREATE INDEX mfa_challenges_factor_id_idx ON "auth.mfa_challenges" (factor_id);
CREATE INDEX mfa_challenges_expires_at_idx ON "auth.mfa_challenges" (expires_at);
CREATE INDEX mfa_recovery_codes_user_id_idx ON "auth.mfa_recovery_codes" (user_id);
"""
