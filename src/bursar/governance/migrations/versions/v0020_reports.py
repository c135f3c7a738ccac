"""Reports that were made, as they were sent."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "reports_made",
        sa.Column("kind", sa.String(16), primary_key=True),
        sa.Column("period", sa.String(16), primary_key=True),
        sa.Column("version", sa.Integer, primary_key=True),
        sa.Column("made_us", sa.BigInteger, nullable=False),
        sa.Column("made_by", sa.String(200), nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("pdf", sa.LargeBinary, nullable=False),
        sa.Column("xlsx", sa.LargeBinary, nullable=True),
    )


def downgrade() -> None:
    """What was sent to a board is history, and history isn't dropped."""
    raise NotImplementedError("reports are kept as history; restore a copy of the store instead")
