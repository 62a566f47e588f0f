"""Who applied a migration, and how long it took."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def _table() -> tuple[str, str | None]:
    return ("baaskit.migrations", None) if op.get_bind().dialect.name == "sqlite" else ("migrations", "baaskit")


def upgrade() -> None:
    table, schema = _table()
    op.add_column(table, sa.Column("applied_by", sa.Text), schema=schema)
    op.add_column(table, sa.Column("duration_ms", sa.Integer), schema=schema)


def downgrade() -> None:
    table, schema = _table()
    op.drop_column(table, "duration_ms", schema=schema)
    op.drop_column(table, "applied_by", schema=schema)
