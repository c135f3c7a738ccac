"""Cache rules: a table like those of policies, limits, kills and routes, and why one's prompt caching was stopped."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "cache_rules",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("terms", sa.Text, nullable=False),
        sa.Column("is_on", sa.Boolean, nullable=False),
        sa.Column("created_us", sa.BigInteger, nullable=False),
        sa.Column("created_by", sa.String(200), nullable=False),
        sa.Column("ended_us", sa.BigInteger, nullable=True),
        sa.Column("ended_by", sa.String(200), nullable=True),
        sa.Column("stopped", sa.Text, nullable=False, server_default=""),
    )
    op.create_index("ix_cache_rules_ended_us", "cache_rules", ["ended_us"])


def downgrade() -> None:
    """What was decided is history, and history isn't dropped."""
    raise NotImplementedError("cache rules are kept as history; restore a copy of the store instead")
