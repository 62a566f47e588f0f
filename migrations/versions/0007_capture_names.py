"""Changes are logged under the name that the trigger says, where a table has another one to us than to the database."""

from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    _replace("coalesce(TG_ARGV[0], TG_TABLE_SCHEMA)")


def downgrade() -> None:
    _replace("TG_TABLE_SCHEMA")


def _replace(schema: str) -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.get_bind().exec_driver_sql(FUNCTION.replace("$schema", schema))


FUNCTION = """
CREATE OR REPLACE FUNCTION baaskit.capture() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = '' SET timezone = 'UTC' AS $$
BEGIN
  INSERT INTO baaskit.changes(table_schema, table_name, op, before, after) VALUES (
    $schema, TG_TABLE_NAME, pg_catalog.lower(TG_OP),
    CASE WHEN TG_OP IN ('UPDATE', 'DELETE') THEN pg_catalog.to_jsonb(OLD) END,
    CASE WHEN TG_OP IN ('INSERT', 'UPDATE') THEN pg_catalog.to_jsonb(NEW) END);
  RETURN NULL;
END $$"""
