"""Volumes of series that come and go: what is news is more than ever of late, from a series that was at work.

Whoever switches on and off by no clock has no hour at which anything is to be expected: to be back is no news, at
whatever level. How steady a series is, is learned: the share of the minutes in which calls were to be expected that
had some not long before.
"""

import math

import numpy as np

from bursar.watch.evidence import Evidence
from bursar.watch.expected import DAY_MINUTES, WEEK_MINUTES, Bools, Expected
from bursar.watch.rates import CALLS, IS_VOLUME
from bursar.watch.stream_state import StreamState
from bursar.watch.tails import Floats

REST_MINUTES = 10
REST_MAX = 60_000
AT_WORK_MINUTES = 60
EXPECTED_MIN = 0.05  # calls a minute: where fewer are to be expected, none are no rest
OF_LEVEL_MIN = 0.1  # of a series' level: nor where the hour has hardly any, as a night
MISSED_MIN = 5.0  # calls that were to be expected since the last one, to call it a rest
STEADY_MIN = 0.9  # of whom an hour's expectation is trusted
RECORD_STEADY_MIN = 0.8  # of whom a record is news
RECORD = 1.5  # times the most of five minutes in the last weeks
QUIET_RECORD = 2.0  # times the longest unexpected rest of the last weeks
QUIET_MIN = 60.0  # minutes
QUIET_MISSED_MIN = 30.0  # calls
RECORD_FADE = 0.5 ** (1.0 / (12 * 28))  # a slot of two hours: in four weeks a record is half as high
RECORD_GROWTH = 0.01  # a minute: what grows more slowly is followed and isn't news
WAITING_GROWTH = 0.0005  # a minute: of what is a record already, and told once it has cost enough


def is_steady(state: StreamState, least: float = STEADY_MIN) -> Bools:
    """Which series have calls when they are expected, (series,)."""
    found: Bools = state["steady"] >= least
    return found


def at_work(state: StreamState, minute: int) -> Bools:
    """Which series have had no unexpected rest within the last hour, (series,)."""
    woke_long_ago = minute - state["woke"] >= AT_WORK_MINUTES
    return woke_long_ago & ~_at_rest(state)


def record_surprise(state: StreamState, evidence: Evidence, enough: float) -> Floats:
    """Surprise of volumes that are more than ever of late, (series, volumes); `enough` at RECORD times it."""
    above = (evidence.lately[:, IS_VOLUME] - state["most"]) / math.log(RECORD)
    old = is_steady(state, RECORD_STEADY_MIN) & (state["seen"][:, 0] >= DAY_MINUTES)
    return np.where((above >= 1.0) & old[:, None], enough * above, 0.0)


def quiet_surprise(state: StreamState, minute: int, expected: Expected, enough: float) -> Floats:
    """Surprise of being at rest for longer than ever of late, (series,); `enough` at QUIET_RECORD times that."""
    above = state["rest"] / np.maximum(QUIET_RECORD * state["quiet_most"], QUIET_MIN)
    old = (minute - state["born"] >= DAY_MINUTES) & is_steady(state) & expected.settled
    missed = (state["gap"] >= QUIET_MISSED_MIN) & _busy(expected)
    return np.where((above >= 1.0) & old & missed, enough * above, 0.0)


def learn_records(state: StreamState, minute: int, evidence: Evidence) -> None:
    """Follow slowly what is at work, and at once what is just back or has been told."""
    now, most = evidence.lately[:, IS_VOLUME], state["most"]
    just_told = state["opened"][:, : len(IS_VOLUME)][:, IS_VOLUME] == minute
    young = state["seen"][:, :1] < DAY_MINUTES
    at_once = just_told | young | ~at_work(state, minute)[:, None]
    growth = np.where(now - most >= math.log(RECORD), WAITING_GROWTH, RECORD_GROWTH)
    most[...] = np.where(at_once, np.maximum(most, now), np.maximum(most, np.minimum(now, most + growth)))


def fade_records(state: StreamState) -> None:
    """Once a slot."""
    state["most"][...] += math.log(RECORD_FADE)
    state["quiet_most"][...] *= RECORD_FADE


def learn_rests(state: StreamState, minute: int, called: Bools, expected: Expected) -> None:
    """Take in whether a series that should have had calls had any. Before `gap` is."""
    rest = state["rest"]
    age = minute - state["born"]
    steady = state["steady"]
    since = np.where(age < DAY_MINUTES, age, age - DAY_MINUTES)  # begun anew once each hour of the day was seen
    gain = np.where(_busy(expected), 1.0 / np.clip(since, REST_MINUTES, WEEK_MINUTES), 0.0)
    resting = _at_rest(state)
    steady += gain * (~resting - steady)
    ended = called & resting
    state["quiet_most"][ended] = np.maximum(state["quiet_most"], rest)[ended]
    state["woke"][ended] = minute
    rest[...] = np.where(called, 0, np.minimum(rest + _busy(expected), REST_MAX))


def _busy(expected: Expected) -> Bools:
    least = np.maximum(EXPECTED_MIN, OF_LEVEL_MIN * expected.mean[:, CALLS])
    found: Bools = expected.silent_calls >= least
    return found


def _at_rest(state: StreamState) -> Bools:
    found: Bools = (state["rest"] >= REST_MINUTES) & (state["gap"] >= MISSED_MIN)
    return found
