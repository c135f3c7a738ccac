"""How unlikely a statistic is: tails of the normal law, and tails learned from a series' own past.

Everything is vectorised over any shape. Surprise is -log10 of a chance: 3 is one in a thousand.
"""

import math
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]

LN10 = math.log(10.0)

# Numerical Recipes' erfc: fractional error below 1.2e-7, so that its logarithm is good in the far tail too.
_ERFC = (
    -1.26551223, 1.00002368, 0.37409196, 0.09678418, -0.18628806, 0.27886807, -1.13520398, 1.48851587, -0.82215223,
    0.17087277,
)  # fmt: skip


def normal_surprise(deviates: Floats) -> Floats:
    """-log10 of P(Z >= deviate) of a standard normal Z; deviates below 0 give their small surprise (below 0.31)."""
    size = np.abs(deviates) * math.sqrt(0.5)
    t = 1.0 / (1.0 + 0.5 * size)
    series = np.full_like(t, _ERFC[-1])
    for coefficient in _ERFC[-2::-1]:
        series = series * t + coefficient
    log_upper = np.log(0.5 * t) - size * size + series  # of P(Z >= |deviate|)
    lower = np.log1p(-np.exp(np.minimum(log_upper, -1e-12)))
    return -np.where(deviates >= 0, log_upper, lower) / LN10


START = 2.5  # a statistic above this is in the tail: 0.6 % of standard normal ones
RATE_PRIOR = 0.01  # of statistics above START, before anything was seen; some more than a normal law's
MEAN_PRIOR = 0.4  # their mean excess; a normal law's is 0.33
RATE_PRIOR_STEPS = 300.0
MEAN_PRIOR_EXCESSES = 4.0
STEPS_MAX = 20_160.0  # two weeks of minutes: older steps fade
EXCESSES_MAX = 60.0
DOUBT_EXCESSES = 16.0  # the fewer are known, the heavier is the tail that is reckoned with: shape 1/16 with none
LARGEST_MEANS = 8.0  # how far one peak counts, in mean ones
ALIKE_PEAKS = 8.0  # the same for how high peaks usually are
ALIKE_EXCESSES = 60.0  # of its own, with which a series' tail counts as much as those of all series like it
SHAPE_MAX = 0.5  # heavier, and nothing would ever be surprising


class Tail(msgspec.Struct):
    """What is known of the tail of one statistic per channel: how often it rises above START, and how far it gets.

    A rise is one event, from START up until half of it again, and counts with its peak: false alarms are counted in
    episodes too, however long one lasts. Peaks follow a generalised Pareto law, whose mean and spread fade slowly.
    With few of them seen, the law is the predictive one, which is heavier: what is young is seldom surprising. What
    goes on isn't learned before its end. All arrays have the channels' shape. Source: Pickands 1975; Siffer et al.,
    "SPOT", KDD 2017.
    """

    steps: Floats
    excesses: Floats
    rate: Floats
    mean: Floats
    square: Floats
    peak: Floats  # of the rise that goes on; 0 where none does

    @classmethod
    def fresh(cls, shape: tuple[int, ...]) -> "Tail":
        return cls(
            np.zeros(shape, np.float32),
            np.zeros(shape, np.float32),
            np.full(shape, RATE_PRIOR, np.float32),
            np.full(shape, MEAN_PRIOR, np.float32),
            np.full(shape, 2.0 * MEAN_PRIOR**2, np.float32),  # exponential: E[x²] = 2 E[x]²
            np.zeros(shape, np.float32),
        )

    def surprise(self, statistic: Floats, alike: bool = False) -> Floats:
        """-log10 of the chance of this statistic or a larger one. Never more than a normal law would say.

        alike: the first axis is series of one kind, whose tails have about one shape; a few peaks say little of it,
        and with this each is drawn towards what all of them say.
        """
        excess = np.maximum(statistic - START, 0.0)
        variance = np.maximum(self.square - self.mean**2, 1e-6 * self.mean**2)
        ratio = self.mean**2 / variance
        mean = self.mean.astype(np.float64)
        shape = np.clip(0.5 * (1.0 - ratio), -SHAPE_MAX, SHAPE_MAX)
        if alike:
            peaks = self.excesses.astype(np.float64)
            together = (peaks * shape).sum(axis=0) / np.maximum(peaks.sum(axis=0), 1.0)
            shape = (peaks * shape + ALIKE_EXCESSES * together) / (peaks + ALIKE_EXCESSES)
            usual = (peaks * np.log(mean)).sum(axis=0) / np.maximum(peaks.sum(axis=0), 1.0)
            mean = np.exp((peaks * np.log(mean) + ALIKE_PEAKS * usual) / (peaks + ALIKE_PEAKS))
        shape = np.clip(shape, 0.0, SHAPE_MAX)
        scale = mean * (1.0 - shape)
        shape = np.minimum(shape + 1.0 / (DOUBT_EXCESSES + self.excesses), SHAPE_MAX)
        log_chance = np.log(np.minimum(self.rate, 1.0)) - np.log1p(shape * excess / scale) / shape
        own = -log_chance / LN10
        normal = normal_surprise(statistic)
        return np.where(statistic > START, np.minimum(own, normal), np.minimum(normal, -np.log10(self.rate)))

    def learn(self, statistic: Floats, seen: NDArray[np.bool_]) -> None:
        """Take a step's statistics in; those not `seen` change nothing.

        A single peak counts as at most LARGEST_MEANS times the mean one, so that one incident doesn't hide the next.
        """
        self.steps += np.where(seen & (self.steps < STEPS_MAX), 1.0, 0.0).astype(np.float32)
        np.maximum(self.peak, statistic - START, out=self.peak, where=seen, casting="same_kind")
        over = seen & (self.peak > 0) & (statistic < 0.5 * START)
        gain = np.where(seen, 1.0 / (RATE_PRIOR_STEPS + self.steps), 0.0)
        self.rate += (gain * (over - self.rate)).astype(np.float32)
        if not over.any():
            return
        self.excesses += np.where(over & (self.excesses < EXCESSES_MAX), 1.0, 0.0).astype(np.float32)
        excess = np.minimum(self.peak, LARGEST_MEANS * self.mean)
        gain = np.where(over, 1.0 / (MEAN_PRIOR_EXCESSES + self.excesses), 0.0)
        self.mean += (gain * (excess - self.mean)).astype(np.float32)
        self.square += (gain * (excess**2 - self.square)).astype(np.float32)
        self.peak[over] = 0.0
