"""The authority's tables in the control store, as the newest migration leaves them; a test compares the two.

Amounts are pico-USD, as text: an organization's year passes the nine million dollars that 64 bits hold.
"""

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, MetaData, String, Table, Text
from sqlalchemy.engine.interfaces import Dialect
from sqlalchemy.types import TypeDecorator

METADATA = MetaData()
ID_CHARS, VALUE_CHARS, KEY_CHARS = 40, 520, 200


class Pico(TypeDecorator[int]):
    """An integer of any size, kept as decimal text; added up in Python, exactly."""

    impl = String(48)
    cache_ok = True

    def process_bind_param(self, value: int | None, dialect: Dialect) -> str | None:
        return None if value is None else str(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> int | None:
        return None if value is None else int(value)


BUDGETS = Table(
    "budgets",
    METADATA,
    Column("budget_id", String(ID_CHARS), primary_key=True),
    Column("name", String(200), nullable=False, unique=True),
    Column("revision", Integer, nullable=False),  # 1, 2 …: a worker's authority reads the definition anew when it grew
    Column("definition", Text, nullable=False),  # JSON of a Budget
    Column("removed_us", BigInteger, nullable=True),
)

BUDGET_VALUES = Table(  # one row to lock for each value: two workers may be in different windows or slots of it
    "budget_values",
    METADATA,
    Column("budget_id", String(ID_CHARS), primary_key=True),
    Column("value", String(VALUE_CHARS), primary_key=True),
    Column("account", String(8), primary_key=True),  # "" what is likely spent, "bound" what could be at most
)

BUDGET_BALANCES = Table(
    "budget_balances",
    METADATA,
    Column("budget_id", String(ID_CHARS), primary_key=True),
    Column("value", String(VALUE_CHARS), primary_key=True),
    Column("account", String(8), primary_key=True),
    Column("window_key", String(KEY_CHARS), primary_key=True),
    Column("start_us", BigInteger, nullable=False),
    Column("end_us", BigInteger, nullable=False),
    Column("posted", Pico, nullable=False),  # settled and reported by workers
    Column("leased", Pico, nullable=False),  # given to workers and not yet posted: held for calls, or still free
    Column("assumed", Pico, nullable=False),  # the part of posted that nobody heard the end of
    Column("overrun", Pico, nullable=False),  # the part of posted that bills had above their holds
    Column("recall", Boolean, nullable=False),  # somebody needs what others have free
    Index("budget_balances_by_end", "budget_id", "value", "account", "end_us"),
)

BUDGET_HOLDERS = Table(
    "budget_holders",
    METADATA,
    Column("holder_id", String(64), primary_key=True),  # one life of one worker
    Column("seen_us", BigInteger, nullable=False),
)

BUDGET_LEASES = Table(
    "budget_leases",
    METADATA,
    Column("lease_id", String(96), primary_key=True),
    Column("holder_id", String(64), nullable=False, index=True),
    Column("budget_id", String(ID_CHARS), nullable=False),
    Column("value", String(VALUE_CHARS), nullable=False),
    Column("account", String(8), nullable=False),
    Column("window_key", String(KEY_CHARS), nullable=False),
    Column("amount", Pico, nullable=False),  # granted in all, what was spent of it included
    Column("spent", Pico, nullable=False),  # reported, and posted
    Column("held", Pico, nullable=False),  # for calls under way, as last reported: for people, not for the arithmetic
    Column("state", String(8), nullable=False),  # open, lean (nothing free in it), assumed (its holder vanished)
    Index("budget_leases_by_balance", "budget_id", "value", "account", "window_key"),
)
