"""What a bill says a model costs, as the command that makes it the price here.

Prices of one's own are a file of the operator's, which no page writes: so a finding has the whole command, to copy.
"""

import shlex
from collections.abc import Mapping
from datetime import UTC, datetime, time
from decimal import Decimal

from bursar.domain.clock import us_from_datetime
from bursar.domain.money import plain
from bursar.domain.usage import Unit
from bursar.finance.reconcile.causes import Cause
from bursar.finance.reconcile.result import Variance
from bursar.prices.book import PriceBook

OPTIONS: Mapping[Unit, str] = {
    Unit.INPUT: "--input",
    Unit.OUTPUT: "--output",
    Unit.CACHE_READ: "--cache-read",
    Unit.CACHE_WRITE_5M: "--cache-write",
    Unit.CACHE_WRITE_1H: "--cache-write-1h",
}
"""The classes that `bursar prices set` takes. It makes a whole price: what a bill doesn't tell stays as it is here."""
_PER_MILLION, _FEMTO = Decimal(1_000_000), Decimal(1).scaleb(-15)


def price_command(book: PriceBook, provider: str, one: Variance, bill: str) -> str:
    """`bursar prices set …` for a stale price or none; "" where the bill says too little, or another tier's price."""
    if one.cause not in (Cause.STALE_PRICE, Cause.UNPRICED) or not one.model or one.tier not in ("", "standard"):
        return ""
    theirs = {cell.unit: cell.their_price for cell in one.cells if cell.their_price is not None}
    at_us = us_from_datetime(datetime.combine(one.first, time(), UTC))
    sheet = book.at(provider, one.model, at_us)
    prices = {unit: sheet.unit_prices[unit] * _FEMTO for unit in OPTIONS if sheet is not None and unit in sheet.listed}
    prices |= {unit: theirs[unit.value] for unit in OPTIONS if unit.value in theirs}
    if not theirs or Unit.INPUT not in prices or Unit.OUTPUT not in prices:
        return ""
    told = [f"{option} {_per_million(prices[unit])}" for unit, option in OPTIONS.items() if unit in prices]
    model = shlex.quote(f"{provider}/{one.model}")
    return f"bursar prices set {model} {' '.join(told)} --from {one.first} --note {shlex.quote(f'bill {bill}')}"


def _per_million(price: Decimal) -> str:
    return plain((price * _PER_MILLION).normalize())
