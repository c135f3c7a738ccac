"""What the made-up company's own books say of its customers: files as it would bring them in.

Prices fit the history of `simulate.cast` at its usual 4,000 calls a day: most customers pay for themselves, a few small
ones cost more than they pay, and the free plan is dearer than it looks. Seeded, so that each run has the same.
"""

import csv
import io
import random
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple

from bursar.domain.calendar import month_on
from bursar.simulate.cast import customers

SEED = 7
MONTHS_BACK = 18
REVENUE_MONTHS = 6
FREE_SHARE = 0.55  # of the smallest plan's customers
CONVERTED_SHARE = 0.06
STRANGERS = 3  # of whom nothing is brought in
EUROS = "Société Générale des Eaux Fictives"
EVENT_DAYS = 60
PRICES = {"Enterprise": (1200, 90), "Business": (99, 6), "Starter": (19, 1), "Free": (0, 0)}  # a month, other cost
SEGMENTS = ("Logistics", "Health", "Finance", "Retail", "Software")
EVENTS = (("ticket.solved", "support-bot", 3.2), ("document.extracted", "doc-extract", 1.1))
"""(kind, feature, of an average customer a day)."""


class BusinessFile(NamedTuple):
    """A CSV. kind: as `bursar customers import --kind` takes it."""

    kind: str
    name: str
    content: bytes


class _Who(NamedTuple):
    name: str
    plan: str
    segment: str
    signed_up: date
    converted_on: date | None
    cancelled_on: date | None


def business_files(today: date) -> list[BusinessFile]:
    """Plans, customers, six months of revenue and sixty days of events."""
    rng = random.Random(SEED)  # noqa: S311  made-up figures
    people = [_made(rng, name, plan, today) for name, plan in customers()[:-STRANGERS]]
    return [
        _file("plans", ("name", "price", "currency", "since", "other_cost_of_goods"), _plans()),
        _file(
            "customers",
            ("customer_id", "name", "segment", "plan", "signed_up", "converted_on", "cancelled_on"),
            ((who.name, who.name, who.segment, who.plan, who.signed_up, who.converted_on or "", who.cancelled_on or "")
             for who in people),
        ),
        _file("revenue", ("invoice", "customer_id", "month", "amount", "currency", "plan"), _revenue(people, today)),
        _file("events", ("id", "type", "customer", "time", "quantity", "feature"), _events(rng, people, today)),
    ]  # fmt: skip


def _made(rng: random.Random, name: str, plan: str, today: date) -> _Who:
    is_free = plan == "starter" and rng.random() < FREE_SHARE
    signed_up = month_on(today.replace(day=1), -rng.randint(1, MONTHS_BACK)) + timedelta(days=rng.randint(0, 27))
    converted: date | None = None
    if not is_free:
        lately = rng.random() < CONVERTED_SHARE
        converted = month_on(today.replace(day=1), -1) + timedelta(days=rng.randint(0, 20)) if lately else signed_up
    left = rng.random() < 0.04
    cancelled = month_on(today.replace(day=1), -1) + timedelta(days=rng.randint(0, 25)) if left else None
    return _Who(
        name, "Free" if is_free else plan.capitalize(), rng.choice(SEGMENTS), signed_up,
        max(converted, signed_up) if converted else None, cancelled if cancelled and cancelled > signed_up else None,
    )  # fmt: skip


def _plans() -> Iterable[Sequence[object]]:
    for name, (price, other) in PRICES.items():
        yield name, price, "USD", "2025-01-01", other


def _revenue(people: Sequence[_Who], today: date) -> Iterable[Sequence[object]]:
    for back in range(REVENUE_MONTHS - 1, -1, -1):
        month = month_on(today.replace(day=1), -back)
        for number, who in enumerate(people):
            price = PRICES[who.plan][0]
            is_gone = who.cancelled_on is not None and who.cancelled_on < month
            if price and who.converted_on and who.converted_on < month_on(month, 1) and not is_gone:
                currency = "EUR" if who.name == EUROS else "USD"
                yield f"INV-{month:%Y%m}-{number:04d}", who.name, f"{month:%Y-%m}", price, currency, who.plan


def _events(rng: random.Random, people: Sequence[_Who], today: date) -> Iterable[Sequence[object]]:
    """The first customers are the largest, as in the history."""
    for kind, feature, a_day in EVENTS:
        for place, who in enumerate(people):
            usual = a_day * 6 / (place + 1) ** 0.9
            for back in range(EVENT_DAYS, 0, -1):
                day = today - timedelta(days=back)
                count = round(rng.expovariate(1 / usual))
                if count:
                    at = datetime.combine(day, time(rng.randint(7, 19), rng.randint(0, 59)), UTC)
                    yield f"{kind}-{place}-{day}", kind, who.name, at.isoformat(), count, feature


def _file(kind: str, heads: Sequence[str], rows: Iterable[Sequence[object]]) -> BusinessFile:
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(heads)
    writer.writerows(rows)
    return BusinessFile(kind, f"{kind}.csv", out.getvalue().encode())
