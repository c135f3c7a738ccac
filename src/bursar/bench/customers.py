"""How long the page of customers takes over ten million charges of twenty thousand customers with revenue."""

import asyncio
import functools
import tempfile
import time
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from bursar.bench.explore import CHARGES, NOW
from bursar.bench.figure import Figure, Options, median
from bursar.bench.synthetic import CUSTOMERS, synthetic_ledger
from bursar.config import load_config
from bursar.console.app import create_app
from bursar.console.context import ConsoleContext
from bursar.console.initiatives import open_store
from bursar.console.inside import get
from bursar.domain.clock import FixedClock, us_from_datetime
from bursar.explore.query import Explorer
from bursar.finance.business.keeping import Records
from bursar.finance.business.model import Customer, PlanPrice, PlanSpan, PricePlan, RevenueLine
from bursar.ledger.store import Ledger
from bursar.prices.book import PriceBook
from bursar.prices.compile import compile_book
from bursar.site import Site

SECONDS_MAX = 0.5
PRICES = {"Free": 0, "Pro": 19, "Team": 99}
PLAN_OF = ("Free", "Free", "Free", "Free", "Free", "Free", "Pro", "Pro", "Pro", "Team")
MONTHS = (date(2026, 9, 1), date(2026, 10, 1), date(2026, 11, 1))


def measure(options: Options) -> list[Figure]:
    """`first`: nothing is kept from before; `again`: sums of the month hold still, since no charge came to it."""
    charges = max(int(CHARGES * options.scale), 10_000)
    ledger = synthetic_ledger(charges)
    try:
        with tempfile.TemporaryDirectory(prefix="bursar-bench-") as directory:
            context = _context(ledger, Path(directory))
            if not context.finance().business.has_any():
                context.finance().business.bring_in(_records(), "bench", actor="bench")
            return _figures(context, charges, max(options.rounds, 3))
    finally:
        ledger.close()


def _figures(context: ConsoleContext, charges: int, rounds: int) -> list[Figure]:
    app, port = create_app(context), context.config.console.port

    def page(target: str, *, forget: bool) -> Callable[[], Any]:
        def ask() -> None:
            if forget:
                context.finance().economics.forget()
            status, _ = asyncio.run(get(app, target, port))
            if status != 200:
                raise RuntimeError(f"GET {target} answered {status}")

        return ask

    asked = [
        ("Customers page, first", page("/customers?month=2026-10", forget=True), None),
        ("Customers page, again", page("/customers?month=2026-10", forget=False), SECONDS_MAX),
        ("Customers page, Asia/Kolkata, again", page("/customers?month=2026-10&tz=Asia/Kolkata", forget=False), None),
        ("Customers page by feature, first", page("/customers?month=2026-10&show=features", forget=True), None),
    ]
    return [_timed(name, ask, bound, rounds, charges) for name, ask, bound in asked]


def _timed(name: str, ask: Callable[[], Any], bound: float | None, rounds: int, charges: int) -> Figure:
    ask()
    samples, cpu = [], time.process_time()
    for _ in range(rounds):
        started = time.perf_counter()
        ask()
        samples.append(time.perf_counter() - started)
    cpu = (time.process_time() - cpu) / rounds
    note = f"{charges:,} charges, {CUSTOMERS:,} customers, {cpu:.2f} s of CPU, {min(samples):.2f}–{max(samples):.2f}"
    return Figure(name, median(samples), "s", bound, note=note)


def _context(ledger: Ledger, directory: Path) -> ConsoleContext:
    compile_book(directory / "prices.msgpack", None)
    book = PriceBook.load(directory / "prices.msgpack")
    config = load_config(overrides={"data": str(directory)}, env={})
    clock = FixedClock(us_from_datetime(NOW))
    site = Site(config, clock)
    site.prepare()
    return ConsoleContext(
        explorer=Explorer(ledger), ledger=ledger, prices=lambda: book, config=config, spool_dir=directory / "spool",
        clock=clock, open_store=functools.partial(open_store, site),
    )  # fmt: skip


def _records() -> Records:
    plans = [
        PricePlan(name=name, prices=(PlanPrice(since=date(2020, 1, 1), price=Decimal(price)),))
        for name, price in PRICES.items()
    ]
    who = [(f"customer-{at}", PLAN_OF[at % len(PLAN_OF)]) for at in range(CUSTOMERS)]
    return Records(
        plans=plans,
        customers=[
            Customer(customer_id=name, name=name.title(), spans=(PlanSpan(plan, date(2026, 1, 1)),))
            for name, plan in who
        ],
        revenue=[
            RevenueLine(source="bench", line_id=f"{name} {month}", customer_id=name, month=month,
                        amount=Decimal(PRICES[plan]), currency="USD", plan=plan)
            for name, plan in who if PRICES[plan] for month in MONTHS
        ],
    )  # fmt: skip
