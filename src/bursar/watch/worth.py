"""Whether what is out of the ordinary costs enough that somebody wants to know of it.

What matters is a fifth of a series' usual day. Volumes rise and fall for good reasons: those of a restless series are
told once they have cost a quarter of that, those of a calm one once they have cost a twentieth of it. So twenty times
the usual is told within minutes, and twice as much when it has gone on for a quarter of an hour, or for an hour or two.
Longer or dearer calls are told at once, where a day at their pace would cost nearly that much more.
"""

import math

import numpy as np
from numpy.typing import NDArray

from bursar.domain.watching import Signal
from bursar.watch.evidence import Evidence
from bursar.watch.expected import DAY_MINUTES, WEEK_MINUTES, Bools, Expected
from bursar.watch.rates import CALLS, COST, FIELDS, IS_LENGTH, IS_VOLUME, PICO, SIGNALS
from bursar.watch.stream_state import SPANS, StreamState
from bursar.watch.tails import Floats

HAS_COST = 0.05  # of a usual day, more than was expected: of volumes, within two hours or so, the past fading
CALM_HAS_COST = 0.008  # the same of a series that hasn't risen by itself for some days
RESTLESS = math.log(2.0)  # a rise of some days, as log of times expected, from which all of HAS_COST is asked
WOULD_COST = 0.15  # of a usual day, more than usual, in a day that went on as the last minutes: of lengths and prices
SILENT_HAS_COST = 0.1  # of a usual day: calls that were to be expected since the last one
OF_A_DAY = 0.2  # of a usual day: what a change of hours or days has cost by then
LONG, SHORT = 120, 5  # minutes, of SPANS
IS_DEARER = IS_LENGTH | np.array([signal is Signal.COST_PER_TOKEN for signal in SIGNALS])


def worth_telling(state: StreamState, evidence: Evidence, expected: Expected) -> Bools:
    """(series, channels). Of shares (retries, errors, dear models) it isn't asked."""
    free = np.exp(evidence.lately[:, COST]) <= 1e-11  # unpriced: what it costs isn't known, and unknown isn't nothing
    day, lately, now = a_day(state), _sums(state, LONG), _sums(state, SHORT)
    more = lately[:, COST, 0] - lately[:, COST, 1]
    dearer = now[:, COST, 0] - a_call(expected) * now[:, CALLS, 0]
    least = CALM_HAS_COST + (HAS_COST - CALM_HAS_COST) * np.minimum(state["jump"] / RESTLESS, 1.0)
    found: Bools = np.ones((len(state), len(SIGNALS)), bool)
    found[:, IS_VOLUME] = free[:, None] | (more[:, None] >= least * day[:, None])
    found[:, IS_DEARER] = (free | (dearer / SHORT * DAY_MINUTES >= WOULD_COST * day))[:, None]
    return found


def worth_missing(state: StreamState, expected: Expected) -> Bools:
    """(series,): whether the calls that were to be expected since the last one would have cost so much."""
    each = a_call(expected)
    missed = (state["gap"] + expected.silent_calls) * each
    found: Bools = (each <= 0) | (missed >= SILENT_HAS_COST * a_day(state))
    return found


def a_call(expected: Expected) -> Floats:
    """USD that a call usually costs, (series,)."""
    found: Floats = expected.mean[:, COST] / np.maximum(expected.mean[:, CALLS], 1e-12)
    return found


def a_day(state: StreamState) -> Floats:
    """USD of a usual day, (series,): of the last week."""
    found: Floats = state["by_minute"] * DAY_MINUTES
    return found


def learn_worth(state: StreamState, minute: int, amounts: Floats) -> None:
    """Take in what a minute cost."""
    gain = 1.0 / np.clip(minute - state["born"] + 1.0, 1.0, WEEK_MINUTES)
    state["by_minute"][...] += gain * (amounts[:, COST] - state["by_minute"])


def _sums(state: StreamState, span: int) -> Floats:
    """Amount, expected and variance of so many minutes, the past fading: (series, channels, 3)."""
    found: Floats = state["sums"][:, :, SPANS.index(span) - 1]
    return found


def worth_by_steps(sums: Floats, began: NDArray[np.intp], expected: Floats, actual: Floats, steps_a_day: int) -> Bools:
    """Whether a change of whole hours or days has cost OF_A_DAY of a usual day more or less, (series, channels).

    sums: (series, steps, fields). began: the step of the change; expected, actual: of a step, both (series, channels).
    What goes on for days must cost so much in each, and longer or dearer calls in a day at their pace. Of shares it
    isn't asked.
    """
    cost, calls = (sums[:, :, FIELDS.index(name)] * scale for name, scale in (("cost_pico", PICO), ("calls", 1.0)))
    series, steps = cost.shape
    lasted = steps - began
    day = cost[:, -7 * steps_a_day :].mean(axis=1)[:, None] * steps_a_day
    spent, made = (np.concatenate([np.zeros((series, 1)), np.cumsum(one, axis=1)], axis=1) for one in (cost, calls))
    rows, first = np.arange(series)[:, None], np.maximum(began - 7 * steps_a_day, 0)
    since, calls_since = spent[rows, -1] - spent[rows, began], made[rows, -1] - made[rows, began]
    before, calls_before = (one[rows, began] - one[rows, first] for one in (spent, made))
    usual_call = before / np.maximum(calls_before, 1.0)
    each = np.ones_like(expected)
    each[:, CALLS] = usual_call[:, CALLS]
    moved = np.abs(actual - expected) * each * np.minimum(lasted, steps_a_day)
    of_a_day = np.where(lasted > 1, steps_a_day / lasted, 1.0)  # one step is over; a level goes on
    dearer = np.abs(since - usual_call * calls_since) * of_a_day
    excess = np.where(IS_VOLUME, moved, dearer)
    free = spent[:, -1:] <= 0
    return np.asarray(free | ~(IS_VOLUME | IS_DEARER) | (excess >= OF_A_DAY * day))
