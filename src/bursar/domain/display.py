"""How a figure reads: money, quantities, change and time, the same in the console, the CLI and reports.

Pure: values in, text out. A page never formats a number itself. Exact digits stay reachable: `Shown.exact` is what
hovering shows and what exports write.
"""

from datetime import datetime, timedelta, tzinfo
from decimal import ROUND_HALF_EVEN, Decimal
from functools import lru_cache
from typing import NamedTuple

from babel import Locale, UnknownLocaleError
from babel.numbers import get_currency_symbol, get_decimal_symbol, get_group_symbol

from bursar.domain.dates import day as day
from bursar.domain.dates import days as days
from bursar.domain.dates import moment as moment
from bursar.domain.dates import month as month
from bursar.domain.money import plain

ZERO = "–"
UNPRICED = "unpriced"
MINUS = "−"
THIN = "\u202f"  # narrow no-break space, between a figure and its unit
SIGNIFICANT_BELOW_ONE = 4
PLACES_MAX = 12  # a pico-dollar, the ledger's own resolution
ID_HEAD, ID_TAIL = 8, 6


class Shown(NamedTuple):
    """An amount cut in the parts a page dims or colours: `≈ ` `−` `$` `1,234.50`."""

    approx: str
    sign: str
    symbol: str
    digits: str
    exact: str  # full precision with its currency, for hover: "0.004213000000 USD" without the zeros

    def __str__(self) -> str:
        return f"{self.approx}{self.sign}{self.symbol}{self.digits}"


class Change(NamedTuple):
    """How a figure moved against an earlier one. `direction`: "up", "down", "new", "gone" or "same"."""

    direction: str
    text: str

    @property
    def arrow(self) -> str:
        return {"up": "▲", "down": "▼"}.get(self.direction, "")

    def __str__(self) -> str:
        return f"{self.arrow} {self.text}".strip()


def money(
    amount: Decimal | None,
    currency: str = "USD",
    locale: str = "en_US",
    *,
    estimated: bool = False,
    signed: bool = False,
    places: int | None = None,
) -> Shown:
    """An amount of money: two decimals from 1 up, four significant digits below, never scientific.

    amount:     None is unknown and says `unpriced`; zero is a dash. Neither is ever `0.00`.
    estimated:  prefixes `≈`.
    signed:     a difference, so that a rise says `+`.
    places:     exactly so many decimals instead (a receipt lines its decimals up).
    """
    if amount is None:
        return Shown("", "", "", UNPRICED, "no price is known")
    exact = f"{plain(amount)} {currency}"
    if amount == 0 and places is None:
        return Shown("", "", "", ZERO, exact)
    sign = MINUS if amount < 0 else "+" if signed else ""
    symbol = currency_symbol(currency, locale)
    return Shown("≈ " if estimated else "", sign, symbol, _digits(abs(amount), currency, locale, places), exact)


def unit_price(amount: Decimal, unit: str = "token", currency: str = "USD", locale: str = "en_US") -> str:
    """A price of one unit, said per million tokens, or per one of what is counted: `$3.00 / M`, `$0.01 each`."""
    if unit in ("web_search", "request", "images", "audio_seconds", "cache_storage_part"):
        return f"{money(amount, currency, locale)} each" if amount else ZERO
    return f"{money(amount.scaleb(6), currency, locale)} / M" if amount else ZERO


def count(number: int | None, locale: str = "en_US") -> str:
    """A whole number, grouped: `4,118,204`. Zero is a dash."""
    return ZERO if not number else grouped(Decimal(number), 0, locale)


def compact(number: int | Decimal | None, locale: str = "en_US") -> str:
    """A quantity in at most four characters and its unit: `866`, `12.4 k`, `12.4 M`, `1.2 G`."""
    if not number:
        return ZERO
    value = Decimal(number)
    if abs(value) < 1000:
        return grouped(value, 0, locale)
    units = iter(("k", "M", "G", "T", "P", "E"))
    while abs(value) >= Decimal("999.5"):
        value, unit = value / 1000, next(units)
    shown = value.quantize(Decimal("0.1") if abs(value) < 100 else Decimal(1))
    places = 0 if shown == shown.to_integral_value() else 1
    return f"{grouped(shown, places, locale)}{THIN}{unit}"


def percent(part: Decimal | int | None, whole: Decimal | int | None, places: int = 1) -> str:
    """A share: `29.5 %`; tiny but there is `<0.1 %`; of nothing it is a dash."""
    if not whole or part is None:
        return ZERO
    return ratio(Decimal(part) / Decimal(whole), places)


def ratio(value: Decimal, places: int = 1) -> str:
    """0.295 as `29.5 %`. What rounds to all or nothing without being it says so: `>99.9 %`, `<0.1 %`, `>−0.1 %`."""
    if value == 0:
        return ZERO
    if value < 0:
        text = ratio(-value, places)
        turned = {"<": ">", ">": "<"}.get(text[0], "")
        return f"{turned}{MINUS}{text.removeprefix('<').removeprefix('>')}"
    step = Decimal(1).scaleb(-places)
    shown = (value * 100).quantize(step, ROUND_HALF_EVEN)
    if shown == 0:
        return f"<{step}{THIN}%"
    if shown == 100 and value < 1:
        return f">{100 - step}{THIN}%"
    return f"{plain(shown) if shown == 100 else shown}{THIN}%"


