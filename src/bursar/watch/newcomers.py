"""Who spends for the first time, and much: certain, and told unless newcomers are usual in its dimension."""

import math

import numpy as np

from bursar.domain.watching import Change, Clock, Detection, SeriesKey, Signal
from bursar.watch.episodes import Ended
from bursar.watch.expected import DAY_MINUTES, level
from bursar.watch.rates import COST, FIELDS, PICO
from bursar.watch.stream_state import StreamState
from bursar.watch.tails import Floats

MINUTE_US = 60_000_000
LOOKED_AT_MINUTES = 2
SHARE_OF_RATE = 0.05  # of what everything together usually costs a minute, since it came
SHARE_OF_DAY = 0.01  # or of what a day costs
FADE_DAYS = 14.0
USUAL_A_DAY = 1.0
ALWAYS_NEW = frozenset({"session"})  # whose values come once and never again: no newcomer of them is news
TOLD, PASSED_OVER = -1.0, -2.0  # in place of what it spent


def new_spenders(state: StreamState, minute: int, sums: Floats, least_usd: float) -> list[Detection]:
    """Series less than a day old whose cost so far matters and is `least_usd`, in dimensions watched for a day. Each
    once."""
    age = minute - state["born"]
    spent = state["spent"]
    fresh = (age < DAY_MINUTES) & (spent >= 0)
    spent[fresh] += (sums[fresh, FIELDS.index("cost_pico")] * PICO).astype(np.float32)
    everything = _usual_cost(state)
    matters = (spent >= SHARE_OF_RATE * everything * (age + 1)) | (spent >= SHARE_OF_DAY * everything * DAY_MINUTES)
    enough = (spent > 0) & (spent >= least_usd)
    rows = np.flatnonzero(fresh & matters & enough & (age >= LOOKED_AT_MINUTES))
    if not len(rows):
        return []
    keys = list(state.keys)
    found = []
    for row in rows:
        key = keys[row]
        first, last, arrivals = state.arrivals[key.dimension]
        if key.dimension in ALWAYS_NEW or state["born"][row] - first < DAY_MINUTES:
            spent[row] = PASSED_OVER
            continue
        arrivals *= math.exp(-(minute - last) / (FADE_DAYS * DAY_MINUTES))
        usual = arrivals / min(FADE_DAYS, max(1.0, (minute - first) / DAY_MINUTES))
        if usual <= USUAL_A_DAY:
            found.append(
                Detection(
                    key, Signal.NEW_SPENDER, Clock.MINUTE, Change.NEW, int(state["born"][row]) * MINUTE_US,
                    (minute + 1) * MINUTE_US, 0.0, float(spent[row]), max(0.0, -math.log10(usual + 0.01)),
                )
            )  # fmt: skip
        state.arrivals[key.dimension] = (first, minute, arrivals + 1.0)
        spent[row] = TOLD if usual <= USUAL_A_DAY else PASSED_OVER
    return found


def end_newcomers(state: StreamState, minute: int) -> list[Ended]:
    """After a day whoever was told to be new isn't any more."""
    spent = state["spent"]
    rows = np.flatnonzero((spent == TOLD) & (minute - state["born"] >= DAY_MINUTES))
    if not len(rows):
        return []
    spent[rows] = PASSED_OVER
    keys = list(state.keys)
    now_us = (minute + 1) * MINUTE_US
    return [
        Ended(keys[row], Signal.NEW_SPENDER, int(state["born"][row]) * MINUTE_US, now_us, accepted=True) for row in rows
    ]


def _usual_cost(state: StreamState) -> float:
    """What everything costs a minute, from the series of all; without one, from the dimensions' sums."""
    usual = level(state)[:, COST]
    row = state.keys.get(SeriesKey())
    if row is not None:
        return float(usual[row])
    return float(usual.sum()) / max(1, len(state.arrivals))
