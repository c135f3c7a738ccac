"""Dated exchange rates, by purpose. A day without a rate takes the last one known, at most some days old; else none.

Pure. There is no default: an unknown rate is None, and what hangs on it is shown as unknown, never as 1.
Source of the purposes: CGST Rules r.34 (GST), Income-tax Rules 2026 r.207 (withholding), Ind AS 21 (books).
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Context, Decimal
from typing import NamedTuple

import msgspec

from bursar.domain.errors import BadControl

PURPOSES = ("books", "gst", "tds", "report")
PURPOSE_WORDS = {
    "books": "the books", "gst": "GST value", "tds": "tax withheld", "report": "reports and budgets",
}  # fmt: skip
AGE_MAX_DAYS: Mapping[str, int] = {"books": 7, "gst": 7, "tds": 31, "report": 7}
"""How old the last known rate may be. r.207 takes the last published one without a limit; a month says that somebody
forgot to bring rates in."""
CROSSES = ("USD", "INR", "EUR")
"""What a rate may be made of two others through: the last because the ECB quotes everything against the euro."""
SAME = "the same currency"
RATE_MAX = Decimal(10) ** 9
RATE_PLACES_MAX = 12
_EXACT = Context(prec=60)


class RateRow(msgspec.Struct, frozen=True):
    """What one unit of `currency` was worth in `into` on a day, as it was brought in. purpose: of PURPOSES."""

    day: date
    currency: str
    into: str
    rate: Decimal
    purpose: str
    source: str


class KeptRate(msgspec.Struct, frozen=True):
    """A row of the store. Of two for one day, pair and purpose the one with the higher number holds."""

    number: int
    row: RateRow
    added_us: int
    added_by: str


class Rate(msgspec.Struct, frozen=True):
    """A rate to convert by, and all that must be told beside a figure that was.

    day:  the day it is of; it was asked for `asked`. source: who said so.
    via:  what it was made through; "": it was quoted for this pair. inverse: it was quoted the other way round.
    times, over: the quoted rates, so that `convert` divides once and rounds where its caller rounds.
    """

    currency: str
    into: str
    purpose: str
    asked: date
    day: date
    source: str
    times: Decimal = Decimal(1)
    over: Decimal = Decimal(1)
    via: str = ""
    inverse: bool = False

    @property
    def rate(self) -> Decimal:
        """What one unit of `currency` is worth in `into`: 12 places where it isn't quoted so."""
        if self.over == 1:
            return self.times
        return _EXACT.divide(self.times, self.over).quantize(Decimal("1E-12"))

    @property
    def age_days(self) -> int:
        return (self.asked - self.day).days

    def convert(self, amount: Decimal) -> Decimal:
        """An amount of `currency` in `into`; to 60 digits, so that the caller's rounding is the only one."""
        return _EXACT.divide(_EXACT.multiply(amount, self.times), self.over)

    def told(self) -> str:
        """The rate in words: `1 USD = 89.125 INR, FBIL, 2026-11-12`."""
        if self.currency == self.into:
            return SAME
        how = f", through {self.via}" if self.via else ", turned round" if self.inverse else ""
        old = f", the last one before {self.asked}" if self.age_days else ""
        return f"1 {self.currency} = {shown_rate(self.rate)} {self.into}{how}, {self.source}, {self.day}{old}"


class _Leg(NamedTuple):
    day: date
    rate: Decimal
    source: str
    inverse: bool


