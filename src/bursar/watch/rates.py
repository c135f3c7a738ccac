"""From sums of calls to signals: for each, a mean per unit and how many units stand behind it.

A signal is oriented so that more of it is worse: misses and not hits, calls without tags and not with them.
"""

from collections.abc import Iterable
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from bursar.domain.watching import Bucket, Signal
from bursar.watch.tails import Floats

PICO = 1e-12
FIELDS = Bucket.__struct_fields__


class Kind(IntEnum):
    """How a signal spreads around what is expected. Its variance is (first · κ/n + b) in each case."""

    VOLUME = 0  # a sum a step: Poisson at least, n is what is expected of it
    MEAN = 1  # of amounts over n calls, whose spread is learned
    SHARE = 2  # of n calls


CHANNELS: tuple[tuple[Signal, Kind], ...] = (
    (Signal.CALLS, Kind.VOLUME),
    (Signal.COST, Kind.VOLUME),
    (Signal.INPUT_PER_CALL, Kind.MEAN),
    (Signal.OUTPUT_PER_CALL, Kind.MEAN),
    (Signal.COST_PER_TOKEN, Kind.MEAN),
    (Signal.RETRIES, Kind.SHARE),
    (Signal.TRUNCATED, Kind.SHARE),
    (Signal.ERRORS, Kind.SHARE),
    (Signal.CACHE_HITS, Kind.MEAN),
    (Signal.DEAR_MODELS, Kind.SHARE),
    (Signal.TAG_COVERAGE, Kind.SHARE),
    (Signal.UNPRICED, Kind.SHARE),
)
SIGNALS = tuple(signal for signal, _ in CHANNELS)
KINDS: NDArray[np.int8] = np.array([kind for _, kind in CHANNELS], np.int8)
IS_VOLUME, IS_MEAN, IS_SHARE = KINDS == Kind.VOLUME, KINDS == Kind.MEAN, KINDS == Kind.SHARE
IN_POINTS = IS_SHARE | np.array([signal is Signal.CACHE_HITS for signal, _ in CHANNELS])
IS_LENGTH = np.array([signal in (Signal.INPUT_PER_CALL, Signal.OUTPUT_PER_CALL) for signal, _ in CHANNELS])
CALLS, COST = 0, 1
UPSIDE_DOWN = frozenset((Signal.CACHE_HITS, Signal.TAG_COVERAGE))


def as_array(buckets: Iterable[Bucket]) -> Floats:
    """Sums as rows, (buckets, len(FIELDS)), in the order of FIELDS."""
    rows = [
        (
            b.calls, b.attempts, b.retries, b.truncated, b.errors, b.input_tokens, b.cache_read_tokens, b.output_tokens,
            b.cost_pico, b.dear_calls, b.untagged_calls, b.unpriced,
        )
        for b in buckets
    ]  # fmt: skip
    return np.array(rows, np.float64).reshape(-1, len(FIELDS))


def signals(sums: Floats) -> tuple[Floats, Floats]:
    """Amounts and the units they are over, each (..., channels), from sums (..., fields).

    Volumes are over 1 (a step). Means and shares are brought to calls or attempts: their amount is units × value.
    """
    part = {name: sums[..., at] for at, name in enumerate(FIELDS)}
    calls, attempts = part["calls"], part["attempts"]
    cost = part["cost_pico"] * PICO
    tokens = part["input_tokens"] + part["output_tokens"]
    by_token = np.where(tokens > 0, calls, 0.0)
    by_input = np.where(part["input_tokens"] > 0, calls, 0.0)
    missed = np.maximum(part["input_tokens"] - part["cache_read_tokens"], 0.0)
    one = np.ones_like(calls)
    pairs = (
        (calls, one),
        (cost, one),
        (part["input_tokens"], calls),
        (part["output_tokens"], calls),
        (by_token * cost / np.maximum(tokens, 1.0), by_token),
        (part["retries"], attempts),
        (part["truncated"], calls),
        (part["errors"], calls),
        (by_input * missed / np.maximum(part["input_tokens"], 1.0), by_input),
        (part["dear_calls"], calls),
        (part["untagged_calls"], calls),
        (part["unpriced"], attempts),
    )
    return np.stack([amount for amount, _ in pairs], -1), np.stack([units for _, units in pairs], -1)


def shown(signal: Signal, value: float) -> float:
    """A signal's value as people know it."""
    return 1.0 - value if signal in UPSIDE_DOWN else value
