"""Ledgers with a few charges whose customer, feature and cost a test says, and business data beside them."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

from bursar.config import load_config
from bursar.domain.clock import FixedClock, us_from_datetime
from bursar.explore.query import Explorer
from bursar.finance.business.book import BusinessBook
from bursar.finance.business.model import Customer, PlanPrice, PlanSpan, PricePlan, RevenueLine
from bursar.finance.economics.model import Rate, same_currency
from bursar.finance.economics.report import EconomicsDesk
from bursar.governance.store import ControlStore
from bursar.ledger.duckdb import open_ledger
from bursar.ledger.rollups import rebuild
from bursar.ledger.schema import CHARGE_COLUMNS, ENTRY_COLUMNS
from bursar.ledger.store import Ledger
from bursar.site import Site

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
OCTOBER = date(2026, 10, 1)
_NONE = {"int": 0, "bool": False, "text": ""}


def charge(
    customer: str, usd: str | None, *, feature: str = "chat", at: str = "2026-10-10 12:00", tokens: int = 1000,
    model: str = "m", count: int = 1,
) -> dict[str, object]:  # fmt: skip
    """`count` calls of one attempt each. usd: of one; None: it has no price."""
    cost = None if usd is None else Decimal(usd)
    return {
        "count": count, "received_at": at, "customer": customer, "feature": feature, "model": model,
        "input_tokens": tokens,
        "is_final": True, "is_whole_call": True, "attempt_number": 1, "weight": 1, "entry": "usage",
        "currency": "USD", "traffic": "live", "outcome": "ok", "call_outcome": "ok",
        "quality": "unpriced" if usd is None else "reported",
        **dict.fromkeys(("list_cost", "contracted_cost", "effective_cost", "billed_cost"), cost),
    }  # fmt: skip


def make_ledger(path: Path, charges: Sequence[dict[str, object]] = (), *, rolled: bool = True) -> Ledger:
    ledger = open_ledger(path / "ledger.duckdb", threads=1)
    blank = {column.name: _NONE.get(column.kind) for column in CHARGE_COLUMNS} | dict.fromkeys(ENTRY_COLUMNS)
    with ledger.writing() as session:
        for one in charges:
            told = {name: value for name, value in (blank | one).items() if value is not None}
            count = told.pop("count")
            names = ", ".join(told)
            marks = ", ".join(f"${name}" for name in told)
            session.run(
                f"INSERT INTO charges (attempt_id, call_id, {names}) SELECT uuid(), uuid(), {marks} FROM range($count)",
                told | {"count": count},
            )
        if rolled:
            rebuild(session)
    return ledger


class Books:
    """A ledger, the business book and the desk of economics over them."""

    def __init__(self, path: Path, charges: Sequence[dict[str, object]] = (), rate: Rate | None = None) -> None:
        self.ledger = make_ledger(path, charges)
        self.clock = FixedClock(us_from_datetime(NOW))
        site = Site(load_config(overrides={"data": str(path)}, env={}), self.clock)
        site.prepare()
        self.store = ControlStore(site.control_location)
        self.book = BusinessBook(self.ledger, self.store, b"secret", self.clock)
        self.desk = EconomicsDesk(Explorer(self.ledger), self.book, rate or same_currency("USD"))

    def close(self) -> None:
        self.ledger.close()


def plan(name: str, price: str, **more: object) -> PricePlan:
    return PricePlan(name=name, prices=(PlanPrice(since=date(2026, 1, 1), price=Decimal(price), **more),))


def customer(name: str, on: str, **more: object) -> Customer:
    return Customer(customer_id=name, spans=(PlanSpan(on, date(2026, 1, 1)),), **more)


def paid(name: str, usd: str, month: date = OCTOBER, currency: str = "USD", **more: str) -> RevenueLine:
    line_id = f"{name} {month} {currency} {more.get('feature', '')}"
    return RevenueLine(
        source="test", line_id=line_id, customer_id=name, month=month, amount=Decimal(usd), currency=currency, **more
    )
