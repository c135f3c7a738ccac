"""A series that has stopped: calls that were to be expected since the last one, and none came."""

import math

import numpy as np

from bursar.watch.expected import DAY_MINUTES, Bools, Expected
from bursar.watch.rates import CALLS
from bursar.watch.records import is_steady
from bursar.watch.stream_state import StreamState
from bursar.watch.tails import Floats

QUIET_MINUTES_MIN = 3
SILENCE_STEADY_MIN = 0.97  # who rests more often by itself can't be found silent
SPREAD_MAX = 0.5
GAPS_MAX = 1000.0


def silence_surprise(state: StreamState, minute: int, called: Bools, expected: Expected) -> Floats:
    """-log10 of the chance of so long a gap, (series,): 0 in its first day, and on a weekend or holiday not yet known.

    Calls that come in sessions leave gaps: each series' own are remembered, their mean rest and the longest.
    """
    quiet = minute - state["last_call"]
    missed = state["gap"] + expected.silent_calls
    usual = state["gap_square"] / np.maximum(2.0 * state["gap_mean"], 1e-9)
    longest = state["gap_longest"] / np.log(state["gaps"] + 2.0)
    size = 1.0 / (expected.doubt[:, CALLS] + np.minimum(expected.spread[:, CALLS], SPREAD_MAX))
    gap = missed / np.maximum(1.0, np.maximum(usual, longest))
    surprise = size * np.log1p(gap / size) / math.log(10.0)
    old = minute - state["born"] >= DAY_MINUTES
    old &= is_steady(state, SILENCE_STEADY_MIN)
    found: Floats = np.where(~called & old & expected.settled & (quiet >= QUIET_MINUTES_MIN), surprise, 0.0)
    return found


def learn_gaps(state: StreamState, minute: int, called: Bools, expected: Expected) -> None:
    gap = state["gap"]
    ended = called & (gap > 0)
    gaps = state["gaps"]
    gaps[...] = np.minimum(gaps + ended, GAPS_MAX)
    gain = np.where(ended, 1.0 / np.maximum(gaps, 1.0), 0.0)
    for name, value in (("gap_mean", gap), ("gap_square", gap**2)):
        column = state[name]
        column += gain * (value - column)
    longest = state["gap_longest"]
    longest *= 1.0 - gain * 0.5  # an outage of a while ago doesn't excuse one for ever
    np.maximum(longest, gap, out=longest, where=ended)
    gap[...] = np.where(called, 0.0, gap + expected.silent_calls)
    state["last_call"][called] = minute
