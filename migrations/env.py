"""Alembic environment: runs on the connection that `baaskit.kernel.database.system` hands over, in its transaction."""

from alembic import context

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    version_table="baaskit.alembic_version" if connection.dialect.name == "sqlite" else "alembic_version",
    version_table_schema=None if connection.dialect.name == "sqlite" else "baaskit",
    transaction_per_migration=False,
)
context.run_migrations()
