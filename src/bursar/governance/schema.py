"""The tables of the control store, as the newest migration leaves them; `tests/governance` compares the two."""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

HEAD = "0021"
"""The newest migration. A store that says so needs no Alembic, which takes a fifth of a second to import."""

METADATA = MetaData()

VIRTUAL_KEYS = Table(
    "virtual_keys",
    METADATA,
    Column("credential_id", String(32), primary_key=True),
    Column("name", String(200), nullable=False, unique=True),
    Column("key_hash", String(64), nullable=False, unique=True),  # keyed; the text itself is shown once and forgotten
    Column("last4", String(4), nullable=False),
    Column("organization", String(200), nullable=False),
    Column("team", String(200), nullable=False),
    Column("project", String(200), nullable=False),
    Column("defaults", Text, nullable=False),  # JSON of an Attribution
    Column("created_us", BigInteger, nullable=False),
    Column("revoked_us", BigInteger, nullable=True),
)

AUDIT_ENTRIES = Table(
    "audit_entries",
    METADATA,
    Column("number", Integer, primary_key=True),  # 1, 2, 3 …: a gap is a deleted entry
    Column("at_us", BigInteger, nullable=False),
    Column("actor", String(200), nullable=False),
    Column("action", String(64), nullable=False),
    Column("subject", String(200), nullable=False),
    Column("detail", Text, nullable=False),  # JSON; no secret
    Column("chain_hash", String(64), nullable=False),  # keyed hash of this entry and of the one before
)

ALERT_RULES = Table(
    "alert_rules",
    METADATA,
    Column("name", String(120), primary_key=True),
    Column("parameters", Text, nullable=False),  # JSON, with its `kind`; docs/alerts.md
    Column("severity", String(16), nullable=False),  # "": each kind's own
    Column("channels", Text, nullable=False),  # JSON list of names; empty: every channel that takes all
    Column("is_on", Boolean, nullable=False),
    Column("changed_us", BigInteger, nullable=False),
)

ALERT_CHANNELS = Table(
    "alert_channels",
    METADATA,
    Column("name", String(120), primary_key=True),
    Column("kind", String(16), nullable=False),  # apprise, webhook
    Column("target", Text, nullable=False),  # env:NAME of the variable with the address, or a webhook's plain address
    Column("secret_env", String(200), nullable=False),  # the variable with a webhook's signing secret; never the secret
    Column("quiet", Text, nullable=False),  # "22:00-07:00 mon-fri Europe/Berlin"; empty: never quiet
    Column("escalate_to", String(120), nullable=False),
    Column("escalate_after_min", Integer, nullable=False),
    Column("takes_all", Boolean, nullable=False),  # whether rules that name no channel go here
    Column("is_on", Boolean, nullable=False),
    Column("changed_us", BigInteger, nullable=False),
)

