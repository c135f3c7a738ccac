"""Charts of many customers as geometry: how much each costs on a log scale, and how unevenly cost is spread."""

from collections.abc import Callable, Sequence
from decimal import Decimal

import msgspec

from bursar.console.charts import Chart, Column, Mark, Series, Tell, TellTick, stacked_bars
from bursar.domain.money import usd_from_pico
from bursar.finance.economics.figures import Bin, Concentration, Quantiles

HISTOGRAM_HEIGHT = 168
LORENZ_SIZE = 1000
QUANTILE_WORDS = (("p50", "half"), ("p95", "95 of 100"), ("p99", "99 of 100"))


class Lorenz(msgspec.Struct, frozen=True):
    """Paths in a box of 1000 x 1000, cost upwards: the curve, and the area between it and an even spread."""

    curve: str
    area: str


def cost_histogram(
    bins: Sequence[Bin], found: Quantiles, *, tell_money: Callable[[Decimal], str], tell: Tell, tell_tick: TellTick,
    href: Callable[[Bin], str],
) -> Chart:  # fmt: skip
    """Customers by what each cost; marks where the quantiles lie. Empty bins between are drawn empty."""
    columns = [_column(one, tell_money, href(one)) for one in bins]
    series = [Series("customers", 1, [Decimal(one.customers) for one in bins])]
    chart = stacked_bars(
        columns, series, tell=tell, tell_tick=tell_tick, label="Customers by what they cost", height=HISTOGRAM_HEIGHT
    )
    bars = [
        msgspec.structs.replace(bar, label_class="" if _is_decade(one) else None)
        for bar, one in zip(chart.bars, bins, strict=True)
    ]
    marks = []
    for name, words in QUANTILE_WORDS:
        pico = getattr(found, name)
        at = _bin_of(bins, pico)
        if at is not None:
            title = f"{words} cost at most {tell_money(usd_from_pico(pico))}"
            marks.append(Mark(_across(bins, at, pico), at, [title]))
    return msgspec.structs.replace(chart, marks=marks, bars=bars)


def _is_decade(one: Bin) -> bool:
    """Whether a bin begins where a log scale has a mark: at $0.01, $0.10, $1; or before all of them."""
    return one.low <= 1 or str(one.low).strip("0") == "1"


def _column(one: Bin, tell_money: Callable[[Decimal], str], href: str) -> Column:
    if not one.high:
        return Column("none", "cost nothing", href)
    if one.low == 1:
        return Column("less", f"below {tell_money(usd_from_pico(one.high))}", href)
    low, high = (tell_money(usd_from_pico(edge)) for edge in (one.low, one.high))
    return Column(low, f"from {low} to below {high}", href)


def _bin_of(bins: Sequence[Bin], pico: int | None) -> int | None:
    if pico is None:
        return None
    return next(
        (at for at, one in enumerate(bins) if (one.low <= pico < one.high) or (not one.high and pico <= 0)), None
    )


def _across(bins: Sequence[Bin], at: int, pico: int) -> float:
    """Where an amount lies across the chart, in per cent, on the log scale inside its bin."""
    one, step = bins[at], 100 / len(bins)
    if not one.high or one.low <= 0 or pico <= 0:
        return round((at + 0.5) * step, 2)
    inside = float(Decimal(pico).ln() - Decimal(one.low).ln()) / float(Decimal(one.high).ln() - Decimal(one.low).ln())
    return round((at + min(max(inside, 0.0), 1.0)) * step, 2)


def lorenz(found: Concentration) -> Lorenz | None:
    """None where nobody cost anything."""
    if not found.lorenz:
        return None
    points = [(round(x * LORENZ_SIZE, 1), round((1 - y) * LORENZ_SIZE, 1)) for x, y in found.lorenz]
    curve = "M" + "L".join(f"{x} {y}" for x, y in points)
    return Lorenz(curve, f"{curve}L0 {LORENZ_SIZE}Z")
