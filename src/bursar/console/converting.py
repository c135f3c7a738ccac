"""Figures in another currency beside USD, each with its rate, source and day; unknown where there is no rate."""

from datetime import date
from decimal import Decimal

import msgspec

from bursar.console.finance import FinanceDesk
from bursar.console.view import View
from bursar.domain import display
from bursar.domain.errors import BadRequest
from bursar.finance.books.booked import first_day, next_month
from bursar.finance.fx.rates import Rate, is_currency

USD = "USD"
REPORT = "report"


class Beside(msgspec.Struct, frozen=True):
    """What amounts are shown in beside USD. rate: None: unknown, and `told` says so.

    choices: (currency, address, whether it is this one).
    """

    currency: str
    rate: Rate | None
    told: str
    choices: list[tuple[str, str, bool]]

    def shown(self, usd: Decimal) -> str:
        """`₹10,175.94`, "unknown", or nothing where USD is what was asked for."""
        if self.currency == USD:
            return ""
        if self.rate is None:
            return f"unknown in {self.currency}"
        return str(display.money(self.rate.convert(usd), self.currency, places=2))


def beside(desk: FinanceDesk, view: View, month: str) -> Beside:
    """What `?in=INR` asks for: at the reports' rate of the month's last day, or of today while it runs.

    Raises BadRequest for what is no currency.
    """
    currency = view.get("in", USD).upper()
    if not is_currency(currency):
        raise BadRequest(f"in: {currency[:20]!r} is no currency; write INR", field="in")
    rates = desk.rates.rates()
    known = {code for purpose, one, into in rates.pairs() if purpose == REPORT for code in (one, into)}
    names = [USD, *sorted((known | {currency}) - {USD})]
    choices = [(name, view.url(**{"in": None if name == USD else name}), name == currency) for name in names]
    if currency == USD:
        return Beside(USD, None, "", choices if len(names) > 1 else [])
    day = _rate_day(desk, month)
    rate = rates.rate(USD, currency, day, REPORT)
    told = rate.told() if rate else f"no rate of USD in {currency} is known for {day} (reports)"
    return Beside(currency, rate, told, choices)


def _rate_day(desk: FinanceDesk, month: str) -> date:
    last = date.fromordinal(first_day(next_month(month)).toordinal() - 1)
    return min(last, desk.today)
