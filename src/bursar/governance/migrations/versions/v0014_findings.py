"""What the watch found, markers of what happened when, and a rule that tells of findings that cost."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

RULE = {
    "name": "anomaly",
    "parameters": '{"kind":"anomaly","excess_usd_per_day":"10"}',
    "severity": "",
    "channels": "[]",
    "is_on": True,
    "changed_us": 0,
}


def upgrade() -> None:
    """Create both tables; the rule is left alone where somebody has one of that name."""
    op.create_table(
        "findings",
        sa.Column("finding_id", sa.String(32), primary_key=True),
        sa.Column("began_us", sa.BigInteger, nullable=False),
        sa.Column("found_us", sa.BigInteger, nullable=False),
        sa.Column("ended_us", sa.BigInteger, nullable=True),
        sa.Column("told", sa.Text, nullable=False),
        sa.Column("label", sa.String(16), nullable=False),
        sa.Column("labelled_us", sa.BigInteger, nullable=False),
        sa.Column("labelled_by", sa.String(200), nullable=False),
        sa.Column("label_note", sa.Text, nullable=False),
        sa.Column("deeds", sa.Text, nullable=False),
    )
    op.create_index("ix_findings_found_us", "findings", ["found_us"])
    op.create_table(
        "markers",
        sa.Column("marker_id", sa.String(32), primary_key=True),
        sa.Column("at_us", sa.BigInteger, nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("dimension", sa.String(80), nullable=False),
        sa.Column("value", sa.Text, nullable=False),
        sa.Column("source", sa.String(32), nullable=False),
        sa.Column("created_us", sa.BigInteger, nullable=False),
        sa.Column("created_by", sa.String(200), nullable=False),
    )
    op.create_index("ix_markers_at_us", "markers", ["at_us"])
    rules = sa.table(
        "alert_rules",
        *(sa.column(name) for name in ("name", "parameters", "severity", "channels", "is_on", "changed_us")),
    )
    named = sa.select(rules.c.name).where(rules.c.name == RULE["name"])
    if op.get_bind().execute(named).first() is None:
        op.bulk_insert(rules, [RULE])


def downgrade() -> None:
    """What was found, and what people said of it, is history, and history isn't dropped."""
    raise NotImplementedError("findings are kept as history; restore a copy of the store instead")
