"""How files of business data are read, under names. Customers and revenue themselves live beside the charges."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "business_mappings",
        sa.Column("name", sa.String(120), primary_key=True),
        sa.Column("terms", sa.Text, nullable=False),
        sa.Column("changed_us", sa.BigInteger, nullable=False),
        sa.Column("changed_by", sa.String(200), nullable=False),
    )


def downgrade() -> None:
    op.drop_table("business_mappings")
