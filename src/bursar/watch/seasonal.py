"""The hourly and the daily clock's baseline: what of a series is its week, by medians, and how much the rest varies."""

from collections.abc import Container, Sequence
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import msgspec
import numpy as np
from numpy.typing import NDArray

from bursar.domain.watching import Clock
from bursar.watch.rates import IS_MEAN, IS_SHARE, IS_VOLUME
from bursar.watch.tails import Floats

MAD = 1.4826  # of a median absolute deviation to a standard deviation
UNITS_MIN = 5.0  # fewer calls in a step say nothing of a mean or a share
SPREAD_MIN = np.where(IS_VOLUME, 0.10, np.where(IS_MEAN, 0.02, 0.01))
"""Of a step, beyond single calls, on the transformed scale: no baseline is known better."""

DOUBT = np.where(IS_VOLUME, 0.05, 0.01)  # how wrong a baseline of some weeks may be, on the transformed scale
WEEK_UNKNOWN = 0.5  # and a volume's before two of each weekday were seen
SUNDAY = 6


class Steps(msgspec.Struct):
    """The steps of a clock in local time. day: from the first; kind: weekday, holidays as Sundays; hour: 0 to 23."""

    clock: Clock
    day: NDArray[np.intp]
    kind: NDArray[np.intp]
    hour: NDArray[np.intp]
    holiday: NDArray[np.bool_]


def steps_of(clock: Clock, starts_us: Sequence[int], zone: ZoneInfo, holidays: Container[date]) -> Steps:
    """starts_us: UTC microseconds, oldest first."""
    local = [datetime.fromtimestamp(at / 1e6, UTC).astimezone(zone) for at in starts_us]
    ordinal = np.array([at.toordinal() for at in local])
    holiday = np.array([at.date() in holidays for at in local])
    kind = np.where(holiday, SUNDAY, np.array([at.weekday() for at in local]))
    return Steps(clock, ordinal - ordinal.min(), kind, np.array([at.hour for at in local]), holiday)


def transformed(amounts: Floats, units: Floats) -> tuple[Floats, Floats]:
    """Values on a scale where noise doesn't depend on their size, and their variance from single calls, (series,
    steps, channels).

    Volumes and means by logarithm, shares by the arcsine of their root. NaN where there is nothing to say.
    """
    calls = amounts[..., :1]
    mean = amounts / np.maximum(units, 1e-9)
    with np.errstate(divide="ignore", invalid="ignore"):
        typical = amounts.sum(axis=1, keepdims=True) / np.maximum((amounts > 0).sum(axis=1, keepdims=True), 1)
        logs = np.log(np.where(IS_VOLUME, mean + 0.5 * typical / np.maximum(calls.mean(1, keepdims=True), 1.0), mean))
        shares = np.arcsin(np.sqrt(np.clip((amounts + 0.25) / (units + 0.5), 0.0, 1.0)))
    enough = np.where(IS_VOLUME, units > 0, units >= UNITS_MIN)
    usable = enough & (IS_SHARE | (mean > 0) | IS_VOLUME)
    values = np.where(usable, np.where(IS_SHARE, shares, logs), np.nan)
    values = np.where(np.isfinite(values), values, np.nan)
    own = np.where(IS_SHARE, 0.375, 1.0) / np.maximum(np.where(IS_VOLUME, calls + 0.5, units), 0.5)
    return values, own


