"""Saved simulations."""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "saved_scenarios",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("steps", sa.Text, nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("created_us", sa.BigInteger, nullable=False),
        sa.Column("created_by", sa.String(200), nullable=False),
        sa.Column("removed_us", sa.BigInteger, nullable=True),
        sa.Column("removed_by", sa.String(200), nullable=True),
    )


def downgrade() -> None:
    """What was planned for is history, and history isn't dropped."""
    raise NotImplementedError("saved scenarios are kept as history; restore a copy of the store instead")
