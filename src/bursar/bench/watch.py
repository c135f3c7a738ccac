"""What detection costs, over ten thousand series by the minute and by the hour, and over ten million charges
(`watch_books`); and what it finds (`watch_found`)."""

import time
import tracemalloc

import numpy as np

from bursar.bench.figure import Figure, Options, median
from bursar.bench.watch_books import figures as books_figures
from bursar.bench.watch_found import figures as found_figures
from bursar.domain.watching import Bucket, Clock, SeriesKey
from bursar.watch.batch import TERMS, BatchDetector
from bursar.watch.rates import FIELDS
from bursar.watch.stream import MINUTE_US, StreamDetector
from bursar.watch.tails import Floats

SERIES = 10_000
CALLS_A_MINUTE = 60_000
CORE_SHARE_MAX = 5.0
KILOBYTES_MAX = 2.0
FIRST_MINUTE = 29_000_000
WARM_MINUTES = 3
BATCH_SERIES = 500
BATCH_S_MAX = 20.0


def measure(options: Options) -> list[Figure]:
    """CPU of one minute's observation as a share of a core; what one series takes; what a restart writes and reads."""
    series = max(100, int(SERIES * options.scale))
    detector = StreamDetector()
    rng = np.random.default_rng(7)
    rates = rng.pareto(1.2, series) + 0.05  # few series have most of the calls
    rates *= CALLS_A_MINUTE * series / SERIES / rates.sum()
    keys = [SeriesKey("customer", f"customer-{number}") for number in range(series)]
    took = []
    for minute in range(WARM_MINUTES + max(options.rounds, 3)):
        buckets = _traffic(rng, keys, rates if minute else np.maximum(rates, 40.0))
        began = time.process_time()
        detector.observe((FIRST_MINUTE + minute) * MINUTE_US, buckets)
        took.append(time.process_time() - began)
    seconds = median(took[WARM_MINUTES:])
    began = time.perf_counter()
    saved = detector.to_bytes()
    restored = len(StreamDetector.from_bytes(saved))
    around = time.perf_counter() - began
    if restored != series:
        raise RuntimeError(f"{restored} series came back of {series}")
    memory = _memory_of(saved)
    return [
        Figure(
            f"minute clock, {series:,} series", 100.0 * seconds / 60.0, "% of a core", CORE_SHARE_MAX,
            note=f"{1000 * seconds:.0f} ms CPU a minute, {CALLS_A_MINUTE * series // SERIES:,} calls in it",
        ),
        Figure("memory of a series", memory / series / 1024, "KB", KILOBYTES_MAX, note="all it allocates, keys too"),
        *_batch_figures(options),
        Figure("save and restore", around, "s", note=f"{len(saved) / 1e6:.0f} MB"),
        *books_figures(options),
        *found_figures(options),
    ]  # fmt: skip


def _batch_figures(options: Options) -> list[Figure]:
    """The numeric part of an hour's and of a day's end, over about as many series as the watch asks for."""
    series = max(20, int(BATCH_SERIES * options.scale))
    rng = np.random.default_rng(8)
    keys = [SeriesKey("customer", f"customer-{number}") for number in range(series)]
    figures = []
    for clock, steps in ((Clock.HOUR, 28 * 24), (Clock.DAY, 180)):
        step_us = TERMS[clock].step_us
        calls = rng.poisson(rng.pareto(1.2, (series, 1)) * 20 + 5, (series, steps))
        counts = np.zeros((series, steps, len(FIELDS)), np.int64)
        for name, value in (("calls", 1), ("attempts", 1), ("input_tokens", 900), ("output_tokens", 250)):
            counts[..., FIELDS.index(name)] = calls * value
        counts[..., FIELDS.index("cost_pico")] = calls * 4_000_000_000
        counts[: series // 10, -12:] *= 3  # a tenth of them is out of the ordinary
        starts = [FIRST_MINUTE * MINUTE_US + number * step_us for number in range(steps)]
        began = time.process_time()
        found = BatchDetector().look(clock, starts, keys, counts)
        took = time.process_time() - began
        figures.append(
            Figure(f"clock of each {clock.value}, numbers", took, "s CPU",
                   BATCH_S_MAX, note=f"{series} series, {steps} steps, {len(found)} detections")
        )  # fmt: skip
    return figures


def _memory_of(saved: bytes) -> int:
    """Bytes that a detector with its keys takes, as Python and numpy allocate them."""
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    detector = StreamDetector.from_bytes(saved)
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return after - before if len(detector) else 0


def _traffic(rng: np.random.Generator, keys: list[SeriesKey], rates: Floats) -> dict[SeriesKey, Bucket]:
    found = {}
    for key, calls in zip(keys, rng.poisson(rates).tolist(), strict=True):
        if calls:
            found[key] = Bucket(
                calls, calls, 0, 0, 0, 900 * calls, 300 * calls, 250 * calls, 4_000_000_000 * calls, 0, 0, 0
            )
    return found
