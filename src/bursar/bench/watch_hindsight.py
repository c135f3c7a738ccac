"""How much could be found at all: what untouched tenants do by themselves, and plants judged by hindsight.

A tenant's own threshold is the most that it does in the untouched second week, known only afterwards. With it nothing
false is told, and nobody can find more without telling something false, by any of the measures that are looked at. What
is learned from the past alone must do worse.
"""

import numpy as np

from bursar.bench.watch_plants import DAY, HORIZON, LEARNED, SHARE_MIN, Plant
from bursar.bench.watch_world import MINUTES, Floats, World

STEP = 10  # minutes: the trace's rates are of ten each
A_DAY, WEEK, SIX_HOURS = DAY // STEP, LEARNED // STEP, HORIZON // STEP
SPANS = (1, 3, 6, 18, 36)  # steps over which cost is summed
BACK = range(1, 8)  # days whose same hours say what was to be expected
SMALL = 0.02  # of a usual day's cost in a span, added so that rates of nothing can be compared


def steps_of(world: World) -> Floats:
    """USD of each ten minutes, (tenants, steps), caches and the dear model included, nothing drawn."""
    rows = [
        [world.expected_cost(at, range(s, s + STEP)) for s in range(0, MINUTES, STEP)] for at in range(len(world.keys))
    ]
    return np.array(rows)


def excursions(cost: Floats) -> int:
    """How often untouched tenants do in week two what would have counted if planted: stretches of six hours that cost
    SHARE_MIN of a usual day more than the same hours of the days before."""
    found = 0
    for row in cost:
        spent, at = np.concatenate([[0.0], np.cumsum(row)]), WEEK
        while at <= len(row) - SIX_HOURS:
            daily = (spent[at] - spent[at - WEEK]) / 7.0
            usual = np.mean([spent[at - back * A_DAY + SIX_HOURS] - spent[at - back * A_DAY] for back in BACK])
            over = daily > 0 and spent[at + SIX_HOURS] - spent[at] - usual >= SHARE_MIN * daily
            found += over
            at += SIX_HOURS if over else 1
    return found


def records_passed(cost: Floats, times: float) -> int:
    """How often untouched tenants have, in week two, an hour of over so many times the cost of any hour before it, and
    SHARE_MIN of a usual day above the same hours of the days before: what a threshold of the past would tell."""
    hour, found = 6, 0
    for row in cost:
        spent, at = np.concatenate([[0.0], np.cumsum(row)]), WEEK
        sums = spent[hour:] - spent[:-hour]
        while at <= len(row) - SIX_HOURS:
            daily = (spent[at] - spent[at - WEEK]) / 7.0
            usual = np.mean([spent[at - back * A_DAY + SIX_HOURS] - spent[at - back * A_DAY] for back in BACK])
            excess = spent[at + SIX_HOURS] - spent[at] - usual
            most = sums[: at - hour + 1].max()
            over = most > 0 and sums[at] > times * most and excess >= SHARE_MIN * daily
            found += over
            at += SIX_HOURS if over else 1
    return found


def found_by_hindsight(cost: Floats, plants: list[Plant]) -> int:
    """Of runaways and silences, those that pass what their tenant does by itself, by any of the measures."""
    most = {at: _most(_measures(cost[at]), WEEK, cost.shape[1]) for at in {one.incident.tenant for one in plants}}
    found = 0
    for one in plants:
        row = cost[one.incident.tenant].copy()
        start = -(-one.incident.from_minute // STEP)
        row[start : start + SIX_HOURS] *= one.incident.calls
        mine = _most(_measures(row), start, start + SIX_HOURS)
        found += bool((mine > most[one.incident.tenant] * (1 + 1e-9)).any())
    return found


def _most(measures: Floats, start: int, end: int) -> Floats:
    found: Floats = measures[:, start:end].max(axis=1)
    return found


def _measures(row: Floats) -> Floats:
    """(measures, steps) of one tenant: cost of a span beside the last week, the same hours of the days before, and the
    most of the past; and how long it has had no call, in steps and in the money that was to be expected."""
    spent = np.concatenate([[0.0], np.cumsum(row)])
    steps = len(row)
    daily = np.full(steps, np.nan)
    daily[WEEK:] = (spent[WEEK:-1] - spent[: steps - WEEK]) / 7.0
    rows = []
    for span in SPANS:
        now = np.zeros(steps)
        now[span - 1 :] = spent[span:] - spent[:-span]
        same = np.mean([np.concatenate([np.full(back * A_DAY, np.nan), now[: -back * A_DAY]]) for back in BACK], axis=0)
        before = np.concatenate([np.zeros(span), np.maximum.accumulate(now)[:-span]])
        small = SMALL * daily * span / A_DAY + 1e-12
        rows += [now / np.maximum(daily, 1e-12), (now - same) / np.maximum(daily, 1e-12),
                 (now + small) / (same + small), (now + small) / (before + small)]  # fmt: skip
    expected = np.mean([np.concatenate([np.zeros(back * A_DAY), row[: -back * A_DAY]]) for back in BACK], axis=0)
    quiet, missed = np.zeros(steps), np.zeros(steps)
    for at in range(1, steps):
        if row[at] <= 0:
            quiet[at], missed[at] = quiet[at - 1] + 1, missed[at - 1] + expected[at]
    rows += [quiet, missed / np.maximum(daily, 1e-12)]
    found: Floats = np.nan_to_num(np.stack(rows), nan=0.0)
    return found
