"""Consoles with anomalies: three weeks of calls on whose last evening search went wrong, and findings as the watch
makes them of such books."""

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from tests.watch.conftest import BAD, HOUR_US, UNTIL, write_calls

from bursar.config import load_config
from bursar.console.anomalies import open_anomalies
from bursar.console.context import ConsoleContext
from bursar.domain.clock import FixedClock
from bursar.domain.findings import Finding
from bursar.domain.watching import Change, Clock, Detection, SeriesKey, Signal
from bursar.explore.query import Explorer
from bursar.ledger.duckdb import open_ledger
from bursar.ledger.loader import Loader
from bursar.ledger.store import Ledger
from bursar.prices.book import PriceBook
from bursar.site import Site
from bursar.watch.findings import Investigator

SEARCH, ACME, WHOLE = SeriesKey("feature", "search"), SeriesKey("customer", "acme"), SeriesKey()
DAY_US = 24 * HOUR_US
DAY = BAD - 18 * HOUR_US  # the day on which it went wrong


class Case(NamedTuple):
    """What the watch found: an anomaly of a series between two times; is_over: it has ended."""

    series: SeriesKey
    signal: Signal
    change: Change
    clock: Clock
    began_us: int
    until_us: int
    is_over: bool = False


WENT_WRONG = (
    Case(SEARCH, Signal.COST, Change.SHIFT, Clock.MINUTE, BAD, UNTIL),
    Case(ACME, Signal.CALLS, Change.SHIFT, Clock.HOUR, BAD, UNTIL),
    Case(WHOLE, Signal.RETRIES, Change.SPIKE, Clock.DAY, DAY - 3 * DAY_US, DAY - 2 * DAY_US, is_over=True),
)  # fmt: skip


def watched_ledger(directory: Path) -> Ledger:
    write_calls(directory, UNTIL)
    ledger = open_ledger(directory / "ledger.duckdb", threads=1)
    Loader(ledger, directory / "spool", FixedClock(UNTIL)).load_all()
    return ledger


def watched_context(directory: Path, ledger: Ledger, book: PriceBook) -> ConsoleContext:
    """A console over that ledger with a control store of its own; nothing is found yet."""
    site = Site(load_config(overrides={"data": str(directory / "data")}, env={}), FixedClock(UNTIL))
    site.prepare()
    return ConsoleContext(
        explorer=Explorer(ledger),
        ledger=ledger,
        prices=lambda: book,
        config=site.config,
        spool_dir=site.paths.spool,
        budgets=functools.cache(site.budgets),
        publish_budgets=site.publish_budgets,
        clock=site.clock,
        open_controls=site.controls,
        open_anomalies=functools.partial(open_anomalies, site),
        alerts=functools.cache(site.alerts),
    )


def add_findings(context: ConsoleContext, cases: Sequence[Case]) -> list[Finding]:
    """Measured and explained by the ledger, and kept: an_000000000000, an_000000000001, …"""
    books = context.anomalies()
    investigator = Investigator(context.ledger, markers=books.markers.between)
    found = []
    for number, case in enumerate(cases):
        detection = Detection(
            case.series, case.signal, case.clock, case.change, case.began_us, case.began_us + HOUR_US, 1.5, 9.25, 4.2
        )
        finding = Finding(
            finding_id=f"an_{number:012d}", series=case.series, signals=(case.signal,), change=case.change,
            clock=case.clock, began_us=case.began_us, seen_us=case.until_us, found_us=case.began_us + HOUR_US,
            until_us=case.until_us, surprise=4.2, ended_us=case.until_us if case.is_over else None,
            detections=(detection,), nested=() if case.series == WHOLE else (WHOLE,),
        )  # fmt: skip
        explained = investigator.explained(finding, case.until_us)
        books.findings.add(explained)
        found.append(explained)
    return found
