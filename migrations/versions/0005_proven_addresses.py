"""Whether somebody was seen to have the mailbox of an account's address.

`email_confirmed_at` does not tell: without `mail_confirm` every address is confirmed unseen. Old accounts count as unproven.
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def _table() -> tuple[str, str | None]:
    return ("auth.users", None) if op.get_bind().dialect.name == "sqlite" else ("users", "auth")


def upgrade() -> None:
    table, schema = _table()
    kind = sa.Text() if schema is None else sa.DateTime(timezone=True)
    op.add_column(table, sa.Column("email_proven_at", kind), schema=schema)


def downgrade() -> None:
    table, schema = _table()
    op.drop_column(table, "email_proven_at", schema=schema)
