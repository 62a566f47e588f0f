"""The first tables of accounts, storage, realtime and the kernel."""

from alembic import op

from baaskit.kernel.database import capture
from baaskit.kernel.database.tables import SCHEMAS, for_dialect

revision = "0001"
down_revision = None


def upgrade() -> None:
    connection = op.get_bind()
    if connection.dialect.name == "postgresql":
        for schema in SCHEMAS:
            op.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
    for_dialect(connection.dialect.name).metadata.create_all(connection)
    if connection.dialect.name == "postgresql":
        op.execute(capture.POSTGRES_FUNCTION)
        for text in capture.POSTGRES_AUTH_FUNCTIONS.strip().split(";\n"):
            op.execute(text.rstrip(";"))


def downgrade() -> None:
    raise NotImplementedError("the first revision is removed with `baaskit detach`")
