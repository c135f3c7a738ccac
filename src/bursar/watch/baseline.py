"""What is usual at an hour of the week: offsets from a series' level, learned two hours at a time.

A profile is a float16 array of log offsets, NaN where an hour was never seen. What the hour of the week doesn't know
yet, the hour of the day says, and what that doesn't know, the level. Every series looks at the same clock, so a
profile is read by columns.
"""

from collections.abc import Container
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import msgspec
import numpy as np
from numpy.typing import NDArray

from bursar.watch.tails import Floats

SLOT_MINUTES = 120
DAY_SLOTS = 12
WEEK_SLOTS = 84
SUNDAY = 6
OFFSET_MAX = 3.0  # of a volume: 20 times its level
FIRST_DAY_SD, FIRST_WEEK_SD, WEEKS_SD = 0.7, 0.5, 0.15
"""How wrong a volume's expectation may be, in log terms: no day seen, no such weekday, after weeks (by their root)."""


class Place(msgspec.Struct, frozen=True):
    """A minute in its local week. slot: of the week, its two neighbours by middle, and how far it is between them."""

    slot: int
    left: int
    right: int
    part: float
    holiday: bool = False


def place_of(minute: int, zone: ZoneInfo, holidays: Container[date] = frozenset(), shift: int = 0) -> Place:
    """minute: since the epoch. shift: minutes to look earlier or later."""
    local = datetime.fromtimestamp((minute + shift) * 60, UTC).astimezone(zone)
    of_week = local.weekday() * 1440 + local.hour * 60 + local.minute
    middle = of_week / SLOT_MINUTES - 0.5
    left = int(np.floor(middle))
    return Place(
        of_week // SLOT_MINUTES,
        left % WEEK_SLOTS,
        (left + 1) % WEEK_SLOTS,
        middle - left,
        local.date() in holidays,
    )


def volume_offset(profile: Floats, place: Place, weeks: Floats) -> tuple[Floats, Floats]:
    """The log offset at a place, (series,), and its variance.

    profile: (series, WEEK_SLOTS). weeks: (series,), how long each has been seen.
    """
    left, left_doubt = _volume_slot(profile, place.left, weeks)
    right, right_doubt = _volume_slot(profile, place.right, weeks)
    return (1 - place.part) * left + place.part * right, np.maximum(left_doubt, right_doubt)


def _volume_slot(profile: Floats, slot: int, weeks: Floats) -> tuple[Floats, Floats]:
    days = profile[:, slot % DAY_SLOTS :: DAY_SLOTS].astype(np.float32)
    known = ~np.isnan(days)
    count = known.sum(axis=1)
    by_day = np.where(known, days, 0.0).sum(axis=1) / (count + 0.3)
    own = profile[:, slot].astype(np.float32)
    seen = ~np.isnan(own)
    weight = np.where(seen, weeks / (weeks + 0.7), 0.0)
    offset = (1 - weight) * by_day + weight * np.where(seen, own, 0.0)
    later = np.where(seen, WEEKS_SD**2 / np.maximum(weeks, 1.0), FIRST_WEEK_SD**2)
    return offset, np.where(count == 0, FIRST_DAY_SD**2, later)


def learn_volume(
    profile: Floats, slot: int, amount: Floats, expected: Floats, weeks: Floats, seen: NDArray[np.bool_]
) -> None:
    """Take in what came within a slot: amount, and what the level alone expected, each (series,)."""
    target = np.clip(np.log((amount + 0.5) / (expected + 0.5)), -OFFSET_MAX, OFFSET_MAX)
    known = profile[:, slot].astype(np.float32)
    gain = np.maximum(1.0 / (weeks + 1.0), 0.2)
    moved = np.where(np.isnan(known), target, known + gain * (target - known))
    profile[:, slot] = np.where(seen, moved, known)


def rate_offset(profile: Floats, place: Place, days: Floats) -> Floats:
    """The log offset of means and shares by hour of day, (series, channels). profile: (series, channels, DAY_SLOTS)."""
    pair = [profile[:, :, slot % DAY_SLOTS].astype(np.float32) for slot in (place.left, place.right)]
    left, right = (np.where(np.isnan(one), 0.0, one) for one in pair)
    trust = days / (days + 1.0)
    offset: Floats = trust[:, None] * ((1 - place.part) * left + place.part * right)
    return offset


def learn_rate(profile: Floats, slot: int, target: Floats, days: Floats, seen: NDArray[np.bool_]) -> None:
    """Take in the log offset that a slot had, (series, channels)."""
    at = slot % DAY_SLOTS
    known = profile[:, :, at].astype(np.float32)
    gain = np.maximum(1.0 / (days + 1.0), 0.15)[:, None]
    moved = np.where(np.isnan(known), target, known + gain * (target - known))
    profile[:, :, at] = np.where(seen, moved, known)
