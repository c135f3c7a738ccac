"""Rates of exchange that a site keeps, as a case asks for them."""

from datetime import date
from decimal import Decimal

from bursar.finance.fx.rates import Rates
from bursar.finance.tax.case import RateOf


def kept_rates(rates: Rates) -> RateOf:
    """The rate of a day for a purpose, exactly as it is converted by, and the words that tell it."""

    def rate_of(purpose: str, currency: str, into: str, day: date) -> tuple[Decimal, str] | None:
        found = rates.rate(currency, into, day, purpose)
        if found is None:
            return None
        return found.convert(Decimal(1)), f"for {purpose}: {found.told()}"

    return rate_of
