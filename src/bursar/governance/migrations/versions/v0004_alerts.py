"""Alerts: rules, channels, what was raised, and the outbox it goes through. The rules that come with Bursar."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

RULES = (
    ("daily-spend", '{"kind":"daily_spend","factor":"2","least_usd":"1"}', True),
    ("budgets", '{"kind":"budgets","percents":[50,80,100],"forecast":true}', True),
    ("loops", '{"kind":"loops"}', True),
    ("retry-cap", '{"kind":"retry_cap"}', True),
    ("approvals", '{"kind":"approvals"}', True),
    ("unpriced", '{"kind":"unpriced"}', True),
    ("error-storm", '{"kind":"error_storm","percent":"50","attempts":20}', True),
    ("estimated", '{"kind":"estimated","percent":"20","attempts":50}', False),
    ("tag-coverage", '{"kind":"tag_coverage","percent":"80","dimension":"feature"}', False),
)


def upgrade() -> None:
    """Create the five tables, and put in the rules."""
    rules = op.create_table(
        "alert_rules",
        sa.Column("name", sa.String(120), primary_key=True),
        sa.Column("parameters", sa.Text, nullable=False),
        sa.Column("severity", sa.String(16), nullable=False),
        sa.Column("channels", sa.Text, nullable=False),
        sa.Column("is_on", sa.Boolean, nullable=False),
        sa.Column("changed_us", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "alert_channels",
        sa.Column("name", sa.String(120), primary_key=True),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("target", sa.Text, nullable=False),
        sa.Column("secret_env", sa.String(200), nullable=False),
        sa.Column("quiet", sa.Text, nullable=False),
        sa.Column("escalate_to", sa.String(120), nullable=False),
        sa.Column("escalate_after_min", sa.Integer, nullable=False),
        sa.Column("takes_all", sa.Boolean, nullable=False),
        sa.Column("is_on", sa.Boolean, nullable=False),
        sa.Column("changed_us", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "alerts",
        sa.Column("alert_id", sa.String(36), primary_key=True),
        sa.Column("dedup_key", sa.String(64), nullable=False, unique=True),
        sa.Column("rule", sa.String(120), nullable=False),
        sa.Column("value", sa.Text, nullable=False),
        sa.Column("window_key", sa.String(120), nullable=False),
        sa.Column("severity", sa.String(16), nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("address", sa.Text, nullable=False),
        sa.Column("raised_us", sa.BigInteger, nullable=False),
        sa.Column("seen_us", sa.BigInteger, nullable=False),
        sa.Column("acknowledged_us", sa.BigInteger, nullable=True),
        sa.Column("acknowledged_by", sa.String(200), nullable=False),
    )
    op.create_table(
        "alert_deliveries",
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("alert_id", sa.String(36), sa.ForeignKey("alerts.alert_id"), nullable=False),
        sa.Column("channel", sa.String(120), nullable=False),
        sa.Column("cause", sa.String(16), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("digest_id", sa.String(36), nullable=False),
        sa.Column("is_held", sa.Boolean, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("next_us", sa.BigInteger, nullable=False),
        sa.Column("created_us", sa.BigInteger, nullable=False),
        sa.Column("delivered_us", sa.BigInteger, nullable=True),
        sa.Column("error", sa.Text, nullable=False),
        sa.UniqueConstraint("alert_id", "channel", name="alert_deliveries_once"),
    )
    op.create_table(
        "alert_log",
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("at_us", sa.BigInteger, nullable=False),
        sa.Column("message_id", sa.String(36), nullable=False),
        sa.Column("channel", sa.String(120), nullable=False),
        sa.Column("result", sa.String(16), nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
    )
    op.bulk_insert(
        rules,
        [
            {"name": name, "parameters": told, "severity": "", "channels": "[]", "is_on": is_on, "changed_us": 0}
            for name, told, is_on in RULES
        ],
    )


def downgrade() -> None:
    """Drop what this one made."""
    for table in ("alert_log", "alert_deliveries", "alerts", "alert_channels", "alert_rules"):
        op.drop_table(table)
