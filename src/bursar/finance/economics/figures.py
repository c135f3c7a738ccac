"""Figures of many customers, exactly: quantiles, concentration, heavy users, margins. Pure; money is whole pico."""

import math
from collections.abc import Callable, Iterable, Sequence

import msgspec

from bursar.finance.economics.rows import Row

TOPS = (1, 5, 10)  # per cent of customers
LORENZ_POINTS = 100
BINS_A_DECADE = 4
FLOOR_AT = 8 * BINS_A_DECADE  # $0.0001: what costs less is one bin
QUANTILES = (50, 95, 99)


class Quantiles(msgspec.Struct, frozen=True):
    """Of `count` amounts, in pico; nearest rank: each is one of the amounts. None of nothing."""

    count: int
    p50: int | None
    p95: int | None
    p99: int | None


class Bin(msgspec.Struct, frozen=True):
    """Customers whose cost is from `low` to below `high` pico; the first bin of all is those that cost nothing.

    low 1: all that cost anything below `high`.
    """

    low: int
    high: int
    customers: int
    cost_pico: int


class Concentration(msgspec.Struct, frozen=True):
    """How unevenly cost is spread. tops: (per cent of customers, how many that is, share of calls, share of cost).

    lorenz: (share of customers, share of cost) from the cheapest up. gini: 0 all alike, 1 one has it all.
    """

    tops: tuple[tuple[int, int, float, float], ...] = ()
    lorenz: tuple[tuple[float, float], ...] = ()
    gini: float = 0.0


class Sum(msgspec.Struct):
    """Customers added up. revenue_pico: of those whose revenue is known, who are `with_revenue`, and to whom
    `revenue_cost_pico` is their AI cost. estimated: whose revenue is their plan's price. other_pico: as far as given.
    """

    customers: int = 0
    callers: int = 0
    with_revenue: int = 0
    estimated: int = 0
    free: int = 0
    losing: int = 0
    revenue_pico: int = 0
    other_pico: int = 0
    ai_pico: int = 0
    list_pico: int = 0
    revenue_cost_pico: int = 0
    calls: int = 0
    tokens: int = 0
    unpriced: int = 0

    def add(self, row: Row) -> None:
        self.customers += 1
        self.callers += row.calls > 0
        self.free += row.is_free
        self.ai_pico += row.ai_pico
        self.list_pico += row.list_pico
        self.calls += row.calls
        self.tokens += row.tokens
        self.unpriced += row.unpriced
        if row.revenue_pico is None:
            return
        self.with_revenue += 1
        self.estimated += row.basis == "price"
        self.revenue_pico += row.revenue_pico
        self.other_pico += row.other_pico or 0
        self.revenue_cost_pico += row.ai_pico
        self.losing += (row.margin_pico or 0) < 0

    @property
    def without_ai_pico(self) -> int | None:
        """Margin before AI, of those whose revenue is known; None: nobody's is."""
        return self.revenue_pico - self.other_pico if self.with_revenue else None

    @property
    def margin_pico(self) -> int | None:
        """After the AI cost of those whose revenue is known."""
        return self.revenue_pico - self.other_pico - self.revenue_cost_pico if self.with_revenue else None


def sum_of(rows: Iterable[Row]) -> Sum:
    found = Sum()
    for row in rows:
        found.add(row)
    return found


