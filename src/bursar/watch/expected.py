"""What the minute clock expects of each series and signal, how sure it is, and what a minute teaches it."""

from collections.abc import Container
from datetime import date
from zoneinfo import ZoneInfo

import msgspec
import numpy as np
from numpy.typing import NDArray

from bursar.watch.baseline import (
    DAY_SLOTS,
    SUNDAY,
    Place,
    learn_rate,
    learn_volume,
    place_of,
    rate_offset,
    volume_offset,
)
from bursar.watch.rates import CALLS, COST, IS_MEAN, IS_SHARE, IS_VOLUME
from bursar.watch.stream_state import StreamState
from bursar.watch.tails import Floats

Bools = NDArray[np.bool_]

MEMORY_MINUTES = 2880.0
SEEN_MAX = 60_000
SLOT_SEEN_MIN = 20  # minutes of a slot, to learn from it
FADE = float(np.exp(-1.0 / MEMORY_MINUTES))
WEEK_MINUTES, DAY_MINUTES = 10_080.0, 1_440.0
SHARE_PRIOR_CALLS, SHARE_PRIOR = 2.0, 0.02
SHARE_MIN = 0.003  # rarer than this isn't told from never
LUMP = 1.5  # failures come in company: variance of a share in units of a binomial's
SPREAD_PRIOR = np.where(IS_VOLUME, 0.1, np.where(IS_MEAN, 1.0, 0.25))
SPREAD_PRIOR_STEPS = 60.0
DOUBT_MIN = np.where(IS_VOLUME, 0.10, np.where(IS_MEAN, 0.05, 0.10)) ** 2
FIRST_DAY_RATES = 0.3**2
WINSOR = 4.0
BURST = 4.0
NEIGHBOUR_MINUTES = 60  # a job may run an hour earlier or later, and clocks change by one


class Expected(msgspec.Struct):
    """For one minute, each (series, channels). amount: expected; high: with the hour before and after looked at too.

    single: variance per unit expected that single calls make; spread: variance a minute beyond it and doubt, the
    variance of the expectation itself, both relative to expected squared.
    a_day_old, (series, 1), and grown: whether the doubt of youth is over, so that deviates can be compared with later
    ones.
    silent_calls: (series,), the fewest calls expected around this minute; settled: (series,), whether this weekday is
    known.
    """

    units: Floats
    mean: Floats
    season: Floats
    amount: Floats
    high: Floats
    single: Floats
    spread: Floats
    doubt: Floats
    a_day_old: Bools
    grown: Bools
    silent_calls: Floats
    settled: Bools
    holiday: bool


def expect(state: StreamState, minute: int, units: Floats, zone: ZoneInfo, holidays: Container[date]) -> Expected:
    """What is expected of a minute in which there were so many units, (series, channels)."""
    age = (minute - state["born"]).astype(np.float64)
    weeks, days = age / WEEK_MINUTES, age / DAY_MINUTES
    profile = state["volume_profile"]
    place = place_of(minute, zone, holidays)
    offset, doubt = volume_offset(profile, place, weeks)
    around = [
        volume_offset(profile, place_of(minute, zone, holidays, shift), weeks)[0]
        for shift in (-NEIGHBOUR_MINUTES, NEIGHBOUR_MINUTES)
    ]
    highest = np.maximum(offset, np.maximum(*around))
    lowest = np.minimum(offset, np.minimum(*around))
    weekend = place.slot // DAY_SLOTS >= SUNDAY - 1
    known = ~np.isnan(profile[:, place.slot].astype(np.float32))
    if place.holiday:
        left, right = (SUNDAY * DAY_SLOTS + slot % DAY_SLOTS for slot in (place.left, place.right))
        at = Place(left, left, right, place.part)
        lowest = np.minimum(lowest, volume_offset(profile, at, weeks)[0])
        known = known & ~np.isnan(profile[:, at.left].astype(np.float32))

    season = np.empty_like(units)
    season[:, IS_VOLUME] = np.exp(offset)[:, None]
    season[:, ~IS_VOLUME] = np.exp(rate_offset(state["rate_profile"], place, days))
    grown = np.where(IS_VOLUME, weeks[:, None] >= 1.0, days[:, None] >= 1.0)
    mean = level(state)
    amount = units * season * mean
    high = amount.copy()
    high[:, IS_VOLUME] *= np.exp(highest - offset)[:, None]
    single, spread = _variance(state, season, mean)
    return Expected(
        units, mean, season, amount, high, single, spread,
        _doubt(state, doubt, days, single, spread, mean),
        days[:, None] >= 1.0,
        grown,
        mean[:, CALLS] * np.exp(lowest),
        known | ((not weekend) and (not place.holiday)),
        place.holiday,
    )  # fmt: skip