def deseasoned(values: Floats, steps: Steps) -> Floats:
    """Values without their hour of day and their day of week, as far as those are known; (series, steps, channels)."""
    left = values.copy()
    days = int(steps.day.max()) + 1
    if steps.clock is Clock.HOUR:
        for _ in range(2):  # the second time with the first's hours taken out of each day's level
            level = _by_group(left, steps.day, days)[:, steps.day]
            offsets = left - level
            left = left - _hour_offsets(offsets, steps)
    weeks = days / 7.0
    if weeks < 2.0:
        return left
    level = _by_group(left, steps.day // 7, int(steps.day.max()) // 7 + 1)[:, steps.day // 7]
    by_kind = _by_group(left - level, steps.kind, 7)
    return left - weeks / (weeks + 0.3) * by_kind[:, steps.kind]


def _hour_offsets(offsets: Floats, steps: Steps) -> Floats:
    weekend = steps.kind >= SUNDAY - 1
    days = int(steps.day.max()) + 1
    found = np.zeros_like(offsets)
    usual = _by_group(np.where(weekend[None, :, None] & (days > 4), np.nan, offsets), steps.hour, 24)
    own = _by_group(np.where(weekend[None, :, None], offsets, np.nan), steps.hour, 24)
    weekends = len(set(steps.day[weekend].tolist())) / 2.0
    trust = weekends / (weekends + 0.5)
    found = usual[:, steps.hour]
    found[:, weekend] = (1 - trust) * found[:, weekend] + trust * own[:, steps.hour[weekend]]
    return found * (days / (days + 1.0))


def _by_group(values: Floats, group: NDArray[np.intp], groups: int) -> Floats:
    """The median of each group of steps, (series, groups, channels); 0 where a group has no values."""
    found = np.zeros((values.shape[0], groups, values.shape[2]))
    for number in np.unique(group):
        found[:, number] = median(values[:, group == number], axis=1)
    return np.nan_to_num(found)


def median(values: Floats, axis: int) -> Floats:
    """The median of what isn't NaN; NaN where all is. Much quicker than numpy's for many short ones."""
    ordered = np.sort(values, axis=axis)  # NaN last
    count = (~np.isnan(values)).sum(axis=axis, keepdims=True)
    low = np.take_along_axis(ordered, np.maximum((count - 1) // 2, 0), axis)
    high = np.take_along_axis(ordered, np.minimum(count // 2, values.shape[axis] - 1), axis)
    middle: Floats = np.where(count > 0, 0.5 * (low + high), np.nan)
    return middle.squeeze(axis)


def spread_of(left: Floats, own: Floats) -> tuple[Floats, Floats]:
    """Variance of each step, (series, steps, channels), and by how much sums vary more than independent steps would.

    From differences of neighbours, so that a shift doesn't count as noise; widened while there are few. Of a mean it
    isn't known how much of its noise becomes less with more calls: half of it is taken to.
    """
    apart = np.diff(left, axis=1)
    known = (~np.isnan(apart)).sum(axis=1)
    noise = np.nan_to_num((MAD * median(np.abs(apart), axis=1)) ** 2 / 2.0)
    by_call = np.nan_to_num((MAD * median(np.abs(apart) / np.sqrt(own[:, 1:] + own[:, :-1]), axis=1)) ** 2)
    single = np.nan_to_num(median(np.where(np.isnan(left), np.nan, own), axis=1))
    around = left - _smooth(left)
    limit = 3.0 * np.sqrt(noise)[:, None]
    clipped = np.clip(around, -limit, limit)
    together = _mean(clipped[:, 1:] * clipped[:, :-1]) / np.maximum(_mean(clipped**2), 1e-12)
    together = np.clip(np.nan_to_num(together), 0.0, 0.8)
    wandering = 1.0 / np.maximum(1.0 - together, 0.2)  # differences of neighbours are smaller than the noise then
    beyond = np.where(IS_MEAN, 0.5 * noise * wandering, np.maximum(noise * wandering - single, 0.0))
    spread = np.maximum(beyond, SPREAD_MIN**2) * (1.0 + 10.0 / np.maximum(known, 1))
    calls = own * np.where(IS_MEAN, 0.5 * by_call * wandering, 1.0)[:, None]
    return spread[:, None] + calls, (1.0 + together) / (1.0 - together)


def doubt_of(days: Floats) -> Floats:
    """Variance of a baseline itself, (series, channels), of series that are so many days old, (series, 1)."""
    found: Floats = np.where(IS_VOLUME & (days < 15), WEEK_UNKNOWN, DOUBT) ** 2
    return found


def _smooth(left: Floats, width: int = 24) -> Floats:
    """The median of blocks of steps, at each of their steps."""
    steps = np.arange(left.shape[1]) // min(width, max(left.shape[1] // 4, 2))
    return _by_group(left, steps, int(steps.max()) + 1)[:, steps]


def _mean(values: Floats) -> Floats:
    count = np.maximum((~np.isnan(values)).sum(axis=1), 1)
    found: Floats = np.nansum(values, axis=1) / count
    return found
