"""Budgets, and what the authority keeps of them: balances by window, and who has leased how much."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

PICO = sa.String(48)


def upgrade() -> None:
    """Five tables; none of them is ever emptied by a reset."""
    op.create_table(
        "budgets",
        sa.Column("budget_id", sa.String(40), primary_key=True),
        sa.Column("name", sa.String(200), nullable=False, unique=True),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("definition", sa.Text, nullable=False),
        sa.Column("removed_us", sa.BigInteger, nullable=True),
    )
    op.create_table(
        "budget_values",
        sa.Column("budget_id", sa.String(40), primary_key=True),
        sa.Column("value", sa.String(520), primary_key=True),
        sa.Column("account", sa.String(8), primary_key=True),
    )
    op.create_table(
        "budget_balances",
        sa.Column("budget_id", sa.String(40), primary_key=True),
        sa.Column("value", sa.String(520), primary_key=True),
        sa.Column("account", sa.String(8), primary_key=True),
        sa.Column("window_key", sa.String(200), primary_key=True),
        sa.Column("start_us", sa.BigInteger, nullable=False),
        sa.Column("end_us", sa.BigInteger, nullable=False),
        sa.Column("posted", PICO, nullable=False),
        sa.Column("leased", PICO, nullable=False),
        sa.Column("assumed", PICO, nullable=False),
        sa.Column("overrun", PICO, nullable=False),
        sa.Column("recall", sa.Boolean, nullable=False),
    )
    op.create_index(
        "budget_balances_by_end", "budget_balances", ["budget_id", "value", "account", "end_us"], unique=False
    )
    op.create_table(
        "budget_holders",
        sa.Column("holder_id", sa.String(64), primary_key=True),
        sa.Column("seen_us", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "budget_leases",
        sa.Column("lease_id", sa.String(96), primary_key=True),
        sa.Column("holder_id", sa.String(64), nullable=False),
        sa.Column("budget_id", sa.String(40), nullable=False),
        sa.Column("value", sa.String(520), nullable=False),
        sa.Column("account", sa.String(8), nullable=False),
        sa.Column("window_key", sa.String(200), nullable=False),
        sa.Column("amount", PICO, nullable=False),
        sa.Column("spent", PICO, nullable=False),
        sa.Column("held", PICO, nullable=False),
        sa.Column("state", sa.String(8), nullable=False),
    )
    op.create_index("ix_budget_leases_holder_id", "budget_leases", ["holder_id"], unique=False)
    op.create_index(
        "budget_leases_by_balance",
        "budget_leases",
        ["budget_id", "value", "account", "window_key"],
        unique=False,
    )


def downgrade() -> None:
    """Balances are facts."""
    raise NotImplementedError("budgets that were kept can't be forgotten")