class Rates:
    """All rates that hold. rows: oldest first, as they were added; age_max_days: by purpose, instead of the usual."""

    def __init__(self, rows: Iterable[RateRow], age_max_days: Mapping[str, int] = AGE_MAX_DAYS) -> None:
        self._age_max = {**AGE_MAX_DAYS, **age_max_days}
        quoted: dict[tuple[str, str, str], dict[date, RateRow]] = {}
        for row in rows:
            quoted.setdefault((row.purpose, row.currency, row.into), {})[row.day] = row
        self._quoted = {key: sorted(by_day.items()) for key, by_day in quoted.items()}

    def rate(self, currency: str, into: str, day: date, purpose: str) -> Rate | None:
        """The rate of a day for a purpose; None: unknown, which is not 1.

        As quoted, else quoted the other way round, else made of two through USD, INR or EUR, which `via` says.
        A rate for another purpose is never taken. Raises BadControl for a purpose that isn't one.
        """
        if purpose not in PURPOSES:
            raise BadControl(f"purpose is {purpose[:40]!r}; it is one of {', '.join(PURPOSES)}", field="purpose")
        if currency == into:
            return Rate(currency, into, purpose, day, day, SAME)
        if leg := self._leg(currency, into, day, purpose):
            times, over = (Decimal(1), leg.rate) if leg.inverse else (leg.rate, Decimal(1))
            return Rate(currency, into, purpose, day, leg.day, leg.source, times, over, inverse=leg.inverse)
        made = [one for via in CROSSES if (one := self._crossed(currency, via, into, day, purpose)) is not None]
        return max(made, key=lambda one: one.day, default=None)

    def pairs(self) -> list[tuple[str, str, str]]:
        """(purpose, currency, into) that are quoted."""
        return sorted(self._quoted)

    def _leg(self, currency: str, into: str, day: date, purpose: str) -> _Leg | None:
        straight = self._last(purpose, currency, into, day)
        turned = self._last(purpose, into, currency, day)
        if straight is not None:
            return _Leg(straight.day, straight.rate, straight.source, inverse=False)
        return None if turned is None else _Leg(turned.day, turned.rate, turned.source, inverse=True)

    def _last(self, purpose: str, currency: str, into: str, day: date) -> RateRow | None:
        known = self._quoted.get((purpose, currency, into), [])
        at = bisect_right(known, day, key=lambda entry: entry[0]) - 1
        if at < 0 or (day - known[at][0]).days > self._age_max[purpose]:
            return None
        return known[at][1]

    def _crossed(self, currency: str, via: str, into: str, day: date, purpose: str) -> Rate | None:
        if via in (currency, into):
            return None
        first, second = self._leg(currency, via, day, purpose), self._leg(via, into, day, purpose)
        if first is None or second is None:
            return None
        times, over = Decimal(1), Decimal(1)
        for leg in (first, second):
            times, over = (times, over * leg.rate) if leg.inverse else (times * leg.rate, over)
        source = first.source if first.source == second.source else f"{first.source} and {second.source}"
        return Rate(currency, into, purpose, day, min(first.day, second.day), source, times, over, via=via)


def check_row(row: RateRow) -> RateRow:
    """The row as it may be kept. Raises BadControl that names the field."""
    for field, code in (("currency", row.currency), ("into", row.into)):
        if not is_currency(code):
            raise BadControl(f"{field}: {code[:20]!r} is no currency; write three capitals, USD", field=field)
    if row.currency == row.into:
        raise BadControl(f"into: one {row.currency} in {row.into} needs no rate", field="into")
    if row.purpose not in PURPOSES:
        raise BadControl(f"purpose: {row.purpose[:40]!r}; it is one of {', '.join(PURPOSES)}", field="purpose")
    if not row.rate.is_finite() or not 0 < row.rate <= RATE_MAX:
        raise BadControl(f"rate: {str(row.rate)[:40]!r}; it is above 0 and at most {RATE_MAX:,f}", field="rate")
    if -int(row.rate.as_tuple().exponent) > RATE_PLACES_MAX:
        raise BadControl(f"rate: at most {RATE_PLACES_MAX} decimals", field="rate")
    source = row.source.strip()
    if not source or len(source) > 200 or not source.isprintable():
        raise BadControl("source: who said so, in 1 to 200 characters: FBIL, ECB, the bank's letter", field="source")
    return msgspec.structs.replace(row, source=source)


def is_currency(code: str) -> bool:
    """Whether a text looks like an ISO 4217 code."""
    return len(code) == 3 and code.isascii() and code.isalpha() and code.isupper()


def shown_rate(rate: Decimal) -> str:
    """A rate without zeros behind; six places where it was made of others."""
    shown = rate if -int(rate.as_tuple().exponent) <= 6 else rate.quantize(Decimal("1E-6")) or rate
    text = format(shown, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text
