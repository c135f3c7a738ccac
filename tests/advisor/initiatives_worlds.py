"""Made-up months of calls with a saving that is known: what the measurement has to find."""

from datetime import date, timedelta
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from bursar.advisor.initiatives_portfolio import Plan, saving_of, split
from bursar.advisor.initiatives_rates import NO_TREND, Trend, margin_of, rates_of, trend_of
from bursar.explore.unit_costs import Cell

FIRST = date(2026, 9, 1)
START = date(2026, 10, 1)
KINDS = ("ask", "sum", "chat")
PICO = 10**12


class Found(NamedTuple):
    """Measured, half the width of its interval, and what is true, in pico-USD."""

    saved: int
    margin: float
    truth: float


def a_day(
    rng: np.random.Generator, day: date, unit_cost: dict[str, float], mix: np.ndarray, calls: float, shock: float
) -> list[Cell]:
    """One day's calls: so many of each kind, each call's cost lognormal, the whole day a little dearer or cheaper."""
    found = []
    for kind, share in zip(KINDS, mix, strict=True):
        count = int(rng.poisson(calls * share))
        if count:
            cost = unit_cost[kind] * shock * rng.lognormal(-0.32, 0.8, count).sum()
            found.append(Cell(day, 1, (kind,), (count,), round(cost * PICO), count, 0))
    return found


def a_group(
    rng: np.random.Generator, first: date, days: int, factor: float, shocks: dict[date, float], growth: float = 0.0
) -> list[Cell]:
    """Days in a row. factor: on what a call costs; shocks: by day, common to whoever is given the same."""
    unit_cost = {"ask": 0.004 * factor, "sum": 0.02 * factor, "chat": 0.001 * factor}
    found = []
    for at in range(days):
        day = first + timedelta(days=at)
        mix = rng.dirichlet((8, 3, 12))
        calls = 300 * (1 + growth * at / days) * (0.5 if day.weekday() >= 5 else 1.0)
        own = shocks.get(day, 1.0) * rng.lognormal(0, 0.05)
        found += a_day(rng, day, unit_cost, mix, calls, own)
    return found


def daily(cells: list[Cell]) -> dict:
    return {(cell.day, cell.stratum): (Fraction(cell.units[0]), cell.pico) for cell in cells}


def measured(before: list[Cell], after: list[Cell], trend: Trend = NO_TREND) -> tuple[int, float]:
    """What one initiative over all of it saved in its first month, and the margin."""
    plans = [Plan(START, FIRST, rates_of(daily(before)), (0,), 0)]
    ((key, part),) = split(plans, after).items()
    saving = saving_of(*key, part, plans, lambda *_: trend)
    margin = margin_of(saving.influence, START)
    assert margin is not None
    return saving.pico, margin


def one_case(seed: int, factor: float, *, price_cut: float = 1.0, compared: bool = False) -> Found:
    """Before at 1, after at `factor` for those who did something and at `price_cut` for all."""
    rng = np.random.default_rng(seed)
    days = [FIRST + timedelta(days=at) for at in range(61)]
    shocks = {day: float(rng.lognormal(0, 0.06)) for day in days} if compared else {}
    before = a_group(rng, FIRST, 30, 1.0, shocks)
    after = a_group(rng, START, 31, factor * price_cut, shocks, growth=1.0)
    trend = NO_TREND
    if compared:
        others = a_group(rng, FIRST, 30, 1.3, shocks), a_group(rng, START, 31, 1.3 * price_cut, shocks)
        found = trend_of(rates_of(daily(others[0])), daily(others[1]))
        assert found is not None
        trend = found
    saved, margin = measured(before, after, trend)
    unit = {"ask": 0.004, "sum": 0.02, "chat": 0.001}
    truth = sum(cell.units[0] * unit[cell.stratum[0]] * price_cut * (1 - factor) for cell in after) * PICO
    return Found(saved, margin, truth)


def overlapping_case(seed: int, first: float, second: float) -> tuple[Found, Found]:
    """Two over the same calls: from October on one costs `first` of what it did, from November on `second` of that."""
    rng = np.random.default_rng(seed)
    november = date(2026, 11, 1)
    before, between = a_group(rng, FIRST, 30, 1.0, {}), a_group(rng, START, 31, first, {})
    after = [cell._replace(owners=0b11) for cell in a_group(rng, november, 30, first * second, {})]
    plans = [
        Plan(START, FIRST, rates_of(daily(before)), (0,), 0),
        Plan(november, START, rates_of(daily(between)), (0,), 0),
    ]
    parts = split(plans, after)
    unit = {"ask": 0.004, "sum": 0.02, "chat": 0.001}
    whole = sum(cell.units[0] * unit[cell.stratum[0]] for cell in after) * PICO
    found = []
    for at, truth in ((0, whole * (1 - first)), (1, whole * first * (1 - second))):
        saving = saving_of(at, "2026-11", parts[at, "2026-11"], plans, lambda *_: NO_TREND)
        margin = margin_of(saving.influence, plans[at].start)
        assert margin is not None
        found.append(Found(saving.pico, margin, truth))
    return found[0], found[1]
