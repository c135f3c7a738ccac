"""An alarm is an episode: it begins once, nothing more is said while it goes on, and its end is told."""

import msgspec
import numpy as np

from bursar.domain.watching import SeriesKey, Signal
from bursar.watch.evidence import Evidence
from bursar.watch.expected import Bools
from bursar.watch.rates import CALLS, COST, SIGNALS
from bursar.watch.stream_state import G, StreamState
from bursar.watch.tails import START

MINUTE_US = 60_000_000
CALM_MINUTES = 10
ACCEPTED_MINUTES = 1440


class Ended(msgspec.Struct, frozen=True):
    """An episode is over. accepted: it didn't pass; it lasted a day, and is what is expected from now on."""

    series: SeriesKey
    signal: Signal
    began_us: int
    ended_us: int
    accepted: bool = False


def end_episodes(state: StreamState, minute: int, evidence: Evidence, called: Bools) -> list[Ended]:
    """Close what has been calm for a while, is heard of again, or has lasted a day."""
    opened, calm = state["opened"], state["calm"]
    if not (opened > 0).any():
        return []
    still, low = evidence.now < 0.5 * START, evidence.near < 0.5 * START
    restarted = (opened[:, :G] > 0) & still & (calm[:, :G] == 0)
    state["sums"][restarted] = 0.0  # what was may not hide that it is over
    quiet = np.concatenate([still & (low | restarted), called[:, None]], axis=1)
    calm[...] = np.where((opened > 0) & quiet, np.minimum(calm, 200) + 1, 0)
    needed = np.full(G + 1, CALM_MINUTES)
    needed[G] = 1
    passed = (opened > 0) & (calm >= needed)
    accepted = (opened > 0) & ~passed & (minute - opened >= ACCEPTED_MINUTES)
    keys, found = list(state.keys), []
    for row, column in zip(*(at.tolist() for at in np.nonzero(passed | accepted)), strict=True):
        signal = SIGNALS[column] if column < G else Signal.SILENCE
        ended = minute + 1 - (int(needed[column]) if passed[row, column] else 0)
        began = int(state["began"][row, column])
        if accepted[row, column]:
            _accept(state, row, column)
        if column < G:
            state["sums"][row, column] = 0.0
        opened[row, column] = calm[row, column] = 0
        found.append(Ended(keys[row], signal, began * MINUTE_US, ended * MINUTE_US, bool(accepted[row, column])))
    return found


def _accept(state: StreamState, row: int, column: int) -> None:
    """Expect from now on what came over the longest span."""
    if column == G:
        for at in (CALLS, COST):
            state["amount"][row, at] = 0.0
        state["gap"][row] = 0.0
        state["steady"][row] = min(float(state["steady"][row]), 0.8)
        return
    amount, expected, _ = state["sums"][row, column, -1]
    if expected > 0:
        state["amount"][row, column] *= amount / expected