def level(state: StreamState) -> Floats:
    """Amount per unit as it usually is, (series, channels), without the hour's offset."""
    amount, units = state["amount"], state["units"]
    plain = amount / np.maximum(units, 1e-9)
    share = (amount + SHARE_PRIOR_CALLS * SHARE_PRIOR) / (units + SHARE_PRIOR_CALLS)
    found: Floats = np.where(IS_SHARE, np.clip(share, SHARE_MIN, 1.0), plain).astype(np.float64)
    return found


def _variance(state: StreamState, season: Floats, mean: Floats) -> tuple[Floats, Floats]:
    steps = np.minimum(state["seen"], MEMORY_MINUTES).astype(np.float64)
    base = state["base"]
    found = np.maximum(state["square"] / np.maximum(base, 1e-30), 0.0)
    weight = np.where(base > 0, steps, 0.0)
    learned = (weight * found + SPREAD_PRIOR_STEPS * SPREAD_PRIOR) / (weight + SPREAD_PRIOR_STEPS)
    here = mean * season
    calls = np.maximum(mean[:, CALLS], 1e-9)
    a_call = mean[:, COST] / calls
    single = np.where(IS_SHARE, LUMP * np.clip(1.0 - here, 0.02, 1.0), learned * here)
    single[:, CALLS] = 1.0
    single[:, COST] = 2.0 * a_call  # costs of single calls vary about as much as they are
    return np.maximum(single, 1e-18), np.where(IS_MEAN, 0.0, learned)


def _doubt(state: StreamState, season: Floats, days: Floats, single: Floats, spread: Floats, mean: Floats) -> Floats:
    steps = np.maximum(state["seen"], 1.0)
    so_far = np.maximum(mean * state["units"], 1e-12)
    doubt = DOUBT_MIN + single / np.maximum(so_far, single) + spread / steps
    doubt[:, IS_VOLUME] += season[:, None]
    doubt[:, ~IS_VOLUME] += np.where(days < 1.0, FIRST_DAY_RATES, 0.0)[:, None]
    return doubt


def learn(state: StreamState, amounts: Floats, expected: Expected, learnable: Bools) -> None:
    """Take a minute's amounts into levels, spreads and the slot's sums, where `learnable`, (series, channels)."""
    steps = state["seen"].astype(np.float64)
    usual = expected.amount
    relative = usual * np.where(IS_SHARE, np.clip(1.0 - expected.mean, 0.02, 1.0), 1.0)
    singles = expected.single * usual
    variance = singles + expected.spread * relative**2 + expected.doubt * usual**2
    limit = np.where(steps > 30, WINSOR * np.sqrt(variance) + expected.single, np.inf)
    residual = np.clip(amounts - usual, -limit, limit)

    beyond = residual**2 - np.where(IS_MEAN, 0.0, singles)
    against = np.where(IS_MEAN, usual * expected.mean * expected.season, relative**2)
    gain = np.where(learnable & (steps > 10), 1.0 / np.minimum(steps + 1.0, MEMORY_MINUTES), 0.0)
    state["square"][...] += gain * (beyond - state["square"])
    state["base"][...] += gain * (against - state["base"])

    fade = np.where(learnable, FADE, 1.0)
    counted = np.where(learnable, _counted(expected), 0.0)
    tame = counted * (usual + residual)
    units = counted * expected.units
    state["amount"][...] = fade * state["amount"] + tame
    state["units"][...] = fade * state["units"] + units * expected.season
    state["slot_amount"][...] += tame
    state["slot_units"][...] += units
    state["seen"][...] += (expected.units > 0) & (state["seen"] < SEEN_MAX)


def _counted(expected: Expected) -> Floats:
    """How much of a minute's calls says what is usual of means and shares: of a burst no more than of BURST times as
    many calls as were to be expected, or its calls would be the usual ones for days."""
    most = BURST * (expected.high[:, CALLS] + 1.0)
    part = np.minimum(1.0, most[:, None] / np.maximum(expected.units, 1.0))
    return np.where(IS_VOLUME, 1.0, part)


def end_slot(state: StreamState, minute: int, holiday: bool) -> None:
    """Turn the sums of the slot that is over into its offsets. minute: the first one after it."""
    age = (minute - state["born"]).astype(np.float64)
    amount, units, mean = state["slot_amount"], state["slot_units"], level(state)
    usual = units * mean
    if not holiday:
        seen = units[:, CALLS] >= SLOT_SEEN_MIN
        learn_volume(state["volume_profile"], state.slot, amount[:, CALLS], usual[:, CALLS], age / WEEK_MINUTES, seen)
    prior = np.where(IS_MEAN, 5.0 * mean, 5.0)
    target = np.clip(np.log((amount + prior + 1e-30) / (usual + prior + 1e-30)), -1.5, 1.5)[:, ~IS_VOLUME]
    learn_rate(state["rate_profile"], state.slot, target, age / DAY_MINUTES, units[:, ~IS_VOLUME] > 0)
    amount[...] = 0.0
    units[...] = 0.0
