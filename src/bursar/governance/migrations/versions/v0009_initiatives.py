"""Initiatives, and what of their savings was booked, month by month."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create both tables."""
    op.create_table(
        "initiatives",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("terms", sa.Text, nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("ended", sa.String(10), nullable=True),
        sa.Column("created_us", sa.BigInteger, nullable=False),
        sa.Column("created_by", sa.String(200), nullable=False),
        sa.Column("removed_us", sa.BigInteger, nullable=True),
        sa.Column("removed_by", sa.String(200), nullable=True),
    )
    op.create_table(
        "initiative_bookings",
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("initiative_id", sa.String(32), sa.ForeignKey("initiatives.id"), nullable=False),
        sa.Column("month", sa.String(7), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("amount", sa.String(48), nullable=False),
        sa.Column("low", sa.String(48), nullable=True),
        sa.Column("high", sa.String(48), nullable=True),
        sa.Column("method", sa.String(32), nullable=False),
        sa.Column("computed_us", sa.BigInteger, nullable=False),
        sa.Column("computed_by", sa.String(200), nullable=False),
    )
    op.create_index("ix_initiative_bookings_month", "initiative_bookings", ["initiative_id", "month"])


def downgrade() -> None:
    """What was booked is history, and history isn't dropped."""
    raise NotImplementedError("bookings are kept as history; restore a copy of the store instead")