def grouped(rows: Iterable[Row], key: Callable[[Row], str]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(key(row), []).append(row)
    return found


def quantile(ordered: Sequence[int], percent: int) -> int | None:
    """The smallest amount that at least so many per cent aren't above. ordered: ascending.

    >>> quantile([1, 2, 3, 4], 50), quantile([1, 2, 3, 4], 95), quantile([], 50)
    (2, 4, None)
    """
    return ordered[max(-(-percent * len(ordered) // 100), 1) - 1] if ordered else None


def quantiles(amounts: Iterable[int]) -> Quantiles:
    ordered = sorted(amounts)
    return Quantiles(len(ordered), *(quantile(ordered, percent) for percent in QUANTILES))


def weighted_quantile(ordered: Sequence[tuple[int, int]], percent: int) -> int | None:
    """The same where each amount stands for as many as its weight. ordered: (amount, weight), by amount.

    >>> weighted_quantile([(1, 10), (5, 1)], 50), weighted_quantile([(1, 10), (5, 1)], 99), weighted_quantile([], 50)
    (1, 5, None)
    """
    whole = sum(weight for _, weight in ordered)
    reached = 0
    for amount, weight in ordered:
        reached += weight
        if reached * 100 >= whole * percent:
            return amount
    return None


def histogram(costs: Sequence[int]) -> list[Bin]:
    """Customers by what they cost, in bins that are each 10^(1/4) times as wide; empty ones between are there."""
    none = sum(cost <= 0 for cost in costs)
    found: dict[int, list[int]] = {}
    for cost in costs:
        if cost > 0:
            at = max(math.floor(math.log10(cost) * BINS_A_DECADE), FLOOR_AT - 1)
            found.setdefault(at, []).append(cost)
    bins = [Bin(0, 0, none, sum(cost for cost in costs if cost <= 0))] if none else []
    if found:
        for at in range(min(found), max(found) + 1):
            inside = found.get(at, [])
            low = 1 if at < FLOOR_AT else _edge(at)
            bins.append(Bin(low, _edge(at + 1), len(inside), sum(inside)))
    return bins


def _edge(at: int) -> int:
    return round(10 ** (at / BINS_A_DECADE))


def concentration(rows: Sequence[Row]) -> Concentration:
    """rows: of customers who called."""
    ordered = sorted(rows, key=lambda row: (row.ai_pico, row.customer))
    whole, calls = sum(row.ai_pico for row in ordered), sum(row.calls for row in ordered)
    if not ordered or whole <= 0:
        return Concentration()
    tops = []
    for percent in TOPS:
        count = -(-percent * len(ordered) // 100)
        top = ordered[-count:]
        tops.append(
            (percent, count, sum(row.calls for row in top) / calls if calls else 0.0,
             sum(row.ai_pico for row in top) / whole)
        )  # fmt: skip
    points, running, below = [(0.0, 0.0)], 0, 0
    step = max(len(ordered) // LORENZ_POINTS, 1)
    for at, row in enumerate(ordered, 1):
        below += running * 2 + row.ai_pico
        running += row.ai_pico
        if at % step == 0 or at == len(ordered):
            points.append((at / len(ordered), running / whole))
    return Concentration(tuple(tops), tuple(points), 1 - below / (len(ordered) * whole))


class Heaviness(msgspec.Struct, frozen=True):
    """A customer beside the usual one: so many times the calls, the cost, and the cost of a call."""

    calls: float
    cost: float

    @property
    def factor(self) -> float:
        """Above 1: their calls cost more than others', not only are there more of them."""
        return self.cost / self.calls if self.calls else 0.0


class Usual(msgspec.Struct, frozen=True):
    """The median customer of those who called: calls, cost in pico."""

    calls: int
    cost_pico: int

    def beside(self, row: Row) -> Heaviness | None:
        if not self.calls or self.cost_pico <= 0 or not row.calls:
            return None
        return Heaviness(row.calls / self.calls, row.ai_pico / self.cost_pico)


def usual_of(rows: Sequence[Row]) -> Usual:
    callers = [row for row in rows if row.calls > 0]
    calls, cost = sorted(row.calls for row in callers), sorted(row.ai_pico for row in callers)
    return Usual(quantile(calls, 50) or 0, quantile(cost, 50) or 0)


def share(part: int | None, whole: int | None) -> float | None:
    """part/whole as a share, for showing; None of nothing."""
    return None if part is None or not whole else part / whole


def rounded(part: int, whole: int) -> int:
    """part/whole as a whole number, half to even.

    >>> rounded(5, 2), rounded(7, 2), rounded(-5, 2), rounded(8, 3)
    (2, 4, -2, 3)
    """
    found, rest = divmod(part, whole)
    return found + (2 * rest > whole or (2 * rest == whole and found % 2 == 1))
