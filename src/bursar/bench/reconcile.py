"""Whether planted differences on bills are found, named and priced, and how long a large month takes to reconcile."""

import time
from collections import defaultdict
from datetime import date, timedelta
from decimal import Decimal
from typing import NamedTuple

from bursar.bench.figure import Figure, Options, median
from bursar.bench.reconcile_planted import score
from bursar.bench.synthetic import DAYS, END, synthetic_ledger
from bursar.finance.reconcile.bill import BillLine, day_after
from bursar.finance.reconcile.books import Ours, provider_days
from bursar.finance.reconcile.causes import Cause
from bursar.finance.reconcile.result import Reconciliation
from bursar.finance.reconcile.run import Terms, reconcile
from bursar.ledger.store import Ledger

CHARGES = 10_000_000
SECONDS_MAX = 60.0
SEEDS = 20
PROVIDERS = [f"provider-{number}" for number in range(8)]


class Timed(NamedTuple):
    """Of all providers: wall and CPU seconds, lines of the bills, what was found."""

    wall: float
    cpu: float
    lines: int
    found: list[Reconciliation]


def measure(options: Options) -> list[Figure]:
    """options.rounds: how often the large month is reconciled."""
    seeds = range(1, max(round(SEEDS * min(options.scale, 1)), 2) + 1)
    told = [score(seed, mixed=mixed) for mixed in (False, True) for seed in seeds]
    planted, found = sum(one.planted for one in told), sum(one.found for one in told)
    bills = sum(one.bills for one in told)
    figures = [
        Figure("planted differences found, named and priced", 100 * found / planted, "%", 100.0, "at least",
               note=f"{found:,} of {planted:,} on {bills} bills of {len(told)} worlds, half of them mixed"),
        Figure("findings that nobody planted", sum(len(one.false) for one in told), "findings", 0.0),
    ]  # fmt: skip
    charges = max(int(CHARGES * options.scale), 10_000)
    ledger = synthetic_ledger(charges)
    try:
        bills_of = {provider: make_bill(ledger, provider) for provider in PROVIDERS}
        timed = [reconcile_all(ledger, bills_of) for _ in range(max(min(options.rounds, 3), 1))]
    finally:
        ledger.close()
    last = timed[-1]
    causes = {one.cause for each in last.found for one in each.variances}
    cells = sum(each.charges for each in last.found)
    note = (
        f"{charges:,} charges of {DAYS} days, {last.lines:,} bill lines of {len(PROVIDERS)} providers by day, project, "
        f"model and class, {cells:,} kinds of charges; causes {', '.join(sorted(causes))}"
    )
    return [
        *figures,
        Figure("reconciling the bills of all of it", median([one.wall for one in timed]), "s", SECONDS_MAX, note=note),
        Figure("the same, CPU time", median([one.cpu for one in timed]), "s"),
    ]


def reconcile_all(ledger: Ledger, bills: dict[str, list[BillLine]]) -> Timed:
    """Every provider's bill, one after the other. Raises RuntimeError where the findings don't add up."""
    wall, cpu, found = time.perf_counter(), time.process_time(), []
    for provider, lines in bills.items():
        with ledger.reading() as session:
            one = reconcile(session, lines, Terms(provider))
        if sum(each.money for each in one.variances) != one.difference:
            raise RuntimeError(f"{provider}: the findings don't add up to the difference")
        if not any(each.cause is Cause.STALE_PRICE for each in one.variances):
            raise RuntimeError(f"{provider}: the price that changed wasn't found")
        found.append(one)
    lines_count = sum(map(len, bills.values()))
    return Timed(time.perf_counter() - wall, time.process_time() - cpu, lines_count, found)


def make_bill(ledger: Ledger, provider: str) -> list[BillLine]:
    """What the provider would bill, by day, project, model and class, with prices of one model a tenth higher from the
    middle on."""
    start, end = END.date() - timedelta(days=DAYS), END.date()
    with ledger.reading() as session:
        charges = provider_days(session, provider, start, end)
    return bill_of(charges, provider)


def bill_of(charges: list[Ours], provider: str) -> list[BillLine]:
    """Unpriced charges are on it at the price of the others."""
    sums: dict[tuple[date, str, str, str], int] = defaultdict(int)
    prices: dict[tuple[str, str], int] = {}
    for charge in charges:
        if charge.unit:
            sums[charge.day, charge.whose.project, charge.model, charge.unit] += charge.quantity
        if charge.price is not None:
            prices[charge.model, charge.unit] = charge.price
    raised = min(charge.model for charge in charges)
    middle = END.date() - timedelta(days=DAYS // 2)
    lines = []
    for (day, project, model, unit), quantity in sums.items():
        price = prices.get((model, unit), 0)
        if model == raised and day >= middle and unit == "output":
            price += price // 10
        amount = Decimal(price * quantity).scaleb(-15)
        lines.append(
            BillLine(
                start=day, end=day_after(day), provider=provider, project=project, model=model, unit=unit,
                quantity=Decimal(quantity), amount=amount, places=12,
            )
        )  # fmt: skip
    return lines
