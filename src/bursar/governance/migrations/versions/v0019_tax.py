"""Tax rules of a user's own, positions, vendors' entities and papers, payers, tax documents: one appended table."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "tax_records",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("terms", sa.Text, nullable=False),
        sa.Column("created_us", sa.BigInteger, nullable=False),
        sa.Column("created_by", sa.String(200), nullable=False),
        sa.UniqueConstraint("kind", "name", "version", name="tax_records_version"),
    )


def downgrade() -> None:
    """Positions that were taken and documents that were entered are history, and history isn't dropped."""
    raise NotImplementedError("tax records are kept as history; restore a copy of the store instead")
