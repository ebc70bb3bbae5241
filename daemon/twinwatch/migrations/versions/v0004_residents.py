"""Places that could not be looked at before their root was level: what comes to light there later is no arrival."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Make the table; of roots that are level already nothing is known."""
    op.create_table(
        "resident",
        sa.Column("root_id", sa.Integer(), nullable=False),
        sa.Column("path", sa.LargeBinary(), nullable=False),
        sa.Column("folder", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["root_id"], ["root.id"]),
        sa.PrimaryKeyConstraint("root_id", "path"),
        sqlite_with_rowid=False,
    )
