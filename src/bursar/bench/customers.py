"""How long customers take over ten million charges of twenty thousand of them with revenue: their page, a million
business events, cohorts, and the scenarios that stand on them."""

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
from bursar.bench.figure import Figure, Options, timed
from bursar.bench.synthetic import CUSTOMERS, synthetic_ledger
from bursar.config import load_config
from bursar.console.app import create_app
from bursar.console.context import ConsoleContext
from bursar.console.initiatives import open_store
from bursar.console.inside import get
from bursar.domain.clock import FixedClock, us_from_datetime
from bursar.explore.query import Explorer
from bursar.finance.business.bringing import Wish, bring
from bursar.finance.business.keeping import Records
from bursar.finance.business.model import Customer, PlanPrice, PlanSpan, PricePlan, RevenueLine
from bursar.ledger.store import Ledger
from bursar.prices.book import PriceBook
from bursar.prices.compile import compile_book
from bursar.site import Site

SECONDS_MAX = 0.5
SCENARIOS_MAX = 1.0
IMPORT_MAX = 60.0
EVENTS = 1_000_000
EVENT_SOURCE = "bench-events.csv"
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
            imported = _events(context, max(int(EVENTS * options.scale), 1_000))
            return [imported, *_figures(context, charges, max(options.rounds, 3))]
    finally:
        ledger.close()


def _figures(context: ConsoleContext, charges: int, rounds: int) -> list[Figure]:
    app, port = create_app(context), context.config.console.port

    def page(target: str, *, forget: bool) -> Callable[[], Any]:
        def ask() -> None:
            if forget:
                context.finance().economics.forget()
                context.finance().scenarios.forget()
            status, _ = asyncio.run(get(app, target, port))
            if status != 200:
                raise RuntimeError(f"GET {target} answered {status}")

        return ask

    asked = [
        ("Customers page, first", page("/customers?month=2026-10", forget=True), None),
        ("Customers page, again", page("/customers?month=2026-10", forget=False), SECONDS_MAX),
        ("Customers page, Asia/Kolkata, again", page("/customers?month=2026-10&tz=Asia/Kolkata", forget=False), None),
        ("Customers page by feature, first", page("/customers?month=2026-10&show=features", forget=True), None),
        ("Customers page, events, first", page("/customers?month=2026-10&show=events", forget=True), None),
        ("Customers page, events, again", page("/customers?month=2026-10&show=events", forget=False), SECONDS_MAX),
        ("Customers page, cohorts, first", page("/customers?month=2026-10&show=cohorts", forget=True), None),
        ("Customers page, cohorts, again", page("/customers?month=2026-10&show=cohorts", forget=False), SECONDS_MAX),
        ("Scenarios page, nothing ready", page("/scenarios", forget=True), SCENARIOS_MAX),
        ("Scenarios page, ready", page("/scenarios", forget=False), SCENARIOS_MAX),
        (
            "Scenarios page, a model moves, nothing ready",
            page("/scenarios?a=model+openai/model-1+to=openai/model-2+price=0.1", forget=True), None,
        ),
    ]  # fmt: skip
    return [
        timed(name, ask, bound, rounds, f"{charges:,} charges, {CUSTOMERS:,} customers") for name, ask, bound in asked
    ]


def _events(context: ConsoleContext, count: int) -> Figure:
    """A CSV of so many events, brought in once as if it were the first time."""
    with context.ledger.writing() as session:
        session.run("DELETE FROM business_events WHERE source = $source", {"source": EVENT_SOURCE})
    rows = ["event_id,kind,customer_id,at,quantity,feature"]
    for at in range(count):
        customer = (at * 7919) ** 2 % CUSTOMERS * ((at * 31) % 997) // 997  # few customers have most
        kind, feature = ("ticket.solved", f"feature-{at % 20}") if at % 2 else ("order.made", "")
        rows.append(
            f"{at},{kind},customer-{customer},2026-{9 + at % 3:02d}-{1 + at % 28:02d}T{at % 24:02d}:00:00Z,1,{feature}"
        )
    content = "\n".join(rows).encode()
    wish = Wish(kind="events", source=EVENT_SOURCE)
    started, cpu = time.perf_counter(), time.process_time()
    told = bring(context.finance().business, content, wish, actor="bench")
    wall, cpu = time.perf_counter() - started, time.process_time() - cpu
    if told.kept is None or told.kept[0].added != count:
        raise RuntimeError(f"of {count} events were kept: {told.kept}, {told.faults[:1]}")
    note = f"CSV of {len(content) / 1e6:.0f} MB, {cpu:.1f} s of CPU; once"
    return Figure(f"Import of {count:,} business events", wall, "s", IMPORT_MAX, note=note)


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
