"""How often bands of sums held far ahead: to the end of the month, and of thirty days, on series longer than a trace.

Daily sums of the Numenta Anomaly Benchmark's taxi rides (215 days) and of five names on Twitter (54 days): no LLMs, but
real, and no constant of the forecast was chosen on them. Bands of neighbouring days overlap: their rate is rough.
"""

from collections import defaultdict
from datetime import UTC, date, datetime, timedelta

import numpy as np

from bursar.bench.figure import Figure
from bursar.bench.forecast_holding import Holding, is_inside
from bursar.bench.nab import Labelled, load_corpus
from bursar.bench.tenants import Floats
from bursar.domain.calendar import month_on
from bursar.forecast.course import Past, together

FIRST = 21  # days of history at the first origin
EVERY = 3  # days between origins: each look costs as much as a page
SPAN = 30
SETS = {"taxis": "nyc_taxi", "names on Twitter": "Twitter_volume_"}


def far_figures() -> list[Figure]:
    """Of each set: bands to the end of the month, and of thirty days. No target: too few are apart from each other."""
    corpus, _ = load_corpus()
    figures = []
    for name, part in SETS.items():
        begins, days = _daily([one for one in corpus if part in one.name])
        month, span = far_holding(begins, days)
        for what, held in (("to the end of the month", month), (f"{SPAN} days", span)):
            note = f"{held.held} of {held.bands} that overlap; {days.shape[1]} days"
            figures.append(Figure(f"bands of sums, {what}, {name}", held.percent, "%", note=note))
    return figures


def far_holding(begins: date, days: Floats) -> tuple[Holding, Holding]:
    """(to the end of the month, SPAN days ahead). days: (series, days), the first one is `begins`."""
    count = days.shape[1]
    found = {"month": [0, 0], "span": [0, 0]}
    for at in range(FIRST, count, EVERY):
        today = begins + timedelta(days=at)
        left = (month_on(today.replace(day=1), 1) - today).days
        steps = {name: step for name, step in (("month", left), ("span", SPAN)) if at + step <= count}
        if not steps:
            continue
        course = together(Past(days[:, :at], np.zeros(len(days)), 0.0), [], max(steps.values())).parts
        for name, step in steps.items():
            low, high = course.bands.of_sum(course.expected, 0, step)
            found[name][0] += int(is_inside(days[:, at : at + step].sum(axis=1), low, high).sum())
            found[name][1] += len(days)
    return Holding(*found["month"]), Holding(*found["span"])


def _daily(corpus: list[Labelled]) -> tuple[date, Floats]:
    """The first day, and sums of the whole days that all series have."""
    sums: list[dict[date, float]] = []
    for one in corpus:
        by_day: dict[date, float] = defaultdict(float)
        for at, value in zip(one.times, one.values, strict=True):
            by_day[datetime.fromtimestamp(float(at), UTC).date()] += float(value)
        sums.append(dict(by_day))
    first = max(min(one) for one in sums) + timedelta(days=1)
    last = min(max(one) for one in sums)
    days = [first + timedelta(days=at) for at in range((last - first).days)]
    return first, np.array([[one.get(day, 0.0) for day in days] for one in sums])
