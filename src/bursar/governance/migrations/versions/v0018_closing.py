"""Closed months, allocation rules and exchange rates."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables of exchange rates, the close and allocation."""
    op.create_table(
        "exchange_rates",
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("day", sa.String(10), nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("into", sa.String(3), nullable=False),
        sa.Column("rate", sa.String(48), nullable=False),
        sa.Column("purpose", sa.String(16), nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("added_us", sa.BigInteger, nullable=False),
        sa.Column("added_by", sa.String(200), nullable=False),
    )
    op.create_index("ix_exchange_rates_day", "exchange_rates", ["day"])
    op.create_table(
        "closed_months",
        sa.Column("month", sa.String(7), primary_key=True),
        sa.Column("closed_us", sa.BigInteger, nullable=False),
        sa.Column("closed_by", sa.String(200), nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("chart_number", sa.Integer, nullable=False),
        sa.Column("totals", sa.Text, nullable=False),
        sa.Column("checklist", sa.Text, nullable=False),
    )
    op.create_table(
        "closed_exports",
        sa.Column("month", sa.String(7), primary_key=True),
        sa.Column("name", sa.String(32), primary_key=True),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("content", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "account_charts",
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("terms", sa.Text, nullable=False),
        sa.Column("created_us", sa.BigInteger, nullable=False),
        sa.Column("created_by", sa.String(200), nullable=False),
    )
    op.create_table(
        "journal_entries",
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("entry_key", sa.String(200), nullable=False, unique=True),
        sa.Column("day", sa.String(10), nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("source", sa.String(64), nullable=False),
        sa.Column("lines", sa.Text, nullable=False),
        sa.Column("posted_us", sa.BigInteger, nullable=False),
        sa.Column("posted_by", sa.String(200), nullable=False),
    )
    op.create_index("ix_journal_entries_day", "journal_entries", ["day"])
    op.create_table(
        "allocation_rules",
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("name", sa.String(120), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("terms", sa.Text, nullable=False),
        sa.Column("created_us", sa.BigInteger, nullable=False),
        sa.Column("created_by", sa.String(200), nullable=False),
    )
    op.create_index("ix_allocation_rules_name", "allocation_rules", ["name", "version"], unique=True)


def downgrade() -> None:
    """What was closed is history, and history isn't dropped."""
    raise NotImplementedError("closed months are kept as history; restore a copy of the store instead")
