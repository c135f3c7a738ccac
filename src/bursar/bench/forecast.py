"""Forecasts of real tenants beside seasonal naive ones, and how often the bands held what came.

Each day of the trace from the sixth on is an origin: the models see the days before it alone, choose among
themselves by them, and draw their bands from their misses on them. Nothing is set for one tenant. How bands of days
grow where no misses were seen was chosen on every other tenant (`holding`, half 0); the rest judge it.
"""

import time
from typing import NamedTuple

import numpy as np

from bursar.bench.figure import Figure, Options, median
from bursar.bench.forecast_far import far_figures
from bursar.bench.forecast_holding import Holding, is_inside
from bursar.bench.tenants import DAYS, Floats, daily_costs, load_tenants
from bursar.forecast.course import Past, Together, together

STEPS = (1, 3, 7)
ORIGINS = range(6, DAYS)
WEEK = 7
NEAR = 3  # days ahead whose error is promised
SERIES, HISTORY = 200, 90  # of the largest page
POINTS = 5.0  # from 80 %


class Errors(NamedTuple):
    """Sums over tenants and origins, USD: of each of the next three days, and of their sum."""

    days: float
    sums: float


def measure(options: Options) -> list[Figure]:
    """options.rounds: how often the large page is timed."""
    days = daily_costs(load_tenants())
    found = {at: together(Past(days[:, :at], np.zeros(len(days)), 0.0), [], WEEK) for at in ORIGINS}
    ours, last_week, yesterday, spent = errors(days, found)
    parts = "each of three days ahead, all tenants"
    sums = "the sum of three days ahead, all tenants"
    figures = [
        Figure(f"error, {parts}", 100 * ours.days / spent, "%", 0.8, "at most", ours.days / last_week.days,
               f"seasonal naive {100 * last_week.days / spent:.1f}"),
        Figure(f"error, {sums}", 100 * ours.sums / spent, "%", 0.8, "at most", ours.sums / last_week.sums,
               f"seasonal naive {100 * last_week.sums / spent:.1f}"),
        Figure("the same, each of three days, beside yesterday", 100 * ours.days / spent, "%", None, "at most",
               ours.days / yesterday.days, f"as yesterday {100 * yesterday.days / spent:.1f}"),
        Figure("the same, their sum, beside yesterday", 100 * ours.sums / spent, "%", None, "at most",
               ours.sums / yesterday.sums, f"as yesterday {100 * yesterday.sums / spent:.1f}"),
    ]  # fmt: skip
    for step in STEPS:
        for name, held in (("sum of", holding(days, found, step, is_sum=True)), ("day", holding(days, found, step))):
            judged, settings = (holding(days, found, step, is_sum=name != "day", half=half) for half in (1, 0))
            what = f"bands around the {name} {step} {'day' if step == 1 else 'days'}{'' if 'sum' in name else ' ahead'}"
            figures.append(
                Figure(what, abs(held.percent - 80), "points from 80 %", POINTS,
                       note=f"{held.percent:.1f} % of {held.bands:,} held; of tenants that judge alone "
                            f"{judged.percent:.1f} %, of those for settings {settings.percent:.1f} %")
            )  # fmt: skip
    whole = [whole_holding(days, found, step) for step in STEPS]
    told = ", ".join(f"{one.held} of {one.bands} at {step}" for step, one in zip(STEPS, whole, strict=True))
    every = Holding(sum(one.held for one in whole), sum(one.bands for one in whole))
    figures.append(Figure("bands around the whole's sums", every.percent, "%", note=told))
    figures += far_figures()
    figures.append(Figure("200 series of 90 days, 90 days ahead", median(seconds(options.rounds)), "s", 1.0))
    return figures


def errors(days: Floats, found: dict[int, Together]) -> tuple[Errors, Errors, Errors, float]:
    """Ours, last week again, as yesterday; and what was spent. From origins that know a week and what came."""
    origins = [at for at in found if WEEK <= at <= DAYS - NEAR]
    was = np.stack([days[:, at : at + NEAR] for at in origins])
    ours = np.stack([found[at].parts.expected[:, :NEAR] for at in origins])
    last_week = np.stack([days[:, at - WEEK : at - WEEK + NEAR] for at in origins])
    yesterday = np.stack([np.repeat(days[:, at - 1 : at], NEAR, axis=1) for at in origins])

    def error(said: Floats) -> Errors:
        return Errors(float(np.abs(said - was).sum()), float(np.abs((said - was).sum(axis=2)).sum()))

    return error(ours), error(last_week), error(yesterday), float(was.sum())


def holding(
    days: Floats, found: dict[int, Together], step: int, *, is_sum: bool = False, half: int | None = None
) -> Holding:
    """Of the tenants that spent something in the week before. half: 0 for those that settings were chosen on, 1 for
    those that judge alone; None: all."""
    held = bands = 0
    counted = np.full(len(days), half is None) | (np.arange(len(days)) % 2 == half)
    for at, one in found.items():
        if at + step > DAYS:
            continue
        course, alive = one.parts, (days[:, max(at - WEEK, 0) : at].sum(axis=1) > 0) & counted
        if is_sum:
            was = days[:, at : at + step].sum(axis=1)
            low, high = course.bands.of_sum(course.expected, 0, step)
        else:
            was = days[:, at + step - 1]
            low, high = (edge[:, step - 1] for edge in course.bands.of_days(course.expected))
        held += int((is_inside(was, low, high) & alive).sum())
        bands += int(alive.sum())
    return Holding(held, bands)


def whole_holding(days: Floats, found: dict[int, Together], step: int) -> Holding:
    """Of the sum of all tenants."""
    held = bands = 0
    for at, one in found.items():
        if at + step > DAYS:
            continue
        was = days[:, at : at + step].sum()
        low, high = one.whole.bands.of_sum(one.whole.expected, 0, step)
        held += int(low[0] <= was <= high[0])
        bands += 1
    return Holding(held, bands)


def seconds(rounds: int) -> list[float]:
    """What a forecast of made-up series takes, without the question to the books."""
    days = np.random.default_rng(7).lognormal(size=(SERIES, HISTORY))
    taken = []
    for _ in range(max(rounds, 1)):
        began = time.perf_counter()
        together(Past(days, np.zeros(SERIES), 0.5), [], HISTORY)
        taken.append(time.perf_counter() - began)
    return taken
