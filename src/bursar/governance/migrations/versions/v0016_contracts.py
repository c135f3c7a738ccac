"""Contracts with vendors, credits and commitments."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "contracts",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("name", sa.Text, nullable=False, unique=True),
        sa.Column("created_us", sa.BigInteger, nullable=False),
        sa.Column("created_by", sa.String(200), nullable=False),
    )
    op.create_table(
        "contract_versions",
        sa.Column("contract_id", sa.String(32), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("since", sa.String(10), nullable=False),
        sa.Column("terms", sa.Text, nullable=False),
        sa.Column("why", sa.Text, nullable=False),
        sa.Column("recorded_us", sa.BigInteger, nullable=False),
        sa.Column("recorded_by", sa.String(200), nullable=False),
    )
    op.create_table(
        "contract_days",
        sa.Column("contract_id", sa.String(32), primary_key=True),
        sa.Column("day", sa.String(10), primary_key=True),
        sa.Column("stamp", sa.Text, nullable=False),
        sa.Column("balances", sa.Text, nullable=False),
        sa.Column("rated_us", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "vendor_owners",
        sa.Column("provider", sa.String(200), primary_key=True),
        sa.Column("owner", sa.String(200), nullable=False),
        sa.Column("changed_us", sa.BigInteger, nullable=False),
        sa.Column("changed_by", sa.String(200), nullable=False),
    )


def downgrade() -> None:
    """What was agreed is history, and history isn't dropped."""
    raise NotImplementedError("contracts are kept as history; restore a copy of the store instead")
