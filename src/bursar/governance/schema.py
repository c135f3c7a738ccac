"""The tables of the control store, as the newest migration leaves them; `tests/governance` compares the two."""

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, MetaData, String, Table, Text

HEAD = "0003"
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


def _controls(name: str) -> Table:
    """Policies, limits and kills are kept alike. An ended row stays as history."""
    return Table(
        name,
        METADATA,
        Column("id", String(32), primary_key=True),
        Column("name", Text, nullable=False),
        Column("terms", Text, nullable=False),  # JSON of `domain.controls`
        Column("is_on", Boolean, nullable=False),
        Column("created_us", BigInteger, nullable=False),
        Column("created_by", String(200), nullable=False),
        Column("ended_us", BigInteger, nullable=True),
        Column("ended_by", String(200), nullable=True),
        Index(f"ix_{name}_ended_us", "ended_us"),
    )


POLICIES = _controls("policies")
LIMITS = _controls("limits")
KILLS = _controls("kills")
