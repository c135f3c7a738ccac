"""Whether the books tie to what providers bill, by the bills that were taken in and compared."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal

from bursar.domain.calendar import month_on
from bursar.domain.money import usd_from_pico
from bursar.explore.apart import APART
from bursar.finance.reconcile.book import Invoice
from bursar.finance.reconcile.desk import Summary
from bursar.ledger.store import Session
from bursar.maturity.facts import ZERO, BillFacts

Bills = Sequence[tuple[Invoice, Summary | None]]
"""Each bill, with what comparing it found last; None: it was never compared."""


def newest_month(bills: Bills, today: date) -> date | None:
    """The first day of the newest month that is over and has a bill; None: there is none."""
    months = [date.fromisoformat(f"{one.month}-01") for one, _ in bills]
    return max((month for month in months if month_on(month, 1) <= today), default=None)


def bill_facts(bills: Bills, month: date, spent: Mapping[str, Decimal]) -> BillFacts:
    """Of one month's bills. spent: by provider, what the books say for that month, USD."""
    mine = [(one, found) for one, found in bills if one.month == f"{month:%Y-%m}"]
    compared = [(one, found) for one, found in mine if found is not None and not found.fault]
    billed = {one.provider for one, found in compared if found.used > 0}
    return BillFacts(
        month=month,
        ends=month_on(month, 1),
        bills=len(mine),
        compared=len(compared),
        used=_usd(found.used for _, found in compared),
        covered=_usd(found.covered for _, found in compared),
        open=_usd(abs(found.open) for _, found in compared),
        waiting=sum(found.open_count for _, found in compared),
        compared_us=min((one.result_us for one, _ in compared), default=0),
        spent=sum(spent.values(), ZERO),
        billed_spent=sum((spent.get(name, ZERO) for name in sorted(billed)), ZERO),
    )


def spent_by_provider(session: Session, month: date) -> dict[str, Decimal]:
    """What the calls of a month (UTC, as bills are) cost by the books, USD."""
    first = datetime.combine(month, datetime.min.time())
    sql = f"""
        SELECT provider, SUM(effective_cost) FROM charges
        WHERE received_at >= $start AND received_at < $end AND NOT {APART} GROUP BY 1
    """  # noqa: S608  # a condition of our own; every value is bound
    days = (month_on(month, 1) - month).days
    rows = session.query(sql, {"start": first, "end": first + timedelta(days=days)}).rows
    return {provider: cost for provider, cost in rows if cost is not None}


def _usd(picos: Iterable[int]) -> Decimal:
    return usd_from_pico(sum(picos))
