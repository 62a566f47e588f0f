"""Capture triggers: every committed change of an opted-in table, by any writer, goes to `baaskit.changes`.

Regenerated whenever the table's columns change. Rows are logged as REST shows them.
"""

from __future__ import annotations

from baaskit.kernel.database.encode import json_sql
from baaskit.kernel.schema import Table, TableName

PREFIX = "baaskit_capture"


def physical(name: TableName, dialect: str) -> str:
    """The quoted physical name of a table: `"auth"."users"` on PostgreSQL, `"auth.users"` on SQLite."""
    if dialect == "postgresql":
        return f"{quote(name.schema)}.{quote(name.name)}"
    return quote(name.name if name.schema == "public" else f"{name.schema}.{name.name}")


def quote(identifier: str) -> str:
    """`identifier` in double quotes, inner ones doubled."""
    return '"' + identifier.replace('"', '""') + '"'


def literal(text: str) -> str:
    """`text` as an SQL string literal."""
    return "'" + text.replace("'", "''") + "'"


def create_sql(table: Table, dialect: str) -> list[str]:
    """Statements that (re)create the triggers of `table`."""
    return drop_sql(table.stored, dialect) + (_sqlite(table) if dialect == "sqlite" else _postgres(table))


def drop_sql(name: TableName, dialect: str) -> list[str]:
    """Statements that remove the triggers of a table, if there are any."""
    if dialect == "sqlite":
        return [f"DROP TRIGGER IF EXISTS {quote(f'{PREFIX}.{name}.{op}')}" for op in ("insert", "update", "delete")]
    target = physical(name, dialect)
    return [f"DROP TRIGGER IF EXISTS {PREFIX}_{kind} ON {target}" for kind in ("rows", "truncate")]


def row_sql(table: Table, side: str) -> str:
    """SQLite: the row `side` (`NEW`, `OLD`, an alias) as JSON text."""
    pairs = [f"{literal(c.name)}, {json_sql(c, f'{side}.{quote(c.name)}')}" for c in table.columns]
    # json_object takes at most 1000 arguments; wide tables are joined with json_patch, which keeps keys in order.
    parts = [f"json_object({', '.join(pairs[i : i + 400])})" for i in range(0, len(pairs), 400)]
    text = parts[0]
    for part in parts[1:]:
        text = f"json_patch({text}, {part})"
    return text


def _sqlite(table: Table) -> list[str]:
    old, new = row_sql(table, "OLD"), row_sql(table, "NEW")
    sides = {"insert": ("NULL", new), "update": (old, new), "delete": (old, "NULL")}
    schema, name = literal(table.name.schema), literal(table.name.name)
    return [
        f"CREATE TRIGGER {quote(f'{PREFIX}.{table.name}.{op}')} AFTER {op.upper()} ON {physical(table.name, 'sqlite')} BEGIN "
        f'INSERT INTO "baaskit.changes"(table_schema, table_name, op, "before", "after") VALUES ({schema}, {name}, \'{op}\', {before}, {after}); END'
        for op, (before, after) in sides.items()
    ]


def _postgres(table: Table) -> list[str]:
    target = physical(table.stored, "postgresql")
    call = f"baaskit.capture({literal(table.name.schema) if table.home else ''})"  # logged under its own name, wherever it is kept
    return [
        f"CREATE TRIGGER {PREFIX}_rows AFTER INSERT OR UPDATE OR DELETE ON {target} FOR EACH ROW EXECUTE FUNCTION {call}",
        f"CREATE TRIGGER {PREFIX}_truncate AFTER TRUNCATE ON {target} FOR EACH STATEMENT EXECUTE FUNCTION {call}",
    ]


# SECURITY DEFINER: a writer needs no right on the log. The settings make the logged text the same whoever writes.
POSTGRES_FUNCTION = """
CREATE OR REPLACE FUNCTION baaskit.capture() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = '' SET timezone = 'UTC' AS $$
BEGIN
  INSERT INTO baaskit.changes(table_schema, table_name, op, before, after) VALUES (
    coalesce(TG_ARGV[0], TG_TABLE_SCHEMA), TG_TABLE_NAME, pg_catalog.lower(TG_OP),
    CASE WHEN TG_OP IN ('UPDATE', 'DELETE') THEN pg_catalog.to_jsonb(OLD) END,
    CASE WHEN TG_OP IN ('INSERT', 'UPDATE') THEN pg_catalog.to_jsonb(NEW) END);
  RETURN NULL;
END $$"""

# What policies and defaults of a PostgreSQL project may call in plain SQL; the API itself binds these values.
POSTGRES_AUTH_FUNCTIONS = """
CREATE OR REPLACE FUNCTION auth.jwt() RETURNS jsonb LANGUAGE sql STABLE AS
$$ SELECT coalesce(nullif(current_setting('request.jwt.claims', true), ''), '{}')::jsonb $$;
CREATE OR REPLACE FUNCTION auth.uid() RETURNS uuid LANGUAGE sql STABLE AS $$ SELECT nullif(auth.jwt() ->> 'sub', '')::uuid $$;
CREATE OR REPLACE FUNCTION auth.role() RETURNS text LANGUAGE sql STABLE AS $$ SELECT auth.jwt() ->> 'role' $$;
CREATE OR REPLACE FUNCTION auth.email() RETURNS text LANGUAGE sql STABLE AS $$ SELECT auth.jwt() ->> 'email' $$;
"""
