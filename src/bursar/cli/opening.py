"""What was spent of a new budget in its running window already: asked of the books the way `bursar costs` does."""

from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

import msgspec

from bursar.budgets.budget import Budget
from bursar.budgets.schedule import scheduled_window
from bursar.budgets.told import explore_filters, explore_name, period_text
from bursar.cli import client
from bursar.domain.clock import us_from_datetime
from bursar.domain.errors import Unavailable
from bursar.domain.money import pico_from_usd
from bursar.governance.budgets import Spent
from bursar.site import Site

VALUES_MAX = 10_000  # of an `each` dimension; what the API gives at a time
HOUR_US = 3_600 * 10**6


class Opening(NamedTuple):
    """What a budget begins with. unpriced: attempts without a price, so not in it; left_out: values past VALUES_MAX,
    which begin at nothing."""

    spent: list[Spent]
    unpriced: int = 0
    left_out: int = 0

    @property
    def pico(self) -> int:
        return sum(one.pico for one in self.spent)


class _Row(msgspec.Struct):
    keys: list[str]
    list_cost: str | None
    unpriced_count: int


class _Costs(msgspec.Struct):
    rows: list[_Row]
    totals: _Row
    others_count: int = 0


def ask_opening(site: Site, budget: Budget, now_us: int) -> Opening:
    """The list cost of the budget's calls in the window of now; of each value where it has `each`.

    A rolling window is asked by the hour, and each hour counts until its last instant has left the window.
    Nothing if the window is not in force, or begins with a share of the limit: that is for what comes.
    """
    window = scheduled_window(budget.window, now_us)
    if not window.in_force or budget.prorate_from_us is not None or not site.exists():
        return Opening([])
    rolls = window.turn == "rolls"
    by = explore_name(budget.each)
    parameters: list[tuple[str, str | int | None]] = [
        ("period", period_text(window, now_us)), ("tz", "UTC"), ("compare", "false"), ("limit", VALUES_MAX),
        ("grain", "hour" if rolls else None), ("by", by or (None if rolls else "quality")),
        *(("filter", f"{name}={value}") for name, value in explore_filters(budget)),
    ]  # fmt: skip
    try:
        costs = client.ask(site, "/api/explore" if rolls else "/api/costs", parameters, _Costs)
    except Unavailable as error:
        raise Unavailable(
            f"{error.message}. What was spent already can't be counted; --no-opening begins at zero"
        ) from error
    if not rolls and not by:
        return Opening(_spent("", now_us, costs.totals), costs.totals.unpriced_count)
    found: list[Spent] = []
    for row in costs.rows:
        at_us, keys = (_last_of_hour(row.keys[0], now_us), row.keys[1:]) if rolls else (now_us, row.keys)
        value = keys[0] if by else ""
        if value or not by:  # a call without a value touches no budget of that kind
            found += _spent(value, at_us, row)
    return Opening(found, costs.totals.unpriced_count, costs.others_count)


def _spent(value: str, at_us: int, row: _Row) -> list[Spent]:
    pico = pico_from_usd(Decimal(row.list_cost or 0))
    return [Spent(value, at_us, pico)] if pico else []


def _last_of_hour(label: str, now_us: int) -> int:
    return min(us_from_datetime(datetime.fromisoformat(label)) + HOUR_US - 1, now_us)
