"""Contracts over a large ledger: rating days anew, looking again with nothing new, and what the entries take.

The ledger is the synthetic one (20,000 customers), copied, since rating writes to it. One vendor
of eight is under contract, with discounts, graduated steps, a credit and a commitment: the costly kind.
"""

import shutil
import tempfile
import time
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

from bursar.bench.figure import Figure, Options
from bursar.bench.synthetic import END, synthetic_ledger
from bursar.domain.clock import FixedClock, us_from_datetime
from bursar.finance.contracts.book import ContractBook
from bursar.finance.contracts.rating import Ratings, rate_contract
from bursar.finance.contracts.terms import Commitment, Contract, ContractTerms, Credit, Discount, Step, Volume
from bursar.governance.store import ControlStore
from bursar.ledger.duckdb import open_ledger
from bursar.ledger.rollups import compact

CHARGES = 3_000_000  # of ninety days
DAYS = 30
PROVIDER = "provider-0"
SINCE = END.date() - timedelta(days=DAYS)


def terms() -> ContractTerms:
    """A bit of everything that is worked out charge by charge."""
    return ContractTerms(
        provider=PROVIDER,
        discounts=(Discount(models=("model-1*",), percent=Decimal("7.5")), Discount(percent=Decimal(5))),
        volumes=(Volume(name="v", steps=(Step(Decimal(50), Decimal(3)), Step(Decimal(500), Decimal(6)))),),
        credits=(Credit(name="c", amount=Decimal(100), granted=SINCE),),
        commitments=(Commitment(name="y", amount=Decimal(10**6), start=SINCE, end=date(2027, 10, 30)),),
    )


def measure(options: Options) -> list[Figure]:
    """Rates a month from nothing, then again with nothing new."""
    charges = max(int(CHARGES * options.scale), 60_000)
    source = synthetic_ledger(charges)
    path = source.path
    source.close()
    directory = Path(tempfile.mkdtemp(prefix="bursar-bench-"))
    try:
        shutil.copy(path, directory / "ledger.duckdb")
        return _measured(directory / "ledger.duckdb", charges)
    finally:
        shutil.rmtree(directory)


def _measured(path: Path, charges: int) -> list[Figure]:
    clock = FixedClock(us_from_datetime(END) - 1)
    book = ContractBook(ControlStore(path.parent / "control.sqlite"), b"s" * 32, clock)
    contract = book.add("bench", SINCE, terms(), actor="bench")
    before = path.stat().st_size
    done, cpu, clock_s = _timed(path, book, contract, clock.now_us())
    per_charge, per_entry = before / charges, (path.stat().st_size - before) / max(done.entries, 1)
    nothing, *again = _timed(path, book, contract, clock.now_us())
    if nothing.entries or done.entries < 1:
        raise RuntimeError(f"rating posted {done.entries} entries, and {nothing.entries} when nothing was new")
    note = f"{done.entries:,} entries in {DAYS} days, {clock_s:.1f} s by the clock"
    return [
        Figure("rating a charge from nothing, one core", 1e6 * cpu / done.entries, "µs", note=note),
        Figure("looking again, nothing new, one core", again[0], "s", note=f"{again[1]:.2f} s by the clock"),
        Figure("an adjusting entry beside its charge", per_entry, "bytes", ratio=per_entry / per_charge,
               baseline=f"a charge {per_charge:.0f}", note="sums kept ready included"),
    ]  # fmt: skip


def _timed(path: Path, book: ContractBook, contract: Contract, now_us: int) -> tuple[Ratings, float, float]:
    """What was done, and what it took: seconds of one core, and by the clock. Closing the ledger packs it."""
    ledger = open_ledger(path)
    try:
        cpu, clock_s = time.process_time(), time.perf_counter()
        done = rate_contract(ledger, book, contract, now_us)
        cpu, clock_s = time.process_time() - cpu, time.perf_counter() - clock_s
        with ledger.writing() as session:
            compact(session)
    finally:
        ledger.close()
    return done, cpu, clock_s
