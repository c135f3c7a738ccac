"""In which month a charge is booked: the one place that says it, and sums by it.

A charge belongs to the UTC month in which it was sent (`dispatched_at`). Where that month was closed before the charge
was posted, it is booked in the month in which it was posted, as an item of an earlier period. A month is closed after
its end, so a month in which something can be posted is never a closed one, and no closed month ever changes.
"""

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal

import msgspec

from bursar.domain.errors import BadPeriod
from bursar.ledger.store import Session

Closings = Mapping[str, int]
"""By month, "2026-10": until when (microseconds, included) what was posted is in it."""

COSTS = ("list_cost", "contracted_cost", "effective_cost", "billed_cost")


class BookedSum(msgspec.Struct, frozen=True):
    """What charges of one day and one kind add up to, USD; unpriced ones are counted and in no amount.

    day: they are booked on; belongs: the month they are of, another one for items of an earlier period.
    """

    day: date
    belongs: str
    provider: str
    feature: str
    team: str
    environment: str
    list_cost: Decimal
    contracted_cost: Decimal
    effective_cost: Decimal
    billed_cost: Decimal
    attempts: int
    unpriced_count: int

    @property
    def is_late(self) -> bool:
        return self.belongs != self.day.isoformat()[:7]


class MonthSum(msgspec.Struct, frozen=True):
    """All that is booked in a month, USD; late_cost: the billed cost in it of months that were closed before."""

    month: str
    list_cost: Decimal
    contracted_cost: Decimal
    effective_cost: Decimal
    billed_cost: Decimal
    late_cost: Decimal
    attempts: int
    unpriced_count: int
    assumed_count: int
    estimated_count: int


def late_sql(closings: Closings) -> str:
    """A condition on `charges`: it was posted after its own month was closed."""
    if not closings:
        return "false"
    cases = " ".join(
        f"WHEN TIMESTAMP '{first_day(month)}' THEN make_timestamp({until_us:d})"
        for month, until_us in sorted(closings.items())
    )
    return f"coalesce(posted_at > CASE date_trunc('month', dispatched_at) {cases} END, false)"


def booked_at_sql(closings: Closings) -> str:
    """When a charge counts in the books: where it was sent, or posted if its own month was closed by then."""
    return f"CASE WHEN {late_sql(closings)} THEN posted_at ELSE dispatched_at END"


def booked_where(closings: Closings) -> str:
    """A condition on `charges` with `$start` and `$end`: all that is booked between them. The first two lines only let
    the store skip what can't be."""
    return (
        "((dispatched_at >= $start AND dispatched_at < $end) OR (posted_at >= $start AND posted_at < $end)) "
        f"AND {booked_at_sql(closings)} >= $start AND {booked_at_sql(closings)} < $end"
    )


def booked_sums(session: Session, month: str, closings: Closings) -> list[BookedSum]:
    """What is booked in a month, by day and kind, in a fixed order. Raises BadPeriod for what is no month."""
    start, end = month_span(month)
    keys = "provider, feature, team, environment"
    rows = session.query(
        f"""
        SELECT date_trunc('day', {booked_at_sql(closings)})::DATE AS day,
          strftime(date_trunc('month', dispatched_at), '%Y-%m') AS belongs,
          {", ".join(f"coalesce({name}, '') AS {name}" for name in keys.split(", "))},
          {", ".join(f"coalesce(SUM({name}), 0)::DECIMAL(38,12) AS {name}" for name in COSTS)},
          SUM(weight)::BIGINT AS attempts,
          SUM(CASE WHEN quality = 'unpriced' THEN weight ELSE 0 END)::BIGINT AS unpriced_count
        FROM charges WHERE {booked_where(closings)}
        GROUP BY 1, 2, 3, 4, 5, 6 ORDER BY 1, 2, 3, 4, 5, 6""",
        {"start": start, "end": end},
    ).rows
    return [BookedSum(*row) for row in rows]


def month_sums(session: Session, closings: Closings) -> list[MonthSum]:
    """Each month in which something is booked, oldest first; they add up to the ledger."""
    late = late_sql(closings)
    counts = ", ".join(
        f"SUM(CASE WHEN quality = '{name}' THEN weight ELSE 0 END)::BIGINT"
        for name in ("unpriced", "assumed", "estimated")
    )
    rows = session.query(
        f"""
        SELECT strftime(date_trunc('month', {booked_at_sql(closings)}), '%Y-%m') AS month,
          {", ".join(f"coalesce(SUM({name}), 0)::DECIMAL(38,12)" for name in COSTS)},
          coalesce(SUM(CASE WHEN {late} THEN billed_cost END), 0)::DECIMAL(38,12),
          SUM(weight)::BIGINT, {counts}
        FROM charges GROUP BY 1 ORDER BY 1"""
    ).rows
    return [MonthSum(*row) for row in rows]


def booked_month(belongs: str, posted_us: int, posted_month: str, closings: Closings) -> str:
    """The same decision for what isn't a charge: an entry of the general journal."""
    until_us = closings.get(belongs)
    return belongs if until_us is None or posted_us <= until_us else posted_month


def first_day(month: str) -> date:
    """Raises BadPeriod."""
    try:
        if len(month) != 7:
            raise ValueError
        return date.fromisoformat(f"{month}-01")
    except ValueError as error:
        raise BadPeriod(f"{month[:40]!r} is no month; write 2026-10", field="month") from error


def next_month(month: str) -> str:
    first = first_day(month)
    return f"{first.year + first.month // 12:04d}-{first.month % 12 + 1:02d}"


def month_span(month: str) -> tuple[datetime, datetime]:
    """Its start and end, naive UTC as the ledger keeps times. Raises BadPeriod."""
    start, end = first_day(month), first_day(next_month(month))
    return datetime(start.year, start.month, 1), datetime(end.year, end.month, 1)  # noqa: DTZ001  as the ledger's
