"""Tables of the close, allocation and exchange rates, beside those of `schema.py`."""

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, String, Table, Text

from bursar.governance.schema import METADATA

EXCHANGE_RATES = Table(  # appended only: of two for one day, pair and purpose the later one holds
    "exchange_rates",
    METADATA,
    Column("number", Integer, primary_key=True),
    Column("day", String(10), nullable=False),
    Column("currency", String(3), nullable=False),  # one of it …
    Column("into", String(3), nullable=False),  # … in this
    Column("rate", String(48), nullable=False),  # decimal text
    Column("purpose", String(16), nullable=False),  # books, gst, tds, report
    Column("source", Text, nullable=False),
    Column("added_us", BigInteger, nullable=False),
    Column("added_by", String(200), nullable=False),
    Index("ix_exchange_rates_day", "day"),
)

CLOSED_MONTHS = Table(  # appended only: a closed month never opens again
    "closed_months",
    METADATA,
    Column("month", String(7), primary_key=True),  # 2026-10
    Column("closed_us", BigInteger, nullable=False),  # what is posted after it belongs to another month
    Column("closed_by", String(200), nullable=False),
    Column("note", Text, nullable=False),
    Column("chart_number", Integer, nullable=False),  # of `account_charts`; 0: the built-in one
    Column("totals", Text, nullable=False),  # JSON
    Column("checklist", Text, nullable=False),  # JSON, as it stood
)

CLOSED_EXPORTS = Table(  # appended only: the files of a closed month, as they were made
    "closed_exports",
    METADATA,
    Column("month", String(7), primary_key=True),
    Column("name", String(32), primary_key=True),  # journal.beancount, journal.csv …
    Column("sha256", String(64), nullable=False),
    Column("content", LargeBinary, nullable=False),  # zlib
)

ACCOUNT_CHARTS = Table(  # appended only: the last one is used by months that are open
    "account_charts",
    METADATA,
    Column("number", Integer, primary_key=True),
    Column("terms", Text, nullable=False),  # JSON of `finance.books.chart`
    Column("created_us", BigInteger, nullable=False),
    Column("created_by", String(200), nullable=False),
)

JOURNAL_ENTRIES = Table(  # appended only: what isn't a charge: credits bought, tax, transfers between teams
    "journal_entries",
    METADATA,
    Column("number", Integer, primary_key=True),
    Column("entry_key", String(200), nullable=False, unique=True),  # the same entry posted twice is posted once
    Column("day", String(10), nullable=False),  # that it belongs to
    Column("text", Text, nullable=False),
    Column("source", String(64), nullable=False),  # by hand, chargeback, tax …
    Column("lines", Text, nullable=False),  # JSON: account, amount, currency
    Column("posted_us", BigInteger, nullable=False),
    Column("posted_by", String(200), nullable=False),
    Index("ix_journal_entries_day", "day"),
)

ALLOCATION_RULES = Table(  # appended only: each change of a rule is a version of its own
    "allocation_rules",
    METADATA,
    Column("number", Integer, primary_key=True),
    Column("name", String(120), nullable=False),
    Column("version", Integer, nullable=False),
    Column("kind", String(16), nullable=False),  # split, flat, tag
    Column("terms", Text, nullable=False),  # JSON of `finance.allocation.rules`; "": the rule ended
    Column("created_us", BigInteger, nullable=False),
    Column("created_by", String(200), nullable=False),
    Index("ix_allocation_rules_name", "name", "version", unique=True),
)