def change(now: Decimal | int | None, before: Decimal | int | None) -> Change:
    """Relative change. What wasn't there before is "new", what is no more is "gone"; never an infinite per cent."""
    if now is None or before is None or now == before:
        return Change("same", ZERO)
    if before == 0:
        return Change("new", "new")
    if now == 0:
        return Change("gone", "gone")
    moved = (Decimal(now) - Decimal(before)) / abs(Decimal(before))
    direction = "up" if moved > 0 else "down"
    if abs(moved) >= 10:
        return Change(direction, f"{count(int((moved + 1).to_integral_value()))}×")
    text = ratio(abs(moved))
    return Change("same", ZERO) if text == ZERO else Change(direction, text)


def sentence(text: str) -> str:
    """A text that begins with a capital: "all calls cost" as "All calls cost"."""
    return text[:1].upper() + text[1:]


def latency(ms: float | None) -> str:
    """How long something took: `0.4 ms`, `830 ms`, `1.83 s`, `2 min 14 s`. None is a dash."""
    if ms is None or ms < 0:
        return ZERO
    if ms < 10:
        return f"{ms:.1f}{THIN}ms"
    if ms < 999.5:
        return f"{ms:.0f}{THIN}ms"
    if ms < 59_995:
        return f"{ms / 1000:.{2 if ms < 9_995 else 1}f}{THIN}s"
    minutes, seconds = divmod(round(ms / 1000), 60)
    return f"{minutes}{THIN}min {seconds}{THIN}s" if seconds else f"{minutes}{THIN}min"


def size(number: int | None) -> str:
    """Bytes: `812 B`, `1.4 KB`, `20.0 MB` (powers of 1,000, as networks count)."""
    if not number:
        return ZERO
    value, unit = float(number), "B"
    units = iter(("KB", "MB", "GB", "TB"))
    while value >= 999.5 and unit != "TB":
        value, unit = value / 1000, next(units)
    return f"{value:.0f}{THIN}{unit}" if unit == "B" else f"{value:.1f}{THIN}{unit}"


def short_id(text: str) -> str:
    """An id shortened in the middle, so that both its time and its random end can be told apart."""
    return text if len(text) <= ID_HEAD + ID_TAIL + 2 else f"{text[:ID_HEAD]}…{text[-ID_TAIL:]}"


def when(at: datetime, now: datetime, zone: tzinfo) -> str:
    """Relative under a day ("14 min ago"), else the date and time."""
    age = now - at
    if timedelta(0) <= age < timedelta(days=1):
        seconds = int(age.total_seconds())
        if seconds < 60:
            return f"{seconds}{THIN}s ago"
        if seconds < 3600:
            return f"{seconds // 60}{THIN}min ago"
        return f"{seconds // 3600}{THIN}h ago"
    local = at.astimezone(zone)
    return f"{day(local, year=local.year != now.astimezone(zone).year)}, {local:%H:%M}"


@lru_cache(maxsize=64)
def currency_symbol(currency: str, locale: str = "en_US") -> str:
    """`$`, `₹`, `€`; a code without a sign of its own keeps a space: `CHF `."""
    symbol = get_currency_symbol(currency, locale=_locale(locale))
    return f"{symbol}{THIN}" if symbol[-1].isalpha() else symbol


def is_locale(name: str) -> bool:
    """Whether numbers can be written the way of `name`: `en_US`, `de-DE`."""
    try:
        _locale(name)
    except (UnknownLocaleError, ValueError):
        return False
    return True


@lru_cache(maxsize=64)
def _locale(name: str) -> Locale:
    return Locale.parse(name.replace("-", "_"))


def _digits(amount: Decimal, currency: str, locale: str, places: int | None) -> str:
    if places is None:
        places = 2 if amount >= 1 else min(PLACES_MAX, max(2, SIGNIFICANT_BELOW_ONE - 1 - amount.adjusted()))
        rounded = amount.quantize(Decimal(1).scaleb(-places), ROUND_HALF_EVEN)
        if rounded >= 1:
            places = 2
        shown_places = max(2, -int(rounded.normalize().as_tuple().exponent)) if rounded else places
        places = min(places, shown_places)
    rounded = amount.quantize(Decimal(1).scaleb(-places), ROUND_HALF_EVEN)
    return grouped(rounded, places, locale, indian=currency == "INR")


def grouped(amount: Decimal, places: int, locale: str = "en_US", *, indian: bool = False) -> str:
    """Digits grouped as the locale does it: by three, or the Indian way, `1,23,45,678.90`. `amount` has no more places.

    Babel tells the signs; the rest is done here, since its own formatting takes many times as long.
    """
    group, point, locale_is_indian = _signs(locale)
    whole, _, decimals = format(amount, f",.{places}f").partition(".")
    if indian or locale_is_indian:
        whole = _indian(whole.replace(",", ""))
    whole = whole.replace(",", group)
    return f"{whole}{point}{decimals}" if decimals else whole


def _indian(digits: str) -> str:
    sign, digits = ("-", digits[1:]) if digits.startswith("-") else ("", digits)
    head, tail = digits[:-3], digits[-3:]
    pairs = [head[max(at - 2, 0) : at] for at in range(len(head), 0, -2)]
    return sign + ",".join([*reversed(pairs), tail])


@lru_cache(maxsize=64)
def _signs(locale: str) -> tuple[str, str, bool]:
    """A locale's group and decimal sign, and whether it groups the Indian way."""
    found = _locale(locale)
    group, point = get_group_symbol(locale=found), get_decimal_symbol(locale=found)
    return group, point, tuple(found.decimal_formats[None].grouping) == (3, 2)
