"""When what a cache rule kept was cleared last: a column of cache rules."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; nothing was cleared yet."""
    op.add_column("cache_rules", sa.Column("cleared_us", sa.BigInteger, nullable=False, server_default="0"))


def downgrade() -> None:
    """What was decided is history, and history isn't dropped."""
    raise NotImplementedError("cache rules are kept as history; restore a copy of the store instead")
