"""From what pages and reports say of a month to what the books say of it, step by step; the steps add up."""

from decimal import Decimal
from typing import NamedTuple

from bursar.finance.books.tie import Tie


class TieStep(NamedTuple):
    """what: in words; is_sum: what the steps before come to, else what is added. opens: the zone in whose month calls
    were received; "": there is no page of it."""

    what: str
    amount: Decimal
    is_sum: bool = False
    opens: str = ""


def tie_steps(tie: Tie, place: str) -> list[TieStep]:
    """Effective cost in USD. place: the time zone of pages and reports."""
    zoned = [
        TieStep(f"Calls received in the month in {place}, as pages and reports tell it", tie.zoned, True, place),
        TieStep(f"received in hours that are of the month in UTC, not in {place}", tie.utc_only),
        TieStep(f"received in hours that are of the month in {place}, not in UTC", -tie.zone_only),
    ]
    steps = [
        TieStep("sent in this month, received in another", tie.sent_here),
        TieStep("received in this month, sent in another", -tie.sent_elsewhere),
        TieStep("of earlier months, posted after their close", tie.late_here),
        TieStep("of this month, booked in a later one", -tie.late_elsewhere),
    ]
    return [
        *(zoned if place != "UTC" else []),
        TieStep("Calls received in the month in UTC, as Explore tells it", tie.explored, True, "UTC"),
        *(one for one in steps if one.amount),
        TieStep("Booked in the month, effective cost", tie.booked, True),
    ]
