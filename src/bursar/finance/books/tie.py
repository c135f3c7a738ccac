"""How a month of the books ties to Explore: the same charges, counted by when they were sent, not when calls came in.

Explore goes by the moment a call was received. The books go by the moment an attempt was sent, and leave what came
after a close to the open month. Pages and reports cut months in a time zone, the books in UTC. Whatever they see
otherwise is told, so that one can be got from the other.
"""

from datetime import date, datetime
from decimal import Decimal

import msgspec

from bursar.domain.calendar import day_start
from bursar.finance.books.booked import Closings, booked_at_sql, late_sql, month_span
from bursar.ledger.store import Session


class Tie(msgspec.Struct, frozen=True):
    """Effective cost, USD, exactly: explored = zoned + utc_only - zone_only, and
    booked = explored + sent_here - sent_elsewhere + late_here - late_elsewhere.

    zoned: of calls received in the month as the zone has it, as pages and reports tell it; utc_only: received in the
    hours that are of the month in UTC alone; zone_only: in the zone alone.
    explored: of calls received in the month, as Explore tells it in UTC. sent_here: sent in it, received in another;
    sent_elsewhere: the other way round. late_here: of earlier months, posted after their close; late_elsewhere: of this
    month, booked in a later one.
    """

    zoned: Decimal
    utc_only: Decimal
    zone_only: Decimal
    explored: Decimal
    sent_here: Decimal
    sent_elsewhere: Decimal
    late_here: Decimal
    late_elsewhere: Decimal
    booked: Decimal


def tie_month(session: Session, month: str, closings: Closings, timezone: str = "UTC") -> Tie:
    """timezone: that of pages and reports. Raises BadPeriod."""
    start, end = month_span(month)
    zone_start, zone_end = (_in_utc(day.date(), timezone) for day in (start, end))
    within = "{0} >= $start AND {0} < $end"
    zoned = "received_at >= $zone_start AND received_at < $zone_end"
    explored = within.format("received_at")
    booked = within.format(f"({booked_at_sql(closings)})")
    late = late_sql(closings)
    row = session.query(
        f"""
        WITH seen AS (
          SELECT effective_cost, {explored} AS is_explored, {booked} AS is_booked, {late} AS is_late,
            {zoned} AS is_zoned
          FROM charges
          WHERE ({zoned}) OR ({explored}) OR ({within.format("dispatched_at")}) OR ({within.format("posted_at")})
        )
        SELECT {", ".join(f"coalesce(SUM(effective_cost) FILTER ({part}), 0)::DECIMAL(38,12)" for part in _PARTS)}
        FROM seen""",
        {"start": start, "end": end, "zone_start": zone_start, "zone_end": zone_end},
    ).rows[0]
    return Tie(*row)


def _in_utc(day: date, timezone: str) -> datetime:
    """When a day begins in a zone, naive UTC as the ledger keeps times."""
    return day_start(day, timezone).replace(tzinfo=None)


_PARTS = (
    "WHERE is_zoned",
    "WHERE is_explored AND NOT is_zoned",
    "WHERE is_zoned AND NOT is_explored",
    "WHERE is_explored",
    "WHERE is_booked AND NOT is_explored AND NOT is_late",
    "WHERE is_explored AND NOT is_booked AND NOT is_late",
    "WHERE is_booked AND NOT is_explored AND is_late",
    "WHERE is_explored AND NOT is_booked AND is_late",
    "WHERE is_booked",
)
