"""Answers of writes with an Idempotency-Key."""

from alembic import op

revision = "0003"
down_revision = "0002"

_SQLITE = """
CREATE TABLE IF NOT EXISTS "baaskit.idempotency" (
  key TEXT NOT NULL PRIMARY KEY, fingerprint TEXT NOT NULL, rights TEXT NOT NULL, status INTEGER, headers TEXT, body BLOB, expires_at TEXT NOT NULL
)
"""
_POSTGRES = """
CREATE TABLE IF NOT EXISTS baaskit.idempotency (
  key text PRIMARY KEY, fingerprint text NOT NULL, rights text NOT NULL, status integer, headers jsonb, body bytea, expires_at timestamptz NOT NULL
)
"""


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute(_POSTGRES)
        op.execute("CREATE INDEX IF NOT EXISTS idempotency_expires_at_idx ON baaskit.idempotency (expires_at)")
    else:
        op.execute(_SQLITE)
        op.execute('CREATE INDEX IF NOT EXISTS idempotency_expires_at_idx ON "baaskit.idempotency" (expires_at)')


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP TABLE baaskit.idempotency")
    else:
        op.execute('DROP TABLE "baaskit.idempotency"')
