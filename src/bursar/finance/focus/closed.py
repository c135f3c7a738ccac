"""A month as it was booked: what a file of a closed month has, and still has after late facts came."""

from bursar.finance.books.booked import Closings, booked_at_sql, booked_where, late_sql
from bursar.finance.focus.statements import Booked


def booked_in(closings: Closings) -> Booked:
    """What the books have in a month: of its calls all but what came after it was closed, and what came in it of months
    that were closed before."""
    return Booked(
        where=booked_where(closings),
        month=f"date_trunc('month', {booked_at_sql(closings)})",
        late=late_sql(closings),
        is_cut=False,
    )
