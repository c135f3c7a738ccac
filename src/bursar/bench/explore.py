"""How long people wait for a page, and for an answer, over ten million charges."""

import asyncio
import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from bursar.advisor.whatif import Change, bands_of, what_if
from bursar.bench.figure import Figure, Options, median
from bursar.bench.synthetic import END, synthetic_ledger
from bursar.config import load_config
from bursar.console.app import create_app
from bursar.console.context import ConsoleContext
from bursar.console.inside import get
from bursar.domain.clock import FixedClock, us_from_datetime
from bursar.domain.periods import Period, parse_period
from bursar.explore.portfolio import models_called, portfolio
from bursar.explore.query import Explorer, Query
from bursar.forecast.report import make_forecast
from bursar.forecast.told import Wish
from bursar.ledger.store import Ledger
from bursar.prices.book import PriceBook
from bursar.prices.compile import compile_book

CHARGES = 10_000_000
SECONDS_MAX = 0.3
WHATIF_MAX_S = 5.0
FORECAST_MAX_S = 0.5
NOW = END - timedelta(hours=3)
KOLKATA = "tz=Asia/Kolkata"  # half an hour off UTC's hours, so that no sum by hours would do


def measure(options: Options) -> list[Figure]:
    """Warm medians: the question asked once before, then `rounds` times. Pages as the console answers them."""
    charges = max(int(CHARGES * options.scale), 10_000)
    ledger = synthetic_ledger(charges)
    try:
        with tempfile.TemporaryDirectory(prefix="bursar-bench-") as directory:
            pages, book = _pages(ledger, Path(directory))
            asked = [*pages, *_questions(Explorer(ledger), book)]
            return [_timed(name, ask, bound, options.rounds, charges) for name, ask, bound in asked]
    finally:
        ledger.close()


Asked = tuple[str, Callable[[], Any], float | None]


def _pages(ledger: Ledger, directory: Path) -> tuple[list[Asked], PriceBook]:
    """GETs of the console: routed, asked of the ledger, drawn. And the prices that it has."""
    compile_book(directory / "prices.msgpack", None)
    book = PriceBook.load(directory / "prices.msgpack")
    context = ConsoleContext(
        explorer=Explorer(ledger),
        ledger=ledger,
        prices=lambda: book,
        config=load_config(overrides={"data": str(directory)}, env={}),
        spool_dir=directory / "spool",
        clock=FixedClock(us_from_datetime(NOW)),
    )
    app = create_app(context)
    port = context.config.console.port

    def page(target: str) -> Callable[[], None]:
        def ask() -> None:
            status, _ = asyncio.run(get(app, target, port))
            if status != 200:
                raise RuntimeError(f"GET {target} answered {status}")

        return ask

    return [
        (
            "Forecast page, kept",
            page("/forecast"),
            FORECAST_MAX_S,
        ),  # first: Overview then has no forecast made beside it
        ("Forecast page, kept, Asia/Kolkata", page(f"/forecast?{KOLKATA}"), FORECAST_MAX_S),
        ("Overview page", page("/"), SECONDS_MAX),
        ("Overview page, Asia/Kolkata", page(f"/?{KOLKATA}"), SECONDS_MAX),
        ("Overview page of last month", page("/?period=last-month"), SECONDS_MAX),
        ("Overview page of last month by customer", page("/?period=last-month&by=customer"), None),
        ("Explore page of last month", page("/explore?period=last-month"), None),
        ("Explore page of last month by customer", page("/explore?period=last-month&by=customer"), None),
    ], book


def _questions(explorer: Explorer, book: PriceBook) -> list[Asked]:
    month = parse_period("last-month", NOW)
    kolkata = parse_period("last-month", NOW, "Asia/Kolkata")
    largest: dict[str, list[str]] = {}
    wish = Wish(NOW, "UTC", "feature")
    call_id = explorer.calls(month, limit=1, order="oldest").calls[0].call_id
    return [
        ("top 20 customers of last month", lambda: explorer.cost_by("customer", month, limit=20), SECONDS_MAX),
        ("top 20 customers, Asia/Kolkata", lambda: explorer.cost_by("customer", kolkata, limit=20), SECONDS_MAX),
        ("overview of last month, one answer", lambda: explorer.overview(month), None),
        ("cost by feature, with the month before", lambda: explorer.cost_by("feature", month, compare=True), None),
        ("cost by feature × model", lambda: explorer.cost_by(("feature", "model"), month), None),
        ("customers, with the month before", lambda: explorer.cost_by("customer", month, compare=True), None),
        ("what-if: all calls on another model", lambda: _what_if(explorer, book), WHATIF_MAX_S),
        ("forecast made anew", lambda: make_forecast(explorer, wish, largest), FORECAST_MAX_S),
        ("cost by a tag", lambda: explorer.cost_by("tag:plan", month), None),
        ("one customer by day", lambda: _one_customer(explorer, month), None),
        ("first page of calls", lambda: explorer.calls(month), None),
        ("dearest calls of a feature", lambda: _dearest(explorer, month), None),
        ("one call", lambda: explorer.call(call_id), None),
        ("feature menu", lambda: explorer.dimension_values("feature", month, prefix="feature-1"), None),
    ]


def _what_if(explorer: Explorer, book: PriceBook) -> object:
    """Every call of the ledger, not of a month."""
    period, at_us = parse_period("90d", NOW), us_from_datetime(NOW)
    change = Change(provider="openai", model="gpt-4o-mini", batch_percent=50)
    with explorer.ledger.reading() as session:
        bands = bands_of(book, models_called(session, period), [change], at_us)
        groups = portfolio(session, explorer.ledger.dialect, period, [], bands)
    return what_if(groups, [change], book, at_us)


def _one_customer(explorer: Explorer, month: Period) -> object:
    return explorer.run(Query(month, ("effective_cost",), ("day",), (("customer", "customer-3"),)))


def _dearest(explorer: Explorer, month: Period) -> object:
    return explorer.calls(month, filters=[("feature", "feature-3")], order="dearest")


def _timed(name: str, ask: Callable[[], Any], bound: float | None, rounds: int, charges: int) -> Figure:
    ask()
    samples = []
    for _ in range(max(rounds, 3)):
        started = time.perf_counter()
        ask()
        samples.append(time.perf_counter() - started)
    note = f"{charges:,} charges, {len(samples)} rounds, {min(samples):.3f}–{max(samples):.3f}"
    return Figure(name, median(samples), "s", bound, note=note)
