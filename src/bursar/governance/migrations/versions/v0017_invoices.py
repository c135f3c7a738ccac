"""Providers' bills, their lines, and what was decided about what differs."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "invoices",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("provider", sa.String(80), nullable=False),
        sa.Column("account", sa.String(200), nullable=False),
        sa.Column("month", sa.String(7), nullable=False),
        sa.Column("formats", sa.Text, nullable=False),
        sa.Column("rate", sa.String(48), nullable=True),
        sa.Column("created_us", sa.BigInteger, nullable=False),
        sa.Column("created_by", sa.String(200), nullable=False),
        sa.Column("result", sa.Text, nullable=False),
        sa.Column("result_us", sa.BigInteger, nullable=False),
        sa.UniqueConstraint("provider", "account", "month"),
    )
    op.create_table(
        "invoice_files",
        sa.Column("digest", sa.String(64), primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("format", sa.String(80), nullable=False),
        sa.Column("imported_us", sa.BigInteger, nullable=False),
        sa.Column("imported_by", sa.String(200), nullable=False),
        sa.Column("lines", sa.Integer, nullable=False),
        sa.Column("faults", sa.Text, nullable=False),
    )
    op.create_table(
        "invoice_lines",
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("invoice_id", sa.String(32), nullable=False),
        sa.Column("slot", sa.String(32), nullable=False),
        sa.Column("ordinal", sa.Integer, nullable=False),
        sa.Column("content", sa.String(32), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("told", sa.Text, nullable=False),
        sa.Column("superseded_us", sa.BigInteger, nullable=True),
    )
    op.create_index("ix_invoice_lines_invoice_id", "invoice_lines", ["invoice_id"])
    op.create_table(
        "invoice_acts",
        sa.Column("invoice_id", sa.String(32), primary_key=True),
        sa.Column("variance_id", sa.String(32), primary_key=True),
        sa.Column("act", sa.String(16), nullable=False),
        sa.Column("told", sa.Text, nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("at_us", sa.BigInteger, nullable=False),
        sa.Column("by", sa.String(200), nullable=False),
        sa.Column("posted_us", sa.BigInteger, nullable=True),
        sa.Column("entries", sa.Integer, nullable=False),
    )
    op.create_table(
        "bill_keys",
        sa.Column("provider", sa.String(80), primary_key=True),
        sa.Column("name", sa.String(200), primary_key=True),
        sa.Column("targets", sa.Text, nullable=False),
        sa.Column("changed_us", sa.BigInteger, nullable=False),
        sa.Column("changed_by", sa.String(200), nullable=False),
    )
    op.create_table(
        "bill_mappings",
        sa.Column("name", sa.String(200), primary_key=True),
        sa.Column("terms", sa.Text, nullable=False),
        sa.Column("changed_us", sa.BigInteger, nullable=False),
        sa.Column("changed_by", sa.String(200), nullable=False),
    )


def downgrade() -> None:
    """Bills and decisions are history, and history isn't dropped."""
    raise NotImplementedError("bills are kept as history; restore a copy of the store instead")
