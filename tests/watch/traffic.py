"""Made-up minutes of calls: counts with more spread than Poisson's, token lengths that vary as much as they are."""

from collections.abc import Callable, Iterable, Mapping

import numpy as np

from bursar.domain.watching import Bucket, Detection, SeriesKey, Signal
from bursar.watch.stream import MINUTE_US, StreamDetector

MONDAY = 29_540_160  # a minute: 2026-03-02 00:00 UTC
DAY = 1440
FEATURES = [SeriesKey("feature", f"feature-{number}") for number in range(8)]

Change = Mapping[str, float]


class Traffic:
    """Minutes of several features, reproducible by seed.

    rates: calls a minute of each; overdispersion: variance beyond Poisson's, relative to the mean squared.
    """

    def __init__(
        self,
        seed: int,
        rates: Iterable[float] = (60.0,) * len(FEATURES),
        overdispersion: float = 0.05,
        shape: Callable[[int], float] = lambda minute: 1.0,
    ) -> None:
        self.rng = np.random.default_rng(seed)
        self.rates = np.array(list(rates))
        self.overdispersion = overdispersion
        self.shape = shape

    def minute(self, minute: int, change: Change | None = None) -> dict[SeriesKey, Bucket]:
        """calls, input, output, price: factors. retries, errors, dear: added chances. cached: share of input."""
        change, rng = change or {}, self.rng
        mean = self.rates * self.shape(minute) * change.get("calls", 1.0)
        if self.overdispersion:
            mean = mean * rng.gamma(1 / self.overdispersion, self.overdispersion, len(mean))
        found = {}
        for key, calls in zip(FEATURES, rng.poisson(mean).tolist(), strict=False):
            if not calls:
                continue
            retries = int(rng.binomial(calls, 0.002 + change.get("retries", 0.0)))
            dear = int(rng.binomial(calls, change.get("dear", 0.0)))
            inputs = calls * 100 + int(900 * rng.gamma(calls) * change.get("input", 1.0))
            outputs = calls + int(300 * rng.gamma(calls) * change.get("output", 1.0))
            read = int(inputs * min(1.0, change.get("cached", 0.6) * rng.normal(1.0, 0.02)))
            cost = (2_500_000 * (inputs - read) + 250_000 * read + 10_000_000 * outputs) * change.get("price", 1.0)
            found[key] = Bucket(
                calls=calls, attempts=calls + retries, retries=retries,
                errors=int(rng.binomial(calls, 0.01 + change.get("errors", 0.0))),
                truncated=int(rng.binomial(calls, 0.01)), input_tokens=inputs, cache_read_tokens=read,
                output_tokens=outputs, cost_pico=int(cost * (1 + 15 * dear / calls)), dear_calls=dear,
            )  # fmt: skip
        return found


def watch(
    detector: StreamDetector,
    traffic: Traffic,
    first: int,
    minutes: int,
    change: Change | None = None,
    every: int = 1,
) -> list[Detection]:
    """Everything detected in so many minutes from `first` on. every: 2 leaves each second minute out, to save time."""
    found: list[Detection] = []
    for minute in range(first, first + minutes, every):
        found += detector.observe(minute * MINUTE_US, traffic.minute(minute, change))
    return found


def signals_of(found: Iterable[Detection]) -> set[Signal]:
    return {one.signal for one in found}