ALERTS = Table(
    "alerts",
    METADATA,
    Column("alert_id", String(36), primary_key=True),
    Column("dedup_key", String(64), nullable=False, unique=True),  # being here is being raised: one row, one fact
    Column("rule", String(120), nullable=False),
    Column("value", Text, nullable=False),
    Column("window_key", String(120), nullable=False),
    Column("severity", String(16), nullable=False),
    Column("title", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("address", Text, nullable=False),  # a path of the console
    Column("raised_us", BigInteger, nullable=False),
    Column("seen_us", BigInteger, nullable=False),  # when it was last found to be so
    Column("acknowledged_us", BigInteger, nullable=True),
    Column("acknowledged_by", String(200), nullable=False),
)

ALERT_DELIVERIES = Table(
    "alert_deliveries",
    METADATA,
    Column("number", Integer, primary_key=True),
    Column("alert_id", String(36), ForeignKey("alerts.alert_id"), nullable=False),
    Column("channel", String(120), nullable=False),
    Column("cause", String(16), nullable=False),  # raised, escalated, test
    Column("state", String(16), nullable=False),  # waiting, sending, delivered, given_up
    Column("digest_id", String(36), nullable=False),  # what was held back goes out together, and again together
    Column("is_held", Boolean, nullable=False),  # by quiet hours
    Column("attempts", Integer, nullable=False),
    Column("next_us", BigInteger, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("delivered_us", BigInteger, nullable=True),
    Column("error", Text, nullable=False),
    UniqueConstraint("alert_id", "channel", name="alert_deliveries_once"),
)

ALERT_LOG = Table(
    "alert_log",
    METADATA,
    Column("number", Integer, primary_key=True),
    Column("at_us", BigInteger, nullable=False),
    Column("message_id", String(36), nullable=False),  # an alert's id, or a digest's
    Column("channel", String(120), nullable=False),
    Column("result", String(16), nullable=False),  # delivered, failed, held, given_up
    Column("detail", Text, nullable=False),
)


def _controls(name: str, *more: Column[Any]) -> Table:
    """Policies, limits, kills, routes and cache rules are kept alike. An ended row stays as history."""
    return Table(
        name,
        METADATA,
        Column("id", String(32), primary_key=True),
        Column("name", Text, nullable=False),
        Column("terms", Text, nullable=False),  # JSON of `domain.controls`, `routes` or `caching`
        Column("is_on", Boolean, nullable=False),
        Column("created_us", BigInteger, nullable=False),
        Column("created_by", String(200), nullable=False),
        Column("ended_us", BigInteger, nullable=True),
        Column("ended_by", String(200), nullable=True),
        *more,
        Index(f"ix_{name}_ended_us", "ended_us"),
    )


POLICIES = _controls("policies")
LIMITS = _controls("limits")
KILLS = _controls("kills")
ROUTES = _controls("routes")
STOPPED_TRIALS = _controls("stopped_trials")  # experiments of the settings file
CACHE_RULES = _controls(
    "cache_rules",
    Column("stopped", Text, nullable=False, server_default=""),
    Column("measured", Text, nullable=False, server_default=""),
    Column("cleared_us", BigInteger, nullable=False, server_default="0"),  # what it had kept; 0: never
)

INITIATIVES = Table(
    "initiatives",
    METADATA,
    Column("id", String(32), primary_key=True),
    Column("name", Text, nullable=False),
    Column("terms", Text, nullable=False),  # JSON of `domain.initiatives`
    Column("status", String(16), nullable=False),  # planned, running, done, stopped
    Column("ended", String(10), nullable=True),  # the day from which on nothing is counted any more
    Column("created_us", BigInteger, nullable=False),
    Column("created_by", String(200), nullable=False),
    Column("removed_us", BigInteger, nullable=True),
    Column("removed_by", String(200), nullable=True),
)

INITIATIVE_BOOKINGS = Table(  # appended only: a later difference is another entry
    "initiative_bookings",
    METADATA,
    Column("number", Integer, primary_key=True),
    Column("initiative_id", String(32), ForeignKey("initiatives.id"), nullable=False),
    Column("month", String(7), nullable=False),  # 2026-10
    Column("kind", String(16), nullable=False),  # booking, adjustment
    Column("amount", String(48), nullable=False),  # USD, decimal text
    Column("low", String(48), nullable=True),  # of the whole month's saving; NULL: unknown
    Column("high", String(48), nullable=True),
    Column("method", String(32), nullable=False),
    Column("computed_us", BigInteger, nullable=False),
    Column("computed_by", String(200), nullable=False),
    Index("ix_initiative_bookings_month", "initiative_id", "month"),
)

REVIEWS_HELD = Table(  # appended only
    "reviews_held",
    METADATA,
    Column("number", Integer, primary_key=True),
    Column("kind", String(16), nullable=False),  # weekly, monthly
    Column("at_us", BigInteger, nullable=False),
    Column("held_by", String(200), nullable=False),
    Index("ix_reviews_held_at_us", "kind", "at_us"),
)

MATURITY_EVIDENCE = Table(  # what people say of what Bursar can't see; one that is withdrawn stays
    "maturity_evidence",
    METADATA,
    Column("number", Integer, primary_key=True),
    Column("check_id", String(64), nullable=False),  # of `bursar.maturity.steps`
    Column("who", String(200), nullable=False),
    Column("text", Text, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Column("until_us", BigInteger, nullable=False),
    Column("added_by", String(200), nullable=False),
    Column("withdrawn_us", BigInteger, nullable=True),
    Column("withdrawn_by", String(200), nullable=True),
)

MATURITY_LOG = Table(  # appended only: once a day, and whenever the step is another one
    "maturity_log",
    METADATA,
    Column("number", Integer, primary_key=True),
    Column("at_us", BigInteger, nullable=False),
    Column("step", Integer, nullable=False),
    Column("states", Text, nullable=False),  # JSON: check → passed, failed, unseen
    Column("advised", Text, nullable=False),  # JSON: what advice expected then; "" where it wasn't asked
)

PROVIDER_JOBS = Table(  # work that a provider finishes later: batches, responses in the background
    "provider_jobs",
    METADATA,
    Column("job_key", String(36), primary_key=True),  # the id of the call that began it
    Column("kind", String(16), nullable=False),  # openai-batch, anthropic-batch, response
    Column("upstream", String(200), nullable=False),
    Column("upstream_id", String(256), nullable=False),  # "" until the provider's answer is known
    Column("output_id", String(256), nullable=False),  # of the files with its results; "" while there are none
    Column("errors_id", String(256), nullable=False),
    Column("owner", Text, nullable=False),  # who may ask for it: see `governance.jobs`
    Column("facts", Text, nullable=False),  # JSON of the call's facts, for the attempts of its lines
    Column("detail", Text, nullable=False),  # JSON of a JobDetail
    Column("status", String(256), nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("next_us", BigInteger, nullable=False),  # when to ask the provider; 0: never, its key isn't ours
    Column("polls", Integer, nullable=False),
    Column("settled_us", BigInteger, nullable=True),  # its cost is posted: once
    Column("cost_pico", String(48), nullable=True),  # decimal text
    Index("ix_provider_jobs_upstream_id", "upstream_id"),
    Index("ix_provider_jobs_output_id", "output_id"),
    Index("ix_provider_jobs_errors_id", "errors_id"),
    Index("ix_provider_jobs_next_us", "next_us"),
)

PROVIDER_FILES = Table(  # uploaded through Bursar
    "provider_files",
    METADATA,
    Column("upstream", String(200), primary_key=True),
    Column("file_id", String(256), primary_key=True),
    Column("owner", Text, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("content", Text, nullable=False),  # JSON of what a batch of it asks for, no text of it
)

PLANNED_EVENTS = Table(  # removed ones stay, as history
    "planned_events",
    METADATA,
    Column("id", String(32), primary_key=True),
    Column("name", Text, nullable=False),
    Column("terms", Text, nullable=False),  # JSON of `domain.plans`
    Column("created_us", BigInteger, nullable=False),
    Column("created_by", String(200), nullable=False),
    Column("removed_us", BigInteger, nullable=True),
    Column("removed_by", String(200), nullable=True),
)

TAX_RECORDS = Table(  # appended alone: what is changed or removed is one version more
    "tax_records",
    METADATA,
    Column("id", String(32), primary_key=True),
    Column("kind", String(20), nullable=False),  # payer, entity, paper, position, document, rules
    Column("name", String(200), nullable=False),
    Column("version", Integer, nullable=False),
    Column("terms", Text, nullable=False),  # JSON of `finance.tax.kept`; "" where it was removed
    Column("created_us", BigInteger, nullable=False),
    Column("created_by", String(200), nullable=False),
    UniqueConstraint("kind", "name", "version", name="tax_records_version"),
)

FINDINGS = Table(  # what the watch found; what people said and did about it stands in columns of its own
    "findings",
    METADATA,
    Column("finding_id", String(32), primary_key=True),
    Column("began_us", BigInteger, nullable=False),
    Column("found_us", BigInteger, nullable=False),
    Column("ended_us", BigInteger, nullable=True),
    Column("told", Text, nullable=False),  # JSON of `domain.findings.Finding`
    Column("label", String(16), nullable=False),  # true, false, expected; "": none
    Column("labelled_us", BigInteger, nullable=False),
    Column("labelled_by", String(200), nullable=False),
    Column("label_note", Text, nullable=False),  # why, as whoever labelled it wrote
    Column("deeds", Text, nullable=False),  # JSON list of `domain.findings.Deed`
    Index("ix_findings_found_us", "found_us"),
)

MARKERS = Table(  # deploys, launches, and what else somebody said that happened
    "markers",
    METADATA,
    Column("marker_id", String(32), primary_key=True),
    Column("at_us", BigInteger, nullable=False),
    Column("title", Text, nullable=False),
    Column("kind", String(32), nullable=False),
    Column("dimension", String(80), nullable=False),  # "": about everything
    Column("value", Text, nullable=False),
    Column("source", String(32), nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("created_by", String(200), nullable=False),
    Index("ix_markers_at_us", "at_us"),
)

CONTRACTS = Table(  # agreements with vendors; what they say is in their versions
    "contracts",
    METADATA,
    Column("id", String(32), primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("created_us", BigInteger, nullable=False),
    Column("created_by", String(200), nullable=False),
)

CONTRACT_VERSIONS = Table(  # appended, never changed
    "contract_versions",
    METADATA,
    Column("contract_id", String(32), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("since", String(10), nullable=False),  # the first day it holds on, UTC
    Column("terms", Text, nullable=False),  # JSON of `finance.contracts.terms.ContractTerms`
    Column("why", Text, nullable=False),
    Column("recorded_us", BigInteger, nullable=False),
    Column("recorded_by", String(200), nullable=False),
)

CONTRACT_DAYS = Table(  # how far each contract was rated; may be lost: everything is rated again then, to the same sums
    "contract_days",
    METADATA,
    Column("contract_id", String(32), primary_key=True),
    Column("day", String(10), primary_key=True),
    Column("stamp", Text, nullable=False),  # of what was rated: terms and charges
    Column("balances", Text, nullable=False),  # JSON of `finance.contracts.balances.Balances`, after the day
    Column("rated_us", BigInteger, nullable=False),
)

VENDOR_OWNERS = Table(  # who owns the relation with a vendor, with or without a contract
    "vendor_owners",
    METADATA,
    Column("provider", String(200), primary_key=True),
    Column("owner", String(200), nullable=False),
    Column("changed_us", BigInteger, nullable=False),
    Column("changed_by", String(200), nullable=False),
)

REPORTS_MADE = Table(  # what was sent to people, as it was sent; made again it is a version of its own
    "reports_made",
    METADATA,
    Column("kind", String(16), primary_key=True),  # board, pack
    Column("period", String(16), primary_key=True),  # "2026-10"
    Column("version", Integer, primary_key=True),
    Column("made_us", BigInteger, nullable=False),
    Column("made_by", String(200), nullable=False),
    Column("state", Text, nullable=False),  # how firm its figures were, in words
    Column("digest", String(64), nullable=False),  # SHA-256 of all its files
    Column("pdf", LargeBinary, nullable=False),
    Column("xlsx", LargeBinary, nullable=True),
)

SAVED_SCENARIOS = Table(  # simulations under a name; removed ones stay, as history
    "saved_scenarios",
    METADATA,
    Column("id", String(32), primary_key=True),
    Column("name", Text, nullable=False),
    Column("steps", Text, nullable=False),  # as `finance.scenarios.written` spells them
    Column("note", Text, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("created_by", String(200), nullable=False),
    Column("removed_us", BigInteger, nullable=True),
    Column("removed_by", String(200), nullable=True),
)


BUSINESS_MAPPINGS = Table(  # how a file of somebody's is read
    "business_mappings",
    METADATA,
    Column("name", String(120), primary_key=True),
    Column("terms", Text, nullable=False),  # JSON of `finance.business.mapping.Reading`
    Column("changed_us", BigInteger, nullable=False),
    Column("changed_by", String(200), nullable=False),
)
