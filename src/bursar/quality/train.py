"""Learns from examples when the cheap model will do: two logistic regressions, and what each threshold keeps.

The thresholds come from cross-validation, so each example is judged by weights that never saw it.
"""

from collections.abc import Sequence
from typing import NamedTuple
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from bursar.domain.errors import BadGate
from bursar.quality.examples import ROWS_MIN, Example
from bursar.quality.features import BUCKETS, NAMES, features_of
from bursar.quality.weights import Head, Step, Weights

Array = NDArray[np.float64]

FOLDS = 5
STEPS_MAX = 200  # thresholds that the file has
COUNT_PENALTY = 3.0
BUCKET_PENALTY = 30.0  # strong: a word says little, and a thousand of them are easily learned by heart
ROUNDS_MAX = 200
CLOSE_ENOUGH = 1e-5
ONE_SIDED_95 = 1.645
DIGITS = 6  # of a weight in the file


class Labels(NamedTuple):
    """Of each example: whether the cheap and the dear model were right, as 0 and 1."""

    cheap: Array
    dear: Array

    @property
    def miss(self) -> Array:
        return self.dear * (1 - self.cheap)


def labels_of(examples: Sequence[Example]) -> Labels:
    """What is known of the two models."""
    return Labels(
        np.array([one.cheap for one in examples], dtype=np.float64),
        np.array([one.dear for one in examples], dtype=np.float64),
    )


def train(examples: Sequence[Example], *, cheap_model: str = "", dear_model: str = "") -> Weights:
    """Weights of all these examples. Raises BadGate where there is nothing to learn: too few, or all alike."""
    if len(examples) < ROWS_MIN:
        raise BadGate(f"{len(examples)} examples are too few to learn from; {ROWS_MIN} are the least", field="file")
    labels = labels_of(examples)
    for name, values in (("cheap_correct", labels.cheap), ("the miss of the cheap model", labels.miss)):
        if not 0 < values.mean() < 1:
            raise BadGate(f"{name} is the same in all examples: there is nothing to learn", field="file")
    seen = matrix_of(examples)
    folds = np.array([crc32(one.prompt.encode()) % FOLDS for one in examples])
    out_of_fold = np.zeros(len(examples))
    for fold in range(FOLDS):
        rest, here = folds != fold, folds == fold
        if here.any() and rest.any():
            head = fit(seen[rest], labels.miss[rest])
            out_of_fold[here] = chances(head, seen[here])
    sizes = [len(one.prompt) for one in examples]
    return Weights(
        cheap_model=cheap_model,
        dear_model=dear_model,
        rows=len(examples),
        cheap_accuracy=round(float(labels.cheap.mean()), 4),
        dear_accuracy=round(float(labels.dear.mean()), 4),
        chars_min=min(sizes),
        chars_max=max(sizes),
        miss=fit(seen, labels.miss),
        cheap=fit(seen, labels.cheap),
        steps=steps_of(out_of_fold, labels),
    )


def matrix_of(examples: Sequence[Example]) -> Array:
    """(examples, counts and buckets): what is seen of each text."""
    seen = np.zeros((len(examples), len(NAMES) + BUCKETS), dtype=np.float64)
    for row, example in zip(seen, examples, strict=True):
        features = features_of(example.prompt)
        row[: len(NAMES)] = features.counts
        row[[len(NAMES) + bucket for bucket in features.buckets]] = features.weight
    return seen


def fit(seen: Array, wanted: Array) -> Head:
    """A logistic regression with penalties, by Nesterov's accelerated descent on standardized counts."""
    counts, columns = len(NAMES), seen.shape[1]
    used = np.array(seen.any(axis=0))
    used[:counts] = True
    seen = seen[:, used]
    mean = seen[:, :counts].mean(axis=0)
    spread = seen[:, :counts].std(axis=0)
    spread[spread < 1e-9] = np.inf  # never seen to differ: it gets no weight
    inputs = seen.astype(np.float32)  # half the time, and the last digits of a weight mean nothing
    inputs[:, :counts] = (inputs[:, :counts] - mean) / spread
    rows = len(wanted)
    penalty = np.concatenate([np.full(counts, COUNT_PENALTY), np.full(seen.shape[1] - counts, BUCKET_PENALTY)]) / rows
    rate = wanted.mean()
    weights, bias = np.zeros(seen.shape[1]), float(np.log(rate / (1 - rate)))
    ahead, bias_ahead, momentum = weights.copy(), bias, 1.0
    pace = 1 / (0.25 * _largest_square(inputs) / rows + 0.25 + float(penalty.max()))
    for _ in range(ROUNDS_MAX):
        wrong = 1 / (1 + np.exp(-(inputs @ ahead.astype(np.float32) + bias_ahead))) - wanted
        stepped = ahead - pace * (inputs.T @ wrong.astype(np.float32) / rows + penalty * ahead)
        bias_stepped = bias_ahead - pace * float(wrong.mean())
        later = (1 + (1 + 4 * momentum * momentum) ** 0.5) / 2
        carried = (momentum - 1) / later
        moved = float(np.abs(stepped - weights).max())
        ahead, bias_ahead = stepped + carried * (stepped - weights), bias_stepped + carried * (bias_stepped - bias)
        weights, bias, momentum = stepped, bias_stepped, later
        if moved < CLOSE_ENOUGH:
            break
    plain = weights[:counts] / spread
    buckets = np.zeros(columns)
    buckets[used] = weights
    return Head(
        round(bias - float(plain @ mean), DIGITS),
        tuple(round(float(one), DIGITS) for one in plain),
        tuple(round(float(one), DIGITS) for one in buckets[counts:]),
    )


def chances(head: Head, seen: Array) -> Array:
    """What a head says of each row of a matrix."""
    weights = np.array([*head.counts, *head.buckets])
    chance: Array = 1 / (1 + np.exp(-(seen @ weights + head.bias)))
    return chance


def steps_of(misses: Array, labels: Labels) -> tuple[Step, ...]:
    """Thresholds in order, with what they keep: the lower end of a one-sided 95 % interval of the accuracy's loss."""
    order = np.argsort(misses, kind="stable")
    rows = len(order)
    lost = (labels.dear - labels.cheap)[order]
    taken = np.arange(1, rows + 1)
    mean = np.cumsum(lost) / rows
    spread = np.sqrt(np.maximum(np.cumsum(lost * lost) / rows - mean * mean, 0) / rows)
    kept = 1 - (mean + ONE_SIDED_95 * spread) / labels.dear.mean()
    steps = []
    for at in np.unique(np.linspace(0, rows - 1, min(STEPS_MAX, rows)).astype(int)):
        threshold = round(float(misses[order[at]]), DIGITS)
        steps.append(Step(threshold, round(float(taken[at] / rows), 4), round(float(kept[at]), 5)))
    return tuple(steps)


def _largest_square(inputs: NDArray[np.float32]) -> float:
    """The largest eigenvalue of inputsᵀ inputs, by power iteration, a little more than it."""
    vector = np.ones(inputs.shape[1], dtype=np.float32) / np.float32(inputs.shape[1] ** 0.5)
    size = 1.0
    for _ in range(20):
        vector = inputs.T @ (inputs @ vector)
        size = float(np.linalg.norm(vector))
        vector = vector / np.float32(size)
    return size * 1.05
