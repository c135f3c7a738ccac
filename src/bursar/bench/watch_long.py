"""What the clocks of hours and days tell of untouched real tenants, and how soon they find prompts that creep.

The same fortnight as the minutes', summed by the hour. The creep is planted in these sums: from midnight of a day on a
tenant's prompts are longer by `CREEP` a day, at each hour a little more.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bursar.bench.watch_plants import MINUTE_US, SHARE_MIN
from bursar.bench.watch_world import MINUTES, World
from bursar.domain.watching import Clock, Detection, SeriesKey, Signal
from bursar.watch.batch import TERMS, BatchDetector
from bursar.watch.following import is_again
from bursar.watch.rates import FIELDS

HOURS, DAYS = MINUTES // 60, MINUTES // 1440
LEARNED_DAYS = 7
CREEP = 0.05  # a day
QUIET_STEPS = {Clock.HOUR: 6, Clock.DAY: 2}
CREEP_DAYS = (7, 9)  # on whose midnight one is planted
CALLS_A_DAY = 2_880  # in every day since the start: two a minute, as those that are planted in the minutes
STEADY = 0.05
SAYS_SO = frozenset({Signal.INPUT_PER_CALL, Signal.COST_PER_TOKEN, Signal.COST})

Counts = NDArray[np.int64]


class Creep(NamedTuple):
    """One that was planted. days: until a clock told of it, None: not within the trace. steady: its prompts' length of
    a day, without it, changes by less than STEADY from day to day in the middle."""

    tenant: int
    day: int
    days: float | None
    steady: bool


def hours_of(world: World) -> Counts:
    """(tenants, HOURS, fields of `Bucket`)."""
    rows = {key: at for at, key in enumerate(world.keys)}
    found = np.zeros((len(rows), HOURS, len(FIELDS)), np.int64)
    for minute in range(MINUTES):
        for key, bucket in world.minute(minute).items():
            found[rows[key], minute // 60] += [getattr(bucket, name) for name in FIELDS]
    return found


def days_of(hours: Counts) -> Counts:
    found: Counts = hours.reshape(len(hours), DAYS, 24, -1).sum(axis=2)
    return found


def told(clock: Clock, counts: Counts, keys: list[SeriesKey], first: int) -> list[Detection]:
    """What a clock tells at the end of each step from `first` on; what it says again isn't told twice."""
    detector, step_us = BatchDetector(), TERMS[clock].step_us
    found: list[Detection] = []
    for end in range(first + 1, counts.shape[1] + 1):
        starts = [number * step_us for number in range(end)]
        seen = detector.look(clock, starts, keys, counts[:, :end])
        found += [one for one in seen if not any(is_again(one, before) for before in found)]
    return found


def with_creep(world: World, hours: Counts, tenant: int, day: int) -> Counts:
    """One tenant's hours, (1, HOURS, fields), with its prompts longer from midnight of a day on."""
    found = hours[tenant : tenant + 1].astype(np.float64)
    share_out, _ = world.cost_shares(tenant, range(day * 1440, MINUTES))
    since = np.maximum(np.arange(HOURS) - day * 24 + 0.5, 0.0) / 24.0
    times = np.where(np.arange(HOURS) >= day * 24, (1.0 + CREEP) ** since, 1.0)
    for name in ("input_tokens", "cache_read_tokens"):
        found[0, :, FIELDS.index(name)] *= times
    found[0, :, FIELDS.index("cost_pico")] *= share_out + (1.0 - share_out) * times
    return np.round(found).astype(np.int64)


def told_by_both(world: World, hours: Counts) -> dict[Clock, list[Detection]]:
    """What each of the two clocks tells in week two."""
    return {
        Clock.HOUR: told(Clock.HOUR, hours, world.keys, LEARNED_DAYS * 24),
        Clock.DAY: told(Clock.DAY, days_of(hours), world.keys, LEARNED_DAYS),
    }


def findings_of(detections: list[Detection]) -> list[Detection]:
    """The first of each that follow each other: those of a series, none more than QUIET_STEPS after the last."""
    last: dict[SeriesKey, int] = {}
    found = []
    for one in sorted(detections, key=lambda one: one.seen_us):
        quiet_us = QUIET_STEPS[one.clock] * TERMS[one.clock].step_us
        if one.series not in last or one.seen_us - last[one.series] > quiet_us:
            found.append(one)
        last[one.series] = one.seen_us
    return found


def steps_borne_out(world: World, one: Detection) -> bool:
    """Whether the tenant cost SHARE_MIN of a usual day more or less than in the same hours of the days before, from
    when it began up to when it was told; in each day, if that took days."""
    tenant = world.keys.index(one.series)
    began, seen = one.began_us // MINUTE_US, one.seen_us // MINUTE_US
    usual_day = world.expected_cost(tenant, range(max(0, began - 7 * 1440), began)) / min(7.0, began / 1440)
    backs = [back for back in range(1440, 8 * 1440, 1440) if back <= began]
    before = sum(world.expected_cost(tenant, range(began - back, seen - back)) for back in backs) / len(backs)
    moved = abs(world.expected_cost(tenant, range(began, seen)) - before) / max(1.0, (seen - began) / 1440)
    return moved >= SHARE_MIN * usual_day


def creeps(world: World, hours: Counts, untouched: dict[Clock, list[Detection]]) -> list[Creep]:
    """One for each tenant that is busy all along, on each of some days; alone, so that the others say nothing."""
    days = days_of(hours)
    calls, tokens = (days[:, :, FIELDS.index(name)] for name in ("calls", "input_tokens"))
    found = []
    for tenant in np.flatnonzero((calls >= CALLS_A_DAY).all(axis=1)).tolist():
        moved = np.median(np.abs(np.diff(np.log(tokens[tenant] / calls[tenant]))))
        found += [
            Creep(tenant, day, _days(world, hours, tenant, day, untouched), bool(moved < STEADY)) for day in CREEP_DAYS
        ]
    return found


def _days(world: World, hours: Counts, tenant: int, day: int, untouched: dict[Clock, list[Detection]]) -> float | None:
    key, crept, found = world.keys[tenant], with_creep(world, hours, tenant, day), []
    for clock, counts, first in ((Clock.HOUR, crept, day * 24), (Clock.DAY, days_of(crept), day)):
        before = [one for one in untouched[clock] if one.series == key]
        news = (one for one in told(clock, counts, [key], first) if not any(is_again(one, other) for other in before))
        found += [one.seen_us / TERMS[Clock.DAY].step_us - day for one in news if one.signal in SAYS_SO]
    return min(found, default=None)
