"""What the watch costs over ten million charges: the ends of an hour and of a day, and the pages of what it found."""

import asyncio
import functools
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from bursar.bench.explore import CHARGES, NOW
from bursar.bench.figure import Figure, Options, timed
from bursar.bench.synthetic import DAYS, END, synthetic_ledger
from bursar.config import load_config
from bursar.console.anomalies import open_anomalies
from bursar.console.app import create_app
from bursar.console.context import ConsoleContext
from bursar.console.inside import get
from bursar.domain.clock import FixedClock, us_from_datetime
from bursar.domain.findings import Finding
from bursar.domain.watching import Change, Clock, Detection, SeriesKey, Signal
from bursar.explore.query import Explorer
from bursar.ledger.store import Ledger
from bursar.prices.book import PriceBook
from bursar.prices.compile import compile_book
from bursar.site import Site
from bursar.watch.batch import DAY_US, HOUR_US, TERMS, BatchDetector
from bursar.watch.findings import Investigator
from bursar.watch.long_sums import LongReader
from bursar.watch.run import HISTORY_US, MINUTE_US

CLOCK_S_MAX = 20.0
PAGE_S_MAX = 0.5
END_US = us_from_datetime(END)
NOW_US = us_from_datetime(NOW) - 7 * MINUTE_US  # a minute like any other, on no quarter of an hour
BEGIN_US = END_US - DAYS * DAY_US
DEAR = frozenset(("chat", f"model-{number}") for number in range(10))  # the made-up models cost the same: told to be


class Case(NamedTuple):
    """Something that the watch might have found; all of it goes on."""

    words: str
    series: SeriesKey
    clock: Clock
    lasts_us: int


CASES = (
    Case("a feature's two hours", SeriesKey("feature", "feature-3"), Clock.MINUTE, 2 * HOUR_US),
    Case("a customer's three days", SeriesKey("customer", "customer-3"), Clock.HOUR, 3 * DAY_US),
    Case("two weeks of everything", SeriesKey(), Clock.DAY, 14 * DAY_US),
)


def figures(options: Options) -> list[Figure]:
    """Seconds with CPU beside them. `first`: after a restart; `next`: a step later, which goes on from the one before.

    Pages are warm: asked once before.
    """
    charges = max(int(CHARGES * options.scale), 10_000)
    ledger = synthetic_ledger(charges)
    try:
        with tempfile.TemporaryDirectory(prefix="bursar-bench-") as directory:
            return [*_clocks(ledger, charges), *_pages(ledger, Path(directory), charges, max(options.rounds, 3))]
    finally:
        ledger.close()


def _clocks(ledger: Ledger, charges: int) -> list[Figure]:
    reader, detector = LongReader(ledger.dialect), BatchDetector()
    found = []
    with ledger.reading() as session:
        for clock in (Clock.HOUR, Clock.DAY):
            step_us = TERMS[clock].step_us
            for name, until_us in (("first", END_US - step_us), ("next", END_US)):
                wall, cpu = time.perf_counter(), time.process_time()
                start_us = max(until_us - HISTORY_US[clock], BEGIN_US)
                read = reader.read(session, clock, start_us, until_us, DEAR)
                detector.look(clock, read.starts_us, read.keys, read.counts)
                wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
                note = f"{charges:,} charges, {len(read.keys)} series, {len(read.starts_us)} steps, {cpu:.1f} s of CPU"
                found.append(Figure(f"end of each {clock.value}, {name}", wall, "s", CLOCK_S_MAX, note=note))
    return found


def _pages(ledger: Ledger, directory: Path, charges: int, rounds: int) -> list[Figure]:
    context = _context(ledger, directory)
    books = context.anomalies()
    investigator = Investigator(ledger, markers=books.markers.between)
    made = []
    for number, case in enumerate(CASES):
        began, finding = time.perf_counter(), _finding(number, case)
        books.findings.add(investigator.explained(finding, NOW_US))
        took = time.perf_counter() - began
        made.append(Figure(f"explaining {case.words}", took, "s", note="by the watch's thread, once an hour at most"))
    app, port = create_app(context), context.config.console.port

    def page(target: str) -> Callable[[], Any]:
        def ask() -> None:
            status, _ = asyncio.run(get(app, target, port))
            if status != 200:
                raise RuntimeError(f"GET {target} answered {status}")

        return ask

    asked = [("Anomalies page", page("/anomalies"))]
    asked += [(f"page of {case.words}", page(f"/anomalies/{_id(number)}")) for number, case in enumerate(CASES)]
    return [*made, *(timed(name, ask, PAGE_S_MAX, rounds, f"{charges:,} charges") for name, ask in asked)]


def _id(number: int) -> str:
    return f"an_{number:012d}"


def _finding(number: int, case: Case) -> Finding:
    step_us = TERMS[case.clock].step_us if case.clock in TERMS else MINUTE_US
    began_us = (NOW_US - case.lasts_us) // step_us * step_us
    seen = Detection(case.series, Signal.COST, case.clock, Change.SHIFT, began_us, NOW_US, 1.0, 2.0, 4.0)
    return Finding(
        finding_id=_id(number), series=case.series, signals=(Signal.COST,), change=Change.SHIFT, clock=case.clock,
        began_us=began_us, seen_us=NOW_US, found_us=began_us + HOUR_US, until_us=NOW_US, surprise=4.0,
        detections=(seen,), nested=(SeriesKey(),) if case.series.dimension else (),
    )  # fmt: skip


def _context(ledger: Ledger, directory: Path) -> ConsoleContext:
    compile_book(directory / "prices.msgpack", None)
    book = PriceBook.load(directory / "prices.msgpack")
    config = load_config(overrides={"data": str(directory)}, env={})
    site = Site(config, FixedClock(NOW_US))
    site.prepare()
    return ConsoleContext(
        explorer=Explorer(ledger), ledger=ledger, prices=lambda: book, config=config, spool_dir=site.paths.spool,
        clock=site.clock, open_controls=site.controls, open_anomalies=functools.partial(open_anomalies, site),
    )  # fmt: skip
