"""What the shadow of a cache rule's semantic cache has shown: a column of cache rules."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; nothing is measured yet."""
    op.add_column("cache_rules", sa.Column("measured", sa.Text, nullable=False, server_default=""))


def downgrade() -> None:
    """What was decided is history, and history isn't dropped."""
    raise NotImplementedError("cache rules are kept as history; restore a copy of the store instead")
