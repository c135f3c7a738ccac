"""Work that providers finish later, and files: whose they are, and what a batch of them may cost."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "provider_jobs",
        sa.Column("job_key", sa.String(36), primary_key=True),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("upstream", sa.String(200), nullable=False),
        sa.Column("upstream_id", sa.String(256), nullable=False),
        sa.Column("output_id", sa.String(256), nullable=False),
        sa.Column("errors_id", sa.String(256), nullable=False),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("facts", sa.Text, nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("status", sa.String(256), nullable=False),
        sa.Column("created_us", sa.BigInteger, nullable=False),
        sa.Column("next_us", sa.BigInteger, nullable=False),
        sa.Column("polls", sa.Integer, nullable=False),
        sa.Column("settled_us", sa.BigInteger, nullable=True),
        sa.Column("cost_pico", sa.String(48), nullable=True),
    )
    for name in ("upstream_id", "output_id", "errors_id", "next_us"):
        op.create_index(f"ix_provider_jobs_{name}", "provider_jobs", [name])
    op.create_table(
        "provider_files",
        sa.Column("upstream", sa.String(200), primary_key=True),
        sa.Column("file_id", sa.String(256), primary_key=True),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("created_us", sa.BigInteger, nullable=False),
        sa.Column("content", sa.Text, nullable=False),
    )


def downgrade() -> None:
    """Who began what is needed for as long as it isn't settled."""
    raise NotImplementedError("what providers still owe an answer for is kept; restore a copy of the store instead")
