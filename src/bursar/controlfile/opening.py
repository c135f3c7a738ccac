"""What was spent of a new budget in its running window already, out of the books' answers.

Whoever asks hands in the asking: the CLI over the console's API, the console of its own explorer.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

import msgspec

from bursar.budgets.budget import Budget
from bursar.budgets.schedule import scheduled_window
from bursar.budgets.told import explore_filters, explore_name, period_text
from bursar.domain.clock import us_from_datetime
from bursar.domain.money import pico_from_usd
from bursar.governance.budgets import Spent

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


class Asked(NamedTuple):
    """The question: list cost in a period (UTC, as Explore writes it), by the hour and by a dimension, or by neither.

    filters: (dimension, value) pairs, all of which hold.
    """

    period: str
    by_hour: bool
    by: str
    filters: Sequence[tuple[str, str]]


class CostRow(msgspec.Struct):
    """keys: the hour, then the value, as far as they were asked for. list_cost: USD as text; None: no price."""

    keys: list[str]
    list_cost: str | None
    unpriced_count: int


class Costs(msgspec.Struct):
    """The answer: at most VALUES_MAX rows, the sum of all, and how many groups more there are."""

    rows: list[CostRow]
    totals: CostRow
    others_count: int = 0


def opening_of(budget: Budget, now_us: int, ask: Callable[[Asked], Costs]) -> Opening:
    """The list cost of the budget's calls in the window of now; of each value where it has `each`.

    A rolling window is asked by the hour, and each hour counts until its last instant has left the window.
    Nothing if the window is not in force, or begins with a share of the limit: that is for what comes.
    """
    window = scheduled_window(budget.window, now_us)
    if not window.in_force or budget.prorate_from_us is not None:
        return Opening([])
    rolls, by = window.turn == "rolls", explore_name(budget.each)
    costs = ask(Asked(period_text(window, now_us), rolls, by, explore_filters(budget)))
    if not rolls and not by:
        return Opening(_spent("", now_us, costs.totals), costs.totals.unpriced_count)
    found: list[Spent] = []
    for row in costs.rows:
        at_us, keys = (_last_of_hour(row.keys[0], now_us), row.keys[1:]) if rolls else (now_us, row.keys)
        value = keys[0] if by else ""
        if value or not by:  # a call without a value touches no budget of that kind
            found += _spent(value, at_us, row)
    return Opening(found, costs.totals.unpriced_count, costs.others_count)


def _spent(value: str, at_us: int, row: CostRow) -> list[Spent]:
    pico = pico_from_usd(Decimal(row.list_cost or 0))
    return [Spent(value, at_us, pico)] if pico else []


def _last_of_hour(label: str, now_us: int) -> int:
    return min(us_from_datetime(datetime.fromisoformat(label)) + HOUR_US - 1, now_us)
