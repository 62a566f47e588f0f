"""The first tables of accounts, storage, realtime and the kernel: the text beside this file, one per database."""

from pathlib import Path

from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    # A text, not `metadata.create_all`: this revision makes what 0.1.0 had, however the tables are described today.
    connection = op.get_bind()
    text = Path(__file__).with_suffix(f".{connection.dialect.name}.sql").read_text(encoding="utf-8")
    for statement in text.strip().removesuffix(";").split(";\n\n"):
        connection.exec_driver_sql(statement)


def downgrade() -> None:
    raise NotImplementedError("there is nothing before the first revision")
