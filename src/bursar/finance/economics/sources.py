"""Charges of a stretch of time as sums by customer: from sums of days where there are any, else from the charges."""

from collections.abc import Sequence
from typing import Any

from bursar.domain.periods import Period
from bursar.domain.usage import INPUT_UNITS, OUTPUT_UNITS
from bursar.explore.compile import period_params
from bursar.explore.rollups import day_source
from bursar.explore.vocabulary import DIMENSIONS
from bursar.ledger.rollups import days_until, of_each_charge
from bursar.ledger.store import Session

TOKENS = " + ".join(f"{unit}_tokens" for unit in (*INPUT_UNITS, *OUTPUT_UNITS))
CHARGES = "charges WHERE received_at >= $start AND received_at < $end"
Params = dict[str, Any]


def customer_rows(session: Session, period: Period, columns: Sequence[str]) -> tuple[str, Params]:
    """A query of partial sums with `customer` among the columns, and its values; exact in any time zone."""
    until = days_until(session)
    found = day_source([DIMENSIONS["customer"]], [period], until) if until else None
    if found is None:
        return of_each_charge(columns, CHARGES), period_params(period, None)
    source, params = found
    return source.rows(columns), params


def token_columns() -> list[str]:
    return [f"{unit}_tokens" for unit in (*INPUT_UNITS, *OUTPUT_UNITS)]
