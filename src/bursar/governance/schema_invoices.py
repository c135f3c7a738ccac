"""Tables of providers' bills, beside those of `schema.py`, as the newest migration leaves them."""

from sqlalchemy import BigInteger, Column, Index, Integer, String, Table, Text, UniqueConstraint

from bursar.governance.schema import METADATA

INVOICES = Table(  # providers' bills, a month of an account each
    "invoices",
    METADATA,
    Column("id", String(32), primary_key=True),
    Column("provider", String(80), nullable=False),
    Column("account", String(200), nullable=False),
    Column("month", String(7), nullable=False),  # 2026-10
    Column("formats", Text, nullable=False),  # JSON list
    Column("rate", String(48), nullable=True),  # units of its currency for one USD, decimal text
    Column("created_us", BigInteger, nullable=False),
    Column("created_by", String(200), nullable=False),
    Column("result", Text, nullable=False),  # JSON of what reconciling found last, without its cells; "": not yet
    Column("result_us", BigInteger, nullable=False),
    UniqueConstraint("provider", "account", "month"),
)

INVOICE_FILES = Table(
    "invoice_files",
    METADATA,
    Column("digest", String(64), primary_key=True),
    Column("name", Text, nullable=False),
    Column("format", String(80), nullable=False),
    Column("imported_us", BigInteger, nullable=False),
    Column("imported_by", String(200), nullable=False),
    Column("lines", Integer, nullable=False),
    Column("faults", Text, nullable=False),  # JSON list
)

INVOICE_LINES = Table(  # appended; one that a later import says otherwise is superseded
    "invoice_lines",
    METADATA,
    Column("number", Integer, primary_key=True),
    Column("invoice_id", String(32), nullable=False),
    Column("slot", String(32), nullable=False),  # what it is about
    Column("ordinal", Integer, nullable=False),
    Column("content", String(32), nullable=False),
    Column("digest", String(64), nullable=False),  # of its file
    Column("told", Text, nullable=False),  # JSON of `finance.reconcile.bill.BillLine`
    Column("superseded_us", BigInteger, nullable=True),
    Index("ix_invoice_lines_invoice_id", "invoice_id"),
)

INVOICE_ACTS = Table(  # what somebody decided about a variance
    "invoice_acts",
    METADATA,
    Column("invoice_id", String(32), primary_key=True),
    Column("variance_id", String(32), primary_key=True),
    Column("act", String(16), nullable=False),  # accepted or ignored
    Column("told", Text, nullable=False),  # JSON of the variance as it was then
    Column("note", Text, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Column("by", String(200), nullable=False),
    Column("posted_us", BigInteger, nullable=True),  # when its entries were in the ledger
    Column("entries", Integer, nullable=False),
)

BILL_KEYS = Table(  # whose a key, project or account of bills is
    "bill_keys",
    METADATA,
    Column("provider", String(80), primary_key=True),
    Column("name", String(200), primary_key=True),
    Column("targets", Text, nullable=False),  # JSON list
    Column("changed_us", BigInteger, nullable=False),
    Column("changed_by", String(200), nullable=False),
)

BILL_MAPPINGS = Table(  # which column of a CSV is what
    "bill_mappings",
    METADATA,
    Column("name", String(200), primary_key=True),
    Column("terms", Text, nullable=False),  # JSON of `finance.reconcile.readers.mapped.BillMapping`
    Column("changed_us", BigInteger, nullable=False),
    Column("changed_by", String(200), nullable=False),
)
