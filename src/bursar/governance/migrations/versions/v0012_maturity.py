"""Reviews that were held, what people say that Bursar can't see, and the step of maturity over time."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the three tables."""
    op.create_table(
        "reviews_held",
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("at_us", sa.BigInteger, nullable=False),
        sa.Column("held_by", sa.String(200), nullable=False),
    )
    op.create_index("ix_reviews_held_at_us", "reviews_held", ["kind", "at_us"])
    op.create_table(
        "maturity_evidence",
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("check_id", sa.String(64), nullable=False),
        sa.Column("who", sa.String(200), nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("at_us", sa.BigInteger, nullable=False),
        sa.Column("until_us", sa.BigInteger, nullable=False),
        sa.Column("added_by", sa.String(200), nullable=False),
        sa.Column("withdrawn_us", sa.BigInteger, nullable=True),
        sa.Column("withdrawn_by", sa.String(200), nullable=True),
    )
    op.create_table(
        "maturity_log",
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("at_us", sa.BigInteger, nullable=False),
        sa.Column("step", sa.Integer, nullable=False),
        sa.Column("states", sa.Text, nullable=False),
        sa.Column("advised", sa.Text, nullable=False),
    )


def downgrade() -> None:
    """What was held, said and measured is history, and history isn't dropped."""
    raise NotImplementedError("reviews, evidence and steps are kept as history; restore a copy of the store instead")
