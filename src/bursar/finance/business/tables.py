"""Where business data lives: tables of the DuckDB ledger, beside the charges they are joined with.

Twenty thousand customers and a million events are summed by the engine that sums ten million charges, in one snapshot;
in the control store each page would carry them over first. What people decide (saved mappings) is in the control store.

Nothing is overwritten: another value for a key is a row of its own, and the one before says which import replaced it.
"""

from collections.abc import Sequence
from typing import NamedTuple

from bursar.ledger.store import Ledger

MONEY = "DECIMAL(18,6)"
AMOUNT_PLACES = 6
AMOUNT_MAX = 10**11


class Field(NamedTuple):
    name: str
    type: str


class Kind(NamedTuple):
    """One table. keys: what a row is known by. merges: a field that an import doesn't say stays as it was.

    is_final: the first row of a key stays; later ones are taken for repeats (events).
    """

    name: str
    table: str
    keys: tuple[Field, ...]
    values: tuple[Field, ...]
    merges: bool = False
    is_final: bool = False

    @property
    def fields(self) -> tuple[Field, ...]:
        return (*self.keys, *self.values)

    @property
    def current(self) -> str:
        """The rows in force."""
        return f"(SELECT * FROM {self.table} WHERE replaced_by = 0)"


def _texts(*names: str) -> tuple[Field, ...]:
    return tuple(Field(name, "VARCHAR") for name in names)


PLANS = Kind(
    "plans", "business_plans",
    (*_texts("plan"), Field("since", "DATE")),
    (Field("price", MONEY), *_texts("currency"), Field("is_per_seat", "BOOLEAN"), Field("other_cost", MONEY),
     *_texts("included")),
)  # fmt: skip
CUSTOMERS = Kind(
    "customers", "business_customers",
    _texts("customer"),
    (*_texts("name", "segment", "tags"), Field("signed_up", "DATE"), Field("converted_on", "DATE"),
     Field("cancelled_on", "DATE"), Field("is_free", "BOOLEAN")),
    merges=True,
)  # fmt: skip
SPANS = Kind(
    "spans",
    "business_spans",
    (*_texts("customer"), Field("since", "DATE")),
    (*_texts("plan"), Field("until", "DATE")),
)
SEATS = Kind(
    "seats", "business_seats",
    (*_texts("customer"), Field("month", "DATE")),
    (Field("seats", "BIGINT"), Field("active_users", "BIGINT")),
    merges=True,
)  # fmt: skip
REVENUE = Kind(
    "revenue", "business_revenue",
    _texts("source", "line_id"),
    (*_texts("customer"), Field("month", "DATE"), Field("amount", MONEY), *_texts("currency", "plan", "feature")),
)  # fmt: skip
EVENTS = Kind(
    "events", "business_events",
    _texts("source", "event_id"),
    (*_texts("kind", "customer"), Field("at", "TIMESTAMP"), Field("quantity", MONEY), *_texts("feature")),
    is_final=True,
)  # fmt: skip
KINDS: Sequence[Kind] = (PLANS, CUSTOMERS, SPANS, SEATS, REVENUE, EVENTS)

_IMPORTS = """
CREATE TABLE IF NOT EXISTS business_imports (
  number BIGINT PRIMARY KEY, at_us BIGINT, actor VARCHAR, source VARCHAR, added BIGINT, replaced BIGINT, same BIGINT
)
"""


def make_tables(ledger: Ledger) -> None:
    """The tables of a ledger that has none yet."""
    with ledger.reading() as session:
        found = session.query("SELECT count(*) FROM duckdb_tables() WHERE table_name = 'business_imports'").only()
    if found:
        return
    with ledger.writing() as session:
        for kind in KINDS:
            columns = ", ".join(f'"{field.name}" {field.type}' for field in kind.fields)
            session.run(f"CREATE TABLE IF NOT EXISTS {kind.table} ({columns}, import_no BIGINT, replaced_by BIGINT)")
        session.run(_IMPORTS)
