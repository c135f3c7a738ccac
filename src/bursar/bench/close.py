"""How long a month of a large ledger takes to be booked, checked, written out and allocated. Nothing is posted.

Wall time and CPU seconds of the process: the machine may have other work, and CPU holds then.
"""

import os
import tempfile
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path

from bursar.bench.figure import Figure, Options, median
from bursar.bench.synthetic import END, synthetic_ledger
from bursar.domain.clock import FixedClock, us_from_datetime
from bursar.finance.allocation.book import AllocationBook
from bursar.finance.allocation.rules import RuleTerms
from bursar.finance.books.close import EXPORTS, CloseBook
from bursar.finance.fx.rates import Rates
from bursar.governance.store import ControlStore

CHARGES = 10_000_000
MONTH = "2026-10"
JAN = date(2026, 1, 1)
RULES = {
    "untagged": RuleTerms(kind="split", start=JAN, where=["team="]),
    "platform": RuleTerms(kind="split", start=JAN, where=["team=team-0"], method="driver", driver="calls"),
    "seats": RuleTerms(kind="flat", start=JAN, amount="12000"),
    "by customer": RuleTerms(kind="flat", start=JAN, amount="12000", by="customer"),
    "chat": RuleTerms(kind="tag", start=JAN, where=["feature=feature-7"], tags={"team": "team-1"}),
}


def measure(options: Options) -> list[Figure]:
    """options.scale: 1 is ten million charges of 90 days, a third of them in the month."""
    charges = int(CHARGES * options.scale)
    ledger = synthetic_ledger(charges)
    clock = FixedClock(us_from_datetime(END))
    with tempfile.TemporaryDirectory() as name:
        store = ControlStore(Path(name) / "control.sqlite")
        close = CloseBook(store, b"bench", ledger, clock, "bench")
        allocation = AllocationBook(store, b"bench", ledger, clock, close, lambda: Rates([]))
        for rule, terms in RULES.items():
            allocation.set(rule, terms, actor="bench")
        books = close.books(MONTH)
        told = f"{charges:,} charges, {books.totals.attempts:,} in the month"
        asked: dict[str, tuple[float, Callable[[], object]]] = {
            "months and what is booked in each": (3.0, close.months),
            "the checklist": (6.0, lambda: close.checks(MONTH)),
            "a month's books": (3.0, lambda: close.books(MONTH)),
            "a month's six files": (30.0, lambda: [make(books) for _, make in EXPORTS.values()]),
            "allocation by team": (3.0, lambda: allocation.allocation(MONTH, "team")),
            "allocation by customer": (3.0, lambda: allocation.allocation(MONTH, "customer")),
        }
        figures = [_timed(what, bound, act, options.rounds, told) for what, (bound, act) in asked.items()]
    ledger.close()
    return figures


def _timed(what: str, bound: float, act: Callable[[], object], rounds: int, told: str) -> Figure:
    walls, cpus = [], []
    for _ in range(max(rounds, 1)):
        wall, cpu = time.perf_counter(), time.process_time()
        act()
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
    load = os.getloadavg()[0]
    return Figure(what, median(walls), "s", bound, "at most",
                  note=f"CPU {median(cpus):.2f} s, load {load:.1f}; {told}")  # fmt: skip
